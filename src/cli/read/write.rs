//! `scap read -w`: writes a part of a capture as a capture.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use super::Args;
use crate::cli::derive::derivation;
use crate::cli::error::{CliError, Outcome};
use crate::cli::input::Captures;
use crate::cli::stderr;
use crate::cli::window::Window;
use crate::event::number::counted;
use crate::export::NativeSink;
use crate::files;
use crate::replay::{Extent, Pipeline, ReplayError, Selection};

/// Opens the output of a capture.
pub(in crate::cli) fn destination(path: &Path) -> Result<Box<dyn Write>, CliError> {
    if path.as_os_str() == "-" {
        if io::stdout().is_terminal() {
            return Err(CliError::usage("a capture cannot be written to a terminal")
                .hint("give -w a file, or redirect standard output"));
        }
        return Ok(Box::new(BufWriter::new(io::stdout())));
    }
    let file = files::create(path).map_err(|error| cannot_write(path, &error))?;
    Ok(Box::new(BufWriter::with_capacity(1 << 20, file)))
}

pub(in crate::cli) fn cannot_write(path: &Path, error: &io::Error) -> CliError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return CliError::OutputClosed;
    }
    CliError::failed(format!("cannot write {}: {error}", path.display()))
}

pub(super) fn run(
    args: &Args,
    files: &[PathBuf],
    path: &Path,
    mut selection: Selection,
    filter: Option<&str>,
) -> Result<Outcome, CliError> {
    for file in files.iter().chain(args.audit.files()) {
        refuse_same(file, path)?;
    }
    let sessions = args
        .audit
        .sessions(files, super::needs_sessions(&selection))?;
    let notes = [
        ("filter", filter),
        ("from", args.captures.from.as_deref()),
        ("to", args.captures.to.as_deref()),
    ];
    let parents: Vec<PathBuf> = files.iter().chain(args.audit.files()).cloned().collect();
    let derivation = derivation("read", &notes, &parents)?;
    let audit = args.audit.open()?;
    let window = Window::new(files, audit.as_ref(), &mut selection);
    let mut session = args.print.session(None);
    session.exec_sessions = sessions;
    let mut captures = Captures::open(
        files,
        audit,
        Some(Extent::All(selection.from)),
        &mut session,
    )?;
    let out = destination(path)?;
    let limit = args.print.count.unwrap_or(u64::MAX);
    let mut sink = NativeSink::new(out, captures.header(), captures.origins(), limit);
    sink.set_derivation(derivation);
    for (name, value) in notes {
        if let Some(value) = value {
            sink.note(name, value);
        }
    }
    let mut pipeline = Pipeline::new(session, captures.origins(), selection);
    let end = match pipeline.run(captures.source(), &mut sink) {
        Ok(end) => end,
        Err(ReplayError::Sink(error)) => return Err(cannot_write(path, &error)),
        Err(other) => return Err(CliError::replay(&captures.name(), &other)),
    };
    if pipeline.has_missed() {
        window.warn_of_no_events();
    }
    let (shown, hidden) = sink.counts();
    let written = sink.finish().and_then(|(mut out, _)| out.flush());
    written.map_err(|error| cannot_write(path, &error))?;
    if args.print.verbose {
        stderr::print(&format!(
            "{}, {} for the state\n",
            counted(shown, "event"),
            counted(hidden, "hidden event")
        ));
    }
    let damaged = captures.report_damage(end, shown);
    Ok(Outcome::of_damage(damaged))
}

/// Refuses to overwrite the capture that is being read.
pub(in crate::cli) fn refuse_same(input: &Path, output: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::MetadataExt as _;
    let id = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    let (a, b) = (id(input), id(output));
    if a.is_some() && a == b && std::fs::metadata(output).is_ok_and(|m| m.is_file()) {
        return Err(
            CliError::usage(format!("{} is the capture being read", output.display()))
                .hint("write to another file"),
        );
    }
    Ok(())
}
