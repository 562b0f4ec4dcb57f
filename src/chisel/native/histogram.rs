//! `scap.histogram`: distributions of values, in powers of two.

use hashbrown::HashMap;
use mlua::Table;

use super::{Unit, keys};
use crate::chisel::error::ApiError;
use crate::event::bytes::BufferFormat;
use crate::event::{number, text};
use crate::fields::{self, Context, Field, FieldFlags, FieldType, Scratch, Value};
use crate::filter::Filter;
use crate::format::{self, json};

/// Members of the script's description.
const MEMBERS: &[&str] = &["by", "limit", "of", "unit", "where"];
/// Default limit of the histograms shown.
const LIMIT: usize = 10;
/// Limit of the histograms, and of the memory of their keys.
const MAX_GROUPS: usize = 16_384;
const MAX_KEYS: usize = 16 << 20;
/// Width of the longest bar.
const BAR: usize = 40;
/// Separates the texts of several fields; no text contains it.
const BETWEEN: u8 = 0;

/// Histograms of a field.
pub(in crate::chisel) struct Histogram {
    of: Field,
    by: Vec<Field>,
    filter: Option<Filter>,
    unit: Unit,
    limit: usize,
    groups: HashMap<Box<[u8]>, Box<Buckets>>,
    /// Bytes of the keys.
    used: usize,
    /// Number of events whose histogram was omitted because of the limit.
    left_out: u64,
    scratch: Scratch,
    key: Vec<u8>,
}

/// Counts of values by power of two: 0, 1, 2 to 3, 4 to 7…
#[derive(Clone, Debug)]
struct Buckets {
    counts: [u64; 65],
    count: u64,
    sum: u128,
    most: u64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            counts: [0; 65],
            count: 0,
            sum: 0,
            most: 0,
        }
    }
}

impl Buckets {
    fn add(&mut self, value: u64) {
        let bucket = (u64::BITS - value.leading_zeros()) as usize;
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
        self.sum += u128::from(value);
        self.most = self.most.max(value);
    }

    /// Iterates over the buckets from the first to the last that is not empty: smallest and largest
    /// value, and count.
    fn filled(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let first = self.counts.iter().position(|count| *count > 0);
        let last = self.counts.iter().rposition(|count| *count > 0);
        let (first, last) = (first.unwrap_or(1), last.unwrap_or(0));
        let buckets = self.counts.iter().enumerate();
        let buckets = buckets.filter(move |(at, _)| (first..=last).contains(at));
        buckets.map(|(at, count)| match at {
            0 => (0, 0, *count),
            _ => (1 << (at - 1), u64::MAX >> (64 - at), *count),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "for display")]
    fn average(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }
}

impl Histogram {
    /// Reads the description of a script.
    pub(in crate::chisel) fn from_script(described: &Table) -> mlua::Result<Self> {
        keys::check_members(described, MEMBERS)?;
        let of = keys::text(described, "of")?;
        let of = of.ok_or_else(|| ApiError::Wrong("`of` is missing: the field".to_owned()))?;
        let of = field(&of)?;
        let is_number = matches!(
            of.info.ty,
            FieldType::Int | FieldType::Uint | FieldType::Interval | FieldType::Dynamic
        );
        if !is_number {
            let text = format!("field `{}` is not a whole number", of.info.name);
            return Err(ApiError::Wrong(text).into());
        }
        let by = keys::texts(described, "by")?;
        let by: Result<Vec<Field>, ApiError> = by.iter().map(|name| field(name)).collect();
        let filter = match keys::text(described, "where")? {
            None => None,
            Some(text) => match Filter::parse(&text) {
                Ok(filter) => Some(filter),
                Err(error) => {
                    return Err(ApiError::Filter {
                        text,
                        error: Box::new(error),
                    }
                    .into());
                }
            },
        };
        let unit = match keys::text(described, "unit")? {
            Some(unit) => Unit::parse(&unit)?,
            None if of.info.ty == FieldType::Interval => Unit::Time,
            None => Unit::None,
        };
        let limit = keys::number(described, "limit")?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and is not negative"
        )]
        Ok(Self {
            of,
            by: by?,
            filter,
            unit,
            limit: limit.map_or(LIMIT, |limit| limit as usize),
            groups: HashMap::new(),
            used: 0,
            left_out: 0,
            scratch: Scratch::default(),
            key: Vec::new(),
        })
    }

    /// Adds an event; an event that lacks a field is skipped.
    pub(super) fn event(&mut self, cx: &Context<'_>) {
        if self.filter.as_mut().is_none_or(|f| f.matches(cx)) {
            let _taken: Option<()> = self.take(cx);
        }
    }

    fn take(&mut self, cx: &Context<'_>) -> Option<()> {
        let value = match self.of.extract(cx, &mut self.scratch)? {
            Value::Uint(value) => value,
            Value::Int(value) => u64::try_from(value).ok()?,
            _ => return None,
        };
        self.key.clear();
        for (index, field) in self.by.iter().enumerate() {
            if index > 0 {
                self.key.push(BETWEEN);
            }
            match field.extract(cx, &mut self.scratch)? {
                Value::Text(text) => self.key.extend_from_slice(text),
                Value::Rendered(text) => text::unescape(&mut self.key, text),
                other => format::write_value(&mut self.key, other, field.info, BufferFormat::Dots),
            }
        }
        if let Some(buckets) = self.groups.get_mut(&*self.key) {
            buckets.add(value);
            return Some(());
        }
        if self.groups.len() >= MAX_GROUPS || self.used + self.key.len() > MAX_KEYS {
            self.left_out += 1;
            return None;
        }
        self.used += self.key.len();
        let buckets = self.groups.entry((&*self.key).into()).or_default();
        buckets.add(value);
        Some(())
    }

    pub(super) fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    pub(super) fn needs_payload(&self) -> bool {
        let fields = self.by.iter().chain([&self.of]);
        self.filter.as_ref().is_some_and(Filter::needs_payload)
            || fields.into_iter().any(Field::needs_payload)
    }

    /// Prints the histograms, those with most values first; returns the number of omitted events.
    pub(super) fn print(&mut self, out: &mut Vec<u8>, as_json: bool) -> u64 {
        let groups = std::mem::take(&mut self.groups);
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(&b.0)));
        if self.limit > 0 {
            groups.truncate(self.limit);
        }
        let of = self.of.to_string();
        if as_json {
            out.extend_from_slice(b"{\"of\":");
            json::string(out, of.as_bytes());
            out.extend_from_slice(b",\"histograms\":[");
            for (index, (key, buckets)) in groups.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                self.write_json(out, key, buckets);
            }
            out.extend_from_slice(b"]}\n");
        } else {
            for (index, (key, buckets)) in groups.iter().enumerate() {
                if index > 0 {
                    out.push(b'\n');
                }
                text::escape(out, of.as_bytes());
                self.write_text(out, key, buckets);
            }
        }
        std::mem::take(&mut self.left_out)
    }

    fn write_text(&self, out: &mut Vec<u8>, key: &[u8], buckets: &Buckets) {
        for part in self.parts(key) {
            out.push(b' ');
            text::escape_exact(out, part);
        }
        let values = number::plural(buckets.count, "value");
        number::display(
            out,
            format_args!(": {} {values}, on average ", buckets.count),
        );
        self.unit.write(out, buckets.average());
        out.extend_from_slice(b", at most ");
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let shown = |out: &mut Vec<u8>, value: u64| self.unit.write(out, value as f64);
        shown(out, buckets.most);
        out.push(b'\n');
        let highest = buckets.counts.iter().copied().max().unwrap_or(0).max(1);
        let mut value = Vec::new();
        for (from, to, count) in buckets.filled() {
            for edge in [from, to] {
                value.clear();
                shown(&mut value, edge);
                out.resize(out.len() + 10_usize.saturating_sub(value.len()), b' ');
                out.extend_from_slice(&value);
            }
            number::display(out, format_args!("{count:>10} |"));
            // Any count is visible.
            let bar = (u128::from(count) * BAR as u128).div_ceil(u128::from(highest));
            out.resize(out.len() + usize::try_from(bar).unwrap_or(BAR), b'*');
            out.push(b'\n');
        }
    }

    fn write_json(&self, out: &mut Vec<u8>, key: &[u8], buckets: &Buckets) {
        out.extend_from_slice(b"{\"by\":[");
        for (index, part) in self.parts(key).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            json::string(out, part);
        }
        let Buckets {
            count, sum, most, ..
        } = buckets;
        number::display(
            out,
            format_args!("],\"count\":{count},\"sum\":{sum},\"max\":{most},\"buckets\":["),
        );
        for (index, (from, to, count)) in buckets.filled().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            number::display(
                out,
                format_args!("{{\"from\":{from},\"to\":{to},\"count\":{count}}}"),
            );
        }
        out.extend_from_slice(b"]}");
    }

    /// Splits a key into the texts of its fields.
    fn parts<'k>(&self, key: &'k [u8]) -> impl Iterator<Item = &'k [u8]> + use<'k> {
        key.split(|b| *b == BETWEEN).take(self.by.len())
    }
}

/// Looks up a field.
fn field(name: &str) -> Result<Field, ApiError> {
    let field = fields::lookup(name.trim())?;
    if field.info.flags.contains(FieldFlags::FILTER_ONLY) {
        return Err(ApiError::FilterOnly(field.info.name));
    }
    Ok(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_their_power_of_two() {
        let mut buckets = Buckets::default();
        for value in [0, 1, 2, 3, 4, 1023, 1024, u64::MAX] {
            buckets.add(value);
        }
        let filled: Vec<_> = buckets.filled().filter(|(.., count)| *count > 0).collect();
        let expected = [
            (0, 0, 1),
            (1, 1, 1),
            (2, 3, 2),
            (4, 7, 1),
            (512, 1023, 1),
            (1024, 2047, 1),
            (1 << 63, u64::MAX, 1),
        ];
        assert_eq!(filled, expected);
        assert_eq!(buckets.most, u64::MAX);
        assert_eq!(Buckets::default().filled().count(), 0);
    }
}
