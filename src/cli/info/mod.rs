//! `scap info` and `scap verify`.

mod parent;
mod report;
mod seals;
mod text;
pub(super) mod verify;

use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::{CliError, Outcome};
use super::input::{Input, default_threads};
use super::output::{Output, ascii_json};
use crate::stats;
pub(super) use report::Alerts;
use report::Report;

/// Arguments of `scap info`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The capture; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let mut output = Output::new();
    let is_intact = survey(&args.file, |report, _| {
        if args.json {
            write_json(&mut output, &serde_json::to_string_pretty(report))?;
        } else {
            report.text(output.buffer());
            output.buffer().push(b'\n');
        }
        Ok(report.integrity.intact)
    })?;
    output.finish()?;
    Ok(Outcome::of_damage(!is_intact))
}

/// Reads a whole capture, and passes on what is in it, with the file if it is a plain one.
fn survey<T>(
    file: &Path,
    take: impl FnOnce(&mut Report<'_>, Option<File>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let input = Input::open(file)?;
    let again = input.again();
    let surveyed = match input.is_sysdig {
        true => stats::sysdig_capture_info(input.bytes),
        false => stats::capture_info(input.bytes, default_threads()),
    };
    let damage = input.stream_damage;
    let unreadable = |e| Input::unreadable(&input.name, &damage, input.is_json, &e);
    let capture_info = surveyed.map_err(unreadable)?;
    let mut report = Report::new(&input.name, &capture_info);
    report.compression = input.compressions.iter().map(ToString::to_string).collect();
    report.integrity.compressed_stream = damage.get();
    report.integrity.intact &= damage.get().is_none();
    take(&mut report, again)
}

fn write_json(output: &mut Output, json: &serde_json::Result<String>) -> Result<(), CliError> {
    let json = json.as_ref();
    let json = json.map_err(|e| CliError::failed(format!("cannot write JSON: {e}")))?;
    ascii_json(output.buffer(), json);
    output.buffer().push(b'\n');
    output.written().map_err(|e| CliError::output(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_plain_ascii() {
        let mut out = Vec::new();
        ascii_json(&mut out, "{\n \"a\u{9b}\u{202e}\u{1f600}\"\n}");
        assert_eq!(out, b"{\n \"a\\u009b\\u202e\\ud83d\\ude00\"\n}");
    }
}
