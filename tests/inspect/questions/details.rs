//! Details of events: each value with its condition.

use scap::filter::Filter;
use scap::inspect::detail::{describe, detail};

use scap_capture_format::{
    event::EventFlags,
    native::{CaptureWriter, WriterOptions},
    schema::types,
};

use crate::common::{event, file, header, i64b, push, snapshot};

use super::{cut_up, each_event, go, read, replayer, sample};

#[test]
fn every_condition_of_a_detail_holds_for_its_event() {
    let mut filters = 0;
    each_event(&sample(), |cx| {
        if !cx.event.num.0.is_multiple_of(20) {
            return;
        }
        let detail = describe(cx);
        for entry in detail.groups.iter().flat_map(|group| &group.entries) {
            assert!(!entry.value.chars().any(char::is_control), "{entry:?}");
            let Some(text) = &entry.filter else {
                continue;
            };
            let mut filter = Filter::parse(text).unwrap();
            assert!(filter.matches(cx), "{text} of {}", detail.num);
            filters += 1;
        }
    });
    assert!(filters > 2000, "{filters}");
}

#[test]
fn what_was_cut_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for (args, flags, ends) in [
        (
            &b"-c\0echo"[..],
            EventFlags::CUT_TEXT,
            ("cut here by the recorder", "/long..."),
        ),
        (b"-c\0echo\0", EventFlags::empty(), ("echo", "/long")),
    ] {
        let mut rename = event(
            0,
            100,
            types::SYSCALL_RENAME_X,
            &[&i64b(-36), b"/long", b"/b\0"],
        );
        rename.flags = flags;
        let mut state = snapshot();
        state.threads[0].exe = state.strings.intern(b"sh");
        state.threads[0].args = state.strings.intern(args);
        let mut out = Vec::new();
        let mut writer = CaptureWriter::new(&mut out, &header(), WriterOptions::default()).unwrap();
        writer.write_snapshot(&mut state).unwrap();
        push(&mut writer, &rename);
        writer.finish().unwrap();
        each_event(&file(dir.path(), "cut", &out), |cx| {
            let detail = describe(cx);
            let group = |title: &str| {
                let group = detail.groups.iter().find(|group| group.title == title);
                &group.unwrap().entries
            };
            let last = group("Command line").last().unwrap();
            assert_eq!(&*last.value, ends.0);
            let old = group("Arguments")
                .iter()
                .find(|entry| entry.name == "oldpath");
            assert_eq!(&*old.unwrap().value, ends.1);
        });
    }
}

#[test]
fn a_detail_has_all_that_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let cut_up = cut_up(dir.path());
    let mut expected = Vec::new();
    each_event(&sample(), |cx| {
        if cx.event.num.0.is_multiple_of(111) {
            expected.push(describe(cx));
        }
    });
    let mut replayer = replayer(&cut_up);
    for expected in &expected {
        let found = detail(&mut replayer, expected.num, &go()).unwrap();
        assert_eq!(found.as_ref(), Some(expected), "from a snapshot");
    }
    assert_eq!(detail(&mut replayer, 1 << 40, &go()).unwrap(), None);

    let open = read(
        &cut_up,
        &["evt.type = openat and fd.name = /etc/shadow and proc.name = cat"],
    );
    let num = open[0].split(' ').next().unwrap().parse().unwrap();
    let detail = detail(&mut replayer, num, &go()).unwrap().unwrap();
    let value = |group: &str, name: &str| {
        let group = detail.groups.iter().find(|g| g.title == group).unwrap();
        let entry = group.entries.iter().find(|e| e.name == name);
        entry.map(|e| (&*e.value, e.filter.as_deref().unwrap_or("")))
    };
    assert_eq!(
        value("Event", "evt.type"),
        Some(("openat", "evt.type = openat"))
    );
    assert_eq!(
        value("Event", "evt.res"),
        Some(("EACCES", "evt.res = EACCES"))
    );
    assert_eq!(
        value("Arguments", "fd"),
        Some(("-13 (EACCES)", "evt.arg.fd = EACCES"))
    );
    assert_eq!(
        value("Arguments", "name"),
        Some(("/etc/shadow", "evt.arg.name = /etc/shadow"))
    );
    assert_eq!(
        value("Process", "proc.cmdline"),
        Some(("cat /etc/shadow", "proc.cmdline = \"cat /etc/shadow\""))
    );
    assert_eq!(
        value("User", "user.name"),
        Some(("nobody", "user.name = nobody"))
    );
    let ancestors = detail
        .groups
        .iter()
        .find(|g| g.title == "Ancestors")
        .unwrap();
    assert!(
        ancestors.entries[0].value.starts_with("stage.sh: "),
        "{ancestors:?}"
    );
    assert_eq!(ancestors.entries[0].name, detail.ppid.to_string());
}
