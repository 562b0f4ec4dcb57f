//! Pairs of enter and exit events made from events of the newest schema.

use std::fs;
use std::path::Path;

use scap_capture_format::event::EventFlags;
use scap_capture_format::native::{CaptureReader, ChunkDecoder, Item, Load, MachineInfo, Snapshot};
use scap_capture_format::schema::{Arch, EVENTS, EventType, Status, event_info, syscall, types};
use scap_capture_format::sysdig::{
    Converter, Downgrade, InOrder, SysdigWriter, Target, WriterOptions,
};

use crate::common::Owned;
use crate::read_whole;
use crate::real::{KNOWN_TO_OLD, each, run};

/// Type, time and parameters.
type Made = Option<(u16, u64, Vec<Vec<u8>>)>;

fn pair(downgrade: &mut Downgrade, event: &Owned) -> (Made, Made) {
    event.with(|e| {
        let pair = downgrade.pair(e);
        let made = |e: Option<scap_capture_format::event::EventRef<'_>>| {
            e.map(|e| {
                assert_eq!((e.tid.0, e.cpu, e.latency), (event.tid, event.cpu, None));
                (e.ty.0, e.ts.0, Owned::of(&e).params)
            })
        };
        (made(pair.enter), made(pair.exit))
    })
}

/// An event of a type with all its parameters, which are their names cut or padded to their widths.
fn full(ty: u16) -> Owned {
    let info = event_info(EventType(ty)).unwrap();
    let values: Vec<Vec<u8>> = info
        .params
        .iter()
        .map(|p| {
            let mut value = p.name.as_bytes().to_vec();
            if let Some(len) = p.ty.fixed_len() {
                value.resize(len, b'_');
            }
            value
        })
        .collect();
    let mut values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    if ty == 1 {
        values[0] = &[16, 0];
    }
    Owned::new(1000, 42, EventType(ty), Some(100), &values)
}

fn texts(params: &[Vec<u8>]) -> Vec<String> {
    params
        .iter()
        .map(|p| String::from_utf8_lossy(p).into_owned())
        .collect()
}

#[test]
fn pairs() {
    let mut d = Downgrade::new();
    for (ty, enter, exit) in [
        (7, (6, "fd______ size"), (7, "res_____ data")),
        (23, (22, "fd______ addr"), (23, "res_____ tuple")),
        (
            3,
            (2, "name flag mode"),
            (3, "fd______ name flag mode dev_"),
        ),
        (
            307,
            (306, "dirfd___ name flag mode"),
            (307, "fd______ dirfd___ name flag mode dev_"),
        ),
        (65, (64, "addr____ op val_____"), (65, "res_____")),
        // Older types, by the table.
        (367, (124, "oldfd___"), (125, "res_____")),
        (369, (296, "cmd_\0\0\0\0"), (297, "\0fd______")),
        (389, (248, "flag"), (249, "fd______ tuple q queu queu")),
        // Older types that the table does not tell of.
        (363, (124, "oldfd___"), (125, "res_____")),
        (365, (124, "oldfd___"), (125, "res_____")),
        (391, (258, "flag"), (259, "res_____ name")),
        (393, (60, ""), (61, "res_____ fd1_____ fd2_____ ino_____")),
        (399, (126, "fd______ mask "), (127, "res_____")),
    ] {
        let (e, x) = pair(&mut d, &full(ty));
        let made = |m: Made| m.map(|m| (m.0, m.1, texts(&m.2).join(" ")));
        assert_eq!(made(e), Some((enter.0, 900, enter.1.to_owned())), "{ty}");
        assert_eq!(made(x), Some((exit.0, 1000, exit.1.to_owned())), "{ty}");
    }
    // A number that got wider.
    let (e, _) = pair(&mut d, &full(397));
    assert_eq!(e.unwrap().2, [b"initval_".to_vec(), b"fl\0\0".to_vec()]);
    // sysdig would read the length of a list from whatever follows it.
    let (e, _) = pair(&mut d, &full(types::SYSCALL_POLL_X.0));
    assert_eq!(e.unwrap().2[0], [0, 0]);
    // Calls without a type of their own: code and number.
    let (e, x) = pair(&mut d, &full(1));
    assert_eq!((e.unwrap().0, x.unwrap().0), (0, 1));
    let (e, x) = pair(&mut d, &full(339));
    // sysdig does not know the code, and would crash.
    assert_eq!(
        e,
        Some((0, 900, vec![vec![0, 0], 425u16.to_le_bytes().to_vec()]))
    );
    assert_eq!(x, Some((1, 1000, vec![vec![0, 0]])));
    let (e, _) = pair(&mut d, &full(375));
    assert_eq!(e.unwrap().2[1], 213u16.to_le_bytes());
    let mut arm = Downgrade::with_target(Target::Sysdig029, Arch::Aarch64);
    let (e, _) = pair(&mut arm, &full(337));
    assert_eq!(e.unwrap().2[1], 265u16.to_le_bytes());
}

#[test]
fn special_cases() {
    let mut d = Downgrade::new();
    // The end of a process is no call.
    let (e, x) = pair(&mut d, &full(186));
    assert_eq!((e, x.unwrap().2.len()), (None, 4));
    // A call that had not returned.
    let mut event = full(7);
    event.flags = (EventFlags::IN_FLIGHT | EventFlags::HIDDEN).bits();
    let (e, x) = pair(&mut d, &event);
    assert_eq!((e.unwrap().0, x), (6, None));
    // The new thread's return from clone; its parent's.
    let mut event = full(223);
    event.params[0] = vec![0; 8];
    let (e, x) = pair(&mut d, &event);
    assert_eq!((e, x.unwrap().2.len()), (None, 20));
    event.params[0][0] = 1;
    assert_eq!(pair(&mut d, &event).0, Some((222, 900, Vec::new())));
    // A text that was cut, and a list of fds: sysdig takes what its count says.
    let mut event = full(3);
    let name = |event: &Owned, d: &mut Downgrade| pair(d, event).0.unwrap().2[0].clone();
    assert_eq!(name(&event, &mut d), b"name");
    event.flags = EventFlags::CUT_TEXT.bits();
    assert_eq!(name(&event, &mut d), b"name...\0");
    let mut event = full(types::SYSCALL_POLL_X.0);
    let [list, short] = [2_u8, 1].map(|count| [&[count, 0][..], &[7; 10]].concat());
    event.params[1] = list;
    event.flags = EventFlags::CUT_LIST.bits();
    assert_eq!(pair(&mut d, &event).1.unwrap().2[1], short);
    // Latency not known.
    let mut event = full(7);
    event.latency = None;
    assert_eq!(pair(&mut d, &event).0.unwrap().1, 1000);
    // A container as newer recorders tell of it.
    let event = Owned::new(
        5,
        -1,
        EventType(402),
        None,
        &[&[1, 0, 0, 0], b"container\0", b"{}\0"],
    );
    assert_eq!(
        pair(&mut d, &event),
        (None, Some((324, 5, vec![b"{}\0".to_vec()])))
    );
    assert!(!d.report().contains_key("asyncevent"));
    // What an exit event says already.
    assert_eq!(pair(&mut d, &full(306)), (None, None));
    // What sysdig does not know.
    assert_eq!(pair(&mut d, &full(354)), (None, None));
    assert_eq!(
        pair(&mut d, &Owned::new(5, 1, EventType(9999), None, &[])),
        (None, None)
    );
    let report = d.report();
    let lost = |name: &str| {
        report
            .get(name)
            .map(|l| (l.events, l.dropped, l.params.join(" ")))
    };
    assert_eq!(lost("useradded"), Some((1, 1, String::new())));
    assert_eq!(lost("unknown"), Some((1, 1, String::new())));
    assert_eq!(lost("read"), None);
    assert_eq!(lost("clone"), Some((2, 0, "pidns_init_start_ts".into())));
    assert_eq!(lost("procexit"), Some((1, 0, "reaper_tid".into())));
}

/// Whatever the types are: nothing of them but what is told as lost is missing after the way back.
#[test]
fn back_and_forth() {
    for info in EVENTS
        .iter()
        .filter(|i| i.status == Status::Current && i.ty.is_exit())
    {
        let mut d = Downgrade::new();
        let mut converter = Converter::new();
        let event = full(info.ty.0);
        let made = event.with(|e| {
            let p = d.pair(e);
            (
                p.enter.map(|e| Owned::of(&e)),
                p.exit.map(|e| Owned::of(&e)),
            )
        });
        let (enter, Some(exit)) = made else {
            panic!("{} is dropped", info.enum_name)
        };
        assert!(exit.ty < KNOWN_TO_OLD);
        if let Some(enter) = enter {
            assert_eq!((enter.ty, enter.ts), (exit.ty - 1, 900));
            enter.with(|e| assert!(converter.convert(e).enter.is_none()));
        }
        let back = exit.with(|e| {
            converter
                .convert(e)
                .merged
                .map_or_else(|| exit.clone(), |m| Owned::of(&m))
        });
        let lost = d.report().remove(info.name).unwrap_or_default();
        for (i, param) in info.params.iter().enumerate() {
            let is_lost = lost.params.contains(&param.name);
            if back.ty == info.ty.0 {
                let value = back.params.get(i).cloned().unwrap_or_default();
                let expected = if is_lost {
                    Vec::new()
                } else {
                    event.params[i].clone()
                };
                assert_eq!(value, expected, "{} {}", info.enum_name, param.name);
            }
        }
    }
}

#[test]
fn enter_events_for_filters() {
    let mut d = Downgrade::with_target(Target::EnterEvents, Arch::X86_64);
    for (ty, enter) in [
        (7, Some("fd______ size")),
        (307, Some("dirfd___ name flag mode")),
        (293, Some("filename")),
        (363, Some("oldfd___")),
        (375, Some("size")),
        (389, Some("flag")),
        (337, Some("")),
        (451, None),
        (186, None),
    ] {
        let (e, x) = pair(&mut d, &full(ty));
        assert_eq!(x, None);
        let made = e.map(|e| (e.0, texts(&e.2).join(" ")));
        assert_eq!(made, enter.map(|p| (ty - 1, p.to_owned())), "{ty}");
    }
    assert!(d.report().is_empty());
}

/// Writes events in order of time.
fn write_sorted(events: &[Owned], machine: &MachineInfo, snapshot: &Snapshot) -> Vec<u8> {
    let options = WriterOptions::default();
    let mut writer = SysdigWriter::new(Vec::new(), machine, snapshot, options).unwrap();
    let mut order = InOrder::new();
    for event in events {
        event.with(|e| order.push(e));
        while let Some(event) = order.due() {
            writer.event(&event).unwrap();
        }
    }
    while let Some(event) = order.rest() {
        writer.event(&event).unwrap();
    }
    assert_eq!(order.moved(), 0);
    let file = writer.finish().unwrap();
    let times: Vec<u64> = read_whole(&file).events.iter().map(|e| e.ts).collect();
    assert!(times.is_sorted());
    file
}

/// A capture of scap, written for sysdig, is read by it: the same calls with the same arguments.
#[test]
fn sysdig_reads_what_scap_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/sample.scap");
    let file = fs::read(path).unwrap();
    let mut reader = CaptureReader::new(file.as_slice()).unwrap();
    let machine = reader.header().machine.clone();
    let mut first = None;
    let mut downgrade = Downgrade::new();
    let mut decoder = ChunkDecoder::new();
    let (mut events, mut made) = (Vec::new(), Vec::new());
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Snapshot(s) if first.is_none() => first = Some(s),
            Item::Chunk(chunk) => {
                let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
                while let Some(event) = rows.next().unwrap() {
                    events.push(Owned::of(&event));
                    let pair = downgrade.pair(&event);
                    made.extend(pair.enter.iter().chain(&pair.exit).map(Owned::of));
                }
            }
            _ => {}
        }
    }
    let report = downgrade.report();
    eprintln!("{report:#?}");
    let out = write_sorted(&made, &machine, &first.unwrap());
    let read = read_whole(&out);
    assert_eq!(read.events.len(), made.len());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.scap");
    fs::write(&path, &out).unwrap();
    let format = "*%evt.num\t%evt.rawtime\t%thread.tid\t%evt.dir\t%evt.type\t%evt.latency\t%fd.name\t%evt.args";
    let Some(text) = run("sysdig", &["-r", path.to_str().unwrap(), "-p", format]) else {
        return;
    };
    let mut lines = text.lines();
    let (mut files, mut latencies) = (0, 0);
    for (num, event) in (1..).zip(&read.events) {
        let line: Vec<&str> = lines.next().unwrap().split('\t').collect();
        let info = event_info(EventType(event.ty)).unwrap();
        let mut name = info.name;
        if info.name == "syscall" {
            let code = u16::from_le_bytes(event.params[0].as_slice().try_into().unwrap());
            name = syscall::by_ppm_sc(code).map_or("<unknown>", |c| c.name);
        }
        let expected = [num.to_string(), event.ts.to_string(), event.tid.to_string()];
        assert_eq!(line[..3], expected, "{event:?}");
        // The one code whose name changed.
        let name = name.replace("rt_sigreturn", "sigreturn");
        assert_eq!(
            (line[3] == ">", line[4]),
            (info.enter, name.as_str()),
            "{event:?}"
        );
        latencies += line[5].parse::<u64>().unwrap();
        files += usize::from(line[6] != "<NA>");
    }
    assert_eq!(lines.next(), None);
    // The time between the two is the latency again, and sysdig follows the fds.
    let expected: u64 = events
        .iter()
        .filter(|e| e.ty % 2 == 1)
        .filter_map(|e| e.latency)
        .sum();
    assert!(
        latencies.abs_diff(expected) < expected / 50,
        "{latencies} {expected}"
    );
    assert!(files > 1000, "{files}");
    assert!(text.contains("fd=3(<f>/lib/x86_64-linux-gnu/libc.so.6) size=832"));
}

/// So are captures of the newest recorder.
#[test]
fn sysdig_reads_what_the_newest_recorder_recorded() {
    each(|name, _, all| {
        if name != "libs-0.26-container.scap" {
            return;
        }
        let mut downgrade = Downgrade::new();
        let mut made = Vec::new();
        for event in &all.events {
            event.with(|e| {
                let pair = downgrade.pair(e);
                made.extend(pair.enter.iter().chain(&pair.exit).map(Owned::of));
            });
        }
        eprintln!("{:#?}", downgrade.report());
        let out = write_sorted(&made, &all.machines[0], &all.snapshots[0]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.scap");
        fs::write(&path, &out).unwrap();
        let Some(text) = run(
            "sysdig",
            &["-r", path.to_str().unwrap(), "-p", "%evt.num %evt.type"],
        ) else {
            return;
        };
        let last = text.lines().last().unwrap().split(' ').next().unwrap();
        assert_eq!(
            last.parse::<usize>().unwrap(),
            read_whole(&out).events.len()
        );
    });
}
