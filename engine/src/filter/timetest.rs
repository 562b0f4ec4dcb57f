//! Comparison of an event's time with a time literal.

use super::ast::Op;
use super::compare::holds;
use super::time_literal::{self, NS_PER_DAY, TimeLiteral};
use crate::event::time::NS_PER_S;
use crate::fields::attributes::Zone;

/// Zone offsets change only at full quarters of an hour.
const QUARTER_S: u64 = 900;

/// A condition on the time of an event.
#[derive(Clone, Debug)]
pub(super) struct TimeTest {
    op: Op,
    time_literal: TimeLiteral,
    zone: Zone,
    /// True if only whole seconds are compared.
    seconds: bool,
    /// The quarter of an hour for which `offset` is valid.
    quarter: Option<u64>,
    offset: i64,
}

impl TimeTest {
    pub(super) fn new(op: Op, time_literal: TimeLiteral, zone: Zone, seconds: bool) -> Self {
        Self {
            op,
            time_literal,
            zone,
            seconds,
            quarter: None,
            offset: 0,
        }
    }

    /// Returns true if an event at `ns` matches; `first` is the time of the capture's first event, 0
    /// before it.
    pub(super) fn matches(&mut self, ns: u64, first: u64) -> bool {
        let ns = if self.seconds { ns - ns % NS_PER_S } else { ns };
        let order = match self.time_literal {
            TimeLiteral::Instant(other) => ns.cmp(&other),
            TimeLiteral::TimeOfDay(other) => self.time_of_day(ns).cmp(&other),
            TimeLiteral::Offset(_) if first == 0 => return false,
            TimeLiteral::Offset(other) => ns.cmp(&first.saturating_add(other)),
        };
        holds(self.op, order)
    }

    fn time_of_day(&mut self, ns: u64) -> u64 {
        let second = ns / NS_PER_S;
        let quarter = second / QUARTER_S;
        if self.quarter != Some(quarter) {
            self.quarter = Some(quarter);
            self.offset = match self.zone {
                Zone::Local => time_literal::local_offset(second),
                Zone::Utc => 0,
            };
        }
        // Offsets are less than a day in either direction.
        let day = NS_PER_DAY / NS_PER_S;
        let shift = u64::try_from(self.offset.rem_euclid(86_400)).unwrap_or(0);
        (second % day + shift) % day * NS_PER_S + ns % NS_PER_S
    }

    /// Returns the first and the last time for which the condition is true, or false with
    /// `negated`.
    pub(super) fn bounds(&self, negated: bool) -> (u64, u64) {
        match self.time_literal {
            TimeLiteral::TimeOfDay(_) | TimeLiteral::Offset(_) => (0, u64::MAX),
            TimeLiteral::Instant(at) => {
                let (first, last) = bounds(self.op, at, negated);
                let slack = if self.seconds { NS_PER_S - 1 } else { 0 };
                (first.saturating_sub(slack), last.saturating_add(slack))
            }
        }
    }
}

/// Returns the first and the last number for which `number op other` is true, or false with
/// `negated`.
pub(super) fn bounds(op: Op, other: u64, negated: bool) -> (u64, u64) {
    /// The empty range.
    const NOTHING: (u64, u64) = (1, 0);
    let op = match (op, negated) {
        (op, false) => op,
        (Op::Eq, true) => Op::Ne,
        (Op::Ne, true) => Op::Eq,
        (Op::Lt, true) => Op::Ge,
        (Op::Le, true) => Op::Gt,
        (Op::Gt, true) => Op::Le,
        (Op::Ge, true) => Op::Lt,
        (op, true) => op,
    };
    match op {
        Op::Eq => (other, other),
        Op::Lt => other.checked_sub(1).map_or(NOTHING, |last| (0, last)),
        Op::Le => (0, other),
        Op::Gt => other
            .checked_add(1)
            .map_or(NOTHING, |first| (first, u64::MAX)),
        Op::Ge => (other, u64::MAX),
        _ => (0, u64::MAX),
    }
}
