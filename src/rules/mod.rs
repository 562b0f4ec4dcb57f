//! Falco's rules: files of lists, macros and rules, evaluated for events.
//!
//! A [`Loader`] takes files in order. Each is read ([`load`]), applied to what the files before it have defined
//! ([`collection`]), and everything so far is compiled ([`compile`]), so that an error is found in the file that makes it.
//! What the rules are compiled to is an [`Engine`], which evaluates all of them together. Errors and warnings have the
//! codes of Falco ([`Report`]).

mod alert;
mod attack;
mod check;
mod collection;
mod compile;
mod correlation;
mod engine;
mod exceptions;
mod explain;
mod load;
mod needs;
mod node;
mod report;
mod rule;
mod selection;
mod syntax;
mod test_file;
mod text;
mod version;
mod yaml;

pub use alert::{Printer, Style};
pub use attack::{Tactic, is_technique};
pub use collection::{Priority, Source};
pub use engine::{Counts, Engine, EngineError, Match, Matching};
pub use explain::{Explainer, Line, blame};
pub use needs::Needs;
pub use report::{Code, Finding, Report, Step};
pub use rule::{Rule, Settings};
pub use selection::{Selection, Which};
pub use test_file::{Expected, TestFile};
pub use version::{ENGINE, PLUGINS, Version};
pub use yaml::Mark;

use collection::Collection;
use compile::Compiled;

/// The rules that are used if none are given.
pub const BUILT_IN: &str = include_str!("builtin.yaml");
/// How they are named.
pub const BUILT_IN_NAME: &str = "built-in rules";

/// Loads rule files, in order.
#[derive(Debug, Default)]
pub struct Loader {
    settings: Settings,
    collection: Collection,
    compiled: Compiled,
    reports: Vec<Report>,
}

impl Loader {
    /// Makes a loader.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Adds a file that cannot be read.
    pub fn add_unreadable(&mut self, name: &str, error: &str) {
        let finding = Finding {
            code: Code::FileRead,
            message: error.to_owned(),
            hint: None,
            context: vec![Step {
                item: "rules content",
                name: String::new(),
                mark: Mark::default(),
            }],
            span: 0..0,
        };
        self.reports.push(Report {
            name: name.to_owned(),
            text: String::new(),
            findings: vec![finding],
        });
    }

    /// Adds a file. An error in it is in its report.
    pub fn add(&mut self, name: &str, text: &str) {
        let file = self.reports.len();
        let mut findings = Vec::new();
        if text.len() > yaml::MAX_FILE {
            let limit = yaml::MAX_FILE >> 20;
            return self.add_unreadable(name, &format!("the file is larger than {limit} MiB"));
        }
        let read = load::load(&mut self.collection, file, text, &mut findings);
        self.reports.push(Report {
            name: name.to_owned(),
            text: text.to_owned(),
            findings: Vec::new(),
        });
        let compiled = read.and_then(|()| {
            let files: Vec<&str> = self.reports.iter().map(|report| &*report.text).collect();
            compile::compile(&self.collection, &self.settings, &files)
        });
        match compiled {
            Ok(compiled) => self.compiled = compiled,
            Err(error) => findings.push(*error),
        }
        if let Some(report) = self.reports.last_mut() {
            report.findings.extend(findings);
        }
    }

    /// Returns true if a file has an error.
    pub fn has_failed(&self) -> bool {
        self.reports.iter().any(|report| !report.is_ok())
    }

    /// Ends the loading: returns the reports of all files, and the rules if none has an error.
    pub fn finish(mut self) -> (Vec<Report>, Option<RuleSet>) {
        if let Some((file, finding)) = compile::unmet_plugin(&self.collection)
            && let Some(report) = self.reports.get_mut(file)
        {
            report.findings.push(finding);
        }
        for (file, finding) in std::mem::take(&mut self.compiled.warnings) {
            if let Some(report) = self.reports.get_mut(file) {
                report.findings.push(finding);
            }
        }
        let file = |report: &Report| (report.name.clone(), report.text.clone());
        let rules = (!self.has_failed()).then(|| RuleSet {
            compiled: self.compiled,
            files: self.reports.iter().map(file).collect(),
        });
        (self.reports, rules)
    }
}

/// The rules of all files.
#[derive(Debug)]
pub struct RuleSet {
    compiled: Compiled,
    /// Names and texts of the files.
    files: Vec<(String, String)>,
}

impl RuleSet {
    /// Returns the rules in order.
    pub fn rules(&self) -> &[Rule] {
        &self.compiled.rules
    }

    /// Returns what a rule needs of events.
    pub fn needs(&self, rule: &Rule) -> Needs {
        Needs::of(rule, &self.compiled.definitions)
    }

    /// Makes what explains a rule; `None` if its condition is too large.
    pub fn explainer(&self, rule: &Rule) -> Option<Explainer> {
        let Compiled {
            definitions,
            conditions,
            ..
        } = &self.compiled;
        // The condition was checked when the rule was loaded.
        Explainer::new(rule, definitions, conditions, &self.files).ok()?
    }

    /// Returns names and conditions of all macros, in order of names.
    pub fn macro_texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let macros = self.compiled.conditions.iter();
        macros.map(|(name, condition)| (&**name, &*condition.mapped.text))
    }

    /// Compiles the rules that are switched on; the rules stay, for more engines.
    ///
    /// # Errors
    ///
    /// If all rules together are too large.
    pub fn engine(&self, selection: &Selection, matching: Matching) -> Result<Engine, EngineError> {
        let Compiled {
            rules, definitions, ..
        } = &self.compiled;
        Engine::new(rules.clone(), definitions, selection, matching)
    }

    /// Compiles the rules that are switched on.
    ///
    /// # Errors
    ///
    /// If all rules together are too large.
    pub fn into_engine(
        self,
        selection: &Selection,
        matching: Matching,
    ) -> Result<Engine, EngineError> {
        let Compiled {
            rules, definitions, ..
        } = self.compiled;
        Engine::new(rules, &definitions, selection, matching)
    }
}
