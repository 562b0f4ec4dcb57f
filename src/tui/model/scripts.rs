//! The views described by scripts, and the table of the displayed one.

use super::Model;
use crate::inspect::scripted::Scripted;
use crate::replay::Scope;
use crate::stats::table::{Table, View};
use crate::tui::message::{Command, Request};

/// The views described by scripts.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    /// `None` until the list of views is opened.
    pub(crate) views: Option<Scripted>,
    /// The requested table.
    asked: Option<(View, Scope)>,
    /// Its progress, in percent.
    pub(crate) share: u8,
    /// The last table received, with its view and scope.
    table: Option<(View, Scope, Table)>,
}

impl Scripts {
    /// Takes over a requested table.
    pub(crate) fn take(&mut self, view: View, scope: Scope, table: Table) {
        self.table = Some((view, scope, table));
    }

    /// Returns a view's name and description.
    pub(crate) fn describe(&self, view: View) -> Option<(&str, &str)> {
        self.views.as_ref()?.describe(view)
    }
}

impl Model {
    /// Requests the table of the displayed view, if it is a scripted view and not loaded.
    pub(crate) fn need_scripted(&mut self) -> Option<Command> {
        let View::Scripted(_) = self.view else {
            return None;
        };
        let wanted = (self.view, self.scope());
        let is_there =
            |(view, scope, _): &(View, Scope, Table)| (*view, scope) == (wanted.0, &wanted.1);
        if self.scripts.table.as_ref().is_some_and(is_there) {
            return None;
        }
        if let Some((view, scope)) = &self.scripts.asked {
            // A request that failed would fail again. And the table of a growing capture would be
            // restarted for ever.
            let is_same = *scope == wanted.1;
            let grows = self.follow && scope.filter == wanted.1.filter;
            if *view == wanted.0 && (is_same || grows && self.pending.scripted.is_some()) {
                return None;
            }
        }
        let views = self.scripts.views.clone()?;
        self.scripts.asked = Some(wanted.clone());
        self.scripts.share = 0;
        Some(self.ask(Request::Scripted(views, wanted.0, wanted.1)))
    }

    /// Returns the table of the displayed view, if it is a scripted view and loaded.
    pub(super) fn scripted_table(&self) -> Option<Table> {
        let (view, scope, table) = self.scripts.table.as_ref()?;
        let now = self.scope();
        let is_it = *scope == now || self.follow && scope.filter == now.filter;
        (*view == self.view && is_it).then(|| table.clone())
    }

    /// Returns the progress of the displayed view, in percent; `None` = complete.
    pub(crate) fn counting(&self) -> Option<u64> {
        if let View::Scripted(_) = self.view
            && self.pending.scripted.is_some()
        {
            return Some(self.scripts.share.into());
        }
        match &self.progress {
            _ if self.is_counted() => None,
            Some(progress) if progress.total > 0 => {
                Some((progress.done.saturating_mul(100) / progress.total).min(99))
            }
            _ => Some(0),
        }
    }
}
