//! `scap detect` and `scap rules` on captures that others recorded.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use crate::common::extra_data;

pub(crate) fn scap(args: &[&str]) -> Output {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(args)
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let is_control = |b: &u8| b.is_ascii_control() && *b != b'\n';
    assert!(
        !text.iter().any(is_control),
        "{}",
        String::from_utf8_lossy(&text)
    );
    output
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns the counts by rule that a run printed.
pub(crate) fn counts(output: &Output) -> BTreeMap<String, u64> {
    let text = stderr(output);
    let (_, list) = text
        .split_once("Triggered rules by rule name:\n")
        .unwrap_or_else(|| panic!("{text}"));
    let entry = |line: &str| {
        let (name, count) = line.trim().rsplit_once(": ")?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    list.lines().map_while(entry).collect()
}

/// Writes a rule file to a directory and returns its path.
pub(crate) fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn rule(name: &str, condition: &str, priority: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: {condition}\n  output: \"{name} %proc.cmdline\"\n  priority: {priority}\n"
    )
}

#[test]
fn upstreams_expectations_hold() {
    let Some(captures) = extra_data("captures") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let capture = |name: &str| captures.join(name).to_str().unwrap().to_owned();
    let cat = "
- list: cat_binaries
  items: [cat]
- list: cat_capable_binaries
  items: [cat_binaries]
- macro: is_cat
  condition: proc.name in (cat_capable_binaries)
";
    let text = cat.to_owned() + &rule("open_from_cat", "evt.type=open and is_cat", "WARNING");
    let file = write(dir.path(), "single.yaml", &text);
    let output = scap(&["detect", "-r", &file, &capture("falco-cat-write.scap")]);
    assert_eq!(
        counts(&output),
        BTreeMap::from([("open_from_cat".to_owned(), 4)])
    );
    assert!(
        stderr(&output)
            .starts_with("Events detected: 4\nRule counts by severity:\n   WARNING: 4\n")
    );
    assert_eq!(stdout(&output).lines().count(), 4);
    assert!(
        stdout(&output).starts_with(
            "16:17:57.881785348: Warning open_from_cat cat /dev/null container_id=host "
        )
    );
    let text = rule("madvise", "evt.type=madvise", "INFO") + &rule("open", "evt.type=open", "INFO");
    let file = write(dir.path(), "syscalls.yaml", &text);
    let output = scap(&["detect", "-r", &file, &capture("falco-syscall.scap")]);
    assert_eq!(
        counts(&output),
        BTreeMap::from([("madvise".to_owned(), 2), ("open".to_owned(), 4)])
    );
    let connect = "evt.type=connect and evt.dir=< and fd.rip in (\"127.0.0.1\")";
    let file = write(
        dir.path(),
        "connect.yaml",
        &rule("connect", connect, "INFO"),
    );
    let output = scap(&[
        "detect",
        "-r",
        &file,
        &capture("falco-connect-localhost.scap"),
    ]);
    assert_eq!(counts(&output), BTreeMap::from([("connect".to_owned(), 1)]));
}

#[test]
fn the_first_rule_wins_unless_all_are_asked_for() {
    let Some(captures) = extra_data("captures") else {
        return;
    };
    let capture = captures.join("falco-cat-write.scap");
    let capture = capture.to_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let text = rule("any", "proc.name=cat", "INFO")
        + &rule("one", "evt.type=open and proc.name=cat", "ERROR")
        + &rule("two", "evt.type=open and proc.name=cat", "DEBUG");
    let file = write(dir.path(), "f.yaml", &text);
    let run = |options: &[&str]| {
        counts(&scap(
            &[&["detect", "-r", &file], options, &[capture]].concat(),
        ))
    };
    let first = run(&[]);
    // Rules for certain types come before those for all.
    assert_eq!((first.get("one"), first.get("two")), (Some(&4), None));
    let all = run(&["-o", "rule_matching=all"]);
    assert_eq!((all["one"], all["two"]), (4, 4));
    assert_eq!(all["any"], first["any"] + 4);
    assert_eq!(run(&["-D", "one"]).get("two"), Some(&4));
    assert_eq!(
        run(&["--disable", "o*", "--enable", "one"]).get("one"),
        Some(&4)
    );
    assert_eq!(
        run(&["--min-priority", "error"]),
        BTreeMap::from([("one".to_owned(), 4)])
    );
    assert_eq!(
        run(&[
            "-o",
            "rules[].disable.rule=*",
            "-o",
            "rules[].enable.rule=two"
        ]),
        BTreeMap::from([("two".to_owned(), 4)])
    );
    let output = scap(&["detect", "-r", &file, "--exit-code", capture]);
    assert_eq!(output.status.code(), Some(5));
    let output = scap(&[
        "detect",
        "-r",
        &file,
        "--exit-code",
        capture,
        "proc.name=nobody",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let output = scap(&[
        "detect",
        "-r",
        &file,
        "-o",
        "rules[].disable.rule=*",
        capture,
    ]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn json_has_falcos_members_and_the_evidence() {
    let Some(captures) = extra_data("captures") else {
        return;
    };
    let capture = captures.join("falco-cat-write.scap");
    let capture = capture.to_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let text = rule("cat", "evt.type=open and proc.name=cat", "INFO")
        .replace("%proc.cmdline", "\\\"%proc.cmdline\\\" %fd.num %evt.time %toupper(proc.name) %proc.aname[2] %fs.path.source")
        + "  tags: [b, a]\n";
    let file = write(dir.path(), "f.yaml", &text);
    let output = scap(&["detect", "-j", "-r", &file, capture]);
    let text = stdout(&output);
    let alert: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let keys: Vec<&str> = alert
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "hostname",
            "output",
            "output_fields",
            "priority",
            "rule",
            "scap",
            "source",
            "tags",
            "time"
        ]
    );
    assert_eq!(alert["priority"], "Informational");
    assert_eq!(alert["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(alert["time"], "2016-08-04T16:17:57.881785348Z");
    assert_eq!(
        alert["output_fields"],
        serde_json::json!({
            "container.id": "host", "container.image.repository": null, "container.image.tag": null, "container.name": "host",
            "evt.time": 1_470_327_477_881_785_348_u64, "fd.num": 3, "fs.path.source": null, "k8s.ns.name": null, "k8s.pod.name": null,
            "proc.aname[2]": "emacs", "proc.cmdline": "cat /dev/null",
        })
    );
    let line = alert["output"].as_str().unwrap();
    assert!(line.starts_with("16:17:57.881785348: Informational cat \"cat /dev/null\" 3 16:17:57.881785348 CAT emacs <NA>"), "{line}");
    assert_eq!(alert["scap"]["evt.num"], 141);
    assert_eq!(alert["scap"]["proc.aname[3]"], "bash");
    let options = [
        "-o",
        "json_output=true",
        "-o",
        "json_include_output_property=no",
        "-o",
        "json_include_message_property=true",
        "-o",
        "json_include_tags_property=false",
        "-o",
        "time_format_iso_8601=true",
        "-o",
        "append_output.suggested_output=false",
        "-p",
        "more=%proc.pid",
    ];
    let output = scap(&[&["detect", "-r", &file], &options[..], &[capture]].concat());
    let alert: serde_json::Value =
        serde_json::from_str(stdout(&output).lines().next().unwrap()).unwrap();
    assert_eq!(alert.get("output"), None);
    assert_eq!(alert.get("tags"), None);
    assert!(
        alert["message"]
            .as_str()
            .unwrap()
            .ends_with(" <NA> more=20072"),
        "{alert}"
    );
    assert_eq!(
        alert["output_fields"]["evt.time.iso8601"],
        1_470_327_477_881_785_348_u64
    );
}

#[test]
fn the_first_example_of_the_guide_works() {
    let dir = tempfile::tempdir().unwrap();
    let text = "
- rule: open below etc
  desc: something is opened below /etc
  condition: evt.type = \"open\" and evt.dir = < and fd.name startswith \"/etc\"
  output: opened %fd.name
  priority: NOTICE
";
    let file = write(dir.path(), "f.yaml", text);
    let output = scap(&["rules", "check", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("openat"), "{}", stdout(&output));
}

#[test]
fn rule_files_of_a_directory_are_loaded_in_order() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "20-change.yml",
        "- rule: a\n  priority: ERROR\n  override: {priority: replace}\n",
    );
    write(
        dir.path(),
        "10-base.yaml",
        &rule("a", "evt.type=open", "INFO"),
    );
    write(dir.path(), "05-not.txt", "not: rules\n");
    let path = dir.path().to_str().unwrap();
    let output = scap(&["rules", "list", "-j", "-r", path]);
    let line: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        (&line["rule"], &line["priority"]),
        (&"a".into(), &"Error".into())
    );
    let output = scap(&["rules", "describe", "-j", "-r", path]);
    let line: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(line["events"], serde_json::json!(["open"]));
    assert_eq!(line["fields"], serde_json::json!(["evt.type"]));
    let empty = tempfile::tempdir().unwrap();
    let output = scap(&["rules", "list", "-r", empty.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let output = scap(&["rules", "check", "/no/such.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "/no/such.yaml: Invalid\nerror[LOAD_ERR_FILE_READ]: No such file or directory\n1 error, 0 warnings\n";
    assert_eq!(stdout(&output), expected);
    // An error is that of the command line for `detect`, and the result of `check`.
    write(dir.path(), "30-wrong.yaml", &rule("b", "fd.nmu=1", "INFO"));
    let output = scap(&["rules", "check", "-j", path]);
    assert_eq!(output.status.code(), Some(1));
    let results: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let results = results["falco_load_results"].as_array().unwrap();
    let ok: Vec<_> = results
        .iter()
        .map(|r| r["successful"].as_bool().unwrap())
        .collect();
    assert_eq!(ok, [true, true, false]);
    let output = scap(&["detect", "-r", path, "x.scap"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("did you mean `fd.num`"),
        "{}",
        stderr(&output)
    );
}
