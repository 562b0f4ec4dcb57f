//! The event list of a scope: a page of it is loaded, other pages are requested when needed.

use super::{Model, Request};
use crate::inspect::page::{At, Line, Page};
use crate::replay::Scope;
use crate::stats::table::View;
use crate::tui::message::Command;

/// Number of lines per request.
const PAGE: u32 = 600;
/// Number of lines before the requested one.
const BEFORE: u32 = 200;

/// The list of events.
#[derive(Debug, Default)]
pub(crate) struct EventList {
    /// The loaded lines.
    pub(crate) page: Page,
    /// True if the loaded lines are of the current scope.
    pub(crate) is_there: bool,
    /// The index of the selected event in the list.
    pub(crate) selected: u64,
    /// The index of the first event on the screen.
    pub(crate) top: u64,
    /// The position to select when the lines arrive.
    pub(crate) going: Option<At>,
    /// The last request.
    asked: Option<(Scope, At)>,
}

impl EventList {
    /// Marks the lines as outdated after a change of scope: the selected event has to be located in
    /// the new list.
    pub(crate) fn forget(&mut self) {
        if self.going.is_none() {
            self.going = self.selected_line().map(|line| At::Event(line.num));
        }
        self.is_there = false;
    }

    /// Returns the line at an index in the list, if it is loaded.
    pub(crate) fn line(&self, at: u64) -> Option<&Line> {
        let at = at.checked_sub(self.page.first)?;
        self.page.lines.get(usize::try_from(at).ok()?)
    }

    /// Returns the selected line.
    pub(crate) fn selected_line(&self) -> Option<&Line> {
        self.line(self.selected)
    }

    /// Takes over requested lines.
    pub(crate) fn take(&mut self, page: Page) {
        if self.going.take().is_some() || !self.is_there {
            let last = page.lines.len().saturating_sub(1);
            self.selected = page.first + page.wanted.min(last) as u64;
            // Near the middle of the screen; drawing adjusts it.
            self.top = self.selected.saturating_sub(5);
        }
        self.page = page;
        self.is_there = true;
        let end = self.page.first + self.page.lines.len() as u64;
        if self.line(self.selected).is_none() && !self.page.lines.is_empty() {
            self.selected = self.selected.clamp(self.page.first, end - 1);
        }
    }

    /// Scrolls so that the selected event is visible and no space is left after the last one.
    pub(crate) fn show_selected(&mut self, height: u64, listed: u64) {
        let height = height.max(1);
        self.top = self.top.min(listed.saturating_sub(height));
        if self.selected < self.top {
            self.top = self.selected;
        } else if self.selected >= self.top.saturating_add(height) {
            self.top = self.selected + 1 - height;
        }
    }
}

impl Model {
    /// Returns the number of events in the list, as far as known.
    pub(crate) fn listed(&self) -> u64 {
        let here = self.events.page.first + self.events.page.lines.len() as u64;
        self.tally().map_or(0, |tally| tally.events).max(here)
    }

    /// Requests the visible lines, if they are not loaded.
    pub(crate) fn need_page(&mut self) -> Option<Command> {
        if self.view != View::Events {
            return None;
        }
        let list = &self.events;
        let height = u64::from(self.size.1);
        let at = match list.going {
            Some(at) => at,
            None if !list.is_there => At::Time(self.cursor.max(self.range().from)),
            None => {
                let first = list.page.first;
                let end = first + list.page.lines.len() as u64;
                let wants_before = list.top < first;
                let wants_after = list.top.saturating_add(height) > end && end < self.listed();
                if !wants_before && !wants_after {
                    return None;
                }
                At::Index(list.selected)
            }
        };
        let scope = self.scope();
        let asked = Some((scope.clone(), at));
        if self.pending.page.is_some() && self.events.asked == asked {
            return None;
        }
        self.events.asked = asked;
        Some(self.ask(Request::Page {
            scope,
            at,
            before: BEFORE,
            len: PAGE,
        }))
    }

    /// Goes to an event in the list.
    pub(crate) fn go_to(&mut self, at: At) -> Option<Command> {
        if let At::Event(num) = at
            && self.events.is_there
            && let Some(place) = self.events.page.lines.iter().position(|l| l.num == num)
        {
            self.events.selected = self.events.page.first + place as u64;
            self.events.going = None;
            self.follow_line();
            return self.need_page();
        }
        self.events.going = Some(at);
        self.need_page()
    }

    /// Moves the time cursor to the selected event.
    pub(crate) fn follow_line(&mut self) {
        if let Some(ts) = self.events.selected_line().map(|line| line.ts) {
            self.cursor = ts;
        }
    }
}
