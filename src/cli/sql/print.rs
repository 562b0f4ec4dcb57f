//! The results of queries.

use std::io::IsTerminal as _;

use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};

use super::super::error::CliError;
use super::super::output::{Output, ascii_json};
use super::super::table::{self, Side};
use crate::event::text;
use crate::sql;

/// Rows of a table that have their columns aligned together.
const BATCH: usize = 10_000;
/// Longest value in a table, in characters.
const MAX_WIDTH: usize = 200;

/// The form of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Aligned columns
    Table,
    /// Comma-separated values
    Csv,
    /// A JSON object per line
    Jsonl,
    /// A table in Markdown
    Markdown,
}

/// Prints all rows of a query. Returns how many there are.
pub(super) fn rows(statement: &mut Statement<'_>, format: Format) -> Result<u64, CliError> {
    let names: Vec<String> = statement
        .column_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut output = Output::new();
    let is_terminal = std::io::stdout().is_terminal();
    let failed = |error: rusqlite::Error| CliError::failed(sql::message(&error));
    let mut rows = statement.query([]).map_err(failed)?;
    let mut printed = Printer {
        format,
        is_terminal,
        names,
        batch: Vec::new(),
        is_begun: false,
    };
    let mut count = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        printed.row(output.buffer(), row).map_err(failed)?;
        output.written().map_err(|e| CliError::output(&e))?;
        count += 1;
    }
    printed.end(output.buffer());
    output.finish()?;
    Ok(count)
}

struct Printer {
    format: Format,
    is_terminal: bool,
    names: Vec<String>,
    /// Rows of a table that wait until the width of its columns is known.
    batch: Vec<Vec<String>>,
    is_begun: bool,
}

impl Printer {
    fn row(&mut self, out: &mut Vec<u8>, row: &Row<'_>) -> rusqlite::Result<()> {
        match self.format {
            Format::Table => {
                let mut cells = Vec::new();
                for place in 0..self.names.len() {
                    cells.push(shown(row.get_ref(place)?));
                }
                self.batch.push(cells);
                if self.batch.len() >= BATCH {
                    self.flush(out);
                }
            }
            Format::Markdown => {
                self.begin(out);
                for place in 0..self.names.len() {
                    let cell = shown(row.get_ref(place)?).replace('|', "\\|");
                    out.extend_from_slice(format!("| {cell} ").as_bytes());
                }
                out.extend_from_slice(b"|\n");
            }
            Format::Csv => {
                self.begin(out);
                for place in 0..self.names.len() {
                    if place > 0 {
                        out.push(b',');
                    }
                    self.csv(out, &plain(row.get_ref(place)?).unwrap_or_default());
                }
                out.extend_from_slice(b"\r\n");
            }
            Format::Jsonl => {
                out.push(b'{');
                for (place, name) in self.names.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    json(out, &serde_json::Value::from(name.as_str()));
                    out.push(b':');
                    json(out, &json_value(row.get_ref(place)?));
                }
                out.extend_from_slice(b"}\n");
            }
        }
        Ok(())
    }

    /// Appends the names of the columns before the first row.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.is_begun, true) {
            return;
        }
        match self.format {
            Format::Csv => {
                for (place, name) in self.names.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    self.csv(out, name);
                }
                out.extend_from_slice(b"\r\n");
            }
            Format::Markdown => {
                let names = self
                    .names
                    .iter()
                    .map(|name| escaped(name).replace('|', "\\|"));
                let names: Vec<String> = names.collect();
                let lines = vec!["---"; names.len()];
                let head = format!("| {} |\n| {} |\n", names.join(" | "), lines.join(" | "));
                out.extend_from_slice(head.as_bytes());
            }
            Format::Table | Format::Jsonl => {}
        }
    }

    fn csv(&self, out: &mut Vec<u8>, value: &str) {
        // A terminal would obey control characters.
        let value = match self.is_terminal {
            true => escaped(value),
            false => value.to_owned(),
        };
        match value.contains([',', '"', '\n', '\r']) {
            true => out.extend_from_slice(format!("\"{}\"", value.replace('"', "\"\"")).as_bytes()),
            false => out.extend_from_slice(value.as_bytes()),
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        let is_number = |place: usize| {
            let mut cells = self.batch.iter().filter_map(|row| row.get(place));
            cells.all(|cell| cell.is_empty() || cell.parse::<f64>().is_ok())
        };
        let names: Vec<String> = self.names.iter().map(|name| escaped(name)).collect();
        let head: Vec<(&str, Side)> = names
            .iter()
            .enumerate()
            .map(|(place, name)| match is_number(place) {
                true => (&**name, Side::Right),
                // The last one is not cut.
                false if place + 1 == names.len() => (&**name, Side::Whole),
                false => (&**name, Side::Left),
            })
            .collect();
        table::write(out, &head, &self.batch);
        self.batch.clear();
        self.is_begun = true;
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        match self.format {
            Format::Table if !self.batch.is_empty() || !self.is_begun => self.flush(out),
            _ => self.begin(out),
        }
    }
}

/// Returns a value as text; `None`: NULL.
fn plain(value: ValueRef<'_>) -> Option<String> {
    Some(match value {
        ValueRef::Null => return None,
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    text::escape_exact(&mut out, text.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns a value for a table.
fn shown(value: ValueRef<'_>) -> String {
    let text = plain(value).map_or_else(String::new, |text| escaped(&text));
    match text.char_indices().nth(MAX_WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn json_value(value: ValueRef<'_>) -> serde_json::Value {
    match value {
        ValueRef::Integer(value) => value.into(),
        ValueRef::Real(value) => value.into(),
        value => plain(value).into(),
    }
}

fn json(out: &mut Vec<u8>, value: &serde_json::Value) {
    // Texts and numbers can always be written.
    ascii_json(out, &serde_json::to_string(value).unwrap_or_default());
}
