//! Puts audit events where they belong among the events of the machine.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use scap_capture_format::{
    event::{Params, Timestamp},
    native::{Loss, LossCause},
    schema::types,
};

use super::{AuditCounts, AuditOptions, Intake, LEAVING, inbox::AuditEvent};
use crate::audit::PLUGIN_ID;
use crate::event::{Event, synthetic_event};
use crate::record::RecordError;

/// How far behind the events of the machine an event may be and have its own time: less than the disorder that readers
/// allow for.
const LATE_NS: u64 = 4_000_000_000;
/// How far ahead of this machine's clock an event may be and wait for its time.
const AHEAD_NS: u64 = 5_000_000_000;

/// Audit events on their way into the capture.
pub(in crate::record) struct AuditStage {
    intake: Option<Intake>,
    held: BinaryHeap<Reverse<Held>>,
    taken: Vec<AuditEvent>,
    /// The time up to which all events were passed on.
    passed: u64,
    /// Number of the events that were held, for an order of those with the same time.
    number: u64,
    moved: u64,
    /// Of what was not taken, how much has been reported, and when.
    reported: (u64, Timestamp),
    bytes: Vec<u8>,
}

/// An event that waits for its time.
#[derive(Debug)]
struct Held {
    at: u64,
    number: u64,
    event: AuditEvent,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl AuditStage {
    /// Opens the sources at the time `now`.
    pub(in crate::record) fn start(options: &AuditOptions, now: u64) -> Result<Self, RecordError> {
        Ok(Self {
            intake: Intake::start(options)?,
            held: BinaryHeap::new(),
            taken: Vec::new(),
            passed: now,
            number: 0,
            moved: 0,
            reported: (0, Timestamp(now)),
            bytes: Vec::new(),
        })
    }

    /// Where the webhook is listened for.
    pub(in crate::record) fn address(&self) -> Option<SocketAddr> {
        self.intake.as_ref()?.address
    }

    /// Takes the events that have come by the time `now`.
    pub(in crate::record) fn collect(&mut self, now: u64) {
        let Some(intake) = &self.intake else {
            return;
        };
        intake.inbox.take(&mut self.taken);
        for event in std::mem::take(&mut self.taken) {
            self.hold(event, now);
        }
    }

    fn hold(&mut self, event: AuditEvent, now: u64) {
        let is_late = event.time.saturating_add(LATE_NS) < self.passed;
        let is_ahead = event.time > now.saturating_add(AHEAD_NS);
        let at = if is_late || is_ahead {
            self.moved += 1;
            now
        } else {
            event.time
        };
        self.number += 1;
        self.held.push(Reverse(Held {
            at,
            number: self.number,
            event,
        }));
    }

    /// Returns the time of the next event; the end of time if there is none.
    #[inline]
    pub(in crate::record) fn next(&self) -> u64 {
        self.held.peek().map_or(u64::MAX, |Reverse(held)| held.at)
    }

    /// Passes the events up to the time `limit` to `see`, in order.
    pub(in crate::record) fn pass(&mut self, limit: u64, mut see: impl FnMut(&Event<'_>)) {
        while let Some(Reverse(held)) = self.held.peek()
            && held.at <= limit
            && let Some(Reverse(held)) = self.held.pop()
        {
            self.bytes.clear();
            self.bytes.extend_from_slice(&PLUGIN_ID.to_le_bytes());
            self.bytes.extend_from_slice(&held.event.json);
            let id = size_of_val(&PLUGIN_ID);
            // A text is shorter than an event may be.
            let lens = [id, held.event.json.len()].map(|len| u32::try_from(len).unwrap_or(0));
            if let Some(params) = Params::new(&lens, &self.bytes) {
                see(&synthetic_event(
                    Timestamp(held.at),
                    types::PLUGINEVENT_E,
                    params,
                ));
            }
            if let Some(intake) = &self.intake {
                intake.inbox.release(held.event.bytes());
            }
        }
        self.passed = self.passed.max(limit);
    }

    /// Ends the sources, and takes what has come.
    pub(in crate::record) fn finish(&mut self, now: u64) {
        let Some(intake) = &self.intake else {
            return;
        };
        intake.inbox.stop();
        let deadline = Instant::now() + 2 * LEAVING;
        while !intake.is_over() && Instant::now() < deadline {
            // A log that is longer than there is room for is not read to its end.
            thread::sleep(Duration::from_millis(2));
        }
        self.collect(now);
    }

    /// Returns the next warning.
    pub(in crate::record) fn warning(&self) -> Option<String> {
        self.intake.as_ref()?.inbox.warning()
    }

    /// Returns what became of the events so far; `None` if there are no sources.
    pub(in crate::record) fn counts(&self) -> Option<AuditCounts> {
        let counts = self.intake.as_ref()?.inbox.counts();
        Some(AuditCounts {
            moved: self.moved,
            ..counts
        })
    }

    /// Returns what was not taken since the last call.
    pub(in crate::record) fn loss(&mut self, now: Timestamp) -> Option<Loss> {
        let lost = self.counts()?.lost();
        let (before, from) = std::mem::replace(&mut self.reported, (lost, now));
        (lost > before).then_some(Loss {
            cause: LossCause::AUDIT,
            cpu: Loss::ANY_CPU,
            count: lost - before,
            from,
            to: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const NOW: u64 = 1_700_000_000 * S;

    fn stage() -> AuditStage {
        AuditStage::start(&AuditOptions::default(), NOW).expect("no sources")
    }

    fn hold(stage: &mut AuditStage, times: &[u64]) {
        for time in times {
            let json = format!("{{\"t\":{time}}}").into_bytes();
            stage.hold(AuditEvent { time: *time, json }, NOW);
        }
    }

    fn passed(stage: &mut AuditStage, limit: u64) -> Vec<(u64, u64)> {
        let mut seen = Vec::new();
        stage.pass(limit, |event| {
            let json = crate::audit::plugin_data(event).expect("JSON");
            let text = std::str::from_utf8(json).expect("text");
            let own = text.trim_start_matches("{\"t\":").trim_end_matches('}');
            seen.push((event.ts.0, own.parse().expect("a number")));
        });
        seen
    }

    #[test]
    fn events_are_passed_on_at_their_time() {
        let mut stage = stage();
        assert_eq!(stage.next(), u64::MAX);
        hold(&mut stage, &[NOW + 2, NOW - 5, NOW + 2, NOW + S]);
        assert_eq!(stage.next(), NOW - 5);
        assert_eq!(passed(&mut stage, NOW), [(NOW - 5, NOW - 5)]);
        assert_eq!(passed(&mut stage, NOW + 2), [(NOW + 2, NOW + 2); 2]);
        assert_eq!(stage.next(), NOW + S);
        assert_eq!(passed(&mut stage, u64::MAX), [(NOW + S, NOW + S)]);
        assert_eq!(stage.moved, 0);
    }

    #[test]
    fn late_events_keep_their_time_as_far_as_readers_allow() {
        let mut stage = stage();
        passed(&mut stage, NOW);
        hold(
            &mut stage,
            &[
                NOW - LATE_NS,
                NOW - LATE_NS - 1,
                1,
                NOW + AHEAD_NS,
                NOW + AHEAD_NS + 1,
                u64::MAX,
            ],
        );
        let all = passed(&mut stage, u64::MAX);
        let at: Vec<u64> = all.iter().map(|(at, _)| *at).collect();
        assert_eq!(at, [NOW - LATE_NS, NOW, NOW, NOW, NOW, NOW + AHEAD_NS]);
        assert_eq!(stage.moved, 4);
    }
}
