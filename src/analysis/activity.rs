//! How much happened when: counts by lane over time.

use super::Span;
use crate::lanes::LANES;

/// How much happened in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bin {
    /// Events, hidden ones not.
    pub events: u32,
    /// Events by lane.
    pub lanes: [u32; LANES],
}

/// Counts over equal intervals of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The span.
    pub span: Span,
    /// The intervals, in order.
    pub bins: Vec<Bin>,
}

/// Events that a capture lacks, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// When.
    pub span: Span,
    /// How many.
    pub count: u64,
    /// The CPU that they happened on.
    pub cpu: u16,
    /// Why.
    pub cause: scap_capture_format::native::LossCause,
}
