//! Pages of the event list, compared with what `scap read` prints.

use std::sync::atomic::AtomicBool;

use scap::inspect::page::{At, Line, Places, page};
use scap::replay::IndexedCaptureError;
use scap::replay::Scope;
use scap::replay::SegmentReplayer;
use scap::replay::Span;

use super::{cut_up, go, read, replayer, sample, scope};

/// A line as `scap read` has it.
pub(crate) fn shown(line: &Line) -> String {
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

fn all_pages(
    replayer: &mut SegmentReplayer,
    scope: &Scope,
    places: &mut Places,
    len: u32,
) -> Vec<Line> {
    let mut lines = Vec::new();
    loop {
        let at = At::Index(lines.len() as u64);
        let page = page(replayer, scope, places, at, 0, len, &go()).unwrap();
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
        let mut replayer = replayer(&path);
        let whole = replayer.capture().span().unwrap();
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
                let first = replayer.capture().first_time();
                let window = [span.from, span.to].map(|t| format!("+{}ns", t - first));
                let mut args = vec!["--from", &window[0], "--to", &window[1]];
                args.extend((!filter.is_empty()).then_some(filter));
                let expected = read(&path, &args);
                let what = format!("{} {filter} {span:?}", path.display());
                for len in [7, 100, 5000] {
                    let mut places = Places::of(replayer.capture(), &scope);
                    let lines = all_pages(&mut replayer, &scope, &mut places, len);
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
    let mut replayer = replayer(&path);
    for filter in FILTERS {
        let scope = scope(&replayer, filter);
        let mut known = Places::of(replayer.capture(), &scope);
        let all = all_pages(&mut replayer, &scope, &mut known, 1000);
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
                for mut places in [Places::of(replayer.capture(), &scope), known.clone()] {
                    let exact = places.total().1;
                    let page = page(&mut replayer, &scope, &mut places, at, 10, 25, &go()).unwrap();
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
        let mut wanted = |at| page(&mut replayer, &scope, &mut places, at, 3, 8, &go()).unwrap();
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
    let replayer = replayer(&cut_up(dir.path()));
    let capture = replayer.capture();
    let places = Places::of(capture, &scope(&replayer, ""));
    assert_eq!(
        places.total(),
        (read(capture.path(), &[]).len() as u64, true)
    );
    let none = Places::of(capture, &scope(&replayer, "evt.type = useradded"));
    assert_eq!(none.total(), (0, true), "no chunk has one");
    let some = Places::of(capture, &scope(&replayer, "evt.type = execve"));
    assert_eq!(some.total(), (0, false));
    assert!(some.before(5).0 == 0);
}

#[test]
fn a_cancelled_walk_ends() {
    let mut replayer = replayer(&sample());
    let scope = scope(&replayer, "evt.failed = true");
    let mut places = Places::of(replayer.capture(), &scope);
    let stop = AtomicBool::new(true);
    let end = page(
        &mut replayer,
        &scope,
        &mut places,
        At::Index(0),
        0,
        9,
        &stop,
    );
    assert!(matches!(end, Err(IndexedCaptureError::Stopped)));
    assert_eq!(places.total(), (0, false));
}
