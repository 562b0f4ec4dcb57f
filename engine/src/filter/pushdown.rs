//! Computes which part of a capture a filter can match at all, so that the rest need not be read.
//!
//! All results are conservative: a condition that is not analysed is assumed to match.

use scap_capture_format::event::{Pid, Tid};
use scap_capture_format::native::{ChunkSummary, RunNames};
use scap_capture_format::schema::{EventType, SourceCategory, syscall as schema, types};

use super::compare::{NumberTest, Test};
use super::compile::{Pred, ValueTest};
use super::names::{self, NameClause};
use super::timetest;
use super::typeset::TypeSet;
use crate::event::{fds, syscall};
use crate::fields::Field;
use crate::fields::attributes::{Carrier, Role};
use crate::state;

/// The events that a filter can match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushdown {
    /// Event types.
    pub types: TypeSet,
    /// Event types in a capture without calls of the 32-bit ABI of x86.
    ///
    /// Calls of the 32-bit ABI are recorded as `syscall` events, so that a filter for `openat` has
    /// to include `syscall`. This smaller set is for captures known to have no such calls.
    pub types_64bit: TypeSet,
    /// First and last time, in nanoseconds since the epoch. The first is after the last if no event
    /// can match.
    pub times: (Option<u64>, Option<u64>),
    /// Thread ids, sorted.
    pub tids: Option<Vec<i64>>,
    /// Process ids, sorted.
    pub pids: Option<Vec<i64>>,
    /// Names: each of the clauses has to be met.
    pub names: Vec<NameClause>,
    /// A field of the filter whose value depends on events that the filter does not match, such as
    /// their numbers, their times or the memory counters that they carry. Leaving those events out
    /// changes the result.
    pub depends_on_all: Option<&'static str>,
    /// Types of the enter events that can match a filter with a condition on the direction. They
    /// have to be synthesised for a capture with only exit events.
    pub enters: TypeSet,
}

impl Pushdown {
    pub(super) fn of(pred: &Pred) -> Self {
        let types = types(pred, false, false);
        let (first, last) = times(pred, false);
        let calls = TypeSet::of(|ty| {
            let syscall = |i: &scap_capture_format::schema::EventInfo| {
                i.source_category.contains(SourceCategory::SYSCALL)
            };
            ty.is_enter() && ty.info().is_some_and(syscall)
        });
        let mut depends_on_all = None;
        pred.each_field(&mut |field| {
            if field.depends_on_all() {
                depends_on_all.get_or_insert(field.info.name);
            }
        });
        Self {
            depends_on_all,
            enters: match pred.mentions_dir() {
                true => types.and(&calls),
                false => TypeSet::NONE,
            },
            types_64bit: self::types(pred, false, true),
            types,
            times: (
                Some(first).filter(|first| *first > 0),
                Some(last).filter(|last| *last < u64::MAX),
            ),
            tids: ids(pred, Role::ThreadId),
            pids: ids(pred, Role::ProcessId),
            names: names::clauses(pred, false),
        }
    }

    /// Returns false if no event of a chunk can match. `run`: the names in its run, if they are known; see
    /// [`Self::wants_runs`].
    pub fn may_match(&self, summary: &ChunkSummary, run: Option<&RunNames>) -> bool {
        // Some fields depend on events that do not match.
        if self.depends_on_all.is_some() {
            return true;
        }
        let (from, to) = (summary.min_time.0, summary.max_time.0);
        let (first, last) = self.times;
        let untyped = summary.activity().map(|activity| activity.untyped);
        let is_64bit = untyped.is_some_and(|calls| calls.of_32bit == 0);
        // The names of 32-bit calls are not known by their codes.
        let codes = untyped.and_then(|calls| calls.codes).filter(|_| is_64bit);
        let types = if is_64bit {
            &self.types_64bit
        } else {
            &self.types
        };
        let has_call = |code: u16| types.contains_call(code) || schema::by_ppm_sc(code).is_none();
        let has_calls = |ty: EventType| {
            ty != types::GENERIC_X || codes.is_none_or(|codes| codes.iter().any(has_call))
        };
        // Enter events are synthesised where only exit events are stored.
        let has_type = |ty: EventType| {
            let enter = EventType(ty.0 & !1);
            types.contains(ty) && has_calls(ty) || self.enters.contains(enter)
        };
        let any = |ids: &Option<Vec<i64>>, may: &dyn Fn(i64) -> bool| {
            ids.as_ref().is_none_or(|ids| ids.iter().any(|id| may(*id)))
        };
        let threads = &summary.threads;
        first.is_none_or(|first| first <= to)
            && last.is_none_or(|last| from <= last)
            && summary.types.iter().any(|(ty, _)| has_type(*ty))
            && any(&self.tids, &|id| threads.may_contain_tid(Tid(id)))
            && any(&self.pids, &|id| may_be_of(summary, Pid(id)))
            && self.may_have_names(summary, run)
    }

    /// Returns false if the names that are required are not in a chunk.
    fn may_have_names(&self, summary: &ChunkSummary, run: Option<&RunNames>) -> bool {
        // Enter events have the names of before the call.
        self.enters != TypeSet::NONE || self.names.iter().all(|names| names.may_match(summary, run))
    }

    /// Returns true if [`Self::may_match`] can use the names of a run.
    pub fn wants_runs(&self) -> bool {
        self.depends_on_all.is_none()
            && self.enters == TypeSet::NONE
            && names::are_in_runs(&self.names)
    }

    /// Returns true if an event of any type at any time can match.
    pub fn is_everything(&self) -> bool {
        self.types.is_all()
            && self.times == (None, None)
            && self.tids.is_none()
            && self.pids.is_none()
            && self.names.is_empty()
    }
}

/// Returns false if a chunk has no events of a process. Events of sysdig's captures do not store
/// their process.
pub fn may_be_of(summary: &ChunkSummary, pid: Pid) -> bool {
    summary.threads.may_contain_pid(pid) || summary.threads.may_contain_pid(Pid(-1))
}

/// Returns the event types for which a condition can be true, or false with `negated`.
fn types(pred: &Pred, negated: bool, narrow: bool) -> TypeSet {
    let of = |part: &Pred| types(part, negated, narrow);
    match pred {
        Pred::All(parts) | Pred::Any(parts) => {
            // De Morgan's law.
            let all = matches!(pred, Pred::All(_)) != negated;
            if all {
                parts.iter().fold(TypeSet::ALL, |set, p| set.and(&of(p)))
            } else {
                parts.iter().fold(TypeSet::NONE, |set, p| set.or(&of(p)))
            }
        }
        Pred::Not(inner) => types(inner, !negated, narrow),
        Pred::Always(holds) if *holds == negated => TypeSet::NONE,
        Pred::Type(test) => test.pushdown(negated, narrow),
        Pred::Types(set) if negated => set.complement(),
        Pred::Types(set) => **set,
        Pred::Dir { enter, exit } => {
            let mut set = TypeSet::of(|ty| {
                let holds = if ty.is_enter() { enter } else { exit };
                *holds != negated
            });
            set.unknown = *enter != negated || *exit != negated;
            set
        }
        // `evt.num = 0` is the customary condition that is always false.
        Pred::Value(check) if !negated && is_never(check) => TypeSet::NONE,
        Pred::Value(check) if !negated => match carrier(check) {
            Carrier::Any => TypeSet::ALL,
            Carrier::Fd => {
                let mut set = TypeSet::of(fds::may_be_used);
                set.retain_calls(|call| {
                    syscall::has_fd_argument(call) || state::call_may_affect_state(call.name)
                });
                set
            }
            Carrier::Plugin => TypeSet::of(|ty| ty == types::PLUGINEVENT_E),
            Carrier::Alert => {
                TypeSet::of(|ty| matches!(ty, types::ASYNCEVENT_E | types::NOTIFICATION_E))
            }
        },
        _ => TypeSet::ALL,
    }
}

fn role(check: &ValueTest) -> Role {
    check.operand.field().map_or(Role::None, Field::role)
}

/// Returns the events that can have the value.
fn carrier(check: &ValueTest) -> Carrier {
    let field = check.operand.field();
    field.map_or(Carrier::Any, |field| field.info.attributes.carrier)
}

/// Returns true if no event can match: event numbers start at 1.
fn is_never(check: &ValueTest) -> bool {
    role(check) == Role::EventNumber
        && check
            .test
            .only_numbers()
            .is_some_and(|n| n.iter().all(|n| *n <= 0))
}

/// Returns the first and the last time for which a condition can be true, or false with `negated`.
fn times(pred: &Pred, negated: bool) -> (u64, u64) {
    const NEVER: (u64, u64) = (1, 0);
    const EVER: (u64, u64) = (0, u64::MAX);
    let is_empty = |(first, last): (u64, u64)| first > last;
    match pred {
        Pred::All(parts) | Pred::Any(parts) => {
            let all = matches!(pred, Pred::All(_)) != negated;
            let parts = parts.iter().map(|p| times(p, negated));
            if all {
                let both = parts.fold(EVER, |a, b| (a.0.max(b.0), a.1.min(b.1)));
                if is_empty(both) { NEVER } else { both }
            } else {
                parts
                    .filter(|part| !is_empty(*part))
                    .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
                    .unwrap_or(NEVER)
            }
        }
        Pred::Not(inner) => times(inner, !negated),
        Pred::Always(holds) if *holds == negated => NEVER,
        Pred::Time(test) => test.bounds(negated),
        Pred::Around { time, distance } if !negated => (
            time.saturating_sub(*distance),
            time.saturating_add(*distance),
        ),
        // Every event has a time, so a negated comparison is a bound too.
        Pred::Value(check) if role(check) == Role::EventTime => match &check.test {
            Test::Number(NumberTest::Order(op, other)) => match u64::try_from(*other) {
                Ok(other) => timetest::bounds(*op, other, negated),
                Err(_) => EVER,
            },
            Test::Number(NumberTest::Set(set, outside)) if *outside == negated => {
                let mut known = set.iter().filter_map(|n| u64::try_from(*n).ok());
                match (known.clone().min(), known.by_ref().max()) {
                    (Some(first), Some(last)) => (first, last),
                    _ => NEVER,
                }
            }
            _ => EVER,
        },
        _ => EVER,
    }
}

/// Returns the values of a field with numbers for which a condition can be true; `None` = any.
fn ids(pred: &Pred, id: Role) -> Option<Vec<i64>> {
    values(pred, false, id, &|test| {
        let numbers = test.only_numbers()?.iter();
        Some(numbers.filter_map(|n| i64::try_from(*n).ok()).collect())
    })
}

/// Returns the sorted values of a field for which a condition can be true, or false with `negated`; `None`
/// = any. `of` returns the values that a test of the field accepts.
fn values<T: Ord>(
    pred: &Pred,
    negated: bool,
    field: Role,
    of: &dyn Fn(&Test) -> Option<Vec<T>>,
) -> Option<Vec<T>> {
    match pred {
        Pred::All(parts) | Pred::Any(parts) => {
            let all = matches!(pred, Pred::All(_)) != negated;
            let mut parts = parts.iter().map(|p| values(p, negated, field, of));
            if all {
                parts.flatten().reduce(|mut a, b| {
                    a.retain(|id| b.binary_search(id).is_ok());
                    a
                })
            } else {
                let mut union = parts.try_fold(Vec::new(), |mut a, b| {
                    a.extend(b?);
                    Some(a)
                })?;
                union.sort_unstable();
                union.dedup();
                Some(union)
            }
        }
        Pred::Not(inner) => values(inner, !negated, field, of),
        Pred::Always(holds) if *holds == negated => Some(Vec::new()),
        Pred::Value(check) if !negated && role(check) == field => of(&check.test),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::Filter;

    #[test]
    fn such_a_field_is_found_wherever_it_stands() {
        let depends = |text: &str| Filter::parse(text).unwrap().pushdown().depends_on_all;
        assert_eq!(depends("evt.type = open and proc.name = cat"), None);
        assert_eq!(depends("not (fd.num = 3 or evt.num > 7)"), Some("evt.num"));
        assert_eq!(depends("fd.num = val(util.cnt)"), Some("util.cnt"));
    }

    #[test]
    fn chunks_without_a_call_or_an_asynchronous_event_are_ruled_out() {
        use scap_capture_format::native::ChunkSummary;
        use scap_capture_format::schema::{EventType, syscall, types};
        let summary = |ty: EventType, of_32bit: u8, codes: &[u16]| {
            // No lanes and latencies.
            let mut activity = vec![0, 0, 0, of_32bit, codes.len() as u8];
            for code in codes {
                activity.extend([*code as u8 | 0x80, (code >> 7) as u8]);
            }
            ChunkSummary {
                types: vec![(ty, 1)],
                events: 1,
                extra: vec![(1, activity)],
                ..ChunkSummary::default()
            }
        };
        let getppid = syscall::by_name("getppid").unwrap().ppm_sc;
        let may = |filter: &str, summary: &ChunkSummary| {
            let filter = Filter::parse(filter).unwrap();
            filter.pushdown().may_match(summary, None)
        };
        let calls = summary(types::GENERIC_X, 0, &[getppid]);
        for (filter, expected) in [
            ("evt.type = getppid", true),
            ("evt.type = alarm", false),
            ("evt.type in (alarm, getppid)", true),
            ("evt.type != getppid", false),
            ("evt.type = syscall_4000", false),
            ("evt.type startswith get", true),
            ("evt.type = openat", false),
        ] {
            assert_eq!(may(filter, &calls), expected, "{filter}");
        }
        // Calls of the 32-bit ABI, and without a code, can have any name.
        for (of_32bit, code) in [(1, getppid), (0, 0)] {
            let calls = summary(types::GENERIC_X, of_32bit, &[code]);
            assert!(may("evt.type = alarm", &calls));
        }
        let other = summary(types::ASYNCEVENT_E, 0, &[]);
        for (filter, expected) in [
            ("evt.type = ptrace", false),
            ("evt.type = alert", true),
            ("evt.type = asyncevent", true),
            ("evt.type != alert", true),
            ("evt.type contains sync", true),
            ("evt.asynctype = x", true),
        ] {
            assert_eq!(may(filter, &other), expected, "{filter}");
        }
    }

    #[test]
    fn calls_without_a_type_are_distinguished() {
        use scap_capture_format::schema::syscall;
        let types = |text: &str| Filter::parse(text).unwrap().pushdown().types;
        let code = |name: &str| syscall::by_name(name).unwrap().ppm_sc;
        let set = types("evt.type in (futex, getppid)");
        assert!(set.contains_call(code("getppid")));
        assert!(!set.contains_call(code("sched_yield")));
        let set = types("evt.type != getppid");
        assert!(!set.contains_call(code("getppid")) && set.contains_call(code("sched_yield")));
        let set = types("proc.name = x and (evt.type = getppid or evt.type = openat)");
        assert!(set.contains_call(code("getppid")) && !set.contains_call(code("sched_yield")));
        assert!(types("not evt.type = getppid").contains_call(0));
    }
}
