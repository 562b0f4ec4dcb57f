//! The finished rows of a view, sorted, and their values as text.

use std::cmp::Ordering;

use scap_capture_format::schema::PrintFormat;

use super::cell::{Cell, Slot};
use super::info::{Aggregation, ColumnInfo, ViewInfo, ViewKind, ViewOptions};
use crate::event::{number, text};
use crate::filter::fields::{FieldInfo, FieldType};
use crate::format;

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

/// A column that is shown.
#[derive(Clone, Debug)]
pub struct ShownColumn {
    /// Its heading.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// Its width in characters; 0 = what is left of the line.
    pub size: Option<u16>,
    pub(super) field: &'static FieldInfo,
    is_sorting: bool,
    /// The value is divided by the number of events.
    is_average: bool,
    /// The value is divided by the seconds that the table is about.
    pub(super) per_second: Option<f64>,
}

#[derive(Clone, Debug)]
struct ViewRow {
    key: Slot,
    cells: Box<[Slot]>,
}

impl ShownColumn {
    pub(super) fn new(column: &ColumnInfo, field: &'static FieldInfo, seconds: f64) -> Self {
        let either = |how| column.aggregation == how || column.group_aggregation == how;
        Self {
            name: column.name.clone(),
            description: column.description.clone(),
            size: column.size,
            field,
            is_sorting: column.is_sorting,
            is_average: either(Aggregation::Average),
            per_second: either(Aggregation::TimeAverage).then_some(seconds),
        }
    }

    /// Whether its values are numbers, which are shown to the right and sorted largest first.
    pub fn is_number(&self) -> bool {
        !matches!(
            self.field.ty,
            FieldType::Text
                | FieldType::Bytes
                | FieldType::Bool
                | FieldType::Ip
                | FieldType::Net
                | FieldType::Port
                | FieldType::Dynamic
        )
    }

    /// Whether whole numbers are counts, and not names of something.
    fn is_count(&self) -> bool {
        self.field.format == PrintFormat::Dec
            && !matches!(self.field.ty, FieldType::Time | FieldType::Port)
    }

    /// Returns a value as it is shown, or sorted by.
    fn value(&self, slot: &Slot) -> Shown {
        let whole = matches!(slot.cell, Cell::Int(_) | Cell::Uint(_));
        let is_interval = self.field.ty == FieldType::Interval;
        let mut value = slot.cell.number();
        let mut divided = false;
        if self.is_average && slot.count > 1 {
            #[expect(clippy::cast_precision_loss, reason = "to be shown")]
            let count = slot.count as f64;
            value /= count;
            divided = true;
        }
        if let Some(seconds) = self.per_second {
            value = if seconds > 0.0 { value / seconds } else { 0.0 };
            divided = true;
        }
        match slot.cell {
            _ if is_interval && whole => Shown::Interval(value),
            Cell::Double(_) => Shown::Number(value),
            Cell::Int(_) | Cell::Uint(_) if divided && self.is_count() => Shown::Number(value),
            Cell::Int(_) | Cell::Uint(_) if self.is_count() => Shown::Count(value),
            _ if divided && whole => Shown::Number(value.trunc()),
            _ => Shown::Plain,
        }
    }

    /// Returns a number as it is shown.
    pub(super) fn shown_double(&self, slot: &Slot) -> f64 {
        self.value(slot).number()
    }

    /// Appends a value as text, without blanks around it.
    pub(super) fn write(&self, out: &mut Vec<u8>, slot: &Slot) {
        match self.value(slot) {
            Shown::Interval(ns) => interval(out, ns),
            Shown::Number(value) if self.field.format == PrintFormat::Id => {
                number::display(out, value);
            }
            Shown::Number(value) => scaled(out, value, 2),
            Shown::Count(value) => scaled(out, value, 0),
            Shown::Plain => plain(out, &slot.cell, self.field),
        }
    }

    fn order(&self, a: &Slot, b: &Slot) -> Ordering {
        let order = match (self.value(a), self.value(b)) {
            (Shown::Plain, Shown::Plain) => a.cell.order(&b.cell),
            (a, b) => a.number().total_cmp(&b.number()),
        };
        if self.is_number() {
            order.reverse()
        } else {
            order
        }
    }
}

/// How a value is shown.
#[derive(Clone, Copy, Debug)]
enum Shown {
    /// With a unit of time.
    Interval(f64),
    /// With two digits after the point, and a letter for thousands.
    Number(f64),
    /// Whole, with a letter for thousands.
    Count(f64),
    /// As it is.
    Plain,
}

impl Shown {
    fn number(self) -> f64 {
        match self {
            Self::Interval(value) | Self::Number(value) | Self::Count(value) => value,
            Self::Plain => 0.0,
        }
    }
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
        rows: Vec<Box<[Slot]>>,
        keys: usize,
        left_out: u64,
    ) -> Self {
        let row = |row: Box<[Slot]>| {
            let mut cells = row.into_vec();
            let rest = cells.split_off(keys.min(cells.len()));
            ViewRow {
                key: cells.into_iter().next().unwrap_or_default(),
                cells: rest.into(),
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

    /// Appends the key of a row as it stands in the capture, for a condition on it.
    pub fn key(&self, out: &mut Vec<u8>, row: usize) {
        match (self.rows.get(row), self.key) {
            (Some(row), _) if matches!(row.key.cell, Cell::Text(_)) => {
                if let Cell::Text(text) = &row.key.cell {
                    out.extend_from_slice(text);
                }
            }
            (Some(row), Some(field)) => plain(out, &row.key.cell, field),
            _ => {}
        }
    }

    /// Iterates over the rows: key and values.
    pub(super) fn slots(&self) -> impl Iterator<Item = (&Slot, &[Slot])> {
        self.rows.iter().map(|row| (&row.key, &*row.cells))
    }
}

/// Appends a value as it is.
pub(super) fn plain(out: &mut Vec<u8>, cell: &Cell, field: &FieldInfo) {
    match cell {
        Cell::Int(value) => number::dec(out, *value),
        Cell::Uint(value) => number::udec(out, *value),
        Cell::Double(value) => number::display(out, value),
        Cell::Bool(value) => number::display(out, value),
        Cell::Text(value) => text::escape(out, value),
        Cell::Ip(value) => {
            let value = crate::filter::fields::Value::Ip(*value);
            format::write_value(out, value, field, Default::default());
        }
    }
}

/// Appends a number with a letter for thousands (of 1024, as sysdig has them).
fn scaled(out: &mut Vec<u8>, mut value: f64, digits: usize) {
    const STEP: f64 = 1024.0;
    let mut units = ["", "K", "M", "G", "T", "P", "E"].iter();
    let mut unit = units.next().unwrap_or(&"");
    while value.abs() > STEP {
        let Some(next) = units.next() else {
            break;
        };
        unit = next;
        value /= STEP;
    }
    number::display(out, format_args!("{value:.digits$}{unit}"));
}

/// Appends nanoseconds with a unit: three digits, or minutes and hours.
pub(in crate::chisel) fn interval(out: &mut Vec<u8>, ns: f64) {
    const US: f64 = 1e3;
    const MS: f64 = 1e6;
    const S: f64 = 1e9;
    let ns = ns.trunc();
    let unit = |out: &mut Vec<u8>, one: f64, name: &str| {
        let value = ns / one;
        // What is cut off is less than a digit.
        if value < 10.0 || one == S {
            let value = (value * 100.0).trunc() / 100.0;
            number::display(out, format_args!("{value:.2}{name}"));
        } else {
            number::display(out, format_args!("{value:.0}{name}", value = value.trunc()));
        }
    };
    if ns < US {
        number::display(out, format_args!("{ns:.0}ns"));
    } else if ns < MS {
        unit(out, US, "us");
    } else if ns < S {
        unit(out, MS, "ms");
    } else if ns < 60.0 * S {
        unit(out, S, "s");
    } else {
        let seconds = (ns / S).trunc();
        let (hours, rest) = ((seconds / 3600.0).trunc(), seconds % 3600.0);
        let (minutes, seconds) = ((rest / 60.0).trunc(), rest % 60.0);
        if hours > 0.0 {
            number::display(out, format_args!("{hours:02}:{minutes:02}:{seconds:02}"));
        } else {
            number::display(out, format_args!("{minutes}:{seconds:02}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn intervals_have_the_unit_that_fits() {
        let cases: [(f64, &str); 14] = [
            (0.0, "0ns"),
            (999.0, "999ns"),
            (1052.0, "1.05us"),
            (1896.0, "1.89us"),
            (10_069.0, "10us"),
            (97_456.0, "97us"),
            (3_899_690.0, "3.89ms"),
            (213_429_835.0, "213ms"),
            (1e9, "1.00s"),
            (41_109_000_000.0, "41.10s"),
            (63e9, "1:03"),
            (169e9, "2:49"),
            (4_707e9, "01:18:27"),
            (1e30, "277777777777777777:46:40"),
        ];
        for (ns, text) in cases {
            let shown = shown(|out| interval(out, ns));
            assert_eq!(shown.get(..8), text.get(..8), "{ns}");
            assert!(text.len() > 20 || shown == text, "{shown} is not {text}");
        }
    }

    #[test]
    fn numbers_have_letters_for_thousands() {
        let count = |value: f64| shown(|out| scaled(out, value, 0));
        assert_eq!(count(1024.0), "1024");
        assert_eq!(count(1221.0), "1K");
        assert_eq!(count(22464.0), "22K");
        assert_eq!(count(1_048_576.0), "1024K");
        assert_eq!(count(-1.0), "-1");
        assert_eq!(shown(|out| scaled(out, 5473.5, 2)), "5.35K");
        assert_eq!(shown(|out| scaled(out, 0.0, 2)), "0.00");
        assert_eq!(shown(|out| scaled(out, f64::MAX, 2)).pop(), Some('E'));
    }
}
