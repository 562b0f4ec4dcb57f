//! Output of finished rows like `csysdig`: raw, and as JSON.

use std::io::{self, Write};

use scap_capture_format::schema::PrintFormat;

use super::cell::{Cell, Slot};
use super::column::{ShownColumn, plain};
use super::info::{ViewInfo, ViewKind, join};
use super::shown::ViewRows;
use crate::event::number;
use crate::fields::{FieldInfo, FieldType};
use crate::format::json;

/// Width of a number.
const WIDTH: usize = 10;
/// The line above and below a table.
const LINE: &[u8] = b"----------------------\n";
/// Placeholder of a row's key in the drill-down filter; sysdig's readers of this JSON expect it.
const KEY_PLACE: &str = "@#$f1CA^&;";

impl ViewRows {
    /// Writes the rows like `csysdig --raw`: one line each, numbers ten wide.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_raw(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(LINE)?;
        let (mut line, mut value) = (Vec::new(), Vec::new());
        for (_, cells) in self.slots() {
            line.clear();
            for (column, slot) in self.columns.iter().zip(cells) {
                value.clear();
                column.write(&mut value, slot);
                if column.is_number() {
                    line.resize(line.len() + WIDTH.saturating_sub(value.len()), b' ');
                }
                line.extend_from_slice(&value);
                line.push(b' ');
            }
            line.push(b'\n');
            out.write_all(&line)?;
        }
        out.write_all(LINE)
    }

    /// Writes the rows like `csysdig --json`; `target` is the drill-down target.
    ///
    /// As in csysdig, whole numbers are sums, even in columns per second or with averages.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_json(&self, out: &mut dyn Write, target: Option<&ViewInfo>) -> io::Result<()> {
        out.write_all(b"{\"slices\": [\n{\"progress\": 0},\n{\"progress\": 100, ")?;
        let (mut line, mut value) = (Vec::new(), Vec::new());
        for (index, (key, cells)) in self.slots().enumerate() {
            line.clear();
            line.extend_from_slice(if index == 0 { b"\"data\": [\n" } else { b",\n" });
            line.extend_from_slice(b"{\"d\":[");
            for (place, (column, slot)) in self.columns.iter().zip(cells).enumerate() {
                if place > 0 {
                    line.push(b',');
                }
                column.write_json(&mut line, slot, &mut value);
            }
            line.extend_from_slice(b"],\"k\":");
            json_text(&mut line, key, self.key);
            line.push(b'}');
            out.write_all(&line)?;
        }
        if !self.is_empty() {
            out.write_all(b"],\n")?;
        }
        write!(out, "\"count\": {}, ", self.len())?;
        if self.left_out() > 0 {
            write!(out, "\"leftOut\": {}, ", self.left_out())?;
        }
        line.clear();
        self.write_info(&mut line, target);
        out.write_all(&line)?;
        out.write_all(b"}\n]}\n")
    }

    fn write_info(&self, out: &mut Vec<u8>, target: Option<&ViewInfo>) {
        out.extend_from_slice(b"\"info\": {\"appliesTo\":[");
        for (index, field) in self.info.applies_to.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            json::string(out, field.as_bytes());
        }
        match self.info.key_field(self.options) {
            Some(field) => {
                out.extend_from_slice(b"],\"canDrillDown\":true,\"drillDownKeyField\":");
                json::string(out, field.as_bytes());
                if self.info.kind == ViewKind::Table {
                    self.write_templates(out, target);
                }
            }
            None => out.extend_from_slice(b"],\"canDrillDown\":false"),
        }
        out.extend_from_slice(b",\"legend\":[");
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"format\":\"");
            out.extend_from_slice(format_name(column.field).as_bytes());
            out.extend_from_slice(b"\",\"name\":");
            json::string(out, column.name.as_bytes());
            out.extend_from_slice(b",\"size\":");
            number::dec(out, column.size.map_or(-1, i64::from));
            out.extend_from_slice(b",\"type\":\"");
            out.extend_from_slice(type_name(column.field.ty).as_bytes());
            out.extend_from_slice(b"\"}");
        }
        // Column 0 is the key.
        number::display(
            out,
            format_args!("],\"sortingCol\":{}}}", self.sorting() + 1),
        );
    }

    /// Appends the filters of the drill-down target, without and with its own filter.
    fn write_templates(&self, out: &mut Vec<u8>, target: Option<&ViewInfo>) {
        let outer = self.outer.as_deref();
        let options = self.info.drill_options(self.options);
        let own = self.info.filter(options);
        let (before, whole) = match (target, self.info.drill_field(self.options)) {
            (Some(target), Some(field)) => {
                let key = format!("{field}=\"{KEY_PLACE}\"");
                let before = self.info.drill_filter(outer, &key, self.options);
                let whole = match target.filter(options) {
                    Some(own) => format!("({before}) and ({own})"),
                    None => before.clone(),
                };
                (before, whole)
            }
            _ => (String::new(), join(outer, &own.unwrap_or_default())),
        };
        out.extend_from_slice(b",\"filterTemplate\":");
        json::string(out, before.as_bytes());
        out.extend_from_slice(b",\"filterTemplateF\":");
        json::string(out, whole.as_bytes());
    }
}

impl ShownColumn {
    /// Appends a value as JSON; `text` is a buffer.
    fn write_json(&self, out: &mut Vec<u8>, slot: &Slot, text: &mut Vec<u8>) {
        if self.field.ty == FieldType::Interval {
            text.clear();
            self.write(text, slot);
            out.push(b'"');
            out.resize(out.len() + WIDTH.saturating_sub(text.len()), b' ');
            out.extend_from_slice(text);
            out.push(b'"');
            return;
        }
        match &slot.cell {
            Cell::Double(value) if value.is_finite() => {
                let value = self.shown_double(slot);
                // Always with a decimal point, even for whole numbers.
                number::display(out, format_args!("{value:?}"));
            }
            Cell::Double(_) => out.extend_from_slice(b"null"),
            Cell::Int(_) | Cell::Uint(_) | Cell::Bool(_) => plain(out, &slot.cell, self.field),
            Cell::Ip(_) | Cell::Text(_) => json_text(out, slot, Some(self.field)),
        }
    }
}

/// Appends a value as a JSON string.
fn json_text(out: &mut Vec<u8>, slot: &Slot, field: Option<&FieldInfo>) {
    match (&slot.cell, field) {
        (Cell::Text(text), _) => json::string(out, text),
        (cell, field) => {
            out.push(b'"');
            // Numbers and addresses need no escape.
            plain(out, cell, field.unwrap_or(crate::fields::plain()));
            out.push(b'"');
        }
    }
}

fn format_name(field: &FieldInfo) -> &'static str {
    match field.format {
        _ if matches!(field.ty, FieldType::Text | FieldType::Ip | FieldType::Bool) => "NA",
        PrintFormat::Na => "NA",
        PrintFormat::Dec => "DEC",
        PrintFormat::Hex => "HEX",
        PrintFormat::PaddedDec10 => "10_PADDED_DEC",
        PrintFormat::Id => "ID",
        PrintFormat::Dir => "DIR",
        PrintFormat::Oct => "OCT",
    }
}

/// Returns sysdig's name of a type; numbers have the largest width.
fn type_name(ty: FieldType) -> &'static str {
    match ty {
        FieldType::Text | FieldType::Dynamic => "CHARBUF",
        FieldType::Bytes => "BYTEBUF",
        FieldType::Int => "INT64",
        FieldType::Uint => "UINT64",
        FieldType::Bool => "BOOL",
        FieldType::Interval => "RELTIME",
        FieldType::Time => "ABSTIME",
        FieldType::Double => "DOUBLE",
        FieldType::Ip => "IPADDR",
        FieldType::Net => "IPNET",
        FieldType::Port => "PORT",
    }
}
