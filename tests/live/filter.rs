//! Filters while recording: what is kept is what the filter would find in a whole capture, with all its
//! names, and the kernel leaves out what neither filter nor state needs.

use scap_capture_format::{event::EventFlags, schema::types};

use super::{
    capture::read,
    tools::{bench, number, scap},
};

/// A workload that does the same every time, one thing after the other.
const SCRIPT: &str = "cd /etc; for i in 1 2 3 4 5; do cat hostname; cat /nonexistent/x; ls / >/dev/null; \
                      echo x | tr x y; done; exec 3<passwd; read line <&3; exec 3<&-";

#[test]
fn a_filter_keeps_what_it_would_find_in_a_whole_capture() {
    let Some(bench) = bench() else { return };
    let command = ["--", "/bin/sh", "-c", SCRIPT];
    bench.record("whole.scap", &command);
    // Two processes of a pipe run at the same time, so that the order is not always the same.
    let format = "*%proc.name|%proc.pname|%proc.aname[2]|%proc.cmdline|%proc.cwd|%evt.type|%evt.res|%fd.name";
    let sorted = |capture: &str, filter: &[&str]| {
        let mut lines = bench.printed(capture, format, filter);
        lines.sort();
        lines
    };
    for filter in [
        "evt.type=openat and proc.name=cat",
        "fd.name=/etc/hostname",
        "evt.type in (execve, procexit) and proc.pname=sh",
        "evt.failed=true and proc.name in (cat, ls)",
        "fd.name startswith /etc/pass and evt.type in (read, close)",
        "evt.type=getpid or (evt.type=write and fd.type=pipe)",
        "proc.name=tr and not evt.type in (mmap, brk, munmap)",
        "evt.dir=> and evt.type=openat and proc.name=cat",
    ] {
        let mut args = vec![filter];
        args.extend(command);
        bench.record("part.scap", &args);
        let whole = sorted("whole.scap", &[filter]);
        assert!(!whole.is_empty(), "{filter} finds something");
        // Enter events are not in the file, they are made for whoever asks.
        let again: &[&str] = if filter.contains("evt.dir") {
            &[filter]
        } else {
            &[]
        };
        let part = sorted("part.scap", again);
        assert_eq!(whole, part, "{filter}");
        let summary = bench.summary("part.scap");
        let capture = read(&bench.path("part.scap"));
        let is_hidden = |flags: EventFlags| flags.contains(EventFlags::HIDDEN);
        let hidden = capture.events.iter().filter(|e| is_hidden(e.flags)).count();
        assert_eq!(hidden as u64, number(&summary, "hidden"), "{filter}");
        let shown = capture.events.len() - hidden;
        assert_eq!(shown as u64, number(&summary, "events"), "{filter}");
        let known = part
            .iter()
            .filter(|line| line.contains("/etc/hostname") || line.contains("cat|sh"));
        let unknown: Vec<_> = known.filter(|line| line.contains("<NA>|/etc")).collect();
        assert!(unknown.is_empty(), "{filter}: {unknown:?}");
    }
}

#[test]
fn a_filtered_capture_keeps_names() {
    let Some(bench) = bench() else { return };
    // The shell opens it long before the only event that is kept.
    let script = "exec 3</etc/passwd; for i in 1 2 3; do /bin/true; done; exec cat <&3 >/dev/null";
    let filter = "evt.type=read and proc.name=cat and fd.name contains passwd";
    bench.record("names.scap", &[filter, "--", "/bin/sh", "-c", script]);
    let format =
        "*%proc.name %proc.exepath %proc.pname %proc.aname[2] %fd.name %user.name %proc.cwd";
    let lines = bench.printed("names.scap", format, &[]);
    assert!(!lines.is_empty());
    for line in &lines {
        assert!(!line.contains("<NA>"), "{line}");
        assert!(
            line.starts_with("cat /") && line.contains(" /etc/passwd "),
            "{line}"
        );
    }
    let capture = read(&bench.path("names.scap"));
    let hidden = |e: &&super::capture::Event| e.flags.contains(EventFlags::HIDDEN);
    assert!(
        capture
            .events
            .iter()
            .any(|e| hidden(&e) && e.name == "openat")
    );
    let moved: Vec<_> = capture.events.iter().filter(hidden).collect();
    assert!(
        moved.iter().all(|e| e.ty != types::SYSCALL_READ_X),
        "a read changes nothing"
    );
}

#[test]
fn the_kernel_leaves_out_unneeded_events() {
    let Some(bench) = bench() else { return };
    // Few enough that even a recorder that was not optimised comes along.
    let dd = [
        "--",
        "dd",
        "if=/dev/zero",
        "of=/dev/null",
        "bs=8",
        "count=20000",
    ];
    let mut args = vec!["-v", "evt.type=openat"];
    args.extend(dd);
    bench.record("pushed.scap", &args);
    let said = std::fs::read_to_string(bench.path("stderr")).unwrap();
    assert!(
        said.contains("in the kernel: ")
            && said.contains("syscalls are recorded: accept, ")
            && said.contains("openat"),
        "{said}"
    );
    assert!(
        !said.contains("read, ") && said.contains("in userspace: the filter is applied"),
        "{said}"
    );
    let summary = bench.summary("pushed.scap");
    assert!(
        number(&summary, "excluded") > 40_000,
        "reads and writes: {summary}"
    );
    assert!(number(&summary, "seen_by_kernel") < 1000, "{summary}");

    // A filter that any event can pass leaves the kernel nothing to decide.
    let mut args = vec!["-v", "proc.name=dd", "and", "evt.rawres=8"];
    args.extend(dd);
    bench.record("all.scap", &args);
    let said = std::fs::read_to_string(bench.path("stderr")).unwrap();
    assert!(
        said.contains("since the filter can match any of them"),
        "{said}"
    );
    assert!(said.contains("the filter rejected"), "{said}");
    let summary = bench.summary("all.scap");
    let events = number(&summary, "events");
    assert!(
        (40_000..40_100).contains(&events),
        "reads and writes: {summary}"
    );
    assert!(number(&summary, "left_out") > 100, "{summary}");

    // What is asked of fds only calls about fds can answer.
    let mut args = vec!["-v", "fd.name=/dev/zero", "and", "evt.rawres=8"];
    args.extend(dd);
    bench.record("fds.scap", &args);
    let said = std::fs::read_to_string(bench.path("stderr")).unwrap();
    assert!(
        said.contains(" read, ") && !said.contains("getppid"),
        "{said}"
    );
    let summary = bench.summary("fds.scap");
    assert_eq!(number(&summary, "events"), 20_000, "{summary}");

    // Times between events are what all of them make them.
    let mut args = vec!["-v", "evt.type=openat and evt.num > 3"];
    args.extend(dd);
    bench.record("number.scap", &args);
    let said = std::fs::read_to_string(bench.path("stderr")).unwrap();
    assert!(said.contains("since evt.num depends on them"), "{said}");
}

#[test]
fn an_invalid_filter_is_reported_before_anything_is_created() {
    let Some(bench) = bench() else { return };
    let file = bench.path("never.scap");
    for command in ["record", "live"] {
        let mut scap = scap();
        scap.arg(command);
        if command == "record" {
            scap.arg("-w").arg(&file);
        }
        let output = scap.args(["-M", "1", "proc.nmae=cat"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("^^^^^^^^^") && said.contains("proc.name"),
            "{said}"
        );
        assert!(!file.exists());
    }
}

#[test]
fn choices_that_match_nothing_are_said() {
    let Some(bench) = bench() else { return };
    let own = std::process::id().to_string();
    let script = "cat /etc/hostname; exit 3";
    let unmatched = |choice: &[&str]| {
        let mut args = choice.to_vec();
        args.extend(["--", "/bin/sh", "-c", script]);
        bench.record("none.scap", &args);
        let printed = std::fs::read_to_string(bench.path("stderr")).unwrap();
        let warnings = printed
            .lines()
            .filter_map(|line| line.strip_prefix("scap: warning: "));
        let warnings: Vec<_> = warnings.map(str::to_owned).collect();
        (warnings, bench.summary("none.scap")["unmatched"].clone())
    };
    let none = serde_json::json!({"pids": [], "comms": [], "filter": false});
    for choice in [
        &[][..],
        &["--comm", "cat"],
        &["--comm", "cat", "--comm", "sh"],
        &["--pid", "!1"],
        &["--comm", "!nobody"],
        &["proc.name=cat"],
    ] {
        assert_eq!(unmatched(choice), (vec![], none.clone()), "{choice:?}");
    }
    let (warnings, json) = unmatched(&["--comm", "Cat", "--comm", "cat", "--comm", "a\nb"]);
    assert_eq!(warnings, ["--comm Cat,a\\nb matched no event"]);
    assert_eq!(json["comms"], serde_json::json!(["Cat", "a\nb"]));
    let (warnings, json) = unmatched(&["evt.type=openat and proc.name=Cat"]);
    assert_eq!(warnings, ["the filter matched no event"]);
    assert_eq!(json["filter"], true);
    let (warnings, json) = unmatched(&["--pid", "4000000", "--comm", "cat"]);
    let both = [
        "--pid 4000000 matched no event",
        "--comm cat matched no event",
    ];
    assert_eq!(warnings, both);
    assert_eq!(json["pids"], serde_json::json!([4_000_000]));
    // Without a command, and printed at once.
    let live = scap()
        .args(["live", "-M", "1", "--pid", &own, "--pid", "4000000"])
        .args(["evt.type=swapon"])
        .output()
        .unwrap();
    assert_eq!(live.status.code(), Some(0));
    let printed = String::from_utf8(live.stderr).unwrap();
    assert!(printed.contains("4000000 matched no event"), "{printed}");
    assert!(printed.contains("the filter matched no event"), "{printed}");
}
