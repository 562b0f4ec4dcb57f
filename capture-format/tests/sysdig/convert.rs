//! Events of older recorders in the newest schema.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use scap_capture_format::event::{EventFlags, Timestamp};
use scap_capture_format::limits;
use scap_capture_format::schema::{EventType, event_info};
use scap_capture_format::sysdig::{Converter, Enter};

use crate::bytes::le64;
use crate::common::Owned;
use crate::real::each;

/// Type and parameters.
type Merged = (u16, Vec<Vec<u8>>);

struct Run(Converter, u64);

impl Run {
    fn new() -> Self {
        Self(Converter::new(), 0)
    }

    /// Gives the next event; returns the merged one (type, parameters) and the enter event.
    fn next(&mut self, tid: i64, ty: u16, params: &[&[u8]]) -> (Option<Merged>, Option<Enter>) {
        self.1 += 10;
        let mut event = Owned::new(self.1, tid, EventType(ty), None, params);
        event.flags = EventFlags::HIDDEN.bits();
        event.cpu = 7;
        event.with(|e| {
            let converted = self.0.convert(e);
            let merged = converted.merged.map(|m| {
                let m = Owned::of(&m);
                assert_eq!(
                    (m.ts, m.tid, m.cpu, m.flags, m.latency),
                    (e.ts.0, tid, 7, 1, None)
                );
                (m.ty, m.params)
            });
            (merged, converted.enter)
        })
    }
}

fn enter(ty: u16, ts: u64, fd: Option<i64>) -> Option<Enter> {
    Some(Enter {
        ty: EventType(ty),
        ts: Timestamp(ts),
        fd,
    })
}

fn owned(params: &[&[u8]]) -> Vec<Vec<u8>> {
    params.iter().map(|p| p.to_vec()).collect()
}

const RES: [u8; 8] = [5, 0, 0, 0, 0, 0, 0, 0];
const FD: [u8; 8] = [3, 0, 0, 0, 0, 0, 0, 0];
const SIZE: [u8; 4] = [100, 0, 0, 0];

#[test]
fn store_and_add() {
    let mut run = Run::new();
    assert_eq!(run.next(1, 6, &[&FD, &SIZE]), (None, None));
    let (merged, from) = run.next(1, 7, &[&RES, b"hello"]);
    assert_eq!(merged, Some((7, owned(&[&RES, b"hello", &FD, &SIZE]))));
    assert_eq!(from, enter(6, 10, Some(3)));
    // Without one, or once it is used, nothing is invented.
    let (merged, from) = run.next(1, 7, &[&RES, b"hello"]);
    assert_eq!(
        (merged, from),
        (Some((7, owned(&[&RES, b"hello", b"", b""]))), None)
    );
    // A parameter that the enter event lacks.
    run.next(1, 6, &[&FD]);
    let (merged, _) = run.next(1, 7, &[&RES, b"hello"]);
    assert_eq!(merged, Some((7, owned(&[&RES, b"hello", &FD, b""]))));
    // The newest form.
    run.next(1, 6, &[&FD, &SIZE]);
    let (merged, from) = run.next(1, 7, &[&RES, b"hello", &FD, &SIZE]);
    assert_eq!((merged, from), (None, enter(6, 60, Some(3))));
}

#[test]
fn threads_are_apart() {
    let mut run = Run::new();
    run.next(1, 6, &[&FD, &SIZE]);
    run.next(2, 6, &[&RES, &SIZE]);
    let (merged, _) = run.next(1, 7, &[&RES, b""]);
    assert_eq!(merged.unwrap().1[2], FD);
    let (merged, _) = run.next(2, 7, &[&RES, b""]);
    assert_eq!(merged.unwrap().1[2], RES);
}

#[test]
fn only_the_pair_counts() {
    let mut run = Run::new();
    run.next(1, 8, &[&FD, &SIZE]);
    let (merged, from) = run.next(1, 7, &[&RES, b"hello"]);
    assert_eq!(
        (merged, from),
        (Some((7, owned(&[&RES, b"hello", b"", b""]))), None)
    );
    // It is over, although it was another's.
    assert_eq!(run.next(1, 9, &[&RES, b""]).1, None);
    // What is no call is no enter event: switch, procinfo, signaldeliver, page fault, drop.
    for (ty, n) in [
        (146, 1),
        (152, 6),
        (234, 2),
        (232, 3),
        (290, 3),
        (148, 1),
        (149, 1),
        (402, 3),
    ] {
        run.next(1, 6, &[&FD, &SIZE]);
        run.next(1, ty, &vec![&b"12345678"[..]; n]);
        let (merged, from) = run.next(1, 7, &[&RES, b""]);
        assert_eq!(merged, Some((7, owned(&[&RES, b"", &FD, &SIZE]))), "{ty}");
        assert!(from.is_some());
    }
    // The end of the thread.
    run.next(1, 6, &[&FD, &SIZE]);
    run.next(1, 186, &[&RES, b"", b"", b"", b""]);
    assert_eq!(run.next(1, 7, &[&RES, b""]).1, None);
}

#[test]
fn pass_and_never_converted() {
    let mut run = Run::new();
    // Passed, but the call's begin and fd are still told.
    assert_eq!(run.next(1, 2, &[b"/x\0", &SIZE, &SIZE]), (None, None));
    let (merged, from) = run.next(1, 3, &[&RES, b"/x\0", &SIZE, &SIZE, &SIZE, &RES]);
    assert_eq!((merged, from), (None, enter(2, 10, None)));
    // A type that the table does not have at all: getcwd.
    assert_eq!(run.next(1, 92, &[]), (None, None));
    assert_eq!(
        run.next(1, 93, &[&RES, b"/\0"]),
        (None, enter(92, 30, None))
    );
    assert_eq!(run.next(1, 453, &[&RES]), (None, None));
    assert_eq!(run.next(1, 60_000, &[&RES]), (None, None));
}

#[test]
fn store_and_pass() {
    let mut run = Run::new();
    let address = [2u8, 127, 0, 0, 1, 80, 0];
    assert_eq!(run.next(1, 22, &[&FD, &address]), (None, None));
    let (merged, from) = run.next(1, 23, &[&RES, b"tuple"]);
    assert_eq!(merged, Some((23, owned(&[&RES, b"tuple", &FD, &address]))));
    assert_eq!(from, enter(22, 10, Some(3)));
    // An older one.
    let (merged, _) = run.next(1, 22, &[&FD]);
    assert_eq!(merged, Some((22, owned(&[&FD, b""]))));
    let (merged, _) = run.next(1, 23, &[&RES, b"tuple"]);
    assert_eq!(merged, Some((23, owned(&[&RES, b"tuple", &FD, b""]))));
}

#[test]
fn change_of_type() {
    let mut run = Run::new();
    run.next(1, 102, &[&FD, b"x\0", &SIZE, &SIZE]);
    let (merged, _) = run.next(1, 103, &[&RES]);
    assert_eq!(
        merged,
        Some((307, owned(&[&RES, &FD, b"x\0", &SIZE, &SIZE, b"", b""])))
    );
    let (merged, _) = run.next(1, 146, &[&RES]);
    assert_eq!(merged, Some((152, owned(&[&RES, b"", b"", b"", b"", b""]))));
    let (merged, _) = run.next(1, 272, &[b"{}\0"]);
    assert_eq!(merged, Some((324, owned(&[b"{}\0"]))));
    let (merged, _) = run.next(1, 228, &[b"12ab\0", &[0; 4], b"web\0", b"nginx\0"]);
    let json = br#"{"container":{"id":"12ab","type":0,"name":"web","image":"nginx"}}"#;
    assert_eq!(merged, Some((324, owned(&[&[&json[..], b"\0"].concat()]))));
}

#[test]
fn twelve_execves() {
    for (ty, n) in [
        (13, 8),
        (155, 13),
        (173, 14),
        (215, 15),
        (231, 16),
        (283, 17),
        (289, 17),
        (293, 18),
        (293, 30),
    ] {
        let mut run = Run::new();
        let values: Vec<[u8; 1]> = (0..n).map(|i| [i as u8 + 1]).collect();
        let params: Vec<&[u8]> = values.iter().map(<[u8; 1]>::as_slice).collect();
        let name = [&b"/bin/ls\0"[..]];
        let has_name = ty >= 289;
        run.next(1, ty - 1, if has_name { &name } else { &[] });
        let (merged, from) = run.next(1, ty, &params);
        let (to, list) = merged.unwrap();
        assert_eq!((to, list.len()), (293, 31), "{ty}");
        // What was there is there, in order.
        let kept: Vec<_> = list[..30]
            .iter()
            .filter(|p| !p.is_empty())
            .cloned()
            .collect();
        assert_eq!(kept, owned(&params), "{ty}");
        assert_eq!(list[30], if has_name { name[0] } else { b"" });
        assert_eq!(from, enter(ty - 1, 10, None));
    }
    // The parameters of 13 and 14 were put in the middle.
    let mut run = Run::new();
    let params: Vec<&[u8]> = [&b"0"[..]; 14].to_vec();
    let (merged, _) = run.next(1, 173, &params);
    assert!(merged.unwrap().1[13].is_empty());
    // An execveat that succeeded ends as an execve, but says other things.
    run.next(1, 330, &[&FD, b"ls\0", &SIZE]);
    let (merged, from) = run.next(1, 293, &[&b"x"[..]; 30]);
    assert!(merged.unwrap().1[30].is_empty());
    assert_eq!(from, enter(330, 20, None));
    run.next(1, 330, &[&FD, b"ls\0", &SIZE]);
    assert_eq!(run.next(1, 331, &[&b"x"[..]; 30]).1, enter(330, 40, None));
}

#[test]
fn types_that_scap_extends() {
    // futex has 4 parameters in the field's table and 7 in ours.
    let mut run = Run::new();
    run.next(1, 64, &[&FD, b"\x01\0", &RES]);
    let (merged, _) = run.next(1, 65, &[&RES]);
    assert_eq!(merged, Some((65, owned(&[&RES, &FD, b"\x01\0", &RES]))));
    // Ours are left alone.
    let ours = event_info(EventType(65)).unwrap().params.len();
    assert_eq!(run.next(1, 65, &vec![&RES[..]; ours]).0, None);
    run.next(1, 0, &[&[9, 0], &[60, 0]]);
    let (merged, _) = run.next(1, 1, &[&[9, 0]]);
    assert_eq!(merged, Some((1, owned(&[&[9, 0], &[60, 0]]))));
    assert_eq!(run.next(1, 1, &[&[0; 1][..]; 10]).0, None);
}

/// Every row of the field's table does what it says, one step of a chain after the other.
#[test]
fn every_row() {
    let csv = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/event-conversions.csv");
    let text = fs::read_to_string(csv).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().skip(1) {
        let c: Vec<&str> = line.split(',').collect();
        let key: (u16, usize) = (c[0].parse().unwrap(), c[2].parse().unwrap());
        rows.insert(key, (c[3], c[4].parse().unwrap_or(key.0), c[6]));
    }
    assert_eq!(rows.len(), 253);
    for &(ty, n) in rows.keys() {
        let value = |from: &str, i: usize| format!("{from}{i}").into_bytes();
        let old: Vec<Vec<u8>> = (0..n).map(|i| value("old", i)).collect();
        let has_enter = ty % 2 == 1;
        let entered = |i: usize| {
            if has_enter {
                value("enter", i)
            } else {
                Vec::new()
            }
        };
        let (mut now, mut list) = (ty, old.clone());
        let mut steps = 0;
        while let Some((action, to, sources)) = rows.get(&(now, list.len())) {
            let new: Vec<Vec<u8>> = sources
                .split_whitespace()
                .map(|s| match s.split('|').next().unwrap().split_once(':') {
                    Some(("old", i)) => list[i.parse::<usize>().unwrap()].clone(),
                    Some(("enter", i)) => entered(i.parse().unwrap()),
                    Some(_) => b"{\"container\":{\"id\":\"old0\",\"type\":828664943,\"name\":\"old2\",\"image\":\"old3\"}}\0".to_vec(),
                    None => Vec::new(),
                })
                .collect();
            match *action {
                "ADD_PARAMS" => list.extend(new),
                "CHANGE_TYPE" => list = new,
                _ => break,
            }
            now = *to;
            steps += 1;
        }
        let mut run = Run::new();
        if has_enter {
            let params: Vec<Vec<u8>> = (0..6).map(|i| value("enter", i)).collect();
            let params: Vec<&[u8]> = params.iter().map(Vec::as_slice).collect();
            run.next(1, ty - 1, &params);
        }
        let params: Vec<&[u8]> = old.iter().map(Vec::as_slice).collect();
        let (merged, _) = run.next(1, ty, &params);
        let mut expected = (steps > 0).then_some((now, list));
        if ty == 228 {
            let text = String::from_utf8(expected.as_ref().unwrap().1[0].clone()).unwrap();
            let number = u32::from_le_bytes(*b"old1");
            expected = Some((
                324,
                vec![text.replace("828664943", &number.to_string()).into_bytes()],
            ));
        }
        if ty == 297 {
            // An fd without the number of its variant, and a narrower number.
            expected = Some((369, owned(&[b"ld0", b"ente"])));
        }
        assert_eq!(merged, expected, "{ty} with {n}");
    }
}

#[test]
fn memory_is_bounded() {
    let mut run = Run::new();
    for tid in 0..limits::CONVERT_THREADS as i64 + 10 {
        run.next(tid, 6, &[&FD, &SIZE]);
    }
    assert!(
        run.next(limits::CONVERT_THREADS as i64 + 5, 7, &[&RES, b""])
            .1
            .is_some()
    );
    assert!(run.next(3, 7, &[&RES, b""]).1.is_none());
    let path = vec![b'x'; 60_000];
    for tid in 0..3000 {
        run.next(tid, 102, &[&le64(1), &path, &SIZE, &SIZE]);
    }
    assert!(run.next(0, 103, &[&RES]).1.is_none());
}

/// Every exit event of the captures finds its enter event, but for calls that had begun before, and for
/// a few whose enter event the recorder dropped.
#[test]
fn real_captures() {
    each(|name, _, all| {
        let mut converter = Converter::new();
        let mut seen = HashSet::new();
        let (mut exits, mut pairs, mut merged, mut lost) = (0, 0, 0, Vec::new());
        for event in &all.events {
            event.with(|e| {
                let converted = converter.convert(e);
                let first = seen.insert(e.tid);
                exits += usize::from(e.ty.is_exit());
                pairs += u32::from(converted.enter.is_some());
                merged += u32::from(converted.merged.is_some());
                if e.ty.is_exit() && converted.enter.is_none() && !first {
                    lost.push((e.ty.0, e.tid.0));
                }
            });
        }
        eprintln!("{name}: {exits} exits, {pairs} with enter event, {merged} converted");
        // The newest recorder has no enter events.
        let newest = name == "libs-0.26-container.scap";
        assert!(newest || lost.len() * 30 < exits, "{name}: {lost:?}");
        assert_eq!((pairs == 0, merged == 0), (newest, newest), "{name}");
    });
}
