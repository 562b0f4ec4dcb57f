//! What rules find in the background, compared with a pass from the front.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::convert::Infallible;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::repeat::repeated;
use scap::fields::{Context, Session};
use scap::inspect::alerts::Rules;
use scap::inspect::detector::{BackgroundDetector, Detected};
use scap::replay::{EventSink, IndexedCapture, NativeSource, replay_all};
use scap::rules::{Engine, Loader, Matching, RuleSet, Selection, Settings};

/// Rules of every kind: on one event, with the state of the process, on several events.
const RULES: &str = r#"
- rule: opened
  desc: d
  condition: evt.type = openat and fd.name startswith /etc
  output: opened %fd.name
  priority: NOTICE
- rule: child of bash
  desc: d
  condition: evt.type = execve and proc.pname = bash
  output: "%proc.cmdline"
  priority: WARNING
- rule: many
  desc: d
  condition: evt.type in (open, openat)
  output: many
  priority: ERROR
  scap: {count: 40, by: proc.name, within: 1h}
- rule: opened, then executed
  desc: d
  condition: evt.type = execve
  output: "%proc.name"
  priority: CRITICAL
  scap:
    after: [{condition: evt.type = openat, by: proc.name}]
    by: proc.name
    within: 1h
"#;

fn rules() -> RuleSet {
    let mut loader = Loader::new(Settings::default());
    loader.add("rules.yaml", RULES);
    loader.finish().1.unwrap()
}

/// Evaluates the rules from the front; returns the rule and the event of each alert.
fn from_the_front(path: &Path) -> Vec<(usize, u64)> {
    struct Sink(Engine, Vec<(usize, u64)>);

    impl EventSink for Sink {
        fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
            let Self(engine, found) = self;
            let alert = |one: scap::rules::Match<'_>| -> Result<(), Infallible> {
                found.push((one.index, cx.event.num.0));
                Ok(())
            };
            let Ok(()) = engine.evaluate(cx, alert);
            Ok(ControlFlow::Continue(()))
        }
    }

    let engine = rules().engine(&Selection::default(), Matching::All);
    let mut sink = Sink(engine.unwrap(), Vec::new());
    let mut source = NativeSource::new(fs::File::open(path).unwrap()).unwrap();
    replay_all(&mut source, Session::default(), &mut sink).unwrap();
    sink.1.sort_unstable();
    sink.1
}

fn detector(capture: &Arc<IndexedCapture>) -> (BackgroundDetector, Receiver<Detected>) {
    let (tell, reported) = channel();
    let rules = Rules::new(rules(), Selection::default(), Matching::All);
    let report = move |detected| drop(tell.send(detected));
    let detector = BackgroundDetector::new(Arc::clone(capture), Arc::new(rules), report);
    (detector.unwrap(), reported)
}

/// Waits until all of a capture was looked at; returns the rule and the event of each alert.
fn finished(reported: &Receiver<Detected>, capture: &Arc<IndexedCapture>) -> Vec<(usize, u64)> {
    loop {
        let detected = reported.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(detected.failed, None);
        if !detected.is_finished() || !Arc::ptr_eq(&detected.capture, capture) {
            continue;
        }
        let list = &detected.alerts.list;
        assert!(list.iter().all(|of| of.is_whole()));
        let alerts = list
            .iter()
            .flat_map(|of| of.kept.iter().map(|alert| (of.rule, alert.num)));
        let mut alerts: Vec<_> = alerts.collect();
        alerts.sort_unstable();
        return alerts;
    }
}

fn indexed(path: &Path) -> Arc<IndexedCapture> {
    Arc::new(IndexedCapture::open(path).unwrap())
}

fn long(dir: &Path) -> PathBuf {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap");
    let path = dir.join("long.scap");
    repeated(&sample, &path, 6_000, 90, 500).unwrap();
    path
}

#[test]
fn alerts_in_the_background_are_those_of_a_pass_from_the_front() {
    let dir = tempfile::tempdir().unwrap();
    let path = long(dir.path());
    let capture = indexed(&path);
    assert!(capture.segments().len() > 5);
    let expected = from_the_front(&path);
    for rule in 0..4 {
        let count = expected.iter().filter(|(of, _)| *of == rule).count();
        assert!(count > 2, "{rule}: {count}");
    }
    let (detector, reported) = detector(&capture);
    // Nothing is done before it is to begin.
    assert!(reported.recv_timeout(Duration::from_millis(50)).is_err());
    detector.begin();
    assert_eq!(finished(&reported, &capture), expected);
    // Another capture is looked at from its beginning.
    let again = indexed(&path);
    detector.replace(Arc::clone(&again), false);
    assert_eq!(finished(&reported, &again), expected);
}

#[test]
fn a_capture_that_grows_is_continued() {
    let dir = tempfile::tempdir().unwrap();
    let path = long(dir.path());
    let bytes = fs::read(&path).unwrap();
    let expected = from_the_front(&path);
    let growing = dir.path().join("growing.scap");
    let part = |share: usize| {
        fs::write(&growing, &bytes[..bytes.len() * share / 16]).unwrap();
        indexed(&growing)
    };
    let first = part(3);
    let (detector, reported) = detector(&first);
    detector.begin();
    let mut before = finished(&reported, &first);
    for share in [4, 9, 15] {
        let capture = part(share);
        detector.replace(Arc::clone(&capture), true);
        let found = finished(&reported, &capture);
        assert!(found.len() > before.len(), "{share}");
        // Those before stay, and each is there once.
        let mut unique = found.clone();
        unique.dedup();
        assert_eq!(unique, found);
        assert!(before.iter().all(|alert| found.contains(alert)));
        before = found;
    }
    let whole = part(16);
    detector.replace(Arc::clone(&whole), true);
    assert_eq!(finished(&reported, &whole), expected);
}
