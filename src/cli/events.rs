//! `scap events` and `docs/events.md`.

use std::fmt::Write as _;

use scap_capture_format::schema::{EVENTS, EventInfo, ParamDetail, Status};
use serde::Serialize;

use super::error::{CliError, Outcome};
use super::output::Output;

/// Arguments of `scap events`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only events whose name begins so
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Also those that only old recorders wrote
    #[arg(long)]
    old: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let wanted = |event: &&EventInfo| {
        let shown = match event.status {
            Status::Current => true,
            Status::Old => args.old,
            Status::Unused => false,
        };
        shown
            && args
                .name
                .as_deref()
                .is_none_or(|n| event.name.starts_with(n))
    };
    let found: Vec<&EventInfo> = EVENTS.iter().filter(wanted).collect();
    if found.is_empty() {
        let name = args.name.as_deref().unwrap_or_default();
        return Err(CliError::usage(format!("no event begins with `{name}`"))
            .hint("--old lists those of old recorders, too; other syscalls are `syscall` events"));
    }
    let mut output = Output::new();
    if args.json {
        let list: Vec<Entry> = found.iter().map(|e| Entry::new(e)).collect();
        let json = serde_json::to_string_pretty(&list)
            .map_err(|e| CliError::failed(format!("cannot write JSON: {e}")))?;
        output.buffer().extend_from_slice(json.as_bytes());
        output.buffer().push(b'\n');
    } else {
        for event in found {
            let line = format!("{}\n", signature(event));
            output.buffer().extend_from_slice(line.as_bytes());
        }
    }
    output.finish()?;
    Ok(Outcome::Done)
}

/// An event as JSON tells of it.
#[derive(Debug, Serialize)]
struct Entry {
    #[serde(rename = "type")]
    ty: u16,
    name: &'static str,
    dir: &'static str,
    old: bool,
    params: Vec<Param>,
}

#[derive(Debug, Serialize)]
struct Param {
    name: &'static str,
    #[serde(rename = "type")]
    ty: String,
    values: Option<&'static str>,
}

impl Entry {
    fn new(event: &EventInfo) -> Self {
        Self {
            ty: event.ty.0,
            name: event.name,
            dir: dir(event),
            old: event.status == Status::Old,
            params: event
                .params
                .iter()
                .map(|p| Param {
                    name: p.name,
                    ty: format!("{:?}", p.ty).to_uppercase(),
                    values: match p.info {
                        ParamDetail::Flags(table) => Some(table.name),
                        _ => None,
                    },
                })
                .collect(),
        }
    }
}

fn dir(event: &EventInfo) -> &'static str {
    if event.ty.is_enter() { ">" } else { "<" }
}

/// The event in the form of `sysdig -L`.
fn signature(event: &EventInfo) -> String {
    let params: Vec<String> = event
        .params
        .iter()
        .map(|p| format!("{} {}", format!("{:?}", p.ty).to_uppercase(), p.name))
        .collect();
    format!("{} {}({})", dir(event), event.name, params.join(", "))
}

/// Returns the text of `docs/events.md`.
pub fn events_reference() -> String {
    let mut out = String::from(
        "# Events\n\n\
         What is recorded: a type of event per syscall that has one, with its arguments; every other \
         syscall is a\n`syscall` event, shown with its own name. Generated from the program (`scap \
         events`); `SCAP_UPDATE_DOCS=1 cargo\ntest --test generated` writes it anew. Types that only \
         old recorders wrote are in `scap events --old`.\n\n\
         | type | event | arguments |\n| ---: | --- | --- |\n",
    );
    for event in EVENTS.iter().filter(|e| e.status == Status::Current) {
        let params: Vec<String> = event
            .params
            .iter()
            .map(|p| format!("`{}`", p.name))
            .collect();
        // Writing to a String cannot fail.
        let _always = writeln!(
            out,
            "| {} | `{} {}` | {} |",
            event.ty.0,
            dir(event),
            event.name,
            params.join(", ")
        );
    }
    out
}
