//! Counting in the background.

use super::*;

/// Waits for the end of a scope, and returns what is said then; what was said before must lead there.
fn last(reported: &Receiver<Progress>, scope: &Scope) -> Progress {
    let mut before = 0;
    loop {
        let progress = reported.recv_timeout(Duration::from_secs(60)).unwrap();
        if progress.scope != *scope {
            continue;
        }
        assert!(progress.done >= before && progress.done <= progress.total);
        before = progress.done;
        if progress.finished {
            return progress;
        }
    }
}

fn aggregator(
    capture: Arc<IndexedCapture>,
    threads: usize,
) -> (BackgroundAggregator, Receiver<Progress>) {
    let (tell, reported) = channel();
    let tell = Mutex::new(tell);
    let aggregator = BackgroundAggregator::new(capture, threads, move |progress| {
        let _gone = tell.lock().unwrap().send(progress);
    });
    (aggregator, reported)
}

#[test]
fn the_surveyor_finds_the_same_and_remembers_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = long(dir.path());
    let capture = indexed(&path);
    let all = scope(&capture, "");
    let (aggregator, reported) = aggregator(Arc::clone(&capture), 2);
    // One that is replaced at once.
    aggregator.set_scope(scope(&capture, "proc.name = bash"));
    aggregator.set_scope(all.clone());
    let progress = last(&reported, &all);
    assert_eq!((progress.failed, progress.damages), (None, 0));
    assert_eq!(
        (progress.done, progress.total),
        (capture.index().events(), progress.done)
    );
    assert_eq!(sums(&progress.tally), sums(&counted(&path, "")));
    let (first, third) = (&capture.segments()[1], &capture.segments()[3]);
    let part = Scope {
        span: Span {
            from: first.span.from,
            to: third.span.to,
        },
        filter: String::new(),
    };
    let mut replayer = SegmentReplayer::new(&capture).unwrap();
    let expected = tally(&mut replayer, &part, &go()).unwrap();
    let cut = Scope {
        span: Span {
            from: part.span.from + first.span.len_ns() / 2,
            to: part.span.to - third.span.len_ns() / 2,
        },
        filter: String::new(),
    };
    aggregator.set_scope(cut.clone());
    let inner = tally(&mut replayer, &cut, &go()).unwrap();
    assert!(inner.events < expected.events);
    assert_eq!(last(&reported, &cut).tally.events, inner.events);
    // What is remembered needs no file.
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    aggregator.set_scope(all.clone());
    assert_eq!(sums(&last(&reported, &all).tally), sums(&progress.tally));
    aggregator.set_scope(part.clone());
    let again = last(&reported, &part);
    assert_eq!(again.tally.events, expected.events);
    // What is not does.
    let other = scope(&capture, "proc.name = curl");
    aggregator.set_scope(other.clone());
    let failed = last(&reported, &other);
    assert!(failed.failed.is_some() || failed.damages > 0, "{failed:?}");
}

#[test]
fn the_surveyor_follows_a_capture_that_grows() {
    let dir = tempfile::tempdir().unwrap();
    let path = long(dir.path());
    let bytes = fs::read(&path).unwrap();
    let whole = indexed(&path);
    let growing = |len: u64| {
        let len = usize::try_from(len).unwrap();
        indexed(&file(dir.path(), "growing.scap", &bytes[..len]))
    };
    let middle = &whole.index().chunks[whole.segments()[4].chunks.start + 2];
    let (aggregator, reported) = aggregator(growing(middle.offset), 2);
    for len in [middle.offset, middle.offset + 60_000, bytes.len() as u64] {
        let capture = growing(len.min(bytes.len() as u64));
        let all = scope(&capture, "");
        aggregator.replace(Arc::clone(&capture));
        aggregator.set_scope(all.clone());
        let mut replayer = SegmentReplayer::new(&capture).unwrap();
        let expected = tally(&mut replayer, &all, &go()).unwrap();
        assert_eq!(sums(&last(&reported, &all).tally), sums(&expected), "{len}");
    }
}

#[test]
fn a_range_without_events_is_finished_at_once() {
    let capture = indexed(&sample());
    let nothing = Scope {
        span: Span { from: 5, to: 9 },
        filter: String::new(),
    };
    let (aggregator, reported) = aggregator(capture, 1);
    aggregator.set_scope(nothing.clone());
    let progress = last(&reported, &nothing);
    assert_eq!((progress.total, progress.tally.events), (0, 0));
}
