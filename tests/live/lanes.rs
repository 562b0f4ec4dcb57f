//! The recorder counts by lane while it records what the events say afterwards.

use std::{ops::ControlFlow, sync::Arc};

use scap::{
    fields::Context,
    lanes::{LANES, Lane, classify},
    replay::{IndexedCapture, SegmentReplayer, segment::Need},
};

use super::tools::bench;

#[test]
fn the_lanes_of_a_recording_are_those_of_its_events() {
    let Some(bench) = bench() else { return };
    let script = "for i in 1 2 3 4 5; do ls /etc /nonexistent >/dev/null 2>&1; echo x >file; rm file; \
                  sleep 0.01; done; exec 3<>/dev/tcp/127.0.0.1/1; kill -0 $$";
    let script = format!("cd {}; {script}", bench.dir.path().display());
    // Without a filter, and with one, which makes hidden events.
    for (name, filter) in [
        ("all.scap", None),
        ("filtered.scap", Some("evt.type != openat")),
    ] {
        let command = ["--", "/bin/bash", "-c", &script];
        let args: Vec<&str> = filter.into_iter().chain(command).collect();
        bench.record(name, &args);
        let capture = Arc::new(IndexedCapture::open(&bench.path(name)).unwrap());
        let mut replayer = SegmentReplayer::new(&capture).unwrap();
        let mut lanes = [0_u32; LANES];
        let mut calls = 0_u32;
        for segment in 0..capture.segments().len() {
            let mut event = |cx: &Context<'_>, _: usize| {
                let (of, waited) = classify(cx.event, cx.view);
                of.iter().for_each(|lane| lanes[lane as usize] += 1);
                calls += u32::from(cx.event.latency.is_some() && !waited);
                ControlFlow::Continue(())
            };
            let end = replayer.segment(segment, &mut |_| Need::Events, &mut event);
            assert!(end.unwrap().is_continue());
        }
        let mut told = [0_u32; LANES];
        let mut told_calls = 0_u32;
        for chunk in &capture.index().chunks {
            let activity = chunk.summary.activity().unwrap();
            told.iter_mut()
                .zip(activity.lanes)
                .for_each(|(sum, count)| *sum += count);
            told_calls += activity.latencies.iter().sum::<u32>();
        }
        println!("{name}: {told:?} {told_calls} told, {lanes:?} {calls} counted");
        // The recorder does not follow every event: a call on an fd that another thread just closed may
        // still find it.
        let near = |told: u32, real: u32| told.abs_diff(real) <= 2 + real / 200;
        for lane in Lane::ALL {
            let (told, real) = (told[lane as usize], lanes[lane as usize]);
            assert!(
                near(told, real),
                "{name} {}: {told}, not {real}",
                lane.name()
            );
        }
        assert!(near(told_calls, calls), "{name}: {told_calls}, not {calls}");
        assert!(told[Lane::Starts as usize] >= 15 && told[Lane::Exits as usize] >= 10);
        assert!(told[Lane::Files as usize] > 10 && told[Lane::Errors as usize] > 5);
        assert!(told[Lane::Network as usize] > 0);
    }
}
