//! Falco's stock rules over recordings of what they are about.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::recorder::Recorder;
use crate::runtimes::{Docker, IMAGE};
use crate::tools::{Bench, bench, scap};

/// The stock rules, which are not part of the repository.
fn stock() -> Option<String> {
    let Some(root) = std::env::var_os("SCAP_TEST_DATA") else {
        eprintln!("skipped: SCAP_TEST_DATA names no directory with rules");
        return None;
    };
    let path = std::path::Path::new(&root).join("rules/falco_rules.yaml");
    assert!(path.exists());
    Some(path.to_str().unwrap().to_owned())
}

/// Returns the alerts of a capture, by rule.
fn alerts(bench: &Bench, capture: &str, rules: &str) -> BTreeMap<String, Vec<Json>> {
    let output = scap()
        .args(["detect", "-j", "-o", "rule_matching=all", "-r", rules])
        // As the alerts of captures are.
        .args(["-o", "time_format_iso_8601=true"])
        .args(["-o", "json_include_message_property=true"])
        .arg(bench.path(capture))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut found: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let alert: Json = serde_json::from_str(line).unwrap();
        let rule = alert["rule"].as_str().unwrap().to_owned();
        found.entry(rule).or_default().push(alert);
    }
    found
}

/// Checks that an alert of the rule has these fields in its output.
#[track_caller]
fn has(found: &BTreeMap<String, Vec<Json>>, rule: &str, fields: &[(&str, &str)]) {
    let Some(alerts) = found.get(rule) else {
        panic!("no alert of `{rule}`, but of {:?}", found.keys());
    };
    let text = |value: &Json| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let fits = |alert: &&Json| {
        let fields = fields.iter();
        fields
            .clone()
            .all(|(name, value)| text(&alert["output_fields"][name]) == *value)
    };
    assert!(
        alerts.iter().any(|alert| fits(&alert)),
        "{rule}: {fields:?} in {alerts:#?}"
    );
}

/// Checks that the capture has the same alerts from its recording, each behind its event, and that they were printed and
/// counted.
fn are_recorded(bench: &Bench, capture: &str, found: &BTreeMap<String, Vec<Json>>) {
    let mut expected: Vec<String> = found.values().flatten().map(Json::to_string).collect();
    let output = scap()
        .args(["read", "-j", "-p", "%alert.json"])
        .arg(bench.path(capture))
        .arg("evt.type=alert")
        .output()
        .unwrap();
    let data = String::from_utf8(output.stdout).unwrap();
    let recorded = |line: &str| {
        let line: Json = serde_json::from_str(line).unwrap();
        let alert: Json = serde_json::from_str(line["alert.json"].as_str().unwrap()).unwrap();
        alert.to_string()
    };
    let mut recorded: Vec<String> = data.lines().map(recorded).collect();
    expected.sort();
    recorded.sort();
    assert_eq!(recorded, expected);
    let format = "%evt.rawtime %thread.tid %alert.priority %alert.rule";
    let in_order = bench.printed(capture, format, &["evt.type=alert"]);
    // What the recorder printed, and counted.
    let said = std::fs::read_to_string(bench.path("stderr")).unwrap();
    let count = expected.len();
    assert!(said.contains(&format!("\n{count} alerts: ")), "{said}");
    let lines = said.lines().filter(|line| line.contains(" evt_type="));
    assert_eq!(lines.count(), count, "{said}");
    let summary = bench.summary(capture);
    assert_eq!(summary["alerts"]["total"], count);
    assert_eq!(summary["alerts"]["left_out"], 0);
    // Before each is its event, or another alert about it.
    let all = bench.printed(capture, "*%evt.num %evt.rawtime %thread.tid %evt.type", &[]);
    let mut about = None;
    let mut seen = 0;
    for line in &all {
        let (number, rest) = line.split_once(' ').unwrap();
        let (place, ty) = rest.rsplit_once(' ').unwrap();
        if ty == "alert" {
            let (_, of, _) = about.unwrap();
            assert_eq!(place, of, "{line}");
            assert!(in_order[seen].starts_with(place), "{line}");
            seen += 1;
        } else {
            about = Some((number, place, ty));
        }
    }
    assert_eq!(seen, count);
}

#[test]
fn what_happens_on_the_host_is_found_by_the_stock_rules() {
    let (Some(bench), Some(stock)) = (bench(), stock()) else {
        return;
    };
    let program = bench.compile("rules.c");
    let program = program.to_str().unwrap();
    let dir = bench.path("links");
    std::fs::create_dir(&dir).unwrap();
    let dir = dir.to_str().unwrap();
    bench.record(
        "host.scap",
        &[
            "--detect",
            "-r",
            &stock,
            "-o",
            "rule_matching=all",
            "--no-container-names",
            "--",
            program,
            "host",
            dir,
        ],
    );
    let found = alerts(&bench, "host.scap", &stock);
    are_recorded(&bench, "host.scap", &found);
    let root = ("user.name", "root");
    has(
        &found,
        "Directory traversal monitored file read",
        &[
            ("fd.name", "/etc/passwd"),
            ("fd.nameraw", "/tmp/../tmp/../etc/passwd"),
            root,
        ],
    );
    has(
        &found,
        "Read sensitive file trusted after startup",
        &[("fd.name", "/etc/shadow"), ("proc.name", "nginx")],
    );
    has(
        &found,
        "Read sensitive file untrusted",
        &[("fd.name", "/etc/shadow"), ("proc.name", "stranger")],
    );
    has(
        &found,
        "Run shell untrusted",
        &[("proc.cmdline", "sh -c true"), ("proc.pname", "nginx")],
    );
    has(
        &found,
        "System user interactive",
        &[
            ("user.name", "daemon"),
            ("proc.name", "true"),
            ("proc.pname", "sshd"),
        ],
    );
    has(
        &found,
        "Search Private Keys or Passwords",
        &[
            (
                "proc.cmdline",
                "grep -q BEGIN RSA PRIVATE KEY /etc/hostname",
            ),
            root,
        ],
    );
    has(&found, "Find AWS Credentials", &[("proc.name", "grep")]);
    has(
        &found,
        "Clear Log Activities",
        &[("fd.name", "/var/log/scap-rules-test.log")],
    );
    has(
        &found,
        "Remove Bulk Data from Disk",
        &[("proc.cmdline", "shred --version")],
    );
    let symlink = format!("{dir}/symlink");
    has(
        &found,
        "Create Symlink Over Sensitive Files",
        &[
            ("evt.arg.target", "/etc/shadow"),
            ("evt.arg.linkpath", &symlink),
        ],
    );
    let hardlink = format!("{dir}/hardlink");
    has(
        &found,
        "Create Hardlink Over Sensitive Files",
        &[
            ("evt.arg.oldpath", "/etc/shadow"),
            ("evt.arg.newpath", &hardlink),
        ],
    );
    has(
        &found,
        "PTRACE attached to process",
        &[("proc.name", "rules"), root],
    );
    has(
        &found,
        "PTRACE anti-debug attempt",
        &[("proc.name", "steps")],
    );
    has(
        &found,
        "Execution from /dev/shm",
        &[("proc.exepath", "/dev/shm/scap-rules-test")],
    );
    has(
        &found,
        "Fileless execution via memfd_create",
        &[("proc.exepath", "/memfd:payload"), ("evt.res", "SUCCESS")],
    );
    // Nothing else fires, and each once, but for what is two acts.
    assert_eq!(found.len(), 15, "{:?}", found.keys());
}

#[test]
fn what_happens_in_a_container_is_found_by_the_stock_rules() {
    let (Some(bench), Some(stock)) = (bench(), stock()) else {
        return;
    };
    let Some(docker) = Docker::start(&bench) else {
        return;
    };
    let program = bench.compile_with("rules.c", &["-static"]);
    let volume = format!("{}:/rules:ro", program.to_str().unwrap());
    let socket = docker.socket().to_str().unwrap().to_owned();
    let recorder = Recorder::start(&bench, "container.scap", &["--container-socket", &socket]);
    // A terminal for the shell, which Docker makes.
    docker.run(&[
        "run",
        "-t",
        "--rm",
        "--name=attacked",
        "--cap-add=SYS_ADMIN",
        "--cap-add=SYS_MODULE",
        "--cap-add=NET_RAW",
        "--security-opt=seccomp=unconfined",
        "-v",
        &volume,
        IMAGE,
        "/bin/sh",
        "-c",
        "mkdir -p /tmp; /rules container; true",
    ]);
    recorder.signal(rustix::process::Signal::INT);
    let (code, said) = recorder.end();
    assert_eq!(code, Some(0), "{said}");
    let found = alerts(&bench, "container.scap", &stock);
    let name = ("container.name", "attacked");
    let image = ("container.image.repository", "localhost:5000/team/busybox");
    has(
        &found,
        "Terminal shell in container",
        &[name, image, ("proc.name", "sh")],
    );
    has(
        &found,
        "Netcat Remote Code Execution in Container",
        &[name, ("proc.cmdline", "nc -e /bin/sh")],
    );
    has(
        &found,
        "Packet socket created in container",
        &[name, ("evt.type", "socket")],
    );
    has(
        &found,
        "Redirect STDOUT/STDIN to Network Connection in Container",
        &[name, ("fd.type", "ipv4"), ("fd.sip", "127.0.0.1")],
    );
    has(
        &found,
        "Linux Kernel Module Injection Detected",
        &[name, ("evt.type", "init_module")],
    );
    has(
        &found,
        "Detect release_agent File Container Escapes",
        &[name, ("fd.name", "/tmp/release_agent")],
    );
    has(
        &found,
        "Disallowed SSH Connection Non Standard Port",
        &[name, ("fd.rport", "443"), ("proc.cmdline", "ssh away")],
    );
    has(
        &found,
        "Drop and execute new binary in container",
        &[name, ("proc.exepath", "/tmp/nc")],
    );
    // The program of the volume is in no layer, those of the image are in a lower one.
    let ran = bench.printed(
        "container.scap",
        "%proc.exepath %proc.is_exe_upper_layer %proc.is_exe_lower_layer",
        &[
            "evt.type=execve",
            "and",
            "container.name=attacked",
            "and",
            "evt.failed=false",
        ],
    );
    for line in [
        "/rules false false",
        "/bin/busybox false true",
        "/tmp/nc true false",
        "/tmp/ssh true false",
    ] {
        assert!(ran.iter().any(|ran| ran == line), "{line} in {ran:#?}");
    }
    let opened = bench.printed(
        "container.scap",
        "%fd.name %fd.is_upper_layer %fd.is_lower_layer %evt.arg.flags",
        &[
            "evt.type",
            "in",
            "(open, openat)",
            "and",
            "container.name=attacked",
            "and",
            "fd.num>=0",
        ],
    );
    let begins = |text: &str| opened.iter().any(|line| line.starts_with(text));
    assert!(
        begins("/tmp/release_agent true false O_CREAT|O_WRONLY|O_F_CREATED|FD_UPPER_LAYER"),
        "{opened:#?}"
    );
    assert!(
        opened
            .iter()
            .all(|line| !line.starts_with("/proc/") || line.contains(" false false ")),
        "{opened:#?}"
    );
}

#[test]
fn ordinary_work_is_silent() {
    let (Some(bench), Some(stock)) = (bench(), stock()) else {
        return;
    };
    let work = "cd \"$1\" && printf 'int main(void) { return 0; }' >a.c && cc -o a a.c && ./a && tar cf a.tar a a.c && gzip a.tar && \
        find . -type f | sort | xargs sha256sum >sums && sha256sum -c sums >/dev/null && python3 -c 'import json, sqlite3, ssl' && \
        git init -q r && cp a.c r && git -C r add . && git -C r -c user.name=a -c user.email=b commit -qm c && ps aux >/dev/null && \
        dpkg -l >/dev/null && id >/dev/null && ls -lR /etc >/dev/null 2>&1; rm -rf ./*";
    let dir = bench.path("work");
    std::fs::create_dir(&dir).unwrap();
    bench.record(
        "work.scap",
        &[
            "--no-container-names",
            "--",
            "sh",
            "-c",
            work,
            "sh",
            dir.to_str().unwrap(),
        ],
    );
    let found = alerts(&bench, "work.scap", &stock);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn live_events_give_alerts_and_the_kernel_leaves_out_the_others() {
    let Some(bench) = bench() else {
        return;
    };
    let rules = bench.path("rules.yaml");
    let text = "- rule: marked\n  desc: d\n  condition: evt.type in (execve, execveat) and proc.args contains scap-live-mark\n  output: \"%proc.cmdline\"\n  priority: warning\n";
    std::fs::write(&rules, text).unwrap();
    let output = scap()
        .args([
            "detect",
            "--live",
            "-v",
            "--exit-code",
            "--no-container-names",
            "-r",
        ])
        .arg(&rules)
        .args([
            "--",
            "sh",
            "-c",
            "true; /bin/echo scap-live-mark >/dev/null",
        ])
        .output()
        .unwrap();
    let (out, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(out.contains(": Warning echo scap-live-mark"), "{out}");
    assert!(
        said.contains("in the kernel: ") && said.contains(" syscalls are recorded: "),
        "{said}"
    );
    assert!(said.contains(" 0 events lost"), "{said}");
}
