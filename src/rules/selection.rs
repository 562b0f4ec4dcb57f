//! Which rules are switched on.

use std::fmt;

use super::rule::Rule;
use crate::event::glob::Glob;

/// Which rules a choice is about.
#[derive(Clone, Debug)]
pub enum Which {
    /// Those whose name the pattern matches.
    Name(String, Glob),
    /// Those with the text in their name.
    Substring(String),
    /// Those with the tag.
    Tag(String),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(text, _) => write!(f, "the name `{text}`"),
            Self::Substring(text) => write!(f, "the name with `{text}`"),
            Self::Tag(tag) => write!(f, "the tag `{tag}`"),
        }
    }
}

impl Which {
    /// Rules whose name matches a pattern.
    pub fn name(pattern: &str) -> Self {
        Self::Name(pattern.to_owned(), Glob::new(pattern.as_bytes(), false))
    }

    fn is(&self, rule: &Rule) -> bool {
        match self {
            Self::Name(_, pattern) => pattern.is_match(rule.name.as_bytes()),
            Self::Substring(text) => rule.name.contains(text),
            Self::Tag(tag) => rule.tags.contains(tag),
        }
    }
}

/// Choices in the order in which they were made: the last one about a rule decides.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    choices: Vec<(Which, bool)>,
}

impl Selection {
    /// Switches rules on or off.
    pub fn choose(&mut self, which: Which, enable: bool) {
        self.choices.push((which, enable));
    }

    /// Returns true if a rule is switched on.
    pub fn enables(&self, rule: &Rule) -> bool {
        let last = self.choices.iter().rfind(|(which, _)| which.is(rule));
        last.map_or(rule.enabled, |(_, enable)| *enable)
    }

    /// Returns the choices that no rule of these is about.
    pub fn unused<'a>(&'a self, rules: &'a [Rule]) -> impl Iterator<Item = &'a Which> {
        let choices = self.choices.iter().map(|(which, _)| which);
        choices.filter(|which| !rules.iter().any(|rule| which.is(rule)))
    }
}
