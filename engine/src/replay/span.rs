//! A time range, and a scope: a time range with a filter.

/// A time range in nanoseconds since the epoch, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first time.
    pub from: u64,
    /// The last time; not before `from`.
    pub to: u64,
}

impl Span {
    /// Returns true if a time is in the range.
    pub fn contains(self, time: u64) -> bool {
        (self.from..=self.to).contains(&time)
    }

    /// Returns the length, at least one nanosecond.
    pub fn len_ns(self) -> u64 {
        self.to.saturating_sub(self.from).saturating_add(1)
    }

    /// Returns the intersection with another range.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let both = Self {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
        };
        (both.from <= both.to).then_some(both)
    }
}

/// A time range and a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The time range.
    pub span: Span,
    /// The text of a valid filter; empty = all events.
    pub filter: String,
}

/// Lost events and their time range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossInterval {
    /// The time range.
    pub span: Span,
    /// Number of lost events.
    pub count: u64,
    /// The CPU on which they were lost.
    pub cpu: u16,
    /// The cause.
    pub cause: scap_capture_format::native::LossCause,
}
