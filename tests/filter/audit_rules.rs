//! Falco's stock rules for Kubernetes, as filters over audit events: what they find is what Falco's own tests expect.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use scap::fields::Session;
use scap::filter::Filter;
use scap::replay::audit::{AuditContent, AuditInput};
use scap::replay::{self, AuditSource};

use crate::common::extra_data;
use crate::rules::{Judge, load};

/// How often each rule of a rule file finds something in an audit log; rules that find nothing are left out.
fn found(rules: &Path, log: &Path) -> BTreeMap<String, usize> {
    let (definitions, rules) = load(&fs::read_to_string(rules).unwrap());
    let rules = rules
        .into_iter()
        .filter(|(name, _)| !name.starts_with("macro "));
    let filters = rules.map(|(name, condition)| {
        let filter = Filter::with_definitions(&condition, &definitions).unwrap();
        (name, filter, 0)
    });
    let mut judge = Judge(filters.collect());
    assert_eq!(judge.0.len(), 48);
    let input = AuditInput {
        name: log.display().to_string(),
        content: AuditContent::File(fs::File::open(log).unwrap()),
    };
    let mut source = AuditSource::open(vec![input]).unwrap();
    replay::replay_all(&mut source, Session::default(), &mut judge).unwrap();
    let counts = judge.0.into_iter().map(|(name, _, count)| (name, count));
    counts.filter(|(_, count)| *count > 0).collect()
}

fn stock_rules() -> Option<std::path::PathBuf> {
    extra_data("rules/k8s_audit_rules.yaml")
}

#[test]
fn stock_rules_find_what_they_are_for() {
    let (Some(rules), Some(audit)) = (stock_rules(), extra_data("audit")) else {
        return;
    };
    let expected = fs::read_to_string(audit.join("expected.csv")).unwrap();
    let mut checked = 0;
    for line in expected.lines().skip(1) {
        let columns: Vec<&str> = line.rsplitn(3, ',').collect();
        let (extra, count) = (columns[0], columns[1]);
        let (file, rule) = columns[2].split_once(',').unwrap();
        // Other rows change the rules, or expect nothing but that there is no error.
        if !extra.is_empty() || count.is_empty() {
            continue;
        }
        let found = found(&rules, &audit.join("falco").join(file));
        match rule {
            "(none at all)" => assert_eq!(found, BTreeMap::new(), "{file}"),
            rule => {
                let count: usize = count.parse().unwrap();
                assert_eq!(found.get(rule), Some(&count), "{file}: {rule} in {found:?}");
            }
        }
        checked += 1;
    }
    assert_eq!(checked, 37);
}

#[test]
fn stock_rules_find_the_newer_shapes_too() {
    let (Some(rules), Some(shapes)) = (stock_rules(), extra_data("audit/shapes")) else {
        return;
    };
    let found = |file: &str| found(&rules, &shapes.join(file));
    let modern = found("modern.jsonl");
    for (rule, count) in [
        ("Attach/Exec Pod", 4),
        ("port-forward", 1),
        ("EphemeralContainers Created", 1),
        ("Create Privileged Pod", 1),
        ("Create Sensitive Mount Pod", 1),
        ("Create HostNetwork Pod", 1),
        ("Create HostPid Pod", 1),
        ("Disallowed K8s User", 1),
    ] {
        assert_eq!(modern.get(rule), Some(&count), "{rule} in {modern:?}");
    }
    assert_eq!(modern.len(), 8, "{modern:?}");
    let exec = BTreeMap::from([("Attach/Exec Pod".to_owned(), 1)]);
    assert_eq!(found("webhook-eventlist.json"), exec);
    assert_eq!(found("wrapped-aks.jsonl"), exec);
}

/// Conditions of our own, which users will write.
#[test]
fn conditions_on_the_newer_shapes() {
    let Some(log) = extra_data("audit/shapes/modern.jsonl") else {
        return;
    };
    let count = |condition: &str| {
        let filter = Filter::parse(condition).unwrap();
        let mut judge = Judge(vec![(String::new(), filter, 0)]);
        let input = AuditInput {
            name: String::new(),
            content: AuditContent::File(fs::File::open(&log).unwrap()),
        };
        let mut source = AuditSource::open(vec![input]).unwrap();
        replay::replay_all(&mut source, Session::default(), &mut judge).unwrap();
        judge.0[0].2
    };
    for (condition, expected) in [
        ("evt.source = k8s_audit", 14),
        ("audit.exec.command contains \"cat /etc/passwd\"", 5),
        ("audit.exec.tty = true and ka.stage = ResponseStarted", 2),
        ("audit.code >= 400 and audit.exec.command exists", 2),
        ("audit.impersonated_user exists", 1),
        ("audit.credential startswith \"JTI=\"", 2),
        ("audit.pod.name = ci-0 and audit.node.name = worker-1", 2),
        (
            "ka.req.pod.containers.add_capabilities intersects (SYS_PTRACE)",
            1,
        ),
        (
            "ka.req.pod.containers.image.repository in (registry.example:5000/tools/netshoot)",
            1,
        ),
        (
            "ka.req.pod.initContainers.image.repository in (registry.example:5000/tools/init)",
            1,
        ),
        ("ka.req.pod.ephemeralContainers.name in (debugger-7xk2p)", 1),
        ("ka.sourceips in (192.0.2.10)", 14),
        ("audit.latency > 200ms", 2),
        ("ka.stage = Panic", 1),
        ("not ka.target.resource exists", 1),
    ] {
        assert_eq!(count(condition), expected, "{condition}");
    }
}
