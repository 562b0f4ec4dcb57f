//! `scap convert`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::slice;

use scap_capture_format::native::Derivation;
use scap_capture_format::schema::Arch;
use scap_capture_format::sysdig::{Tail, WriterOptions};

use super::audit::AuditLogs;
use super::derive::derivation;
use super::error::{CliError, Outcome, warn};
use super::input::{Captures, Input};
use super::read::{cannot_write, destination, refuse_same};
use super::stderr;
use crate::event::number::{counted, grouped};
use crate::export::{NativeSink, SysdigSink};
use crate::fields::Session;
use crate::replay::{self, End, EventSink, Pipeline, ReplayError, Selection};

/// Arguments of `scap convert`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The capture to convert; `-` is standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// The capture to write; `-` is standard output
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// The format to write
    #[arg(long, value_name = "FORMAT")]
    to: Format,

    /// Compress a .scap file with gzip
    #[arg(short = 'z', long)]
    compress: bool,

    /// Write all process details of the .scap format; sysdig before 0.30 then shows wrong login
    /// users
    #[arg(long)]
    full: bool,

    /// Do not report what the output format cannot express
    #[arg(short, long)]
    quiet: bool,
}

/// Values of `--to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The format of scap
    Native,
    /// The .scap files of sysdig, Falco and Stratoshark
    Sysdig,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    if args.to == Format::Native && (args.compress || args.full) {
        return Err(CliError::usage("-z and --full need --to sysdig"));
    }
    refuse_same(&args.input, &args.output)?;
    let derivation = match args.to {
        Format::Native => Some(derivation("convert", &[], slice::from_ref(&args.input))?),
        Format::Sysdig => None,
    };
    let mut captures = open(vec![Input::open(&args.input)?])?;
    let events = match args.to {
        Format::Native => {
            let out = destination(&args.output)?;
            native_to(out, &args.output, &mut captures, derivation)?
        }
        Format::Sysdig => sysdig(args, &mut captures)?,
    };
    Ok(Outcome::of_damage(
        captures.report_damage(End::Reached, events),
    ))
}

fn open(inputs: Vec<Input>) -> Result<Captures, CliError> {
    Captures::of(inputs, None, None, &mut Session::default())
}

/// Reads captures into a sink that writes to `output`.
pub(super) fn pass(
    captures: &mut Captures,
    selection: Selection,
    sink: &mut dyn EventSink,
    output: &Path,
) -> Result<End, CliError> {
    let mut pipeline = Pipeline::new(Session::default(), captures.origins(), selection);
    match pipeline.run(captures.source(), sink) {
        Ok(end) => Ok(end),
        Err(ReplayError::Sink(error)) => Err(cannot_write(output, &error)),
        Err(error) => Err(CliError::replay(&captures.name(), &error)),
    }
}

/// Converts captures and audit logs into one native capture in a file that has no name.
pub(super) fn to_native(
    inputs: Vec<Input>,
    audit: Option<AuditLogs>,
    output: &File,
) -> Result<Outcome, CliError> {
    let mut captures = Captures::of(inputs, audit, None, &mut Session::default())?;
    let out = Box::new(BufWriter::with_capacity(1 << 20, output));
    let events = native_to(out, Path::new("a temporary file"), &mut captures, None)?;
    Ok(Outcome::of_damage(
        captures.report_damage(End::Reached, events),
    ))
}

/// What was copied to a native capture.
pub(super) struct Copied {
    pub(super) end: End,
    pub(super) shown: u64,
    pub(super) hidden: u64,
}

/// Copies captures to a native capture; `output` names it in messages.
pub(super) fn copy<'a>(
    captures: &mut Captures,
    out: Box<dyn Write + 'a>,
    output: &Path,
    derivation: Option<Derivation>,
    notes: &[(&str, &str)],
) -> Result<Copied, CliError> {
    let mut sink = NativeSink::new(out, captures.header(), captures.origins(), u64::MAX);
    if let Some(derivation) = derivation {
        sink.set_derivation(derivation);
    }
    for (name, value) in notes {
        sink.note(name, value);
    }
    let end = pass(captures, Selection::default(), &mut sink, output)?;
    let (shown, hidden) = sink.counts();
    let written = sink.finish().and_then(|(mut out, _)| out.flush());
    written.map_err(|error| cannot_write(output, &error))?;
    Ok(Copied { end, shown, hidden })
}

/// Converts captures; `output` names the new one in messages.
fn native_to<'a>(
    out: Box<dyn Write + 'a>,
    output: &Path,
    captures: &mut Captures,
    derivation: Option<Derivation>,
) -> Result<u64, CliError> {
    let name = captures.name();
    let notes = [("converted-from", name.as_str())];
    Ok(copy(captures, out, output, derivation, &notes)?.shown)
}

fn sysdig(args: &Args, captures: &mut Captures) -> Result<u64, CliError> {
    let name = captures.name();
    let [origin] = captures.origins() else {
        return Err(CliError::failed(format!(
            "{name} is merged from several recordings; a .scap file holds only one"
        ))
        .hint("convert the original captures one by one"));
    };
    let is_paired = origin.is_paired;
    let arch = replay::arch(captures.header()).unwrap_or(Arch::X86_64);
    let options = WriterOptions {
        gzip: args.compress,
        tail: if args.full {
            Tail::Full
        } else {
            Tail::Compatible
        },
    };
    let out = destination(&args.output)?;
    let mut sink = SysdigSink::new(out, is_paired, arch, options, u64::MAX);
    pass(captures, Selection::default(), &mut sink, &args.output)?;
    sink.flush()
        .map_err(|error| cannot_write(&args.output, &error))?;
    if !args.quiet {
        print_losses(&sink);
    }
    let (written, _) = sink.counts();
    let finished = sink
        .finish()
        .and_then(|out| out.map(|mut out| out.flush()).transpose());
    match finished.map_err(|error| cannot_write(&args.output, &error))? {
        Some(()) => {}
        None => warn(
            &format!("{name} has no events; readers of .scap files reject a file without events"),
            None,
        ),
    }
    Ok(written)
}

/// Reports what the output format cannot express.
fn print_losses<W: Write>(sink: &SysdigSink<W>) {
    let (_, refused) = sink.counts();
    let mut lines = String::new();
    for (event, lost) in sink.lost() {
        let what = match (lost.dropped, lost.params.join(", ")) {
            (0, params) => format!("without {params}"),
            (dropped, params) if params.is_empty() => format!("{} left out", grouped(dropped)),
            (dropped, params) => format!("{} left out, others without {params}", grouped(dropped)),
        };
        lines.push_str(&format!("  {:>9}  {event}: {what}\n", grouped(lost.events)));
    }
    if !lines.is_empty() {
        stderr::print(&format!("not representable in .scap, by event:\n{lines}"));
    }
    if refused > 0 {
        stderr::print(&format!(
            "left out, because too large: {}\n",
            counted(refused, "event")
        ));
    }
    if sink.cut() > 0 {
        stderr::print(&format!(
            "cut to the length that readers accept: {}\n",
            counted(sink.cut(), "string")
        ));
    }
}
