//! Which names a filter requires, so that chunks without them need not be read.

use scap_capture_format::native::{ChunkSummary, NameKind, RunNames};

use super::ast::Quantifier;
use super::compare::Test;
use super::compile::Pred;
use crate::fields::Field;
use crate::fields::attributes::Role;

/// Most clauses. Leaving some out only means that more is read.
const MOST_CLAUSES: usize = 16;

/// Names, one of which an event has to have: sorted fingerprints by kind. Without any, no event matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameClause([Vec<u32>; NameKind::ALL.len()]);

impl NameClause {
    fn new(kind: NameKind, mut fingerprints: Vec<u32>) -> Self {
        fingerprints.sort_unstable();
        let mut clause = Self::default();
        clause.0[kind as usize] = fingerprints;
        clause
    }

    fn or(&self, other: &Self) -> Self {
        let mut all = self.clone();
        for (own, others) in all.0.iter_mut().zip(&other.0) {
            own.extend(others);
            own.sort_unstable();
            own.dedup();
        }
        all
    }

    /// Returns false if no event of a chunk has one of the names. `run`: the names in its run, if they are known.
    pub fn may_match(&self, summary: &ChunkSummary, run: Option<&RunNames>) -> bool {
        let mut kinds = NameKind::ALL.iter().zip(&self.0);
        kinds.any(|(kind, names)| {
            let may_have = |names: &[u32]| match kind.is_in_runs() {
                true => run.is_none_or(|run| run.may_have(names)),
                false => summary.may_have_name(*kind, names),
            };
            !names.is_empty() && may_have(names)
        })
    }

    /// Whether some of the names are in runs.
    fn is_in_runs(&self) -> bool {
        let mut kinds = NameKind::ALL.iter().zip(&self.0);
        kinds.any(|(kind, names)| kind.is_in_runs() && !names.is_empty())
    }
}

/// Whether the names of runs are of use for these clauses.
pub(super) fn are_in_runs(clauses: &[NameClause]) -> bool {
    clauses.iter().any(NameClause::is_in_runs)
}

/// Returns the clauses without which a condition cannot be true, or false with `negated`: each has to be met.
pub(super) fn clauses(pred: &Pred, negated: bool) -> Vec<NameClause> {
    let mut clauses = match pred {
        Pred::All(parts) | Pred::Any(parts) => {
            let all = matches!(pred, Pred::All(_)) != negated;
            let parts = parts.iter().map(|part| clauses(part, negated));
            if all {
                parts.flatten().collect()
            } else {
                either(parts)
            }
        }
        Pred::Not(inner) => clauses(inner, !negated),
        Pred::Always(holds) if *holds == negated => vec![NameClause::default()],
        Pred::Value(check) if !negated => match check.operand.field().map(Field::role) {
            Some(Role::Name(kind)) => clauses_of(kind, &check.test),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    clauses.truncate(MOST_CLAUSES);
    clauses
}

/// Returns the clauses without which none of several conditions can be true.
fn either(mut parts: impl Iterator<Item = Vec<NameClause>>) -> Vec<NameClause> {
    let first = parts.next();
    let first = first.unwrap_or_else(|| vec![NameClause::default()]);
    parts.fold(first, |ours, theirs| {
        let pairs = ours.iter().flat_map(|a| theirs.iter().map(|b| a.or(b)));
        pairs.take(MOST_CLAUSES).collect()
    })
}

/// Returns the clauses without which a test of a name cannot be true.
fn clauses_of(kind: NameKind, test: &Test) -> Vec<NameClause> {
    match test {
        Test::Each(Quantifier::All, tests) => {
            tests.iter().flat_map(|t| clauses_of(kind, t)).collect()
        }
        Test::Each(Quantifier::Any, tests) => either(tests.iter().map(|t| clauses_of(kind, t))),
        test => clause(kind, test).into_iter().collect(),
    }
}

/// Returns the names one of which meets a test; `None` = any.
fn clause(kind: NameKind, test: &Test) -> Option<NameClause> {
    let fingerprints = match kind {
        NameKind::Thread | NameKind::Executable | NameKind::Container => {
            let names = test.only_texts()?;
            names.iter().map(|name| kind.fingerprint(name)).collect()
        }
        NameKind::Path => {
            let paths = test.only_texts().or_else(|| test.only_below())?;
            let prints = paths.iter().map(|path| NameKind::of_path(path));
            prints.collect::<Option<_>>()?
        }
        NameKind::FileName => {
            let names = test.only_texts()?;
            // A name that ends with a slash is shown as one.
            if names
                .iter()
                .any(|name| name.is_empty() || name.contains(&b'/'))
            {
                return None;
            }
            names.iter().map(|name| kind.fingerprint(name)).collect()
        }
        NameKind::Address => {
            let addresses = test.only_addresses()?.iter();
            addresses.copied().map(NameKind::of_address).collect()
        }
        NameKind::ServerPort => {
            let ports = test.only_numbers()?.iter();
            let ports = ports.filter_map(|port| u16::try_from(*port).ok());
            ports.map(NameKind::of_server_port).collect()
        }
    };
    Some(NameClause::new(kind, fingerprints))
}
