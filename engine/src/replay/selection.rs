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
    /// Returns the position of an event; `first` is the time of the capture's first event.
    #[inline(always)]
    pub(super) fn position(&self, event: &Event<'_>, first: u64) -> WindowPosition {
        if self.from.is_none() && self.to.is_none() {
            return WindowPosition::Within;
        }
        self.position_in_window(event, first)
    }

    fn position_in_window(&self, event: &Event<'_>, first: u64) -> WindowPosition {
        if let Some(from) = self.from {
            let before = match from {
                When::Event(number) => event.num.0 < number,
                time => time.time(first).is_some_and(|time| event.ts.0 < time),
            };
            if before {
                return WindowPosition::Before;
            }
        }
        match self.to {
            Some(When::Event(number)) if event.num.0 > number => WindowPosition::PastEnd,
            Some(to) => match to.time(first) {
                Some(time) if event.ts.0 > time.saturating_add(DISORDER_NS) => {
                    WindowPosition::PastEnd
                }
                Some(time) if event.ts.0 > time => WindowPosition::After,
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
