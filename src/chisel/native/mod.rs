//! Tables and histograms that scripts only describe and native code fills, without calling Lua for
//! events.

mod histogram;
mod keys;
mod top;
mod view;

pub(super) use histogram::Histogram;
pub(super) use top::Top;
pub(super) use view::{View, views};

use super::call_context::HostState;
use super::error::ApiError;
use super::run::Run;
use crate::event::number::counted;
use crate::fields::Context;
use crate::filter::Filter;

/// The native implementation of a chisel.
pub(super) enum Native {
    View(Box<View>),
    Top(Box<Top>),
    Histogram(Box<Histogram>),
}

impl Native {
    /// Adds an event.
    pub(super) fn event(&mut self, cx: &Context<'_>) {
        match self {
            Self::View(view) => view.table.event(cx),
            Self::Top(top) => top.table.event(cx),
            Self::Histogram(histogram) => histogram.event(cx),
        }
    }

    /// Prints the results, and resets them.
    pub(super) fn print(&mut self, world: &HostState<'_>, run: &Run) {
        let span = (run.first_time.get(), run.last_time.get());
        let mut output = run.output.borrow_mut();
        let out = output.buffer();
        let left_out = match self {
            Self::View(view) => view.print(out, world, span, run.json),
            Self::Top(top) => top.print(out, span, run.json),
            Self::Histogram(histogram) => histogram.print(out, run.json),
        };
        output.written();
        drop(output);
        if left_out > 0 {
            let warning = format!(
                "the table is full: {} not counted\n",
                counted(left_out, "event")
            );
            run.write_error(warning.as_bytes());
        }
    }

    /// Prints the results since the last call, on a cleared screen on terminals.
    pub(super) fn refresh(&mut self, world: &HostState<'_>, run: &Run) {
        let is_terminal = run.is_terminal;
        if is_terminal && !run.json {
            let clear = b"\x1b[2J\x1b[H";
            run.output.borrow_mut().buffer().extend_from_slice(clear);
        }
        self.print(world, run);
        run.output.borrow_mut().flush();
    }

    /// Returns the nanoseconds between two tables of live events.
    pub(super) fn every(&self) -> u64 {
        match self {
            Self::View(_) => view::EVERY,
            Self::Top(top) => top.every,
            Self::Histogram(_) => 0,
        }
    }

    /// Returns true if it needs synthesised enter events.
    pub(super) fn wants_enter(&self) -> bool {
        let wants = |filter: &Filter| !filter.pushdown().enters.is_empty();
        self.filter().is_some_and(wants)
    }

    /// Returns true if it needs the data of I/O calls.
    pub(super) fn needs_payload(&self) -> bool {
        match self {
            Self::View(view) => view.table.needs_payload(),
            Self::Top(top) => top.table.needs_payload(),
            Self::Histogram(histogram) => histogram.needs_payload(),
        }
    }

    /// Returns the filter, if there is one.
    pub(super) fn filter(&self) -> Option<&Filter> {
        match self {
            Self::View(view) => view.table.filter(),
            Self::Top(top) => top.table.filter(),
            Self::Histogram(histogram) => histogram.filter(),
        }
    }
}

/// The unit of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unit {
    #[default]
    None,
    Bytes,
    Time,
}

impl Unit {
    fn parse(text: &str) -> Result<Self, ApiError> {
        match text {
            "none" => Ok(Self::None),
            "bytes" => Ok(Self::Bytes),
            "time" => Ok(Self::Time),
            _ => Err(ApiError::Misuse("`unit` is `bytes`, `time` or `none`")),
        }
    }

    /// Appends a number.
    fn write(self, out: &mut Vec<u8>, value: f64) {
        use crate::chisel::view::interval;
        use crate::event::number;
        match self {
            Self::Time => interval(out, value),
            Self::None if value.fract() == 0.0 => number::display(out, format_args!("{value:.0}")),
            Self::None => number::display(out, format_args!("{value:.2}")),
            Self::Bytes if value < 1024.0 => number::display(out, format_args!("{value:.0}B")),
            Self::Bytes => {
                let (mut value, mut units) = (value / 1024.0, "KMGTPE".chars());
                let mut unit = units.next().unwrap_or('K');
                while value >= 1024.0 {
                    let Some(next) = units.next() else {
                        break;
                    };
                    unit = next;
                    value /= 1024.0;
                }
                number::display(out, format_args!("{value:.2}{unit}B"));
            }
        }
    }
}
