//! `scap record --audit-log` and `--audit-webhook`.

use std::{net::TcpListener, path::Path};

use crate::tools::{bench, need, number, scap};

/// A script that writes audit events as they happen: to a log, which it rotates, and to a webhook.
const SCRIPT: &str = r#"
ev() {
    now=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
    echo "{\"kind\":\"Event\",\"auditID\":\"$1\",\"stage\":\"ResponseComplete\",\"verb\":\"get\",\"requestURI\":\"/api/v1/x\",\"user\":{\"username\":\"$1\"},\"stageTimestamp\":\"$now\"}"
}
post() { curl -sS -o /dev/null -w '%{http_code}\n' --cacert "$tls/ca.pem" "$@" "https://127.0.0.1:$port/audit"; }
known="--cert $tls/client.pem --key $tls/client.key"
ev a >>audit.log; sleep 0.1
/bin/echo between; sleep 0.1
mv audit.log audit-1.log; ev b >>audit-1.log; ev c >>audit.log; sleep 0.1
post $known -d "{\"kind\":\"EventList\",\"items\":[$(ev d),3]}"
post $known -d "$(ev e | sed 's/T..:/T00:/; s/20..-/2001-/')"
post $known -d 'no JSON'
post $known
post -d "$(ev nobody)" 2>&1 | tail -n1
ev f >>audit.log
"#;

#[test]
fn audit_events_are_recorded_as_they_come() {
    let (Some(bench), Some(_)) = (bench(), need("curl")) else {
        return;
    };
    let tls = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls");
    let file = |name: &str| tls.join(name).to_str().unwrap().to_owned();
    // A port that is free at the moment.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    std::fs::write(
        bench.path("audit.log"),
        "{\"kind\":\"Event\",\"auditID\":\"old\",\"stageTimestamp\":\"2026-01-01T00:00:00Z\"}\n",
    )
    .unwrap();
    let script = format!("tls={}\nport={port}\n{SCRIPT}", tls.display());
    let webhook = format!("127.0.0.1:{port}");
    let (cert, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let rules = bench.path("rules.yaml");
    let rule = "- rule: get by d\n  desc: d\n  condition: ka.user.name = d\n  output: \"%ka.user.name\"\n  priority: notice\n  source: k8s_audit\n";
    std::fs::write(&rules, rule).unwrap();
    let said = bench.record(
        "a.scap",
        &[
            "--detect",
            "-r",
            rules.to_str().unwrap(),
            "--audit-log",
            "audit.log",
            "--audit-webhook",
            &webhook,
            "--audit-webhook-cert",
            &cert,
            "--audit-webhook-key",
            &key,
            "--audit-webhook-client-ca",
            &ca,
            "--no-container-names",
            "--",
            "sh",
            "-c",
            &script,
        ],
    );
    // The client without a certificate has no answer.
    assert_eq!(said, "between\n200\n200\n400\n405\n000\n");
    let ids = bench.printed("a.scap", "%ka.auditid", &["evt.source=k8s_audit"]);
    assert_eq!(ids, ["a", "b", "c", "d", "e", "f"]);
    // Each has its own time, but for the one that is from another year.
    let times = "%ka.auditid %evt.time.iso8601 %jevt.value[/stageTimestamp]";
    for line in bench.printed("a.scap", times, &["evt.source=k8s_audit"]) {
        let words: Vec<&str> = line.split(' ').collect();
        let own = words[2].trim_end_matches('Z');
        assert_eq!(words[1].starts_with(own), words[0] != "e", "{line}");
    }
    let order = bench.printed(
        "a.scap",
        "*%ka.auditid %evt.type",
        &["ka.auditid in (a, c) or (evt.type=execve and proc.name=echo)"],
    );
    assert_eq!(order, ["a pluginevent", "<NA> execve", "c pluginevent"]);
    // An alert about an audit event is behind it, without a thread.
    let alerts = bench.printed(
        "a.scap",
        "*%evt.type %ka.auditid %alert.rule %thread.tid",
        &["ka.auditid=d or alert.source=k8s_audit"],
    );
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert!(
        alerts[0].starts_with("pluginevent d ") && alerts[1].starts_with("alert <NA> get by d "),
        "{alerts:?}"
    );
    let summary = bench.summary("a.scap");
    let audit = &summary["audit"];
    assert_eq!(number(audit, "events"), 6);
    assert_eq!(number(audit, "moved"), 1);
    let said = std::fs::read_to_string(bench.path("stderr")).unwrap();
    assert_eq!(number(audit, "refused_requests"), 0, "{said}");
    assert_eq!(audit["not_taken"]["JSON, but no Kubernetes audit event"], 1);
    assert_eq!(audit["not_taken"]["broken JSON"], 1);
    let info = scap()
        .arg("info")
        .arg(bench.path("a.scap"))
        .output()
        .unwrap();
    let info = String::from_utf8(info.stdout).unwrap();
    assert!(
        info.contains("audit      6 Kubernetes audit events"),
        "{info}"
    );
    assert!(info.contains("audit events not taken, any CPU: "), "{info}");
}

#[test]
fn sources_that_cannot_be_opened_leave_no_capture() {
    let Some(bench) = bench() else { return };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let readme = bench.path("readme");
    std::fs::write(&readme, "no certificate").unwrap();
    let readme = readme.to_str().unwrap();
    let with_tls = [
        "--audit-webhook",
        "127.0.0.1:0",
        "--audit-webhook-cert",
        readme,
        "--audit-webhook-key",
        readme,
    ];
    for (args, message) in [
        (
            &["--audit-webhook", &address][..],
            "cannot listen on 127.0.0.1:",
        ),
        (&["--audit-log", "/"], "cannot follow /: "),
        (&with_tls, "for TLS: no certificate in it"),
    ] {
        let output = scap()
            .args(["record", "-M", "1", "-w"])
            .arg(bench.path("none.scap"))
            .args(args)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(message), "{said}");
        assert!(!bench.path("none.scap").exists(), "{args:?}");
    }
}
