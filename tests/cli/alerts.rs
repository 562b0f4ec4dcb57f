//! Alerts that were recorded with the events.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use serde_json::Value as Json;
use tempfile::{TempDir, tempdir};

use scap_capture_format::schema::types;

use crate::common::{TestEvent, event, file, i64b, scap, seen, u32b, write};

/// The data of an alert about the close of thread 100. Whoever made the capture chose the texts.
const JSON: &str = r#"{"hostname":"web","message":"closed \u001b[2Jby cat","output":"x","output_fields":{"fd.num":3},"priority":"Warning","rule":"closes","scap":{"evt.type":"close"},"source":"syscall","tags":["T1070"],"time":null}"#;
const LEFT_OUT: &str =
    r#"{"left_out":250,"priority":"Critical","rule":"often","source":"syscall"}"#;

fn alert(at: u64, tid: i64, json: &str) -> TestEvent {
    let data = [json.as_bytes(), b"\0"].concat();
    event(at, tid, types::ASYNCEVENT_E, &[&u32b(0), b"alert\0", &data])
}

struct Capture {
    dir: TempDir,
    path: String,
}

impl Capture {
    fn new() -> Self {
        let close = |at, tid| event(at, tid, types::SYSCALL_CLOSE_X, &[&i64b(0), &i64b(3)]);
        let events = [
            close(1000, 100),
            alert(1000, 100, JSON),
            close(2000, 100),
            alert(3000, -1, LEFT_OUT),
            // From another recorder, or damaged.
            alert(4000, 100, "{"),
        ];
        let dir = tempdir().unwrap();
        let path = file(dir.path(), "a.scap", &write(&events, 3, true));
        let path = path.to_str().unwrap().to_owned();
        Self { dir, path }
    }

    fn read(&self, args: &[&str]) -> String {
        let (out, err, code) = seen(&scap(&[&["read", &self.path], args].concat(), None));
        assert_eq!((err.as_str(), code), ("", 0));
        out
    }
}

#[test]
fn alerts_are_lines_behind_their_events() {
    let capture = Capture::new();
    let lines = capture.read(&["-p", "%evt.num %evt.type %evt.info"]);
    let expected = "\
1 close res=0 fd=3(<f>/home/user/notes) 
2 alert Warning closes: closed \\x1b[2Jby cat 
3 close res=0 fd=3 
4 alert Critical often: 250 more alerts of this rule were left out 
5 alert plugin_id=0 name=alert data={. 
";
    assert_eq!(lines.lines().count(), 5, "{lines}");
    for (line, expected) in lines.lines().zip(expected.lines()) {
        // What an fd is, is another matter.
        let shown = |line: &str| line.split("(<").next().unwrap().trim().to_owned();
        assert_eq!(shown(line), shown(expected));
    }
    let numbers = |filter: &str| capture.read(&["-p", "%evt.num", filter]).replace('\n', " ");
    assert_eq!(numbers("evt.type=alert"), "2 4 5 ");
    assert_eq!(
        numbers("evt.type in (alert, close) and evt.num<4"),
        "1 2 3 "
    );
    assert_eq!(numbers("evt.type!=alert"), "1 3 ");
    assert_eq!(numbers("evt.asynctype=alert and thread.tid=100"), "2 5 ");
    assert_eq!(numbers("not evt.is_async=true"), "1 3 ");
    assert_eq!(numbers("alert.priority in (Warning, Error)"), "2 ");
    assert_eq!(numbers("alert.rule exists and alert.left_out exists"), "4 ");
    let format =
        "*%alert.rule|%alert.priority|%alert.tags|%alert.source|%alert.message|%alert.left_out";
    let fields = capture.read(&["-p", format, "evt.type=alert or evt.num=3"]);
    let expected = "\
closes|Warning|T1070|syscall|closed \\x1b[2Jby cat|<NA>
<NA>|<NA>|<NA>|<NA>|<NA>|<NA>
often|Critical|<NA>|syscall|<NA>|250
<NA>|<NA>|<NA>|<NA>|<NA>|<NA>
";
    assert_eq!(fields, expected);
}

#[test]
fn info_counts_them_by_priority_and_rule() {
    let capture = Capture::new();
    let (text, _, code) = seen(&scap(&["info", &capture.path], None));
    assert_eq!(code, 0);
    let lines = "\
alerts     252 alerts, 250 of them only counted
           250 Critical: often
           1 Warning: closes
";
    assert!(text.contains(lines), "{text}");
    let (json, ..) = seen(&scap(&["info", "--json", &capture.path], None));
    let info: Json = serde_json::from_str(&json).unwrap();
    let alerts = &info["events"]["alerts"];
    assert_eq!(
        (&alerts["total"], &alerts["left_out"]),
        (&252.into(), &250.into())
    );
    assert_eq!(alerts["rules"][1]["rule"], "closes");
    assert!(
        text.contains(
            " alert
"
        ),
        "{text}"
    );
}

#[test]
fn they_raise_no_alerts() {
    let capture = Capture::new();
    let rules = "- rule: any\n  desc: d\n  condition: evt.num>=0\n  output: \"%evt.num %evt.type\"\n  priority: notice\n";
    let rules = file(capture.dir.path(), "any.yaml", rules.as_bytes());
    let args = ["detect", "-r", rules.to_str().unwrap(), &capture.path];
    let (out, err, code) = seen(&scap(&args, None));
    assert_eq!(code, 0);
    assert!(err.contains("252 alerts recorded with the events"), "{err}");
    assert!(err.contains("Events detected: 2\n"), "{err}");
    let alerts: Vec<_> = out
        .lines()
        .filter_map(|l| l.split_once("Notice "))
        .collect();
    assert_eq!(alerts.len(), 2, "{out}");
    assert!(
        alerts[0].1.starts_with("1 close") && alerts[1].1.starts_with("3 close"),
        "{out}"
    );
}

#[test]
fn they_are_in_captures_for_other_programs() {
    let capture = Capture::new();
    // Of the broken one there are only the parameters, which have other names.
    let format = ["-p", "%evt.num %alert.rule %evt.info", "alert.rule exists"];
    let native = capture.read(&format);
    let mut from = capture.path.clone();
    for target in ["sysdig", "native"] {
        let copy = capture.dir.path().join(target).to_str().unwrap().to_owned();
        let (_, err, code) = seen(&scap(&["convert", &from, &copy, "--to", target], None));
        assert_eq!((err.as_str(), code), ("", 0), "{target}");
        let (out, ..) = seen(&scap(&[&["read", &*copy], &format[..]].concat(), None));
        let told = |text: &str| {
            let lines = text
                .lines()
                .map(|l| l.split_once(' ').unwrap().1.to_owned());
            lines.collect::<Vec<_>>()
        };
        assert_eq!(told(&out), told(&native), "{target}");
        assert_eq!(out.lines().count(), 2, "{target}: {out}");
        from = copy;
    }
}

#[test]
fn an_alert_that_a_filter_rejects_is_not_kept_for_the_state() {
    let capture = Capture::new();
    let copy = capture.dir.path().join("copy");
    let copy = copy.to_str().unwrap();
    let (_, err, code) = seen(&scap(
        &["read", &capture.path, "-w", copy, "evt.type=close"],
        None,
    ));
    assert_eq!((err.as_str(), code), ("", 0));
    let (json, ..) = seen(&scap(&["info", "--json", copy], None));
    let info: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&info["events"]["total"], &info["events"]["hidden"]),
        (&2.into(), &0.into())
    );
}

/// The words of the rows of a screen that have a word.
fn rows(screen: &str, with: &str) -> Vec<String> {
    let lines = screen.lines().filter(|line| line.contains(with));
    // Without the time axis.
    let is_word = |word: &&str| !word.contains(['\u{2502}', '\u{2500}']);
    let words = |line: &str| {
        line.split_whitespace()
            .filter(is_word)
            .collect::<Vec<_>>()
            .join(" ")
    };
    lines.map(words).collect()
}

#[test]
fn view_shows_them_with_those_that_rules_raise_now() {
    let capture = Capture::new();
    let view = |keys: &str, options: &[&str]| {
        let args = ["view", &capture.path, "--size", "180x60"];
        let keys = ["--script", keys, "--screenshot", "-"];
        let (out, err, code) = seen(&scap(&[&args[..], &keys, options].concat(), None));
        assert_eq!((err.as_str(), code), ("", 0));
        assert!(!out.contains(|c: char| c.is_control() && c != '\n'));
        out
    };
    // The rules of scap find nothing here.
    let shown = view("A", &[]);
    assert_eq!(
        rows(&shown, "Critical"),
        ["Critical 250 22:13:20.000003 22:13:20.000003 often"]
    );
    let closes = &rows(&shown, " closes")[0];
    assert!(
        closes.starts_with("Warning 1 ") && closes.contains(" 1 closes"),
        "{closes}"
    );
    assert!(closes.contains("T1070"), "{closes}");
    assert_eq!(rows(&shown, "cannot be read").len(), 1, "{shown}");
    assert!(
        shown.contains("RECORDED") && shown.contains("(incomplete)"),
        "{shown}"
    );
    let lane = &rows(&shown, "alerts ")[0];
    assert!(lane.contains('W'), "{lane}");
    // The alert is about the event before it.
    let event = view("A<Down><Enter><Enter>", &[]);
    assert!(event.contains("event 1 "), "{event}");
    let detail = &rows(&event, "(recorded)")[0];
    assert!(
        detail.contains("closes: closed \\x1b[2Jby cat (recorded)"),
        "{detail}"
    );
    // The same rule finds the same event, and one more: none is there twice.
    let rule = "- {rule: closes, desc: d, condition: evt.type = close, output: now, priority: ALERT}\n\
                - {rule: often, desc: d, condition: evt.type = close, output: now, priority: ERROR}\n";
    let rules = file(capture.dir.path(), "rules.yaml", rule.as_bytes());
    let all = ["-o", "rule_matching=all", "-r", rules.to_str().unwrap()];
    let shown = view("A", &all);
    assert!(
        rows(&shown, " closes")[0].starts_with("Alert 2 "),
        "{shown}"
    );
    assert!(rows(&shown, " closes")[0].ends_with(" 1 closes"), "{shown}");
    // What the recorder left out is among those that the rule raises now.
    assert!(rows(&shown, " often")[0].starts_with("Error 2 "), "{shown}");
    let list = view("A<Enter>", &all);
    assert_eq!(rows(&list, " yes ").len(), 1, "{list}");
    assert!(list.contains("1/2 "), "{list}");
    // Without rules there are none.
    assert!(view("A", &["--no-rules"]).contains("no rules are evaluated"));
}
