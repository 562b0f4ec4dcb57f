//! Turns constraints of SQLite into a filter and a time range. Each row that meets the constraints passes; SQLite compares the
//! rows again, so that others may pass, too.

use std::net::IpAddr;

use rusqlite::types::ValueRef;

use super::text::is_plain;
use crate::fields::{self, Field};
use crate::filter::{Filter, When};
use crate::replay::Selection;
use crate::tables::{ColumnType, EVENTS, Source};

/// Longest value, and most values of a list, that become part of a filter.
const MAX_VALUE: usize = 256;
const MAX_VALUES: usize = 500;

/// What a column is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    Glob,
    In,
    IsNull,
    IsNotNull,
    /// A text in the filter language, of the column `filter`.
    Filter,
}

impl Operator {
    const ALL: [(char, Self); 11] = [
        ('=', Self::Equal),
        ('<', Self::Less),
        ('l', Self::LessOrEqual),
        ('>', Self::Greater),
        ('g', Self::GreaterOrEqual),
        ('L', Self::Like),
        ('G', Self::Glob),
        ('i', Self::In),
        ('n', Self::IsNull),
        ('N', Self::IsNotNull),
        ('f', Self::Filter),
    ];

    /// Returns its letter in a plan.
    pub(super) fn letter(self) -> char {
        let found = Self::ALL.iter().find(|(_, operator)| *operator == self);
        found.map_or('?', |(letter, _)| *letter)
    }

    pub(super) fn of_letter(letter: char) -> Option<Self> {
        let found = Self::ALL.iter().find(|(own, _)| *own == letter);
        found.map(|(_, operator)| *operator)
    }
}

/// What a column can be compared with by the filter.
enum Target<'f> {
    /// A text, number or truth value of a field.
    Field(&'f Field, ColumnType),
    /// An address.
    Address(&'f Field),
    /// The number of the event.
    Number,
    /// Its time in nanoseconds.
    Nanoseconds,
    /// Its time as text.
    Time,
}

/// Collects the parts of a selection.
#[derive(Debug, Default)]
pub(super) struct Pushed {
    conditions: Vec<String>,
    from: Option<When>,
    to: Option<When>,
}

/// Returns the column of a field in the filter language that has the same values as a column of `events`; `None` = none.
pub(super) fn field_of(column: usize) -> Option<Field> {
    let Source::Field(name) = EVENTS.get(column)?.source else {
        return None;
    };
    fields::lookup(name).ok()
}

impl Pushed {
    /// Adds a constraint of a column of `events`.
    pub(super) fn column(&mut self, column: usize, operator: Operator, values: &[ValueRef<'_>]) {
        let Some(info) = EVENTS.get(column) else {
            return;
        };
        let field = field_of(column);
        let target = match (info.name, &field) {
            ("num", _) => Target::Number,
            ("time_ns", _) => Target::Nanoseconds,
            ("time_us", _) => Target::Time,
            ("cip" | "sip", Some(field)) => Target::Address(field),
            (_, Some(field)) if is_plain(field.info) => Target::Field(field, info.ty),
            _ => return,
        };
        self.add(&target, operator, values);
    }

    /// Adds a constraint of a field.
    pub(super) fn field(&mut self, field: &Field, operator: Operator, values: &[ValueRef<'_>]) {
        use crate::fields::FieldType as T;
        let ty = match field.info.ty {
            T::Text => ColumnType::Text,
            T::Int | T::Uint | T::Port => ColumnType::Integer,
            T::Bool => ColumnType::Boolean,
            _ => return,
        };
        if is_plain(field.info) {
            self.add(&Target::Field(field, ty), operator, values);
        }
    }

    /// Adds a text in the filter language.
    pub(super) fn filter(&mut self, text: &str) {
        self.conditions.push(format!("({text})"));
    }

    fn add(&mut self, target: &Target<'_>, operator: Operator, values: &[ValueRef<'_>]) {
        let first = values.first().copied();
        match target {
            Target::Field(field, ty) => {
                let condition = condition(field, *ty, operator, values);
                self.conditions.extend(condition);
            }
            Target::Address(field) => {
                let is_address = |value: &ValueRef<'_>| {
                    let text = value.as_str().ok()?;
                    let address: IpAddr = text.parse().ok()?;
                    (address.to_string() == text).then_some(())
                };
                if values.len() <= MAX_VALUES && values.iter().all(|v| is_address(v).is_some()) {
                    let condition = condition(field, ColumnType::Text, operator, values);
                    self.conditions.extend(condition);
                }
            }
            Target::Number => self.window(operator, first, When::Event),
            Target::Nanoseconds => self.window(operator, first, When::At),
            Target::Time => {
                if let Some(at) = first.and_then(|v| v.as_str().ok()).and_then(beginning) {
                    self.time(operator, at);
                }
            }
        }
    }

    /// Narrows the window by a number.
    fn window(&mut self, operator: Operator, value: Option<ValueRef<'_>>, when: fn(u64) -> When) {
        let Some(ValueRef::Integer(value)) = value else {
            return;
        };
        let value = u64::try_from(value).unwrap_or(0);
        use Operator as O;
        if matches!(operator, O::Equal | O::Greater | O::GreaterOrEqual) {
            self.from.get_or_insert(when(value));
        }
        if matches!(operator, O::Equal | O::Less | O::LessOrEqual) {
            self.to.get_or_insert(when(value.saturating_add(1)));
        }
    }

    /// Narrows the window by a text that begins as a time does: `at` is the first time that is not before it.
    fn time(&mut self, operator: Operator, at: u64) {
        use Operator as O;
        if matches!(operator, O::Equal | O::Greater | O::GreaterOrEqual) {
            self.from.get_or_insert(When::At(at));
        }
        if matches!(operator, O::Equal | O::Less | O::LessOrEqual) {
            // Up to the microsecond that the text names.
            self.to
                .get_or_insert(When::At(at.saturating_add(1_000_000)));
        }
    }

    /// Returns the selection; without a filter if the conditions do not make one.
    pub(super) fn selection(self) -> (Selection, String) {
        let text = self.conditions.join(" and ");
        let filter = match text.is_empty() {
            true => None,
            false => Filter::parse(&text).ok(),
        };
        let selection = Selection {
            filter,
            from: self.from,
            to: self.to,
        };
        (selection, text)
    }
}

/// Returns a condition that all rows meet that meet a constraint; `None` = none.
fn condition(
    field: &Field,
    ty: ColumnType,
    operator: Operator,
    values: &[ValueRef<'_>],
) -> Option<String> {
    let mut name = Vec::new();
    field.write_name(&mut name);
    let name = String::from_utf8(name).ok()?;
    let literal = |value: &ValueRef<'_>| literal(ty, *value);
    let compared = |sign: &str| {
        let value = literal(values.first()?)?;
        Some(format!("{name} {sign} {value}"))
    };
    let text = || values.first()?.as_str().ok();
    let found = match operator {
        Operator::Equal => compared("="),
        Operator::Less if ty == ColumnType::Integer => compared("<"),
        Operator::LessOrEqual if ty == ColumnType::Integer => compared("<="),
        Operator::Greater if ty == ColumnType::Integer => compared(">"),
        Operator::GreaterOrEqual if ty == ColumnType::Integer => compared(">="),
        Operator::In if values.is_empty() || values.len() > MAX_VALUES => None,
        Operator::In => {
            let values: Option<Vec<String>> = values.iter().map(literal).collect();
            Some(format!("{name} in ({})", values?.join(", ")))
        }
        // LIKE does not distinguish upper and lower case of ASCII.
        Operator::Like if ty == ColumnType::Text => {
            let part = longest(text()?, &['%', '_']);
            let part = part.is_ascii().then(|| quoted(part))??;
            Some(format!("{name} icontains {part}"))
        }
        Operator::Glob if ty == ColumnType::Text => {
            // What follows a bracket can be one of several characters.
            let before = text()?.split('[').next().unwrap_or_default();
            let part = quoted(longest(before, &['*', '?']))?;
            Some(format!("{name} contains {part}"))
        }
        Operator::IsNotNull if ty != ColumnType::Integer => Some(format!("{name} exists")),
        Operator::IsNull if ty != ColumnType::Integer => Some(format!("not {name} exists")),
        _ => None,
    }?;
    // Names of types that do not exist, and the like, are errors of a filter, but not of SQL. A condition on the direction makes
    // events that are not recorded.
    let filter = Filter::parse(&found).ok()?;
    let pushdown = filter.pushdown();
    (pushdown.enters.is_empty() && pushdown.depends_on_all.is_none()).then_some(found)
}

/// Returns a value as the filter language has it; `None` if its type is not the column's, so that SQLite converts it, or if it
/// cannot be written.
fn literal(ty: ColumnType, value: ValueRef<'_>) -> Option<String> {
    match (ty, value) {
        (ColumnType::Text, ValueRef::Text(text)) => quoted(std::str::from_utf8(text).ok()?),
        (ColumnType::Integer, ValueRef::Integer(value)) => Some(value.to_string()),
        (ColumnType::Boolean, ValueRef::Integer(0)) => Some("false".to_owned()),
        (ColumnType::Boolean, ValueRef::Integer(1)) => Some("true".to_owned()),
        _ => None,
    }
}

fn quoted(text: &str) -> Option<String> {
    // Bytes that are not valid UTF-8 are shown as U+FFFD.
    let is_odd = |c: char| c.is_control() || matches!(c, '\'' | '"' | '\\' | '\u{fffd}');
    let is_fit = !text.is_empty() && text.len() <= MAX_VALUE && !text.contains(is_odd);
    is_fit.then(|| format!("'{text}'"))
}

/// Returns the longest part of a pattern without special characters.
fn longest<'p>(pattern: &'p str, special: &[char]) -> &'p str {
    let parts = pattern.split(special);
    parts.max_by_key(|part| part.len()).unwrap_or_default()
}

/// Returns the first time in nanoseconds since the epoch whose text is not before a text such as `2026-12-01 03:12`.
fn beginning(text: &str) -> Option<u64> {
    const SHAPE: &[u8] = b"0000-00-00 00:00:00.000000";
    let bytes = text.as_bytes();
    let has_shape = bytes.len() <= SHAPE.len()
        && bytes.iter().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            sign => byte == sign,
        });
    // The parts that are missing are the smallest ones.
    let full = match bytes.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{}:00Z", text.replacen(' ', "T", 1)),
        19 | 21..=26 => format!("{}Z", text.replacen(' ', "T", 1)),
        _ => return None,
    };
    match When::parse(&full).ok().filter(|_| has_shape)? {
        When::At(at) => Some(at),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(column: &str, operator: Operator, values: &[ValueRef<'_>]) -> String {
        let place = EVENTS.iter().position(|c| c.name == column).unwrap();
        let mut pushed = Pushed::default();
        pushed.column(place, operator, values);
        let (selection, text) = pushed.selection();
        assert_eq!(selection.filter.is_some(), !text.is_empty());
        format!("{text} {:?} {:?}", selection.from, selection.to)
    }

    #[test]
    fn constraints_become_conditions() {
        use Operator as O;
        let text = |text: &'static str| ValueRef::Text(text.as_bytes());
        let int = ValueRef::Integer;
        for (column, operator, values, expected) in [
            (
                "proc_name",
                O::Equal,
                &[text("sshd")][..],
                "proc.name = 'sshd' None None",
            ),
            ("proc_name", O::Equal, &[int(5)], " None None"),
            ("proc_name", O::Equal, &[text("it's")], " None None"),
            ("proc_name", O::Equal, &[text("a\u{fffd}")], " None None"),
            ("proc_name", O::Less, &[text("b")], " None None"),
            (
                "proc_name",
                O::Like,
                &[text("%ss_d%x")],
                "proc.name icontains 'ss' None None",
            ),
            ("proc_name", O::Like, &[text("%É%")], " None None"),
            (
                "fd_name",
                O::Glob,
                &[text("b[abcdefgh]sh")],
                "fd.name contains 'b' None None",
            ),
            ("fd_name", O::Glob, &[text("[^abcdefgh]etc")], " None None"),
            (
                "fd_name",
                O::Glob,
                &[text("/etc/[a-z]*")],
                "fd.name contains '/etc/' None None",
            ),
            ("pid", O::Greater, &[int(5)], "proc.pid > 5 None None"),
            (
                "pid",
                O::In,
                &[int(5), int(6)],
                "proc.pid in (5, 6) None None",
            ),
            ("pid", O::In, &[int(5), text("6")], " None None"),
            ("failed", O::Equal, &[int(1)], "evt.failed = true None None"),
            ("failed", O::Equal, &[int(2)], " None None"),
            ("evt_type", O::Equal, &[text("nosuchcall")], " None None"),
            (
                "sip",
                O::Equal,
                &[text("10.0.0.1")],
                "fd.sip = '10.0.0.1' None None",
            ),
            ("sip", O::Equal, &[text("10.0.0.0/8")], " None None"),
            ("sip", O::Equal, &[text("::0:1")], " None None"),
            ("dir", O::Equal, &[text(">")], " None None"),
            (
                "exepath",
                O::IsNotNull,
                &[],
                "proc.exepath exists None None",
            ),
            ("num", O::Equal, &[int(7)], " Some(Event(7)) Some(Event(8))"),
            ("time_ns", O::GreaterOrEqual, &[int(7)], " Some(At(7)) None"),
            (
                "time_us",
                O::Less,
                &[text("1970-01-01 00:00")],
                " None Some(At(1000000))",
            ),
            (
                "time_us",
                O::Greater,
                &[text("1970-01-01 00:00:01.5")],
                " Some(At(1500000000)) None",
            ),
            ("time_us", O::Greater, &[text("1970-01-0a")], " None None"),
        ] {
            assert_eq!(
                pushed(column, operator, values),
                expected,
                "{column} {operator:?}"
            );
        }
    }
}
