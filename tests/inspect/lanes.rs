//! The lanes that the timeline shows events in.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use scap::event::EventExt as _;
use scap::fields::Context;
use scap::filter::Filter;
use scap::lanes::{LANES, Lane, is_waiting, lanes_of, lanes_of_type};
use scap::replay::IndexedCapture;
use scap::replay::SegmentReplayer;
use scap::replay::segment::Need;
use scap_capture_format::schema::types;

/// Gives every event of a capture that is shown.
fn each(path: &Path, mut each: impl FnMut(&Context<'_>)) {
    let capture = Arc::new(IndexedCapture::open(path).unwrap());
    let mut replayer = SegmentReplayer::new(&capture).unwrap();
    for segment in 0..capture.segments().len() {
        let mut event = |cx: &Context<'_>, _: usize| {
            each(cx);
            ControlFlow::Continue(())
        };
        let end = replayer.segment(segment, &mut |_| Need::Everything, &mut event);
        assert!(end.unwrap().is_continue());
    }
}

fn sample() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap")
}

#[test]
fn the_lanes_filters_find_their_events() {
    let mut filters: Vec<Filter> = Lane::ALL
        .map(|lane| Filter::parse(scap::lanes::filter(lane)).unwrap())
        .into();
    let mut counts = [0; LANES];
    each(&sample(), |cx| {
        let lanes = lanes_of(cx.event, cx.view);
        for lane in Lane::ALL {
            let found = filters[lane as usize].matches(cx);
            let num = cx.event.num.0;
            // A program may ask of a socket what only files have.
            let on_socket = lane == Lane::Network && cx.event.info().unwrap().name == "newfstatat";
            assert_eq!(
                lanes.contains(lane),
                found && !on_socket,
                "{} of {num}",
                lane.name()
            );
            counts[lane as usize] += usize::from(found);
        }
    });
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn rows_of_the_sample_are_in_the_lanes_that_one_expects() {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    each(&sample(), |cx| {
        let (event, lanes) = (cx.event, lanes_of(cx.event, cx.view));
        let mut seen = |what| *found.entry(what).or_insert(0) += 1;
        let name = event.info().unwrap().name;
        let failed = event.result().is_some_and(|r| r < 0);
        match name {
            "execve" if !failed => {
                seen("execve");
                assert_eq!(lanes.iter().next(), Some(Lane::Starts));
            }
            "clone" | "clone3" | "vfork" | "fork" => {
                let as_maker = event.result().is_some_and(|r| r > 0);
                seen(if as_maker { "parent" } else { "child" });
                assert_eq!(lanes.contains(Lane::Starts), as_maker);
            }
            "connect" => {
                seen("connect");
                let inet = cx.view.fd_info().unwrap().kind.is_inet();
                assert_eq!(lanes.contains(Lane::Network), inet);
                assert!(!is_waiting(event, cx.view));
            }
            "procexit" => {
                seen("procexit");
                assert_eq!(lanes.iter().collect::<Vec<_>>(), [Lane::Exits]);
            }
            "openat" if failed => {
                seen("failed open");
                assert!(lanes.contains(Lane::Errors) && !lanes.contains(Lane::Files));
            }
            "openat" => {
                seen("open");
                assert!(lanes.contains(Lane::Files) && !lanes.contains(Lane::Errors));
            }
            "setresuid" | "setgroups" => {
                seen("privilege");
                assert!(lanes.contains(Lane::Privileges));
            }
            "read" => {
                let kind = cx.view.fd_info().unwrap().kind.typechar();
                seen(if kind == b'f' {
                    "read of a file"
                } else {
                    "read"
                });
            }
            _ => {}
        }
        if is_waiting(event, cx.view) {
            seen("waiting");
            assert!(!lanes.contains(Lane::Slow), "{name}");
        }
    });
    for what in [
        "execve",
        "parent",
        "child",
        "connect",
        "procexit",
        "open",
        "failed open",
    ] {
        assert!(found.contains_key(what), "{what}: {found:?}");
    }
    assert!(found.contains_key("waiting") && found.contains_key("read of a file"));
}

#[test]
fn a_type_is_in_the_lanes_that_all_its_events_are_in() {
    let lanes = |ty| lanes_of_type(ty).iter().collect::<Vec<_>>();
    assert_eq!(lanes(types::SYSCALL_EXECVE_19_X), [Lane::Starts]);
    assert_eq!(lanes(types::SYSCALL_CLONE_20_X), [Lane::Starts]);
    assert_eq!(lanes(types::SYSCALL_OPENAT_2_X), [Lane::Files]);
    assert_eq!(lanes(types::SOCKET_CONNECT_X), [Lane::Network]);
    assert_eq!(lanes(types::SYSCALL_SETUID_X), [Lane::Privileges]);
    assert_eq!(lanes(types::PROCEXIT_1_E), [Lane::Exits]);
    for ty in [
        types::SYSCALL_READ_X,
        types::SYSCALL_PRCTL_X,
        types::SYSCALL_OPENAT_2_E,
        types::GENERIC_X,
    ] {
        assert_eq!(lanes(ty), [], "{ty}");
    }
}
