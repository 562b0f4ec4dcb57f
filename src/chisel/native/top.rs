//! `scap.top`: the largest values by key, like sysdig's `top…` chisels.

use mlua::Table;

use super::{Unit, keys};
use crate::chisel::error::ApiError;
use crate::chisel::view::{
    Aggregation, ColumnInfo, ViewError, ViewErrorKind, ViewInfo, ViewOptions, ViewRows, ViewTable,
};
use crate::event::{number, text};
use crate::format::json;

/// Members of the script's description.
const MEMBERS: &[&str] = &[
    "by", "columns", "every", "limit", "optional", "sum", "title", "unit", "value", "where",
];
/// Default limit of the rows shown.
const LIMIT: usize = 10;
/// Width of a column, as in sysdig.
const WIDTH: usize = 20;
/// Length of the line below the headings.
const LINE: usize = 80;
const NS_PER_S: f64 = 1e9;
/// Counts events.
const COUNT: &str = "evt.count";

/// A table of the largest values.
pub(in crate::chisel) struct Top {
    pub(in crate::chisel) table: ViewTable,
    /// Nanoseconds between two tables of live events.
    pub(in crate::chisel) every: u64,
    unit: Unit,
    limit: usize,
    /// Fields of the keys, for JSON.
    by: Vec<String>,
    /// The field of the value, for JSON.
    of: String,
}

impl Top {
    /// Reads the description of a script.
    pub(in crate::chisel) fn from_script(described: &Table) -> mlua::Result<Self> {
        keys::check_members(described, MEMBERS)?;
        let wrong = |text: &str| mlua::Error::from(ApiError::Wrong(text.to_owned()));
        let by = keys::texts(described, "by")?;
        if by.is_empty() {
            return Err(wrong("`by` is missing: the key field"));
        }
        let sum = keys::text(described, "sum")?;
        let value = keys::text(described, "value")?;
        let aggregation = match value.as_deref() {
            None | Some("sum") => Aggregation::Sum,
            Some("count") if sum.is_none() => Aggregation::Sum,
            Some("count") => return Err(wrong("`value` is `count`, which needs no `sum`")),
            Some("max") => Aggregation::Max,
            Some("avg") => Aggregation::Average,
            Some(_) => return Err(wrong("`value` is `sum`, `max`, `avg` or `count`")),
        };
        if sum.is_none() && !matches!(value.as_deref(), None | Some("count")) {
            return Err(wrong("`sum` is missing: the field to aggregate"));
        }
        let unit = keys::text(described, "unit")?.unwrap_or_else(|| "none".to_owned());
        let unit = Unit::parse(&unit)?;
        let of = sum.unwrap_or_else(|| COUNT.to_owned());
        let optional = keys::texts(described, "optional")?;
        let title = keys::text(described, "title")?;
        let mut headings = keys::texts(described, "columns")?.into_iter();
        let mut columns = vec![ColumnInfo {
            name: title.unwrap_or_else(|| of.clone()),
            field: of.clone(),
            is_sorting: true,
            aggregation,
            ..ColumnInfo::default()
        }];
        for field in &by {
            let key = ColumnInfo {
                field: field.clone(),
                is_key: true,
                can_lack: optional.contains(field),
                ..ColumnInfo::default()
            };
            columns.push(ColumnInfo {
                name: headings.next().unwrap_or_else(|| field.clone()),
                is_key: false,
                ..key.clone()
            });
            columns.push(key);
        }
        let info = ViewInfo {
            filter: keys::text(described, "where")?,
            columns,
            ..ViewInfo::default()
        };
        let table = ViewTable::with_keys(info, ViewOptions::default(), None).map_err(api_error)?;
        let limit = keys::number(described, "limit")?;
        let every = keys::number(described, "every")?.unwrap_or(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and is not negative"
        )]
        Ok(Self {
            table,
            every: (every * NS_PER_S) as u64,
            unit,
            limit: limit.map_or(LIMIT, |limit| limit as usize),
            by,
            of,
        })
    }

    /// Prints the table; returns the number of omitted events.
    pub(super) fn print(&mut self, out: &mut Vec<u8>, span: (u64, u64), as_json: bool) -> u64 {
        let mut rows = self.table.rows(span.0, span.1);
        // Rows without a value are not listed.
        rows.retain(0, |value| value > 0.0);
        let shown = match self.limit {
            0 => rows.len(),
            limit => limit.min(rows.len()),
        };
        if as_json {
            self.write_json(out, &rows, shown, span.1);
        } else {
            self.write_text(out, &rows, shown);
        }
        rows.left_out()
    }

    fn write_text(&self, out: &mut Vec<u8>, rows: &ViewRows, shown: usize) {
        let last = rows.columns().len().saturating_sub(1);
        for (index, column) in rows.columns().iter().enumerate() {
            let mut heading = Vec::new();
            text::escape(&mut heading, column.name.as_bytes());
            cell(out, &heading, index == last);
        }
        out.push(b'\n');
        out.resize(out.len() + LINE, b'-');
        out.push(b'\n');
        let mut value = Vec::new();
        for row in 0..shown {
            value.clear();
            self.unit.write(&mut value, rows.number(row, 0));
            cell(out, &value, false);
            for column in 1..=last {
                value.clear();
                rows.plain(&mut value, row, column);
                cell(out, &value, column == last);
            }
            out.push(b'\n');
        }
    }

    /// JSON like that of sysdig's scripts: keys are texts, the value comes last.
    fn write_json(&self, out: &mut Vec<u8>, rows: &ViewRows, shown: usize, time: u64) {
        number::display(out, format_args!("{{\"ts\":\"{time}\",\"data\":["));
        let mut value = Vec::new();
        for row in 0..shown {
            out.extend_from_slice(if row == 0 { b"[" } else { b",[" });
            for column in 1..rows.columns().len() {
                value.clear();
                rows.raw(&mut value, row, column);
                json::string(out, &value);
                out.push(b',');
            }
            let number = rows.number(row, 0);
            number::display(out, format_args!("{number}]"));
        }
        out.extend_from_slice(b"],\"info\":[");
        let fields = self.by.iter().map(|field| (field, true));
        let fields = fields.chain([(&self.of, false)]);
        // The value is the first column of the rows and the last one here.
        let headings = rows.columns().iter().skip(1).chain(rows.columns().first());
        for (index, ((field, is_key), column)) in fields.zip(headings).enumerate() {
            out.extend_from_slice(if index == 0 {
                b"{\"name\":"
            } else {
                b",{\"name\":"
            });
            json::string(out, field.as_bytes());
            out.extend_from_slice(b",\"desc\":");
            json::string(out, column.name.as_bytes());
            number::display(out, format_args!(",\"is_key\":{is_key}}}"));
        }
        out.extend_from_slice(b"]}\n");
    }
}

/// Appends a value, padded to the width of a column; a longer one is followed by one space.
fn cell(out: &mut Vec<u8>, value: &[u8], is_last: bool) {
    let width = value.utf8_chunks().map(|c| c.valid().chars().count()).sum();
    out.extend_from_slice(value);
    if !is_last {
        out.resize(out.len() + WIDTH.saturating_sub(width).max(1), b' ');
    }
}

/// Converts an error of the table to an error of the script's description.
fn api_error(error: ViewError) -> mlua::Error {
    match error.kind {
        ViewErrorKind::Field(error) => ApiError::Field(error),
        ViewErrorKind::FilterOnly(field) => ApiError::FilterOnly(field),
        ViewErrorKind::Filter { text, error } => ApiError::Filter { text, error },
        other => ApiError::Wrong(other.to_string()),
    }
    .into()
}
