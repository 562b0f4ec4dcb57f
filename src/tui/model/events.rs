//! The list of a scope's events: a part of it is here, the rest is fetched when it is looked at.

use super::{Model, Request};
use crate::inspect::page::{At, Line, Page};
use crate::replay::Scope;
use crate::stats::table::View;
use crate::tui::message::Command;

/// Lines fetched at a time.
const PAGE: u32 = 600;
/// How many of them come before the one asked for.
const BEFORE: u32 = 200;

/// The list of events.
#[derive(Debug, Default)]
pub(crate) struct EventList {
    /// The lines at hand.
    pub(crate) page: Page,
    /// Whether any lines are of the scope.
    pub(crate) is_there: bool,
    /// The place of the selected event in the list.
    pub(crate) selected: u64,
    /// The place of the first event on the screen.
    pub(crate) top: u64,
    /// Where the selection is to be when the lines come.
    pub(crate) going: Option<At>,
    /// What lines were asked for last.
    asked: Option<(Scope, At)>,
}

impl EventList {
    /// The lines are of another scope: what is looked at has to be found in the new one.
    pub(crate) fn forget(&mut self) {
        if self.going.is_none() {
            self.going = self.selected_line().map(|line| At::Event(line.num));
        }
        self.is_there = false;
    }

    /// Returns the line at a place in the list, if it is at hand.
    pub(crate) fn line(&self, at: u64) -> Option<&Line> {
        let at = at.checked_sub(self.page.first)?;
        self.page.lines.get(usize::try_from(at).ok()?)
    }

    /// Returns the selected line.
    pub(crate) fn selected_line(&self) -> Option<&Line> {
        self.line(self.selected)
    }

    /// Takes lines that were asked for.
    pub(crate) fn take(&mut self, page: Page) {
        if self.going.take().is_some() || !self.is_there {
            let last = page.lines.len().saturating_sub(1);
            self.selected = page.first + page.wanted.min(last) as u64;
            // In the middle of the screen, about; drawing makes it fit.
            self.top = self.selected.saturating_sub(5);
        }
        self.page = page;
        self.is_there = true;
        let end = self.page.first + self.page.lines.len() as u64;
        if self.line(self.selected).is_none() && !self.page.lines.is_empty() {
            self.selected = self.selected.clamp(self.page.first, end - 1);
        }
    }

    /// Moves the part that is shown so that the selected event is in it, and nothing after the last one.
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
    /// How many events the list has, as far as it is known.
    pub(crate) fn listed(&self) -> u64 {
        let here = self.events.page.first + self.events.page.lines.len() as u64;
        self.tally().map_or(0, |tally| tally.events).max(here)
    }

    /// Asks for the lines that are to be shown, if they are not at hand.
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

    /// Shows an event in the list.
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

    /// The time cursor goes with the selected event.
    pub(crate) fn follow_line(&mut self) {
        if let Some(ts) = self.events.selected_line().map(|line| line.ts) {
            self.cursor = ts;
        }
    }
}
