//! `kubectl exec` in the audit log, joined to the processes that it started.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fmt::Write as _;

use crate::common::{START, TestEvent, event, file, header, i64b, push, scap, seen, u32b};
use scap_capture_format::event::{Pid, Tid, Timestamp};
use scap_capture_format::native::snapshot::ThreadEntry;
use scap_capture_format::native::{CaptureWriter, Snapshot, WriterOptions};
use scap_capture_format::schema::types;
use tempfile::{TempDir, tempdir};

const APP: &str = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";
const SIDECAR: &str = "b0b9e5e1a7f34f0e2d9f4b8ad3a2e5a6c1f0d7e8a9b6c5d4e3f2a1b0c9d8e7f6";
const MS: u64 = 1_000_000;

/// The shim on the host (50), the main process of each container (200, 400), processes that the runtime has put into
/// them (300, 310, 320, 410), and a child of one of them (301).
const THREADS: &[(i64, i64, i64, Option<&str>)] = &[
    (50, 1, -1, None),
    (200, 50, 1, Some(APP)),
    (201, 200, 7, Some(APP)),
    (300, 50, 17, Some(APP)),
    (301, 300, 18, Some(APP)),
    (310, 50, 21, Some(APP)),
    (320, 50, 25, Some(APP)),
    (400, 50, 1, Some(SIDECAR)),
    (410, 50, 9, Some(SIDECAR)),
    // A runtime that is in the cgroup, but not yet in the namespace.
    (500, 50, 500, Some(APP)),
];

fn snapshot() -> Snapshot {
    let mut s = Snapshot {
        time: Timestamp(START),
        ..Snapshot::default()
    };
    let comm = s.strings.intern(b"x");
    for (tid, parent, vpid, container) in THREADS {
        let cgroups = match container {
            Some(id) => format!("=/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope\0"),
            None => "=/system.slice/containerd.service\0".to_owned(),
        };
        let cgroups = s.strings.intern(cgroups.as_bytes());
        s.threads.push(ThreadEntry {
            tid: Tid(*tid),
            pid: Pid(*tid),
            ptid: Pid(*parent),
            vtid: *vpid,
            vpid: *vpid,
            comm,
            cgroups,
            ..ThreadEntry::default()
        });
    }
    s
}

fn description(id: &str, container: &str) -> TestEvent {
    let json = format!(
        r#"{{"container":{{"id":"{}","name":"{container}","image":"x","type":7,"labels":{{
        "io.kubernetes.pod.name":"web-0","io.kubernetes.pod.namespace":"shop",
        "io.kubernetes.container.name":"{container}"}}}}}}{}"#,
        &id[..12],
        '\0'
    );
    event(
        0,
        -1,
        types::ASYNCEVENT_E,
        &[&u32b(0), b"container\0", json.as_bytes()],
    )
}

fn execve(ms: u64, tid: i64, words: &str) -> TestEvent {
    let (exe, args) = words.split_once(' ').unwrap_or((words, ""));
    let args: String = args
        .split_terminator(' ')
        .map(|word| format!("{word}\0"))
        .collect();
    let exe = format!("{exe}\0");
    let parent = THREADS.iter().find(|t| t.0 == tid).unwrap().1;
    let [zero, tid8, parent] = [i64b(0), i64b(tid), i64b(parent)];
    let cgroups = THREADS.iter().find(|t| t.0 == tid).unwrap().3.unwrap();
    let cgroups = format!("=/kubepods.slice/kubepods-pod1.slice/cri-containerd-{cgroups}.scope\0");
    let env: &[u8] = b"KUBERNETES_SERVICE_HOST=10.96.0.1\0KUBERNETES_SERVICE_PORT=443\0";
    let params: [&[u8]; 16] = [
        &zero,
        exe.as_bytes(),
        args.as_bytes(),
        &tid8,
        &tid8,
        &parent,
        b"/\0",
        &zero,
        &zero,
        &zero,
        &[0; 4],
        &[0; 4],
        &[0; 4],
        exe.as_bytes(),
        cgroups.as_bytes(),
        env,
    ];
    event(ms * MS, tid, types::SYSCALL_EXECVE_19_X, &params)
}

/// A connection to a port of the address that the API server has.
fn connect(ms: u64, tid: i64, port: u16) -> [TestEvent; 2] {
    let (fd, family, stream) = (i64b(5), u32b(2), u32b(1));
    let params: [&[u8]; 4] = [&fd, &family, &stream, &u32b(0)];
    let socket = event(ms * MS - 1, tid, types::SOCKET_SOCKET_X, &params);
    let mut tuple = vec![2, 10, 1, 1, 5];
    tuple.extend(40_000_u16.to_le_bytes());
    tuple.extend([10, 96, 0, 1]);
    tuple.extend(port.to_le_bytes());
    let params: [&[u8]; 3] = [&i64b(0), &tuple, &i64b(5)];
    [
        socket,
        event(ms * MS, tid, types::SOCKET_CONNECT_X, &params),
    ]
}

/// A request that a program in the pod made.
fn call(log: &mut String, id: &str, pod: &str, ms: i64, agent: &str) {
    let time = format!("2023-11-14T22:13:{:02}.{:03}Z", 20 + ms / 1000, ms % 1000);
    writeln!(
        log,
        "{{\"kind\":\"Event\",\"auditID\":\"{id}\",\"stage\":\"ResponseComplete\",\"verb\":\"list\",\
         \"user\":{{\"username\":\"system:serviceaccount:shop:default\",\"extra\":{{\
         \"authentication.kubernetes.io/pod-name\":[\"{pod}\"]}}}},\"userAgent\":\"{agent}\",\
         \"requestURI\":\"/api/v1/secrets\",\"objectRef\":{{\"resource\":\"secrets\"}},\
         \"requestReceivedTimestamp\":\"{time}\",\"stageTimestamp\":\"{time}\"}}"
    )
    .unwrap();
}

fn close(ms: u64, tid: i64) -> TestEvent {
    event(ms * MS, tid, types::SYSCALL_CLOSE_X, &[&i64b(-9), &i64b(7)])
}

/// One exec at some milliseconds after the start, by the clock of the API server.
fn exec(log: &mut String, user: &str, ms: i64, code: u32, query: &str) {
    for (stage, after) in [("ResponseStarted", 60), ("ResponseComplete", 900)] {
        let time = |ms: i64| {
            let ms = 20_000 + ms;
            format!("2023-11-14T22:13:{:02}.{:03}Z", ms / 1000, ms % 1000)
        };
        writeln!(
            log,
            "{{\"kind\":\"Event\",\"auditID\":\"id-{user}-{ms}\",\"stage\":\"{stage}\",\"verb\":\"get\",\
             \"user\":{{\"username\":\"{user}\",\"groups\":[\"dev\"],\"extra\":{{\
             \"authentication.kubernetes.io/credential-id\":[\"JTI=1\"]}}}},\"sourceIPs\":[\"192.0.2.9\"],\
             \"requestURI\":\"/exec?{query}\",\"responseStatus\":{{\"code\":{code}}},\
             \"objectRef\":{{\"resource\":\"pods\",\"namespace\":\"shop\",\"name\":\"web-0\",\"subresource\":\"exec\"}},\
             \"requestReceivedTimestamp\":\"{}\",\"stageTimestamp\":\"{}\"}}",
            time(ms),
            time(ms + after)
        )
        .unwrap();
    }
}

struct Case(TempDir);

impl Case {
    fn new(skew_ms: i64) -> Self {
        let mut events = vec![description(APP, "app"), description(SIDECAR, "sidecar")];
        events.extend([
            close(900, 300),
            execve(950, 500, "runc init"),
            close(1000, 200),
            execve(1100, 300, "sh -c id"),
            close(1110, 300),
            execve(1200, 301, "id"),
            close(1210, 200),
            // The same command in another container, a probe, and what was refused but runs.
            execve(1250, 410, "sh -c id"),
            execve(1300, 310, "cat /healthy"),
            execve(1400, 320, "ls /"),
            execve(1500, 300, "bash"),
            close(1600, 301),
            // A child of the main process.
            execve(1700, 201, "sh -c id"),
        ]);
        for event in &mut events {
            event.latency = None;
        }
        let mut capture = Vec::new();
        let mut writer =
            CaptureWriter::new(&mut capture, &header(), WriterOptions::default()).unwrap();
        writer.write_snapshot(&mut snapshot()).unwrap();
        events.iter().for_each(|event| push(&mut writer, event));
        writer.finish().unwrap();
        let mut log = String::new();
        exec(
            &mut log,
            "alice",
            1000 - skew_ms,
            101,
            "command=sh&command=-c&command=id&container=app&tty=true",
        );
        exec(
            &mut log,
            "viewer",
            1300 - skew_ms,
            403,
            "command=ls&command=/&container=app",
        );
        let dir = tempdir().unwrap();
        file(dir.path(), "a.scap", &capture);
        file(dir.path(), "audit.log", log.as_bytes());
        Self(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// The events of the machine that pass a filter, and what is said about the sessions.
    fn found(&self, filter: &str) -> (Vec<String>, String) {
        let (capture, log) = (self.path("a.scap"), self.path("audit.log"));
        let args = [
            "read",
            &capture,
            "--audit",
            &log,
            "-p",
            "%evt.type %thread.tid %proc.cmdline",
        ];
        let filter = format!("evt.source = syscall and ({filter})");
        let (out, err, code) = seen(&scap(&[&args[..], &[&filter]].concat(), None));
        assert_eq!(code, 0, "{err}");
        (out.lines().map(str::to_owned).collect(), err)
    }
}

const ALICE: [&str; 5] = [
    "execve 300 sh -c id",
    "close 300 sh -c id",
    "execve 301 id",
    "execve 300 bash",
    "close 301 id",
];

#[test]
fn what_did_alice_do_in_the_pod() {
    let case = Case::new(0);
    let (found, err) = case.found("audit.user = alice");
    assert_eq!(found, ALICE);
    // A probe, an exec of somebody who was refused, and one in another container.
    assert!(
        err.contains(
            "3 processes were started in a container from outside without an exec in the audit log"
        ),
        "{err}"
    );
    let programs = "audit.user = alice and evt.type = execve";
    assert_eq!(
        case.found(programs).0,
        ["execve 300 sh -c id", "execve 301 id", "execve 300 bash"]
    );
    for same in [
        "audit.session = certain",
        "audit.groups intersects (dev)",
        "audit.source_ip = 192.0.2.9",
        "audit.id = id-alice-1000",
        "audit.credential startswith JTI",
    ] {
        assert_eq!(case.found(same).0, ALICE, "{same}");
    }
    let unexplained = [
        "execve 410 sh -c id",
        "execve 310 cat /healthy",
        "execve 320 ls /",
    ];
    assert_eq!(case.found("audit.session = none").0, unexplained);
    assert_eq!(case.found("audit.session = likely").0, [""; 0]);
    assert_eq!(case.found("audit.user = viewer").0, [""; 0]);
}

#[test]
fn clocks_that_differ_are_corrected_and_named() {
    for (skew, said) in [(3000, "3.0 s ahead of"), (-3000, "3.0 s behind")] {
        let case = Case::new(skew);
        let (found, err) = case.found("audit.user = alice");
        assert_eq!(found, ALICE, "{skew}");
        assert!(
            err.contains(&format!(
                "the clock of the recorded machine seems to be {said} the API server's"
            )),
            "{err}"
        );
    }
    // By most of a minute; an hour is another session.
    assert_eq!(Case::new(-38_000).found("audit.user = alice").0, ALICE);
    let far = Case::new(0);
    let log = std::fs::read_to_string(far.path("audit.log"))
        .unwrap()
        .replace("T22:", "T21:");
    std::fs::write(far.path("audit.log"), log).unwrap();
    assert_eq!(far.found("audit.user = alice").0, [""; 0]);
    assert_eq!(far.found("audit.session = none").0.len(), ALICE.len() + 3);
}

#[test]
fn sessions_are_in_formats_and_stored_captures() {
    let case = Case::new(0);
    let (capture, log, both) = (
        case.path("a.scap"),
        case.path("audit.log"),
        case.path("both.scap"),
    );
    let (out, _, _) = seen(&scap(
        &[
            "read",
            &capture,
            "--audit",
            &log,
            "-p",
            "*%evt.type %audit.user %audit.session",
            "thread.tid = 301",
        ],
        None,
    ));
    assert_eq!(out, "execve alice certain\nclose alice certain\n");
    seen(&scap(
        &["read", &capture, "--audit", &log, "-w", &both],
        None,
    ));
    let (out, _, code) = seen(&scap(
        &[
            "read",
            &both,
            "-p",
            "%evt.type %thread.tid %proc.cmdline",
            "audit.user=alice and evt.source=syscall",
        ],
        None,
    ));
    assert_eq!((out.lines().collect::<Vec<_>>(), code), (ALICE.to_vec(), 0));
    // Also for chisels.
    let chisel = [
        "read",
        &capture,
        "--audit",
        &log,
        "-c",
        "topscalls",
        "audit.user=alice and evt.source=syscall",
    ];
    let (out, _, code) = seen(&scap(&chisel, None));
    let counts: Vec<Vec<&str>> = out
        .lines()
        .skip(2)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        (counts, code),
        (vec![vec!["3", "execve"], vec!["2", "close"]], 0)
    );
    // What Alice did, as a capture.
    let hers = case.path("alice.scap");
    let args = [
        "read",
        &capture,
        "--audit",
        &log,
        "-w",
        &hers,
        "audit.user=alice",
    ];
    assert_eq!(seen(&scap(&args, None)).2, 0);
    let (out, _, _) = seen(&scap(
        &[
            "read",
            &hers,
            "-p",
            "%evt.type %thread.tid %proc.cmdline",
            "evt.source=syscall",
        ],
        None,
    ));
    assert_eq!(out.lines().collect::<Vec<_>>(), ALICE);
    // Standard input cannot be read twice.
    let bytes = std::fs::read(&capture).unwrap();
    let (_, err, code) = seen(&scap(&["read", "-", "audit.user=alice"], Some(&bytes)));
    assert!(
        err.contains("standard input can be read only once"),
        "{err}"
    );
    assert_eq!(code, 2);
}

#[test]
fn input_is_sent_to_the_main_process_for_a_while() {
    let case = Case::new(0);
    // From 1060 to 1220 ms: the main process ran before, and its child runs after that.
    let attach = |query: &str, code: u32| {
        let mut log = String::new();
        exec(&mut log, "bob", 1000, code, query);
        let log = log
            .replace("\"exec\"", "\"attach\"")
            .replace("/exec?", "/attach?");
        std::fs::write(
            case.path("audit.log"),
            log.replace("20.900", "20.220").replace("21.900", "21.220"),
        )
        .unwrap();
        case.found("audit.user = bob").0
    };
    assert_eq!(
        attach("container=app&stdin=true&tty=true", 101),
        ["close 200 x"]
    );
    assert_eq!(case.found("audit.session = attached").0, ["close 200 x"]);
    // It only watches, or was refused, or there are two containers to choose from.
    for (query, code) in [
        ("container=app&stdout=true", 101),
        ("container=app&stdin=true", 403),
        ("stdin=true", 101),
    ] {
        assert_eq!(attach(query, code), [""; 0], "{query}");
    }
}

#[test]
fn requests_of_pods_have_the_process_that_made_them() {
    let dir = tempdir().unwrap();
    let end = |ms: u64, tid: i64| {
        let params: [&[u8]; 5] = [&i64b(0), &i64b(0), &[0], &[0], &i64b(0)];
        event(ms * MS, tid, types::PROCEXIT_1_E, &params)
    };
    let mut events = vec![description(APP, "app")];
    events.push(execve(100, 310, "operator --leader"));
    events.extend(connect(150, 310, 443));
    // To another server.
    events.push(execve(200, 300, "wget x"));
    events.extend(connect(250, 300, 8443));
    events.push(execve(
        5000,
        320,
        "curl -k https://kubernetes/api/v1/secrets",
    ));
    events.extend(connect(5050, 320, 443));
    events.extend([end(5500, 320), close(20_000, 310)]);
    for event in &mut events {
        event.latency = None;
    }
    let mut capture = Vec::new();
    let mut writer = CaptureWriter::new(&mut capture, &header(), WriterOptions::default()).unwrap();
    writer.write_snapshot(&mut snapshot()).unwrap();
    events.iter().for_each(|event| push(&mut writer, event));
    writer.finish().unwrap();
    let mut log = String::new();
    for (id, pod, ms, agent) in [
        ("a", "web-0", 1000, "curl/8.5.0"),
        ("f", "web-1", 5050, "curl/8.5.0"),
        ("b", "web-0", 5100, "curl/8.5.0"),
        ("c", "web-0", 5200, "operator/v1"),
        ("d", "web-0", 5300, "kubectl/v1.30"),
        ("e", "web-0", 15_000, "kubectl/v1.30"),
    ] {
        call(&mut log, id, pod, ms, agent);
    }
    let (capture, log) = (
        file(dir.path(), "a.scap", &capture),
        file(dir.path(), "audit.log", log.as_bytes()),
    );
    let found = |filter: &str| {
        let format = "*%audit.id %audit.caller.pid %audit.caller.confidence %audit.caller.container %audit.caller.cmdline";
        let (capture, log) = (capture.to_str().unwrap(), log.to_str().unwrap());
        let args = ["read", capture, "--audit", log, "-p", format, filter];
        let (out, err, code) = seen(&scap(&args, None));
        assert_eq!(code, 0, "{err}");
        out
    };
    let id = &APP[..12];
    assert_eq!(
        found("evt.source = k8s_audit"),
        format!(
            "a 310 certain {id} operator --leader\n\
             f <NA> <NA> <NA> <NA>\n\
             b 320 likely {id} curl -k https://kubernetes/api/v1/secrets\n\
             c 310 likely {id} operator --leader\n\
             d <NA> <NA> <NA> <NA>\n\
             e 310 certain {id} operator --leader\n"
        )
    );
    assert_eq!(found("audit.caller.name = curl").lines().count(), 1);
}

#[test]
fn rules_see_who_it_was() {
    let case = Case::new(0);
    let rules = "
- rule: alice
  desc: d
  condition: evt.type = execve and audit.user = alice
  output: \"%audit.user %audit.session %proc.cmdline\"
  priority: warning
- rule: nobody asked
  desc: d
  condition: evt.type = execve and audit.session = none
  output: \"%proc.cmdline\"
  priority: warning
- rule: asked
  desc: d
  condition: audit.user = viewer
  output: \"%audit.user %ka.verb\"
  priority: info
  source: k8s_audit
";
    file(case.0.path(), "rules.yaml", rules.as_bytes());
    let (rules, capture, log) = (
        case.path("rules.yaml"),
        case.path("a.scap"),
        case.path("audit.log"),
    );
    let args = [
        "detect",
        "-o",
        "append_output.suggested_output=false",
        "-r",
        &rules,
        &capture,
        "--audit",
        &log,
    ];
    let (out, err, code) = seen(&scap(&args, None));
    assert_eq!(code, 0, "{err}");
    let mut found: Vec<&str> = out
        .lines()
        .map(|line| line.split_once(": ").unwrap().1)
        .collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(
        found,
        [
            "Informational viewer get",
            "Warning alice certain bash",
            "Warning alice certain id",
            "Warning alice certain sh -c id",
            "Warning cat /healthy",
            "Warning ls /",
            "Warning sh -c id",
        ]
    );
}

/// The screen of captures and logs after some keys.
fn screen(args: &[&str], keys: &str) -> String {
    let keys = ["--size", "200x60", "--script", keys, "--screenshot", "-"];
    let (out, err, code) = seen(&scap(&[&["view"][..], args, &keys].concat(), None));
    assert_eq!(code, 0, "{err}");
    assert!(!out.contains(|c: char| c.is_control() && c != '\n'));
    out
}

/// The lines of a screen with one of these words, in order, as words.
fn rows<'s>(screen: &'s str, with: &[&str]) -> Vec<Vec<&'s str>> {
    let rows = screen
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| with.iter().any(|word| row.contains(word)))
        .collect()
}

#[test]
fn view_lists_the_sessions_and_shows_what_happened_in_them() {
    let case = Case::new(0);
    let (capture, log, both) = (
        case.path("a.scap"),
        case.path("audit.log"),
        case.path("both.scap"),
    );
    let of_two = [&*capture, "--audit", &*log];
    let list = screen(&of_two, "S");
    let alice =
        "alice certain shop/web-0 app 192.0.2.9 22:13:21.100000 2 6 22:13:21.940000 sh -c id";
    let unexplained = [
        "!none shop/web-0 sidecar 22:13:21.250000 1 1 sh -c id",
        "!none shop/web-0 app 22:13:21.300000 1 1 cat /healthy",
        "!none shop/web-0 app 22:13:21.400000 1 1 ls /",
    ];
    let found: Vec<String> = rows(&list, &["certain", "!none"])
        .into_iter()
        .map(|row| row.join(" "))
        .collect();
    assert_eq!(found, [&[alice], &unexplained[..]].concat());
    // What happened in a session: the requests, and what was done.
    let numbers = |keys: &str| -> Vec<String> {
        let shown = screen(&of_two, keys);
        let rows = shown
            .lines()
            .skip_while(|line| !line.starts_with("NUM "))
            .skip(1);
        let numbers = rows.map_while(|line| Some(line.split_whitespace().next()?.to_owned()));
        numbers.collect()
    };
    assert_eq!(numbers("S<Enter>"), ["6", "7", "8", "9", "15", "16", "18"]);
    assert_eq!(numbers("S<Down><Enter>"), ["11"]);
    assert_eq!(
        numbers("2:audit.user=alice and evt.type=execve<Enter>"),
        ["7", "9", "15"]
    );
    assert_eq!(numbers("2:audit.session=none<Enter>"), ["11", "12", "14"]);
    // Back, and the details.
    assert_eq!(screen(&of_two, "S<Enter><Backspace>"), list);
    let detail = screen(&of_two, "S<Enter><Down><Enter>");
    for (field, value) in [
        ("audit.user", "alice"),
        ("audit.session", "certain"),
        ("audit.id", "id-alice-1000"),
    ] {
        let row = rows(&detail, &[field]);
        assert!(row[0].contains(&value), "{field}: {row:?}");
    }
    // A filter and a range are those of all views.
    let of_bash = screen(&of_two, "S:proc.name = bash<Enter>");
    assert_eq!(rows(&of_bash, &["certain", "!none"]).len(), 1, "{of_bash}");
    // Audit events in the capture are enough.
    seen(&scap(
        &["read", &capture, "--audit", &log, "-w", &both],
        None,
    ));
    let stored = screen(&[&both], "S");
    assert_eq!(
        rows(&stored, &["certain", "!none"]),
        rows(&list, &["certain", "!none"])
    );
    // Rules see the sessions, too.
    let rule = "- {rule: unexplained, desc: d, condition: evt.type = execve and audit.session = none, output: o, priority: ALERT}";
    file(case.0.path(), "rules.yaml", rule.as_bytes());
    let rules = case.path("rules.yaml");
    let alerts = screen(&[&both, "-r", &rules], "A");
    assert_eq!(
        rows(&alerts, &["unexplained"])[0][..2],
        ["Alert", "3"],
        "{alerts}"
    );
    // Without a log there is nothing to join.
    let alone = screen(&[&capture], "S");
    assert!(
        alone.contains("no events of a Kubernetes audit log"),
        "{alone}"
    );
}

#[test]
fn sessions_of_an_attacker_and_of_another_clock_are_shown() {
    let case = Case::new(3000);
    let (capture, log) = (case.path("a.scap"), case.path("audit.log"));
    let list = screen(&[&capture, "--audit", &log], "S");
    assert!(
        list.contains("clock 3.0 s ahead of the API server"),
        "{list}"
    );
    assert_eq!(rows(&list, &["certain"])[0][5], "22:13:21.100000");
    let evil = r#"al\u001b[31m\u202eice\" or evt.num > 0 or \"\\"#;
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replace("alice", evil)).unwrap();
    let list = screen(&[&capture, "--audit", &log], "S");
    assert!(list.contains("al\\x1b["), "{list}");
    let events = screen(&[&capture, "--audit", &log], "S<Enter>");
    assert!(events.contains("1/7 "), "{events}");
}
