//! What authors of rules use: explanations, tests, tables, phases of an attack.

use std::fs;
use std::path::Path;

use scap_capture_format::schema::types;

use crate::common::{self, extra_data};
use crate::detect::{scap, stderr, stdout, write};

const RULES: &str = "
- list: readers
  items: [cat, less]
- macro: reader
  condition: proc.name in (readers)
- rule: opened
  desc: d
  condition: >
    evt.type = open and
    reader and
    not fd.name startswith /usr
  output: o
  priority: info
";

fn capture(dir: &Path) -> Option<String> {
    let capture = extra_data("captures/falco-cat-write.scap")?;
    let copy = dir.join("cat.scap");
    fs::copy(capture, &copy).unwrap();
    Some(copy.to_str().unwrap().to_owned())
}

#[test]
fn why_shows_the_tree_with_lines_and_values() {
    let dir = tempfile::tempdir().unwrap();
    let Some(capture) = capture(dir.path()) else {
        return;
    };
    let rules = write(dir.path(), "r.yaml", RULES);
    let tree = |args: &[&str]| {
        let output = scap(&[&["detect", "-r", &rules], args, &[&capture]].concat());
        stdout(&output).replace(&rules, "r.yaml")
    };
    assert_eq!(
        tree(&["--why", "open"]),
        "rule `opened` matches event 141\n\
         \x20 true   r.yaml:9   and\n\
         \x20 true   r.yaml:9     evt.type = open   [open]\n\
         \x20 true   r.yaml:10    reader\n\
         \x20 true   r.yaml:5       proc.name in (cat, less)   [cat]\n\
         \x20 true   r.yaml:11    not\n\
         \x20 false  r.yaml:11      fd.name startswith /usr   [/etc/ld.so.cache]\n"
    );
    assert!(
        tree(&["--why", "opened", "--at", "#142"])
            .starts_with("rule `opened` does not match event 142\n")
    );
    for (args, message) in [
        (
            &["--why", "nothing"][..],
            "no rule has `nothing` in its name",
        ),
        (
            &["--why", "opened", "--at", "x"],
            "not the number of an event",
        ),
        (
            &["--why", "opened", "--at", "999999"],
            "there is no event 999999",
        ),
    ] {
        let output = scap(&[&["detect", "-r", &rules], args, &[&capture]].concat());
        assert_ne!(output.status.code(), Some(0));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
}

#[test]
fn why_not_shows_what_the_nearest_events_lack() {
    let dir = tempfile::tempdir().unwrap();
    let Some(capture) = capture(dir.path()) else {
        return;
    };
    let rules = write(
        dir.path(),
        "r.yaml",
        &RULES.replace("[cat, less]", "[less]"),
    );
    let output = scap(&["detect", "-r", &rules, "--why-not", "opened", &capture]);
    let text = stdout(&output).replace(&rules, "r.yaml");
    assert!(text.contains("event 141 and 2 like it: what is missing:\n  r.yaml:5  proc.name in (less)  is false   [cat]\n"), "{text}");
    let output = scap(&["detect", "-r", &rules, "--why", "opened", &capture]);
    assert!(stderr(&output).contains("--why-not"), "{}", stderr(&output));
}

#[test]
fn rule_tests_compare_alerts_with_what_is_expected() {
    let dir = tempfile::tempdir().unwrap();
    if capture(dir.path()).is_none() {
        return;
    }
    write(dir.path(), "r.yaml", RULES);
    let run = |expect: &str| {
        let test = format!("rules: r.yaml\ncapture: cat.scap\nexpect: {expect}\n");
        write(dir.path(), "a.test.yaml", &test);
        let output = scap(&["rules", "test", dir.path().to_str().unwrap()]);
        (output.status.code().unwrap(), stdout(&output))
    };
    assert_eq!(run("{opened: 3}").0, 0);
    assert_eq!(run("{opened: {count: 3, events: [141, 151, 197]}}").0, 0);
    let (code, text) = run("{opened: 4}");
    assert!(
        code == 1 && text.contains("3 alerts instead of 4 at #141, #151, #197"),
        "{text}"
    );
    let (code, text) = run("{opened: {events: [141]}}");
    assert!(code == 1 && text.contains("instead of at #141"), "{text}");
    // A rule that is not named has to be silent, and one that is named has to be there.
    let (code, text) = run("{}");
    assert!(
        code == 1 && text.contains("3 alerts instead of 0"),
        "{text}"
    );
    let (code, text) = run("{opened: 3, other: 0}");
    assert!(
        code == 1 && text.contains("there is no rule `other`"),
        "{text}"
    );
}

#[test]
fn a_directory_gives_a_table_and_rules_can_be_compared() {
    let dir = tempfile::tempdir().unwrap();
    if capture(dir.path()).is_none() {
        return;
    }
    let archive = dir.path().join("archive/2026");
    fs::create_dir_all(&archive).unwrap();
    fs::copy(dir.path().join("cat.scap"), archive.join("a.scap")).unwrap();
    fs::copy(dir.path().join("cat.scap"), archive.join("b.scap")).unwrap();
    fs::write(archive.join("notes.txt"), "x").unwrap();
    let rules = write(dir.path(), "r.yaml", RULES);
    let archive = dir.path().join("archive");
    let archive = archive.to_str().unwrap();
    let output = scap(&["detect", "-r", &rules, archive]);
    let text = stdout(&output);
    assert!(
        text.lines().nth(1).unwrap().starts_with("opened       6 "),
        "{text}"
    );
    assert!(
        text.contains("0 of 1 rules gave no alert") && text.contains("b.scap: 85 events in 0.0 s"),
        "{text}"
    );
    let output = scap(&["detect", "-j", "-r", &rules, archive]);
    let line: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        (&line["alerts"], line["captures"].as_object().unwrap().len()),
        (&6.into(), 2)
    );
    let new = write(
        dir.path(),
        "new.yaml",
        &RULES.replace("startswith /usr", "startswith /"),
    );
    let output = scap(&["detect", "-j", "-r", &new, "--diff", &rules, archive]);
    let line: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        line,
        serde_json::json!({"rule": "opened", "before": 6, "after": 0})
    );
    let output = scap(&["detect", "-r", &rules, "--diff", &rules, archive]);
    assert_eq!(stdout(&output), "no rule gives more or fewer alerts\n");
}

#[test]
fn phases_are_shown_in_the_order_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let rules = "
- rule: made
  desc: d
  condition: evt.type=mkdir
  output: o
  priority: info
  tags: [mitre_persistence, T1547]
- rule: gone
  desc: d
  condition: evt.type=unlink
  output: o
  priority: warning
  tags: [mitre_impact, mitre_defense_evasion]
- rule: untagged
  desc: d
  condition: evt.type=rmdir
  output: o
  priority: warning
";
    let rules = write(dir.path(), "r.yaml", rules);
    let event = |second: u64, ty| {
        common::event(
            common::START + second * 1_000_000_000,
            100,
            ty,
            &[&common::i64b(0), b"/x\0"],
        )
    };
    let events = [
        event(1, types::SYSCALL_UNLINK_2_X),
        event(2, types::SYSCALL_MKDIR_2_X),
        event(3, types::SYSCALL_MKDIR_2_X),
        event(4, types::SYSCALL_RMDIR_2_X),
    ];
    let path = dir.path().join("c.scap");
    fs::write(&path, common::write(&events, 1 << 16, true)).unwrap();
    let path = path.to_str().unwrap();
    let output = scap(&["detect", "-r", &rules, "--attack", path]);
    let text = stdout(&output);
    let order: Vec<usize> = [
        "Defense Evasion (TA0005): 1 alert",
        "Impact (TA0040): 1 alert",
        "Persistence (TA0003): 2 alerts",
        "1 alert without",
    ]
    .iter()
    .map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}")))
    .collect();
    assert!(order.is_sorted(), "{text}");
    let output = scap(&["detect", "-j", "-r", &rules, "--attack", path]);
    let line: serde_json::Value =
        serde_json::from_str(stdout(&output).lines().next_back().unwrap()).unwrap();
    assert_eq!(line["tactic_id"], "TA0003");
    assert_eq!(line["techniques"], serde_json::json!(["T1547"]));
    assert_eq!(
        (&line["alerts"], &line["host"]),
        (&2.into(), &"web1".into())
    );
}

#[test]
fn captures_that_appear_are_looked_into() {
    use std::io::{BufRead as _, BufReader, Read as _};

    let dir = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    fs::copy(data.join("sample.scap"), dir.path().join("a.scap")).unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(["detect", "-j", "--watch"])
        .arg(dir.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next =
        || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let name = |alert: &serde_json::Value| alert["scap"]["capture"].as_str().unwrap().to_owned();
    assert!(name(&next()).ends_with("/a.scap"));
    // What is not whole yet is waited for.
    let whole = fs::read(data.join("intrusion.scap")).unwrap();
    let (begin, end) = whole.split_at(whole.len() / 2);
    let path = dir.path().join("b.scap");
    fs::write(&path, begin).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    fs::write(&path, [begin, end].concat()).unwrap();
    for _ in 0..4 {
        assert!(name(&next()).ends_with("/b.scap"));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(said.starts_with("Events detected: 5\n"), "{said}");
}
