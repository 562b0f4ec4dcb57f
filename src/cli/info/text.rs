//! The report as text.

use super::report::{AlertEntry, Integrity, Report};
use crate::event::{number, text, time};

/// Event types listed in the text output; JSON has all.
const TOP: usize = 20;
/// Damaged places listed in the text output.
const DAMAGES: usize = 10;

/// Rules with alerts listed in the text output.
const ALERT_RULES: usize = 20;

/// Steps of the wall clock listed in the text output.
const STEPS: usize = 10;

impl Report<'_> {
    /// Writes the report as text.
    pub(super) fn text(&self, out: &mut Vec<u8>) {
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
        self.alerts_text(&mut lines);
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
        self.derivation_text(lines);
    }

    fn derivation_text(&self, lines: &mut Lines<'_>) {
        let Some(derivation) = &self.derivation else {
            return;
        };
        let mut parts = vec![format!(
            "{} of {}",
            derivation.operation, derivation.program
        )];
        let options = derivation.options.iter();
        parts.extend(options.map(|option| format!("{} {}", option.name, option.value)));
        lines.line("made by", parts.join(", ").trim_end());
        for parent in &derivation.parents {
            let name = match parent.file {
                "" => "a file without a name",
                name => name,
            };
            let mut text = name.to_owned();
            if let (Some(len), Some(hash)) = (parent.bytes, &parent.blake3) {
                text += &format!(", {}, BLAKE3 {hash}", bytes(len));
            }
            lines.line("made from", &text);
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

    fn alerts_text(&self, lines: &mut Lines<'_>) {
        let alerts = &self.events.alerts;
        if alerts.total == 0 {
            return;
        }
        let mut text = count(alerts.total, "alert");
        if alerts.left_out > 0 {
            text += &format!(", {} of them only counted", alerts.left_out);
        }
        lines.line("alerts", &text);
        for entry in alerts.rules.iter().take(ALERT_RULES) {
            let AlertEntry {
                priority,
                rule,
                count,
            } = entry;
            lines.escaped("", &format!("{count} {priority}: {rule}"));
        }
        if let Some(more) = alerts
            .rules
            .len()
            .checked_sub(ALERT_RULES)
            .filter(|n| *n > 0)
        {
            lines.line("", &count(more as u64, "more rule"));
        }
    }

    fn lost_text(&self, lines: &mut Lines<'_>) {
        let total = count(self.lost.total, "event");
        let complete = self.integrity.complete;
        let is_whole = complete && self.integrity.damages == 0;
        let is_scap = self.format == "sysdig" || (is_whole && !self.lost.known);
        let text = match (self.lost.total, self.lost.known, is_scap) {
            (0, true, _) => "nothing".to_owned(),
            (0, false, _) if self.lost.unknown_in_repair => {
                "an unknown number, before the capture was repaired".to_owned()
            }
            (_, false, _) if self.lost.unknown_in_repair => {
                format!("{total}, and an unknown number before the capture was repaired")
            }
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
        let (sections, state) = describe(integrity);
        lines.line("sections", &sections);
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

/// Returns the sections of a capture, and whether they are intact.
pub(super) fn describe(integrity: &Integrity<'_>) -> (String, String) {
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
    if integrity.seals > 0 {
        sections += &format!(", {}", count(integrity.seals, "seal"));
    }
    if integrity.time_stamps > 0 {
        sections += &format!(", {}", count(integrity.time_stamps, "time stamp"));
    }
    if integrity.unknown_sections > 0 {
        sections += &format!(", {} of unknown kind", integrity.unknown_sections);
    }
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
    (sections, state)
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
}
