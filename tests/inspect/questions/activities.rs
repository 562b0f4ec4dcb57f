//! What the index alone says, compared with every event.

use std::collections::BTreeSet;
use std::mem;

use scap::event::EventExt as _;
use scap::inspect::page::Places;
use scap::lanes::{LANES, Lane, classify};
use scap::replay::Span;
use scap::stats::activity::{Activity, Bin};
use scap::stats::tally::Spectrum;
use scap_capture_format::native::chunk::{LATENCIES, latency_interval};
use scap_capture_format::native::{ChunkActivity, UntypedCalls};
use scap_capture_format::schema::types;

use super::{each_event, replayer, sample, scope};
use crate::common::{scap, seen};

fn sum(activity: &Activity) -> Bin {
    let mut sum = Bin::default();
    for bin in &activity.bins {
        sum.events += bin.events;
        sum.lanes
            .iter_mut()
            .zip(bin.lanes)
            .for_each(|(sum, count)| *sum += count);
    }
    sum
}

#[test]
fn a_capture_that_scap_writes_has_its_lanes_in_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("written.scap");
    let paths = [sample(), path.clone()].map(|p| p.to_str().unwrap().to_owned());
    // With a filter, so that there are hidden events.
    let args = ["read", &paths[0], "-w", &paths[1], "evt.type != close"];
    assert_eq!(seen(&scap(&args, None)).2, 0);

    let mut expected = ChunkActivity {
        lanes: [0; LANES],
        latencies: [0; LATENCIES],
        untyped: UntypedCalls::default(),
    };
    let mut events = 0;
    let mut codes = BTreeSet::new();
    each_event(&path, |cx| {
        if cx.event.ty == types::GENERIC_X {
            codes.insert(cx.event.uint(0).unwrap());
        }
        let (lanes, waited) = classify(cx.event, cx.view);
        events += 1;
        lanes
            .iter()
            .for_each(|lane| expected.lanes[lane as usize] += 1);
        if let Some(ns) = cx.event.latency.filter(|_| !waited) {
            expected.latencies[latency_interval(ns)] += 1;
        }
    });
    let replayer = replayer(&path);
    let capture = replayer.capture();
    let [chunk] = &capture.index().chunks[..] else {
        panic!("a small file has one chunk");
    };
    assert!(chunk.summary.hidden > 0);
    let mut activity = chunk.summary.activity().unwrap();
    // Hidden events are counted as well, but there are none of these.
    let stored = mem::take(&mut activity.untyped).codes.unwrap();
    assert!(stored.iter().map(u64::from).eq(codes));
    assert_eq!(activity, expected);

    let span = capture.span().unwrap();
    for bins in [1, 7, 1024] {
        let activity = Activity::from_index(capture, span, bins);
        assert_eq!(activity.bins.len(), bins);
        let sum = sum(&activity);
        assert_eq!((sum.events, sum.lanes), (events, expected.lanes), "{bins}");
    }
    let half = Span {
        to: span.from + span.len_ns() / 2,
        ..span
    };
    let part = sum(&Activity::from_index(capture, half, 100)).events;
    assert!(part.abs_diff(events / 2) <= 1, "{part} of {events}");
    // The spectrum has the same calls.
    let spectrum = Spectrum::from_index(capture, span);
    let by_latency = |latency: usize| spectrum.counts.iter().skip(latency).step_by(LATENCIES);
    for (latency, count) in expected.latencies.iter().enumerate() {
        assert_eq!(by_latency(latency).sum::<u32>(), *count);
    }

    let before = Span {
        from: span.from - 1000,
        to: span.from - 1,
    };
    assert_eq!(sum(&Activity::from_index(capture, before, 10)).events, 0);
    assert!(Activity::from_index(capture, span, 0).bins.is_empty());

    // The chunk has calls without a type of their own, but none of the 32-bit ABI.
    let places = Places::of(capture, &scope(&replayer, "evt.type = mount"));
    assert_eq!(places.total(), (0, true));
}

#[test]
fn an_old_capture_s_lanes_are_estimated() {
    let replayer = replayer(&sample());
    let capture = replayer.capture();
    assert!(
        capture
            .index()
            .chunks
            .iter()
            .all(|c| c.summary.activity().is_none())
    );
    let mut true_lanes = [0_u32; LANES];
    each_event(&sample(), |cx| {
        let lanes = classify(cx.event, cx.view).0;
        lanes.iter().for_each(|lane| true_lanes[lane as usize] += 1);
    });
    let sum = sum(&Activity::from_index(capture, capture.span().unwrap(), 64));
    for lane in [Lane::Starts, Lane::Exits, Lane::Errors] {
        let (found, real) = (sum.lanes[lane as usize], true_lanes[lane as usize]);
        assert!(
            found.abs_diff(real) * 5 <= real,
            "{}: {found}, not {real}",
            lane.name()
        );
    }
    assert!(sum.lanes[Lane::Network as usize] > 0 && sum.lanes[Lane::Files as usize] > 0);
    assert_eq!(sum.lanes[Lane::Slow as usize], 0, "nothing tells");
}
