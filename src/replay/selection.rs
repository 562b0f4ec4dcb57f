//! Which events of a capture are wanted.

use crate::event::Event;
use crate::fields::Context;
use crate::filter::{Filter, When};

/// How far times can be out of order: events of several CPUs are put in order only so well. After the end
/// of a window it is read on for so long (nanoseconds).
const DISORDER_NS: u64 = 5_000_000_000;

/// A filter and a window.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// What events have to fulfil.
    pub filter: Option<Filter>,
    /// Nothing before it.
    pub from: Option<When>,
    /// Nothing after it.
    pub to: Option<When>,
}

/// Where an event is, seen from a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WindowPosition {
    Before,
    Within,
    After,
    /// After it, and so will be all that follow.
    PastEnd,
}

impl Selection {
    /// Finds where an event is; `first` is the time of the capture's first event.
    #[inline]
    pub(super) fn position(&self, event: &Event<'_>, first: u64) -> WindowPosition {
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

    /// Whether the end of the window is an event's number.
    pub(super) fn ends_by_number(&self) -> bool {
        matches!(self.to, Some(When::Event(_)))
    }

    /// Whether an event of the window passes the filter.
    #[inline]
    pub(super) fn passes(&mut self, cx: &Context<'_>) -> bool {
        self.filter.as_mut().is_none_or(|f| f.matches(cx))
    }
}
