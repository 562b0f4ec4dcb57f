//! `scap seal`.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::PathBuf;

use scap_capture_format::event::Timestamp;
use scap_capture_format::native::seal::{NewSection, SealCheck, Signer as _};
use scap_capture_format::native::{
    IndexedReader, TimeStamp, append_time_stamp, check_seals, seal_file,
};

use super::error::{CliError, Outcome, warn};
use super::input::Input;
use super::read::{cannot_write, destination, refuse_same};
use super::stderr;
use crate::event::number::counted;
use crate::event::text::short;
use crate::files;
use crate::seal::{self, KeyError, SealKey, stamp};

/// Arguments of `scap seal`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The capture. It is sealed as it is, also if it is damaged or was never completed
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    what: What,

    /// Write a copy with the seal or the time stamp to this file, and leave FILE as it is; `-` is standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Print only errors
    #[arg(short, long)]
    quiet: bool,
}

/// What is to be done.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Seal with this private key: Ed25519, PKCS #8, PEM, as `openssl genpkey -algorithm ed25519` makes it
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,

    /// Write a request to stamp the last seal, for a time-stamping authority (RFC 3161), to this file
    #[arg(long, value_name = "TSQ", conflicts_with = "output")]
    timestamp_request: Option<PathBuf>,

    /// Append the answer of a time-stamping authority
    #[arg(long, value_name = "TSR")]
    attach_token: Option<PathBuf>,

    /// Write the last answer of an authority that was appended to this file, for `openssl ts -verify`
    #[arg(long, value_name = "TSR", conflicts_with = "output")]
    extract_token: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let what = &args.what;
    if let Some(key) = &what.key {
        let key = SealKey::read(key)?;
        let (name, section) = append_section(args, &|name, file| seal(name, file, &key))?;
        let by = seal::fingerprint(&key.key());
        let bytes = counted(section.offset, "byte");
        say(args, &format!("{name}: {bytes} sealed by {by}\n"), &section);
    } else if let Some(response) = &what.attach_token {
        let read = files::read_regular(response, stamp::MAX_RESPONSE);
        let cannot_read = |e| CliError::failed(format!("cannot read {}: {e}", response.display()));
        let read = read.map_err(cannot_read)?;
        let stamped = stamp::parse(&read)
            .map_err(|what| CliError::failed(format!("{}: {what}", response.display())))?;
        let stamp = TimeStamp {
            root: stamped.imprint,
            response: read,
            ..TimeStamp::default()
        };
        let (name, section) = append_section(args, &|name, file| attach(name, file, &stamp))?;
        let time = short(&stamped.time).into_owned();
        say(
            args,
            &format!("{name}: time stamp of {time} appended\n"),
            &section,
        );
    } else if let Some(path) = &what.timestamp_request {
        let (name, file) = open(args)?;
        let check = check(&name, &file)?;
        let last = check.keys.iter().max_by_key(|by| by.offset);
        let last = last.ok_or_else(|| CliError::failed(format!("{name} has no valid seal")))?;
        let request = stamp::request(&last.root);
        files::write(path, &request).map_err(|error| cannot_write(path, &error))?;
    } else if let Some(path) = &what.extract_token {
        let (name, file) = open(args)?;
        let check = check(&name, &file)?;
        let last = check.time_stamps.last();
        let last = last.ok_or_else(|| CliError::failed(format!("{name} has no time stamp")))?;
        files::write(path, &last.response).map_err(|error| cannot_write(path, &error))?;
    }
    Ok(Outcome::Done)
}

fn say(args: &Args, line: &str, section: &NewSection) {
    if !args.quiet {
        stderr::print(&format!("{line}root: {}\n", seal::hex(&section.root)));
    }
}

/// Checks that the file is a capture that can be sealed. Returns its name.
fn name_of(args: &Args) -> Result<String, CliError> {
    let input = Input::open(&args.file)?;
    let name = input.name.clone();
    if input.is_seekable() {
        return Ok(name);
    }
    let message = format!("{name} is not a file in scap's own format, which alone can be sealed");
    Err(CliError::failed(message)
        .hint("decompress it, or convert it: `scap convert --to native IN OUT`"))
}

fn cannot_read(name: &str, error: &io::Error) -> CliError {
    CliError::failed(format!("cannot read {name}: {error}"))
}

fn open(args: &Args) -> Result<(String, File), CliError> {
    let name = name_of(args)?;
    let file = File::open(&args.file).map_err(|error| cannot_read(&name, &error))?;
    Ok((name, file))
}

/// Appends the section that `make` makes, to the file or to a copy.
fn append_section(
    args: &Args,
    make: &dyn Fn(&str, &File) -> Result<NewSection, CliError>,
) -> Result<(String, NewSection), CliError> {
    if let Some(output) = &args.output {
        refuse_same(&args.file, output)?;
        let (name, mut file) = open(args)?;
        let section = make(&name, &file)?;
        let mut out = destination(output)?;
        copy(&mut file, &mut out, &section).map_err(|error| cannot_write(output, &error))?;
        return Ok((name, section));
    }
    let name = name_of(args)?;
    // Locked, so that nobody writes to it meanwhile.
    let locked = files::change(&args.file).map_err(|error| cannot_write(&args.file, &error))?;
    let gone = || cannot_read(&name, &io::ErrorKind::NotFound.into());
    let mut locked = locked.ok_or_else(gone)?;
    let file = File::open(files::path_of(&locked)).map_err(|error| cannot_read(&name, &error))?;
    let section = make(&name, &file)?;
    append(&mut locked, &section).map_err(|error| cannot_write(&args.file, &error))?;
    Ok((name, section))
}

/// Makes the seal of a capture; says if it is not whole.
fn seal(name: &str, file: &File, key: &SealKey) -> Result<NewSection, CliError> {
    let failed = |error| CliError::capture(name, &error);
    let reader = IndexedReader::open(file).map_err(failed)?;
    if !reader.damages().is_empty() || !reader.is_complete() {
        warn(
            &format!("{name}: the capture is damaged or incomplete, and is sealed as it is"),
            Some("`scap verify` says what is damaged"),
        );
    }
    let now = chrono::Utc::now().timestamp_nanos_opt().unwrap_or(0);
    let now = Timestamp(u64::try_from(now).unwrap_or(0));
    let mut facts = seal::facts(reader.header());
    let machine = rustix::system::uname();
    let host = machine.nodename().to_string_lossy().into_owned();
    facts.push(("sealed-on".to_owned(), host));
    seal_file(file, (now, &facts), key).map_err(failed)
}

fn check(name: &str, file: &File) -> Result<SealCheck, CliError> {
    let failed = |error| CliError::capture(name, &error);
    let mut reader = IndexedReader::open(file).map_err(failed)?;
    check_seals(&mut reader, &seal::is_signature).map_err(failed)
}

/// Makes the section of a time stamp, which has to be of a seal of the capture.
fn attach(name: &str, file: &File, stamp: &TimeStamp) -> Result<NewSection, CliError> {
    let check = check(name, file)?;
    if check.keys.iter().all(|by| by.root != stamp.root) {
        return Err(
            CliError::failed(format!("the time stamp is not of the last seal of {name}"))
                .hint("`scap seal --timestamp-request` writes the request for it"),
        );
    }
    append_time_stamp(file, stamp).map_err(|error| CliError::capture(name, &error))
}

/// Appends a section, or leaves the file as it was.
fn append(file: &mut File, section: &NewSection) -> io::Result<()> {
    if file.metadata()?.len() != section.offset {
        return Err(io::Error::other("the file has changed meanwhile"));
    }
    file.seek(SeekFrom::Start(section.offset))?;
    let written = file
        .write_all(&section.bytes)
        .and_then(|()| file.sync_all());
    if written.is_err() {
        file.set_len(section.offset)?;
    }
    written
}

/// Writes a copy with a section appended.
fn copy(file: &mut File, out: &mut dyn Write, section: &NewSection) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let copied = io::copy(&mut file.take(section.offset), out)?;
    if copied != section.offset {
        return Err(io::Error::other("the capture has changed meanwhile"));
    }
    out.write_all(&section.bytes)?;
    out.flush()
}

impl From<KeyError> for CliError {
    fn from(error: KeyError) -> Self {
        let failed = Self::failed(error.to_string());
        match error {
            KeyError::Read { .. } => failed,
            KeyError::Content { .. } => failed.hint(
                "`openssl genpkey -algorithm ed25519 -out KEY.pem` makes a key, `openssl pkey -in KEY.pem -pubout -out PUB.pem` its public half",
            ),
        }
    }
}
