//! Kubernetes audit logs beside captures and alone.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::common::{file, scap, seen, story, write};
use tempfile::{TempDir, tempdir};

/// An event at some milliseconds after 2023-11-14T22:13:20Z, the time of the captures of these tests.
fn event(id: &str, ms: u64, rest: &str) -> String {
    format!(
        "{{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\",\"auditID\":\"{id}\",\
         \"stage\":\"ResponseComplete\",\"requestURI\":\"/api/v1/x\",\"verb\":\"get\",\
         \"user\":{{\"username\":\"alice\"}},\"sourceIPs\":[\"192.0.2.10\"],{rest}\
         \"requestReceivedTimestamp\":\"2023-11-14T22:13:20.000000Z\",\
         \"stageTimestamp\":\"2023-11-14T22:13:20.{ms:03}000Z\"}}"
    )
}

fn capture() -> Vec<u8> {
    write(&story(), 4, true)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

struct Logs(TempDir);

impl Logs {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let dir = tempdir().unwrap();
        for (name, content) in files {
            file(dir.path(), name, content);
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// What `scap read` prints with these arguments, in which `@` stands for the directory.
    fn read(&self, args: &[&str]) -> (String, String, i32) {
        let root = self.0.path().to_str().unwrap();
        let args: Vec<String> = args.iter().map(|arg| arg.replace('@', root)).collect();
        let mut all = vec!["read"];
        all.extend(args.iter().map(String::as_str));
        let (out, err, code) = seen(&scap(&all, None));
        (out, err.replace(root, "@"), code)
    }

    /// The ids of the events in these logs.
    fn ids(&self, args: &[&str]) -> String {
        let (out, err, code) = self.read(&[args, &["-p", "%ka.auditid"]].concat());
        assert_eq!((err.as_str(), code), ("", 0));
        out.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn a_log_alone_and_beside_a_capture() {
    let rest = "\"objectRef\":{\"resource\":\"pods\",\"namespace\":\"shop\",\"name\":\"web\",\"subresource\":\"exec\"},\
                \"responseStatus\":{\"code\":403},";
    let log =
        event("a", 0, rest).replace("/api/v1/x", "/exec?command=sh&command=-c&command=id%3B+ls");
    let logs = Logs::new(&[("audit.log", log.as_bytes()), ("a.scap", &capture())]);
    let line = "1 22:13:20.000000000 0 alice (k8s_audit) > get pods/exec shop/web code=403 from=192.0.2.10 \
                stage=ResponseComplete command=sh -c id; ls \n";
    let (out, err, code) = logs.read(&["--audit", "@/audit.log"]);
    assert_eq!((out.as_str(), err.as_str(), code), (line, "", 0));
    // In the order of time, without a change to the lines of the capture.
    let (alone, _, _) = logs.read(&["@/a.scap"]);
    let (both, err, code) = logs.read(&["@/a.scap", "--audit", "@/audit.log"]);
    assert_eq!((err.as_str(), code), ("", 0));
    assert_eq!(both, format!("{line}{alone}"));
    // With filters before and after, and without any file.
    for args in [
        &["--audit", "@/audit.log", "ka.verb=get"][..],
        &["ka.verb", "=", "get", "--audit", "@/audit.log"],
        &["@/a.scap", "evt.source=k8s_audit", "--audit", "@/audit.log"],
        &["--audit", "@/audit.log", "@/a.scap", "audit.code >= 400"],
    ] {
        assert_eq!(logs.read(args).0, line, "{args:?}");
    }
    assert_eq!(
        logs.read(&["--audit", "@/audit.log", "proc.name exists"]).0,
        ""
    );
    let (json, _, _) = logs.read(&[
        "--audit",
        "@/audit.log",
        "-j",
        "-p",
        "%ka.user.name %audit.code %ka.sourceips",
    ]);
    let expected =
        "{\"audit.code\":403,\"ka.sourceips\":[\"192.0.2.10\"],\"ka.user.name\":\"alice\"}\n";
    assert_eq!(json, expected);
}

#[test]
fn events_are_stored_in_captures_of_both_formats() {
    let log = [event("a", 1, ""), event("b", 2, "")].join("\n");
    let logs = Logs::new(&[("audit.log", log.as_bytes()), ("a.scap", &capture())]);
    let (direct, _, _) = logs.read(&["--audit", "@/audit.log"]);
    let (_, err, code) = logs.read(&["--audit", "@/audit.log", "-w", "@/alone.scap"]);
    assert_eq!((err.as_str(), code), ("", 0));
    assert_eq!(logs.read(&["@/alone.scap"]).0, direct);
    let (merged, _, _) = logs.read(&["@/a.scap", "--audit", "@/audit.log"]);
    logs.read(&["@/a.scap", "--audit", "@/audit.log", "-w", "@/both.scap"]);
    let renumbered = |text: &str| {
        let lines = text
            .lines()
            .map(|line| line.split_once(' ').unwrap().1.to_owned());
        lines.collect::<Vec<_>>()
    };
    let (stored, _, _) = logs.read(&["@/both.scap"]);
    assert_eq!(renumbered(&stored), renumbered(&merged));
    assert_eq!(logs.ids(&["@/both.scap"]), "a b");
    let (info, _, _) = seen(&scap(&["info", &logs.path("both.scap")], None));
    assert!(
        info.contains("\naudit      2 Kubernetes audit events\n"),
        "{info}"
    );
    assert!(
        info.contains("seen       3 threads of 2 processes"),
        "{info}"
    );
    let (_, err, code) = seen(&scap(
        &[
            "convert",
            &logs.path("alone.scap"),
            "--to",
            "sysdig",
            &logs.path("sysdig.scap"),
        ],
        None,
    ));
    assert_eq!((err.as_str(), code), ("", 0));
    assert_eq!(logs.read(&["@/sysdig.scap"]).0, direct);
}

#[test]
fn logs_in_every_form() {
    let [a, b, c] = ["a", "b", "c"].map(|id| event(id, u64::from(id.as_bytes()[0]), ""));
    let list = format!("{{\"kind\":\"EventList\",\"items\":[{a},{b}]}}\n{c}\n");
    let wrapped = |event: &str| {
        let text = serde_json::to_string(event).unwrap();
        format!("{{\"category\":\"kube-audit\",\"properties\":{{\"log\":{text}}}}}")
    };
    let pretty: serde_json::Value = serde_json::from_str(&a).unwrap();
    let pretty = serde_json::to_string_pretty(&pretty).unwrap();
    let wrapped_lines = [&a, &b, &c].map(|event| wrapped(event)).join("\n");
    for log in [
        format!("{a}\n{b}\n{c}\n"),
        format!("{a}\r\n{b}\r\n{c}"),
        format!("[{a},[{b}],\n{c}]"),
        format!("{pretty}\n{b}\n{c}"),
        wrapped_lines,
        list,
        format!("{c}\n{b}\n{a}\n"),
    ] {
        let logs = Logs::new(&[("log", log.as_bytes()), ("gz.log.gz", &gzip(&log))]);
        assert_eq!(logs.ids(&["--audit", "@/log"]), "a b c", "{log}");
        assert_eq!(logs.ids(&["--audit", "@/gz.log.gz"]), "a b c", "{log}");
        let (out, err, code) = seen(&scap(
            &["read", "--audit", "-", "-p", "%audit.id"],
            Some(log.as_bytes()),
        ));
        assert_eq!((out.as_str(), err.as_str(), code), ("a\nb\nc\n", "", 0));
    }
}

#[test]
fn rotated_logs_are_one() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|id| event(id, u64::from(id.as_bytes()[0]), ""));
    let logs = Logs::new(&[
        ("audit.log", format!("{c}\n{d}\n").as_bytes()),
        // The event at the border is in both files.
        (
            "audit-2023-11-14T22-13-20.098.log",
            format!("{b}\n{c}\n").as_bytes(),
        ),
        (
            "audit-2023-11-14T22-13-20.097.log.gz",
            &gzip(&format!("{a}\n")),
        ),
    ]);
    assert_eq!(logs.ids(&["--audit", "@/audit.log"]), "c d");
    let twice = "scap: warning: audit logs: 1 event left out, identical to others\n\
                 hint: the files of a rotated log can overlap\n";
    for args in [
        &["--audit", "@"][..],
        &["--audit", "@/audit.log", "--audit-rotated"],
    ] {
        let (out, err, code) = logs.read(&[args, &["-p", "%audit.id"]].concat());
        assert_eq!(
            (out.as_str(), err.as_str(), code),
            ("a\nb\nc\nd\n", twice, 0),
            "{args:?}"
        );
    }
    fs::write(logs.path("notes.txt"), "x").unwrap();
    let (_, err, _) = logs.read(&["--audit", "@", "-q"]);
    assert!(err.contains("@: 1 other file not read\n"), "{err}");
    let (_, err, code) = logs.read(&["--audit", "@/nothing"]);
    assert_eq!(
        (err.as_str(), code),
        (
            "scap: error: cannot read @/nothing: No such file or directory\n",
            1
        )
    );
}

#[test]
fn events_are_in_order_and_only_identical_ones_are_left_out() {
    // At the same time: in the order of the files. The same id and stage with another content is another event.
    let first = [event("x", 5, ""), event("b", 5, ""), event("a", 5, "")].join("\n");
    let changed = event("a", 5, "\"userAgent\":\"other\",");
    let second = [
        event("c", 5, ""),
        event("a", 5, ""),
        changed,
        event("d", 4, ""),
    ]
    .join("\n");
    let logs = Logs::new(&[("1.log", first.as_bytes()), ("2.log", second.as_bytes())]);
    let (out, err, code) = logs.read(&[
        "--audit",
        "@/1.log",
        "--audit",
        "@/2.log",
        "-p",
        "%audit.id",
    ]);
    assert_eq!((out.as_str(), code), ("d\nx\nb\na\nc\na\n", 0));
    assert!(err.contains("1 event left out"), "{err}");
    // Two events of one list, far from each other in time, and with blanks that do not matter.
    let lists = format!(
        "[{},{}]\n[ {} ]",
        event("1", 1, ""),
        event("9", 9, ""),
        event("5", 5, "")
    );
    let logs = Logs::new(&[("l.log", lists.as_bytes())]);
    assert_eq!(logs.ids(&["--audit", "@/l.log"]), "1 5 9");
}

#[test]
fn what_is_no_event_is_reported_with_its_line() {
    let good = event("a", 1, "");
    let legacy = "2023-11-14T22:13:20.000000Z AUDIT: id=\"5c3b\" stage=\"ResponseComplete\" ip=\"127.0.0.1\"";
    let log = [
        "{\"kind\":0}",
        &good,
        "\u{1b}[2Jno JSON",
        &good[..good.len() / 2],
        legacy,
        legacy,
        "{\"auditID\":\"b\"}",
        "{\"auditID\":\"b\",\"stageTimestamp\":\"soon\"}",
        "{\"protoPayload\":{}}",
        &event("c", 2, ""),
        "{\"auditID\":",
    ];
    let logs = Logs::new(&[("audit.log", log.join("\n").as_bytes())]);
    let (out, err, code) = logs.read(&["--audit", "@/audit.log", "-p", "%audit.id"]);
    assert_eq!((out.as_str(), code), ("a\nc\n", 3));
    for problem in [
        "line 1: JSON, but no Kubernetes audit event",
        "line 3: not JSON, so no audit event",
        "line 4: broken JSON",
        "lines 5, 6: an audit event in the text format `legacy`",
        "line 7: an audit event without stageTimestamp",
        "line 8: an audit event whose stageTimestamp is not a time",
        "line 9: an entry of Google's Cloud Audit Logs",
        "line 11: the log is cut off here",
    ] {
        assert!(
            err.contains(&format!("scap: warning: @/audit.log: {problem}")),
            "{problem}\n{err}"
        );
    }
    assert_eq!(err.lines().count(), 8, "{err}");
    assert!(!err.contains('\u{1b}'), "{err}");
    // Beside a capture likewise.
    fs::write(logs.path("a.scap"), capture()).unwrap();
    assert_eq!(
        logs.read(&["@/a.scap", "--audit", "@/audit.log", "-q"]).2,
        3
    );
    // Many lines are a few reports.
    let many = "what\n".repeat(3000);
    let logs = Logs::new(&[("many.log", many.as_bytes())]);
    let (_, err, code) = logs.read(&["--audit", "@/many.log"]);
    let expected = "scap: warning: @/many.log: lines 1, 2, 3, 4, 5 and 2995 more: not JSON, so no audit event\n";
    assert_eq!((err.as_str(), code), (expected, 3));
}

#[test]
fn wrong_files_are_named() {
    let logs = Logs::new(&[
        ("a.scap", &capture()),
        ("audit.log", event("a", 1, "").as_bytes()),
    ]);
    let (_, err, code) = logs.read(&["--audit", "@/a.scap"]);
    assert!(
        err.contains("@/a.scap is a capture, not an audit log"),
        "{err}"
    );
    assert_eq!(code, 2);
    for command in ["read", "info"] {
        let path = logs.path("audit.log");
        let (_, err, code) = seen(&scap(&[command, &path], None));
        let hint = format!("hint: `scap read --audit {path}` reads Kubernetes audit logs");
        assert!(err.contains(&hint), "{err}");
        assert_eq!(code, 1);
    }
    let cut = &gzip(&[event("a", 1, ""), event("b", 2, "")].join("\n"))[..100];
    fs::write(logs.path("cut.gz"), cut).unwrap();
    let (_, err, code) = logs.read(&["--audit", "@/cut.gz"]);
    assert!(
        err.contains("gzip stream around the capture is cut off"),
        "{err}"
    );
    assert_eq!(code, 3);
    let empty = Logs::new(&[("empty.log", b"")]);
    assert_eq!(
        empty.read(&["--audit", "@/empty.log"]),
        (String::new(), String::new(), 0)
    );
    let none = Logs::new(&[("notes.txt", b"")]);
    let (_, err, code) = none.read(&["--audit", "@"]);
    assert!(err.contains("@ has no audit logs"), "{err}");
    assert_eq!(code, 1);
}

#[test]
fn time_ranges() {
    let log = [event("a", 1, ""), event("b", 500, "")].join("\n");
    let logs = Logs::new(&[("audit.log", log.as_bytes()), ("a.scap", &capture())]);
    let ids = |from: &[&str]| logs.ids(&[&["--audit", "@/audit.log"], from].concat());
    assert_eq!(ids(&["--from", "+0.4s"]), "b");
    assert_eq!(ids(&["--to", "+0.4s"]), "a");
    assert_eq!(ids(&["--from", "2023-11-14 22:13:20.2"]), "b");
    assert_eq!(ids(&["--from", "22:13:20.2"]), "b");
    assert_eq!(ids(&["@/a.scap", "--from", "22:13:20.2"]), "b");
    assert_eq!(ids(&["@/a.scap", "--from", "+0.4s"]), "b");
    let (_, err, _) = logs.read(&["--audit", "@/audit.log", "--from", "+2s"]);
    let times = "the events are from 2023-11-14T22:13:20.001000000+00:00 to 2023-11-14T22:13:20.500000000+00:00";
    assert!(err.contains(times), "{err}");
}

#[test]
fn the_timeline_shows_requests_as_lines() {
    let rest = "\"objectRef\":{\"resource\":\"secrets\",\"namespace\":\"shop\"},";
    let logs = Logs::new(&[
        ("audit.log", event("a", 0, rest).as_bytes()),
        ("a.scap", &capture()),
    ]);
    logs.read(&["@/a.scap", "--audit", "@/audit.log", "-w", "@/both.scap"]);
    let screen = |keys: &str| {
        let both = logs.path("both.scap");
        let args = [
            "view",
            &both,
            "--script",
            keys,
            "--screenshot",
            "-",
            "--size",
            "160x40",
        ];
        let (out, err, code) = seen(&scap(&args, None));
        assert_eq!((err.as_str(), code), ("", 0));
        out
    };
    let line =
        |line: &&str| line.contains("alice") && line.contains("get secrets shop/ from=192.0.2.10");
    assert_eq!(screen("2").lines().filter(line).count(), 1);
    let detail = screen("2<Enter>");
    assert!(detail.contains("Kubernetes request"), "{detail}");
    assert!(
        detail.contains("audit.target               secrets shop/"),
        "{detail}"
    );
}
