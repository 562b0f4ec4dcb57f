//! `scap repair`.

use std::io::Write as _;
use std::path::PathBuf;

use scap_capture_format::Error;
use scap_capture_format::native::{CaptureReader, Repaired, repair};
use serde::Serialize;

use super::error::{CliError, Outcome};
use super::input::Input;
use super::output::{Output, ascii_json};
use super::read::{cannot_write, destination, refuse_same};
use super::stderr;
use crate::event::number::{counted, grouped};

/// Damages that are listed.
const DAMAGES: usize = 20;

/// Arguments of `scap repair`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The damaged capture, in scap's own format, which stays as it is; `-` is standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// The capture to write; `-` is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Print what was saved as a JSON object
    #[arg(long, conflicts_with = "quiet")]
    json: bool,

    /// Print only errors
    #[arg(short, long)]
    quiet: bool,
}

/// What was saved, as JSON.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    was_intact: bool,
    was_complete: bool,
    compressed_stream: Option<&'a str>,
    events: u64,
    chunks: u64,
    chunks_in_part: u64,
    snapshots: u64,
    other_sections: u64,
    sections_left_out: u64,
    missing_events: u64,
    unknown_missing: bool,
    damages: u64,
    first_damages: Vec<Place>,
}

#[derive(Serialize)]
struct Place {
    offset: u64,
    what: &'static str,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let is_piped = args.output.as_os_str() == "-";
    if args.json && is_piped {
        return Err(CliError::usage(
            "--json and the capture cannot both go to standard output",
        ));
    }
    refuse_same(&args.input, &args.output)?;
    let input = Input::open(&args.input)?;
    let Input {
        name,
        bytes,
        is_sysdig,
        stream_damage,
        is_json,
        ..
    } = input;
    if is_sysdig {
        return Err(CliError::failed(format!("{name} is a .scap file"))
            .hint("`scap convert --to native IN OUT` writes what can be read of it"));
    }
    let unreadable = |error| Input::unreadable(&name, &stream_damage, is_json, &error);
    let reader = CaptureReader::new(bytes).map_err(unreadable)?;
    let out = destination(&args.output)?;
    let repaired = repair(reader, out, &name).and_then(|(repaired, mut out)| {
        out.flush()?;
        Ok(repaired)
    });
    let repaired = repaired.map_err(|error| match error {
        Error::Io(error) => cannot_write(&args.output, &error),
        other => unreadable(other),
    })?;
    let stream = stream_damage.get();
    let was_intact = repaired.was_intact() && stream.is_none();
    if args.json {
        print_json(&name, &repaired, stream)?;
    } else if !args.quiet {
        stderr::print(&text(&name, &repaired, stream));
    }
    Ok(Outcome::of_damage(!was_intact))
}

fn print_json(name: &str, repaired: &Repaired, stream: Option<&str>) -> Result<(), CliError> {
    let damages = repaired.damages.list().iter().map(|damage| Place {
        offset: damage.offset,
        what: damage.what,
    });
    let report = Report {
        file: name,
        was_intact: repaired.was_intact() && stream.is_none(),
        was_complete: repaired.was_complete,
        compressed_stream: stream,
        events: repaired.events,
        chunks: repaired.chunks,
        chunks_in_part: repaired.chunks_in_part,
        snapshots: repaired.snapshots,
        other_sections: repaired.others,
        sections_left_out: repaired.left_out,
        missing_events: repaired.missing,
        unknown_missing: repaired.has_unknown_missing,
        damages: repaired.damages.count(),
        first_damages: damages.collect(),
    };
    let text = serde_json::to_string(&report)
        .map_err(|error| CliError::failed(format!("cannot write JSON: {error}")))?;
    let mut output = Output::new();
    ascii_json(output.buffer(), &text);
    output.buffer().push(b'\n');
    output.finish()
}

fn text(name: &str, repaired: &Repaired, stream: Option<&str>) -> String {
    let damages = repaired.damages.count();
    let state = match (damages, repaired.was_complete) {
        _ if let Some(what) = stream => what.to_owned(),
        (0, true) => "was intact".to_owned(),
        (0, false) => "was incomplete".to_owned(),
        (count, true) => format!("was damaged in {}", counted(count, "place")),
        (count, false) => format!("was incomplete, and damaged in {}", counted(count, "place")),
    };
    let mut out = format!("{name} {state}\n");
    for damage in repaired.damages.list().iter().take(DAMAGES) {
        out += &format!("    byte {}: {}\n", damage.offset, damage.what);
    }
    if damages > DAMAGES as u64 {
        out += &format!("    {}\n", counted(damages - DAMAGES as u64, "more place"));
    }
    out += &format!(
        "saved: {} of {}, {}, {}\n",
        counted(repaired.events, "event"),
        counted(repaired.chunks + repaired.chunks_in_part, "chunk"),
        counted(repaired.snapshots, "snapshot"),
        counted(repaired.others, "other section"),
    );
    if repaired.chunks_in_part > 0 {
        out += &format!(
            "    {} could not be copied as a whole\n",
            counted(repaired.chunks_in_part, "chunk")
        );
    }
    if repaired.left_out > 0 {
        out += &format!(
            "left out: {}, seals or of unknown kinds\n",
            counted(repaired.left_out, "section")
        );
    }
    out += &match (repaired.missing, repaired.has_unknown_missing) {
        (0, false) => String::new(),
        (0, true) => "missing: an unknown number of events\n".to_owned(),
        (missing, false) => format!("missing: {}\n", counted(missing, "event")),
        (missing, true) => format!(
            "missing: {} events and an unknown number\n",
            grouped(missing)
        ),
    };
    out
}
