//! `scap summary`: the account of any capture.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;

use serde_json::Value;

use crate::common::{scap, seen};

const INTRUSION: &str = "testdata/intrusion.scap";

fn output(args: &[&str]) -> String {
    let (out, err, code) = seen(&scap(args, None));
    assert_eq!((code, &*err), (0, ""), "{args:?}");
    out
}

fn json(args: &[&str]) -> Value {
    let out = output(&[&["summary", "--json"], args].concat());
    serde_json::from_str(&out).unwrap()
}

/// Returns how many events `read` prints.
fn read(filter: &str) -> u64 {
    output(&["read", INTRUSION, filter]).lines().count() as u64
}

#[test]
fn the_account_of_a_break_in() {
    let text = output(&["summary", INTRUSION]);
    let told = [
        "demo, Debian GNU/Linux 12 (bookworm), Linux 6.18.44, 2 CPUs\n",
        "15.50 s: 17,280 events of 190 processes, 110,070 bytes\n",
        "nothing was lost\n",
        "programs started (136)\n",
        "  /tmp/.cache-upd  created, 249 bytes written, made executable, removed by curl (26008)\n",
        "  15.502  perl (25160) killed by SIGTERM\n",
        "   8.256  cat (26014) ended with status 1\n",
        "        1  EACCES       openat; e.g. cat (26014) openat /etc/shadow\n",
    ];
    for part in told {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let all = json(&[INTRUSION]);
    assert_eq!(all["machines"][0]["host_name"], "demo");
    assert_eq!(all["events"], 17_280);
    assert_eq!(all["lost"]["known"], true);
    // JSON has what the page has no room for.
    let started = all["started"]["rows"].as_array().unwrap();
    assert_eq!(started.len(), 136);
    assert_eq!(
        started.len() as u64,
        read("evt.type in (execve, execveat) and evt.rawres = 0")
    );
    let is_dropped = |row: &&Value| row["command"].as_str().unwrap().contains(".cache-upd");
    assert!(started.iter().any(|row| is_dropped(&row)));
    assert_eq!(all["failed"]["total"], read("evt.failed = true"));
    let ended = &all["ended_badly"]["rows"];
    assert_eq!(ended[0]["status"], 1);
    assert_eq!(
        (&ended[2]["signal"], &ended[2]["pid"]),
        (&"SIGTERM".into(), &25_160.into())
    );
    assert_eq!(all["alerts"]["total"], 0);
    let accepted = read("evt.type in (accept, accept4) and evt.failed = false");
    let connections = all["connections"]["rows"].as_array().unwrap();
    let count = |row: &&Value| row["accepted"] == true;
    let counted = connections.iter().filter(count);
    let counted: u64 = counted.map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, accepted);
}

#[test]
fn a_filter_and_a_time_range_are_those_of_read() {
    let filter = "proc.name = .cache-upd";
    let some = json(&[INTRUSION, filter]);
    assert_eq!(some["events"], read(filter));
    assert_eq!(
        some["connections"]["total"],
        read(&format!(
            "{filter} and evt.type in (connect, accept4) and fd.type in (ipv4, ipv6)"
        ))
    );
    let range = json(&[INTRUSION, "--from", "+8s", "--to", "+9s"]);
    let lines = output(&["read", INTRUSION, "--from", "+8s", "--to", "+9s"]);
    assert_eq!(range["events"], lines.lines().count());
    assert_eq!(range["ended_badly"]["total"], 1);
    // Another way to the same file.
    let bytes = fs::read(INTRUSION).unwrap();
    let piped = scap(&["summary", "-"], Some(&bytes));
    let text = output(&["summary", INTRUSION]);
    assert_eq!(seen(&piped).0, text.replace(", 110,070 bytes", ""));
}

#[test]
fn a_capture_that_was_cut_off_is_summarized_and_said_to_be() {
    for (file, whole, cut) in [
        (
            INTRUSION,
            "\nnothing was lost\n",
            "\nwhether events were lost is not known\n",
        ),
        (
            "testdata/native-v1.scap",
            "\n17 events were lost: ring full\n",
            "\n17 events were lost: ring full; whether more were lost is not known\n",
        ),
    ] {
        let bytes = fs::read(file).unwrap();
        let (out, err, code) = seen(&scap(&["summary", "-"], Some(&bytes)));
        assert!(out.contains(whole), "{out}");
        assert_eq!((code, &*err), (0, ""));
        let (out, err, code) = seen(&scap(&["summary", "-"], Some(&bytes[..bytes.len() - 40])));
        assert!(out.contains(cut), "{out}");
        assert_eq!(code, 3);
        assert!(err.contains("could be read"), "{err}");
    }
}

#[test]
fn a_capture_of_sysdig_does_not_say_what_was_lost() {
    let out = output(&["summary", "testdata/compressed/sysdig.scap"]);
    assert!(
        out.contains("whether events were lost is not known\n"),
        "{out}"
    );
    assert!(!out.contains("1970"), "{out}");
}
