//! What changed between two tables of the state.

use std::collections::{BTreeMap, BTreeSet};

use crate::inspect::system_tables::SystemView;
use crate::stats::table::{Cell, Row, Table};

/// A row that is not the same in both tables.
pub(super) struct Change<'t> {
    /// What it was; `None` for what is new.
    pub(super) before: Option<&'t Row>,
    /// What it is; `None` for what is gone.
    pub(super) after: Option<&'t Row>,
}

/// Returns the titles of the columns that tell a row from all others.
fn identity(what: SystemView) -> &'static [&'static str] {
    match what {
        SystemView::Processes | SystemView::Tree => &["PID", "START"],
        SystemView::Threads => &["PID", "TID", "START"],
        SystemView::Files | SystemView::Sockets => &["PID", "FD"],
        SystemView::Users => &["UID", "CONTAINER"],
    }
}

/// Resident memory is only known as of some events, and changes all the time.
const VOLATILE: &str = "RSS";

/// Compares two tables: what was there before, in its order, then what is new.
pub(super) fn changes<'t>(what: SystemView, old: &'t Table, new: &'t Table) -> Vec<Change<'t>> {
    let place = |title: &&str| old.columns.iter().position(|column| column.title == *title);
    let key_places: Vec<usize> = identity(what).iter().filter_map(place).collect();
    let volatile = old
        .columns
        .iter()
        .position(|column| column.title == VOLATILE);
    let key = |row: &'t Row| -> Vec<&'t Cell> {
        let cells = key_places.iter().filter_map(|place| row.cells.get(*place));
        cells.collect()
    };
    let is_same = |a: &Row, b: &Row| {
        let cells = a.cells.iter().zip(&b.cells).enumerate();
        cells
            .into_iter()
            .all(|(place, (a, b))| Some(place) == volatile || a == b)
    };
    let now: BTreeMap<Vec<&Cell>, &Row> = new.rows.iter().map(|row| (key(row), row)).collect();
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    for row in &old.rows {
        let key = key(row);
        let after = now.get(&key).copied();
        if after.is_none_or(|after| !is_same(row, after)) {
            found.push(Change {
                before: Some(row),
                after,
            });
        }
        known.insert(key);
    }
    let is_new = |row: &&'t Row| !known.contains(&key(row));
    found.extend(new.rows.iter().filter(is_new).map(|row| Change {
        before: None,
        after: Some(row),
    }));
    found
}
