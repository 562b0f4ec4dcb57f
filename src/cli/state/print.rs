//! Tables of the state as text and JSON.

use serde_json::{Map, Value, json};

use super::diff::Change;
use crate::cli::error::CliError;
use crate::cli::output::{Output, ascii_json};
use crate::cli::table::{self, Side, UNKNOWN};
use crate::event::number::grouped;
use crate::event::text;
use crate::event::time::LocalClock;
use crate::state::Text;
use crate::stats::table::{Cell, Column, Row, Table};

/// Deepest level of a tree that is shown by indentation.
const MAX_DEPTH: u16 = 40;

/// Prints a table, under the name of the machine if there is one.
pub(super) fn table(
    output: &mut Output,
    machine: Option<&str>,
    table: &Table,
    json: bool,
) -> Result<(), CliError> {
    if json {
        for row in &table.rows {
            line(output, machine, row_json(table.columns, row))?;
        }
        return Ok(());
    }
    let columns = shown(table.columns, table.rows.iter());
    let rows: Vec<Vec<String>> = table.rows.iter().map(|row| cells(&columns, row)).collect();
    heading(output, machine);
    table::write(output.buffer(), &head(&columns), &rows);
    output.written().map_err(|error| CliError::output(&error))
}

/// Prints what changed.
pub(super) fn changes(
    output: &mut Output,
    machine: Option<&str>,
    changes: &[Change<'_>],
    of: &Table,
    json: bool,
) -> Result<(), CliError> {
    if json {
        for change in changes {
            let row =
                |row: Option<&Row>| row.map_or(Value::Null, |row| row_json(of.columns, row).into());
            let mut object = Map::new();
            object.insert("before".to_owned(), row(change.before));
            object.insert("after".to_owned(), row(change.after));
            line(output, machine, object)?;
        }
        return Ok(());
    }
    let mut all: Vec<(&str, &Row)> = Vec::new();
    for change in changes {
        all.extend(change.before.map(|row| ("-", row)));
        all.extend(change.after.map(|row| ("+", row)));
    }
    let columns = shown(of.columns, all.iter().map(|(_, row)| *row));
    let rows = all.iter().map(|(sign, row)| {
        let mut cells = cells(&columns, row);
        cells.insert(0, (*sign).to_owned());
        cells
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let mut head = head(&columns);
    head.insert(0, ("", Side::Left));
    heading(output, machine);
    table::write(output.buffer(), &head, &rows);
    output.written().map_err(|error| CliError::output(&error))
}

fn heading(output: &mut Output, machine: Option<&str>) {
    if let Some(machine) = machine {
        let out = output.buffer();
        out.extend_from_slice(b"# ");
        text::escape(out, machine.as_bytes());
        out.push(b'\n');
    }
}

/// Returns the columns that are shown, with their places: an optional one only if it has a value.
fn shown<'t>(
    columns: &'static [Column],
    rows: impl Iterator<Item = &'t Row> + Clone,
) -> Vec<(usize, &'static Column)> {
    let has_value = |place: usize| {
        let mut cells = rows.clone().filter_map(|row| row.cells.get(place));
        cells.any(|cell| *cell != Cell::Empty)
    };
    let all = columns.iter().enumerate();
    all.filter(|(place, column)| !column.optional || has_value(*place))
        .collect()
}

fn head(columns: &[(usize, &'static Column)]) -> Vec<(&'static str, Side)> {
    let side = |column: &Column| match column.title {
        _ if column.width == 0 => Side::Whole,
        "PID" | "PPID" | "TID" | "STATUS" | "THR" | "FDS" | "RSS" | "FD" | "UID" | "GID"
        | "PROCS" => Side::Right,
        _ => Side::Left,
    };
    columns
        .iter()
        .map(|(_, column)| (column.title, side(column)))
        .collect()
}

fn cells(columns: &[(usize, &'static Column)], row: &Row) -> Vec<String> {
    let cell = |(place, column): &(usize, &Column)| {
        let text = row.cells.get(*place).map_or_else(String::new, cell_text);
        match column.title {
            "NAME" => format!("{}{text}", "  ".repeat(row.depth.min(MAX_DEPTH).into())),
            _ => text,
        }
    };
    columns.iter().map(cell).collect()
}

/// Returns a value as text, escaped.
fn cell_text(cell: &Cell) -> String {
    match cell {
        Cell::Empty => UNKNOWN.to_owned(),
        Cell::Text(bytes) => escaped(bytes),
        Cell::List(texts, more) => {
            let texts: Vec<String> = texts.iter().map(|text| escaped(text)).collect();
            let rest = if *more { ", \u{2026}" } else { "" };
            format!("{}{rest}", texts.join(", "))
        }
        Cell::Timed(texts, more) => {
            let mut all = String::new();
            for (place, (ns, text)) in texts.iter().enumerate() {
                if place > 0 {
                    all += &format!("; {} ", iso8601(*ns));
                }
                all += &escaped(text);
            }
            if *more {
                all += "; \u{2026}";
            }
            all
        }
        // It is escaped already.
        Cell::Rendered(text) => String::from_utf8_lossy(text).into_owned(),
        Cell::Word(word) | Cell::Ranked(_, word) => (*word).to_owned(),
        Cell::Id(id) => id.to_string(),
        Cell::Count(count) => grouped(*count),
        Cell::Hundredths(value) => format!("{}.{:02}", value / 100, value % 100),
        Cell::Bytes(bytes) => format!("{}K", bytes / 1024),
        Cell::Duration(ns) => format!("{ns}ns"),
        Cell::Time(ns) => iso8601(*ns),
    }
}

fn iso8601(ns: u64) -> String {
    let mut out = Vec::new();
    LocalClock::default().iso8601(&mut out, ns);
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns text from a capture; empty text is shown as unknown.
fn escaped(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return UNKNOWN.to_owned();
    }
    let mut out = Vec::new();
    text::escape_exact(&mut out, bytes);
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns the members of a row, by the titles of the columns.
pub(super) fn row_json(columns: &'static [Column], row: &Row) -> Map<String, Value> {
    let members = columns.iter().zip(&row.cells);
    members
        .map(|(column, cell)| (member(column.title), value(cell)))
        .collect()
}

/// Returns the name of a column's member.
pub(super) fn member(title: &str) -> String {
    match title {
        "THR" => "threads".to_owned(),
        "PROCS" => "processes".to_owned(),
        "RSS" => "rss_bytes".to_owned(),
        title => title.to_ascii_lowercase().replace(' ', "_"),
    }
}

fn value(cell: &Cell) -> Value {
    // What is no text has its bytes escaped, as in the table.
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => escaped(bytes),
    };
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(bytes) | Cell::Rendered(bytes) => text(bytes).into(),
        Cell::List(texts, _) => texts.iter().map(|one| Value::from(text(one))).collect(),
        Cell::Timed(texts, more) => {
            let from = |ns: u64| (ns > 0).then(|| iso8601(ns));
            let entry = |(ns, one): &(u64, Text)| json!({"from": from(*ns), "value": text(one)});
            let mut all: Vec<Value> = texts.iter().map(entry).collect();
            all.extend(more.then(|| json!({"more": true})));
            all.into()
        }
        Cell::Word(word) | Cell::Ranked(_, word) => (*word).into(),
        Cell::Id(id) => (*id).into(),
        Cell::Count(n) | Cell::Hundredths(n) | Cell::Bytes(n) | Cell::Duration(n) => (*n).into(),
        Cell::Time(ns) => iso8601(*ns).into(),
    }
}

fn line(
    output: &mut Output,
    machine: Option<&str>,
    mut object: Map<String, Value>,
) -> Result<(), CliError> {
    if let Some(machine) = machine {
        object.insert("machine".to_owned(), json!(machine));
    }
    let json = serde_json::to_string(&object);
    let json = json.map_err(|error| CliError::failed(format!("cannot write JSON: {error}")))?;
    ascii_json(output.buffer(), &json);
    output.buffer().push(b'\n');
    output.written().map_err(|error| CliError::output(&error))
}
