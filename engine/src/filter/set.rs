//! Many filters evaluated together, as a set of rules needs it.
//!
//! Conditions that several filters have in common, such as the macros of a rule file, are one node of a graph and are
//! evaluated at most once for an event. For each type of event the set keeps the filters that can match it at all, with
//! whatever depends on the type alone already decided.

use std::ops::ControlFlow;

use hashbrown::HashMap;
use scap_capture_format::schema::{self, EventType, types};

use super::ast::{Expr, Quantifier};
use super::compile::{self, Pred};
use super::resolve::{self, Node as Condition};
use super::{Definitions, Filter, FilterError, FilterErrorKind, Pushdown, TypeSet};
use crate::event::EventExt as _;
use crate::fields::{Context, Field};

/// Limit of the nodes of a set.
const MAX_NODES: usize = 8 << 20;
/// Event types in the schema; the index of all others.
const UNKNOWN: usize = schema::EVENTS.len();

/// The number of a node.
type Id = u32;

/// A condition, with its parts by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Node {
    Always(bool),
    All(Box<[Id]>),
    Any(Box<[Id]>),
    Not(Id),
    /// The index of a test.
    Test(u32),
}

/// A filter that can match events of a type, and the part of it that the type does not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Candidate {
    filter: u32,
    root: Id,
}

/// Filters that are evaluated together, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct FilterSet {
    graph: Graph,
    tests: Vec<Pred>,
    /// For each node, the last event for which it was evaluated, times two, plus its outcome.
    memo: Vec<u64>,
    /// Counts events.
    now: u64,
    /// The filters.
    roots: Vec<(Id, Pushdown)>,
    /// For each event type, the index of its candidates; the last is for types outside of the schema.
    by_type: Vec<u32>,
    candidates: Vec<Box<[Candidate]>>,
    /// For each call without an event type, by code, the candidates; empty until [`Self::index`].
    by_call: Vec<u32>,
    /// For each event type, whether there are candidates.
    candidate_types: Vec<bool>,
}

/// Nodes without duplicates.
#[derive(Clone, Debug, Default)]
struct Graph {
    nodes: Vec<Node>,
    ids: HashMap<Node, Id>,
    /// Tests by the text that only equal ones have.
    tests: HashMap<String, u32>,
    /// For each test, how early it is evaluated.
    ranks: Vec<Rank>,
}

/// In which order the parts of a conjunction are evaluated: what is rarely true comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A value is one of a few, or begins with a text.
    Equal,
    /// One of several conditions.
    Several,
    /// A value is none of a few.
    Unequal,
    /// It depends on earlier evaluations, so that it stays where it is, and so does what is beside it.
    Fixed,
}

impl Graph {
    fn id(&mut self, node: Node) -> Id {
        if let Some(id) = self.ids.get(&node) {
            return *id;
        }
        let id = self.nodes.len() as Id;
        self.nodes.push(node.clone());
        self.ids.insert(node, id);
        id
    }

    /// Returns the node of a conjunction or disjunction, which may be decided by its parts.
    fn join(&mut self, parts: Vec<Id>, all: bool) -> Id {
        let mut kept = Vec::with_capacity(parts.len());
        for part in parts {
            match self.nodes.get(part as usize) {
                Some(Node::Always(holds)) if *holds == all => {}
                Some(Node::Always(holds)) => {
                    let decided = Node::Always(*holds);
                    return self.id(decided);
                }
                _ if kept.contains(&part) => {}
                _ => kept.push(part),
            }
        }
        if all && !kept.iter().any(|part| self.rank(*part) == Rank::Fixed) {
            kept.sort_by_key(|part| self.rank(*part));
        }
        match &*kept {
            [] => self.id(Node::Always(all)),
            [one] => *one,
            _ if all => self.id(Node::All(kept.into())),
            _ => self.id(Node::Any(kept.into())),
        }
    }

    fn rank(&self, id: Id) -> Rank {
        match self.nodes.get(id as usize) {
            Some(Node::Test(test)) => self
                .ranks
                .get(*test as usize)
                .copied()
                .unwrap_or(Rank::Fixed),
            Some(Node::Not(inner)) => self.rank(*inner).max(Rank::Unequal),
            Some(Node::All(parts)) => {
                // The first part decides most often.
                let ranks = parts.iter().map(|part| self.rank(*part));
                let (least, most) = (ranks.clone().min(), ranks.max());
                most.filter(|most| *most == Rank::Fixed)
                    .or(least)
                    .unwrap_or(Rank::Equal)
            }
            Some(Node::Any(parts)) => {
                let most = parts.iter().map(|part| self.rank(*part)).max();
                most.unwrap_or(Rank::Several).max(Rank::Several)
            }
            Some(Node::Always(_)) | None => Rank::Equal,
        }
    }

    fn negate(&mut self, inner: Id) -> Id {
        match self.nodes.get(inner as usize) {
            Some(Node::Always(holds)) => {
                let negated = Node::Always(!*holds);
                self.id(negated)
            }
            Some(Node::Not(inner)) => *inner,
            _ => self.id(Node::Not(inner)),
        }
    }
}

impl FilterSet {
    /// Adds a filter. [`Self::index`] has to follow.
    ///
    /// # Errors
    ///
    /// As [`Filter::from_ast`], or if the set becomes too large.
    pub fn add(&mut self, expr: &Expr, definitions: &Definitions) -> Result<(), FilterError> {
        let pushdown = Filter::from_ast(expr, definitions)?.pushdown;
        let root = self.condition(resolve::resolve(expr, definitions)?);
        if self.graph.nodes.len() > MAX_NODES {
            let kind = FilterErrorKind::TooLarge {
                limit: MAX_NODES,
                what: "conditions, together with the others of its set",
            };
            return Err(FilterError::new(kind, expr.span.clone()));
        }
        self.roots.push((root, pushdown));
        Ok(())
    }

    fn condition(&mut self, condition: Condition) -> Id {
        match condition {
            Condition::And(parts) => self.parts(parts, true),
            Condition::Or(parts) => self.parts(parts, false),
            Condition::Not(inner) => {
                let inner = self.condition(*inner);
                self.graph.negate(inner)
            }
            Condition::Check(check) => {
                let key = check.key();
                self.test(compile::compile_check(*check), key)
            }
        }
    }

    /// Adds a conjunction or disjunction. Neighbouring tests of a field are joined, as in a single filter.
    fn parts(&mut self, parts: Vec<Condition>, all: bool) -> Id {
        let quantifier = if all {
            Quantifier::All
        } else {
            Quantifier::Any
        };
        let mut ids = Vec::with_capacity(parts.len());
        let mut open: Option<(Pred, String)> = None;
        for part in parts {
            let Condition::Check(check) = part else {
                ids.extend(open.take().map(|(pred, key)| self.test(pred, key)));
                ids.push(self.condition(part));
                continue;
            };
            let key = check.key();
            let pred = compile::compile_check(*check);
            match (&mut open, pred) {
                (Some((Pred::Value(last), joined)), Pred::Value(next))
                    if last.can_join(&next, quantifier) =>
                {
                    last.join(next.test, quantifier);
                    joined.push_str(if all { " and " } else { " or " });
                    joined.push_str(&key);
                }
                (_, pred) => {
                    let before = open.replace((pred, key));
                    ids.extend(before.map(|(pred, key)| self.test(pred, key)));
                }
            }
        }
        ids.extend(open.map(|(pred, key)| self.test(pred, key)));
        self.graph.join(ids, all)
    }

    fn test(&mut self, pred: Pred, key: String) -> Id {
        if let Pred::Always(holds) = pred {
            return self.graph.id(Node::Always(holds));
        }
        // Each use of a field that remembers earlier events counts on its own.
        let is_shared = !pred.any_field(Field::is_stateful);
        if is_shared && let Some(test) = self.graph.tests.get(&key) {
            let node = Node::Test(*test);
            return self.graph.id(node);
        }
        let test = self.tests.len() as u32;
        self.graph.ranks.push(match is_shared {
            false => Rank::Fixed,
            true if pred.is_negation() => Rank::Unequal,
            true => Rank::Equal,
        });
        self.tests.push(pred);
        if is_shared {
            self.graph.tests.insert(key, test);
        }
        self.graph.id(Node::Test(test))
    }

    /// Prepares the evaluation of all filters that were added. Events of types that are not `wanted` match none.
    pub fn index(&mut self, wanted: impl Fn(EventType) -> bool) {
        let mut lists: HashMap<Box<[Candidate]>, u32> = HashMap::new();
        // Types about which all tests have the same to say share the candidates.
        let mut decided: HashMap<Box<[Option<bool>]>, HashMap<Id, Id>> = HashMap::new();
        self.by_type = (0..=UNKNOWN)
            .map(|index| {
                let ty = EventType(if index == UNKNOWN {
                    u16::MAX
                } else {
                    index as u16
                });
                let outcomes: Box<[Option<bool>]> =
                    self.tests.iter().map(|test| test.outcome(ty)).collect();
                let (outcomes, mut memo) = match decided.remove_entry(&outcomes) {
                    Some(known) => known,
                    None => (outcomes, HashMap::new()),
                };
                let mut found = Vec::new();
                for number in 0..self.roots.len() {
                    let (root, pushdown) = &self.roots[number];
                    if !wanted(ty) || !pushdown.types.contains(ty) {
                        continue;
                    }
                    let root = decide(&mut self.graph, *root, &outcomes, &mut memo);
                    if self.graph.nodes.get(root as usize) != Some(&Node::Always(false)) {
                        let filter = number as u32;
                        found.push(Candidate { filter, root });
                    }
                }
                decided.insert(outcomes, memo);
                let next = lists.len() as u32;
                *lists.entry(found.into()).or_insert(next)
            })
            .collect();
        let generic = self.by_type[usize::from(types::GENERIC_X.0)];
        let generic = lists.iter().find(|(_, index)| **index == generic);
        let generic = generic.map_or_else(Vec::new, |(list, _)| list.to_vec());
        self.by_call = (0..TypeSet::CALLS)
            .map(|code| {
                let reached = |c: &&Candidate| {
                    let pushdown = &self.roots[c.filter as usize].1;
                    pushdown.types.contains_call(code)
                };
                let found: Box<[Candidate]> = generic.iter().filter(reached).copied().collect();
                let next = lists.len() as u32;
                *lists.entry(found).or_insert(next)
            })
            .collect();
        let mut ordered: Vec<(u32, Box<[Candidate]>)> = lists
            .into_iter()
            .map(|(list, index)| (index, list))
            .collect();
        ordered.sort_unstable_by_key(|(index, _)| *index);
        self.candidates = ordered.into_iter().map(|(_, list)| list).collect();
        let has_any = |index: &u32| {
            let list = self.candidates.get(*index as usize);
            list.is_some_and(|list| !list.is_empty())
        };
        self.candidate_types = self.by_type.iter().map(has_any).collect();
        self.memo = vec![0; self.graph.nodes.len()];
        self.now = 0;
    }

    /// Returns the types of the events that any filter can match.
    pub fn types(&self) -> TypeSet {
        let types = self.roots.iter().map(|(_, pushdown)| &pushdown.types);
        types.fold(TypeSet::NONE, |all, types| all.or(types))
    }

    /// Returns the parts of a capture that a filter can match, by the order in which the filters were added.
    pub fn pushdown(&self, filter: usize) -> Option<&Pushdown> {
        self.roots.get(filter).map(|(_, pushdown)| pushdown)
    }

    /// Returns true if events of a type can match; most cannot, so this is asked first.
    #[inline]
    pub fn may_match(&self, ty: EventType) -> bool {
        let words = &self.candidate_types;
        let index = usize::from(ty.0).min(UNKNOWN);
        words.get(index).copied().unwrap_or(false)
    }

    /// Calls `each` with the number of every filter that matches an event, in order, until it breaks.
    pub fn matches(&mut self, cx: &Context<'_>, each: &mut dyn FnMut(usize) -> ControlFlow<()>) {
        let ty = cx.event.ty;
        let index = match ty {
            types::GENERIC_X => {
                let code = cx.event.uint(0).and_then(|code| usize::try_from(code).ok());
                // Code 0: a call without a code in the field's numbering.
                code.and_then(|code| self.by_call.get(code))
                    .or(self.by_call.first())
            }
            ty => self.by_type.get(usize::from(ty.0).min(UNKNOWN)),
        };
        let list = index.and_then(|index| self.candidates.get(*index as usize));
        let Some(list) = list.filter(|list| !list.is_empty()) else {
            return;
        };
        self.now += 1;
        let mut evaluation = Evaluation {
            nodes: &self.graph.nodes,
            tests: &mut self.tests,
            memo: &mut self.memo,
            now: self.now,
            cx: *cx,
        };
        for candidate in list {
            if evaluation.holds(candidate.root) && each(candidate.filter as usize).is_break() {
                return;
            }
        }
    }
}

/// Returns the node that remains of one when the outcomes of some tests are known.
fn decide(graph: &mut Graph, id: Id, outcomes: &[Option<bool>], memo: &mut HashMap<Id, Id>) -> Id {
    if let Some(known) = memo.get(&id) {
        return *known;
    }
    let Some(node) = graph.nodes.get(id as usize).cloned() else {
        return id;
    };
    let decided = match node {
        Node::Always(_) => id,
        Node::Test(test) => match outcomes.get(test as usize) {
            Some(Some(outcome)) => graph.id(Node::Always(*outcome)),
            _ => id,
        },
        Node::Not(inner) => {
            let inner = decide(graph, inner, outcomes, memo);
            graph.negate(inner)
        }
        Node::All(ref parts) | Node::Any(ref parts) => {
            let all = matches!(node, Node::All(_));
            let mut kept = Vec::with_capacity(parts.len());
            for part in parts {
                kept.push(decide(graph, *part, outcomes, memo));
            }
            graph.join(kept, all)
        }
    };
    memo.insert(id, decided);
    decided
}

/// The evaluation for one event.
struct Evaluation<'s, 'c> {
    nodes: &'s [Node],
    tests: &'s mut [Pred],
    memo: &'s mut [u64],
    now: u64,
    cx: Context<'c>,
}

impl Evaluation<'_, '_> {
    fn holds(&mut self, id: Id) -> bool {
        let (Some(node), Some(memo)) = (self.nodes.get(id as usize), self.memo.get(id as usize))
        else {
            return false;
        };
        if *memo >> 1 == self.now {
            return *memo & 1 == 1;
        }
        let holds = match node {
            Node::Always(holds) => return *holds,
            Node::All(parts) => parts.iter().all(|part| self.holds(*part)),
            Node::Any(parts) => parts.iter().any(|part| self.holds(*part)),
            Node::Not(inner) => !self.holds(*inner),
            Node::Test(test) => {
                let cx = self.cx;
                let test = self.tests.get_mut(*test as usize);
                test.is_some_and(|test| test.matches(cx))
            }
        };
        if let Some(memo) = self.memo.get_mut(id as usize) {
            *memo = self.now << 1 | u64::from(holds);
        }
        holds
    }
}
