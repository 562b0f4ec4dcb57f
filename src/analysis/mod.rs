//! What a part of a capture holds, for the timeline and its views.
//!
//! A [`Library`] is a capture opened in any order. Its snapshots cut it into segments that can be replayed
//! on their own, so that every question is answered by looking at few of them, on several cores. What a
//! segment holds is counted in a [`tally::Tally`]; those of a time range are merged. Nothing here knows a
//! terminal.

pub mod activity;
pub mod detail;
pub mod echo;
pub mod find;
pub mod library;
pub mod line;
mod matcher;
pub mod moment;
pub mod page;
mod seek;
pub mod surveyor;
pub mod table;
pub mod tally;

pub use library::{AnalysisError, Library, Segment, Walker};

/// A span of time in nanoseconds since the epoch; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub from: u64,
    /// The last instant; not before `from`.
    pub to: u64,
}

impl Span {
    /// Whether an instant is in it.
    pub fn contains(self, time: u64) -> bool {
        (self.from..=self.to).contains(&time)
    }

    /// Returns how long it is, at least one nanosecond.
    pub fn len_ns(self) -> u64 {
        self.to.saturating_sub(self.from).saturating_add(1)
    }

    /// Returns what it has in common with another one.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let both = Self {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
        };
        (both.from <= both.to).then_some(both)
    }
}

/// What is looked at: a time range and a condition on its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The time range.
    pub span: Span,
    /// A filter's text that is known to be one; empty = all events.
    pub filter: String,
}
