//! Rules while recording: `scap record --detect`.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Args;
use crate::cli::detect::warn_of_forgotten;
use crate::cli::error::{CliError, warn};
use crate::cli::stderr::{self, one_line};
use crate::event::number::{counted, grouped, were};
use crate::record::{ALERTS_PER_SECOND, AlertCounts, Detector, Options, Summary};
use crate::rules::{BUILT_IN_NAME, Priority, Rule};

/// Loads the rules of the command line, if they are asked for, and notes them in the options.
pub(super) fn detector(args: &Args, options: &mut Options) -> Result<Option<Detector>, CliError> {
    if !args.detect {
        return match args.rules.given() {
            None => Ok(None),
            Some(option) => Err(CliError::usage(format!("{option} goes with --detect"))),
        };
    }
    let settled = args.rules.settle()?;
    let rules = args.rules.load(&settled.settings, args.verbose)?;
    let engine = settled.engine(rules)?;
    let is_on = |rule: &&Rule| settled.selection.enables(rule);
    let sessions = engine
        .rules()
        .iter()
        .filter(is_on)
        .find(|rule| rule.needs_sessions());
    if let Some(rule) = sessions {
        warn(
            &format!(
                "the rule {} asks for sessions of kubectl exec, which are found only in whole captures",
                one_line(&rule.name)
            ),
            Some("`scap detect` evaluates it for the capture"),
        );
    }
    let files = args.rules.rules.iter();
    let files: Vec<String> = files
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    let files = match files.is_empty() {
        true => BUILT_IN_NAME.to_owned(),
        false => files.join(","),
    };
    options.given.push(("detect".to_owned(), files));
    let lines = (!args.quiet).then_some(settled.style);
    Detector::new(engine, lines)
        .map(Some)
        .map_err(|error| CliError::usage(error.to_string()))
}

/// Returns the alerts by priority, the most severe first: how many there are, and how many of them are not in the capture.
pub(super) fn by_priority(counts: &AlertCounts) -> BTreeMap<Priority, (u64, u64)> {
    let mut sums = BTreeMap::new();
    for rule in &counts.rules {
        let (alerts, left_out): &mut (u64, u64) = sums.entry(rule.priority).or_default();
        *alerts += rule.alerts;
        *left_out += rule.left_out;
    }
    sums
}

/// Appends the lines of the summary.
pub(super) fn text(out: &mut String, counts: &AlertCounts) {
    let sums = by_priority(counts);
    let total = sums.values().map(|(alerts, _)| alerts).sum();
    out.push_str(&counted(total, "alert"));
    for (index, (priority, (alerts, _))) in sums.iter().enumerate() {
        let colon = if index == 0 { ":" } else { "," };
        out.push_str(&format!("{colon} {} {}", grouped(*alerts), priority.name()));
    }
    out.push('\n');
}

/// Lines that wait for standard error. While nobody reads it, the recording goes on.
const WAITING: usize = 1000;
/// How long the end of the recording waits for them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Prints alerts on a thread of its own.
pub(super) struct AlertLines {
    send: Option<SyncSender<String>>,
    thread: Option<JoinHandle<()>>,
    not_printed: u64,
}

impl AlertLines {
    /// Makes a printer; `has_progress`: the lines replace a progress line.
    pub(super) fn new(has_progress: bool) -> io::Result<Self> {
        let (send, lines) = mpsc::sync_channel::<String>(WAITING);
        let print = move || {
            for line in lines {
                if has_progress {
                    stderr::clear_progress();
                }
                stderr::print(&line);
            }
        };
        let thread = thread::Builder::new().name("scap-alerts".to_owned());
        Ok(Self {
            send: Some(send),
            thread: Some(thread.spawn(print)?),
            not_printed: 0,
        })
    }

    /// Prints a line as soon as it can be printed.
    pub(super) fn print(&mut self, line: &str) {
        let sent = self
            .send
            .as_ref()
            .map(|send| send.try_send(line.to_owned()));
        self.not_printed += u64::from(!matches!(sent, Some(Ok(()))));
    }

    /// Waits for the lines, for some time, and returns how many were not printed as there were too many.
    pub(super) fn finish(mut self) -> u64 {
        drop(self.send.take());
        let begun = Instant::now();
        let is_over = |thread: &JoinHandle<()>| thread.is_finished();
        while !self.thread.as_ref().is_none_or(is_over) && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        self.not_printed
    }
}

/// Warns of alerts that are missing; `not_printed` of them by [`AlertLines`].
pub(super) fn warn_of_alerts(summary: &Summary, not_printed: u64) {
    let Some(counts) = &summary.alerts else {
        return;
    };
    let left_out: u64 = counts.rules.iter().map(|rule| rule.left_out).sum();
    if left_out > 0 {
        warn(
            &format!(
                "{} {} left out of the capture, which has at most {ALERTS_PER_SECOND} of a rule and second",
                counted(left_out, "alert"),
                were(left_out)
            ),
            Some("`scap detect` finds all of them in the events of the capture"),
        );
    }
    let count = counts.not_printed + not_printed;
    if count > 0 {
        let message = format!(
            "{} {} not printed, but {} in the capture",
            counted(count, "alert"),
            were(count),
            if count == 1 { "is" } else { "are" }
        );
        warn(&message, None);
    }
    if counts.forgotten > 0 {
        warn_of_forgotten(counts.forgotten);
    }
}
