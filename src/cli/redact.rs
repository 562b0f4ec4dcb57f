//! `scap redact`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::convert::pass;
use super::derive::derivation;
use super::error::{CliError, Outcome};
use super::input::{Captures, Input, reason};
use super::output::{Output, ascii_json};
use super::read::{cannot_write, destination, refuse_same};
use super::stderr;
use crate::event::glob::Glob;
use crate::event::number::{counted, grouped};
use crate::export::{Class, NativeSink, Redaction, RedactionCounts, RedactionSettings};
use crate::fields::Session;
use crate::files;
use crate::replay::Selection;

/// Shortest and longest key file in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=4096;

/// Arguments of `scap redact`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The capture
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// The capture to write; `-` is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Drop payload and environments; so do `--hash`, and a command line without any of these options
    #[arg(long)]
    drop_data: bool,

    /// Replace names by pseudonyms: each name by the same one everywhere
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    hash: Vec<What>,

    /// Keep paths, names, arguments and addresses that match this pattern (`/srv/app/*`)
    #[arg(long, value_name = "PATTERN")]
    keep: Vec<String>,

    /// Replace secrets, which is done in any case; with this option alone, payload and environments stay, except for the
    /// secrets in them
    #[arg(long)]
    secrets: bool,

    /// The key of the pseudonyms, a file of at least 16 bytes: captures that are redacted with the same key have the same
    /// pseudonyms. Without it the key is random, and not kept
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Print what was changed as JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,

    /// Do not print what was changed
    #[arg(short, long)]
    quiet: bool,
}

/// Values of `--hash`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Paths and names of programs
    Paths,
    /// Arguments of programs
    Args,
    /// Values of environment variables, which are dropped otherwise
    Env,
    /// IP addresses
    Ips,
    /// Names of users and groups
    Users,
    /// Names of machines
    Hosts,
    /// Ids, names and images of containers
    Containers,
    /// All of these
    All,
}

impl What {
    fn class(self) -> Class {
        match self {
            Self::Paths => Class::PATHS,
            Self::Args => Class::ARGS,
            Self::Env => Class::ENV,
            Self::Ips => Class::IPS,
            Self::Users => Class::USERS,
            Self::Hosts => Class::HOSTS,
            Self::Containers => Class::CONTAINERS,
            Self::All => Class::all(),
        }
    }
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    events: u64,
    payloads_dropped: u64,
    payload_bytes_dropped: u64,
    environments_dropped: u64,
    secrets: &'a BTreeMap<&'static str, u64>,
    pseudonyms: &'a BTreeMap<&'static str, u64>,
    left_out: &'a BTreeMap<&'static str, u64>,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    refuse_same(&args.input, &args.output)?;
    if args.json && args.output.as_os_str() == "-" {
        return Err(CliError::usage(
            "--json and the capture cannot both be on standard output",
        ));
    }
    let hash = args
        .hash
        .iter()
        .fold(Class::empty(), |all, what| all | what.class());
    let keep = args
        .keep
        .iter()
        .map(|pattern| Glob::new(pattern.as_bytes(), false));
    let settings = RedactionSettings {
        drops: args.drop_data || !hash.is_empty() || !args.secrets,
        hash,
        key: key(args.key.as_deref())?,
        keep: keep.collect(),
    };
    let hashed: Vec<String> = hash
        .iter_names()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    let (hashed, keep) = (hashed.join(","), args.keep.join(" "));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (hashed, keep) = (some(&hashed), some(&keep));
    let options = [
        ("drop-data", settings.drops.then_some("")),
        ("hash", hashed.as_deref()),
        ("keep", keep.as_deref()),
        ("secrets", Some("")),
    ];
    let mut derivation = derivation("redact", &options, std::slice::from_ref(&args.input))?;
    for parent in &mut derivation.parents {
        // It often has the name of the machine.
        parent.name.clear();
    }

    let mut captures = Captures::of(
        vec![Input::open(&args.input)?],
        None,
        None,
        &mut Session::default(),
    )?;
    let out = destination(&args.output)?;
    let redaction = Redaction::new(settings);
    let (header, origins) = (captures.header(), captures.origins());
    let mut sink = NativeSink::edited(out, header, origins, u64::MAX, redaction);
    sink.set_derivation(derivation);
    let end = pass(&mut captures, Selection::default(), &mut sink, &args.output)?;
    let (shown, hidden) = sink.counts();
    let events = shown + hidden;
    let finished = sink.finish().and_then(|(mut out, redaction)| {
        out.flush()?;
        Ok(redaction)
    });
    let redaction = finished.map_err(|error| cannot_write(&args.output, &error))?;
    report(args, events, redaction.counts())?;
    Ok(Outcome::of_damage(captures.report_damage(end, events)))
}

/// Returns the key of a file, or a random one.
fn key(path: Option<&Path>) -> Result<[u8; 32], CliError> {
    let Some(path) = path else {
        let mut key = [0; 32];
        let read = File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut key));
        let failed = |error| CliError::failed(format!("cannot make a key: {}", reason(&error)));
        return read.map(|()| key).map_err(failed);
    };
    let content = files::read_regular(path, *KEY_BYTES.end() as u64);
    let content = content.map_err(|error| {
        CliError::failed(format!(
            "cannot read {}: {}",
            path.display(),
            reason(&error)
        ))
    })?;
    if !KEY_BYTES.contains(&content.len()) {
        let message = format!(
            "{} has less than 16 bytes, or more than 4096",
            path.display()
        );
        return Err(CliError::usage(message).hint("`head -c 32 /dev/urandom > FILE` makes a key"));
    }
    Ok(blake3::derive_key("scap redact: pseudonyms", &content))
}

fn report(args: &Args, events: u64, counts: &RedactionCounts) -> Result<(), CliError> {
    if args.json {
        let report = Report {
            events,
            payloads_dropped: counts.data,
            payload_bytes_dropped: counts.data_bytes,
            environments_dropped: counts.environments,
            secrets: &counts.secrets,
            pseudonyms: &counts.pseudonyms,
            left_out: &counts.left_out,
        };
        let json = serde_json::to_string(&report);
        let json = json.map_err(|e| CliError::failed(format!("cannot write JSON: {e}")))?;
        let mut output = Output::new();
        ascii_json(output.buffer(), &json);
        output.buffer().push(b'\n');
        return output.finish();
    }
    if args.quiet {
        return Ok(());
    }
    let mut text = format!("{}\n", counted(events, "event"));
    if counts.data > 0 {
        let bytes = counted(counts.data_bytes, "byte");
        text += &format!("payload dropped: {} times, {bytes}\n", grouped(counts.data));
    }
    if counts.environments > 0 {
        text += &format!("environments dropped: {}\n", grouped(counts.environments));
    }
    let lists = [
        ("secrets", &counts.secrets),
        ("pseudonyms", &counts.pseudonyms),
        ("left out", &counts.left_out),
    ];
    for (what, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let each = list
            .iter()
            .map(|(kind, count)| format!("{kind} {}", grouped(*count)));
        text += &format!("{what}: {}\n", each.collect::<Vec<_>>().join(", "));
    }
    stderr::print(&text);
    Ok(())
}
