//! The summary of a recording, as text and as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::{audit, detect};
use crate::cli::stderr::one_line;
use crate::event::number::{counted, grouped};
use crate::record::{
    AlertCounts, AuditCounts, CommandEnd, CpuCounters, RuleCount, Summary, Unmatched, command,
};

/// Fewer events than this give no useful mean size.
const MANY: u64 = 1000;

/// Formats the summary as text.
pub(super) fn text(summary: &Summary, path: &Path) -> String {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    // With few events the snapshot is most of the file.
    let per_event = if summary.events >= MANY {
        let each = summary.bytes as f64 / ((summary.events + summary.hidden) as f64);
        format!(", {each:.1} bytes per event")
    } else {
        String::new()
    };
    let mut out = format!(
        "{} in {:.2} s to {}: {:.2} MiB{per_event}\n",
        counted(summary.events, "event"),
        summary.elapsed.as_secs_f64(),
        if path == Path::new("-") {
            "standard output".to_owned()
        } else {
            one_line(&path.display().to_string())
        },
        mib(summary.bytes),
    );
    if let Some(alerts) = &summary.alerts {
        detect::text(&mut out, alerts);
    }
    if let Some(counts) = &summary.audit {
        audit::text(&mut out, counts);
    }
    out.push_str(&format!(
        "seen by the kernel {}, lost {}, in flight at the end {}\n",
        grouped(summary.seen()),
        grouped(summary.lost()),
        grouped(summary.in_flight),
    ));
    if summary.left_out > 0 {
        out.push_str(&format!(
            "the filter rejected {}; {} of them kept as hidden for the state\n",
            counted(summary.left_out, "event"),
            grouped(summary.hidden),
        ));
    }
    if summary.undescribed > 0 {
        out.push_str(&format!(
            "{} of them in containers that had not been described when the filter needed it\n",
            grouped(summary.undescribed),
        ));
    }
    for loss in losses(summary) {
        out.push_str(&format!(
            "  lost on CPU {}: {} ({})\n",
            loss.cpu,
            grouped(loss.count),
            loss.cause
        ));
    }
    if summary.surplus > 0 {
        out.push_str(&format!(
            "not in the file: {} that arrived while the recording was stopping\n",
            counted(summary.surplus, "event")
        ));
    }
    let faults: u64 = summary.cpus.iter().map(|cpu| cpu.faults).sum();
    if faults > 0 {
        out.push_str(&format!(
            "{} with an argument that could not be read\n",
            counted(faults, "event")
        ));
    }
    if summary.cut > 0 {
        out.push_str(&format!(
            "{} events have a command line, environment, path or list that was cut; `scap info` counts each\n",
            grouped(summary.cut)
        ));
    }
    out.push_str(&format!(
        "recorder: {:.2} s of CPU, {:.0} MiB of memory ({:.0} MiB of it rings)\n",
        summary.cpu_time.as_secs_f64(),
        mib(summary.peak_memory),
        mib(summary.ring_bytes),
    ));
    match summary.command {
        CommandEnd::None => {}
        CommandEnd::Ended(status) => {
            out.push_str(&format!("the command {}\n", command::describe(status)));
        }
        CommandEnd::Running(pid) => {
            out.push_str(&format!("the command still runs as process {pid}\n"));
        }
    }
    out
}

/// The summary as JSON. Times are seconds, sizes bytes.
#[derive(Serialize)]
pub(super) struct Report {
    events: u64,
    left_out: u64,
    hidden: u64,
    unmatched: Unmatched,
    undescribed: u64,
    described: u64,
    cut: u64,
    seen_by_kernel: u64,
    lost: u64,
    losses: Vec<LossReport>,
    in_flight: u64,
    surplus: u64,
    joined: u64,
    expanded: u64,
    excluded: u64,
    faults: u64,
    short: u64,
    bytes: u64,
    elapsed_s: f64,
    cpu_time_s: f64,
    peak_memory_bytes: u64,
    ring_bytes: u64,
    command_status: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alerts: Option<AlertReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<AuditReport>,
}

/// The audit events of `--audit-log` and `--audit-webhook`.
#[derive(Serialize)]
struct AuditReport {
    events: u64,
    moved: u64,
    duplicates: u64,
    not_taken: BTreeMap<&'static str, u64>,
    refused_requests: u64,
}

impl AuditReport {
    fn new(counts: &AuditCounts) -> Self {
        let refused = counts.refused.iter();
        Self {
            events: counts.events,
            moved: counts.moved,
            duplicates: counts.duplicates,
            not_taken: refused
                .map(|(refusal, count)| (refusal.text(), *count))
                .collect(),
            refused_requests: counts.rejected,
        }
    }
}

/// The alerts of `--detect`.
#[derive(Serialize)]
struct AlertReport {
    total: u64,
    /// How many of the alerts are not in the capture.
    left_out: u64,
    by_priority: BTreeMap<&'static str, u64>,
    rules: Vec<RuleReport>,
}

/// The alerts of a rule.
#[derive(Serialize)]
struct RuleReport {
    rule: String,
    priority: &'static str,
    alerts: u64,
    left_out: u64,
}

impl AlertReport {
    fn new(counts: &AlertCounts) -> Self {
        let sum = |field: fn(&RuleCount) -> u64| counts.rules.iter().map(field).sum();
        let priorities = detect::by_priority(counts);
        let rule = |rule: &RuleCount| RuleReport {
            rule: rule.rule.clone(),
            priority: rule.priority.name(),
            alerts: rule.alerts,
            left_out: rule.left_out,
        };
        Self {
            total: sum(|rule| rule.alerts),
            left_out: sum(|rule| rule.left_out),
            by_priority: priorities
                .iter()
                .map(|(p, (n, _))| (p.name(), *n))
                .collect(),
            rules: counts.rules.iter().map(rule).collect(),
        }
    }
}

/// Events lost on one CPU for one reason.
#[derive(Serialize)]
struct LossReport {
    cpu: usize,
    cause: &'static str,
    count: u64,
}

fn losses(summary: &Summary) -> Vec<LossReport> {
    let mut losses = Vec::new();
    for (cpu, counters) in summary.cpus.iter().enumerate() {
        let causes = [
            ("ring full", counters.drop_full),
            ("busy", counters.drop_busy),
            ("CPU without a ring", counters.drop_no_ring),
            ("map full", counters.map_full),
        ];
        let some = causes.into_iter().filter(|(_, count)| *count > 0);
        losses.extend(some.map(|(cause, count)| LossReport { cpu, cause, count }));
    }
    losses
}

impl Report {
    pub(super) fn new(summary: &Summary) -> Self {
        let sum = |field: fn(&CpuCounters) -> u64| summary.cpus.iter().map(field).sum();
        Self {
            events: summary.events,
            left_out: summary.left_out,
            hidden: summary.hidden,
            unmatched: summary.unmatched.clone(),
            undescribed: summary.undescribed,
            described: summary.described,
            cut: summary.cut,
            seen_by_kernel: summary.seen(),
            lost: summary.lost(),
            losses: losses(summary),
            in_flight: summary.in_flight,
            surplus: summary.surplus,
            joined: summary.joined,
            expanded: summary.expanded,
            excluded: sum(|cpu| cpu.excluded),
            faults: sum(|cpu| cpu.faults),
            short: sum(|cpu| cpu.short),
            bytes: summary.bytes,
            elapsed_s: summary.elapsed.as_secs_f64(),
            cpu_time_s: summary.cpu_time.as_secs_f64(),
            peak_memory_bytes: summary.peak_memory,
            ring_bytes: summary.ring_bytes,
            command_status: match summary.command {
                CommandEnd::Ended(status) => status.code(),
                _ => None,
            },
            alerts: summary.alerts.as_ref().map(AlertReport::new),
            audit: summary.audit.as_ref().map(AuditReport::new),
        }
    }
}
