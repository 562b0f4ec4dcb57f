//! The views that scripts describe, and the table of the one that is shown.

use super::Model;
use crate::inspect::scripted::Scripted;
use crate::replay::Scope;
use crate::stats::table::{Table, View};
use crate::tui::message::{Command, Request};

/// The views that scripts describe.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    /// `None` until somebody wanted to see them.
    pub(crate) views: Option<Scripted>,
    /// What a table was asked for.
    asked: Option<(View, Scope)>,
    /// How far it is, in percent.
    pub(crate) share: u8,
    /// The table that came last, and of what it is.
    table: Option<(View, Scope, Table)>,
}

impl Scripts {
    /// Takes a table that was asked for.
    pub(crate) fn take(&mut self, view: View, scope: Scope, table: Table) {
        self.table = Some((view, scope, table));
    }

    /// Returns a view's name and what it shows.
    pub(crate) fn describe(&self, view: View) -> Option<(&str, &str)> {
        self.views.as_ref()?.describe(view)
    }
}

impl Model {
    /// Asks for the table of the view that is shown, if it is a script's and is not at hand.
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
            // What was asked for and did not come would not come the next time either. And a capture that grows
            // would begin anew for ever.
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

    /// Returns the table of the view that is shown, if it is a script's and at hand.
    pub(super) fn scripted_table(&self) -> Option<Table> {
        let (view, scope, table) = self.scripts.table.as_ref()?;
        let now = self.scope();
        let is_it = *scope == now || self.follow && scope.filter == now.filter;
        (*view == self.view && is_it).then(|| table.clone())
    }

    /// Returns how far the counting is of what is shown, in percent; `None` = it is done.
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
