//! What `scap info` says of a capture; its serialization is the JSON output.

use std::cmp::Reverse;

use scap_capture_format::limits;
use scap_capture_format::native::{Derivation, Loss, MachineInfo};
use serde::Serialize;

use crate::cli::derive;
use crate::event::time;
use crate::rules::Priority;
use crate::stats::{self, AlertCounts, CaptureInfo};

/// The name of scap's own format.
const NATIVE: &str = "native";

/// The report.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    pub(super) file: &'a str,
    pub(super) format: &'static str,
    /// The compressed streams around the capture, outermost first.
    pub(super) compression: Vec<String>,
    /// The size of the capture, decompressed.
    pub(super) bytes: u64,
    pub(super) machine: Machine<'a>,
    /// The recordings that the capture was merged from; empty for a single recording.
    pub(super) origins: Vec<OriginReport<'a>>,
    pub(super) recorder: Recorder<'a>,
    /// What the capture was made from, if it is a copy.
    pub(super) derivation: Option<DerivationReport<'a>>,
    pub(super) time: Option<TimeRange>,
    pub(super) clock_steps: ClockSteps,
    pub(super) events: Events<'a>,
    pub(super) lost: Lost,
    pub(super) integrity: Integrity<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct OriginReport<'a> {
    pub(super) file: &'a str,
    pub(super) machine: Machine<'a>,
    pub(super) enter_and_exit: bool,
    pub(super) recorded_with_filter: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Machine<'a> {
    pub(super) host_name: &'a str,
    pub(super) os: &'a str,
    pub(super) kernel_release: &'a str,
    pub(super) kernel_version: &'a str,
    pub(super) arch: &'a str,
    pub(super) cpus: u32,
    pub(super) memory_bytes: u64,
    pub(super) boot_id: &'a str,
    pub(super) boot_time: Option<String>,
    pub(super) time_zone: &'a str,
    pub(super) utc_offset_s: i32,
}

#[derive(Debug, Serialize)]
pub(super) struct Recorder<'a> {
    pub(super) program: &'a str,
    pub(super) options: Vec<Setting<'a>>,
    pub(super) snaplen: u32,
    pub(super) start: Option<String>,
}

/// How a capture was made from others.
#[derive(Debug, Serialize)]
pub(super) struct DerivationReport<'a> {
    pub(super) operation: &'a str,
    pub(super) program: &'a str,
    pub(super) options: Vec<Setting<'a>>,
    pub(super) parents: Vec<ParentEntry<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct ParentEntry<'a> {
    pub(super) file: &'a str,
    /// Length and hash; absent if it was a pipe.
    pub(super) bytes: Option<u64>,
    pub(super) blake3: Option<String>,
}

impl<'a> DerivationReport<'a> {
    fn new(derivation: &'a Derivation) -> Self {
        let parent = |parent: &'a scap_capture_format::native::Parent| ParentEntry {
            file: &parent.name,
            bytes: parent.file.map(|file| file.len),
            blake3: parent.file.map(|file| derive::hex(&file.blake3)),
        };
        Self {
            operation: &derivation.operation,
            program: &derivation.writer,
            options: settings(&derivation.options),
            parents: derivation.parents.iter().map(parent).collect(),
        }
    }
}

fn settings(options: &[(String, String)]) -> Vec<Setting<'_>> {
    options
        .iter()
        .map(|(name, value)| Setting { name, value })
        .collect()
}

#[derive(Debug, Serialize)]
pub(super) struct Setting<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct TimeRange {
    pub(super) first: String,
    pub(super) last: String,
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    pub(super) duration_s: f64,
}

/// Steps of the recorded machine's wall clock.
#[derive(Debug, Serialize)]
pub(super) struct ClockSteps {
    pub(super) total: u64,
    /// The first of them.
    pub(super) first: Vec<ClockStepEntry>,
}

#[derive(Debug, Serialize)]
pub(super) struct ClockStepEntry {
    /// The time of the event.
    pub(super) at: String,
    pub(super) at_ns: u64,
    /// What the wall clock showed before and after, in nanoseconds since the epoch.
    pub(super) before_ns: i64,
    pub(super) after_ns: i64,
}

/// Alerts of rules that were evaluated while recording.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Alerts<'a> {
    pub(in crate::cli) total: u64,
    /// How many of the alerts are only counted.
    pub(in crate::cli) left_out: u64,
    /// The most severe rules first.
    pub(in crate::cli) rules: Vec<AlertEntry<'a>>,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct AlertEntry<'a> {
    pub(in crate::cli) priority: &'a str,
    pub(in crate::cli) rule: &'a str,
    pub(in crate::cli) count: u64,
}

impl<'a> Alerts<'a> {
    pub(in crate::cli) fn new(counts: &'a AlertCounts) -> Self {
        let entry = |((priority, rule), count): (&'a (String, String), &u64)| AlertEntry {
            priority,
            rule,
            count: *count,
        };
        let mut rules: Vec<_> = counts.by_rule.iter().map(entry).collect();
        // A priority that there is none of comes last.
        let severity = |entry: &AlertEntry<'_>| {
            let known = Priority::parse(entry.priority);
            (known.is_none(), known, Reverse(entry.count))
        };
        rules.sort_by_key(severity);
        Self {
            total: counts.total,
            left_out: counts.left_out,
            rules,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Events<'a> {
    pub(super) total: u64,
    pub(super) hidden: u64,
    pub(super) without_time: u64,
    /// Kubernetes audit events.
    pub(super) audit: u64,
    /// Alerts of rules that were evaluated while recording.
    pub(super) alerts: Alerts<'a>,
    pub(super) failed: u64,
    pub(super) in_flight: u64,
    /// Events of which something was cut.
    pub(super) truncated: u64,
    pub(super) cut: Cut,
    pub(super) with_unreadable_arguments: u64,
    pub(super) with_changed_arguments: u64,
    pub(super) threads: u64,
    pub(super) processes: u64,
    pub(super) containers: u64,
    pub(super) bytes_per_event: Option<f64>,
    pub(super) raw_bytes: u64,
    pub(super) types: Vec<TypeCount<'a>>,
}

/// Events of which something was cut, by what it is.
#[derive(Debug, Serialize)]
pub(super) struct Cut {
    pub(super) data: u64,
    pub(super) command_lines: u64,
    pub(super) environments: u64,
    pub(super) paths: u64,
    pub(super) lists: u64,
    pub(super) others: u64,
    /// Processes, not events.
    pub(super) command_lines_at_start: u64,
}

impl Cut {
    fn new(counts: &stats::CutCounts) -> Self {
        Self {
            data: counts.data,
            command_lines: counts.command_lines,
            environments: counts.environments,
            paths: counts.paths,
            lists: counts.lists,
            others: counts.others,
            command_lines_at_start: counts.command_lines_at_start,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct TypeCount<'a> {
    pub(super) name: &'a str,
    pub(super) count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Lost {
    pub(super) total: u64,
    /// False if more can be lost than is known: the recorder did not finish, or its format does not say.
    pub(super) known: bool,
    /// True if an unknown number was missing when the capture was repaired.
    pub(super) unknown_in_repair: bool,
    pub(super) spans: Vec<LostEntry>,
}

#[derive(Debug, Serialize)]
pub(super) struct LostEntry {
    pub(super) cause: &'static str,
    pub(super) cpu: Option<u16>,
    pub(super) count: u64,
    pub(super) from: String,
    pub(super) to: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Integrity<'a> {
    pub(super) intact: bool,
    /// Damage of the compressed stream around the capture.
    pub(super) compressed_stream: Option<&'a str>,
    pub(super) complete: bool,
    pub(super) index: bool,
    pub(super) chunks: u64,
    pub(super) snapshots: u64,
    pub(super) seals: u64,
    pub(super) time_stamps: u64,
    pub(super) unknown_sections: u64,
    pub(super) damages: u64,
    pub(super) first_damages: Vec<DamageEntry>,
}

impl Integrity<'_> {
    /// Adds a damaged place.
    pub(super) fn note(&mut self, offset: u64, what: &'static str) {
        self.intact = false;
        self.damages += 1;
        if self.first_damages.len() < limits::DAMAGES {
            self.first_damages.push(DamageEntry { offset, what });
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct DamageEntry {
    pub(super) offset: u64,
    pub(super) what: &'static str,
}

impl<'a> Machine<'a> {
    fn new(machine: &'a MachineInfo) -> Self {
        Self {
            host_name: &machine.host_name,
            os: &machine.os,
            kernel_release: &machine.kernel_release,
            kernel_version: &machine.kernel_version,
            arch: &machine.arch,
            cpus: machine.cpus,
            memory_bytes: machine.memory,
            boot_id: &machine.boot_id,
            boot_time: (machine.boot_time.0 != 0)
                .then(|| time::iso8601(machine.boot_time.0, machine.utc_offset_s)),
            time_zone: &machine.time_zone,
            utc_offset_s: machine.utc_offset_s,
        }
    }
}

impl<'a> Report<'a> {
    /// Whether the capture is in scap's own format.
    pub(super) fn is_native(&self) -> bool {
        self.format == NATIVE
    }

    #[expect(clippy::cast_precision_loss, reason = "rates for display")]
    pub(super) fn new(file: &'a str, capture_info: &'a CaptureInfo) -> Self {
        let header = &capture_info.header;
        let machine = &header.machine;
        let iso = |ns| time::iso8601(ns, machine.utc_offset_s);
        let some_time = |ns| (ns != 0).then(|| iso(ns));
        let mut types: Vec<TypeCount<'_>> = capture_info
            .types
            .iter()
            .map(|(name, count)| TypeCount {
                name,
                count: *count,
            })
            .collect();
        types.sort_by(|a, b| b.count.cmp(&a.count).then(a.name.cmp(b.name)));
        let damages = &capture_info.damages;
        let origins = capture_info.origins.iter().map(|origin| OriginReport {
            file: &origin.name,
            machine: Machine::new(&origin.machine),
            enter_and_exit: origin.is_paired,
            recorded_with_filter: origin.is_filtered,
        });
        Self {
            file,
            format: if capture_info.is_sysdig {
                "sysdig"
            } else {
                NATIVE
            },
            compression: Vec::new(),
            bytes: capture_info.bytes,
            machine: Machine::new(machine),
            origins: origins.collect(),
            recorder: Recorder {
                program: &header.writer,
                options: settings(&header.options),
                snaplen: header.snaplen,
                start: some_time(header.start.0),
            },
            derivation: capture_info.derivation.as_ref().map(DerivationReport::new),
            time: capture_info.times.map(|(first, last)| TimeRange {
                first: iso(first),
                last: iso(last),
                first_ns: first,
                last_ns: last,
                duration_s: last.saturating_sub(first) as f64 / time::NS_PER_S as f64,
            }),
            clock_steps: ClockSteps {
                total: capture_info.clock_step_count,
                first: capture_info
                    .clock_steps
                    .iter()
                    .map(|(at, step)| ClockStepEntry {
                        at: iso(*at),
                        at_ns: *at,
                        before_ns: step.before,
                        after_ns: step.after,
                    })
                    .collect(),
            },
            events: Events {
                total: capture_info.events,
                hidden: capture_info.hidden,
                without_time: capture_info.untimed,
                audit: capture_info.audit,
                alerts: Alerts::new(&capture_info.alerts),
                failed: capture_info.failed,
                in_flight: capture_info.in_flight,
                truncated: capture_info.cut.events,
                cut: Cut::new(&capture_info.cut),
                with_unreadable_arguments: capture_info.faults,
                with_changed_arguments: capture_info.changed,
                threads: capture_info.threads,
                processes: capture_info.processes,
                containers: capture_info.containers,
                bytes_per_event: (capture_info.events > 0)
                    .then(|| capture_info.bytes as f64 / capture_info.events as f64),
                raw_bytes: capture_info.raw_bytes,
                types,
            },
            lost: Lost {
                total: capture_info.lost(),
                known: capture_info.knows_losses(),
                unknown_in_repair: capture_info.has_unknown_losses,
                spans: capture_info
                    .losses
                    .iter()
                    .map(|((cause, cpu), span)| LostEntry {
                        cause: cause.name(),
                        cpu: (*cpu != Loss::ANY_CPU).then_some(*cpu),
                        count: span.count,
                        from: iso(span.from),
                        to: iso(span.to),
                    })
                    .collect(),
            },
            integrity: Integrity {
                intact: damages.is_empty() && capture_info.complete,
                compressed_stream: None,
                complete: capture_info.complete,
                index: capture_info.has_index,
                chunks: capture_info.chunks,
                snapshots: capture_info.snapshots,
                seals: capture_info.seals,
                time_stamps: capture_info.time_stamps,
                unknown_sections: capture_info.unknown_sections,
                damages: damages.count(),
                first_damages: damages
                    .list()
                    .iter()
                    .map(|d| DamageEntry {
                        offset: d.offset,
                        what: d.what,
                    })
                    .collect(),
            },
        }
    }
}
