//! Why a rule matches an event or does not: its condition as a tree, with the value of each comparison.

use super::collection::Source;
use super::compile::mark;
use super::rule::{Condition, Rule};
use crate::event::bytes::BufferFormat;
use crate::fields::attributes::Role;
use crate::fields::{self, Context};
use crate::filter::ast::{Expr, ExprKind, OperandKind};
use crate::filter::{Definitions, Filter, FilterError, TypeSet};
use crate::format::Template;

/// Limit of the nodes of a tree, macros expanded.
const MAX_NODES: usize = 100_000;
/// The distance of an event of another type: that is not what was nearly so.
const OTHER_TYPE: u32 = 1000;

/// The condition of a rule, ready to be explained.
#[derive(Debug)]
pub struct Explainer {
    root: Node,
    /// The types of the events that the rule can match.
    pub types: TypeSet,
    /// Where the rule's events come from.
    pub source: Source,
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    /// The name of the file and the line, counted from 1.
    place: (String, usize),
}

#[derive(Debug)]
enum Kind {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Macro(String, Box<Node>),
    Check(Box<Check>),
}

#[derive(Debug)]
struct Check {
    text: String,
    filter: Filter,
    /// Prints the left-hand side; `None` if it has no text form.
    value: Option<Template>,
    is_type: bool,
}

/// One line of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The level in the tree.
    pub depth: usize,
    /// The file and the line that it is written in.
    pub place: (String, usize),
    /// `and`, `or`, `not`, the name of a macro or a comparison.
    pub text: String,
    /// Whether it is true for the event.
    pub holds: bool,
    /// For a comparison, the value of its left-hand side; `None` = absent.
    pub value: Option<Option<String>>,
}

/// What conditions are looked up in.
struct Builder<'b> {
    definitions: &'b Definitions,
    conditions: &'b std::collections::BTreeMap<String, Condition>,
    /// Names and texts of the files.
    files: &'b [(String, String)],
    left: usize,
}

impl Explainer {
    /// Makes the tree of a rule. `None` if it is too large.
    pub(super) fn new(
        rule: &Rule,
        definitions: &Definitions,
        conditions: &std::collections::BTreeMap<String, Condition>,
        files: &[(String, String)],
    ) -> Result<Option<Self>, FilterError> {
        let mut builder = Builder {
            definitions,
            conditions,
            files,
            left: MAX_NODES,
        };
        let filter = Filter::from_ast(&rule.condition.expr, definitions)?;
        let root = builder.node(&rule.condition.expr, &rule.condition)?;
        Ok(root.map(|root| Self {
            root,
            types: filter.pushdown().types,
            source: rule.source,
        }))
    }

    /// Returns the lines of the tree for an event, and whether the rule matches.
    pub fn explain(&mut self, cx: &Context<'_>) -> (Vec<Line>, bool) {
        let mut lines = Vec::new();
        let holds = self.root.explain(cx, 0, &mut lines);
        (lines, holds)
    }

    /// Returns how many comparisons would have to be different for the rule to match; 0 = it matches. `None` for an event
    /// of a type that the rule does not look at.
    pub fn distance(&mut self, cx: &Context<'_>) -> Option<u32> {
        Some(self.root.distance(cx, true)).filter(|distance| *distance < OTHER_TYPE)
    }
}

impl Builder<'_> {
    fn node(&mut self, expr: &Expr, owner: &Condition) -> Result<Option<Node>, FilterError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let kind = match &expr.kind {
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                let mut nodes = Vec::with_capacity(parts.len());
                for part in parts {
                    let Some(node) = self.node(part, owner)? else {
                        return Ok(None);
                    };
                    nodes.push(node);
                }
                match expr.kind {
                    ExprKind::And(_) => Kind::All(nodes),
                    _ => Kind::Any(nodes),
                }
            }
            ExprKind::Not(inner) => match self.node(inner, owner)? {
                Some(inner) => Kind::Not(Box::new(inner)),
                None => return Ok(None),
            },
            ExprKind::Macro(name) => {
                let Some(condition) = self.conditions.get(name) else {
                    return Ok(None);
                };
                match self.node(&condition.expr, condition)? {
                    Some(inner) => Kind::Macro(name.clone(), Box::new(inner)),
                    None => return Ok(None),
                }
            }
            ExprKind::Check(check) => {
                let is_type = match &check.left.kind {
                    OperandKind::Field(name) => {
                        fields::lookup(name).is_ok_and(|field| field.role() == Role::EventType)
                    }
                    OperandKind::Call(_) => false,
                };
                Kind::Check(Box::new(Check {
                    text: check.to_string(),
                    filter: Filter::from_ast(expr, self.definitions)?,
                    value: Template::new(&format!("%{}", check.left)).ok(),
                    is_type,
                }))
            }
        };
        let at = owner.mapped.origin(expr.span.start);
        let texts: Vec<&str> = self.files.iter().map(|(_, text)| &**text).collect();
        let place = owner.source.place(at, &texts).and_then(|(file, offset)| {
            let (name, text) = self.files.get(file)?;
            Some((name.clone(), mark(text, offset).line + 1))
        });
        Ok(Some(Node {
            kind,
            place: place.unwrap_or_default(),
        }))
    }
}

impl Node {
    fn explain(&mut self, cx: &Context<'_>, depth: usize, lines: &mut Vec<Line>) -> bool {
        let at = lines.len();
        lines.push(Line {
            depth,
            place: self.place.clone(),
            text: String::new(),
            holds: false,
            value: None,
        });
        let (text, holds, value) = match &mut self.kind {
            Kind::All(parts) => {
                let mut holds = true;
                for part in parts {
                    holds &= part.explain(cx, depth + 1, lines);
                }
                ("and".to_owned(), holds, None)
            }
            Kind::Any(parts) => {
                let mut holds = false;
                for part in parts {
                    holds |= part.explain(cx, depth + 1, lines);
                }
                ("or".to_owned(), holds, None)
            }
            Kind::Not(inner) => ("not".to_owned(), !inner.explain(cx, depth + 1, lines), None),
            Kind::Macro(name, inner) => (name.clone(), inner.explain(cx, depth + 1, lines), None),
            Kind::Check(check) => {
                let value = check.value.as_mut().map(|template| {
                    let mut out = Vec::new();
                    let is_there = template.write(&mut out, cx, BufferFormat::Dots);
                    is_there.then(|| String::from_utf8_lossy(&out).into_owned())
                });
                (check.text.clone(), check.filter.matches(cx), value)
            }
        };
        if let Some(line) = lines.get_mut(at) {
            line.text = text;
            line.holds = holds;
            line.value = value;
        }
        holds
    }

    /// Returns how many comparisons would have to be different for the outcome to be `wanted`.
    fn distance(&mut self, cx: &Context<'_>, wanted: bool) -> u32 {
        let sum = |parts: &mut Vec<Self>| {
            let all = parts.iter_mut().map(|part| part.distance(cx, wanted));
            all.fold(0, u32::saturating_add)
        };
        let least = |parts: &mut Vec<Self>| {
            parts
                .iter_mut()
                .map(|part| part.distance(cx, wanted))
                .min()
                .unwrap_or(u32::MAX)
        };
        match &mut self.kind {
            Kind::All(parts) if wanted => sum(parts),
            Kind::All(parts) => least(parts),
            Kind::Any(parts) if wanted => least(parts),
            Kind::Any(parts) => sum(parts),
            Kind::Not(inner) => inner.distance(cx, !wanted),
            Kind::Macro(_, inner) => inner.distance(cx, wanted),
            Kind::Check(check) => match check.filter.matches(cx) == wanted {
                true => 0,
                false if check.is_type => OTHER_TYPE,
                false => 1,
            },
        }
    }
}

/// Returns the comparisons that keep a rule from matching: the leaves below which nothing else is to blame.
pub fn blame(lines: &[Line]) -> Vec<&Line> {
    let mut found = Vec::new();
    if let Some(root) = lines.first()
        && !root.holds
    {
        visit(lines, 0, true, &mut found);
    }
    found
}

/// Adds the leaves that would have to be different for the node at `at` to be `wanted`, if it is not.
fn visit<'l>(lines: &'l [Line], at: usize, wanted: bool, found: &mut Vec<&'l Line>) {
    let Some(line) = lines.get(at) else {
        return;
    };
    if line.holds == wanted {
        return;
    }
    if line.value.is_some() || is_leaf(lines, at) {
        found.push(line);
        return;
    }
    let below = lines
        .iter()
        .enumerate()
        .skip(at + 1)
        .take_while(|(_, l)| l.depth > line.depth);
    let wanted = if line.text == "not" { !wanted } else { wanted };
    for (index, inner) in below {
        if inner.depth == line.depth + 1 {
            visit(lines, index, wanted, found);
        }
    }
}

fn is_leaf(lines: &[Line], at: usize) -> bool {
    let depth = lines.get(at).map_or(0, |line| line.depth);
    lines.get(at + 1).is_none_or(|next| next.depth <= depth)
}
