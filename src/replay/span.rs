//! A time range, and a time range with a condition on its events.

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

/// Events that a capture lacks, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossInterval {
    /// When.
    pub span: Span,
    /// How many.
    pub count: u64,
    /// The CPU that they happened on.
    pub cpu: u16,
    /// Why.
    pub cause: scap_capture_format::native::LossCause,
}
