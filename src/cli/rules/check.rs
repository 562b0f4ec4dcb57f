//! `scap rules check`.

use std::path::PathBuf;

use serde_json::json;

use super::files;
use crate::cli::error::{CliError, EXIT_FAILED, Outcome};
use crate::cli::output::{self, Output};
use crate::event::number::counted;
use crate::rules::Settings;

/// Arguments of `scap rules check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Rule files, or directories of them, in the order in which they are loaded
    #[arg(value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,

    /// Print JSON, in the form of Falco's validation
    #[arg(short, long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (reports, _) = files::load(&args.files, &Settings::default())?;
    let mut out = Output::new();
    if args.json {
        let results: Vec<_> = reports.iter().map(crate::rules::Report::to_json).collect();
        let text = json!({ "falco_load_results": results }).to_string();
        output::ascii_json(out.buffer(), &text);
        out.buffer().push(b'\n');
    } else {
        for report in &reports {
            let mut text = report.summary();
            text.push('\n');
            for finding in report.errors().chain(report.warnings()) {
                text.push_str(&files::text(report, finding));
            }
            let errors = counted(report.errors().count() as u64, "error");
            let warnings = counted(report.warnings().count() as u64, "warning");
            text.push_str(&format!("{errors}, {warnings}\n"));
            out.buffer().extend_from_slice(text.as_bytes());
        }
    }
    out.finish()?;
    match reports.iter().all(crate::rules::Report::is_ok) {
        true => Ok(Outcome::Done),
        false => Err(CliError::Exited(EXIT_FAILED)),
    }
}
