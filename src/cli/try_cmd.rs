//! `scap try`.

use std::fs::File;
use std::io::{self, Read, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{CliError, Outcome};
use super::output::Output;
use super::read::cannot_write;
use super::record::{on_signals, seconds, warn_of_runtime};
use super::stderr;
use super::summary::Account;
use crate::event::text;
use crate::fields::Session;
use crate::files;
use crate::record::{self, Destination, Notice, Options, RecordError};
use crate::replay::{self, End, EventSource as _, NativeSource};

/// Shown where recording is not possible: a real recording of a staged break-in.
const SAMPLE: &[u8] = include_bytes!("../../testdata/sample.scap");

/// Name of the sample in messages.
const SAMPLE_NAME: &str = "the sample capture";

/// Arguments of `scap try`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Record for this many seconds
    #[arg(
        short = 'M',
        long = "duration",
        value_name = "SECONDS",
        default_value = "5",
        value_parser = seconds
    )]
    duration: Duration,

    /// Keep the capture in this file
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    write: Option<PathBuf>,

    /// Show the sample capture that is part of scap, without recording
    #[arg(long)]
    sample: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    if args.sample {
        if let Some(path) = &args.write {
            files::write(path, SAMPLE).map_err(|error| cannot_write(path, &error))?;
        }
        return sample(args.write.as_deref());
    }
    match record(args) {
        Ok(mut file) => {
            let name = args.write.as_deref();
            show("the capture", &mut file, name, None)
        }
        // Privilege or kernel support is missing: the sample shows what scap does.
        Err(error @ (RecordError::Preflight(_) | RecordError::Probe(_))) => {
            CliError::from(error).print();
            sample(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Records this machine into the file of `-w`, or into an unnamed file.
fn record(args: &Args) -> Result<File, RecordError> {
    let create = |source| RecordError::Create {
        path: args.write.clone().unwrap_or_else(std::env::temp_dir),
        source,
        needed: None,
    };
    let (destination, opened) = match &args.write {
        Some(path) => {
            let (path, fallback) = (path.clone(), None);
            (Destination::Path { path, fallback }, None)
        }
        None => {
            let file = files::nameless().map_err(create)?;
            let copy = file.try_clone().map_err(create)?;
            (Destination::Stream(copy), Some(file))
        }
    };
    let stop = on_signals().map_err(RecordError::Output)?;
    let options = Options {
        duration: Some(args.duration),
        given: vec![(
            "duration".to_owned(),
            args.duration.as_secs_f64().to_string(),
        )],
        ..Options::default()
    };
    // Printed once recording has started: without the privilege it never does.
    let mut announced = false;
    let mut notify = |notice: Notice<'_>| {
        if let Notice::Runtime(text) = notice {
            warn_of_runtime(text);
        } else if !std::mem::replace(&mut announced, true) {
            let seconds = args.duration.as_secs_f64();
            stderr::print(&format!("recording this machine for {seconds} seconds\n"));
        }
    };
    record::record(&options, destination, None, None, &stop, &mut notify)?;
    match (opened, &args.write) {
        (Some(file), _) => Ok(file),
        (None, Some(path)) => File::open(path).map_err(create),
        (None, None) => Err(create(io::ErrorKind::NotFound.into())),
    }
}

fn sample(path: Option<&Path>) -> Result<Outcome, CliError> {
    let title = "This is the sample capture of scap: a staged break-in on another machine.";
    show(SAMPLE_NAME, &mut io::Cursor::new(SAMPLE), path, Some(title))
}

/// Prints the account of a capture and the next steps; `path` is where the capture is kept.
fn show(
    name: &str,
    capture: &mut (impl Read + io::Seek),
    path: Option<&Path>,
    title: Option<&str>,
) -> Result<Outcome, CliError> {
    let unreadable = |error| CliError::failed(format!("cannot read {name}: {error}"));
    let bytes = capture.seek(SeekFrom::End(0)).map_err(unreadable)?;
    capture.rewind().map_err(unreadable)?;
    let mut source = NativeSource::new(io::BufReader::new(capture))
        .map_err(|error| CliError::capture(name, &error))?;
    let mut account = Account::new(replay::arch(source.header()));
    replay::replay_all(&mut source, Session::default(), &mut account)
        .map_err(|error| CliError::replay(name, &error))?;
    account.finish(&[&source], End::Reached, Some(bytes));
    let mut output = Output::new();
    let out = output.buffer();
    if let Some(title) = title {
        out.extend_from_slice(title.as_bytes());
        out.extend_from_slice(b"\n\n");
    }
    account.print(out);
    next(out, path, title.is_some());
    output.finish()?;
    Ok(Outcome::Done)
}

/// Appends suggestions for the next commands.
fn next(out: &mut Vec<u8>, path: Option<&Path>, sample: bool) {
    out.extend_from_slice(b"\nNext steps\n");
    let mut line = |command: &str, file: &[u8], meaning: &str| {
        let mut text = command.as_bytes().to_vec();
        text::escape_exact(&mut text, file);
        let pad = " ".repeat(38_usize.saturating_sub(text.len()));
        out.extend_from_slice(b"  ");
        out.extend_from_slice(&text);
        out.extend_from_slice(pad.as_bytes());
        out.extend_from_slice(b"  ");
        out.extend_from_slice(meaning.as_bytes());
        out.push(b'\n');
    };
    match path {
        Some(path) => {
            let path = files::as_argument(path);
            let file = path.as_os_str().as_encoded_bytes();
            line(
                "scap read -T ",
                file,
                "every event, and the duration of each call",
            );
            line(
                "scap read -X ",
                file,
                "with the data in hexadecimal and as text",
            );
            line("scap info ", file, "machine, losses, what is in the file");
        }
        None if sample => {
            line(
                "scap try --sample -w sample.scap",
                b"",
                "keep this capture, then:",
            );
            line(
                "scap read -T sample.scap",
                b"",
                "every event, and the duration of each call",
            );
            line("sudo scap try", b"", "the same for this machine");
        }
        None => {
            line(
                "scap try -w cap.scap",
                b"",
                "the same, and keep the capture, then:",
            );
            line(
                "scap read -T cap.scap",
                b"",
                "every event, and the duration of each call",
            );
            line(
                "scap record -w cap.scap -- COMMAND",
                b"",
                "record a command and all its descendants",
            );
        }
    }
}
