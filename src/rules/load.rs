//! Reads the items of a rule file, in the order of the file, and applies them to what earlier files have defined.

use super::collection::{Collection, List, Macro, Order, Place, Priority, RuleItem, Source, text};
use super::correlation::Correlation;
use super::exceptions::Exception;
use super::node::{Item, Read};
use super::report::{Code, Finding, Step};
use super::version::{self, Version};
use super::yaml::{self, Kind, Node};

/// Keys of a rule that `override` can change.
const APPENDABLE: [&str; 5] = ["condition", "output", "desc", "tags", "exceptions"];
const REPLACEABLE: [&str; 11] = [
    "condition",
    "output",
    "desc",
    "priority",
    "tags",
    "exceptions",
    "enabled",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
];
const RULE_KEYS: [&str; 16] = [
    "rule",
    "condition",
    "output",
    "desc",
    "priority",
    "source",
    "enabled",
    "tags",
    "exceptions",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
    "append",
    "override",
    "scap",
];

/// Applies the items of a file to a collection. The first error ends it.
pub(super) fn load(
    collection: &mut Collection,
    file: usize,
    content: &str,
    warnings: &mut Vec<Finding>,
) -> Read<()> {
    let whole = |message: String, mark: yaml::Mark, code| {
        Box::new(Finding {
            code,
            message,
            hint: None,
            context: vec![Step {
                item: "rules content",
                name: String::new(),
                mark,
            }],
            span: mark.offset..mark.offset,
        })
    };
    let documents =
        yaml::parse(content).map_err(|error| whole(error.message, error.mark, Code::YamlParse))?;
    for document in &documents {
        let items = match &document.kind {
            Kind::Null => continue,
            Kind::Sequence(items) => items,
            Kind::Mapping(_) | Kind::Scalar(_) => {
                let message = "Rules content is not yaml array of objects".to_owned();
                return Err(whole(message, document.mark, Code::YamlValidate));
            }
        };
        let root = Item {
            node: document,
            context: vec![Step {
                item: "rules content",
                name: String::new(),
                mark: document.mark,
            }],
        };
        for node in items {
            if matches!(node.kind, Kind::Null) {
                continue;
            }
            let item = root.within("rules content item", "", node);
            if !matches!(node.kind, Kind::Mapping(_)) {
                return item.fail(
                    Code::YamlValidate,
                    "Unexpected element type. Each element should be a yaml associative array.",
                );
            }
            let mut loader = Loader {
                collection: &mut *collection,
                file,
                warnings: &mut *warnings,
            };
            loader.item(item)?;
        }
    }
    Ok(())
}

struct Loader<'c> {
    collection: &'c mut Collection,
    file: usize,
    warnings: &'c mut Vec<Finding>,
}

/// What an item does to an object of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Define,
    Append,
}

impl Loader<'_> {
    fn item(&mut self, item: Item<'_>) -> Read<()> {
        self.collection.items += 1;
        if item.has("required_engine_version") {
            self.engine_version(&item.named("required_engine_version", ""))
        } else if item.has("required_plugin_versions") {
            self.plugin_versions(&item.named("required plugin versions", ""))
        } else if item.has("list") {
            let name = item.text("list")?;
            self.list(&item.named("list", name), name)
        } else if item.has("macro") {
            let name = item.text("macro")?;
            self.macro_(&item.named("macro", name), name)
        } else if item.has("rule") {
            let name = item.text("rule")?;
            self.rule(&item.named("rule", name), name)
        } else {
            let message = "Unknown top level item";
            self.warnings.push(item.finding(Code::UnknownItem, message));
            Ok(())
        }
    }

    fn engine_version(&mut self, item: &Item<'_>) -> Read<()> {
        let text = item.text("required_engine_version")?;
        let required = match text.parse() {
            Ok(number) => Version(0, number, 0),
            Err(_) => match Version::parse(text) {
                Some(version) => version,
                None => {
                    let message = format!(
                        "Unable to parse engine version '{text}' as a semver string. Expected \"x.y.z\" semver format."
                    );
                    return item.fail(Code::Validate, message);
                }
            },
        };
        if version::ENGINE.satisfies(required) {
            return Ok(());
        }
        let own = version::ENGINE;
        let message =
            format!("Rules require engine version {required}, but engine version is {own}");
        item.fail(Code::Validate, message)
    }

    fn plugin_versions(&mut self, item: &Item<'_>) -> Read<()> {
        for node in item.sequence("required_plugin_versions")? {
            let entry = item.within("required plugin versions entry", "", node);
            let mut alternatives = vec![self.plugin(&entry)?];
            if entry.has("alternatives") {
                for node in entry.sequence("alternatives")? {
                    let one = entry.within("required plugin versions alternative", "", node);
                    alternatives.push(self.plugin(&one)?);
                }
            }
            let place = Place::of(&entry, self.file);
            self.collection.plugins.push((alternatives, place));
        }
        Ok(())
    }

    fn plugin(&mut self, item: &Item<'_>) -> Read<(String, Version)> {
        let (name, version) = (item.text("name")?, item.text("version")?);
        match Version::parse(version) {
            Some(version) => Ok((name.to_owned(), version)),
            None => item.fail(
                Code::Validate,
                format!("Invalid required version '{version}' for plugin '{name}'"),
            ),
        }
    }

    /// Returns what an item of a list or macro does; `key` is the one that `override` can change.
    fn change(&mut self, item: &Item<'_>, key: &str) -> Read<Change> {
        let append = item.boolean("append")?;
        if append.is_some() {
            let message = "'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead.";
            self.warnings
                .push(item.finding(Code::DeprecatedItem, message));
        }
        let (appended, replaced) = self.overrides(item, &[key], &[key])?;
        if append == Some(true) && item.has("override") {
            return item.fail(Code::Validate, BOTH);
        }
        Ok(
            match append == Some(true) || appended.iter().any(|k| k == key) {
                true => Change::Append,
                false => {
                    drop(replaced);
                    Change::Define
                }
            },
        )
    }

    /// Returns the keys to append and the keys to replace.
    fn overrides(
        &mut self,
        item: &Item<'_>,
        appendable: &[&str],
        replaceable: &[&str],
    ) -> Read<(Vec<String>, Vec<String>)> {
        let (mut append, mut replace) = (Vec::new(), Vec::new());
        let Some(node) = item.get("override") else {
            return Ok((append, replace));
        };
        let within = item.within("override", "", node);
        for (key, value) in node.entries() {
            let (key, word) = (within.scalar(key)?, within.scalar(value)?);
            let fail = |message: String| within.fail(Code::Validate, message);
            let can_append = appendable.contains(&key);
            let can_replace = replaceable.contains(&key);
            match word {
                "append" if can_append => append.push(key.to_owned()),
                "append" if can_replace => {
                    return fail(format!(
                        "Key '{key}' cannot be appended to, use 'replace' instead"
                    ));
                }
                "append" => return fail(format!("Key '{key}' cannot be appended to")),
                "replace" if can_replace => replace.push(key.to_owned()),
                "replace" => return fail(format!("Key '{key}' cannot be replaced")),
                _ => {
                    return fail(format!(
                        "Invalid override operation for key '{key}': '{word}'. Valid values are 'append', 'replace'"
                    ));
                }
            }
        }
        Ok((append, replace))
    }

    /// Returns the order of an object that is defined or changed now.
    fn order(&self, known: Option<Order>) -> Order {
        let now = self.collection.items;
        Order {
            index: known.map_or(now, |order| order.index),
            visibility: now,
        }
    }

    fn list(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        item.check_keys(&["list", "items", "append", "override"], self.warnings);
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "()\"'=,".contains(c)) {
            let message = "List has an invalid name. List names should match a regular expression: [^()\"'[:space:]=,]+";
            self.warnings
                .push(item.finding(Code::InvalidListName, message));
        }
        let items = item.strings("items")?;
        let change = self.change(item, "items")?;
        let known = self.collection.lists.get(name).map(|list| list.order);
        let order = self.order(known);
        match (change, self.collection.lists.get_mut(name)) {
            (Change::Append, None) => item.fail(Code::Validate, missing("List", "items", "list")),
            (Change::Append, Some(list)) => {
                list.items.extend(items);
                list.order = order;
                Ok(())
            }
            (Change::Define, _) => {
                let place = Place::of(item, self.file);
                let list = List {
                    items,
                    order,
                    place,
                };
                self.collection.lists.set(name, list);
                Ok(())
            }
        }
    }

    fn macro_(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        item.check_keys(&["macro", "condition", "append", "override"], self.warnings);
        let mut letters = name.chars();
        let is_word = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_word {
            let message = "Macro has an invalid name. Macro names should match a regular expression: [a-zA-Z]+[a-zA-Z0-9_]*";
            self.warnings
                .push(item.finding(Code::InvalidMacroName, message));
        }
        let condition = text(
            item.text("condition")?,
            self.file,
            item.required("condition")?,
        );
        let change = self.change(item, "condition")?;
        let known = self.collection.macros.get(name).map(|m| m.order);
        let order = self.order(known);
        match (change, self.collection.macros.get_mut(name)) {
            (Change::Append, None) => {
                item.fail(Code::Validate, missing("Macro", "condition", "macro"))
            }
            (Change::Append, Some(old)) => {
                old.condition.append(&condition);
                old.order = order;
                Ok(())
            }
            (Change::Define, _) => {
                let place = Place::of(item, self.file);
                let entry = Macro {
                    condition,
                    order,
                    place,
                };
                self.collection.macros.set(name, entry);
                Ok(())
            }
        }
    }

    fn rule(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        item.check_keys(&RULE_KEYS, self.warnings);
        let append = item.boolean("append")? == Some(true);
        if append && item.has("override") {
            return item.fail(Code::Validate, BOTH);
        }
        if item.has("append") {
            let message = "'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead.";
            self.warnings
                .push(item.finding(Code::DeprecatedItem, message));
        }
        if item.has("override") {
            return self.override_rule(item, name);
        }
        let known = self.collection.rules.get(name).is_some();
        if append {
            if !known {
                return item.fail(Code::Validate, missing("Rule", "<key>", "rule"));
            }
            let mut changed = false;
            if item.has("condition") {
                self.append(item, name, "condition")?;
                changed = true;
            }
            if item.has("exceptions") {
                self.append(item, name, "exceptions")?;
                changed = true;
            }
            return match changed {
                true => Ok(()),
                false => item.fail(
                    Code::Validate,
                    "Appended rule must have exceptions or condition property",
                ),
            };
        }
        let definition = ["condition", "output", "desc", "priority"];
        if !definition.iter().any(|key| item.has(key)) {
            return self.switch(item, name);
        }
        self.define(item, name)
    }

    /// A rule with nothing but `enabled` switches one that is there.
    fn switch(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        let message = "The standalone 'enabled' key usage is deprecated. The correct approach requires also a 'replace' entry under the 'override' key (i.e. 'enabled: replace').";
        self.warnings
            .push(item.finding(Code::DeprecatedItem, message));
        let _value = item.text("enabled")?;
        let enabled = item.boolean("enabled")?.unwrap_or(true);
        let order = self.collection.items;
        match self.collection.rules.get_mut(name) {
            Some(rule) => {
                rule.enabled = enabled;
                rule.order.visibility = order;
                Ok(())
            }
            None => item.fail(
                Code::Validate,
                "Rule has 'enabled' key but no rule by that name already exists",
            ),
        }
    }

    fn define(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        let condition = text(
            item.text("condition")?,
            self.file,
            item.required("condition")?,
        );
        let output = item.text("output")?.trim();
        let output = text(output, self.file, item.required("output")?);
        let description = item.text("desc")?.to_owned();
        let priority = priority(item)?;
        let source = item
            .optional_text("source")?
            .unwrap_or("syscall")
            .to_owned();
        if Source::parse(&source).is_none() {
            let message = format!("Unknown source {source}, skipping");
            self.warnings
                .push(item.finding(Code::UnknownSource, message));
        }
        let old = self.collection.rules.get(name);
        if old.is_some_and(|old| old.source != source) {
            return item.fail(
                Code::Validate,
                "Rule has been re-defined with a different source",
            );
        }
        let known = old.map(|rule| rule.order);
        let mut exceptions = self.exceptions(item)?;
        for (exception, node) in exceptions.iter_mut().zip(self.exception_nodes(item)?) {
            exception.complete(&item.within("exception", &exception.name.clone(), node))?;
        }
        let correlation = match item.get("scap") {
            Some(node) => {
                let within = item.within("scap", "", node);
                Some(Correlation::read(&within, self.file, self.warnings)?)
            }
            None => None,
        };
        let rule = RuleItem {
            condition,
            output,
            description,
            priority,
            source,
            enabled: item.boolean("enabled")?.unwrap_or(true),
            tags: tags(item)?.into_iter().collect(),
            exceptions,
            warns_of_types: item.boolean("warn_evttypes")?.unwrap_or(true),
            skips_unknown: item.boolean("skip-if-unknown-filter")?.unwrap_or(false),
            capture: item.boolean("capture")?.unwrap_or(false),
            capture_duration: item.number("capture_duration")?.unwrap_or(0),
            correlation,
            order: self.order(known),
            place: Place::of(item, self.file),
        };
        self.collection.rules.set(name, rule);
        Ok(())
    }

    fn override_rule(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        let (append, replace) = self.overrides(item, &APPENDABLE, &REPLACEABLE)?;
        for key in REPLACEABLE {
            let is_named = append.iter().chain(&replace).any(|k| k == key);
            if item.has(key) && !is_named {
                let message = format!(
                    "Unexpected key '{key}': no corresponding entry under 'override' is defined."
                );
                return item.fail(Code::Validate, message);
            }
        }
        for (keys, word) in [(&append, "An append"), (&replace, "A replace")] {
            if let Some(key) = keys.iter().find(|key| !item.has(key)) {
                let message =
                    format!("{word} override for '{key}' was specified but '{key}' is not defined");
                return item.fail(Code::Validate, message);
            }
        }
        if self.collection.rules.get(name).is_none() {
            let message = match (append.first(), replace.first()) {
                (None, Some(key)) => format!(
                    "An 'override.{key}: replace' to a rule was requested but no rule by that name already exists"
                ),
                (key, _) => missing("Rule", key.map_or("<key>", |k| k), "rule"),
            };
            return item.fail(Code::Validate, message);
        }
        if append.is_empty() && replace.is_empty() {
            return item.fail(
                Code::Validate,
                "Appended rule must have exceptions or condition property",
            );
        }
        for key in &append {
            self.append(item, name, key)?;
        }
        for key in &replace {
            self.replace(item, name, key)?;
        }
        Ok(())
    }

    fn append(&mut self, item: &Item<'_>, name: &str, key: &str) -> Read<()> {
        let exceptions = match key {
            "exceptions" => self.exceptions(item)?,
            _ => Vec::new(),
        };
        let nodes = match key {
            "exceptions" => self.exception_nodes(item)?,
            _ => Vec::new(),
        };
        let (now, file) = (self.collection.items, self.file);
        let Some(rule) = self.collection.rules.get_mut(name) else {
            return Ok(());
        };
        rule.order.visibility = now;
        match key {
            "condition" => {
                rule.condition
                    .append(&text(item.text(key)?, file, item.required(key)?));
            }
            "output" => rule
                .output
                .append(&text(item.text(key)?, file, item.required(key)?)),
            "desc" => {
                rule.description.push(' ');
                rule.description.push_str(item.text(key)?);
            }
            "tags" => rule.tags.extend(tags(item)?),
            _ => {
                for (mut exception, node) in exceptions.into_iter().zip(nodes) {
                    let within = item.within("exception", &exception.name, node);
                    let old = rule
                        .exceptions
                        .iter_mut()
                        .find(|old| old.name == exception.name);
                    let Some(old) = old else {
                        if !exception.has_fields() || !exception.has_values() {
                            let message = "Rule exception must have fields and values when it is appended and not yet defined";
                            return within.fail(Code::Validate, message);
                        }
                        exception.complete(&within)?;
                        rule.exceptions.push(exception);
                        continue;
                    };
                    if exception.has_fields_or_comps() {
                        return within.fail(
                            Code::Validate,
                            "Can not append exception fields/comps to existing exception, only values",
                        );
                    }
                    if !exception.has_values() {
                        let message = "Overriding/appending exception with no values";
                        self.warnings
                            .push(within.finding(Code::AppendNoValues, message));
                    }
                    old.append(exception);
                }
            }
        }
        Ok(())
    }

    fn replace(&mut self, item: &Item<'_>, name: &str, key: &str) -> Read<()> {
        let mut exceptions = match key {
            "exceptions" => self.exceptions(item)?,
            _ => Vec::new(),
        };
        if key == "exceptions" {
            for (exception, node) in exceptions.iter_mut().zip(self.exception_nodes(item)?) {
                exception.complete(&item.within("exception", &exception.name.clone(), node))?;
            }
        }
        let (now, file) = (self.collection.items, self.file);
        let Some(rule) = self.collection.rules.get_mut(name) else {
            return Ok(());
        };
        rule.order.visibility = now;
        match key {
            "condition" => rule.condition = text(item.text(key)?, file, item.required(key)?),
            "output" => rule.output = text(item.text(key)?, file, item.required(key)?),
            "desc" => item.text(key)?.clone_into(&mut rule.description),
            "priority" => rule.priority = priority(item)?,
            "tags" => rule.tags = tags(item)?.into_iter().collect(),
            "enabled" => rule.enabled = item.boolean(key)?.unwrap_or(true),
            "warn_evttypes" => rule.warns_of_types = item.boolean(key)?.unwrap_or(true),
            "skip-if-unknown-filter" => {
                rule.skips_unknown = item.boolean(key)?.unwrap_or(false);
            }
            "capture" => rule.capture = item.boolean(key)?.unwrap_or(false),
            "capture_duration" => rule.capture_duration = item.number(key)?.unwrap_or(0),
            _ => rule.exceptions = exceptions,
        }
        Ok(())
    }

    fn exception_nodes<'n>(&self, item: &Item<'n>) -> Read<Vec<&'n Node>> {
        match item.has("exceptions") {
            true => Ok(item.sequence("exceptions")?.iter().collect()),
            false => Ok(Vec::new()),
        }
    }

    fn exceptions(&mut self, item: &Item<'_>) -> Read<Vec<Exception>> {
        let mut exceptions: Vec<Exception> = Vec::new();
        for node in self.exception_nodes(item)? {
            let within = item.within("exception", "", node);
            let exception = Exception::read(&within, self.warnings)?;
            if exceptions.iter().any(|other| other.name == exception.name) {
                let message = format!(
                    "Multiple definitions of exception '{}' in the same item",
                    exception.name
                );
                let warning = within.finding(Code::ExceptionNameNotUnique, message);
                self.warnings.push(warning);
            }
            exceptions.push(exception);
        }
        Ok(exceptions)
    }
}

const BOTH: &str = "Keys 'override' and 'append: true' cannot be used together. Add an append entry (e.g. 'condition: append') under override instead.";

fn missing(item: &str, key: &str, kind: &str) -> String {
    format!(
        "{item} uses 'append' or 'override.{key}: append' but no {kind} by that name already exists"
    )
}

fn tags(item: &Item<'_>) -> Read<Vec<String>> {
    match item.has("tags") {
        true => item.strings("tags"),
        false => Ok(Vec::new()),
    }
}

fn priority(item: &Item<'_>) -> Read<Priority> {
    match Priority::parse(item.text("priority")?) {
        Some(priority) => Ok(priority),
        None => item.fail(Code::YamlValidate, "Invalid priority"),
    }
}
