//! Typed access to the keys of an item.

use super::report::{Code, Finding, Step};
use super::yaml::{Kind, Node};

/// An item of a file, or a map within one, with the way to it.
#[derive(Clone)]
pub(super) struct Item<'a> {
    pub(super) node: &'a Node,
    pub(super) context: Vec<Step>,
}

pub(super) type Read<T> = Result<T, Box<Finding>>;

impl<'a> Item<'a> {
    /// Steps into a node.
    pub(super) fn within(&self, item: &'static str, name: &str, node: &'a Node) -> Self {
        let mut context = self.context.clone();
        context.push(Step {
            item,
            name: name.to_owned(),
            mark: node.mark,
        });
        Self { node, context }
    }

    /// Names the item, once its name is known.
    pub(super) fn named(mut self, item: &'static str, name: &str) -> Self {
        if let Some(step) = self.context.last_mut() {
            step.item = item;
            name.clone_into(&mut step.name);
        }
        self
    }

    pub(super) fn finding(&self, code: Code, message: impl Into<String>) -> Finding {
        self.finding_at(code, message, self.node)
    }

    fn finding_at(&self, code: Code, message: impl Into<String>, node: &Node) -> Finding {
        Finding {
            code,
            message: message.into(),
            hint: None,
            context: self.context.clone(),
            span: node.span.clone(),
        }
    }

    pub(super) fn fail<T>(&self, code: Code, message: impl Into<String>) -> Read<T> {
        Err(Box::new(self.finding(code, message)))
    }

    fn invalid<T>(&self, message: impl Into<String>, node: &Node) -> Read<T> {
        Err(Box::new(self.finding_at(Code::YamlValidate, message, node)))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.node.get(key).is_some()
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        self.node.get(key)
    }

    pub(super) fn required(&self, key: &str) -> Read<&'a Node> {
        let Some(node) = self.node.get(key) else {
            return self.invalid(format!("Item has no mapping for key '{key}'"), self.node);
        };
        match node.kind {
            Kind::Null => self.invalid(format!("Mapping for key '{key}' is empty"), node),
            _ => Ok(node),
        }
    }

    /// Returns the text of a scalar.
    pub(super) fn scalar(&self, node: &'a Node) -> Read<&'a str> {
        match &node.kind {
            Kind::Scalar(text) => Ok(text),
            Kind::Null => self.invalid("Can't decode YAML scalar value", node),
            _ => self.invalid("Value is not a scalar value", node),
        }
    }

    /// Returns the text of a required key that may not be empty.
    pub(super) fn text(&self, key: &str) -> Read<&'a str> {
        let node = self.required(key)?;
        let text = self.scalar(node)?;
        match text.is_empty() {
            true => self.invalid("Value must be non-empty", node),
            false => Ok(text),
        }
    }

    pub(super) fn optional_text(&self, key: &str) -> Read<Option<&'a str>> {
        self.has(key).then(|| self.text(key)).transpose()
    }

    /// Returns a truth value; `None` if the key is not there.
    pub(super) fn boolean(&self, key: &str) -> Read<Option<bool>> {
        if !self.has(key) {
            return Ok(None);
        }
        let text = self.text(key)?;
        match &*text.to_ascii_lowercase() {
            "true" | "yes" | "on" | "y" => Ok(Some(true)),
            "false" | "no" | "off" | "n" => Ok(Some(false)),
            _ => self.invalid("Can't decode YAML scalar value", self.required(key)?),
        }
    }

    /// Returns a number that is not negative.
    pub(super) fn number(&self, key: &str) -> Read<Option<u64>> {
        if !self.has(key) {
            return Ok(None);
        }
        match self.text(key)?.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => self.invalid("Can't decode YAML scalar value", self.required(key)?),
        }
    }

    /// Returns the items of a required list.
    pub(super) fn sequence(&self, key: &str) -> Read<&'a [Node]> {
        let node = self.required(key)?;
        match &node.kind {
            Kind::Sequence(items) => Ok(items),
            _ => self.invalid("Value is not a sequence", node),
        }
    }

    /// Returns the scalars of a required list.
    pub(super) fn strings(&self, key: &str) -> Read<Vec<String>> {
        let items = self.sequence(key)?.iter();
        items
            .map(|item| Ok(self.scalar(item)?.to_owned()))
            .collect()
    }

    /// Returns a list of scalars, or a single one.
    pub(super) fn one_or_more(&self, key: &str) -> Read<OneOrMore> {
        let node = self.required(key)?;
        match &node.kind {
            Kind::Scalar(text) => Ok(OneOrMore::One(text.clone())),
            _ => Ok(OneOrMore::List(self.strings(key)?)),
        }
    }

    /// Warns about keys that are not among the known ones.
    pub(super) fn check_keys(&self, known: &[&str], out: &mut Vec<Finding>) {
        for (key, _) in self.node.entries() {
            let name = match &key.kind {
                Kind::Scalar(name) => name,
                _ => "",
            };
            if !known.contains(&name) {
                let message = format!("Unknown key '{name}'");
                out.push(self.finding_at(Code::UnknownKey, message, key));
            }
        }
    }
}

/// A value that is written as a list or as a scalar; which one has a meaning in exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OneOrMore {
    One(String),
    List(Vec<String>),
}

impl OneOrMore {
    pub(super) fn items(&self) -> &[String] {
        match self {
            Self::One(item) => std::slice::from_ref(item),
            Self::List(items) => items,
        }
    }
}
