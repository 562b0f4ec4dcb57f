//! From what the files define to rules that can be evaluated.

use std::collections::BTreeSet;

use scap_capture_format::schema::types;

use super::check::{condition_warnings, is_of_source, is_unknown};
use super::collection::{Collection, Order, Place, RuleItem, Source};
use super::correlation::{self, Correlation};
use super::report::{Code, Finding, Step};
use super::rule::{Condition, Rule, Settings};
use super::syntax::{self, MacroTree, Macros};
use super::text::{Mapped, Text, quoted};
use super::version;
use crate::fields;
use crate::filter::{self, Definitions, Filter, FilterError};
use crate::format::{Template, TemplateErrorKind};

/// Limit of a condition after lists were put in, in bytes.
const MAX_CONDITION: usize = 16 << 20;
/// A rule that looks at more types of events than this is warned of.
const MANY_TYPES: usize = 100;
/// What Falco's container plugin suggests to add to outputs.
const SUGGESTED: &str = " container_id=%container.id container_name=%container.name container_image_repository=%container.image.repository container_image_tag=%container.image.tag k8s_pod_name=%k8s.pod.name k8s_ns_name=%k8s.ns.name";

/// The result of compiling a collection.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) rules: Vec<Rule>,
    pub(super) definitions: Definitions,
    pub(super) macros: Macros,
    pub(super) conditions: std::collections::BTreeMap<String, Condition>,
    /// Warnings with the number of their file.
    pub(super) warnings: Vec<(usize, Finding)>,
}

/// Compiles everything that the files have defined so far. `files` are their texts.
///
/// # Errors
///
/// The first thing that is wrong.
pub(super) fn compile(
    collection: &Collection,
    settings: &Settings,
    files: &[&str],
) -> Result<Compiled, Box<Finding>> {
    let mut compiler = Compiler {
        collection,
        settings,
        files,
        lists: Vec::new(),
        used_lists: BTreeSet::new(),
        out: Compiled::default(),
    };
    compiler.lists();
    compiler.macros()?;
    for (name, item) in collection.rules.iter() {
        if item.priority > settings.minimum {
            continue;
        }
        if let Some(source) = Source::parse(&item.source)
            && let Some(rule) = compiler.rule(name, item, source)?
        {
            compiler.out.rules.push(rule);
        }
    }
    compiler.warn_of_unused();
    Ok(compiler.out)
}

struct Compiler<'c> {
    collection: &'c Collection,
    settings: &'c Settings,
    files: &'c [&'c str],
    /// Names of lists with the text that stands for them, in order of definition.
    lists: Vec<(&'c str, String)>,
    used_lists: BTreeSet<&'c str>,
    out: Compiled,
}

/// An object whose text is compiled, for errors.
struct Owner<'c> {
    name: &'c str,
    place: &'c Place,
    order: Order,
}

impl<'c> Compiler<'c> {
    /// Makes the texts of lists. An item that is the name of an earlier list stands for the items of that list.
    fn lists(&mut self) {
        for (name, list) in self.collection.lists.iter() {
            let mut items = Vec::new();
            for item in &list.items {
                let inner = self.collection.lists.get(item);
                match inner.filter(|inner| inner.order.index < list.order.visibility) {
                    Some(inner) if item != name => {
                        if let Some((key, _)) =
                            self.collection.lists.iter().find(|(n, _)| n == item)
                        {
                            self.used_lists.insert(key);
                        }
                        items.extend(inner.items.iter().map(|item| quoted(item)));
                    }
                    _ => items.push(quoted(item)),
                }
            }
            self.lists.push((name, items.join(", ")));
        }
    }

    fn finding(
        &self,
        code: Code,
        message: String,
        place: &Place,
        step: Option<Step>,
        span: std::ops::Range<usize>,
    ) -> Finding {
        let mut context = place.context.clone();
        context.extend(step);
        Finding {
            code,
            message,
            hint: None,
            context,
            span,
        }
    }

    /// Makes the finding about a part of a condition.
    fn in_condition(
        &self,
        code: Code,
        message: String,
        owner: &Owner<'_>,
        (text, mapped): (&Text, &Mapped),
        at: usize,
    ) -> Finding {
        let at = mapped.origin(at);
        let place = text.place(at, self.files);
        let offset = place.map_or(owner.place.span.start, |(_, offset)| offset);
        let file = place.map_or(owner.place.file, |(file, _)| file);
        let content = self.files.get(file).copied().unwrap_or_default();
        let step = Step {
            item: "condition expression",
            name: String::new(),
            mark: mark(content, offset),
        };
        self.finding(code, message, owner.place, Some(step), offset..offset)
    }

    /// Puts lists into a condition and parses it.
    fn parse(
        &mut self,
        text: &Text,
        around: Option<(&str, &str)>,
        owner: &Owner<'c>,
    ) -> Result<Condition, Box<Finding>> {
        let mut mapped = Mapped::new(&text.text);
        if let Some((before, after)) = around {
            mapped.wrap(before, after);
        }
        for (name, items) in &self.lists {
            match mapped.substitute(name, items, MAX_CONDITION) {
                Ok(true) => {
                    self.used_lists.insert(name);
                }
                Ok(false) => {}
                Err(at) => {
                    let message = format!(
                        "the condition is longer than {MAX_CONDITION} bytes with its lists"
                    );
                    let code = Code::CompileCondition;
                    return Err(Box::new(self.in_condition(
                        code,
                        message,
                        owner,
                        (text, &mapped),
                        at,
                    )));
                }
            }
        }
        match filter::parse(&mapped.text) {
            Ok(expr) => Ok(Condition {
                expr,
                mapped,
                source: text.clone(),
            }),
            Err(error) => Err(Box::new(self.condition_error(&error, owner, text, &mapped))),
        }
    }

    fn condition_error(
        &self,
        error: &FilterError,
        owner: &Owner<'_>,
        text: &Text,
        mapped: &Mapped,
    ) -> Finding {
        let code = Code::CompileCondition;
        let at = error.span.start;
        let message = error.kind.to_string();
        let mut finding = self.in_condition(code, message, owner, (text, mapped), at);
        finding.hint.clone_from(&error.hint);
        finding
    }

    fn macros(&mut self) -> Result<(), Box<Finding>> {
        for (name, item) in self.collection.macros.iter() {
            let owner = Owner {
                name,
                place: &item.place,
                order: item.order,
            };
            let condition = self.parse(&item.condition, None, &owner)?;
            self.check_macros(&condition, &owner, true)?;
            self.out.macros.insert(
                name.to_owned(),
                MacroTree {
                    expr: condition.expr.clone(),
                },
            );
            self.out
                .definitions
                .add_tree(name, &condition.mapped.text, condition.expr.clone());
            self.out.conditions.insert(name.to_owned(), condition);
        }
        for (name, item) in self.collection.macros.iter() {
            let mut path = Vec::new();
            if has_loop(name, &self.out.macros, &mut path, &mut BTreeSet::new()) {
                let message = format!("reference loop in macro '{name}'");
                let span = item.place.span.clone();
                return Err(Box::new(self.finding(
                    Code::Validate,
                    message,
                    &item.place,
                    None,
                    span,
                )));
            }
        }
        Ok(())
    }

    /// Checks that the macros that a condition mentions are there; those of a macro have to be defined before it.
    fn check_macros(
        &self,
        condition: &Condition,
        owner: &Owner<'_>,
        ordered: bool,
    ) -> Result<(), Box<Finding>> {
        let mut failed = None;
        syntax::each_macro(&condition.expr, &mut |name, expr| {
            let known = self.collection.macros.get(name);
            let visible = known.is_some_and(|m| !ordered || m.order.index < owner.order.visibility);
            if !visible && failed.is_none() {
                failed = Some((name, expr.span.start));
            }
        });
        match failed {
            None => Ok(()),
            Some((name, at)) => {
                let message = format!("Undefined macro '{name}' used in filter.");
                let texts = (&condition.source, &condition.mapped);
                let mut finding = self.in_condition(Code::Validate, message, owner, texts, at);
                if let Some(list) = self.collection.lists.get(name) {
                    let items = list.items.len();
                    finding.hint = Some(format!(
                        "`{name}` is a list of {items}; lists are compared with `in`"
                    ));
                }
                Err(Box::new(finding))
            }
        }
    }

    fn rule(
        &mut self,
        name: &'c str,
        item: &'c RuleItem,
        source: Source,
    ) -> Result<Option<Rule>, Box<Finding>> {
        let owner = Owner {
            name,
            place: &item.place,
            order: item.order,
        };
        let mut exceptions = String::new();
        for exception in &item.exceptions {
            let condition = exception.condition().map_err(|message| {
                let step = Step {
                    item: "exception",
                    name: exception.name.clone(),
                    mark: item
                        .place
                        .context
                        .last()
                        .map_or_else(Default::default, |s| s.mark),
                };
                let span = item.place.span.clone();
                Box::new(self.finding(Code::Validate, message, &item.place, Some(step), span))
            })?;
            if let Some(condition) = condition {
                exceptions.push_str(" and not ");
                exceptions.push_str(&condition);
            }
        }
        let around = (!exceptions.is_empty()).then(|| format!("){exceptions}"));
        let around = around.as_ref().map(|after| ("(", after.as_str()));
        let condition = self.parse(&item.condition, around, &owner)?;
        let (output, template) = self.output(item, source);
        let mut steps = Vec::new();
        for step in item.correlation.iter().flat_map(|c| &c.steps) {
            steps.push(self.parse(&step.condition, None, &owner)?);
        }
        let mut fields = BTreeSet::new();
        let mut macros = BTreeSet::new();
        for part in std::iter::once(&condition).chain(&steps) {
            self.check_macros(part, &owner, false)?;
            match self.check_condition(part, item, &owner, source, &mut fields, &mut macros) {
                Ok(()) => {}
                Err(finding) if item.skips_unknown && finding.code == Code::UnknownFilter => {
                    self.out.warnings.push((item.place.file, *finding));
                    return Ok(None);
                }
                Err(mut finding) => {
                    finding.code = Code::CompileCondition;
                    return Err(finding);
                }
            }
        }
        if let Err(mut finding) = template {
            if item.skips_unknown && finding.code == Code::UnknownFilter {
                self.out.warnings.push((item.place.file, *finding));
                return Ok(None);
            }
            finding.code = Code::CompileOutput;
            return Err(finding);
        }
        if let Some(correlation) = &item.correlation {
            self.check_correlation(correlation, &owner)?;
        }
        Ok(Some(Rule {
            name: name.to_owned(),
            description: item.description.clone(),
            priority: item.priority,
            source,
            tags: item.tags.iter().cloned().collect(),
            enabled: item.enabled,
            capture: item.capture,
            capture_duration: item.capture_duration,
            output,
            condition,
            steps,
            correlation: item.correlation.clone(),
            fields,
            macros,
        }))
    }

    /// Checks the fields and values of a condition. Errors about unknown fields have [`Code::UnknownFilter`].
    fn check_condition(
        &mut self,
        condition: &Condition,
        item: &RuleItem,
        owner: &Owner<'_>,
        source: Source,
        fields: &mut BTreeSet<String>,
        macros: &mut BTreeSet<String>,
    ) -> Result<(), Box<Finding>> {
        let filter = match Filter::from_ast(&condition.expr, &self.out.definitions) {
            Ok(filter) => filter,
            Err(error) => {
                let (text, mapped) = (&condition.source, &condition.mapped);
                let mut finding = self.condition_error(&error, owner, text, mapped);
                if is_unknown(&error.kind) {
                    finding.code = Code::UnknownFilter;
                }
                return Err(Box::new(finding));
            }
        };
        let mut foreign = None;
        let mut warnings = Vec::new();
        let mut used = Vec::new();
        let trees = std::mem::take(&mut self.out.macros);
        syntax::each_check(&condition.expr, &trees, &mut used, &mut |check, is_own| {
            syntax::each_field(check, &mut |field| {
                if !is_of_source(field, source) && foreign.is_none() {
                    foreign = Some((field.to_owned(), check.left.span.start, is_own));
                }
                fields.insert(field.to_owned());
            });
            warnings.extend(condition_warnings(check));
        });
        macros.extend(used.into_iter().map(str::to_owned));
        self.out.macros = trees;
        if let Some((field, at, is_own)) = foreign {
            let message = format!(
                "unknown field `{field}` for events of source `{}`",
                source.name()
            );
            let texts = (&condition.source, &condition.mapped);
            let at = if is_own { at } else { 0 };
            return Err(Box::new(self.in_condition(
                Code::UnknownFilter,
                message,
                owner,
                texts,
                at,
            )));
        }
        warnings.sort();
        warnings.dedup();
        for (code, message) in warnings {
            self.warn(code, message, owner);
        }
        let pushdown = filter.pushdown();
        if pushdown.types.contains(types::SYSCALL_OPEN_X)
            && !pushdown.types.contains(types::SYSCALL_OPENAT_2_X)
        {
            let message = "evt.type=open does not match openat and openat2, which most programs use: write evt.type in (open, openat, openat2)";
            self.warn(Code::ExtensionWarning, message.to_owned(), owner);
        }
        let types = pushdown.types.iter().count();
        if source == Source::Syscall && item.warns_of_types && types > MANY_TYPES {
            let message = "Rule matches too many evt.type values. This has a significant performance penalty.";
            self.warn(Code::NoEvtType, message.to_owned(), owner);
        }
        Ok(())
    }

    fn warn(&mut self, code: Code, message: String, owner: &Owner<'_>) {
        let span = owner.place.span.start..owner.place.span.start;
        let finding = self.finding(code, message, owner.place, None, span);
        self.out.warnings.push((owner.place.file, finding));
    }

    /// Returns the output of a rule with what is added to it, and whether it is valid.
    fn output(&mut self, item: &RuleItem, source: Source) -> (String, Result<(), Box<Finding>>) {
        let mut output = item.output.text.clone();
        if output.contains("%container.info") {
            output = output.replace("%container.info", "").trim_end().to_owned();
            let message = "Usage of '%container.info' is deprecated: it is replaced by nothing";
            let span = item.place.span.start..item.place.span.start;
            let finding = self.finding(
                Code::DeprecatedItem,
                message.to_owned(),
                &item.place,
                None,
                span,
            );
            self.out.warnings.push((item.place.file, finding));
        }
        if self.settings.suggested && source == Source::Syscall {
            output.push_str(SUGGESTED);
        }
        if !self.settings.extra.is_empty() {
            output.push(' ');
            output.push_str(&self.settings.extra);
        }
        let checked = Template::new(&format!("*{output}")).map_err(|error| {
            let at = error.span.start.saturating_sub(1);
            let offset = item.output.place(at, self.files).map(|(_, offset)| offset);
            let offset = offset.unwrap_or(item.place.span.start);
            let content = self.files.get(item.place.file).copied().unwrap_or_default();
            let step = Step {
                item: "rule output",
                name: String::new(),
                mark: mark(content, offset),
            };
            let code = match &error.kind {
                TemplateErrorKind::Field(_) | TemplateErrorKind::NoField => Code::UnknownFilter,
                _ => Code::CompileOutput,
            };
            let message = error.kind.to_string();
            Box::new(self.finding(code, message, &item.place, Some(step), offset..offset))
        });
        (output, checked.map(drop))
    }

    fn check_correlation(
        &self,
        correlation: &Correlation,
        owner: &Owner<'_>,
    ) -> Result<(), Box<Finding>> {
        let by = correlation
            .steps
            .iter()
            .map(|step| &step.by)
            .chain([&correlation.by]);
        let all = by.flatten().chain(&correlation.distinct);
        let unknown = all.into_iter().find_map(|field| {
            let error = fields::lookup(field).err()?;
            Some(error.to_string())
        });
        let repeated = correlation::repeated(&correlation.by);
        let message = unknown.or_else(|| repeated.map(|field| format!("`{field}` is there twice")));
        match message {
            None => Ok(()),
            Some(message) => {
                let span = owner.place.span.clone();
                Err(Box::new(self.finding(
                    Code::Extension,
                    message,
                    owner.place,
                    None,
                    span,
                )))
            }
        }
    }

    fn warn_of_unused(&mut self) {
        let used: BTreeSet<&str> = {
            let rules = self.out.rules.iter();
            rules
                .flat_map(|rule| rule.macros.iter().map(String::as_str))
                .collect()
        };
        let mut unused = Vec::new();
        for (name, item) in self.collection.macros.iter() {
            if !used.contains(name) {
                let message = "Macro not referred to by any other rule/macro".to_owned();
                unused.push((Code::UnusedMacro, message, name, &item.place, item.order));
            }
        }
        for (name, list) in self.collection.lists.iter() {
            if !self.used_lists.contains(name) {
                let message = "List not referred to by any other rule/macro/list".to_owned();
                unused.push((Code::UnusedList, message, name, &list.place, list.order));
            }
        }
        for (code, message, name, place, order) in unused {
            let owner = Owner { name, place, order };
            debug_assert!(!owner.name.is_empty());
            self.warn(code, message, &owner);
        }
    }

    /// Returns the requirement of plugins that is not met.
    pub(super) fn unmet(collection: &Collection) -> Option<(usize, Finding)> {
        collection.plugins.iter().find_map(|(alternatives, place)| {
            let message = version::unmet(alternatives)?;
            let finding = Finding {
                code: Code::Validate,
                message,
                hint: None,
                context: place.context.clone(),
                span: place.span.clone(),
            };
            Some((place.file, finding))
        })
    }
}

/// Returns the first requirement of plugins that is not met, with the number of its file.
pub(super) fn unmet_plugin(collection: &Collection) -> Option<(usize, Finding)> {
    Compiler::unmet(collection)
}

fn has_loop<'m>(
    name: &'m str,
    macros: &'m Macros,
    path: &mut Vec<&'m str>,
    done: &mut BTreeSet<&'m str>,
) -> bool {
    if path.contains(&name) {
        return true;
    }
    if !done.insert(name) {
        return false;
    }
    let Some(tree) = macros.get(name) else {
        return false;
    };
    path.push(name);
    let mut inner = Vec::new();
    syntax::each_macro(&tree.expr, &mut |name, _| inner.push(name));
    let found = inner
        .into_iter()
        .any(|name| has_loop(name, macros, path, done));
    path.pop();
    found
}

/// Returns the line and column of an offset, counted from 0.
pub(super) fn mark(content: &str, offset: usize) -> super::yaml::Mark {
    let before = content.get(..offset.min(content.len())).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    super::yaml::Mark {
        line: before.bytes().filter(|b| *b == b'\n').count(),
        column: before
            .get(line_start..)
            .map_or(0, |line| line.chars().count()),
        offset,
    }
}
