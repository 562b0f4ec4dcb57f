//! Filters mean what they mean to sysdig 0.29.3: every one of `filters.txt` and two thousand made up ones,
//! with values from the captures themselves, lets the same events pass.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use scap::fields::Context;
use scap::filter::ast::{Check, Expr, ExprKind, OperandKind};
use scap::filter::{Filter, parse};
use scap::replay::EventSink;

use crate::known;
use crate::ours::{key, pass};
use crate::random_filters::{DERIVED, Pool, Random, random_filter};
use crate::sysdig::{self, CAPTURES, KEY, Known, captures};

/// How many filters are made up.
const MADE_UP: usize = 2000;

/// One filter on one capture.
struct Case {
    filter: String,
    capture: usize,
}

#[test]
fn the_same_events_pass() {
    let Some(dir) = captures() else {
        return;
    };
    let known = comparable_fields(&dir);
    let pools: Vec<Pool> = CAPTURES
        .iter()
        .map(|c| Pool::new(&dir, c, &known))
        .collect();
    let mut excused: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut cases = Vec::new();
    for filter in listed() {
        for (capture, pool) in pools.iter().enumerate() {
            let filter = filter.to_owned();
            match excuse(&filter, pool) {
                Some(why) => drop(excused.entry(why).or_default().insert(filter)),
                None => cases.push(Case { filter, capture }),
            }
        }
    }
    let listed: BTreeSet<String> = cases.iter().map(|c| c.filter.clone()).collect();
    assert!(
        listed.len() >= 150,
        "only {} filters are compared",
        listed.len()
    );
    let mut random = Random(0x5ca9);
    let mut made = 0;
    while made < MADE_UP {
        // Larger captures say more.
        let capture = [3, 5, 6, 3, 5, 6, 0, 2, 7, 4, 1][made % 11];
        let filter = random_filter(&mut random, &pools[capture], &known);
        if excuse(&filter, &pools[capture]).is_none() {
            made += 1;
            cases.push(Case { filter, capture });
        }
    }
    let expected = all_of_sysdig(&dir, &cases);
    let actual = all_of_ours(&dir, &cases);
    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut passed = 0;
    for ((case, expected), actual) in cases.iter().zip(&expected).zip(&actual) {
        let told = match (expected, actual) {
            (Ok(expected), Ok(actual)) => {
                passed += usize::from(!expected.is_empty());
                difference(expected, actual)
            }
            (Err(_), Err(_)) => None,
            (Err(error), Ok(_)) => Some(format!("sysdig: {error}")),
            (Ok(_), Err(error)) => Some(format!("scap: {error}")),
        };
        if let Some(told) = told {
            let entry = wrong.entry(&case.filter).or_default();
            entry.push(format!("{}: {told}", CAPTURES[case.capture]));
        }
    }
    for (why, filters) in &excused {
        eprintln!("not compared on some captures: {why}");
        for filter in filters {
            eprintln!("    {filter}");
        }
    }
    eprintln!(
        "{} runs of {} listed and {MADE_UP} made up filters compared, {passed} with events that pass",
        cases.len(),
        listed.len()
    );
    let mut report = String::new();
    for (filter, told) in &wrong {
        writeln!(report, "{filter}").unwrap();
        for line in told.iter().take(2) {
            writeln!(report, "    {line}").unwrap();
        }
    }
    assert!(
        wrong.is_empty(),
        "{} filters differ:\n{report}",
        wrong.len()
    );
    assert!(
        passed > cases.len() / 2,
        "{passed} of {} filters match anything",
        cases.len()
    );
}

/// Returns why a filter cannot be compared on a capture.
fn excuse(filter: &str, pool: &Pool) -> Option<&'static str> {
    let mut checks = Vec::new();
    let parsed = parse(filter).unwrap();
    all_checks(&parsed, &mut checks);
    for check in checks {
        let OperandKind::Field(name) = &check.left.kind else {
            continue;
        };
        let value = known::VALUES.iter().find(|k| k.fields.contains(&&**name));
        if let Some(value) = value
            && (value.random || pool.different.contains(name))
        {
            return Some(value.why);
        }
        if pool.different.contains(name) {
            return Some(
                "0.29.3 has other values, or does not number events of types that it does not know",
            );
        }
        let known = known::FILTERS.iter().find(|(is, _)| is(name, check.op));
        if let Some((_, why)) = known {
            return Some(why);
        }
    }
    None
}

fn all_checks<'a>(expr: &'a Expr, out: &mut Vec<&'a Check>) {
    match &expr.kind {
        ExprKind::And(parts) | ExprKind::Or(parts) => {
            parts.iter().for_each(|p| all_checks(p, out));
        }
        ExprKind::Not(inner) => all_checks(inner, out),
        ExprKind::Macro(_) => {}
        ExprKind::Check(check) => out.push(check),
    }
}

fn listed() -> impl Iterator<Item = &'static str> {
    include_str!("filters.txt")
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
}

#[test]
fn the_list_covers_operators_and_classes() {
    let filters: Vec<&str> = listed().collect();
    assert!(filters.len() >= 150, "{}", filters.len());
    let unique: BTreeSet<_> = filters.iter().collect();
    assert_eq!(unique.len(), filters.len());
    for op in [
        " = ",
        "!=",
        " < ",
        "<=",
        " > ",
        ">=",
        " in ",
        "contains",
        "icontains",
        "startswith",
        "endswith",
        "glob",
        "pmatch",
        "exists",
        "not",
        "and",
        "or",
    ] {
        assert!(filters.iter().any(|f| f.contains(op)), "{op}");
    }
    for class in [
        "evt.",
        "proc.",
        "thread.",
        "user.",
        "group.",
        "container.",
        "fd.",
        "k8s.",
        "syslog.",
        "fdlist.",
    ] {
        assert!(filters.iter().any(|f| f.contains(class)), "{class}");
    }
    for filter in filters {
        if let Err(error) = Filter::parse(filter) {
            panic!("{filter}: {error} at {:?}", error.span);
        }
    }
}

/// Returns the fields that filters are made up of.
fn comparable_fields(dir: &Path) -> Vec<Known> {
    let mut known = sysdig::printable_fields(dir);
    known.retain(|k| !k.ty.is_empty() && !is_stateful(&k.name));
    for (name, ty) in [
        ("evt.type.is.open", "UINT32"),
        ("evt.type.is.read", "UINT32"),
    ] {
        let (name, ty) = (name.to_owned(), ty.to_owned());
        known.push(Known { name, ty });
    }
    for (name, ty, _) in DERIVED {
        let (name, ty) = ((*name).to_owned(), (*ty).to_owned());
        known.push(Known { name, ty });
    }
    known
}

/// Fields whose value depends on the events that the filter looked at before, or on the machine.
fn is_stateful(name: &str) -> bool {
    name.starts_with("evt.deltatime")
        || name.starts_with("thread.exectime")
        || name.starts_with("thread.totexectime")
        || name.starts_with("thread.cpu")
        || matches!(name, "util.cnt" | "evt.around")
        // Resolved by the machine that reads.
        || matches!(name, "fd.cip.name" | "fd.sip.name" | "fd.lip.name" | "fd.rip.name")
}

type Lines = Result<Vec<String>, String>;

/// Runs sysdig with a filter and returns the events that pass.
fn run(dir: &Path, capture: &str, filter: &str) -> Lines {
    let text = match filter {
        "" => sysdig::run(dir, capture, &["-p", KEY])?,
        filter => sysdig::run(dir, capture, &["-p", KEY, filter])?,
    };
    Ok(text.lines().map(str::to_owned).collect())
}

/// Runs sysdig on all cases, on all cores.
fn all_of_sysdig(dir: &Path, cases: &[Case]) -> Vec<Lines> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![Ok(Vec::new()); cases.len()]);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else {
                        return;
                    };
                    let lines = run(dir, CAPTURES[case.capture], &case.filter);
                    results.lock().unwrap_or_else(PoisonError::into_inner)[index] = lines;
                }
            });
        }
    });
    results.into_inner().unwrap()
}

/// Runs all cases here, those of a capture in one pass.
fn all_of_ours(dir: &Path, cases: &[Case]) -> Vec<Lines> {
    let mut results: Vec<Lines> = vec![Ok(Vec::new()); cases.len()];
    for (capture, name) in CAPTURES.iter().enumerate() {
        let seen: HashSet<String> = run(dir, name, "").unwrap().into_iter().collect();
        let mut filters = Vec::new();
        for (index, case) in cases
            .iter()
            .enumerate()
            .filter(|(_, c)| c.capture == capture)
        {
            match Filter::parse(&case.filter) {
                Ok(filter) => filters.push((index, filter)),
                Err(error) => results[index] = Err(error.to_string()),
            }
        }
        let mut sink = Sink {
            filters,
            seen,
            results: &mut results,
        };
        pass(dir, name, &mut sink);
    }
    results
}

struct Sink<'a> {
    filters: Vec<(usize, Filter)>,
    /// Events that sysdig shows at all.
    seen: HashSet<String>,
    results: &'a mut [Lines],
}

impl EventSink for Sink<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        let line = key(cx);
        for (index, filter) in &mut self.filters {
            if filter.matches(cx)
                && self.seen.contains(&line)
                && let Ok(lines) = &mut self.results[*index]
            {
                lines.push(line.clone());
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn difference(expected: &[String], actual: &[String]) -> Option<String> {
    if expected == actual {
        return None;
    }
    let missing: Vec<&String> = expected.iter().filter(|l| !actual.contains(l)).collect();
    let more: Vec<&String> = actual.iter().filter(|l| !expected.contains(l)).collect();
    Some(format!(
        "sysdig {}, scap {}; {} missing {:?}, {} too many {:?}",
        expected.len(),
        actual.len(),
        missing.len(),
        missing.first(),
        more.len(),
        more.first()
    ))
}
