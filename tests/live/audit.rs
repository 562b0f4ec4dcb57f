//! `kubectl exec` in a real pod, joined to an audit log as the API server would write it.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rustix::process::Signal;

use crate::{
    cri_client::Wanted,
    recorder::Recorder,
    runtimes::{Containerd, POD},
    tools::{Bench, bench, scap},
};

/// The audit log of an exec; the API server's clock is behind by some time.
fn request(log: &mut String, user: &str, times: [DateTime<Utc>; 3], skew: TimeDelta, query: &str) {
    let [namespace, name, _] = POD;
    let [received, started, ended] =
        times.map(|time| (time - skew).to_rfc3339_opts(SecondsFormat::Micros, true));
    for (stage, time) in [("ResponseStarted", started), ("ResponseComplete", ended)] {
        writeln!(
            log,
            "{{\"kind\":\"Event\",\"auditID\":\"{user}\",\"stage\":\"{stage}\",\"verb\":\"get\",\
             \"requestURI\":\"/exec?{query}\",\"user\":{{\"username\":\"{user}\"}},\"responseStatus\":{{\"code\":101}},\
             \"objectRef\":{{\"resource\":\"pods\",\"namespace\":\"{namespace}\",\"name\":\"{name}\",\"subresource\":\"exec\"}},\
             \"requestReceivedTimestamp\":\"{received}\",\"stageTimestamp\":\"{time}\"}}"
        )
        .unwrap();
    }
}

#[test]
fn execs_in_a_pod_are_joined_to_their_processes() {
    let Some(bench) = bench() else { return };
    let Some(containerd) = Containerd::start(&bench) else {
        return;
    };
    let pod = containerd.run_pod();
    let container = |name| Wanted {
        name,
        label: ("tier", "front"),
        command: &["/bin/sleep", "1000"],
        mounts: &[],
        capabilities: None,
    };
    let app = containerd.run_container(&pod, &container("app"));
    let side = containerd.run_container(&pod, &container("side"));
    let socket = containerd.socket().to_str().unwrap().to_owned();
    let recorder = Recorder::start(&bench, "node.scap", &["--container-socket", &socket]);
    let exec = |id: &str, container: &str, command: &[&str]| {
        let exec = ["-n", "k8s.io", "tasks", "exec", "--exec-id", id, container];
        let begun = Utc::now();
        containerd.ctr(&[&exec[..], command].concat());
        [begun, begun + TimeDelta::milliseconds(40), Utc::now()]
    };
    let script = ["/bin/sh", "-c", "/bin/ls /; /bin/true"];
    let query = "command=/bin/sh&command=-c&command=%2Fbin%2Fls+/%3B+/bin/true&container=app";
    let alice = exec("a", &app, &script);
    thread::sleep(Duration::from_millis(300));
    // The same in another container, and a probe: of neither there is a request.
    exec("s", &side, &script);
    exec("p", &app, &["/bin/cat", "/etc/hostname"]);
    let bob = exec("b", &app, &["/bin/ls", "/bin"]);
    thread::sleep(Duration::from_millis(300));
    recorder.signal(Signal::INT);
    let (code, said) = recorder.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(" lost 0,"), "{said}");

    for skew in [0, 3, -3] {
        let mut log = String::new();
        let skew = TimeDelta::seconds(skew);
        request(&mut log, "alice", alice, skew, query);
        request(
            &mut log,
            "bob",
            bob,
            skew,
            "command=/bin/ls&command=/bin&container=app",
        );
        std::fs::write(bench.path("audit.log"), log).unwrap();
        let found = |filter: &str| {
            let output = scap()
                .args(["read", "-p", "%proc.cmdline|%k8s.pod.name|%audit.session"])
                .arg(bench.path("node.scap"))
                .arg("--audit")
                .arg(bench.path("audit.log"))
                .arg(format!(
                    "evt.type = execve and evt.failed = false and {filter}"
                ))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("warning: 2 processes were started"), "{said}");
            let mut lines: Vec<String> = String::from_utf8(output.stdout)
                .unwrap()
                .lines()
                .map(str::to_owned)
                .collect();
            lines.dedup();
            lines
        };
        let [_, name, _] = POD;
        let line = |command: &str, session: &str| format!("{command}|{name}|{session}");
        let hers = found("audit.user = alice");
        assert_eq!(
            hers[0],
            line("sh -c /bin/ls /; /bin/true", "certain"),
            "{hers:?}"
        );
        assert!(
            hers[1..].iter().all(|line| line.ends_with("|certain")),
            "{hers:?}"
        );
        assert_eq!(found("audit.user = bob")[0], line("ls /bin", "certain"));
        let unexplained = found("audit.session = none");
        let begun = |command: &str| unexplained.contains(&line(command, "none"));
        assert!(
            begun("sh -c /bin/ls /; /bin/true") && begun("cat /etc/hostname"),
            "{unexplained:?}"
        );
        let is_of_runtime = |line: &String| line.contains("runc") || line.contains("sleep");
        assert!(!unexplained.iter().any(is_of_runtime), "{unexplained:?}");
    }
    recorded_together(&bench, &containerd, &app);
}

/// The same with the log in the capture, which then answers alone.
fn recorded_together(bench: &Bench, containerd: &Containerd, app: &str) {
    let log = bench.path("live.log");
    std::fs::write(&log, "").unwrap();
    let socket = containerd.socket().to_str().unwrap().to_owned();
    let args = [
        "--container-socket",
        &socket,
        "--audit-log",
        log.to_str().unwrap(),
    ];
    let recorder = Recorder::start(bench, "together.scap", &args);
    let begun = Utc::now();
    containerd.ctr(&[
        "-n",
        "k8s.io",
        "tasks",
        "exec",
        "--exec-id",
        "t",
        app,
        "/bin/ls",
        "/etc",
    ]);
    let times = [begun, begun + TimeDelta::milliseconds(40), Utc::now()];
    let mut text = String::new();
    let query = "command=/bin/ls&command=/etc&container=app";
    request(&mut text, "carol", times, TimeDelta::zero(), query);
    std::fs::write(&log, text).unwrap();
    recorder.signal(Signal::INT);
    assert_eq!(recorder.end().0, Some(0));
    let found = bench.printed(
        "together.scap",
        "%proc.cmdline|%audit.session",
        &["audit.user = carol and evt.type = execve and evt.failed = false"],
    );
    assert_eq!(found.first().map(String::as_str), Some("ls /etc|certain"));
}
