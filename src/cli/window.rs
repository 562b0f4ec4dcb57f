//! Time ranges on the command line, relative to when the captures were recorded.

use std::path::{Path, PathBuf};

use super::audit::AuditLogs;
use super::error::{CliError, warn};
use super::input::Input;
use crate::event::time::LocalClock;
use crate::filter::When;
use crate::replay::Selection;

/// A time range, and the captures that it is a part of.
pub(super) struct Window {
    files: Vec<PathBuf>,
    /// The times of the first and the last event of audit logs.
    of_audit: Option<(u64, u64)>,
    ends: bool,
}

impl Window {
    /// Makes the window of a selection, and points in time of its times of day: they mean the day on
    /// which the captures lie.
    pub(super) fn new(
        files: &[PathBuf],
        audit: Option<&AuditLogs>,
        selection: &mut Selection,
    ) -> Self {
        let of_audit = audit.and_then(|logs| logs.source.times());
        let is_of_day = |when: Option<When>| matches!(when, Some(When::TimeOfDay(_)));
        if (is_of_day(selection.from) || is_of_day(selection.to))
            && let Some((first, last)) = times(files, of_audit)
        {
            selection.from = selection.from.map(|from| from.within(first, last));
            // `--from 23:00 --to 02:00` ends on the next day, if the captures reach it.
            let begin = selection.from.and_then(|from| from.time(first));
            let begin = begin.unwrap_or(first).clamp(first, last);
            selection.to = selection.to.map(|to| to.within(begin, last));
        }
        Self {
            files: files.to_vec(),
            of_audit,
            ends: selection.to.is_some(),
        }
    }

    /// Says that there are no events in the range, and when the captures were recorded.
    pub(super) fn warn_of_no_events(&self) {
        let hint = times(&self.files, self.of_audit).map(range_text);
        let what = match self.ends {
            true => "no events in this time range",
            false => "no events at or after this time",
        };
        warn(what, hint.as_deref());
    }
}

/// Returns the hint that says when captures were recorded.
pub(super) fn range_text((first, last): (u64, u64)) -> String {
    let mut clock = LocalClock::default();
    let mut text = |ns| {
        let mut out = Vec::new();
        clock.iso8601(&mut out, ns);
        String::from_utf8_lossy(&out).into_owned()
    };
    format!("the events are from {} to {}", text(first), text(last))
}

/// Returns the times of the first and the last event of captures in files, and of audit logs. Where they are not in an
/// index, the captures are read.
fn times(files: &[PathBuf], of_audit: Option<(u64, u64)>) -> Option<(u64, u64)> {
    let of = |file: &PathBuf| -> Result<Option<(u64, u64)>, CliError> {
        match file.as_path() == Path::new("-") {
            // Standard input can be read only once.
            true => Ok(None),
            false => Input::open(file)?.times(),
        }
    };
    let mut all = of_audit;
    for file in files {
        // A capture that is not readable is reported where it is read.
        if let Ok(Some((first, last))) = of(file) {
            let (begin, end) = all.unwrap_or((first, last));
            all = Some((begin.min(first), end.max(last)));
        }
    }
    all
}
