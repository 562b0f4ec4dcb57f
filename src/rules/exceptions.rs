//! Exceptions of rules: lists of values with which the rule does not match.

use super::node::{Item, OneOrMore, Read};
use super::report::{Code, Finding};
use super::text::quoted;
use super::yaml::{Kind, Node};
use crate::filter::{self, ast::Op};

/// Operators of the scalar form.
const SET_OPERATORS: [&str; 3] = ["in", "pmatch", "intersects"];

/// A value of an exception.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    List(Vec<String>),
}

/// An exception of a rule.
#[derive(Clone, Debug)]
pub(super) struct Exception {
    pub(super) name: String,
    fields: Option<OneOrMore>,
    comps: Option<OneOrMore>,
    /// In the list form each value is a list with one value for each field.
    values: Vec<Vec<Value>>,
    /// In the scalar form, the values.
    scalars: Vec<String>,
}

impl Exception {
    /// Reads an item of `exceptions`.
    pub(super) fn read(item: &Item<'_>, warnings: &mut Vec<Finding>) -> Read<Self> {
        let name = item.text("name")?.to_owned();
        item.check_keys(&["name", "fields", "comps", "values"], warnings);
        let option = |key: &str| item.has(key).then(|| item.one_or_more(key)).transpose();
        let mut exception = Self {
            fields: option("fields")?,
            comps: option("comps")?,
            values: Vec::new(),
            scalars: Vec::new(),
            name,
        };
        if item.has("values") {
            for node in item.sequence("values")? {
                match &node.kind {
                    Kind::Sequence(parts) => {
                        let values = parts.iter().map(|part| value(item, part));
                        exception.values.push(values.collect::<Read<_>>()?);
                    }
                    _ => exception.scalars.push(item.scalar(node)?.to_owned()),
                }
            }
        }
        Ok(exception)
    }

    pub(super) fn has_values(&self) -> bool {
        !self.values.is_empty() || !self.scalars.is_empty()
    }

    pub(super) fn has_fields_or_comps(&self) -> bool {
        self.fields.is_some() || self.comps.is_some()
    }

    pub(super) fn has_fields(&self) -> bool {
        self.fields.is_some()
    }

    /// Takes over the values of an exception of the same name.
    pub(super) fn append(&mut self, other: Self) {
        self.values.extend(other.values);
        self.scalars.extend(other.scalars);
    }

    /// Checks a definition and fills in the operators that are not given.
    pub(super) fn complete(&mut self, item: &Item<'_>) -> Read<()> {
        let fail = |message: String| item.fail(Code::Validate, message);
        let Some(fields) = &self.fields else {
            return fail("Item has no mapping for key 'fields'".to_owned());
        };
        let comps = match (fields, self.comps.take()) {
            (OneOrMore::One(_), None) => OneOrMore::One("in".to_owned()),
            (OneOrMore::One(_), Some(OneOrMore::One(comp))) => OneOrMore::One(comp),
            (OneOrMore::List(fields), None) => OneOrMore::List(vec!["=".to_owned(); fields.len()]),
            (OneOrMore::List(fields), Some(OneOrMore::List(comps)))
                if fields.len() == comps.len() =>
            {
                OneOrMore::List(comps)
            }
            _ => return fail("Fields and comps lists must have equal length".to_owned()),
        };
        for comp in comps.items() {
            if !is_operator(comp) {
                return fail(format!("'{comp}' is not a supported comparison operator"));
            }
        }
        if let OneOrMore::One(comp) = &comps
            && !takes_list(comp)
        {
            return fail(format!("'{comp}' is not a supported comparison operator"));
        }
        for field in fields.items() {
            if filter::Transform::parse_prefix(field).is_err() {
                return fail(format!("'{field}' is not a supported filter field"));
            }
        }
        self.comps = Some(comps);
        Ok(())
    }

    /// Returns the condition that is true for events that the exception excludes; `None` without values.
    pub(super) fn condition(&self) -> Result<Option<String>, String> {
        let (Some(fields), Some(comps)) = (&self.fields, &self.comps) else {
            return Ok(None);
        };
        if !self.has_values() {
            return Ok(None);
        }
        let OneOrMore::List(fields) = fields else {
            if !self.values.is_empty() {
                return Err("Fields and values lists must have equal length".to_owned());
            }
            let values: Vec<String> = self.scalars.iter().map(|v| quoted(v)).collect();
            let (field, comp) = (&fields.items()[0], &comps.items()[0]);
            return Ok(Some(format!("({field} {comp} ({}))", values.join(", "))));
        };
        if !self.scalars.is_empty() {
            return Err("Fields and values lists must have equal length".to_owned());
        }
        let mut any = Vec::new();
        for values in &self.values {
            if values.len() != fields.len() {
                return Err("Fields and values lists must have equal length".to_owned());
            }
            let parts = fields.iter().zip(comps.items()).zip(values);
            let parts = parts.map(|((field, comp), value)| match value {
                Value::List(items) => {
                    let items: Vec<String> = items.iter().map(|v| quoted(v)).collect();
                    format!("{field} {comp} ({})", items.join(", "))
                }
                Value::Text(text) if takes_list(comp) && !text.starts_with('(') => {
                    format!("{field} {comp} ({})", quoted(text))
                }
                Value::Text(text) if text.starts_with('(') => format!("{field} {comp} {text}"),
                Value::Text(text) => format!("{field} {comp} {}", quoted(text)),
            });
            any.push(format!("({})", parts.collect::<Vec<_>>().join(" and ")));
        }
        Ok(Some(format!("({})", any.join(" or "))))
    }
}

fn value<'a>(item: &Item<'a>, node: &'a Node) -> Read<Value> {
    Ok(match &node.kind {
        Kind::Sequence(items) => {
            let items = items
                .iter()
                .map(|item_node| Ok(item.scalar(item_node)?.to_owned()));
            Value::List(items.collect::<Read<_>>()?)
        }
        _ => Value::Text(item.scalar(node)?.to_owned()),
    })
}

/// Returns true for an operator, also with `anyof`, `allof` or `oneof`.
fn is_operator(comp: &str) -> bool {
    let mut words = comp.split_ascii_whitespace();
    let op = words.next().unwrap_or_default();
    let known = Op::ALL
        .iter()
        .find(|known| known.name() == op || op == "==");
    match (known, words.next(), words.next()) {
        (Some(_), None, _) => true,
        (Some(known), Some("oneof" | "anyof" | "allof"), None) => known.takes_quantifier(),
        _ => false,
    }
}

fn takes_list(comp: &str) -> bool {
    SET_OPERATORS.contains(&comp) || comp.contains(' ')
}
