//! `scap chisel list` and `scap chisel info`.

use super::run::metadata;
use crate::chisel::{Info, ScriptRegistry, usage};
use crate::cli::error::{CliError, Outcome, warn};
use crate::cli::output::{Output, ascii_json};
use crate::event::number::counted;
use crate::event::text;

/// Arguments of `scap chisel list`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Also list scripts that are not run on their own, such as libraries
    #[arg(long)]
    all: bool,

    /// Describe the scripts of `./chisels`, too, which runs them as far as they describe themselves. Without this option they
    /// are only counted: the current directory can be a stranger's
    #[arg(long)]
    nearby: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `scap chisel info`.
#[derive(Debug, clap::Args)]
pub(super) struct InfoArgs {
    /// Name of the chisel, or path of its script
    #[arg(value_name = "NAME")]
    name: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn list(args: &ListArgs) -> Result<Outcome, CliError> {
    let mut found = Vec::new();
    let mut nearby = 0_u64;
    for script in ScriptRegistry::from_environment().all() {
        let name = script.name.clone();
        if script.is_nearby && !args.nearby {
            nearby += 1;
            continue;
        }
        match metadata(script) {
            Ok(info) => found.push(info),
            Err(error) => warn(
                &format!("{name} is not listed: {error}"),
                Some("`scap chisel info` shows the place of the error"),
            ),
        }
    }
    found.retain(|info| args.all || info.is_listed() || info.is_view);
    let key = |i: &Info| (i.is_view, i.category.clone(), i.name.clone());
    found.sort_by_key(key);
    let mut output = Output::new();
    if args.json {
        json(output.buffer(), &found)?;
    } else {
        listing(output.buffer(), &found);
    }
    output.finish()?;
    if nearby > 0 {
        let scripts = counted(nearby, "script");
        warn(
            &format!("{scripts} in ./chisels not listed: describing a script runs it"),
            Some("`--nearby` lists them"),
        );
    }
    Ok(Outcome::Done)
}

pub(super) fn info(args: &InfoArgs) -> Result<Outcome, CliError> {
    let script = ScriptRegistry::from_environment().find(&args.name);
    let info = script.and_then(metadata).map_err(CliError::from)?;
    let mut output = Output::new();
    if args.json {
        json(output.buffer(), &info)?;
    } else {
        describe(output.buffer(), &info);
    }
    output.finish()?;
    Ok(Outcome::Done)
}

fn json(out: &mut Vec<u8>, value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|e| CliError::failed(format!("cannot write JSON: {e}")))?;
    ascii_json(out, &text);
    out.push(b'\n');
    Ok(())
}

/// Column of the text beside a name.
const TEXT_AT: usize = 24;
/// Columns of a line.
const WIDTH: usize = 100;

fn listing(out: &mut Vec<u8>, found: &[Info]) {
    let mut heading = String::new();
    for info in found {
        let group = match (info.is_view, &*info.category) {
            (true, _) => "Views".to_owned(),
            (false, "") => "Other".to_owned(),
            (false, category) => category.to_owned(),
        };
        if group != heading {
            if !heading.is_empty() {
                out.push(b'\n');
            }
            line(out, &group);
            line(out, &"-".repeat(group.chars().count()));
            heading = group;
        }
        entry(out, &info.name, &info.short);
    }
}

fn describe(out: &mut Vec<u8>, info: &Info) {
    line(out, &info.name);
    if !info.short.is_empty() {
        line(out, &info.short);
    }
    let source = match &info.path {
        Some(path) => path.display().to_string(),
        None => "part of scap".to_owned(),
    };
    line(out, &format!("from: {source}"));
    if let Some(arguments) = &info.arguments {
        line(out, &format!("use:  {}", usage(&info.name, arguments)));
    }
    if let Some(description) = &info.description {
        out.push(b'\n');
        for part in wrapped(description, WIDTH) {
            line(out, &part);
        }
    }
    let arguments = info.arguments.as_deref().unwrap_or_default();
    if !arguments.is_empty() {
        out.push(b'\n');
        line(out, "arguments:");
    }
    for argument in arguments {
        let optional = if argument.optional { ", optional" } else { "" };
        let text = format!("({}{optional}) {}", argument.kind, argument.description);
        entry(out, &format!("  {}", argument.name), &text);
    }
}

/// Appends a line, safe to print.
fn line(out: &mut Vec<u8>, content: &str) {
    text::escape(out, content.as_bytes());
    out.push(b'\n');
}

/// Appends a name with a text beside it.
fn entry(out: &mut Vec<u8>, name: &str, content: &str) {
    let mut lines = wrapped(content, WIDTH - TEXT_AT).into_iter();
    let first = lines.next().unwrap_or_default();
    let gap = TEXT_AT.saturating_sub(name.chars().count()).max(1);
    line(out, format!("{name}{}{first}", " ".repeat(gap)).trim_end());
    for part in lines {
        line(out, &format!("{}{part}", " ".repeat(TEXT_AT)));
    }
}

/// Breaks a text into lines at spaces.
fn wrapped(content: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in content.split_whitespace() {
        let last = lines.last().map_or(0, |line| line.chars().count());
        match lines.last_mut() {
            Some(line) if last == 0 => line.push_str(word),
            Some(line) if last + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
