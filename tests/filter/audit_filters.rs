//! Filters over audit events.

use std::fs;

use scap::fields::Session;
use scap::filter::Filter;
use scap::replay::audit::{AuditContent, AuditInput};
use scap::replay::{self, AuditSource};

use crate::common::extra_data;
use crate::rules::Judge;

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
