//! Whether two outputs are the same, ties and unordered lists aside.

use std::collections::BTreeMap;

use serde_json::Value;

/// How a chisel's outputs are compared.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    /// Byte by byte.
    Exactly,
    /// The lines, in any order and with a comma at their end or not: they come out as a Lua table has them.
    AnyOrder,
    /// Rows in the order of their value, which is the first column; those of one value in any order. Of
    /// the value at which a table of so many rows ends any rows can be shown.
    Top(usize),
    /// The same with the value in the last column, and all rows.
    Counts,
    /// Objects of progress that say how far reading the file is, then one with everything.
    Summary,
}

impl How {
    /// The difference between two outputs, if there is one.
    pub(super) fn difference(self, theirs: &str, ours: &str) -> Option<String> {
        match self {
            Self::Exactly => exactly(theirs, ours),
            Self::AnyOrder => exactly(&sorted(theirs), &sorted(ours)),
            Self::Top(rows) => ranked(theirs, ours, first_column, rows),
            Self::Counts => ranked(theirs, ours, last_column, usize::MAX),
            Self::Summary => summaries(theirs, ours),
        }
    }
}

/// The first line that differs.
pub(super) fn exactly(theirs: &str, ours: &str) -> Option<String> {
    if theirs == ours {
        return None;
    }
    let (mut their_lines, mut our_lines) = (theirs.lines(), ours.lines());
    for number in 1.. {
        let (theirs, ours) = (their_lines.next(), our_lines.next());
        if theirs != ours {
            return Some(format!("line {number}:\n  {theirs:?}\n  {ours:?}"));
        }
        if theirs.is_none() {
            break;
        }
    }
    Some("the end of a line".to_owned())
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text
        .lines()
        .map(|line| line.trim_end_matches(','))
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn first_column(line: &str) -> &str {
    line.get(..20).unwrap_or(line).trim_end()
}

fn last_column(line: &str) -> &str {
    line.rsplit('\t').next().unwrap_or_default()
}

/// Compares tables that are in the order of a value.
fn ranked(theirs: &str, ours: &str, value: fn(&str) -> &str, limit: usize) -> Option<String> {
    let their_values: Vec<&str> = theirs.lines().map(value).collect();
    let our_values: Vec<&str> = ours.lines().map(value).collect();
    if their_values != our_values {
        return exactly(theirs, ours).or(Some("the values".to_owned()));
    }
    // Two lines are the heading.
    let full = their_values.len() == limit.saturating_add(2);
    let (mut theirs, mut ours) = (by_value(theirs, value), by_value(ours, value));
    if let Some(last) = their_values.last().filter(|_| full) {
        theirs.remove(last);
        ours.remove(last);
    }
    if theirs == ours {
        return None;
    }
    let differ = theirs
        .iter()
        .find(|(value, rows)| ours.get(*value) != Some(rows));
    Some(differ.map_or_else(
        || "the rows".to_owned(),
        |(value, rows)| format!("rows of {value}:\n  {rows:?}\n  {:?}", ours.get(value)),
    ))
}

/// The rows of each value.
fn by_value(text: &str, value: fn(&str) -> &str) -> BTreeMap<&str, Vec<&str>> {
    let mut rows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        rows.entry(value(line)).or_default().push(line);
    }
    rows.values_mut().for_each(|rows| rows.sort_unstable());
    rows
}

/// Compares what `-j` makes of tables: whatever is no such table, exactly.
pub(super) fn json_tables(theirs: &str, ours: &str) -> Option<String> {
    let Ok(their_value) = serde_json::from_str::<Value>(theirs) else {
        return exactly(theirs, ours);
    };
    let ours = match serde_json::from_str::<Value>(ours) {
        Ok(ours) => ours,
        Err(error) => return Some(format!("{error}: {ours}")),
    };
    let (theirs, ours) = (table_of(their_value), table_of(ours));
    (theirs != ours).then(|| format!("\n  {theirs:?}\n  {ours:?}"))
}

/// A table's rows as "heading, line, rows" and everything but them.
fn table_of(mut table: Value) -> (Value, Vec<String>) {
    let rows = table.get_mut("data").map(Value::take).unwrap_or_default();
    let rows = rows.as_array().cloned().unwrap_or_default();
    let mut values: Vec<&Value> = rows
        .iter()
        .filter_map(|row| row.as_array()?.last())
        .collect();
    // Of the last value of a full table any rows can be shown.
    let last = values
        .last()
        .filter(|_| matches!(rows.len(), 10 | 30))
        .copied()
        .cloned();
    values.dedup();
    let mut out: Vec<String> = Vec::new();
    for value in values {
        let with = rows
            .iter()
            .filter(|row| row.as_array().and_then(|r| r.last()) == Some(value));
        let mut with: Vec<String> = match last.as_ref() == Some(value) {
            true => with.map(|_| value.to_string()).collect(),
            false => with.map(Value::to_string).collect(),
        };
        with.sort_unstable();
        out.append(&mut with);
    }
    (table, out)
}

/// Compares what `wsysdig_summary` prints.
fn summaries(theirs: &str, ours: &str) -> Option<String> {
    let (theirs, ours) = (summary(theirs), summary(ours));
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => exactly(&theirs, &ours),
        (theirs, ours) => Some(format!("{:?} {:?}", theirs.err(), ours.err())),
    }
}

/// The last object, its list in the order of the names; fails where progress goes backwards.
fn summary(text: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let slices = value["slices"].as_array().ok_or("no slices")?;
    let progress: Option<Vec<f64>> = slices.iter().map(|s| s["progress"].as_f64()).collect();
    let progress = progress.ok_or("no progress")?;
    if !progress.is_sorted() || progress.last() != Some(&100.0) {
        return Err(format!("progress {progress:?}"));
    }
    let mut last = slices.last().cloned().unwrap_or_default();
    if let Some(metrics) = last["data"]["metrics"].as_array_mut() {
        metrics.sort_by_key(|metric| metric["name"].to_string());
    }
    serde_json::to_string_pretty(&last).map_err(|e| e.to_string())
}
