//! Requests and processes at made-up times.

use super::super::json::Document;
use super::*;

const SECOND: u64 = 1_000_000_000;
/// 2026-07-21T15:25:11Z
const START: u64 = 1_784_647_511 * SECOND;

/// One stage of an exec.
fn stage(finder: &mut Finder, id: &str, stage: &str, ms: u64, code: u64, query: &str) {
    let time = |ms: u64| {
        format!(
            "2026-07-21T15:{:02}:{:02}.{:03}Z",
            25 + (11 + ms / 1000) / 60,
            (11 + ms / 1000) % 60,
            ms % 1000
        )
    };
    let text = format!(
        r#"{{"auditID":"{id}","stage":"{stage}","user":{{"username":"user-{id}","groups":["a","b"]}},
        "sourceIPs":["x","192.0.2.1"],"requestURI":"/exec?{query}","responseStatus":{{"code":{code}}},
        "objectRef":{{"namespace":"shop","name":"web","subresource":"exec"}},
        "requestReceivedTimestamp":"{}","stageTimestamp":"{}"}}"#,
        time(ms),
        time(ms + 50),
    );
    let mut document = Document::default();
    document.parse(text.as_bytes()).unwrap();
    finder.request(document.root(text.as_bytes()).unwrap());
}

fn started(finder: &mut Finder, id: &str, ms: u64, query: &str) {
    stage(finder, id, "ResponseStarted", ms, 101, query);
}

fn root(finder: &mut Finder, pid: i64, ms: u64, container: &str, words: &str) {
    finder.root(ExecRoot {
        is_main: false,
        process: ProcessKey {
            pid,
            ..ProcessKey::default()
        },
        time: START + ms * (SECOND / 1000),
        words: Some(
            words
                .split(' ')
                .flat_map(|w| [w.as_bytes(), b"\0"].concat())
                .collect(),
        ),
        container: Vec::new(),
        place: Some([
            b"shop".to_vec(),
            b"web".to_vec(),
            container.as_bytes().to_vec(),
        ]),
    });
}

/// Pid, audit id and confidence of each session; `-` without a request.
fn joined(finder: Finder) -> (String, Option<i64>) {
    let sessions = finder.join();
    let shown = sessions.list().iter().map(|session| {
        let pid = session.root.process.pid;
        match &session.request {
            None => format!("{pid}:-"),
            Some((request, confidence)) => {
                format!(
                    "{pid}:{}:{confidence:?}",
                    String::from_utf8_lossy(&request.id)
                )
            }
        }
    });
    let shown: Vec<String> = shown.collect();
    (shown.join(" "), sessions.skew())
}

#[test]
fn equal_commands_are_told_apart_by_time() {
    let mut finder = Finder::default();
    for (id, ms) in [("a", 0), ("b", 10_000), ("c", 20_000)] {
        started(
            &mut finder,
            id,
            ms,
            "command=sh&command=-c&command=id&container=app",
        );
    }
    for (pid, ms) in [(3, 20_160), (1, 150), (2, 10_150)] {
        root(&mut finder, pid, ms, "app", "sh -c id");
    }
    let (found, skew) = joined(finder);
    assert_eq!(found, "3:c:Certain 1:a:Certain 2:b:Certain");
    assert_eq!(skew, Some(100_000_000));
}

#[test]
fn clocks_may_differ() {
    for skew_ms in [3000_i64, -3000, 45_000] {
        let mut finder = Finder::default();
        for (id, ms) in [("a", 60_000), ("b", 62_000)] {
            started(&mut finder, id, ms, &format!("command={id}&container=app"));
        }
        for (pid, ms, word) in [(1, 60_050, "a"), (2, 62_050, "b")] {
            root(
                &mut finder,
                pid,
                (ms + skew_ms).cast_unsigned(),
                "app",
                word,
            );
        }
        let (found, skew) = joined(finder);
        assert_eq!(found, "1:a:Certain 2:b:Certain", "{skew_ms}");
        assert_eq!(skew, Some(skew_ms * 1_000_000));
    }
}

#[test]
fn a_busy_node_is_no_other_clock() {
    for (delays, expected) in [
        ([80, 4500, 0], 80),
        ([4500, 80, 0], 80),
        ([1900, 60, 1900], 1900),
    ] {
        let mut finder = Finder::default();
        for (pid, delay) in (1..).zip(delays).filter(|(_, delay)| *delay > 0) {
            let ms = u64::try_from(pid).unwrap() * 60_000;
            started(
                &mut finder,
                &format!("{pid}"),
                ms,
                &format!("command={pid}&container=app"),
            );
            root(&mut finder, pid, ms + 50 + delay, "app", &format!("{pid}"));
        }
        let (found, skew) = joined(finder);
        assert!(!found.contains('-'), "{found}");
        assert_eq!(skew, Some(expected * 1_000_000));
    }
}

#[test]
fn what_does_not_fit_has_no_partner() {
    let mut finder = Finder::default();
    started(&mut finder, "a", 0, "command=sh&container=app");
    // Refused, for another container, another command, much later, and a probe.
    stage(
        &mut finder,
        "no",
        "ResponseStarted",
        30_000,
        403,
        "command=ls&container=app",
    );
    root(&mut finder, 1, 100, "app", "sh");
    root(&mut finder, 2, 120, "sidecar", "sh");
    root(&mut finder, 3, 130, "app", "cat /healthy");
    root(&mut finder, 4, 30_060, "app", "ls");
    root(&mut finder, 5, 50_000, "app", "sh");
    assert_eq!(joined(finder).0, "1:a:Certain 2:- 3:- 4:- 5:-");
}

#[test]
fn less_is_known_of_some() {
    let mut finder = Finder::default();
    started(&mut finder, "a", 0, "command=sh");
    started(
        &mut finder,
        "b",
        5000,
        "command=/bin/awk&command=x&container=app",
    );
    // All stages of one request are one, whatever their order.
    stage(
        &mut finder,
        "c",
        "ResponseComplete",
        10_000,
        101,
        "command=ls&container=app",
    );
    started(&mut finder, "c", 10_000, "command=ls&container=app");
    root(&mut finder, 1, 60, "app", "sh");
    root(&mut finder, 2, 5060, "app", "/usr/bin/mawk x");
    root(&mut finder, 3, 10_060, "app", "ls");
    root(&mut finder, 4, 10_070, "app", "ls");
    finder.root(ExecRoot::default());
    assert_eq!(
        joined(finder).0,
        "1:a:Likely 2:b:Likely 3:c:Certain 4:- 0:-"
    );
}

#[test]
fn ephemeral_containers_are_joined_by_name() {
    let mut finder = Finder::default();
    let request = |path: &str, code: u32| {
        format!(
            r#"{{"auditID":"e","stage":"ResponseComplete","user":{{"username":"x"}},"responseStatus":{{"code":{code}}},
            "objectRef":{{"namespace":"shop","name":"web","subresource":"ephemeralcontainers"}},"requestObject":{path},
            "requestReceivedTimestamp":"2026-07-21T15:25:11Z","stageTimestamp":"2026-07-21T15:25:11Z"}}"#
        )
    };
    let names = r#"[{"name":"debugger-1"},{"name":"debugger-2"}]"#;
    let mut document = Document::default();
    for text in [
        request(
            &format!(r#"{{"spec":{{"ephemeralContainers":{names}}}}}"#),
            200,
        ),
        request(r#"{"ephemeralContainers":[{"name":"old"}]}"#, 200),
        request(
            r#"{"spec":{"ephemeralContainers":[{"name":"refused"}]}}"#,
            403,
        ),
    ] {
        document.parse(text.as_bytes()).unwrap();
        finder.request(document.root(text.as_bytes()).unwrap());
    }
    for (pid, container) in [
        (1, "debugger-1"),
        (2, "debugger-2"),
        (3, "old"),
        (4, "refused"),
        (5, "app"),
    ] {
        root(&mut finder, pid, 20_000, container, "sh");
    }
    // An exec in it is another session.
    for root in &mut finder.roots {
        root.is_main = true;
    }
    root(&mut finder, 6, 20_500, "debugger-1", "ls");
    assert_eq!(
        joined(finder),
        ("1:e:Certain 2:e:Certain 3:e:Certain 6:-".to_owned(), None)
    );
}

#[test]
fn memory_is_bounded() {
    let mut finder = Finder::default();
    let long = "x".repeat(80 << 10);
    for pid in 0..20 {
        root(&mut finder, pid, 0, "app", &long);
    }
    let sessions = finder.join();
    assert_eq!(sessions.list().len(), 12);
    assert_eq!(sessions.left_out(), 8);
}

#[test]
fn commands_that_all_fit_to_each_other_end_in_time() {
    let mut finder = Finder::default();
    for at in 0..400 {
        started(
            &mut finder,
            &format!("{at}"),
            at,
            "command=sh&container=app",
        );
        root(
            &mut finder,
            i64::try_from(at).unwrap(),
            at + 50,
            "app",
            "sh",
        );
    }
    let sessions = finder.join();
    assert_eq!(sessions.list().len(), 400);
    // Those that were not compared are counted.
    let alone = sessions
        .list()
        .iter()
        .filter(|s| s.request.is_none())
        .count() as u64;
    assert_eq!(alone, sessions.left_out());
    assert!(alone > 0);
}

#[test]
fn who_it_was() {
    let mut finder = Finder::default();
    started(&mut finder, "a", 0, "command=sh&container=app");
    root(&mut finder, 1, 60, "app", "sh");
    let sessions = finder.join();
    let (request, _) = sessions.list()[0].request.clone().unwrap();
    assert_eq!(request.user, b"user-a");
    assert_eq!(request.groups, b"a\0b\0");
    assert_eq!(request.source_ip.as_deref(), Some(&b"192.0.2.1"[..]));
    assert!(
        sessions
            .of(&ProcessKey {
                pid: 1,
                ..ProcessKey::default()
            })
            .is_some()
    );
    assert!(sessions.of(&ProcessKey::default()).is_none());
}
