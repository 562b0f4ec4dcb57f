//! The rule files that a command line names, and which of their rules are switched on.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::cli::diagnostic;
use crate::cli::error::{CliError, warn};
use crate::cli::input::reason;
use crate::cli::stderr;
use crate::rules::{
    Engine, Finding, Loader, Matching, Priority, Report, RuleSet, Selection, Settings, Style, Which,
};

/// Limit of a file, in bytes; the loader's message says more.
const MAX_FILE: u64 = (64 << 20) + 1;

/// Arguments about rules.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RuleFiles {
    /// Load this rule file, or the `.yaml` and `.yml` files of this directory; may be repeated: later files can change what
    /// earlier ones define
    #[arg(short = 'r', long = "rules", value_name = "FILE|DIR")]
    pub(in crate::cli) rules: Vec<PathBuf>,

    /// Switch off the rules with this text in their name
    #[arg(short = 'D', value_name = "SUBSTRING")]
    not_named: Vec<String>,

    /// Switch off the rules with this tag
    #[arg(short = 'T', value_name = "TAG")]
    not_tagged: Vec<String>,

    /// Switch on only the rules with this tag
    #[arg(short = 't', value_name = "TAG", conflicts_with = "not_tagged")]
    tagged: Vec<String>,

    /// Switch off the rules whose name matches this pattern
    #[arg(long, value_name = "NAME")]
    disable: Vec<String>,

    /// Switch on the rules whose name matches this pattern, after all that is switched off
    #[arg(long, value_name = "NAME")]
    enable: Vec<String>,

    /// Load only rules of this priority or a more severe one
    #[arg(long, value_name = "PRIORITY", value_parser = priority)]
    min_priority: Option<Priority>,

    /// Add this text to the output of each rule; `c` and `k` are accepted for Falco, whose outputs have the container and
    /// the pod already
    #[arg(short = 'p', long = "print", value_name = "TEXT")]
    print: Option<String>,

    /// Set an option of Falco's configuration: rule_matching, priority, json_output, json_include_*_property,
    /// time_format_iso_8601, append_output.suggested_output, rules[].enable.rule and the like
    #[arg(short = 'o', value_name = "KEY=VALUE")]
    options: Vec<String>,
}

fn priority(text: &str) -> Result<Priority, String> {
    let names = Priority::ALL
        .map(|p| p.name().to_ascii_lowercase())
        .join(", ");
    Priority::parse(text).ok_or_else(|| format!("not one of {names}"))
}

/// What the options say about rules and alerts.
#[derive(Debug, Default)]
pub(in crate::cli) struct Settled {
    /// How rules are loaded.
    pub(in crate::cli) settings: Settings,
    /// Which of them are switched on.
    pub(in crate::cli) selection: Selection,
    /// How many alerts an event gives.
    pub(in crate::cli) matching: Matching,
    /// How alerts are printed.
    pub(in crate::cli) style: Style,
}

impl RuleFiles {
    /// Returns the first option that was given, if any was.
    pub(in crate::cli) fn given(&self) -> Option<&'static str> {
        let options = [
            ("-r", !self.rules.is_empty()),
            ("-D", !self.not_named.is_empty()),
            ("-T", !self.not_tagged.is_empty()),
            ("-t", !self.tagged.is_empty()),
            ("--disable", !self.disable.is_empty()),
            ("--enable", !self.enable.is_empty()),
            ("--min-priority", self.min_priority.is_some()),
            ("-p", self.print.is_some()),
            ("-o", !self.options.is_empty()),
        ];
        options
            .into_iter()
            .find(|(_, is_given)| *is_given)
            .map(|(name, _)| name)
    }

    /// Reads the options.
    pub(in crate::cli) fn settle(&self) -> Result<Settled, CliError> {
        let mut settled = Settled::default();
        for option in &self.options {
            let Some((key, value)) = option.split_once('=') else {
                return Err(CliError::usage(format!("-o {option}: not KEY=VALUE")));
            };
            settled
                .set(key.trim(), value.trim())
                .map_err(|message| CliError::usage(format!("-o {option}: {message}")))?;
        }
        if let Some(priority) = self.min_priority {
            settled.settings.minimum = priority;
        }
        match self.print.as_deref() {
            // What they stood for is in the output already.
            None | Some("c" | "k" | "container" | "kubernetes" | "m" | "mesos") => {}
            Some(text) => text.clone_into(&mut settled.settings.extra),
        }
        let selection = &mut settled.selection;
        for text in &self.not_named {
            selection.choose(Which::Substring(text.clone()), false);
        }
        for tag in &self.not_tagged {
            selection.choose(Which::Tag(tag.clone()), false);
        }
        if !self.tagged.is_empty() {
            selection.choose(Which::name("*"), false);
        }
        for tag in &self.tagged {
            selection.choose(Which::Tag(tag.clone()), true);
        }
        for (patterns, enable) in [(&self.disable, false), (&self.enable, true)] {
            for pattern in patterns {
                selection.choose(Which::name(pattern), enable);
            }
        }
        Ok(settled)
    }

    /// Loads the files; fails if one has an error.
    pub(in crate::cli) fn load(
        &self,
        settings: &Settings,
        verbose: bool,
    ) -> Result<RuleSet, CliError> {
        let (reports, rules) = load(&self.rules, settings)?;
        if verbose {
            for report in &reports {
                for finding in report.warnings() {
                    stderr::print(&text(report, finding));
                }
            }
        }
        succeeded(&reports, rules)
    }
}

/// Loads files and directories; fails if one has an error.
pub(in crate::cli) fn load_all(
    paths: &[PathBuf],
    settings: &Settings,
) -> Result<RuleSet, CliError> {
    let (reports, rules) = load(paths, settings)?;
    succeeded(&reports, rules)
}

fn succeeded(reports: &[Report], rules: Option<RuleSet>) -> Result<RuleSet, CliError> {
    let mut failed = reports
        .iter()
        .filter_map(|report| Some((report, report.errors().next()?)));
    match (failed.next(), rules) {
        (Some((report, finding)), _) => Err(error(report, finding)),
        (None, rules) => rules.ok_or_else(|| CliError::failed("no rules")),
    }
}

impl Settled {
    /// Compiles the rules that are switched on.
    pub(in crate::cli) fn engine(&self, rules: RuleSet) -> Result<Engine, CliError> {
        self.check(&rules)?;
        rules
            .into_engine(&self.selection, self.matching)
            .map_err(|error| CliError::usage(error.to_string()))
    }

    /// Warns about options that mean no rule; fails if no rule is switched on.
    pub(in crate::cli) fn check(&self, rules: &RuleSet) -> Result<(), CliError> {
        let rules = rules.rules();
        for which in self.selection.unused(rules) {
            warn(&format!("no rule is meant by {which}"), None);
        }
        match rules.iter().any(|rule| self.selection.enables(rule)) {
            true => Ok(()),
            false => Err(CliError::usage("no rule is switched on")),
        }
    }

    /// Sets an option of Falco's configuration file.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let truth = || match value {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err("not true or false".to_owned()),
        };
        let style = &mut self.style;
        match key {
            "json_output" => style.json = truth()?,
            "json_include_output_property" => style.output = truth()?,
            "json_include_message_property" => style.message = truth()?,
            "json_include_output_fields_property" => style.fields = truth()?,
            "json_include_tags_property" => style.tags = truth()?,
            "time_format_iso_8601" => style.iso8601 = truth()?,
            "priority" => self.settings.minimum = priority(value)?,
            "rule_matching" => {
                self.matching = match value {
                    "first" => Matching::First,
                    "all" => Matching::All,
                    _ => return Err("not first or all".to_owned()),
                };
            }
            "append_output.suggested_output" | "append_output[].suggested_output" => {
                self.settings.suggested = truth()?;
            }
            "append_output.extra_output" | "append_output[].extra_output" => {
                value.clone_into(&mut self.settings.extra);
            }
            "rules[].enable.rule" | "rules[].disable.rule" => {
                self.selection
                    .choose(Which::name(value), key.contains("enable"));
            }
            "rules[].enable.tag" | "rules[].disable.tag" => {
                self.selection
                    .choose(Which::Tag(value.to_owned()), key.contains("enable"));
            }
            _ => return Err("unknown option".to_owned()),
        }
        Ok(())
    }
}

/// Loads files and directories; the built-in rules if there are none.
pub(in crate::cli) fn load(
    paths: &[PathBuf],
    settings: &Settings,
) -> Result<(Vec<Report>, Option<RuleSet>), CliError> {
    let mut loader = Loader::new(settings.clone());
    if paths.is_empty() {
        loader.add(crate::rules::BUILT_IN_NAME, crate::rules::BUILT_IN);
    }
    for path in paths {
        let name = stderr::one_line(&path.to_string_lossy());
        let files = match path.is_dir() {
            true => directory(path).map_err(|error| {
                CliError::failed(format!("cannot read the directory {name}: {error}"))
            })?,
            false => vec![path.clone()],
        };
        if files.is_empty() {
            return Err(CliError::failed(format!("{name}: no .yaml or .yml file")));
        }
        for file in files {
            let name = stderr::one_line(&file.to_string_lossy());
            match read(&file) {
                Ok(text) => loader.add(&name, &text),
                Err(error) => loader.add_unreadable(&name, &reason(&error)),
            }
            // The files after it may need what is in it.
            if loader.has_failed() {
                return Ok(loader.finish());
            }
        }
    }
    Ok(loader.finish())
}

/// Returns the rule files of a directory, sorted.
fn directory(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let is_yaml = path
            .extension()
            .is_some_and(|ext| ext == "yaml" || ext == "yml");
        if is_yaml && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// Returns what a finding is about: `rule X: condition expression`.
fn subject(finding: &Finding) -> String {
    let named = finding
        .context
        .iter()
        .skip(1)
        .map(|step| match step.name.is_empty() {
            true => step.item.to_owned(),
            false => format!("{} `{}`", step.item, step.name),
        });
    named.collect::<Vec<_>>().join(": ")
}

/// Returns the lines of a finding; safe to print.
pub(super) fn text(report: &Report, finding: &Finding) -> String {
    let level = if finding.code.is_error() {
        "error"
    } else {
        "warning"
    };
    let mut out = format!("{level}[{}]: {}\n", finding.code.name(), message(finding));
    snippet(&mut out, report, finding);
    if let Some(hint) = &finding.hint {
        out.push_str(&format!("hint: {}\n", stderr::one_line(hint)));
    }
    out
}

fn message(finding: &Finding) -> String {
    let subject = subject(finding);
    let colon = if subject.is_empty() { "" } else { ": " };
    stderr::one_line(&format!("{subject}{colon}{}", finding.message))
}

fn snippet(out: &mut String, report: &Report, finding: &Finding) {
    if report.text.is_empty() {
        return;
    }
    let line = report
        .text
        .get(finding.span.clone())
        .and_then(|text| text.lines().next());
    let end = finding.span.start + line.map_or(0, |line| line.trim_end().len());
    diagnostic::snippet(out, &report.name, &report.text, &(finding.span.start..end));
}

/// Makes the error of a command whose rules have one.
fn error(report: &Report, finding: &Finding) -> CliError {
    let mut block = String::new();
    snippet(&mut block, report, finding);
    let code = finding.code.name();
    let failed = CliError::usage(format!("{}: {} [{code}]", report.name, message(finding)));
    let failed = if block.is_empty() {
        failed
    } else {
        failed.snippet(block)
    };
    match &finding.hint {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}
