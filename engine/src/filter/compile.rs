//! Compiles checked conditions to a tree of predicates that is evaluated without allocating.

use scap_capture_format::schema::EventType;

use super::ast::{Op, Quantifier};
use super::compare::{self, PatternCache, Test};
use super::literal::{self, Datum};
use super::resolve::{Check, Node, Right};
use super::timetest::TimeTest;
use super::transform::Operand;
use super::types::Count;
use super::typeset::{TypeSet, TypeTest};
use crate::fields::attributes::{Role, Unit, Zone};
use crate::fields::{Context, Field, FieldArg};

/// A type that is not in the schema.
const UNKNOWN: EventType = EventType(u16::MAX);

/// A condition, ready to be evaluated.
#[derive(Clone, Debug)]
pub(super) enum Pred {
    All(Box<[Self]>),
    Any(Box<[Self]>),
    ExactlyOne(Box<[Self]>),
    Not(Box<Self>),
    Always(bool),
    /// A condition on the name of the event's type.
    Type(Box<TypeTest>),
    /// A condition on the event's type alone: the types that match.
    Types(Box<TypeSet>),
    /// The direction: whether enter and exit events match.
    Dir {
        enter: bool,
        exit: bool,
    },
    /// A condition on the time of the event.
    Time(Box<TimeTest>),
    /// A condition on the distance to a time, in nanoseconds.
    Around {
        time: u64,
        distance: u64,
    },
    /// A field compared with constants.
    Value(Box<ValueTest>),
    /// A field compared with another operand.
    Pair(Box<PairTest>),
}

#[derive(Clone, Debug)]
pub(super) struct ValueTest {
    pub(super) operand: Operand,
    pub(super) test: Test,
    /// True if all values of a list have to match.
    all: bool,
}

#[derive(Clone, Debug)]
pub(super) struct PairTest {
    left: Operand,
    op: Op,
    right: Operand,
    cache: PatternCache,
}

/// Compiles a condition.
pub(super) fn compile(node: Node) -> Pred {
    match node {
        Node::And(parts) => {
            let parts = flat(parts, |p| match p {
                Pred::All(parts) => Ok(parts),
                other => Err(other),
            });
            Pred::All(joined(parts, Quantifier::All))
        }
        Node::Or(parts) => {
            let parts = flat(parts, |p| match p {
                Pred::Any(parts) => Ok(parts),
                other => Err(other),
            });
            Pred::Any(joined(parts, Quantifier::Any))
        }
        Node::Not(inner) => Pred::Not(Box::new(compile(*inner))),
        Node::Check(check) => compile_check(*check),
    }
}

/// Flattens nested parts of the same kind into one level.
fn flat(parts: Vec<Node>, inner: fn(Pred) -> Result<Box<[Pred]>, Pred>) -> Vec<Pred> {
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        match inner(compile(part)) {
            Ok(parts) => out.extend(parts),
            Err(part) => out.push(part),
        }
    }
    out
}

/// Joins neighbouring tests of the same field to one, so that its value is found once: conditions that list many paths
/// are common.
fn joined(parts: Vec<Pred>, quantifier: Quantifier) -> Box<[Pred]> {
    let mut out: Vec<Pred> = Vec::with_capacity(parts.len());
    for part in parts {
        match (out.last_mut(), part) {
            (Some(Pred::Value(last)), Pred::Value(next)) if last.can_join(&next, quantifier) => {
                last.join(next.test, quantifier);
            }
            (_, part) => out.push(part),
        }
    }
    out.into()
}

impl ValueTest {
    /// Returns true if a test of this and another value is one test of a single value.
    pub(super) fn can_join(&self, other: &Self, quantifier: Quantifier) -> bool {
        let (Some(one), Some(two)) = (self.operand.field(), other.operand.field()) else {
            return false;
        };
        let counts = match quantifier {
            Quantifier::All => [Count::One].as_slice(),
            // Some value meets some condition, in whatever order they are tried.
            _ => &[Count::One, Count::Any],
        };
        std::ptr::eq(one.info, two.info)
            && one.arg == two.arg
            && counts.contains(&self.operand.ty.count)
            // Each use counts on its own.
            && !one.is_stateful()
            // The bounds of times and ids are taken from single tests.
            && matches!(one.role(), Role::None | Role::Name(_))
    }

    pub(super) fn join(&mut self, test: Test, quantifier: Quantifier) {
        if let Test::Each(all, tests) = &mut self.test
            && *all == quantifier
            && !tests.is_empty()
        {
            return tests.push(test);
        }
        let first = std::mem::replace(&mut self.test, Test::Never);
        self.test = Test::Each(quantifier, vec![first, test]);
    }
}

pub(super) fn compile_check(check: Check) -> Pred {
    let Check {
        left, op, right, ..
    } = check;
    let (each, values) = match right {
        Right::Operand(right) => {
            return Pred::Pair(Box::new(PairTest {
                left,
                op,
                right,
                cache: PatternCache::default(),
            }));
        }
        Right::Values(each, values) => (each, values),
        Right::None => (None, Vec::new()),
    };
    if values.iter().any(|v| matches!(v, Datum::TimeLiteral(_))) {
        return times(&left, op, each, values);
    }
    let role = left.field().map_or(Role::None, Field::role);
    if let (Role::Around, Some(Datum::Num(ms))) = (role, values.first()) {
        return around(&left, *ms);
    }
    let all = op == Op::In && left.ty.count == Count::List;
    match (role, Test::new(op, each, values)) {
        (_, Test::Never) => Pred::Always(false),
        (Role::EventType, Test::Text(text)) if let Some(field) = left.field() => {
            Pred::Type(Box::new(TypeTest::new(field.clone(), text)))
        }
        (Role::Direction, Test::Text(mut text)) => Pred::Dir {
            enter: text.matches(b">"),
            exit: text.matches(b"<"),
        },
        (_, mut test) => {
            if let Some(value) = left.field().and_then(Field::by_type) {
                let mut passes = |ty| value(ty).is_some_and(|value| test.matches(value, all));
                let mut types = TypeSet::of(&mut passes);
                types.unknown = passes(UNKNOWN);
                return Pred::Types(Box::new(types));
            }
            Pred::Value(Box::new(ValueTest {
                operand: left,
                test,
                all,
            }))
        }
    }
}

/// Comparisons of a time field with values of which some are times; the other values are compared
/// as text.
fn times(left: &Operand, op: Op, each: Option<Quantifier>, values: Vec<Datum>) -> Pred {
    let info = left.field().map(|f| f.info);
    let reading = literal::Reading::new(info, left.ty.kind);
    let zone = reading.zone.unwrap_or(Zone::Local);
    let seconds = info.is_some_and(|info| info.attributes.unit == Unit::Seconds);
    let one = |value| match value {
        Datum::TimeLiteral(time_literal) => {
            Pred::Time(Box::new(TimeTest::new(op, time_literal, zone, seconds)))
        }
        other => Pred::Value(Box::new(ValueTest {
            operand: left.clone(),
            test: Test::new(op, None, vec![other]),
            all: false,
        })),
    };
    let mut parts: Vec<Pred> = values.into_iter().map(one).collect();
    match (each, parts.pop()) {
        (None, Some(part)) => part,
        (each, last) => {
            parts.extend(last);
            match each {
                Some(Quantifier::All) => Pred::All(parts.into()),
                Some(Quantifier::One) => Pred::ExactlyOne(parts.into()),
                Some(Quantifier::Any) | None => Pred::Any(parts.into()),
            }
        }
    }
}

/// `evt.around[T] = D`: within D milliseconds of T.
fn around(left: &Operand, ms: i128) -> Pred {
    const NS_PER_MS: u64 = 1_000_000;
    let Some(FieldArg::Index(time)) = left.field().map(|f| &f.arg) else {
        return Pred::Always(false);
    };
    match u64::try_from(ms) {
        Ok(ms) => Pred::Around {
            time: time.cast_unsigned(),
            distance: ms.saturating_mul(NS_PER_MS),
        },
        Err(_) => Pred::Always(false),
    }
}

impl Pred {
    /// Returns true for a comparison that most values meet: `!=`.
    pub(super) fn is_negation(&self) -> bool {
        match self {
            Self::Value(check) => check.test.is_negation(),
            Self::Pair(check) => check.op == Op::Ne,
            Self::Not(_) => true,
            _ => false,
        }
    }

    /// Returns the outcome for events of a type if it depends only on that.
    pub(super) fn outcome(&self, ty: EventType) -> Option<bool> {
        match self {
            Self::Always(holds) => Some(*holds),
            Self::Type(test) => test.outcome(ty),
            Self::Types(types) => Some(types.contains(ty)),
            Self::Dir { enter, exit } => Some(if ty.is_enter() { *enter } else { *exit }),
            _ => None,
        }
    }

    /// Returns true if the predicate is true for an event.
    pub(super) fn matches(&mut self, cx: Context<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter_mut().all(|p| p.matches(cx)),
            Self::Any(parts) => parts.iter_mut().any(|p| p.matches(cx)),
            Self::ExactlyOne(parts) => {
                let mut holding = parts.iter_mut().filter_map(|p| p.matches(cx).then_some(()));
                holding.next().is_some() && holding.next().is_none()
            }
            Self::Not(inner) => !inner.matches(cx),
            Self::Always(holds) => *holds,
            Self::Type(test) => test.matches(cx),
            Self::Types(types) => types.contains(cx.event.ty),
            Self::Dir { enter, exit } => {
                if cx.event.ty.is_enter() {
                    *enter
                } else {
                    *exit
                }
            }
            Self::Time(test) => {
                let first = cx.session.first_time;
                cx.event
                    .ts
                    .known()
                    .is_some_and(|ns| test.matches(ns, first))
            }
            Self::Around { time, distance } => cx
                .event
                .ts
                .known()
                .is_some_and(|ns| ns.abs_diff(*time) <= *distance),
            Self::Value(check) => {
                let ValueTest { operand, test, all } = &mut **check;
                match operand.value(cx) {
                    Some(value) => test.matches(value, *all),
                    None => false,
                }
            }
            Self::Pair(check) => {
                let PairTest {
                    left,
                    op,
                    right,
                    cache,
                } = &mut **check;
                match (left.value(cx), right.value(cx)) {
                    (Some(left), Some(right)) => compare::compare(*op, left, right, cache),
                    _ => false,
                }
            }
        }
    }

    /// Returns true if the predicate depends only on values that are the same in all events of a
    /// container.
    pub(super) fn is_container_prefilter(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::ExactlyOne(parts) => {
                parts.iter().all(Self::is_container_prefilter)
            }
            Self::Not(inner) => inner.is_container_prefilter(),
            Self::Value(_) | Self::Pair(_) => !self.any_field(|field| !field.is_container_scoped()),
            Self::Always(_)
            | Self::Type(_)
            | Self::Types(_)
            | Self::Dir { .. }
            | Self::Time(_)
            | Self::Around { .. } => false,
        }
    }

    /// Calls `see` with every field that is evaluated. Conditions on the type, the direction and
    /// the time of events evaluate no field.
    pub(super) fn each_field(&self, see: &mut dyn FnMut(&Field)) {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::ExactlyOne(parts) => {
                parts.iter().for_each(|p| p.each_field(see));
            }
            Self::Not(inner) => inner.each_field(see),
            Self::Value(check) => check.operand.each_field(see),
            Self::Pair(check) => {
                check.left.each_field(see);
                check.right.each_field(see);
            }
            Self::Always(_)
            | Self::Type(_)
            | Self::Types(_)
            | Self::Dir { .. }
            | Self::Time(_)
            | Self::Around { .. } => {}
        }
    }

    /// Returns true if an evaluated field meets a condition.
    pub(super) fn any_field(&self, condition: impl Fn(&Field) -> bool) -> bool {
        let mut found = false;
        self.each_field(&mut |field| found |= condition(field));
        found
    }

    /// Returns true if there is a condition on the type, the direction or the time of an event.
    pub(super) fn mentions_event(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::ExactlyOne(parts) => {
                parts.iter().any(Self::mentions_event)
            }
            Self::Not(inner) => inner.mentions_event(),
            Self::Value(_) | Self::Pair(_) | Self::Always(_) => false,
            Self::Type(_)
            | Self::Types(_)
            | Self::Dir { .. }
            | Self::Time(_)
            | Self::Around { .. } => true,
        }
    }

    /// Returns true if there is a condition on the direction.
    pub(super) fn mentions_dir(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::ExactlyOne(parts) => {
                parts.iter().any(Self::mentions_dir)
            }
            Self::Not(inner) => inner.mentions_dir(),
            Self::Dir { .. } => true,
            Self::Value(check) => {
                let field = check.operand.field();
                field.is_some_and(|f| f.role() == Role::Direction)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pred, Test};
    use crate::filter::Filter;

    /// The tests of each part of a condition, by how many values of a field are found for it.
    fn parts(text: &str) -> Vec<usize> {
        let (Pred::All(parts) | Pred::Any(parts)) = Filter::parse(text).unwrap().root else {
            panic!("{text}");
        };
        let of = |part: &Pred| match part {
            Pred::Value(check) => match &check.test {
                Test::Each(_, tests) => tests.len(),
                _ => 1,
            },
            _ => 0,
        };
        parts.iter().map(of).collect()
    }

    #[test]
    fn a_field_is_found_once_for_all_its_tests() {
        let text = "fd.name = a or fd.name startswith b or fd.name in (c, d) or proc.name = x";
        assert_eq!(parts(text), [3, 1]);
        assert_eq!(
            parts("fd.name contains a and fd.name endswith b and evt.dir = <"),
            [2, 0]
        );
        // Others in between, other arguments.
        assert_eq!(
            parts("fd.name = a or proc.name = b or fd.name = c"),
            [1, 1, 1]
        );
        assert_eq!(
            parts("proc.aname[1] = a or proc.aname[2] = a or proc.aname[2] = b"),
            [1, 2]
        );
    }

    #[test]
    fn tests_of_different_values_stay_apart() {
        // One ancestor is the first, another one the second.
        assert_eq!(parts("proc.aname = a and proc.aname = b"), [1, 1]);
        assert_eq!(parts("proc.aname = a or proc.aname = b"), [2]);
        // Each use counts.
        assert_eq!(parts("util.cnt = 2 or util.cnt = 3"), [1, 1]);
        // Bounds are taken from them.
        assert_eq!(parts("thread.tid = 1 or thread.tid = 2"), [1, 1]);
        // An empty list, which matches nothing, stays a test of its own.
        assert_eq!(
            parts("fd.name startswith allof () and fd.name contains b and fd.num = 3"),
            [2, 1]
        );
    }
}
