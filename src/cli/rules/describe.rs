//! `scap rules list` and `scap rules describe`.

use serde_json::{Value, json};

use super::RuleFiles;
use crate::cli::error::{CliError, Outcome};
use crate::cli::output::{self, Output};
use crate::cli::table::{self, Side};
use crate::event::text;
use crate::rules::Rule;

/// Arguments of `scap rules list`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    files: RuleFiles,

    /// Print JSON: one object per line and rule
    #[arg(short, long)]
    json: bool,
}

/// Arguments of `scap rules describe`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: RuleFiles,

    /// Describe only the rules with this text in their name
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Print JSON: one object per line and rule
    #[arg(short, long)]
    json: bool,
}

pub(super) fn list(args: &ListArgs) -> Result<Outcome, CliError> {
    let settled = args.files.settle()?;
    let rules = args.files.load(&settled.settings, false)?;
    let mut out = Output::new();
    let mut rows = Vec::new();
    for rule in rules.rules() {
        let enabled = settled.selection.enables(rule);
        if args.json {
            let line = json!({
                "rule": rule.name,
                "priority": rule.priority.name(),
                "source": rule.source.name(),
                "enabled": enabled,
                "tags": rule.tags,
            });
            print_json(out.buffer(), &line);
        } else {
            let state = if enabled { "on" } else { "off" };
            rows.push(vec![
                escaped(&rule.name),
                rule.priority.name().to_owned(),
                rule.source.name().to_owned(),
                state.to_owned(),
                escaped(&rule.tags.join(",")),
            ]);
        }
    }
    if !args.json {
        let head = ["RULE", "PRIORITY", "SOURCE", "STATE", "TAGS"].map(|title| (title, Side::Left));
        table::write(out.buffer(), &head, &rows);
    }
    out.finish()?;
    Ok(Outcome::Done)
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let settled = args.files.settle()?;
    let rules = args.files.load(&settled.settings, false)?;
    let is_wanted = |rule: &&Rule| {
        args.name
            .as_ref()
            .is_none_or(|name| rule.name.contains(name))
    };
    let wanted: Vec<&Rule> = rules.rules().iter().filter(is_wanted).collect();
    if let (true, Some(name)) = (wanted.is_empty(), &args.name) {
        return Err(CliError::failed(format!(
            "no rule has `{name}` in its name"
        )));
    }
    let mut out = Output::new();
    for rule in wanted {
        let needs = rules.needs(rule);
        if args.json {
            let line = json!({
                "rule": rule.name,
                "description": rule.description,
                "priority": rule.priority.name(),
                "source": rule.source.name(),
                "enabled": settled.selection.enables(rule),
                "tags": rule.tags,
                "condition": rule.condition_text(),
                "output": rule.output,
                "events": needs.events,
                "fields": needs.fields,
                "output_fields": needs.output_fields,
                "macros": needs.macros,
                "unanswerable": needs.unanswerable.iter().map(|(field, why)| json!({"field": field, "why": why})).collect::<Vec<Value>>(),
            });
            print_json(out.buffer(), &line);
            continue;
        }
        let buffer = out.buffer();
        let mut line = |title: &str, value: &str| {
            buffer.extend_from_slice(format!("{title:<13}").as_bytes());
            text::escape(buffer, value.trim().as_bytes());
            buffer.push(b'\n');
        };
        line("rule", &rule.name);
        line("description", &rule.description);
        line("priority", rule.priority.name());
        line("source", rule.source.name());
        line("tags", &rule.tags.join(", "));
        line("condition", rule.condition_text());
        line("output", &rule.output);
        let events = match needs.events.is_empty() {
            true => "all".to_owned(),
            false => needs.events.join(", "),
        };
        line("events", &events);
        line("fields", &needs.fields.join(", "));
        line("macros", &needs.macros.join(", "));
        for (field, why) in &needs.unanswerable {
            line("never", &format!("{field}: {why}"));
        }
        buffer.push(b'\n');
        out.written().map_err(|error| CliError::output(&error))?;
    }
    out.finish()?;
    Ok(Outcome::Done)
}

fn escaped(value: &str) -> String {
    let mut out = Vec::new();
    text::escape(&mut out, value.as_bytes());
    // Escaping UTF-8 yields UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}

fn print_json(out: &mut Vec<u8>, line: &Value) {
    output::ascii_json(out, &line.to_string());
    out.push(b'\n');
}
