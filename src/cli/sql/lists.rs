//! Lists that queries can join: `--table name=file`.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Map, Value};

use super::super::error::CliError;
use crate::sql::Database;

/// Largest file, most rows and most columns of a list.
const MAX_BYTES: u64 = 256 << 20;
const MAX_COLUMNS: usize = 200;

/// A name and a file.
#[derive(Clone, Debug)]
pub(super) struct List {
    name: String,
    path: PathBuf,
}

impl FromStr for List {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(Self {
                name: name.to_owned(),
                path: path.into(),
            }),
            _ => Err("write NAME=FILE".to_owned()),
        }
    }
}

/// Rows of texts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl List {
    /// Adds the list to a database as a table.
    pub(super) fn add(&self, database: &Database) -> Result<(), CliError> {
        let shown = self.path.display();
        let failed = |error: String| CliError::failed(format!("{shown}: {error}"));
        let rows = read(&self.path).map_err(failed)?;
        let added = database.add_table(&self.name, &rows.columns, &rows.rows);
        added.map_err(|error| failed(error.to_string()))
    }
}

fn read(path: &Path) -> Result<Rows, String> {
    let len = fs::metadata(path).map_err(|e| e.to_string())?.len();
    if len > MAX_BYTES {
        return Err(format!("it is larger than {} MiB", MAX_BYTES >> 20));
    }
    let text = fs::read(path).map_err(|e| e.to_string())?;
    let text = String::from_utf8(text).map_err(|_| "it is not valid UTF-8")?;
    let text = text.trim_start_matches('\u{feff}');
    let rows = match text.trim_start().as_bytes().first() {
        Some(b'[') => objects(serde_json::from_str(text).map_err(|e| e.to_string())?),
        Some(b'{') => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            let parsed = lines.map(serde_json::from_str);
            objects(
                parsed
                    .collect::<Result<_, _>>()
                    .map_err(|e| e.to_string())?,
            )
        }
        Some(_) => csv(text),
        None => Err("it is empty".to_owned()),
    }?;
    if rows.columns.len() > MAX_COLUMNS {
        return Err(format!("it has more than {MAX_COLUMNS} columns"));
    }
    Ok(rows)
}

/// Makes rows of JSON objects. Other JSON is a list of one column, `value`.
fn objects(list: Vec<Value>) -> Result<Rows, String> {
    let mut rows = Rows::default();
    let objects: Vec<Map<String, Value>> = list
        .into_iter()
        .map(|value| match value {
            Value::Object(object) => object,
            value => Map::from_iter([("value".to_owned(), value)]),
        })
        .collect();
    for name in objects.iter().flat_map(Map::keys) {
        if !rows.columns.contains(name) {
            rows.columns.push(name.clone());
            if rows.columns.len() > MAX_COLUMNS {
                break;
            }
        }
    }
    if rows.columns.is_empty() {
        return Err("it has no columns".to_owned());
    }
    for object in objects {
        let value = |name: &String| object.get(name).cloned().unwrap_or_default();
        rows.rows.push(rows.columns.iter().map(value).collect());
    }
    Ok(rows)
}

/// Reads comma-separated values as in RFC 4180; the first row has the names of the columns.
fn csv(text: &str) -> Result<Rows, String> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (value, after) = value(rest)?;
        record.push(value);
        if let Some(after) = after.strip_prefix(',') {
            rest = after;
            if rest.is_empty() {
                record.push(String::new());
            }
            continue;
        }
        rest = after
            .strip_prefix("\r\n")
            .or_else(|| after.strip_prefix('\n'))
            .unwrap_or(after);
        records.push(std::mem::take(&mut record));
    }
    if !record.is_empty() {
        records.push(record);
    }
    let mut records = records.into_iter();
    let columns = records.next().unwrap_or_default();
    let columns: Vec<String> = columns.iter().map(|name| name.trim().to_owned()).collect();
    let mut rows = Vec::new();
    for (number, record) in records.enumerate() {
        if record == [""] {
            continue;
        }
        if record.len() != columns.len() {
            let (has, number) = (record.len(), number + 2);
            return Err(format!(
                "row {number} has {has} values, not {}",
                columns.len()
            ));
        }
        rows.push(record.into_iter().map(Value::from).collect());
    }
    Ok(Rows { columns, rows })
}

/// Takes a value, and returns what follows it: a comma, the end of a line, or nothing.
fn value(text: &str) -> Result<(String, &str), String> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\n', '\r']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Ok((value.to_owned(), rest));
    };
    let mut value = String::new();
    loop {
        let end = rest.find('"').ok_or("a quote is not closed")?;
        let (part, after) = rest.split_at(end);
        value.push_str(part);
        rest = after.get(1..).unwrap_or_default();
        match rest.strip_prefix('"') {
            Some(after) => {
                value.push('"');
                rest = after;
            }
            None if rest.is_empty() || rest.starts_with([',', '\n', '\r']) => {
                return Ok((value, rest));
            }
            None => return Err("text follows a closed quote".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_read() {
        let rows = csv("ip,note\r\n10.0.0.1,\"a, \"\"b\"\"\nc\"\n10.0.0.2,\n\n").unwrap();
        assert_eq!(rows.columns, ["ip", "note"]);
        let some = |text: &str| Value::from(text);
        assert_eq!(
            rows.rows,
            [
                [some("10.0.0.1"), some("a, \"b\"\nc")],
                [some("10.0.0.2"), some("")]
            ]
        );
        for wrong in ["a,b\n1\n", "a\n\"1\n", "a\n\"1\"x\n"] {
            assert!(csv(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn json_is_read() {
        let list = serde_json::from_str(r#"[{"ip":"1.1.1.1"},{"n":5,"ip":null},"x"]"#).unwrap();
        let rows = objects(list).unwrap();
        assert_eq!(rows.columns, ["ip", "n", "value"]);
        assert_eq!(rows.rows[1], [Value::Null, 5.into(), Value::Null]);
        assert_eq!(rows.rows[2][2], "x");
    }
}
