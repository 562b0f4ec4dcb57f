//! Reads the tables in which scripts describe native work.

use mlua::{Table, Value};

use crate::chisel::error::ApiError;

/// Limit of the key fields.
const MAX_KEYS: usize = 8;

/// Rejects unknown members in the table of a script.
pub(super) fn check_members(table: &Table, known: &[&str]) -> mlua::Result<()> {
    for pair in table.pairs::<Value, Value>() {
        let (name, _) = pair?;
        let is_known = match &name {
            Value::String(name) => known
                .iter()
                .any(|known| name.as_bytes() == known.as_bytes()),
            _ => false,
        };
        if !is_known {
            let name = name.to_string()?;
            let text = format!(
                "`{name}` means nothing here: there are {}",
                known.join(", ")
            );
            return Err(ApiError::Wrong(text).into());
        }
    }
    Ok(())
}

/// Reads a text.
pub(super) fn text(table: &Table, name: &str) -> mlua::Result<Option<String>> {
    match table.raw_get::<Value>(name)? {
        Value::Nil => Ok(None),
        Value::String(text) => Ok(Some(text.to_string_lossy())),
        other => Err(wrong(name, "a string", &other)),
    }
}

/// Reads a number that is not negative.
pub(super) fn number(table: &Table, name: &str) -> mlua::Result<Option<f64>> {
    let number = match table.raw_get::<Value>(name)? {
        Value::Nil => return Ok(None),
        Value::Number(number) => number,
        Value::Integer(number) => f64::from(i32::try_from(number).unwrap_or(i32::MAX)),
        other => return Err(wrong(name, "a number", &other)),
    };
    if number.is_finite() && number >= 0.0 {
        return Ok(Some(number));
    }
    let text = format!("`{name}` cannot be {number}");
    Err(ApiError::Wrong(text).into())
}

/// Reads a text, or a list of texts.
pub(super) fn texts(table: &Table, name: &str) -> mlua::Result<Vec<String>> {
    let list = match table.raw_get::<Value>(name)? {
        Value::Nil => return Ok(Vec::new()),
        Value::String(text) => return Ok(vec![text.to_string_lossy()]),
        Value::Table(list) => list,
        other => return Err(wrong(name, "a string or a table of them", &other)),
    };
    let mut texts = Vec::new();
    for index in 1..=list.raw_len() {
        if texts.len() >= MAX_KEYS {
            let text = format!("`{name}` has more than {MAX_KEYS}");
            return Err(ApiError::Wrong(text).into());
        }
        match list.raw_get::<Value>(index)? {
            Value::String(text) => texts.push(text.to_string_lossy()),
            other => return Err(wrong(name, "a string or a table of them", &other)),
        }
    }
    Ok(texts)
}

fn wrong(name: &str, expected: &str, found: &Value) -> mlua::Error {
    let text = format!("`{name}` has to be {expected}, not {}", found.type_name());
    ApiError::Wrong(text).into()
}
