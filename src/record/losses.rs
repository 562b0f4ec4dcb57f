//! Losses since the last report.

use scap_capture_format::{
    event::Timestamp,
    native::{Loss, LossCause, LossReport},
};

use super::{
    clock,
    probe::ring::{CpuCounters, Rings},
};

/// The values of the probe's counters at the last report.
pub(super) struct Losses {
    before: Vec<CpuCounters>,
    begin: u64,
}

impl Losses {
    pub(super) fn new(cpus: usize) -> Self {
        Self {
            before: vec![CpuCounters::default(); cpus],
            begin: clock::boot(),
        }
    }

    /// Returns the number of events lost up to the last report.
    pub(super) fn total(&self) -> u64 {
        self.before.iter().map(CpuCounters::lost).sum()
    }

    /// Returns the losses since the last report, and `other` ones; `None` if there were none.
    pub(super) fn report(
        &mut self,
        now: u64,
        boot_to_wall: u64,
        rings: &Rings,
        other: Option<Loss>,
    ) -> Option<LossReport> {
        let mut report = LossReport::default();
        report.losses.extend(other);
        let from = Timestamp(self.begin.wrapping_add(boot_to_wall));
        for (cpu, before) in self.before.iter_mut().enumerate() {
            let counters = rings.counters(cpu);
            let until = if counters.last_drop == 0 {
                now
            } else {
                counters.last_drop
            };
            let causes = [
                (LossCause::RING_FULL, counters.drop_full - before.drop_full),
                (LossCause::BUSY, counters.drop_busy - before.drop_busy),
                (
                    LossCause::NO_RING,
                    counters.drop_no_ring - before.drop_no_ring,
                ),
                (LossCause::MAP_FULL, counters.map_full - before.map_full),
            ];
            for (cause, count) in causes.into_iter().filter(|(_, count)| *count > 0) {
                report.losses.push(Loss {
                    cause,
                    cpu: cpu as u16,
                    count,
                    from,
                    to: Timestamp(until.wrapping_add(boot_to_wall)),
                });
            }
            report.faults += counters.faults - before.faults;
            *before = counters;
        }
        self.begin = now;
        (!report.losses.is_empty() || report.faults > 0).then_some(report)
    }
}
