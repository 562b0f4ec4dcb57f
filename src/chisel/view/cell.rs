//! Values of a table, and their aggregation.

use std::cmp::Ordering;
use std::net::IpAddr;

use scap_capture_format::schema::PrintFormat;

use super::info::Aggregation;
use crate::event::bytes::BufferFormat;
use crate::event::text;
use crate::fields::{FieldInfo, FieldType, Value};
use crate::format;

/// Length limit of a text, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// A value in a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Int(i64),
    Uint(u64),
    Double(f64),
    Bool(bool),
    Ip(IpAddr),
    Text(Vec<u8>),
}

/// A value with the number of events it is aggregated from.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) cell: Cell,
    /// 0 = no event had the field, the value is a default.
    pub(super) count: u64,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            cell: Cell::Uint(0),
            count: 0,
        }
    }
}

impl Cell {
    /// Returns the default for an absent field; `None` = there is none.
    pub(super) fn default_of(info: &FieldInfo) -> Option<Self> {
        match info.ty {
            FieldType::Int if info.format == PrintFormat::Dec => Some(Self::Int(0)),
            FieldType::Uint | FieldType::Interval | FieldType::Time
                if info.format == PrintFormat::Dec =>
            {
                Some(Self::Uint(0))
            }
            FieldType::Double => Some(Self::Double(0.0)),
            FieldType::Text => Some(Self::Text(Vec::new())),
            _ => None,
        }
    }

    /// Sets the value of a field; reuses the buffer of a text.
    pub(super) fn set(&mut self, value: Value<'_>, info: &FieldInfo) {
        *self = match value {
            Value::Int(value) => Self::Int(value),
            Value::Uint(value) => Self::Uint(value),
            Value::Double(value) => Self::Double(value),
            Value::Bool(value) => Self::Bool(value),
            Value::Ip(value) => Self::Ip(value),
            Value::Text(text) => {
                let text = &text[..text.len().min(MAX_TEXT)];
                return self.text().extend_from_slice(text);
            }
            // Cells hold text that is not escaped.
            Value::Rendered(text) => {
                let text = &text[..text.len().min(MAX_TEXT)];
                return text::unescape(self.text(), text);
            }
            // Several values are joined to one text.
            other => {
                let text = self.text();
                format::write_value(text, other, info, BufferFormat::Dots);
                text.truncate(MAX_TEXT);
                return;
            }
        };
    }

    /// Copies another cell's value; reuses the buffer of a text.
    pub(super) fn copy(&mut self, other: &Self) {
        match other {
            Self::Text(text) => self.text().extend_from_slice(text),
            other => self.clone_from(other),
        }
    }

    fn text(&mut self) -> &mut Vec<u8> {
        if !matches!(self, Self::Text(_)) {
            *self = Self::Text(Vec::new());
        }
        match self {
            Self::Text(text) => {
                text.clear();
                text
            }
            _ => unreachable!("it was made a text just now"),
        }
    }

    /// Returns its heap memory in bytes.
    pub(super) fn text_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    /// Appends its form in a key.
    pub(super) fn write_key(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Uint(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Double(value) => out.extend_from_slice(&value.to_bits().to_le_bytes()),
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::Ip(IpAddr::V4(ip)) => out.extend_from_slice(&ip.octets()),
            Self::Ip(IpAddr::V6(ip)) => out.extend_from_slice(&ip.octets()),
            Self::Text(text) => {
                out.extend_from_slice(text);
                // Text contains no NUL, so that the start of the next value is unambiguous.
                out.push(0);
            }
        }
    }

    /// Compares for sorting; values of different types as numbers, if possible.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Ip(a), Self::Ip(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Uint(a), Self::Uint(b)) => a.cmp(b),
            (a, b) => a.number().total_cmp(&b.number()),
        }
    }

    /// Returns the value as a number; 0 for other values.
    #[expect(clippy::cast_precision_loss, reason = "to be shown or compared")]
    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Int(value) => *value as f64,
            Self::Uint(value) => *value as f64,
            Self::Double(value) => *value,
            Self::Bool(_) | Self::Ip(_) | Self::Text(_) => 0.0,
        }
    }

    /// Adds another number; other values are unchanged.
    fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Int(a), Self::Int(b)) => *a = a.saturating_add(*b),
            (Self::Uint(a), Self::Uint(b)) => *a = a.saturating_add(*b),
            (Self::Double(a), Self::Double(b)) => *a += b,
            _ => {}
        }
    }

    /// Divides a number.
    fn divide(&mut self, by: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a floating point number anyway")]
        match self {
            Self::Int(value) => *value /= i64::try_from(by).unwrap_or(i64::MAX).max(1),
            Self::Uint(value) => *value /= by.max(1),
            Self::Double(value) => *value /= by.max(1) as f64,
            Self::Bool(_) | Self::Ip(_) | Self::Text(_) => {}
        }
    }
}

impl Slot {
    /// Aggregates another value.
    pub(super) fn add(&mut self, other: &Self, how: Aggregation) {
        match how {
            Aggregation::First => {}
            Aggregation::Sum | Aggregation::TimeAverage => self.cell.add(&other.cell),
            Aggregation::Average => {
                self.cell.add(&other.cell);
                self.count = self.count.saturating_add(other.count);
            }
            // Of texts the last one is kept, even if it is empty.
            Aggregation::Max => {
                let is_text = matches!(other.cell, Cell::Text(_));
                if is_text && self.cell != other.cell
                    || !is_text && other.cell.order(&self.cell).is_gt()
                {
                    self.cell.copy(&other.cell);
                }
            }
            Aggregation::Min => {
                if other.count > 0 && (self.count == 0 || other.cell.order(&self.cell).is_lt()) {
                    self.cell.copy(&other.cell);
                    self.count = other.count;
                }
            }
        }
    }

    /// Converts a sum to an average.
    pub(super) fn average(&mut self) {
        if self.count > 1 {
            self.cell.divide(self.count);
            self.count = 1;
        }
    }
}
