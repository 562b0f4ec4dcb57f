//! The finished rows of a view, sorted.

use std::cmp::Ordering;

use super::cell::{Cell, Slot};
use super::column::{Shown, ShownColumn, plain};
use super::info::{ViewInfo, ViewKind, ViewOptions};
use super::rows::Row;
use crate::fields::{FieldInfo, FieldType};

/// What a view shows of a part of a capture.
#[derive(Clone, Debug)]
pub struct ViewRows {
    pub(super) info: ViewInfo,
    pub(super) options: ViewOptions,
    /// The filter that held beside the view's own.
    pub(super) outer: Option<String>,
    pub(super) columns: Vec<ShownColumn>,
    /// The field of the key; `None` = a list.
    pub(super) key: Option<&'static FieldInfo>,
    rows: Vec<ViewRow>,
    /// The column that the rows are sorted by.
    sorting: usize,
    left_out: u64,
}

#[derive(Clone, Debug)]
struct ViewRow {
    key: Slot,
    cells: Box<[Slot]>,
    /// The number of the event that made the row.
    event: u64,
}

/// A value for a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewValue<'a> {
    /// None.
    Nothing,
    /// Text from the capture, not escaped.
    Text(&'a [u8]),
    /// A number that names something.
    Id(i64),
    /// How many.
    Count(u64),
    /// How many, in hundredths.
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
            // A list's rows have their numbers for keys.
            for (number, row) in (1..).zip(&mut rows) {
                row.key.cell = Cell::Uint(number);
            }
        }
        let sorting = columns.iter().position(|column| column.is_sorting);
        let is_grouped = info.columns.iter().any(|column| column.is_group_key);
        let mut this = Self {
            // Of groups, what comes first is mostly the key.
            sorting: sorting.unwrap_or(usize::from(is_grouped && columns.len() > 1)),
            info,
            options,
            outer,
            columns,
            key,
            rows,
            left_out,
        };
        // What happened first is first in a list, unless another order is asked for.
        if this.info.kind != ViewKind::List {
            this.sort(this.sorting, false);
        }
        this
    }

    /// Sorts by a column: numbers largest first, all else in its order; `reverse` turns that around. Equal rows
    /// are in the order of their keys.
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

    /// Returns what is shown.
    pub fn columns(&self) -> &[ShownColumn] {
        &self.columns
    }

    /// Returns the column that the rows are sorted by.
    pub fn sorting(&self) -> usize {
        self.sorting
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns how many events found no room in the table: for them there would be more rows.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Keeps the rows in which a column's number fulfils a condition.
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

    /// Returns one value as a number; 0 where it is none.
    pub fn number(&self, row: usize, column: usize) -> f64 {
        match (self.slot(row, column), self.columns.get(column)) {
            (Some(slot), Some(shown)) => match shown.value(slot) {
                Shown::Plain => slot.cell.number(),
                other => other.number(),
            },
            _ => 0.0,
        }
    }

    /// Appends one value as it is, safe to print.
    pub fn plain(&self, out: &mut Vec<u8>, row: usize, column: usize) {
        if let (Some(slot), Some(shown)) = (self.slot(row, column), self.columns.get(column)) {
            plain(out, &slot.cell, shown.field);
        }
    }

    /// Appends one value as it is, texts as in the capture.
    pub fn raw(&self, out: &mut Vec<u8>, row: usize, column: usize) {
        match self.slot(row, column).map(|slot| &slot.cell) {
            Some(Cell::Text(text)) => out.extend_from_slice(text),
            _ => self.plain(out, row, column),
        }
    }

    /// Appends one value as text.
    pub fn text(&self, out: &mut Vec<u8>, row: usize, column: usize) {
        if let (Some(row), Some(shown)) = (self.rows.get(row), self.columns.get(column))
            && let Some(slot) = row.cells.get(column)
        {
            shown.write(out, slot);
        }
    }

    /// Returns the number of the event that made a row.
    pub fn event(&self, row: usize) -> u64 {
        self.rows.get(row).map_or(0, |row| row.event)
    }

    /// Appends the key of a row as it stands in the capture, for a condition on it. False: its events lack the
    /// field.
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

    /// Returns one value for a screen.
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
