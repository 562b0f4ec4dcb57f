//! Evaluates the rules of a set for events.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

use scap_capture_format::schema::{EventType, SourceCategory, types};

use thiserror::Error;

use super::collection::{Priority, Source};
use super::correlation::{Budget, Correlation, Memory, Seen};
use super::rule::Rule;
use super::selection::Selection;
use crate::event::EventExt as _;
use crate::event::alert::is_alert;
use crate::event::bytes::BufferFormat;
use crate::fields::{self, Context, Field};
use crate::filter::{Definitions, Filter, FilterError, FilterSet, TypeSet};
use crate::format::{Template, TemplateError};

/// How many rules of an event give an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// The first one that matches.
    #[default]
    First,
    /// All of them.
    All,
}

/// What a filter of the set stands for.
#[derive(Clone, Copy, Debug)]
struct Role {
    rule: usize,
    /// The step of the rule; `None` = its condition.
    step: Option<usize>,
}

/// A rule that matched an event.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// The index of the rule.
    pub index: usize,
    /// The rule.
    pub rule: &'a Rule,
    /// The numbers and times of the events before this one that the rule needed.
    pub earlier: &'a [(u64, u64)],
}

/// How many alerts there were.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// By index of the rule.
    pub by_rule: Vec<u64>,
    /// By priority.
    pub by_priority: BTreeMap<Priority, u64>,
    /// All.
    pub total: u64,
    /// Keys of correlations that were forgotten for want of memory.
    pub forgotten: u64,
}

impl Counts {
    fn add_alert(&mut self, rule: usize, priority: Priority) {
        self.total += 1;
        *self.by_priority.entry(priority).or_default() += 1;
        if let Some(count) = self.by_rule.get_mut(rule) {
            *count += 1;
        }
    }

    /// Adds the counts of another capture, of the same rules.
    pub fn add(&mut self, other: &Self) {
        for (own, more) in self.by_rule.iter_mut().zip(&other.by_rule) {
            *own += more;
        }
        for (priority, more) in &other.by_priority {
            *self.by_priority.entry(*priority).or_default() += more;
        }
        self.total += other.total;
        self.forgotten += other.forgotten;
    }
}

/// Why rules that were loaded cannot be evaluated together.
#[derive(Debug, Error)]
pub enum EngineError {
    /// They are too large.
    #[error("the rules are too large together: {0}")]
    Filter(#[from] FilterError),
    /// A field of a correlation is for filters only.
    #[error("a rule cannot be evaluated: {0}")]
    Template(#[from] TemplateError),
}

/// The values that events of a rule have in common.
#[derive(Clone, Debug)]
struct Keys {
    by: Template,
    steps: Vec<Template>,
    distinct: Option<Template>,
    memory: Memory,
}

/// The rules that are switched on, compiled to one structure for each source of events.
#[derive(Clone, Debug)]
pub struct Engine {
    rules: Vec<Rule>,
    syscall: Set,
    audit: Set,
    matching: Matching,
    keys: Vec<Option<Keys>>,
    has_correlations: bool,
    budget: Budget,
    counts: Counts,
    /// Filters that matched the event.
    found: Vec<usize>,
    key: Vec<u8>,
    value: Vec<u8>,
    earlier: Vec<(u64, u64)>,
}

#[derive(Clone, Debug, Default)]
struct Set {
    filters: FilterSet,
    roles: Vec<Role>,
}

impl Engine {
    /// Compiles the rules that are switched on.
    ///
    /// # Errors
    ///
    /// If all rules together are too large; every rule by itself was checked when it was loaded.
    pub(super) fn new(
        rules: Vec<Rule>,
        definitions: &Definitions,
        selection: &Selection,
        matching: Matching,
    ) -> Result<Self, EngineError> {
        let mut engine = Self {
            syscall: Set::default(),
            audit: Set::default(),
            matching,
            keys: Vec::with_capacity(rules.len()),
            has_correlations: rules.iter().any(|rule| rule.correlation.is_some()),
            budget: Budget::default(),
            counts: Counts {
                by_rule: vec![0; rules.len()],
                ..Counts::default()
            },
            found: Vec::new(),
            key: Vec::new(),
            value: Vec::new(),
            earlier: Vec::new(),
            rules,
        };
        let mut enabled = Vec::new();
        for (number, rule) in engine.rules.iter().enumerate() {
            if selection.enables(rule) {
                let filter = Filter::from_ast(&rule.condition.expr, definitions)?;
                enabled.push((filter.pushdown().types.is_all(), number));
            }
        }
        // Rules for certain types of events come before rules for all types.
        enabled.sort_unstable();
        for (_, number) in enabled {
            let rule = &engine.rules[number];
            let set = match rule.source {
                Source::Syscall => &mut engine.syscall,
                Source::K8sAudit => &mut engine.audit,
            };
            set.add(number, rule, definitions)?;
        }
        engine.syscall.filters.index(|ty| !is_enter_of_call(ty));
        engine.audit.filters.index(|ty| ty == types::PLUGINEVENT_E);
        let keys = |rule: &Rule| rule.correlation.as_ref().map(Keys::of).transpose();
        engine.keys = engine.rules.iter().map(keys).collect::<Result<_, _>>()?;
        Ok(engine)
    }

    /// Forgets the events so far, for another capture.
    pub fn restart(&mut self) {
        self.counts = Counts {
            by_rule: vec![0; self.rules.len()],
            ..Counts::default()
        };
        self.budget = Budget::default();
        for keys in self.keys.iter_mut().flatten() {
            keys.memory = Memory::default();
        }
    }

    /// Returns true if whether a rule matches an event does not depend on other events, except by the state: parts of a capture
    /// can be evaluated at the same time.
    pub fn is_order_independent(&self) -> bool {
        let depends = |field: &Field| {
            let is_stateful =
                field.is_stateful() && field.role() != fields::attributes::Role::OutputTime;
            is_stateful || field.needs_all_events()
        };
        let is_alone = |rule: &Rule| {
            let known = |name: &String| fields::lookup(name).is_ok_and(|field| !depends(&field));
            let output = Template::new(&format!("*{}", rule.output));
            rule.fields.iter().all(known) && output.is_ok_and(|output| !output.any_field(depends))
        };
        !self.has_correlations && self.rules.iter().all(is_alone)
    }

    /// Returns all rules, also those that are switched off.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns the types of the events that any rule looks at.
    pub fn types(&self) -> TypeSet {
        let mut types = self.syscall.filters.types();
        if !self.audit.roles.is_empty() {
            types.insert(types::PLUGINEVENT_E);
        }
        types
    }

    /// Returns how many alerts there were so far.
    pub fn counts(&self) -> Counts {
        Counts {
            forgotten: self.budget.forgotten,
            ..self.counts.clone()
        }
    }

    /// Returns true if any rule looks at events of a type.
    #[inline]
    pub fn may_match(&self, ty: EventType) -> bool {
        match ty {
            types::PLUGINEVENT_E => self.audit.filters.may_match(ty),
            _ => self.syscall.filters.may_match(ty),
        }
    }

    /// Calls `alert` for every rule that matches an event; with [`Matching::First`] for one at most, besides rules about
    /// several events. Alerts that were recorded match no rule.
    ///
    /// # Errors
    ///
    /// What `alert` returned.
    pub fn evaluate<E>(
        &mut self,
        cx: &Context<'_>,
        alert: impl FnMut(Match<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.run(cx, false, alert)
    }

    /// Calls `alert` for every rule that matches an event by itself, whatever other events there were: rules about several
    /// events are left out. Nothing is counted.
    pub fn evaluate_alone(&mut self, cx: &Context<'_>, mut alert: impl FnMut(Match<'_>)) {
        let Ok(()) = self.run(cx, true, |found| -> Result<(), Infallible> {
            alert(found);
            Ok(())
        });
    }

    fn run<E>(
        &mut self,
        cx: &Context<'_>,
        alone: bool,
        mut alert: impl FnMut(Match<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.may_match(cx.event.ty) || cx.event.is_internal() || is_alert(cx.event) {
            return Ok(());
        }
        let set = match cx.event.ty {
            types::PLUGINEVENT_E => &mut self.audit,
            _ => &mut self.syscall,
        };
        self.found.clear();
        let (found, roles, keys) = (&mut self.found, &set.roles, &self.keys);
        let first = self.matching == Matching::First;
        // Rules about several events have to see all of theirs.
        let stops = first && !self.has_correlations;
        set.filters.matches(cx, &mut |filter| {
            found.push(filter);
            let single = roles
                .get(filter)
                .is_some_and(|r| matches!(keys.get(r.rule), Some(None)));
            match stops && single {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        if self.found.is_empty() {
            return Ok(());
        }
        let mut alerted = false;
        for at in 0..self.found.len() {
            let Some(role) = self.found.get(at).and_then(|f| set.roles.get(*f)).copied() else {
                continue;
            };
            let Some(rule) = self.rules.get(role.rule) else {
                continue;
            };
            self.earlier.clear();
            if alone && rule.correlation.is_some() {
                continue;
            }
            if let (Some(correlation), Some(Some(keys))) =
                (&rule.correlation, self.keys.get_mut(role.rule))
            {
                let buffers = (&mut self.key, &mut self.value);
                let seen = keys.correlate(correlation, role.step, cx, buffers, &mut self.budget);
                let Some(seen) = seen else {
                    continue;
                };
                self.earlier
                    .extend(seen.iter().map(|seen| (seen.number, seen.time)));
            } else if first && alerted {
                continue;
            } else {
                alerted = true;
            }
            if !alone {
                self.counts.add_alert(role.rule, rule.priority);
            }
            alert(Match {
                index: role.rule,
                rule,
                earlier: &self.earlier,
            })?;
        }
        Ok(())
    }
}

impl Set {
    fn add(
        &mut self,
        number: usize,
        rule: &Rule,
        definitions: &Definitions,
    ) -> Result<(), FilterError> {
        // The condition first: what it completes was seen before, in other events.
        self.filters.add(&rule.condition.expr, definitions)?;
        self.roles.push(Role {
            rule: number,
            step: None,
        });
        for (step, condition) in rule.steps.iter().enumerate() {
            self.filters.add(&condition.expr, definitions)?;
            self.roles.push(Role {
                rule: number,
                step: Some(step),
            });
        }
        Ok(())
    }
}

impl Keys {
    fn of(correlation: &Correlation) -> Result<Self, TemplateError> {
        let template = |fields: &[String]| {
            let text: Vec<String> = fields.iter().map(|field| format!("%{field}\n")).collect();
            Template::new(&text.concat())
        };
        let step = |step: &super::correlation::Step| match step.by.is_empty() {
            true => template(&correlation.by),
            false => template(&step.by),
        };
        let distinct = correlation.distinct.as_ref();
        Ok(Self {
            by: template(&correlation.by)?,
            steps: correlation
                .steps
                .iter()
                .map(step)
                .collect::<Result<_, _>>()?,
            distinct: distinct
                .map(|field| template(std::slice::from_ref(field)))
                .transpose()?,
            memory: Memory::default(),
        })
    }

    /// Takes a match of the condition or of a step; returns the events before it if the rule is met.
    fn correlate(
        &mut self,
        correlation: &Correlation,
        step: Option<usize>,
        cx: &Context<'_>,
        (key, value): (&mut Vec<u8>, &mut Vec<u8>),
        budget: &mut Budget,
    ) -> Option<Vec<Seen>> {
        let time = cx.event.ts.known()?;
        let at = (time, cx.event.num.0);
        let template = match step {
            Some(step) => self.steps.get_mut(step)?,
            None => &mut self.by,
        };
        key.clear();
        if !template.write(key, cx, BufferFormat::Hex) {
            return None;
        }
        if let Some(step) = step {
            self.memory.step(correlation, key, step, at, budget);
            return None;
        }
        if !correlation.steps.is_empty() {
            return self.memory.complete(correlation, key, at, budget);
        }
        let distinct = match &mut self.distinct {
            None => None,
            Some(template) => {
                value.clear();
                if !template.write(value, cx, BufferFormat::Hex) {
                    return None;
                }
                Some(value.as_slice())
            }
        };
        let mut seen = self.memory.count(correlation, key, distinct, at, budget)?;
        // The last one is this event.
        seen.pop();
        Some(seen)
    }
}

/// Returns true for enter events: rules see every call once, when it has ended.
fn is_enter_of_call(ty: EventType) -> bool {
    let of_call = |info: &scap_capture_format::schema::EventInfo| {
        info.source_category.contains(SourceCategory::SYSCALL)
    };
    ty.is_enter() && ty.info().is_some_and(of_call)
}
