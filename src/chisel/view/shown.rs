//! The finished rows of a view, sorted.

use std::cmp::Ordering;

use super::cell::{Cell, Slot};
use super::column::{Shown, ShownColumn, plain};
use super::info::{ViewInfo, ViewKind, ViewOptions};
use super::rows::Row;
use crate::fields::{FieldInfo, FieldType};

/// The result of a view for a part of a capture.
#[derive(Clone, Debug)]
pub struct ViewRows {
    pub(super) info: ViewInfo,
    pub(super) options: ViewOptions,
    /// The filter besides the view's own.
    pub(super) outer: Option<String>,
    pub(super) columns: Vec<ShownColumn>,
    /// The field of the key; `None` for a list.
    pub(super) key: Option<&'static FieldInfo>,
    rows: Vec<ViewRow>,
    /// The sort column.
    sorting: usize,
    left_out: u64,
}

#[derive(Clone, Debug)]
struct ViewRow {
    key: Slot,
    cells: Box<[Slot]>,
    /// The number of the event that created the row.
    event: u64,
}

/// A value for a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewValue<'a> {
    /// No value.
    Nothing,
    /// Text from the capture, not escaped.
    Text(&'a [u8]),
    /// A number that identifies something.
    Id(i64),
    /// A number.
    Count(u64),
    /// A number in hundredths.
    Hundredths(u64),
    /// Nanoseconds.
    Interval(u64),
    /// Nanoseconds since the epoch.
    Time(u64),
    /// An address.
    Address(std::net::IpAddr),
}

impl ViewRows {
    #[expect(
        clippy::too_many_arguments,
        reason = "of one place only, all different"
    )]
    pub(super) fn new(
        info: ViewInfo,
        options: ViewOptions,
        outer: Option<String>,
        columns: Vec<ShownColumn>,
        key: Option<&'static FieldInfo>,
        rows: Vec<Row>,
        keys: usize,
        left_out: u64,
    ) -> Self {
        let row = |(row, event): Row| {
            let mut cells = row.into_vec();
            let rest = cells.split_off(keys.min(cells.len()));
            ViewRow {
                key: cells.into_iter().next().unwrap_or_default(),
                cells: rest.into(),
                event,
            }
        };
        let mut rows: Vec<ViewRow> = rows.into_iter().map(row).collect();
        if key.is_none() {
            // The rows of a list are keyed by their number.
            for (number, row) in (1..).zip(&mut rows) {
                row.key.cell = Cell::Uint(number);
            }
        }
        let sorting = columns.iter().position(|column| column.is_sorting);
        let is_grouped = info.columns.iter().any(|column| column.is_group_key);
        let mut this = Self {
            // In grouped tables the first column is usually the key.
            sorting: sorting.unwrap_or(usize::from(is_grouped && columns.len() > 1)),
            info,
            options,
            outer,
            columns,
            key,
            rows,
            left_out,
        };
        // A list is in chronological order, unless it has a sort column.
        if this.info.kind != ViewKind::List {
            this.sort(this.sorting, false);
        }
        this
    }

    /// Sorts by a column: numbers largest first, other values ascending; `reverse` inverts the
    /// order. Ties are in the order of their keys.
    pub fn sort(&mut self, column: usize, reverse: bool) {
        let Some(shown) = self.columns.get(column) else {
            return;
        };
        self.sorting = column;
        self.rows.sort_by(|a, b| {
            let order = match (a.cells.get(column), b.cells.get(column)) {
                (Some(a), Some(b)) => shown.order(a, b),
                _ => Ordering::Equal,
            };
            let order = if reverse { order.reverse() } else { order };
            order.then_with(|| a.key.cell.order(&b.key.cell))
        });
    }

    /// Returns the view.
    pub fn info(&self) -> &ViewInfo {
        &self.info
    }

    /// Returns the displayed columns.
    pub fn columns(&self) -> &[ShownColumn] {
        &self.columns
    }

    /// Returns the sort column.
    pub fn sorting(&self) -> usize {
        self.sorting
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns true if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the number of events without a row because of the memory limit.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Keeps the rows in which the number of a column meets a condition.
    pub fn retain(&mut self, column: usize, keep: impl Fn(f64) -> bool) {
        let Some(shown) = self.columns.get(column) else {
            return;
        };
        let number = |slot: &Slot| match shown.value(slot) {
            Shown::Plain => slot.cell.number(),
            other => other.number(),
        };
        self.rows
            .retain(|row| row.cells.get(column).is_some_and(|slot| keep(number(slot))));
    }

    fn slot(&self, row: usize, column: usize) -> Option<&Slot> {
        self.rows.get(row)?.cells.get(column)
    }

    /// Returns a value as a number; 0 for other values.
    pub fn number(&self, row: usize, column: usize) -> f64 {
        match (self.slot(row, column), self.columns.get(column)) {
            (Some(slot), Some(shown)) => match shown.value(slot) {
                Shown::Plain => slot.cell.number(),
                other => other.number(),
            },
            _ => 0.0,
        }
    }

    /// Appends a value unformatted, escaped.
    pub fn plain(&self, out: &mut Vec<u8>, row: usize, column: usize) {
        if let (Some(slot), Some(shown)) = (self.slot(row, column), self.columns.get(column)) {
            plain(out, &slot.cell, shown.field);
        }
    }

    /// Appends a value unformatted, texts as in the capture.
    pub fn raw(&self, out: &mut Vec<u8>, row: usize, column: usize) {
        match self.slot(row, column).map(|slot| &slot.cell) {
            Some(Cell::Text(text)) => out.extend_from_slice(text),
            _ => self.plain(out, row, column),
        }
    }

    /// Appends a formatted value.
    pub fn text(&self, out: &mut Vec<u8>, row: usize, column: usize) {
        if let (Some(row), Some(shown)) = (self.rows.get(row), self.columns.get(column))
            && let Some(slot) = row.cells.get(column)
        {
            shown.write(out, slot);
        }
    }

    /// Returns the number of the event that created a row.
    pub fn event(&self, row: usize) -> u64 {
        self.rows.get(row).map_or(0, |row| row.event)
    }

    /// Appends the key of a row as in the capture, for a condition. Returns false if its events
    /// lack the field.
    pub fn key(&self, out: &mut Vec<u8>, row: usize) -> bool {
        let (Some(row), Some(field)) = (self.rows.get(row), self.key) else {
            return false;
        };
        match &row.key.cell {
            Cell::Text(text) => out.extend_from_slice(text),
            cell => plain(out, cell, field),
        }
        row.key.count > 0
    }

    /// Returns a value for a screen.
    pub fn value(&self, row: usize, column: usize) -> ViewValue<'_> {
        let (Some(slot), Some(shown)) = (self.slot(row, column), self.columns.get(column)) else {
            return ViewValue::Nothing;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates"
        )]
        match (shown.value(slot), &slot.cell) {
            (Shown::Interval(ns), _) => ViewValue::Interval(ns as u64),
            (Shown::Number(value), _) => ViewValue::Hundredths((value * 100.0) as u64),
            (Shown::Count(value), _) if value >= 0.0 => ViewValue::Count(value as u64),
            (_, Cell::Text(text)) if text.is_empty() => ViewValue::Nothing,
            (_, Cell::Text(text)) => ViewValue::Text(text),
            (_, Cell::Int(id)) => ViewValue::Id(*id),
            (_, Cell::Uint(time)) if shown.field.ty == FieldType::Time => ViewValue::Time(*time),
            (_, Cell::Uint(id)) => ViewValue::Id(i64::try_from(*id).unwrap_or(i64::MAX)),
            (_, Cell::Bool(value)) => ViewValue::Text(if *value { b"true" } else { b"false" }),
            (_, Cell::Ip(ip)) => ViewValue::Address(*ip),
            (_, Cell::Double(_)) => ViewValue::Nothing,
        }
    }

    /// Iterates over the rows: key and values.
    pub(super) fn slots(&self) -> impl Iterator<Item = (&Slot, &[Slot])> {
        self.rows.iter().map(|row| (&row.key, &*row.cells))
    }
}
