//! The loss section: lost events, by cause and CPU.

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::event::Timestamp;

/// Body of a loss section: the losses since the previous one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossReport {
    /// The losses.
    pub losses: Vec<Loss>,
    /// Arguments that could not be read since the previous report; their events are present, with a flag.
    pub faults: u64,
    /// Room for later versions.
    pub extra: Extra,
}

/// Events lost for one reason on one CPU within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The cause.
    pub cause: LossCause,
    /// The CPU; [`Loss::ANY_CPU`] if it is not known.
    pub cpu: u16,
    /// Number of events.
    pub count: u64,
    /// The events were lost after this time,
    pub from: Timestamp,
    /// and not after this one.
    pub to: Timestamp,
}

impl Loss {
    /// The CPU of a loss whose CPU is not known.
    pub const ANY_CPU: u16 = u16::MAX;

    /// Whether events between the two times, inclusive, can be among the lost ones.
    pub fn overlaps(&self, from: Timestamp, to: Timestamp) -> bool {
        self.from <= to && from <= self.to
    }
}

/// The cause of a loss. Other numbers belong to newer writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LossCause(pub u16);

impl LossCause {
    /// The ring buffer was full: the recorder did not read it fast enough.
    pub const RING_FULL: Self = Self(1);
    /// The event was larger than the probe's scratch space.
    pub const SCRATCH_TOO_SMALL: Self = Self(2);
    /// The probe interrupted itself while its scratch space was in use.
    pub const BUSY: Self = Self(3);
    /// A map of the probe was full.
    pub const MAP_FULL: Self = Self(4);
    /// The recorder's own buffers were full.
    pub const RECORDER: Self = Self(5);
    /// The file was converted from one that reports losses without a cause.
    pub const REPORTED: Self = Self(6);
    /// The CPU has no ring buffer: it came online after the start of the recording.
    pub const NO_RING: Self = Self(7);
    /// A Kubernetes audit event, or a request with some, that the recorder could not take; its sender may have sent it
    /// again. The events of the machine are not concerned.
    pub const AUDIT: Self = Self(8);
    /// The capture was joined from several, and there is a gap between two of them. How many events are missing is not
    /// known; they count as one.
    pub const BETWEEN: Self = Self(9);
    /// The file that this one was repaired from was damaged. A count of 0 is an unknown number.
    pub const DAMAGE: Self = Self(10);

    /// Returns the name of the cause.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RING_FULL => "ring full",
            Self::SCRATCH_TOO_SMALL => "scratch too small",
            Self::BUSY => "busy",
            Self::MAP_FULL => "map full",
            Self::RECORDER => "recorder overflow",
            Self::REPORTED => "reported",
            Self::NO_RING => "CPU without a ring",
            Self::AUDIT => "audit events not taken",
            Self::BETWEEN => "between joined captures",
            Self::DAMAGE => "damage of the repaired file",
            _ => "unknown cause",
        }
    }
}
