//! Tables of the state at an instant: what `ps`, `lsof`, `netstat` and `users` print.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::super::error::CliError;
use super::super::state::{Moment, Want, json_rows, report_omitted};
use crate::inspect::system_tables::{Chosen, History, SystemView};
use crate::sql::{self, Database};
use crate::stats::table::Table;

/// The tables: name, what is in them, and where it comes from.
pub(super) const TABLES: [(&str, &str, What); 6] = [
    (
        "processes",
        "processes, as `scap ps` lists them",
        What::View(SystemView::Processes),
    ),
    (
        "process_history",
        "all processes up to the instant, also ended ones (`ps --history`)",
        What::History,
    ),
    (
        "threads",
        "threads, and the calls that they are in (`ps --threads`)",
        What::View(SystemView::Threads),
    ),
    ("fds", "open files (`lsof`)", What::View(SystemView::Files)),
    (
        "sockets",
        "sockets (`netstat`)",
        What::View(SystemView::Sockets),
    ),
    ("users", "users (`users`)", What::View(SystemView::Users)),
];

/// What is in a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A part of the state.
    View(SystemView),
    /// The processes up to the instant.
    History,
}

/// Adds the tables that a query names. Returns true if the captures are damaged.
pub(super) fn add(
    database: &Database,
    query: &str,
    files: &[PathBuf],
    at: &str,
) -> Result<bool, CliError> {
    let names = sql::names(query);
    let mut is_damaged = false;
    for (name, _, what) in TABLES {
        if !names.iter().any(|other| other == name) {
            continue;
        }
        let tables = match what {
            What::View(view) => {
                let want = match view {
                    SystemView::Threads => Want::Calls,
                    _ => Want::State,
                };
                let moment = Moment::of(files, "--at", at, want)?;
                is_damaged |= moment.is_damaged;
                moment.tables(view, &mut Chosen::default())
            }
            What::History => {
                let mut history = History::of(Chosen::default());
                let moment = Moment::of(files, "--at", at, Want::History(&mut history))?;
                is_damaged |= moment.is_damaged;
                let machines = moment.machines.into_iter().enumerate();
                machines
                    .map(|(origin, machine)| (machine, history.table(Some(origin), false)))
                    .collect()
            }
        };
        let (columns, rows) = rows(&tables);
        let added = database.add_table(name, &columns, &rows);
        added.map_err(|error| CliError::failed(sql::message(&error)))?;
        for (_, table) in tables {
            report_omitted(&[table]);
        }
    }
    Ok(is_damaged)
}

/// Returns the columns and rows of the tables of several machines, with the machine as a column.
fn rows(tables: &[(Option<String>, Table)]) -> (Vec<String>, Vec<Vec<Value>>) {
    let mut columns = Vec::new();
    let mut all = Vec::new();
    for (machine, table) in tables {
        let (names, rows) = json_rows(table);
        let row = |mut row: Map<String, Value>| {
            let cells = names
                .iter()
                .map(|name| row.remove(name).unwrap_or_default());
            let mut cells: Vec<Value> = cells.collect();
            cells.push(machine.clone().into());
            cells
        };
        all.extend(rows.into_iter().map(row));
        columns = names;
    }
    columns.push("machine".to_owned());
    (columns, all)
}
