//! Questions to a capture about single events, compared with what reading it from the front shows.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use common::{file, scap, seen};
use scap::analysis::detail::{describe, detail};
use scap::analysis::echo::{Echo, Follow, Piece, echo};
use scap::analysis::find::{Query, find, fork, opener};
use scap::analysis::library::Need;
use scap::analysis::line::write_line;
use scap::analysis::page::{At, Line, Places, page};
use scap::analysis::{AnalysisError, Library, Scope, Span, Walker};
use scap::event::EventExt as _;
use scap::filter::Filter;
use scap::filter::fields::Context;
use scap::state::State;
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ChunkDecoder, Item, Load, WriterOptions,
};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap")
}

fn go() -> AtomicBool {
    AtomicBool::new(false)
}

fn walker(path: &Path) -> Walker {
    Walker::new(&Arc::new(Library::open(path).unwrap())).unwrap()
}

fn scope(walker: &Walker, filter: &str) -> Scope {
    Scope {
        span: walker.library().span().unwrap(),
        filter: filter.to_owned(),
    }
}

/// The sample in chunks of 70 events, with a snapshot after every 280.
fn cut_up(dir: &Path) -> PathBuf {
    let source = fs::read(sample()).unwrap();
    let mut reader = CaptureReader::new(&source[..]).unwrap();
    let header = reader.header().clone();
    let mut writer = CaptureWriter::new(Vec::new(), &header, WriterOptions::default()).unwrap();
    let mut decoder = ChunkDecoder::new();
    let mut state = State::new();
    let mut events = 0_u64;
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Snapshot(snapshot) => state.restore(&snapshot),
            Item::Chunk(chunk) => {
                let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
                while let Some(event) = rows.next().unwrap() {
                    if events.is_multiple_of(280) {
                        let mut snapshot = state.snapshot();
                        snapshot.time = event.ts;
                        writer.write_snapshot(&mut snapshot).unwrap();
                    } else if events.is_multiple_of(70) {
                        writer.flush_chunk().unwrap();
                    }
                    state.apply(&event);
                    writer.push(&event).unwrap();
                    events += 1;
                }
            }
            _ => {}
        }
    }
    file(dir, "cut-up.scap", &writer.finish().unwrap())
}

/// What `scap read` prints, without the times.
fn read(path: &Path, args: &[&str]) -> Vec<String> {
    let path = path.to_str().unwrap();
    let output = scap(&[&["read", path], args].concat(), None);
    let (out, err, code) = seen(&output);
    assert_eq!((code, &*err), (0, ""), "{args:?}");
    let without_time = |line: &str| {
        let mut words = line.trim_end().splitn(3, ' ');
        let (num, _, rest) = (words.next().unwrap(), words.next(), words.next().unwrap());
        format!("{num} {rest}")
    };
    out.lines().map(without_time).collect()
}

/// A line as `scap read` has it.
fn shown(line: &Line) -> String {
    let direction = if line.enter { '>' } else { '<' };
    let (num, cpu, comm, tid) = (line.num, line.cpu, &line.comm, line.tid);
    let text = format!(
        "{num} {cpu} {comm} ({tid}) {direction} {} {}",
        line.name, line.args
    );
    text.trim_end().to_owned()
}

/// Compares, up to where a line is cut.
fn assert_same(lines: &[Line], expected: &[String], what: &str) {
    let numbers: Vec<u64> = lines.iter().map(|l| l.num).collect();
    assert_eq!(lines.len(), expected.len(), "{what}: {numbers:?}");
    for (line, expected) in lines.iter().zip(expected) {
        let shown = shown(line);
        match shown.strip_suffix('…') {
            Some(start) => assert!(expected.starts_with(start), "{what}"),
            None => assert_eq!(&shown, expected, "{what}"),
        }
    }
}

const FILTERS: [&str; 4] = [
    "",
    "evt.type = openat and fd.name contains /lib",
    "proc.name = curl or evt.failed = true",
    "evt.type = mount",
];

fn all_pages(walker: &mut Walker, scope: &Scope, places: &mut Places, len: u32) -> Vec<Line> {
    let mut lines = Vec::new();
    loop {
        let at = At::Index(lines.len() as u64);
        let page = page(walker, scope, places, at, 0, len, &go()).unwrap();
        assert_eq!((page.first, page.wanted), (lines.len() as u64, 0));
        if page.lines.is_empty() {
            return lines;
        }
        lines.extend(page.lines);
    }
}

#[test]
fn pages_are_the_lines_of_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for path in [sample(), cut_up(dir.path())] {
        let mut walker = walker(&path);
        let whole = walker.library().span().unwrap();
        let third = whole.len_ns() / 3;
        let middle = Span {
            from: whole.from + third,
            to: whole.to - third,
        };
        for filter in FILTERS {
            for span in [whole, middle] {
                let scope = Scope {
                    span,
                    filter: filter.to_owned(),
                };
                let first = walker.library().first_time();
                let window = [span.from, span.to].map(|t| format!("+{}ns", t - first));
                let mut args = vec!["--from", &window[0], "--to", &window[1]];
                args.extend((!filter.is_empty()).then_some(filter));
                let expected = read(&path, &args);
                let what = format!("{} {filter} {span:?}", path.display());
                for len in [7, 100, 5000] {
                    let mut places = Places::of(walker.library(), &scope);
                    let lines = all_pages(&mut walker, &scope, &mut places, len);
                    assert_same(&lines, &expected, &what);
                    assert_eq!(places.total().0, expected.len() as u64, "{what}");
                }
            }
        }
    }
}

#[test]
fn a_page_is_around_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = cut_up(dir.path());
    let mut walker = walker(&path);
    for filter in FILTERS {
        let scope = scope(&walker, filter);
        let mut known = Places::of(walker.library(), &scope);
        let all = all_pages(&mut walker, &scope, &mut known, 1000);
        for (index, line) in all
            .iter()
            .enumerate()
            .step_by(if filter.is_empty() { 41 } else { 5 })
        {
            for at in [
                At::Index(index as u64),
                At::Event(line.num),
                At::Time(line.ts),
            ] {
                // What is not known yet is found out on the way.
                for mut places in [Places::of(walker.library(), &scope), known.clone()] {
                    let exact = places.total().1;
                    let page = page(&mut walker, &scope, &mut places, at, 10, 25, &go()).unwrap();
                    let start = index.saturating_sub(10);
                    let end = all.len().min(start + 25);
                    assert_eq!(page.lines, all[start..end], "{filter} {at:?}");
                    assert_eq!(page.lines[page.wanted].num, line.num, "{filter} {at:?}");
                    if exact {
                        assert_eq!(page.first, start as u64);
                    }
                }
            }
        }
        // Between two of them, and past the end.
        let mut places = known.clone();
        let mut wanted = |at| page(&mut walker, &scope, &mut places, at, 3, 8, &go()).unwrap();
        if let [one, two, ..] = &all[..] {
            assert_eq!(wanted(At::Event(one.num + 1)).lines[1], *two);
            assert_eq!(wanted(At::Time(one.ts + 1)).lines[1], *two);
        }
        for at in [At::Event(u64::MAX), At::Time(u64::MAX), At::Index(u64::MAX)] {
            let page = wanted(at);
            assert_eq!(page.wanted, page.lines.len(), "{at:?}");
        }
    }
}

#[test]
fn the_index_alone_counts_what_has_no_filter() {
    let dir = tempfile::tempdir().unwrap();
    let walker = walker(&cut_up(dir.path()));
    let library = walker.library();
    let places = Places::of(library, &scope(&walker, ""));
    assert_eq!(
        places.total(),
        (read(library.path(), &[]).len() as u64, true)
    );
    let none = Places::of(library, &scope(&walker, "evt.type = useradded"));
    assert_eq!(none.total(), (0, true), "no chunk has one");
    let some = Places::of(library, &scope(&walker, "evt.type = execve"));
    assert_eq!(some.total(), (0, false));
    assert!(some.before(5).0 == 0);
}

#[test]
fn a_walk_that_nobody_wants_any_more_ends() {
    let mut walker = walker(&sample());
    let scope = scope(&walker, "evt.failed = true");
    let mut places = Places::of(walker.library(), &scope);
    let stop = AtomicBool::new(true);
    let end = page(&mut walker, &scope, &mut places, At::Index(0), 0, 9, &stop);
    assert!(matches!(end, Err(AnalysisError::Stopped)));
    assert_eq!(places.total(), (0, false));
}

/// Every event of a capture that is shown, with the state around it.
fn each_event(path: &Path, mut each: impl FnMut(&Context<'_>)) {
    let mut walker = walker(path);
    let segments = walker.library().segments().len();
    for segment in 0..segments {
        let mut event = |cx: &Context<'_>, _: usize| {
            each(cx);
            ControlFlow::Continue(())
        };
        let end = walker.segment(segment, &mut |_| Need::Everything, &mut event);
        assert!(end.unwrap().is_continue());
    }
}

#[test]
fn every_condition_of_a_detail_holds_for_its_event() {
    let mut filters = 0;
    each_event(&sample(), |cx| {
        if !cx.event.num.0.is_multiple_of(20) {
            return;
        }
        let detail = describe(cx);
        for entry in detail.groups.iter().flat_map(|group| &group.entries) {
            assert!(!entry.value.chars().any(char::is_control), "{entry:?}");
            let Some(text) = &entry.filter else {
                continue;
            };
            let mut filter = Filter::parse(text).unwrap();
            assert!(filter.matches(cx), "{text} of {}", detail.num);
            filters += 1;
        }
    });
    assert!(filters > 2000, "{filters}");
}

#[test]
fn a_detail_has_all_that_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let cut_up = cut_up(dir.path());
    let mut expected = Vec::new();
    each_event(&sample(), |cx| {
        if cx.event.num.0.is_multiple_of(111) {
            expected.push(describe(cx));
        }
    });
    let mut walker = walker(&cut_up);
    for expected in &expected {
        let found = detail(&mut walker, expected.num, &go()).unwrap();
        assert_eq!(found.as_ref(), Some(expected), "from a snapshot");
    }
    assert_eq!(detail(&mut walker, 1 << 40, &go()).unwrap(), None);

    let open = read(
        &cut_up,
        &["evt.type = openat and fd.name = /etc/shadow and proc.name = cat"],
    );
    let num = open[0].split(' ').next().unwrap().parse().unwrap();
    let detail = detail(&mut walker, num, &go()).unwrap().unwrap();
    let value = |group: &str, name: &str| {
        let group = detail.groups.iter().find(|g| g.title == group).unwrap();
        let entry = group.entries.iter().find(|e| e.name == name);
        entry.map(|e| (&*e.value, e.filter.as_deref().unwrap_or("")))
    };
    assert_eq!(
        value("Event", "evt.type"),
        Some(("openat", "evt.type = openat"))
    );
    assert_eq!(
        value("Event", "evt.res"),
        Some(("EACCES", "evt.res = EACCES"))
    );
    assert_eq!(
        value("Arguments", "fd"),
        Some(("-13 (EACCES)", "evt.arg.fd = EACCES"))
    );
    assert_eq!(
        value("Arguments", "name"),
        Some(("/etc/shadow", "evt.arg.name = /etc/shadow"))
    );
    assert_eq!(
        value("Process", "proc.cmdline"),
        Some(("cat /etc/shadow", "proc.cmdline = \"cat /etc/shadow\""))
    );
    assert_eq!(
        value("User", "user.name"),
        Some(("nobody", "user.name = nobody"))
    );
    let ancestors = detail
        .groups
        .iter()
        .find(|g| g.title == "Ancestors")
        .unwrap();
    assert!(
        ancestors.entries[0].value.starts_with("stage.sh: "),
        "{ancestors:?}"
    );
    assert_eq!(ancestors.entries[0].name, detail.ppid.to_string());
}

#[test]
fn finding_agrees_with_reading() {
    let dir = tempfile::tempdir().unwrap();
    let mut walker = walker(&cut_up(dir.path()));
    let mut all = Vec::new();
    each_event(&sample(), |cx| {
        all.push((cx.event.num.0, cx.event.ts.0, shown(&write_line(cx))))
    });
    let last = all.last().unwrap().0;
    let middle = Span {
        from: all[400].1,
        to: all[900].1,
    };
    let queries = [
        Query::Filter("evt.failed = true".into()),
        Query::Filter("evt.type = execve".into()),
        Query::Filter("proc.name = nobody-has-this-name".into()),
        Query::Text("SHADOW".into()),
        Query::Text("(enoent)".into()),
        Query::Text("curl".into()),
    ];
    for query in &queries {
        let numbers: Vec<u64> = match query {
            Query::Filter(filter) => {
                let number = |line: &String| line.split(' ').next().unwrap().parse().unwrap();
                read(&sample(), &[filter]).iter().map(number).collect()
            }
            Query::Text(text) => {
                let has = |line: &str| {
                    // Without the number and the CPU.
                    let line = line.splitn(3, ' ').nth(2).unwrap();
                    line.to_lowercase().contains(&text.to_lowercase())
                };
                all.iter()
                    .filter(|(.., line)| has(line))
                    .map(|(num, ..)| *num)
                    .collect()
            }
        };
        assert!(
            numbers.len() > 1 || format!("{query:?}").contains("nobody"),
            "{query:?}"
        );
        for span in [None, Some(middle)] {
            let within = |num: &&u64| {
                let ts = all.iter().find(|(n, ..)| n == *num).unwrap().1;
                span.is_none_or(|span| span.contains(ts))
            };
            let numbers: Vec<u64> = numbers.iter().filter(within).copied().collect();
            for from in [0, 1, 70, 71, 280, 281, 500, 777, last, u64::MAX] {
                let after = find(&mut walker, query, span, from, true, &go()).unwrap();
                let expected = numbers.iter().find(|num| **num > from);
                assert_eq!(after.as_ref(), expected, "{query:?} after {from}");
                let before = find(&mut walker, query, span, from, false, &go()).unwrap();
                let expected = numbers.iter().rev().find(|num| **num < from);
                assert_eq!(before.as_ref(), expected, "{query:?} before {from}");
            }
        }
    }
}

#[test]
fn the_makers_of_fds_and_processes_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = cut_up(dir.path());
    let mut walker = walker(&path);
    let lines = read(&path, &[]);
    let is = |num: u64, what: &str| {
        let start = format!("{num} ");
        let line = lines.iter().find(|line| line.starts_with(&start)).unwrap();
        assert!(line.contains(what), "{line}: {what}");
    };
    // Which event, what it is, by which event, what that is.
    let fds = [
        (67, "read res=1271", 64, "openat fd=3(<f>/etc/passwd)"),
        (1271, "curl (25298) < connect", 1264, "socket fd=5"),
        (
            1287,
            "fd=5(<4t>127.0.0.1:38848",
            1286,
            "perl (25295) < accept4",
        ),
        (1481, "fcntl res=0", 1479, "fcntl res=11"),
        // Copied in the process itself, made by its parent, copied by its parent before a fork and a vfork.
        (
            1562,
            "id (25302) < write",
            1498,
            "stage.sh (25302) < dup2 res=1",
        ),
        (
            1497,
            "stage.sh (25302) < close",
            1491,
            "stage.sh (25301) < pipe2",
        ),
        (
            1687,
            "cat (25304) < close",
            1641,
            "stage.sh (25301) < dup2 res=1",
        ),
        (
            1743,
            "cat (25305) < close",
            1700,
            "stage.sh (25301) < dup2 res=1",
        ),
        // It is what made it.
        (1641, "dup2", 1641, "dup2"),
    ];
    for (num, what, by, maker) in fds {
        (is(num, what), is(by, maker));
        assert_eq!(opener(&mut walker, num, &go()).unwrap(), Some(by), "{what}");
    }
    is(1739, "write res=5");
    assert_eq!(
        opener(&mut walker, 1739, &go()).unwrap(),
        None,
        "inherited from outside"
    );
    is(1682, "openat fd=-13");
    assert_eq!(opener(&mut walker, 1682, &go()).unwrap(), None, "no fd");

    let forks = [
        (
            903,
            "curl (25298) < execve",
            886,
            "bash (25286) < clone res=25298",
        ),
        (1649, "cat (25304) < execve", 1647, "vfork res=25304"),
        // The maker of this one came back later.
        (1705, "cat (25305) < execve", 1746, "vfork res=25305"),
    ];
    for (num, what, by, maker) in forks {
        (is(num, what), is(by, maker));
        assert_eq!(fork(&mut walker, num, &go()).unwrap(), Some(by), "{what}");
    }
    assert_eq!(
        fork(&mut walker, 1, &go()).unwrap(),
        None,
        "older than the capture"
    );
    assert_eq!(fork(&mut walker, u64::MAX, &go()).unwrap(), None);
}

/// What reads and writes with data a filter finds, by the events alone.
fn moved(filter: &str) -> Vec<(u64, Vec<u8>)> {
    let mut filter = Filter::parse(filter).unwrap();
    let mut found = Vec::new();
    each_event(&sample(), |cx| {
        let index = cx.event.info().and_then(|info| info.io_data_param());
        let data = index.and_then(|index| cx.event.params.get(index));
        if let Some(data) = data
            && filter.matches(cx)
        {
            found.push((cx.event.num.0, data.to_vec()));
        }
    });
    found
}

fn pieces(echo: &Echo) -> Vec<(u64, Vec<u8>)> {
    let piece = |piece: &Piece| (piece.num, piece.data.clone());
    echo.pieces.iter().map(piece).collect()
}

#[test]
fn an_echo_has_the_bytes_of_its_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut walker = walker(&cut_up(dir.path()));
    let connection = "fd.name = 127.0.0.1:38848->127.0.0.1:8080";
    for filter in ["", "evt.rawres > 0", connection, "proc.name = curl"] {
        let scope = scope(&walker, filter);
        let echo = echo(&mut walker, &scope, &Follow::Scope, &go()).unwrap();
        assert!(!echo.cut);
        let all = if filter.is_empty() {
            "evt.num > 0"
        } else {
            filter
        };
        assert_eq!(pieces(&echo), moved(all), "{filter}");
    }
    let scope = scope(&walker, "");
    let mut of_fd = |num| echo(&mut walker, &scope, &Follow::FdOf(num), &go()).unwrap();
    // The server's end of the connection, from whichever of its events; the other end has another.
    let server = moved("evt.num > 1286 and proc.name = perl and fd.num = 5");
    assert!(server.len() >= 2, "a request and an answer");
    for num in [1286, 1287, server[1].0] {
        let echo = of_fd(num);
        assert_eq!(pieces(&echo), server, "from event {num}");
        let directions: Vec<bool> = echo.pieces.iter().map(|piece| piece.read).collect();
        assert_eq!(directions[..2], [true, false]);
        assert_eq!(&*echo.pieces[0].comm, b"perl");
        // The recorder kept 80 bytes of each.
        assert_eq!((echo.pieces[1].len, echo.pieces[1].data.len()), (196, 80));
    }
    let client = of_fd(1271);
    assert_eq!(
        pieces(&client),
        moved(&format!("{connection} and proc.name = curl"))
    );
    assert_eq!(
        client.pieces[0].data, server[0].1,
        "what one sends the other gets"
    );
    // Fd 3 of this process is many files; this one is closed before the next.
    let passwd = of_fd(67);
    let names = passwd.pieces.iter().map(|piece| &*piece.name);
    assert!(names.eq(passwd.pieces.iter().map(|_| &b"/etc/passwd"[..])));
    assert_eq!(
        pieces(&passwd),
        moved("proc.pid = 25286 and fd.name = /etc/passwd and evt.num < 100")
    );
    // Inherited by `cat`: only what this process did with it.
    let messages = of_fd(1739);
    assert_eq!(pieces(&messages), moved("proc.pid = 25305 and fd.num = 2"));
}
