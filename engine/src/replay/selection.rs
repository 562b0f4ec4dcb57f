//! Filter and time window of a replay.

use crate::event::Event;
use crate::fields::Context;
use crate::filter::{Filter, When};

/// How far events of different CPUs can be out of order: after the end of a window reading
/// continues for this time (nanoseconds).
const DISORDER_NS: u64 = 5_000_000_000;

/// A filter and a time window.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The condition on events.
    pub filter: Option<Filter>,
    /// Start of the window.
    pub from: Option<When>,
    /// End of the window.
    pub to: Option<When>,
}

/// The position of an event relative to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WindowPosition {
    Before,
    Within,
    After,
    /// After the window, as all later events.
    PastEnd,
}

impl Selection {
    /// Returns true if there is a start or an end.
    #[inline(always)]
    pub(super) fn has_window(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Returns the position of an event that counts as being at `now`; `first` is the time of the
    /// capture's first event.
    pub(super) fn position(&self, event: &Event<'_>, now: u64, first: u64) -> WindowPosition {
        if let Some(from) = self.from {
            let before = match from {
                When::Event(number) => event.num.0 < number,
                time => time.time(first).is_some_and(|time| now < time),
            };
            if before {
                return WindowPosition::Before;
            }
        }
        match self.to {
            Some(When::Event(number)) if event.num.0 > number => WindowPosition::PastEnd,
            Some(to) => match to.time(first) {
                Some(time) if now > time.saturating_add(DISORDER_NS) => WindowPosition::PastEnd,
                Some(time) if now > time => WindowPosition::After,
                _ => WindowPosition::Within,
            },
            None => WindowPosition::Within,
        }
    }

    /// Returns true if the window ends at an event number.
    pub(super) fn ends_by_number(&self) -> bool {
        matches!(self.to, Some(When::Event(_)))
    }

    /// Returns true if an event of the window matches the filter.
    #[inline]
    pub(super) fn passes(&mut self, cx: &Context<'_>) -> bool {
        self.filter.as_mut().is_none_or(|f| f.matches(cx))
    }
}
