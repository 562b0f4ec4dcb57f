//! Counting in the background.

use super::*;

/// Waits for the end of a scope, and returns what is said then; what was said before must lead there.
fn last(told: &Receiver<Progress>, scope: &Scope) -> Progress {
    let mut before = 0;
    loop {
        let progress = told.recv_timeout(Duration::from_secs(60)).unwrap();
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
    library: Arc<IndexedCapture>,
    threads: usize,
) -> (BackgroundAggregator, Receiver<Progress>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let aggregator = BackgroundAggregator::new(library, threads, move |progress| {
        let _gone = tell.lock().unwrap().send(progress);
    });
    (aggregator, told)
}

#[test]
fn the_surveyor_finds_the_same_and_remembers_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = long(dir.path());
    let library = library(&path);
    let all = scope(&library, "");
    let (aggregator, told) = aggregator(Arc::clone(&library), 2);
    // One that is replaced at once.
    aggregator.set_scope(scope(&library, "proc.name = bash"));
    aggregator.set_scope(all.clone());
    let progress = last(&told, &all);
    assert_eq!((progress.failed, progress.damages), (None, 0));
    assert_eq!(
        (progress.done, progress.total),
        (library.index().events(), progress.done)
    );
    assert_eq!(sums(&progress.tally), sums(&counted(&path, "")));
    let (first, third) = (&library.segments()[1], &library.segments()[3]);
    let part = Scope {
        span: Span {
            from: first.span.from,
            to: third.span.to,
        },
        filter: String::new(),
    };
    let mut replayer = SegmentReplayer::new(&library).unwrap();
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
    assert_eq!(last(&told, &cut).tally.events, inner.events);
    // What is remembered needs no file.
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    aggregator.set_scope(all.clone());
    assert_eq!(sums(&last(&told, &all).tally), sums(&progress.tally));
    aggregator.set_scope(part.clone());
    let again = last(&told, &part);
    assert_eq!(again.tally.events, expected.events);
    // What is not does.
    let other = scope(&library, "proc.name = curl");
    aggregator.set_scope(other.clone());
    let failed = last(&told, &other);
    assert!(failed.failed.is_some() || failed.damages > 0, "{failed:?}");
}

#[test]
fn the_surveyor_follows_a_capture_that_grows() {
    let dir = tempfile::tempdir().unwrap();
    let path = long(dir.path());
    let bytes = fs::read(&path).unwrap();
    let whole = library(&path);
    let growing = |len: u64| {
        let len = usize::try_from(len).unwrap();
        library(&file(dir.path(), "growing.scap", &bytes[..len]))
    };
    let middle = &whole.index().chunks[whole.segments()[4].chunks.start + 2];
    let (aggregator, told) = aggregator(growing(middle.offset), 2);
    for len in [middle.offset, middle.offset + 60_000, bytes.len() as u64] {
        let library = growing(len.min(bytes.len() as u64));
        let all = scope(&library, "");
        aggregator.replace(Arc::clone(&library));
        aggregator.set_scope(all.clone());
        let mut replayer = SegmentReplayer::new(&library).unwrap();
        let expected = tally(&mut replayer, &all, &go()).unwrap();
        assert_eq!(sums(&last(&told, &all).tally), sums(&expected), "{len}");
    }
}

#[test]
fn a_range_without_events_is_finished_at_once() {
    let library = library(&sample());
    let nothing = Scope {
        span: Span { from: 5, to: 9 },
        filter: String::new(),
    };
    let (aggregator, told) = aggregator(library, 1);
    aggregator.set_scope(nothing.clone());
    let progress = last(&told, &nothing);
    assert_eq!((progress.total, progress.tally.events), (0, 0));
}
