//! Rules over audit logs of Kubernetes: what upstream's tests expect of the stock rules.

use std::fs;

use crate::common::extra_data;
use crate::detect::{counts, scap, write};

/// The rules that upstream's tests add, by their names.
fn extra(name: &str) -> Option<&'static str> {
    Some(match name {
        "AllowNamespaceFoo" => {
            "- list: allowed_namespaces\n  items: [foo]\n  override: {items: append}\n"
        }
        "AllowUserSomeUser" => {
            "- list: allowed_k8s_users\n  items: [some-user]\n  override: {items: append}\n"
        }
        "AllowNginxContainer" => {
            "- macro: allowed_k8s_containers\n  condition: (ka.req.pod.containers.image.repository in (nginx))\n"
        }
        "AllowOnlyApacheContainer" => {
            "- macro: allowed_k8s_containers\n  condition: (ka.req.pod.containers.image.repository in (apache))\n"
        }
        "DisallowKactivity" => {
            "- macro: consider_activity_events\n  condition: (not jevt.rawtime exists)\n"
        }
        "TrustNginxContainer" => {
            "- list: k8s_audit_sensitive_mount_images\n  items: [nginx]\n  override: {items: append}\n\
             - list: k8s_audit_privileged_images\n  items: [nginx]\n  override: {items: append}\n\
             - list: k8s_audit_hostnetwork_images\n  items: [nginx]\n  override: {items: append}\n"
        }
        _ => return None,
    })
}

/// Splits a line of the table; a field can be in quotes.
fn fields(line: &str) -> Vec<String> {
    let (mut out, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(String::new()),
            c => out.last_mut().unwrap().push(c),
        }
    }
    out
}

#[test]
fn the_stock_rules_find_what_upstream_expects() {
    let (Some(audit), Some(stock)) = (
        extra_data("audit"),
        extra_data("rules/k8s_audit_rules.yaml"),
    ) else {
        return;
    };
    let table = fs::read_to_string(audit.join("expected.csv")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for line in table.lines().skip(1) {
        let row = fields(line);
        let [file, rule, count, extras] = &row[..] else {
            panic!("{line}");
        };
        let extras: Option<String> = extras.split_whitespace().map(extra).collect();
        // Old rule files that are not there, and a rule of its own.
        let Some(extras) = extras else {
            continue;
        };
        let extras = write(dir.path(), "extra.yaml", &extras);
        let log = audit.join("falco").join(file);
        let output = scap(&[
            "detect",
            "-o",
            "rule_matching=all",
            "-r",
            stock.to_str().unwrap(),
            "-r",
            &extras,
            "--audit",
            log.to_str().unwrap(),
        ]);
        let counts = counts(&output);
        match (&**rule, &**count) {
            ("(none at all)", _) => assert!(counts.is_empty(), "{line}: {counts:?}"),
            // The rule that the added text switches off is not named; the run must succeed.
            ("(loads, exit 0)", _) => {
                assert!(matches!(output.status.code(), Some(0 | 3)), "{line}");
            }
            (rule, count) => {
                let found = counts.get(rule).copied().unwrap_or(0);
                assert_eq!(found, count.parse::<u64>().unwrap(), "{line}: {counts:?}");
            }
        }
        checked += 1;
    }
    assert!(checked >= 58, "{checked}");
}

#[test]
fn events_of_new_versions_are_found() {
    let (Some(audit), Some(stock)) = (
        extra_data("audit"),
        extra_data("rules/k8s_audit_rules.yaml"),
    ) else {
        return;
    };
    let log = audit.join("shapes/modern.jsonl");
    let output = scap(&[
        "detect",
        "-o",
        "rule_matching=all",
        "-r",
        stock.to_str().unwrap(),
        "--audit",
        log.to_str().unwrap(),
    ]);
    let found: Vec<(String, u64)> = counts(&output).into_iter().collect();
    let expected = [
        ("Attach/Exec Pod", 4),
        ("Create HostNetwork Pod", 1),
        ("Create HostPid Pod", 1),
        ("Create Privileged Pod", 1),
        ("Create Sensitive Mount Pod", 1),
        ("Disallowed K8s User", 1),
        ("EphemeralContainers Created", 1),
        ("port-forward", 1),
    ];
    assert_eq!(
        found,
        expected.map(|(name, count)| (name.to_owned(), count))
    );
    for wrapped in ["shapes/webhook-eventlist.json", "shapes/wrapped-aks.jsonl"] {
        let log = audit.join(wrapped);
        let output = scap(&[
            "detect",
            "-r",
            stock.to_str().unwrap(),
            "--audit",
            log.to_str().unwrap(),
        ]);
        let found: Vec<(String, u64)> = counts(&output).into_iter().collect();
        assert_eq!(found, [("Attach/Exec Pod".to_owned(), 1)], "{wrapped}");
    }
}

#[test]
fn rules_see_the_events_of_their_source() {
    let (Some(audit), Some(captures)) = (extra_data("audit"), extra_data("captures")) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let rule = |name: &str, source: &str, condition: &str| {
        format!(
            "- rule: {name}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: info\n  source: {source}\n  warn_evttypes: false\n"
        )
    };
    let text = rule("audit", "k8s_audit", "evt.num > 0 and ka.verb exists")
        + &rule("calls", "syscall", "evt.num > 0 and proc.name = cat");
    let file = write(dir.path(), "f.yaml", &text);
    let log = audit.join("shapes/modern.jsonl");
    let cat = captures.join("falco-cat-write.scap");
    let output = scap(&[
        "detect",
        "-r",
        &file,
        cat.to_str().unwrap(),
        "--audit",
        log.to_str().unwrap(),
    ]);
    let found = counts(&output);
    assert_eq!(found["audit"], 14);
    assert!(found["calls"] > 10);
    for (source, condition) in [
        ("k8s_audit", "proc.name = cat"),
        ("syscall", "ka.verb = get"),
        ("k8s_audit", "evt.type = open"),
        ("syscall", "jevt.value[/stage] = x"),
    ] {
        let file = write(dir.path(), "wrong.yaml", &rule("r", source, condition));
        let output = scap(&["rules", "check", &file]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains("LOAD_ERR_COMPILE_CONDITION") && text.contains("for events of source"),
            "{text}"
        );
    }
}
