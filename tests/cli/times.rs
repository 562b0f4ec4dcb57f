//! Events without a time, time ranges, formats of times.

use crate::common::{START, TestEvent, event, file, i64b, scap, seen, write};
use scap_capture_format::schema::types;
use tempfile::tempdir;

const S: u64 = 1_000_000_000;

/// Closes at seconds after the start; events without a time among them.
fn capture() -> Vec<u8> {
    let close = |ts: u64| {
        event(
            ts.wrapping_sub(START),
            100,
            types::SYSCALL_CLOSE_X,
            &[&i64b(0), &i64b(3)],
        )
    };
    let times = [0, START, START + S, u64::MAX, 0, START + 2 * S, u64::MAX];
    let events: Vec<TestEvent> = times.into_iter().map(close).collect();
    write(&events, 3, true)
}

fn run(args: &[&str]) -> (String, String, i32) {
    seen(&scap(args, None))
}

#[test]
fn events_without_a_time_do_not_set_the_range() {
    let dir = tempdir().unwrap();
    let native = file(dir.path(), "native", &capture());
    let native = native.to_str().unwrap();
    let sysdig = dir.path().join("sysdig");
    let sysdig = sysdig.to_str().unwrap();
    let back = dir.path().join("back");
    let back = back.to_str().unwrap();
    for (from, to, format) in [(native, sysdig, "sysdig"), (sysdig, back, "native")] {
        let (_, err, code) = run(&["convert", "-q", from, to, "--to", format]);
        assert_eq!((err.as_str(), code), ("", 0));
    }
    for capture in [native, back] {
        let (info, _, code) = run(&["info", "--json", capture]);
        assert_eq!(code, 0, "{capture}");
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        // The file with two events per call begins when the first call began.
        let first = START - if capture == native { 0 } else { 500 };
        assert_eq!(info["time"]["first_ns"], first, "{capture}");
        assert_eq!(info["time"]["last_ns"], START + 2 * S, "{capture}");
        let calls = if capture == native { 1 } else { 2 };
        assert_eq!(info["events"]["without_time"], 4 * calls, "{capture}");
    }
    let column = |format: &str| -> Vec<String> {
        let (out, err, code) = run(&["read", "-t", format, native]);
        assert_eq!((err.as_str(), code), ("", 0));
        let second = |line: &str| line.split(' ').nth(1).unwrap().to_owned();
        out.lines().map(second).collect()
    };
    let seconds = |n: u64| format!("{n}.000000000");
    let na = || "<NA>".to_owned();
    assert_eq!(
        column("r"),
        [na(), seconds(0), seconds(1), na(), na(), seconds(2), na()]
    );
    assert_eq!(
        column("D"),
        [na(), seconds(0), seconds(1), na(), na(), seconds(1), na()]
    );
    let fields = "*%evt.num %evt.rawtime %evt.reltime %evt.deltatime %evt.time.s";
    let (out, _, _) = run(&["read", "-p", fields, native, "evt.num in (1, 2, 4)"]);
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("1 <NA> <NA> <NA> <NA>"));
    assert_eq!(
        lines.next(),
        Some(format!("2 {START} 000000000 0 22:13:20").as_str())
    );
    assert_eq!(lines.next(), Some("4 <NA> <NA> <NA> <NA>"));
    // They belong to the event before them, also where captures are merged.
    let numbers = |args: &[&str]| {
        let args = [&["read", "-p", "%evt.num"], args].concat();
        run(&args).0.replace('\n', " ")
    };
    assert_eq!(numbers(&[native, "--from", "+1s"]), "3 4 5 6 7 ");
    assert_eq!(numbers(&[native, "--to", "+1s"]), "1 2 3 4 5 ");
    assert_eq!(numbers(&[native, native]), "1 1 2 2 3 4 5 3 4 5 6 7 6 7 ");
    assert_eq!(
        numbers(&[native, "evt.time > \"1970-01-02\" and evt.time < \"+1s\""]),
        "2 "
    );
}

#[test]
fn a_time_of_day_is_of_the_day_of_the_capture() {
    let dir = tempdir().unwrap();
    let native = file(dir.path(), "native", &capture());
    let native = native.to_str().unwrap();
    let count = |args: &[&str]| {
        let (out, err, code) = run(&[&["read", native], args].concat());
        assert_eq!(code, 0);
        (out.lines().count(), err)
    };
    let none = String::new;
    assert_eq!(count(&["--from", "03:00"]), (6, none()));
    assert_eq!(count(&["--from", "22:13:21"]), (5, none()));
    assert_eq!(
        count(&["--from", "22:13:21", "--to", "22:13:21"]),
        (3, none())
    );
    for range in [
        &["--from", "23:00"][..],
        &["--from", "2024-01-01"],
        &["--from", "+1h"],
        &["--from", "03:00", "--to", "04:00"],
    ] {
        let (lines, err) = count(range);
        assert_eq!(lines, 0, "{range:?}");
        assert!(
            err.contains("no events ")
                && err.contains("from 2023-11-14T22:13:20.000000000+00:00 to 2023-11-14T22:13:22"),
            "{range:?}: {err}"
        );
        let (_, err, _) = run(&[&["read", "-c", "topscalls", native], range].concat());
        assert!(err.contains("no events "), "{err}");
    }
    let (_, err, code) = run(&["view", native, "--from", "23:00", "--screenshot", "-"]);
    assert_eq!(code, 1);
    assert!(err.contains("from 2023-11-14T22:13:20"), "{err}");
}

#[test]
fn offsets_in_conditions() {
    let capture = capture();
    for (filter, expected) in [
        ("evt.time >= +1s", "3 6 "),
        ("evt.time < +1.5s", "2 3 "),
        ("evt.time > \"+1000ms\"", "6 "),
        ("evt.rawtime <= +1", "2 3 "),
        ("evt.datetime = +2s", "6 "),
        ("evt.time.iso8601 > +1s", "6 "),
    ] {
        let (out, err, code) = seen(&scap(
            &["read", "-", "-p", "%evt.num", filter],
            Some(&capture),
        ));
        assert_eq!((err.as_str(), code), ("", 0), "{filter}");
        assert_eq!(out.replace('\n', " "), expected, "{filter}");
    }
}

#[test]
fn times_with_date_and_zone() {
    let (out, _, _) = seen(&scap(&["read", "-ti", "-", "evt.num=2"], Some(&capture())));
    assert!(
        out.starts_with("2 2023-11-14T22:13:20.000000000+00:00 1 "),
        "{out}"
    );
    let (out, _, _) = seen(&scap(
        &["read", "-ti", "-", "-p", "%evt.outputtime", "evt.num=2"],
        Some(&capture()),
    ));
    assert_eq!(out, "2023-11-14T22:13:20.000000000+00:00\n");
}

#[test]
fn steps_of_the_wall_clock_are_shown() {
    let step = |after: u64, data: &str| {
        let params: [&[u8]; 3] = [&[0; 4], b"clock.step\0", data.as_bytes()];
        event(after, -1, types::ASYNCEVENT_E, &params)
    };
    let close = |after| event(after, 100, types::SYSCALL_CLOSE_X, &[&i64b(0), &i64b(3)]);
    let seconds = START / S;
    let forth = format!("before={seconds}.500000000 after={}.500000001", seconds + 2);
    let back = format!("before={}.000000000 after=-1.000000000", seconds + 3);
    let events = [
        close(0),
        step(S / 2, &forth),
        step(S, &back),
        // From another recorder, or damaged.
        step(S, "before=1 after=2"),
        close(2 * S),
    ];
    let dir = tempdir().unwrap();
    let capture = file(dir.path(), "steps", &write(&events, 3, true));
    let capture = capture.to_str().unwrap();
    let (info, _, code) = run(&["info", "--json", capture]);
    assert_eq!(code, 0);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let steps = &info["clock_steps"];
    assert_eq!(steps["total"], 2);
    assert_eq!(steps["first"][0]["at_ns"], START + S / 2);
    assert_eq!(steps["first"][0]["before_ns"], START + S / 2);
    assert_eq!(steps["first"][0]["after_ns"], START + 5 * S / 2 + 1);
    assert_eq!(steps["first"][1]["after_ns"], -1_000_000_000_i64);
    let (text, ..) = run(&["info", capture]);
    for line in [
        "clock      the wall clock was set 2 times; times of events do not follow it",
        ": by +2.000000001 s",
        &format!(": by -{}.000000000 s", seconds + 4),
    ] {
        assert!(text.contains(line), "{text}");
    }
    let (lines, ..) = run(&["read", capture, "evt.asynctype=clock.step", "-n", "1"]);
    assert!(
        lines.trim_end().ends_with(&format!("data={forth}")),
        "{lines}"
    );
    // Times of events stay in order.
    let (deltas, ..) = run(&["read", "-p", "%evt.reltime", capture]);
    let deltas: Vec<&str> = deltas.lines().collect();
    assert_eq!(
        deltas,
        [
            "000000000",
            "500000000",
            "1000000000",
            "1000000000",
            "2000000000"
        ]
    );
}
