//! `scap read -w`: a part of a capture as a capture.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use super::Args;
use crate::cli::error::{CliError, Outcome};
use crate::cli::input::{Input, tell_damage};
use crate::cli::record::say;
use crate::event::number::grouped;
use crate::export::NativeSink;
use crate::replay::{self, End, Selection};
use crate::state::State;

/// Opens what a capture is written to.
pub(in crate::cli) fn destination(path: &Path) -> Result<Box<dyn Write>, CliError> {
    if path.as_os_str() == "-" {
        if io::stdout().is_terminal() {
            return Err(CliError::usage("a capture is not for a terminal")
                .hint("give -w a file, or let standard output be a pipe"));
        }
        return Ok(Box::new(BufWriter::new(io::stdout())));
    }
    let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
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
    file: &Path,
    path: &Path,
    mut selection: Selection,
    filter: Option<&str>,
) -> Result<Outcome, CliError> {
    refuse_same(file, path)?;
    let mut session = args.print.session(None);
    let (name, mut source) = Input::open(file)?.source_from(selection.from, &mut session)?;
    let source = source.as_mut();
    let out = destination(path)?;
    let limit = args.print.count.unwrap_or(u64::MAX);
    let mut sink = NativeSink::new(out, source.header(), source.is_in_pairs(), limit);
    let notes = [
        ("filter", filter),
        ("from", args.from.as_deref()),
        ("to", args.to.as_deref()),
    ];
    for (name, value) in notes {
        if let Some(value) = value {
            sink.note(name, value);
        }
    }
    let mut state = State::new();
    let end = replay::replay(source, &mut state, &mut session, &mut selection, &mut sink).map_err(
        |error| match error {
            replay::ReplayError::Sink(error) => cannot_write(path, &error),
            other => CliError::replay(&name, &other),
        },
    )?;
    let (shown, hidden) = sink.counts();
    let written = sink.finish().and_then(|mut out| out.flush());
    written.map_err(|error| cannot_write(path, &error))?;
    if args.print.verbose {
        say(&format!(
            "{} events, {} hidden ones for the state\n",
            grouped(shown),
            grouped(hidden)
        ));
    }
    let damaged = end == End::Reached && tell_damage(&name, source, shown);
    Ok(Outcome::of_damage(damaged))
}

/// Whoever writes over what is being read would lose it.
pub(in crate::cli) fn refuse_same(input: &Path, output: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::MetadataExt as _;
    let id = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    let (a, b) = (id(input), id(output));
    if a.is_some() && a == b && std::fs::metadata(output).is_ok_and(|m| m.is_file()) {
        return Err(
            CliError::usage(format!("{} is the capture that is read", output.display()))
                .hint("write to another file"),
        );
    }
    Ok(())
}
