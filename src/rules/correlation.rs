//! Rules about several events: how often, and what came before. The key `scap` of a rule, which Falco ignores.
//!
//! The semantics are those of Sigma's correlations: events are grouped by the values of the fields of `by`, and count if
//! they are within a window of time. Memory is bounded: what had to be forgotten is counted.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};

use super::node::{Item, Read};
use super::report::{Code, Finding};
use super::text::Text;
use super::yaml::Kind;

/// Limit of the matches that a rule can count to.
const MAX_COUNT: u64 = 10_000;
/// Limit of the steps of a rule.
const MAX_STEPS: usize = 32;
/// Limit of the keys that a rule remembers.
const MAX_KEYS: usize = 100_000;
/// Limit of what all rules together remember, in bytes.
const MAX_BYTES: usize = 256 << 20;
/// What a remembered key takes besides its bytes and times.
const KEY_BYTES: usize = 96;

/// An event that has to be seen besides the one that the rule's condition describes.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) condition: Text,
    /// The fields whose values have to be those of the rule's `by`; empty = the same fields.
    pub(super) by: Vec<String>,
}

/// The key `scap` of a rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Correlation {
    /// How many matches are needed.
    pub(super) count: u64,
    /// Only different values of this field count.
    pub(super) distinct: Option<String>,
    /// What has to be seen besides.
    pub(super) steps: Vec<Step>,
    /// The steps have to be seen in this order.
    pub(super) ordered: bool,
    /// The window in nanoseconds.
    pub(super) within: u64,
    /// The fields that events have to have in common.
    pub(super) by: Vec<String>,
}

/// Keys of `scap`.
const KEYS: [&str; 6] = ["count", "distinct", "after", "with", "within", "by"];

impl Correlation {
    /// Reads the key `scap` of a rule.
    pub(super) fn read(item: &Item<'_>, file: usize, warnings: &mut Vec<Finding>) -> Read<Self> {
        item.check_keys(&KEYS, warnings);
        let fail = |message: String| item.fail(Code::Extension, message);
        let within = item.text("within")?;
        let Some(within) = duration(within).filter(|ns| *ns > 0) else {
            return fail(format!(
                "'{within}' is not a time such as 500ms, 30s, 5m or 2h"
            ));
        };
        let by = match item.has("by") {
            true => item.one_or_more("by")?.items().to_vec(),
            false => Vec::new(),
        };
        let count = item.number("count")?;
        let distinct = item.optional_text("distinct")?.map(str::to_owned);
        let (key, ordered) = match (item.has("after"), item.has("with")) {
            (true, true) => return fail("'after' and 'with' exclude each other".to_owned()),
            (true, false) => ("after", true),
            (false, true) => ("with", false),
            (false, false) if count.is_none() => {
                return fail("one of 'count', 'after' and 'with' is needed".to_owned());
            }
            _ => ("", false),
        };
        let count = count.unwrap_or(1);
        if !(1..=MAX_COUNT).contains(&count) {
            return fail(format!("'count' is from 1 to {MAX_COUNT}"));
        }
        if !key.is_empty() && (count > 1 || distinct.is_some()) {
            return fail(format!(
                "'{key}' cannot be combined with 'count' and 'distinct'"
            ));
        }
        let mut steps = Vec::new();
        if !key.is_empty() {
            for node in item.sequence(key)? {
                steps.push(step(&item.within("step", "", node), file, warnings)?);
            }
            if steps.is_empty() || steps.len() > MAX_STEPS {
                return fail(format!("'{key}' has from 1 to {MAX_STEPS} conditions"));
            }
            if steps
                .iter()
                .any(|s: &Step| !s.by.is_empty() && s.by.len() != by.len())
            {
                return fail(
                    "the 'by' of a condition has as many fields as that of the rule".to_owned(),
                );
            }
        }
        Ok(Self {
            count,
            distinct,
            steps,
            ordered,
            within,
            by,
        })
    }
}

/// Reads a step: a condition, or a map of a condition and its fields.
fn step(item: &Item<'_>, file: usize, warnings: &mut Vec<Finding>) -> Read<Step> {
    let own = |text: &str, node| Text::new(text, file, super::yaml::Node::span(node));
    match &item.node.kind {
        Kind::Mapping(_) => {
            item.check_keys(&["condition", "by"], warnings);
            let by = match item.has("by") {
                true => item.one_or_more("by")?.items().to_vec(),
                false => Vec::new(),
            };
            let condition = own(item.text("condition")?, item.required("condition")?);
            Ok(Step { condition, by })
        }
        _ => Ok(Step {
            condition: own(item.scalar(item.node)?, item.node),
            by: Vec::new(),
        }),
    }
}

/// Parses a duration, in nanoseconds.
pub(super) fn duration(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = text.split_at(at);
    let unit = match unit.trim() {
        "ms" => 1e6,
        "s" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3600e9,
        "d" => 86_400e9,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    let ns = number * unit;
    (ns.is_finite() && ns < u64::MAX as f64).then_some(ns as u64)
}

/// An event that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Nanoseconds since the epoch.
    pub(super) time: u64,
    /// The number of the event.
    pub(super) number: u64,
    /// Which step it met, or the hash of its value of `distinct`.
    what: u64,
}

type Generation = HashMap<Box<[u8]>, VecDeque<Seen>>;

/// The matches of a rule, by the values of its fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Two generations: the old one is dropped when the young one is full.
    young: Generation,
    old: Generation,
}

/// Bounds what all rules remember.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    bytes: usize,
    /// Keys that were forgotten although their window was open.
    pub(super) forgotten: u64,
}

impl Memory {
    /// Takes a match of a rule that counts; returns the matches if there are enough of them now.
    pub(super) fn count(
        &mut self,
        rule: &Correlation,
        key: &[u8],
        distinct: Option<&[u8]>,
        at: (u64, u64),
        budget: &mut Budget,
    ) -> Option<Vec<Seen>> {
        let (time, number) = at;
        let what = distinct.map_or(number, hash);
        let count = rule.count as usize;
        let seen = self.entry(key, time, rule.within, budget);
        if let Some(same) = seen.iter().position(|s| s.what == what) {
            seen.remove(same);
            budget.bytes = budget.bytes.saturating_sub(size_of::<Seen>());
        }
        seen.push_back(Seen { time, number, what });
        budget.bytes += size_of::<Seen>();
        (seen.len() >= count).then(|| {
            budget.bytes = budget.bytes.saturating_sub(seen.len() * size_of::<Seen>());
            std::mem::take(seen).into()
        })
    }

    /// Takes an event that meets a step.
    pub(super) fn step(
        &mut self,
        rule: &Correlation,
        key: &[u8],
        step: usize,
        at: (u64, u64),
        budget: &mut Budget,
    ) {
        let (time, number) = at;
        let seen = self.entry(key, time, rule.within, budget);
        let what = step as u64;
        if rule.ordered {
            // The step before has to have been seen, in an earlier event.
            let before = |s: &Seen| s.what + 1 == what && s.number != number;
            if step > 0 && !seen.iter().any(before) {
                return;
            }
        }
        // The latest event counts, so that the window is as long as it can be.
        match seen.iter().position(|s| s.what == what) {
            Some(same) => {
                seen.remove(same);
            }
            None => budget.bytes += size_of::<Seen>(),
        }
        seen.push_back(Seen { time, number, what });
    }

    /// Takes an event that meets the condition of a rule with steps; returns the events of the steps if all were seen.
    pub(super) fn complete(
        &mut self,
        rule: &Correlation,
        key: &[u8],
        at: (u64, u64),
        budget: &mut Budget,
    ) -> Option<Vec<Seen>> {
        let (time, number) = at;
        let seen = self.entry(key, time, rule.within, budget);
        let mut found = Vec::with_capacity(rule.steps.len());
        let mut latest = 0;
        for step in 0..rule.steps.len() as u64 {
            let one = seen.iter().find(|s| s.what == step && s.number != number)?;
            if rule.ordered && one.time < latest {
                return None;
            }
            latest = one.time;
            found.push(*one);
        }
        budget.bytes = budget.bytes.saturating_sub(seen.len() * size_of::<Seen>());
        seen.clear();
        Some(found)
    }

    /// Returns what is remembered for a key, without what is older than the window.
    fn entry(
        &mut self,
        key: &[u8],
        now: u64,
        within: u64,
        budget: &mut Budget,
    ) -> &mut VecDeque<Seen> {
        if !self.young.contains_key(key) {
            let full = self.young.len() >= MAX_KEYS / 2 || budget.bytes > MAX_BYTES;
            if full {
                self.forget(now, within, budget);
            }
            let known = self.old.remove_entry(key);
            let (key, seen) = known.unwrap_or_else(|| {
                budget.bytes += KEY_BYTES + key.len();
                (key.into(), VecDeque::new())
            });
            self.young.insert(key, seen);
        }
        let seen = self.young.entry_ref(key).or_default();
        let before = seen.len();
        seen.retain(|s| s.time.saturating_add(within) >= now);
        let gone = (before - seen.len()) * size_of::<Seen>();
        budget.bytes = budget.bytes.saturating_sub(gone);
        seen
    }

    /// Drops the old generation; the young one becomes old. Drops that, too, if what all rules remember is still too much.
    fn forget(&mut self, now: u64, within: u64, budget: &mut Budget) {
        let dropped = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        budget.release(dropped, now, within);
        if budget.bytes > MAX_BYTES {
            budget.release(std::mem::take(&mut self.old), now, within);
        }
    }
}

impl Budget {
    /// Takes off what a generation took, and counts the keys whose window is open.
    fn release(&mut self, dropped: Generation, now: u64, within: u64) {
        for (key, seen) in dropped {
            let is_open = seen.iter().any(|s| s.time.saturating_add(within) >= now);
            self.forgotten += u64::from(is_open);
            let bytes = KEY_BYTES + key.len() + seen.len() * size_of::<Seen>();
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

fn hash(value: &[u8]) -> u64 {
    use std::hash::BuildHasher as _;
    // The values are an attacker's: the keys of the hash are random.
    thread_local! {
        static HASHER: std::hash::RandomState = std::hash::RandomState::new();
    }
    HASHER.with(|hasher| hasher.hash_one(value))
}

/// Returns the names of fields that are given more than once.
pub(super) fn repeated(fields: &[String]) -> Option<&str> {
    let mut seen = HashSet::new();
    fields
        .iter()
        .map(String::as_str)
        .find(|field| !seen.insert(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(count: u64, within: u64, steps: usize, ordered: bool) -> Correlation {
        let step = || Step {
            condition: Text::default(),
            by: Vec::new(),
        };
        Correlation {
            count,
            within,
            steps: (0..steps).map(|_| step()).collect(),
            ordered,
            ..Correlation::default()
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Some(500_000_000));
        assert_eq!(duration("1.5s"), Some(1_500_000_000));
        assert_eq!(duration("2 h"), Some(7_200_000_000_000));
        for wrong in ["", "5", "s", "5x", "1..2s", "-1s", "99999999999999d"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn matches_count_within_the_window_and_by_key() {
        let (rule, mut memory, mut budget) =
            (rule(3, 10, 0, false), Memory::default(), Budget::default());
        let mut hit = |key: &[u8], time| {
            memory
                .count(&rule, key, None, (time, time), &mut budget)
                .is_some()
        };
        assert!(!hit(b"a", 1) && !hit(b"a", 5) && !hit(b"b", 6));
        // The first one is too old.
        assert!(!hit(b"a", 12));
        assert!(hit(b"a", 13));
        // Counting begins again.
        assert!(!hit(b"a", 14) && !hit(b"a", 15) && hit(b"a", 16));
    }

    #[test]
    fn equal_values_count_once() {
        let (rule, mut memory, mut budget) =
            (rule(2, 10, 0, false), Memory::default(), Budget::default());
        let mut hit = |value: &[u8], time| {
            memory
                .count(&rule, b"", Some(value), (time, time), &mut budget)
                .is_some()
        };
        assert!(!hit(b"x", 1) && !hit(b"x", 2) && !hit(b"x", 3) && hit(b"y", 4));
    }

    #[test]
    fn sequences_have_an_order() {
        let (ordered, mut memory, mut budget) =
            (rule(1, 10, 2, true), Memory::default(), Budget::default());
        memory.step(&ordered, b"k", 1, (1, 1), &mut budget);
        memory.step(&ordered, b"k", 0, (2, 2), &mut budget);
        assert_eq!(memory.complete(&ordered, b"k", (3, 3), &mut budget), None);
        memory.step(&ordered, b"k", 1, (4, 4), &mut budget);
        let numbers = |seen: Vec<Seen>| seen.iter().map(|s| s.number).collect::<Vec<_>>();
        let found = memory
            .complete(&ordered, b"k", (5, 5), &mut budget)
            .unwrap();
        assert_eq!(numbers(found), [2, 4]);
        assert_eq!(memory.complete(&ordered, b"k", (6, 6), &mut budget), None);
        let any = rule(1, 10, 2, false);
        memory.step(&any, b"k", 1, (20, 20), &mut budget);
        memory.step(&any, b"k", 0, (21, 21), &mut budget);
        assert_eq!(
            numbers(memory.complete(&any, b"k", (22, 22), &mut budget).unwrap()),
            [21, 20]
        );
        // Outside of the window.
        memory.step(&any, b"k", 1, (40, 40), &mut budget);
        memory.step(&any, b"k", 0, (55, 55), &mut budget);
        assert_eq!(memory.complete(&any, b"k", (56, 56), &mut budget), None);
    }

    fn len(memory: &Memory) -> usize {
        memory.young.len() + memory.old.len()
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_is_counted() {
        let (rule, mut memory, mut budget) = (
            rule(2, u64::MAX, 0, false),
            Memory::default(),
            Budget::default(),
        );
        for key in 0..4 * MAX_KEYS as u64 {
            memory.count(&rule, &key.to_le_bytes(), None, (key, key), &mut budget);
        }
        assert!(len(&memory) <= MAX_KEYS, "{}", len(&memory));
        assert_eq!(budget.forgotten as usize + len(&memory), 4 * MAX_KEYS);
        assert!(budget.bytes < MAX_KEYS * 200, "{}", budget.bytes);
        // Many rules share one budget.
        let mut rules: Vec<Memory> = (0..40).map(|_| Memory::default()).collect();
        let long = [0_u8; 4096];
        let mut budget = Budget::default();
        for number in 0..200_000_u64 {
            let mut key = long;
            key[..8].copy_from_slice(&number.to_le_bytes());
            let at = (number, number);
            rules[number as usize % 40].count(&rule, &key, None, at, &mut budget);
        }
        assert!(
            budget.bytes < MAX_BYTES + (8 << 20) && budget.forgotten > 0,
            "{budget:?}"
        );
    }
}
