//! `scap info`.

use std::path::PathBuf;

use scap_capture_format::native::{Loss, MachineInfo};
use serde::Serialize;

use super::error::{CliError, Outcome};
use super::input::Input;
use super::output::{Output, ascii_json};
use crate::event::{number, text, time};
use crate::stats::{self, CaptureInfo};

/// Event types listed in the text output; JSON has all.
const TOP: usize = 20;
/// Damaged places listed in the text output.
const DAMAGES: usize = 10;

/// Steps of the wall clock listed in the text output.
const STEPS: usize = 10;

/// Arguments of `scap info`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The capture; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let input = Input::open(&args.file)?;
    let surveyed = match input.is_sysdig {
        true => stats::sysdig_capture_info(input.bytes),
        false => stats::capture_info(input.bytes),
    };
    let damage = input.stream_damage;
    let capture_info = surveyed.map_err(|e| Input::unreadable(&input.name, &damage, &e))?;
    let mut report = Report::new(&input.name, &capture_info);
    report.compression = input.compressions.iter().map(ToString::to_string).collect();
    report.integrity.compressed_stream = damage.get();
    report.integrity.intact &= damage.get().is_none();
    let mut output = Output::new();
    if args.json {
        let json = serde_json::to_string_pretty(&report)
            .map_err(|e| CliError::failed(format!("cannot write JSON: {e}")))?;
        ascii_json(output.buffer(), &json);
    } else {
        report.text(output.buffer());
    }
    output.buffer().push(b'\n');
    output.finish()?;
    Ok(if report.integrity.intact {
        Outcome::Done
    } else {
        Outcome::Damaged
    })
}

/// The report; its serialization is the JSON output.
#[derive(Debug, Serialize)]
struct Report<'a> {
    file: &'a str,
    format: &'static str,
    /// The compressed streams around the capture, outermost first.
    compression: Vec<String>,
    /// The size of the capture, decompressed.
    bytes: u64,
    machine: Machine<'a>,
    /// The recordings that the capture was merged from; empty for a single recording.
    origins: Vec<OriginReport<'a>>,
    recorder: Recorder<'a>,
    time: Option<TimeRange>,
    clock_steps: ClockSteps,
    events: Events<'a>,
    lost: Lost,
    integrity: Integrity<'a>,
}

#[derive(Debug, Serialize)]
struct OriginReport<'a> {
    file: &'a str,
    machine: Machine<'a>,
    enter_and_exit: bool,
    recorded_with_filter: bool,
}

#[derive(Debug, Serialize)]
struct Machine<'a> {
    host_name: &'a str,
    os: &'a str,
    kernel_release: &'a str,
    kernel_version: &'a str,
    arch: &'a str,
    cpus: u32,
    memory_bytes: u64,
    boot_id: &'a str,
    boot_time: Option<String>,
    time_zone: &'a str,
    utc_offset_s: i32,
}

#[derive(Debug, Serialize)]
struct Recorder<'a> {
    program: &'a str,
    options: Vec<Setting<'a>>,
    snaplen: u32,
    start: Option<String>,
}

#[derive(Debug, Serialize)]
struct Setting<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Debug, Serialize)]
struct TimeRange {
    first: String,
    last: String,
    first_ns: u64,
    last_ns: u64,
    duration_s: f64,
}

/// Steps of the recorded machine's wall clock.
#[derive(Debug, Serialize)]
struct ClockSteps {
    total: u64,
    /// The first of them.
    first: Vec<ClockStepEntry>,
}

#[derive(Debug, Serialize)]
struct ClockStepEntry {
    /// The time of the event.
    at: String,
    at_ns: u64,
    /// What the wall clock showed before and after, in nanoseconds since the epoch.
    before_ns: i64,
    after_ns: i64,
}

#[derive(Debug, Serialize)]
struct Events<'a> {
    total: u64,
    hidden: u64,
    without_time: u64,
    /// Kubernetes audit events.
    audit: u64,
    failed: u64,
    in_flight: u64,
    /// Events of which something was cut.
    truncated: u64,
    cut: Cut,
    with_unreadable_arguments: u64,
    with_changed_arguments: u64,
    threads: u64,
    processes: u64,
    containers: u64,
    bytes_per_event: Option<f64>,
    raw_bytes: u64,
    types: Vec<TypeCount<'a>>,
}

/// Events of which something was cut, by what it is.
#[derive(Debug, Serialize)]
struct Cut {
    data: u64,
    command_lines: u64,
    environments: u64,
    paths: u64,
    lists: u64,
    others: u64,
    /// Processes, not events.
    command_lines_at_start: u64,
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
struct TypeCount<'a> {
    name: &'a str,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Lost {
    total: u64,
    /// False if more can be lost than is known: the recorder did not finish, or its format does not say.
    known: bool,
    spans: Vec<LostEntry>,
}

#[derive(Debug, Serialize)]
struct LostEntry {
    cause: &'static str,
    cpu: Option<u16>,
    count: u64,
    from: String,
    to: String,
}

#[derive(Debug, Serialize)]
struct Integrity<'a> {
    intact: bool,
    /// Damage of the compressed stream around the capture.
    compressed_stream: Option<&'a str>,
    complete: bool,
    index: bool,
    chunks: u64,
    snapshots: u64,
    unknown_sections: u64,
    damages: u64,
    first_damages: Vec<DamageEntry>,
}

#[derive(Debug, Serialize)]
struct DamageEntry {
    offset: u64,
    what: &'static str,
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
    #[expect(clippy::cast_precision_loss, reason = "rates for display")]
    fn new(file: &'a str, capture_info: &'a CaptureInfo) -> Self {
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
                "native"
            },
            compression: Vec::new(),
            bytes: capture_info.bytes,
            machine: Machine::new(machine),
            origins: origins.collect(),
            recorder: Recorder {
                program: &header.writer,
                options: header
                    .options
                    .iter()
                    .map(|(name, value)| Setting { name, value })
                    .collect(),
                snaplen: header.snaplen,
                start: some_time(header.start.0),
            },
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

    fn text(&self, out: &mut Vec<u8>) {
        let mut lines = Lines { out, any: false };
        let mut file = format!("{}, {}", self.file, bytes(self.bytes));
        if !self.compression.is_empty() {
            file += &format!(", decompressed from {}", self.compression.join(" and "));
        }
        lines.escaped("file", &file);
        self.machine_text(&mut lines);
        let events = &self.events;
        match &self.time {
            Some(time) => {
                lines.line("from", &time.first);
                lines.line("to", &time.last);
                lines.line("duration", &format!("{:.6} s", time.duration_s));
            }
            None => lines.line("time", "no events"),
        }
        if events.without_time > 0 {
            let text = format!("of {} is not known", count(events.without_time, "event"));
            lines.line("time", &text);
        }
        self.clock_text(&mut lines);
        let mut total = events.total.to_string();
        if let Some(time) = self.time.as_ref().filter(|t| t.duration_s > 0.0) {
            #[expect(clippy::cast_precision_loss, reason = "a rate for display")]
            let rate = events.total as f64 / time.duration_s;
            total += &format!(", {rate:.0} a second");
        }
        if let Some(size) = events.bytes_per_event {
            total += &format!(", {size:.1} bytes each");
        }
        lines.line("events", &total);
        if events.hidden > 0 {
            lines.line(
                "hidden",
                &format!("{} kept for state only", count(events.hidden, "event")),
            );
        }
        lines.line(
            "seen",
            &match events.processes {
                // Events of .scap files do not say of which process they are.
                0 => count(events.threads, "thread"),
                processes => format!(
                    "{} of {}",
                    count(events.threads, "thread"),
                    count(processes, "process"),
                ),
            },
        );
        if events.containers > 0 {
            let text = format!("{} described by runtimes", events.containers);
            lines.line("containers", &text);
        }
        if events.audit > 0 {
            lines.line("audit", &count(events.audit, "Kubernetes audit event"));
        }
        lines.line(
            "failed",
            &format!("{} returned an error", count(events.failed, "call")),
        );
        lines.line(
            "in flight",
            &format!(
                "{} had not returned at the end",
                count(events.in_flight, "call")
            ),
        );
        if events.with_unreadable_arguments > 0 {
            let text = format!(
                "arguments of {}",
                count(events.with_unreadable_arguments, "event")
            );
            lines.line("unreadable", &text);
        }
        if events.with_changed_arguments > 0 {
            let text = format!(
                "arguments of {}, while they ran (evt.args_changed=true)",
                count(events.with_changed_arguments, "call")
            );
            lines.line("changed", &text);
        }
        self.cut_text(&mut lines);
        self.lost_text(&mut lines);
        self.integrity_text(&mut lines);
        self.types_text(lines.out);
    }

    fn machine_text(&self, lines: &mut Lines<'_>) {
        for origin in &self.origins {
            let machine = &origin.machine;
            let parts = [machine.host_name, machine.os, machine.kernel_release];
            let parts: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
            let what = match parts.is_empty() {
                true => String::new(),
                false => format!(": {}", parts.join(", ")),
            };
            lines.line("merged", &format!("{}{what}", origin.file));
        }
        let machine = &self.machine;
        let parts = [
            machine.host_name.to_owned(),
            machine.os.to_owned(),
            match machine.cpus {
                0 => String::new(),
                cpus => count(cpus.into(), "CPU"),
            },
            match machine.memory_bytes {
                0 => String::new(),
                memory => bytes(memory),
            },
        ];
        let parts: Vec<String> = parts.into_iter().filter(|p| !p.is_empty()).collect();
        if self.origins.is_empty() && !parts.is_empty() {
            lines.line("machine", &parts.join(", "));
        }
        let version = kernel_version(machine.kernel_version, machine.utc_offset_s);
        let kernel = [machine.kernel_release, machine.arch, &version].join(" ");
        if self.origins.is_empty() && !kernel.trim().is_empty() {
            lines.line("kernel", kernel.trim());
        }
        if let Some(boot) = &machine.boot_time {
            let id = match machine.boot_id {
                "" => String::new(),
                id => format!(", id {id}"),
            };
            lines.line("boot", &format!("{boot}{id}"));
        }
        let recorder = &self.recorder;
        let mut parts = vec![recorder.program.to_owned()];
        if recorder.snaplen > 0 {
            parts.push(format!("snaplen {}", recorder.snaplen));
        }
        // The snaplen is also among the options with which the recorder was started.
        let options = recorder.options.iter().filter(|o| o.name != "snaplen");
        parts.extend(options.map(|option| format!("{} {}", option.name, option.value)));
        parts.retain(|part| !part.is_empty());
        if !parts.is_empty() {
            lines.line("recorder", parts.join(", ").trim_end());
        }
    }

    fn cut_text(&self, lines: &mut Lines<'_>) {
        let cut = &self.events.cut;
        let of = |what: &str, number: u64| format!("{what} of {}", count(number, "event"));
        let counts = [
            (cut.data, of("data", cut.data) + ", to the snaplen"),
            (cut.command_lines, of("command lines", cut.command_lines)),
            (cut.environments, of("environments", cut.environments)),
            (cut.paths, of("paths", cut.paths)),
            (cut.lists, of("lists", cut.lists)),
            (cut.others, of("other arguments", cut.others)),
            (
                cut.command_lines_at_start,
                format!(
                    "command lines of {} at the start",
                    count(cut.command_lines_at_start, "process")
                ),
            ),
        ];
        let mut label = "cut";
        for (_, text) in counts.iter().filter(|(number, _)| *number > 0) {
            lines.line(label, text);
            label = "";
        }
    }

    fn clock_text(&self, lines: &mut Lines<'_>) {
        let steps = &self.clock_steps;
        if steps.total == 0 {
            return;
        }
        let text = format!(
            "the wall clock was set {}; times of events do not follow it",
            count(steps.total, "time")
        );
        lines.line("clock", &text);
        for step in steps.first.iter().take(STEPS) {
            let by = i128::from(step.after_ns) - i128::from(step.before_ns);
            let sign = if by < 0 { '-' } else { '+' };
            let (by, second) = (by.unsigned_abs(), u128::from(time::NS_PER_S));
            let (whole, part) = (by / second, by % second);
            lines.line("", &format!("{}: by {sign}{whole}.{part:09} s", step.at));
        }
        if steps.total > STEPS as u64 {
            lines.line("", &format!("{} more", steps.total - STEPS as u64));
        }
    }

    fn lost_text(&self, lines: &mut Lines<'_>) {
        let total = count(self.lost.total, "event");
        let complete = self.integrity.complete;
        let is_whole = complete && self.integrity.damages == 0;
        let is_scap = self.format == "sysdig" || (is_whole && !self.lost.known);
        let text = match (self.lost.total, self.lost.known, is_scap) {
            (0, true, _) => "nothing".to_owned(),
            (_, true, _) => total,
            (0, false, true) => "not known; a .scap file does not say".to_owned(),
            (_, false, true) => format!("{total}, as far as a .scap file says"),
            (0, false, _) if complete => "nothing outside of the damage".to_owned(),
            (_, false, _) if complete => format!("{total}; not known within the damage"),
            (0, false, _) => "not known after the last chunk; nothing before".to_owned(),
            (_, false, _) => format!("{total}; not known after the last chunk"),
        };
        lines.line("lost", &text);
        for span in &self.lost.spans {
            let cpu = span
                .cpu
                .map_or_else(|| "any CPU".to_owned(), |c| format!("CPU {c}"));
            lines.line(
                "",
                &format!(
                    "{}, {cpu}: {} between {} and {}",
                    span.cause,
                    count(span.count, "event"),
                    span.from,
                    span.to
                ),
            );
        }
    }

    fn integrity_text(&self, lines: &mut Lines<'_>) {
        let integrity = &self.integrity;
        let mut sections = format!(
            "{}, {}",
            count(integrity.chunks, "chunk"),
            count(integrity.snapshots, "snapshot"),
        );
        sections += if integrity.index {
            ", index"
        } else {
            ", no index"
        };
        if integrity.unknown_sections > 0 {
            sections += &format!(", {} of unknown kind", integrity.unknown_sections);
        }
        lines.line("sections", &sections);
        let state = match (integrity.damages, integrity.complete) {
            _ if let Some(what) = integrity.compressed_stream => what.to_owned(),
            (0, true) => "intact".to_owned(),
            (0, false) => {
                "is incomplete: the recorder was killed or is still running, or the copy is not \
                 whole"
                    .to_owned()
            }
            (1, _) => "damaged in one place".to_owned(),
            (n, _) => format!("damaged in {n} places"),
        };
        lines.line("integrity", &state);
        for damage in integrity.first_damages.iter().take(DAMAGES) {
            lines.escaped("", &format!("byte {}: {}", damage.offset, damage.what));
        }
    }

    fn types_text(&self, out: &mut Vec<u8>) {
        let events = &self.events;
        for (i, ty) in events.types.iter().take(TOP).enumerate() {
            out.extend_from_slice(if i == 0 { b"\n\nevents by type" } else { b"" });
            #[expect(clippy::cast_precision_loss, reason = "a share for display")]
            let share = ty.count as f64 * 100.0 / events.total.max(1) as f64;
            number::display(out, format_args!("\n{:>14} {share:>5.1}%  ", ty.count));
            text::escape(out, ty.name.as_bytes());
        }
        if let Some(more) = events.types.len().checked_sub(TOP).filter(|n| *n > 0) {
            let noun = number::plural(more as u64, "type");
            number::display(out, format_args!("\n{more:>14}         more {noun}"));
        }
    }
}

/// Lines of a label and a value from the capture.
struct Lines<'o> {
    out: &'o mut Vec<u8>,
    any: bool,
}

impl Lines<'_> {
    fn line(&mut self, label: &str, value: &str) {
        self.label(label);
        text::escape_exact(self.out, value.as_bytes());
    }

    /// A line whose value is escaped already.
    fn escaped(&mut self, label: &str, value: &str) {
        self.label(label);
        text::escape(self.out, value.as_bytes());
    }

    fn label(&mut self, label: &str) {
        if self.any {
            self.out.push(b'\n');
        }
        self.any = true;
        number::display(self.out, format_args!("{label:<11}"));
    }
}

/// Returns a number of things, in words: `1 process`, `2 processes`.
fn count(number: u64, noun: &str) -> String {
    format!("{number} {}", number::plural(number, noun))
}

/// Returns the version of a kernel with the date of its build as a date: reproducible builds have
/// `@` and seconds, which are 0 if there is none.
fn kernel_version(version: &str, utc_offset_s: i32) -> String {
    let Some((rest, seconds)) = version.rsplit_once('@') else {
        return version.to_owned();
    };
    match seconds
        .parse::<u64>()
        .map(|s| s.checked_mul(time::NS_PER_S))
    {
        Ok(Some(0)) => rest.trim_end().to_owned(),
        Ok(Some(ns)) => format!("{rest}{}", time::iso8601(ns, utc_offset_s)),
        _ => version.to_owned(),
    }
}

/// Formats a size for display.
fn bytes(size: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if size < 1024 {
        return count(size, "byte");
    }
    #[expect(clippy::cast_precision_loss, reason = "a size for display")]
    let mut value = size as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_plural() {
        assert_eq!(count(1, "process"), "1 process");
        assert_eq!(count(0, "process"), "0 processes");
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(12, "event"), "12 events");
    }

    #[test]
    fn the_date_of_a_kernel_is_a_date() {
        let shown = |version| kernel_version(version, 3600);
        assert_eq!(shown("#1 SMP @0"), "#1 SMP");
        assert_eq!(
            shown("#1 SMP @1700000000"),
            "#1 SMP 2023-11-14T23:13:20.000000000+01:00"
        );
        for other in ["#1 SMP Debian 6.1.1 (2023-01-01)", "", "a@b", "@"] {
            assert_eq!(shown(other), other);
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }

    #[test]
    fn json_is_plain_ascii() {
        let mut out = Vec::new();
        ascii_json(&mut out, "{\n \"a\u{9b}\u{202e}\u{1f600}\"\n}");
        assert_eq!(out, b"{\n \"a\\u009b\\u202e\\ud83d\\ude00\"\n}");
    }
}
