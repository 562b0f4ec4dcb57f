//! Sums of parts, and their limits.

use super::*;

#[test]
fn parts_add_up_to_the_whole_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = long(dir.path());
    let capture = indexed(&path);
    let mut replayer = SegmentReplayer::new(&capture).unwrap();
    let whole = counted(&path, "");
    let scope = scope(&capture, "");
    let parts: Vec<Tally> = (0..capture.segments().len())
        .map(|segment| tally_segment(&mut replayer, segment, &scope, &go()).unwrap())
        .collect();
    let mut backwards = Tally::over(scope.span);
    parts.iter().rev().for_each(|part| backwards.add(part));
    assert_eq!(sums(&backwards), sums(&whole));
    let length = scope.span.len_ns();
    for cut in [1, length / 7, length / 2, length - 1] {
        let at = scope.span.from + cut;
        let halves = [(scope.span.from, at - 1), (at, scope.span.to)];
        let mut both = Tally::over(scope.span);
        for (from, to) in halves {
            let half = Scope {
                span: Span { from, to },
                filter: String::new(),
            };
            both.add(&tally(&mut replayer, &half, &go()).unwrap());
        }
        let (mut a, mut b) = (both, Tally::over(scope.span));
        b.add(&whole);
        // A process that is cut apart is told of twice; what it is known by is the later.
        for key in whole.processes.keys() {
            assert_eq!(a.processes[key].events, b.processes[key].events, "{key:?}");
        }
        for tally in [&mut a, &mut b] {
            tally.processes.clear();
            tally
                .files
                .values_mut()
                .for_each(|f| f.users = Few::default());
        }
        assert_eq!(sums(&a), sums(&b), "{cut} of {length}");
    }
}

#[test]
fn a_stopped_count_says_so() {
    let capture = indexed(&sample());
    let mut replayer = SegmentReplayer::new(&capture).unwrap();
    let stopped = AtomicBool::new(true);
    let result = tally(&mut replayer, &scope(&capture, ""), &stopped);
    assert!(matches!(result, Err(IndexedCaptureError::Stopped)));
}

#[test]
fn what_a_capture_can_make_it_keep_is_capped() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = CaptureWriter::new(Vec::new(), &header(), WriterOptions::default()).unwrap();
    let events = limits::FILES + 100;
    for number in 0..events {
        let name = format!("/{number}\0");
        let pid = 10 + number as i64;
        let failed: &[&[u8]] = &[
            &i64b(-2),
            name.as_bytes(),
            &u32b(1),
            &u32b(0),
            &u32b(0),
            &i64b(0),
        ];
        let event = event(number as u64, pid, types::SYSCALL_OPEN_X, failed);
        crate::common::push(&mut writer, &event);
    }
    let path = file(dir.path(), "many.scap", &writer.finish().unwrap());
    let tally = counted(&path, "");
    assert_eq!(tally.events, events as u64);
    assert_eq!(tally.files.len(), limits::FILES);
    assert_eq!(tally.processes.len(), limits::PROCESSES);
    assert_eq!((tally.omitted[0], tally.omitted[1]), (100, 100));
    let table = table(View::Files, &tally).unwrap();
    assert_eq!((table.rows.len(), table.omitted), (limits::FILES, 100));
    assert!(tally.bytes() < 64 << 20, "{}", tally.bytes());
}

#[test]
fn every_chunk_says_how_many_of_its_events_match() {
    let dir = tempfile::tempdir().unwrap();
    let path = long(dir.path());
    let capture = indexed(&path);
    for filter in [
        "",
        "proc.name = curl",
        "evt.type = execve",
        "evt.type = ptrace",
    ] {
        let tally = counted(&path, filter);
        let all = if filter.is_empty() {
            "evt.num > 0"
        } else {
            filter
        };
        let events = oracle(&path, &[all.to_owned()])[0];
        assert_eq!(tally.events, events, "{filter}");
        assert_eq!(tally.matches.len(), capture.index().chunks.len());
        let matches: u64 = tally.matches.values().map(|n| u64::from(*n)).sum();
        assert_eq!(matches, events, "{filter}");
        let activity = tally.activity.unwrap();
        let bins: u64 = activity.bins.iter().map(|b| u64::from(b.events)).sum();
        assert_eq!(bins, events, "{filter}");
    }
    let execs = format!(
        "evt.type = execve and evt.num >= {}",
        capture.index().chunks[20].summary.first_event.0
    );
    let tally = counted(&path, &execs);
    for (chunk, entry) in capture.index().chunks.iter().enumerate() {
        let expected = match chunk < 20 {
            true => 0,
            false => entry.summary.count_of(types::SYSCALL_EXECVE_19_X),
        };
        assert_eq!(tally.matches[&(chunk as u32)], expected, "{chunk}");
    }
}
