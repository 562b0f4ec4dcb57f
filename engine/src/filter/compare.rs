//! Evaluation of operators on values.

use std::cmp::Ordering;
use std::net::IpAddr;

use hashbrown::HashSet;
use memchr::memmem::Finder;
use regex::bytes::Regex;

use super::ast::{Op, Quantifier};
use super::literal::{Datum, Dynamic, Net};
use super::pattern::Paths;
use super::transform::items;
use crate::event::glob::Glob;
use crate::fields::Value;

/// A test of a value, with the right-hand side built in.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// Matches no value: an empty list.
    Never,
    /// Matches any value.
    Exists,
    Number(NumberTest),
    Text(TextTest),
    Bool {
        when_true: bool,
        when_false: bool,
    },
    Double(Op, Vec<f64>),
    Ip(Vec<IpAddr>, bool),
    Net(Vec<Net>, bool),
    Dynamic(Box<DynamicTest>),
    Each(Quantifier, Vec<Self>),
}

/// A test of a number.
#[derive(Clone, Debug)]
pub(super) enum NumberTest {
    Order(Op, i128),
    /// Sorted numbers; true = the value must be none of them.
    Set(Box<[i128]>, bool),
}

/// A test of a text.
#[derive(Clone, Debug)]
pub(super) enum TextTest {
    Eq(Box<[u8]>),
    Ne(Box<[u8]>),
    Order(Op, Box<[u8]>),
    Few(Box<[Box<[u8]>]>),
    Many(HashSet<Box<[u8]>>),
    Contains(Box<Finder<'static>>),
    IContains(Box<[u8]>),
    StartsWith(Box<[u8]>),
    EndsWith(Box<[u8]>),
    Glob(Glob),
    Regex(Box<RegexTest>),
    Paths(Box<Paths>),
    /// None of its values is valid for the type.
    Never,
}

/// A regular expression, with a buffer for text that has to be converted to UTF-8.
#[derive(Clone, Debug)]
pub(super) struct RegexTest {
    regex: Regex,
    valid: Vec<u8>,
}

/// A test of a parameter whose type depends on the event.
#[derive(Clone, Debug)]
pub(super) struct DynamicTest {
    text: TextTest,
    number: NumberTest,
    double: Test,
    boolean: Test,
    ip: Test,
}

/// Sets of at least this many values are hashed.
const HASHED_FROM: usize = 9;

impl Test {
    /// Makes a test against values of the right type.
    pub(super) fn new(op: Op, each: Option<Quantifier>, values: Vec<Datum>) -> Self {
        if op == Op::Exists {
            return Self::Exists;
        }
        if let Some(quantifier) = each {
            let tests = values.into_iter().map(|v| Self::of(op, vec![v]));
            return Self::Each(quantifier, tests.collect());
        }
        Self::of(op, values)
    }

    fn of(op: Op, values: Vec<Datum>) -> Self {
        macro_rules! all {
            ($variant:ident) => {
                values
                    .into_iter()
                    .filter_map(|v| match v {
                        Datum::$variant(v) => Some(v),
                        _ => None,
                    })
                    .collect()
            };
        }
        let negated = op == Op::Ne;
        match values.first() {
            None => Self::Never,
            Some(Datum::Bytes(_)) => Self::Text(TextTest::new(op, all!(Bytes))),
            Some(Datum::Regex(_)) => match values.into_iter().next() {
                Some(Datum::Regex(regex)) => {
                    let valid = Vec::new();
                    Self::Text(TextTest::Regex(Box::new(RegexTest { regex, valid })))
                }
                _ => Self::Never,
            },
            Some(Datum::Num(_)) => Self::Number(NumberTest::new(op, all!(Num))),
            Some(Datum::Double(_)) => Self::Double(op, all!(Double)),
            Some(Datum::Ip(_)) => Self::Ip(all!(Ip), negated),
            Some(Datum::Net(_)) => Self::Net(all!(Net), negated),
            Some(Datum::Bool(_)) => {
                let values: Vec<bool> = all!(Bool);
                Self::Bool {
                    when_true: values.contains(&true) != negated,
                    when_false: values.contains(&false) != negated,
                }
            }
            Some(Datum::Dynamic(_)) => {
                let values: Vec<Box<Dynamic>> = all!(Dynamic);
                Self::Dynamic(Box::new(DynamicTest::new(op, &values)))
            }
            // Times are compared by `TimeTest`.
            Some(Datum::TimeLiteral(_)) => Self::Never,
        }
    }

    /// Returns true for `!=`.
    pub(super) fn is_negation(&self) -> bool {
        match self {
            Self::Number(NumberTest::Set(_, negated))
            | Self::Ip(_, negated)
            | Self::Net(_, negated) => *negated,
            Self::Text(TextTest::Ne(_)) => true,
            Self::Each(_, tests) => tests.iter().all(Self::is_negation),
            _ => false,
        }
    }

    /// Returns true if a value matches. Of several values any has to match; with `all`, every one.
    pub(super) fn matches(&mut self, value: Value<'_>, all: bool) -> bool {
        let mut any = |value| self.one(value);
        match value {
            Value::Texts(texts) if all => {
                !texts.is_empty() && items(texts).all(|t| any(Value::Text(t)))
            }
            Value::Texts(texts) => items(texts).any(|t| any(Value::Text(t))),
            Value::Ints(ints) if all => {
                !ints.is_empty() && ints.iter().all(|i| any(Value::Int(*i)))
            }
            Value::Ints(ints) => ints.iter().any(|i| any(Value::Int(*i))),
            value => any(value),
        }
    }

    fn one(&mut self, value: Value<'_>) -> bool {
        match self {
            Self::Never => false,
            Self::Exists => true,
            Self::Number(test) => match value {
                Value::Int(n) => test.matches(n.into()),
                Value::Uint(n) => test.matches(n.into()),
                Value::Bool(b) => test.matches(b.into()),
                Value::Ports(a, b) => test.either(a, b),
                _ => false,
            },
            Self::Text(test) => match value {
                Value::Text(text) | Value::Rendered(text) | Value::Bytes(text) => {
                    test.matches(text)
                }
                _ => false,
            },
            Self::Bool {
                when_true,
                when_false,
            } => match value {
                Value::Bool(true) => *when_true,
                Value::Bool(false) => *when_false,
                Value::Int(n) if n != 0 => *when_true,
                Value::Uint(n) if n != 0 => *when_true,
                Value::Int(_) | Value::Uint(_) => *when_false,
                _ => false,
            },
            Self::Double(op, values) => match value {
                Value::Double(d) => double(*op, d, values),
                _ => false,
            },
            Self::Ip(ips, negated) => match value {
                Value::Ip(ip) => ips.contains(&ip) != *negated,
                Value::Ips(a, b) => (ips.contains(&a) || ips.contains(&b)) != *negated,
                _ => false,
            },
            Self::Net(nets, negated) => {
                let within = |ip| nets.iter().any(|n| n.contains(ip));
                match value {
                    Value::Ip(ip) => within(ip) != *negated,
                    Value::Ips(a, b) => (within(a) || within(b)) != *negated,
                    _ => false,
                }
            }
            Self::Dynamic(test) => test.matches(value),
            Self::Each(quantifier, tests) => {
                let mut holding = tests.iter_mut().map(|t| t.one(value)).filter(|held| *held);
                match quantifier {
                    Quantifier::Any => holding.next().is_some(),
                    Quantifier::One => holding.next().is_some() && holding.next().is_none(),
                    Quantifier::All => !tests.is_empty() && tests.iter_mut().all(|t| t.one(value)),
                }
            }
        }
    }

    /// Returns the texts to which the test restricts the value, if it does.
    pub(super) fn only_texts(&self) -> Option<Vec<&[u8]>> {
        match self {
            Self::Never | Self::Text(TextTest::Never) => Some(Vec::new()),
            Self::Text(TextTest::Eq(text)) => Some(vec![text]),
            Self::Text(TextTest::Few(texts)) => Some(texts.iter().map(|t| &**t).collect()),
            Self::Text(TextTest::Many(texts)) => Some(texts.iter().map(|t| &**t).collect()),
            _ => None,
        }
    }

    /// Returns paths of which one is the beginning of the value, or the value, part by part, if the test requires that.
    pub(super) fn only_below(&self) -> Option<Vec<&[u8]>> {
        match self {
            Self::Text(TextTest::StartsWith(text)) => {
                // The last part can be the beginning of a longer one.
                let end = memchr::memrchr(b'/', text)?;
                Some(vec![&text[..end]])
            }
            Self::Text(TextTest::Paths(paths)) => paths.plain(),
            _ => None,
        }
    }

    /// Returns the addresses to which the test restricts the value, if it does.
    pub(super) fn only_addresses(&self) -> Option<&[IpAddr]> {
        match self {
            Self::Never => Some(&[]),
            Self::Ip(addresses, false) => Some(addresses),
            _ => None,
        }
    }

    /// Returns the numbers to which the test restricts the value, if it does.
    pub(super) fn only_numbers(&self) -> Option<&[i128]> {
        match self {
            Self::Never => Some(&[]),
            Self::Number(NumberTest::Set(set, false)) => Some(set),
            _ => None,
        }
    }
}

fn double(op: Op, value: f64, others: &[f64]) -> bool {
    let same = |other: &f64| value == *other;
    match op {
        Op::Ne => !others.iter().any(same),
        Op::Eq | Op::In | Op::Intersects => others.iter().any(same),
        op => others
            .first()
            .and_then(|other| value.partial_cmp(other))
            .is_some_and(|order| holds(op, order)),
    }
}

/// Returns true if an ordering (or equality) operator is true for this ordering of two values.
pub(super) fn holds(op: Op, order: Ordering) -> bool {
    match op {
        Op::Eq | Op::In | Op::Intersects => order.is_eq(),
        Op::Ne => order.is_ne(),
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        Op::Gt => order.is_gt(),
        Op::Ge => order.is_ge(),
        _ => false,
    }
}

impl NumberTest {
    fn new(op: Op, mut values: Vec<i128>) -> Self {
        match values.first() {
            Some(value) if op.is_ordering() => Self::Order(op, *value),
            _ => {
                values.sort_unstable();
                values.dedup();
                Self::Set(values.into(), op == Op::Ne)
            }
        }
    }

    pub(super) fn matches(&self, value: i128) -> bool {
        match self {
            Self::Order(op, other) => holds(*op, value.cmp(other)),
            Self::Set(set, negated) => contains(set, value) != *negated,
        }
    }

    /// Of two ports any has to match, except that `!=` requires both to differ.
    fn either(&self, a: u16, b: u16) -> bool {
        match self {
            Self::Set(set, true) => !contains(set, a.into()) && !contains(set, b.into()),
            _ => self.matches(a.into()) || self.matches(b.into()),
        }
    }
}

fn contains(set: &[i128], value: i128) -> bool {
    match set {
        [one] => *one == value,
        set if set.len() < HASHED_FROM => set.contains(&value),
        set => set.binary_search(&value).is_ok(),
    }
}

impl TextTest {
    fn new(op: Op, values: Vec<Box<[u8]>>) -> Self {
        if matches!(op, Op::In | Op::Intersects) {
            return if values.len() < HASHED_FROM {
                Self::Few(values.into())
            } else {
                Self::Many(values.into_iter().collect())
            };
        }
        if op == Op::PMatch {
            let mut paths = Paths::default();
            values.iter().for_each(|v| paths.add(v));
            return Self::Paths(Box::new(paths));
        }
        let Some(value) = values.into_iter().next() else {
            return Self::Never;
        };
        match op {
            Op::Eq => Self::Eq(value),
            Op::Ne => Self::Ne(value),
            Op::Lt | Op::Le | Op::Gt | Op::Ge => Self::Order(op, value),
            Op::Contains | Op::BContains => {
                Self::Contains(Box::new(Finder::new(&value).into_owned()))
            }
            Op::IContains => Self::IContains(value.to_ascii_lowercase().into()),
            Op::StartsWith | Op::BStartsWith => Self::StartsWith(value),
            Op::EndsWith => Self::EndsWith(value),
            Op::Glob => Self::Glob(Glob::new(&value, false)),
            Op::IGlob => Self::Glob(Glob::new(&value, true)),
            Op::In | Op::Intersects | Op::PMatch | Op::Regex | Op::Exists => Self::Never,
        }
    }

    pub(super) fn matches(&mut self, text: &[u8]) -> bool {
        match self {
            Self::Eq(other) => *text == **other,
            Self::Ne(other) => *text != **other,
            Self::Order(op, other) => holds(*op, text.cmp(other)),
            Self::Few(set) => set.iter().any(|other| *text == **other),
            Self::Many(set) => set.contains(text),
            Self::Contains(finder) => finder.find(text).is_some(),
            Self::IContains(lower) => contains_ignoring_case(text, lower),
            Self::StartsWith(head) => text.starts_with(head),
            Self::EndsWith(tail) => text.ends_with(tail),
            Self::Glob(glob) => glob.is_match(text),
            Self::Regex(test) => test.matches(text),
            Self::Paths(paths) => paths.is_match(text),
            Self::Never => false,
        }
    }
}

impl RegexTest {
    /// In a text that is not UTF-8, invalid bytes are matched as U+FFFD, so that `.` matches them.
    fn matches(&mut self, text: &[u8]) -> bool {
        if std::str::from_utf8(text).is_ok() {
            return self.regex.is_match(text);
        }
        self.valid.clear();
        for chunk in text.utf8_chunks() {
            self.valid.extend_from_slice(chunk.valid().as_bytes());
            if !chunk.invalid().is_empty() {
                self.valid.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
        self.regex.is_match(&self.valid)
    }
}

/// Case-insensitive search; `lower` has to be lower case.
pub(super) fn contains_ignoring_case(text: &[u8], lower: &[u8]) -> bool {
    let Some(first) = lower.first() else {
        return true;
    };
    let Some(last_start) = text.len().checked_sub(lower.len()) else {
        return false;
    };
    let starts = &text[..=last_start];
    memchr::memchr2_iter(*first, first.to_ascii_uppercase(), starts)
        .any(|at| text[at..at + lower.len()].eq_ignore_ascii_case(lower))
}

impl DynamicTest {
    fn new(op: Op, values: &[Box<Dynamic>]) -> Self {
        let of = |data: Vec<Datum>| Test::of(op, data);
        Self {
            text: TextTest::new(op, values.iter().map(|v| v.bytes.clone()).collect()),
            number: NumberTest::new(op, values.iter().filter_map(|v| v.number).collect()),
            double: of(values
                .iter()
                .filter_map(|v| v.double.map(Datum::Double))
                .collect()),
            boolean: of(values
                .iter()
                .filter_map(|v| v.boolean.map(Datum::Bool))
                .collect()),
            ip: of(values.iter().filter_map(|v| v.ip.map(Datum::Ip)).collect()),
        }
    }

    fn matches(&mut self, value: Value<'_>) -> bool {
        match value {
            Value::Text(text) | Value::Rendered(text) | Value::Bytes(text) => {
                self.text.matches(text)
            }
            Value::Int(n) => self.number.matches(n.into()),
            Value::Uint(n) => self.number.matches(n.into()),
            Value::Bool(_) => self.boolean.one(value),
            Value::Double(_) => self.double.one(value),
            Value::Ip(_) => self.ip.one(value),
            _ => false,
        }
    }
}

/// The last pattern on a right-hand side, with its compiled form.
#[derive(Clone, Debug, Default)]
pub(super) struct PatternCache {
    pattern: Vec<u8>,
    glob: Option<Glob>,
}

/// Compares two values of an event.
pub(super) fn compare(op: Op, left: Value<'_>, right: Value<'_>, cache: &mut PatternCache) -> bool {
    if let (Value::Texts(all), Value::Texts(set)) = (left, right) {
        let known = |text: &[u8]| items(set).any(|t| t == text);
        return match op {
            Op::In => !all.is_empty() && items(all).all(known),
            Op::Intersects => items(all).any(known),
            _ => false,
        };
    }
    match left {
        Value::Texts(texts) => items(texts).any(|t| one(op, Value::Text(t), right, cache)),
        Value::Ints(ints) => ints.iter().any(|i| one(op, Value::Int(*i), right, cache)),
        left => one(op, left, right, cache),
    }
}

fn one(op: Op, left: Value<'_>, right: Value<'_>, cache: &mut PatternCache) -> bool {
    match (left, right) {
        (
            Value::Text(left) | Value::Rendered(left) | Value::Bytes(left),
            Value::Text(right) | Value::Rendered(right) | Value::Bytes(right),
        ) => match op {
            Op::Contains | Op::BContains => memchr::memmem::find(left, right).is_some(),
            Op::IContains => {
                left.len() >= right.len() && {
                    right.is_empty()
                        || left
                            .windows(right.len())
                            .any(|w| w.eq_ignore_ascii_case(right))
                }
            }
            Op::StartsWith | Op::BStartsWith => left.starts_with(right),
            Op::EndsWith => left.ends_with(right),
            Op::Glob | Op::IGlob => {
                if cache.glob.is_none() || cache.pattern != right {
                    cache.pattern.clear();
                    cache.pattern.extend_from_slice(right);
                    cache.glob = Some(Glob::new(right, op == Op::IGlob));
                }
                cache.glob.as_ref().is_some_and(|g| g.is_match(left))
            }
            op => holds(op, left.cmp(right)),
        },
        (Value::Bool(left), Value::Bool(right)) => holds(op, left.cmp(&right)),
        (Value::Double(left), Value::Double(right)) => double(op, left, &[right]),
        (Value::Ip(left), Value::Ip(right)) => holds(op, left.cmp(&right)),
        (left, right) => match (number(left), number(right)) {
            (Some(left), Some(right)) => holds(op, left.cmp(&right)),
            _ => false,
        },
    }
}

fn number(value: Value<'_>) -> Option<i128> {
    match value {
        Value::Int(n) => Some(n.into()),
        Value::Uint(n) => Some(n.into()),
        _ => None,
    }
}
