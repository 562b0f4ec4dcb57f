//! Displayed columns, and the formatting of their values.

use std::cmp::Ordering;

use scap_capture_format::schema::PrintFormat;

use super::cell::{Cell, Slot};
use super::info::{Aggregation, ColumnInfo};
use crate::event::{number, text};
use crate::fields::{FieldInfo, FieldType, Value};
use crate::format;

/// A displayed column.
#[derive(Clone, Debug)]
pub struct ShownColumn {
    /// Its heading.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its width in characters; 0 = the rest of the line.
    pub size: Option<u16>,
    pub(super) field: &'static FieldInfo,
    pub(super) is_sorting: bool,
    is_plain: bool,
    /// The value is divided by the number of events.
    is_average: bool,
    /// The value is divided by the seconds of the table's time range.
    pub(super) per_second: Option<f64>,
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
            is_plain: column.aggregation == Aggregation::First
                && column.group_aggregation == Aggregation::First,
            is_average: either(Aggregation::Average),
            per_second: either(Aggregation::TimeAverage).then_some(seconds),
        }
    }

    /// Returns true if the values are numbers, which are right-aligned and sorted largest first.
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

    /// Returns true if whole numbers are counts, not identifiers.
    fn is_count(&self) -> bool {
        self.field.format == PrintFormat::Dec
            && !matches!(self.field.ty, FieldType::Time | FieldType::Port)
    }

    /// Returns a value for display and sorting.
    pub(super) fn value(&self, slot: &Slot) -> Shown {
        let whole = matches!(slot.cell, Cell::Int(_) | Cell::Uint(_));
        let is_interval = self.field.ty == FieldType::Interval;
        let mut value = slot.cell.number();
        let mut divided = false;
        if self.is_average && slot.count > 1 {
            #[expect(clippy::cast_precision_loss, reason = "for display")]
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

    /// Returns a number as it is displayed.
    pub(super) fn shown_double(&self, slot: &Slot) -> f64 {
        self.value(slot).number()
    }

    /// Appends a value as text, without padding.
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

    pub(super) fn order(&self, a: &Slot, b: &Slot) -> Ordering {
        let order = match (self.value(a), self.value(b)) {
            (Shown::Plain, Shown::Plain) => a.cell.order(&b.cell),
            (a, b) => a.number().total_cmp(&b.number()),
        };
        // For a parameter, the value determines the type.
        let is_number = match self.field.ty {
            FieldType::Dynamic => matches!(a.cell, Cell::Int(_) | Cell::Uint(_)),
            _ => self.is_number(),
        };
        if is_number { order.reverse() } else { order }
    }

    /// Returns its field.
    pub fn field(&self) -> &'static FieldInfo {
        self.field
    }

    /// Returns true if its values are those of single events, so that they can be used in
    /// conditions.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }
}

/// The display form of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// With a unit of time.
    Interval(f64),
    /// With two decimals, and a unit prefix.
    Number(f64),
    /// As a whole number, with a unit prefix.
    Count(f64),
    /// Unchanged.
    Plain,
}

impl Shown {
    pub(super) fn number(self) -> f64 {
        match self {
            Self::Interval(value) | Self::Number(value) | Self::Count(value) => value,
            Self::Plain => 0.0,
        }
    }
}

/// Appends a value unchanged.
pub(super) fn plain(out: &mut Vec<u8>, cell: &Cell, field: &FieldInfo) {
    match cell {
        Cell::Int(value) => number::dec(out, *value),
        Cell::Uint(value) => number::udec(out, *value),
        Cell::Double(value) => number::display(out, value),
        Cell::Bool(value) => number::display(out, value),
        Cell::Text(value) => text::escape_exact(out, value),
        Cell::Ip(value) => {
            let value = Value::Ip(*value);
            format::write_value(out, value, field, Default::default());
        }
    }
}

/// Appends a number with a unit prefix (multiples of 1024, as in sysdig).
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
        // The part cut off is less than a digit.
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
