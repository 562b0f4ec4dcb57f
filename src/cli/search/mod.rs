//! `scap search`: indicators of compromise in many captures.

mod ioc;
mod list;
mod scan;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use hashbrown::HashSet;
use serde_json::json;

use super::archive::{Archive, shown};
use super::error::{CliError, EXIT_ALERTS, EXIT_DONE, Outcome, warn};
use super::input::Input;
use super::output::{Output, ascii_json};
use super::stderr;
use super::table::{self, Side, UNKNOWN};
use crate::event::number::{counted, grouped};
use crate::event::text;
use crate::event::time::LocalClock;

use ioc::{Ioc, Kind};
use list::List;
pub(super) use scan::Seen;
use scan::{Hit, MAX_IOCS, Query, scan};

/// Most rows of all captures together that are kept for the table.
const MAX_ROWS: usize = 1_000_000;

/// Arguments of `scap search`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Indicators: IP addresses, networks (`10.0.0.0/8`), paths (`/tmp/.x`, `/tmp/*.so`), names of programs, domains,
    /// `text:…` in command lines, `bytes:HEX` in payload; then captures, and directories with captures
    #[arg(value_name = "IOC… DIR|FILE")]
    words: Vec<OsString>,

    /// Search this capture or directory; all other words are indicators
    #[arg(short = 'r', long = "read", value_name = "DIR|FILE")]
    read: Vec<PathBuf>,

    /// Read indicators from a file: CSV (the first column, or the columns `type` and `value`), a STIX 2.1 bundle or a MISP event
    #[arg(long, value_name = "FILE")]
    list: Vec<PathBuf>,

    /// Print a JSON object per line
    #[arg(long)]
    json: bool,

    /// Exit with 5 if an indicator was found
    #[arg(long)]
    exit_code: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (words, paths) = split(args)?;
    let iocs = indicators(args, words)?;
    let query = Query::new(&iocs)
        .map_err(|error| CliError::failed(format!("the indicators are no filter: {error}")))?;
    let archive = Archive::find(&paths)?;
    archive.warn_if_empty();
    let is_alone = archive.is_single();
    let mut output = Output::new();
    let mut printer = Printer {
        iocs: &iocs,
        clock: LocalClock::default(),
        table: Vec::new(),
        found: HashSet::new(),
        left_out: 0,
    };
    let mut written = Ok(());
    let code = archive.each(
        || {
            let mut query = query.clone();
            move |path: &Path| scan(&mut query, path, is_alone)
        },
        |place, found| {
            printer.left_out += found.left_out;
            let path = &archive.captures[place];
            for hit in &found.hits {
                match args.json {
                    true => printer.json(output.buffer(), path, hit),
                    false => printer.row(path, hit),
                }
            }
            if written.is_ok() {
                written = output.flush();
            }
            match written {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        },
    );
    written.map_err(|error| CliError::output(&error))?;
    if !args.json && !printer.table.is_empty() {
        table::write(output.buffer(), &HEAD, &printer.table);
    }
    output.finish()?;
    if printer.left_out > 0 {
        let events = counted(printer.left_out, "event");
        warn(
            &format!("{events} in rows that there was no memory for"),
            None,
        );
    }
    let found = printer.found.len();
    stderr::print(&format!(
        "searched {}; found {found} of {}\n",
        archive.text(),
        counted(iocs.len() as u64, "indicator"),
    ));
    match code {
        EXIT_DONE if args.exit_code && found > 0 => Err(CliError::Exited(EXIT_ALERTS)),
        EXIT_DONE => Ok(Outcome::Done),
        code => Err(CliError::Exited(code)),
    }
}

/// Splits the words into indicators and what is searched: the directories and captures at the end. Other files there are
/// indicators, such as `/etc/passwd`.
fn split(args: &Args) -> Result<(&[OsString], Vec<PathBuf>), CliError> {
    if !args.read.is_empty() {
        return Ok((&args.words, args.read.clone()));
    }
    let is_searched = |word: &OsString| {
        let path = Path::new(word);
        path.is_dir() || path.is_file() && Input::open(path).is_ok_and(Input::begins_like_capture)
    };
    let count = args
        .words
        .iter()
        .rev()
        .take_while(|word| is_searched(word))
        .count();
    let (words, paths) = args.words.split_at(args.words.len() - count);
    match paths {
        [] => Err(CliError::usage("no capture is named")
            .hint("name indicators first, then captures or directories with captures")),
        paths => Ok((words, paths.iter().map(PathBuf::from).collect())),
    }
}

/// Returns the indicators that captures can have, and says which they cannot.
fn indicators(args: &Args, words: &[OsString]) -> Result<Vec<Ioc>, CliError> {
    let mut all = Vec::new();
    for word in words {
        let word = word.to_string_lossy();
        let found = Ioc::recognize(&word);
        if found.is_empty() {
            let message = format!("`{word}` is no indicator");
            return Err(CliError::usage(message).hint(
                "ip:, net:, path:, file:, name:, domain:, text: and bytes: say what a word is",
            ));
        }
        all.extend(found);
    }
    for path in &args.list {
        let list = List::read(path)?;
        all.extend(list.iocs);
        if !list.others.is_empty() {
            warn(
                &format!("{}: not searched for: {}", shown(path), tally(&list.others)),
                None,
            );
        }
    }
    let mut known = HashSet::new();
    all.retain(|ioc| known.insert(ioc.clone()));
    let before = all.len();
    all.retain(|ioc| ioc.kind != Kind::Hash);
    let hashes = before - all.len();
    if hashes > 0 {
        let hashes = counted(hashes as u64, "hash");
        warn(
            &format!("{hashes} cannot be found: captures have no hashes of files"),
            Some("search for paths and names of the files"),
        );
    }
    match all.len() {
        0 => Err(CliError::failed("there is no indicator to search for")),
        count if count > MAX_IOCS => {
            let message = format!("there are more than {MAX_IOCS} indicators");
            Err(CliError::failed(message).hint("search for a part of them at a time"))
        }
        _ => Ok(all),
    }
}

fn tally(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts.iter().map(|(what, count)| {
        let mut text = format!("{} ", grouped(*count)).into_bytes();
        text::escape_exact(&mut text, what.as_bytes());
        String::from_utf8_lossy(&text).into_owned()
    });
    counts.collect::<Vec<_>>().join(", ")
}

const HEAD: [(&str, Side); 8] = [
    ("IOC", Side::Left),
    ("EVENTS", Side::Right),
    ("FIRST", Side::Left),
    ("LAST", Side::Left),
    ("HOST", Side::Left),
    ("CONTAINER", Side::Left),
    ("PROCESS", Side::Left),
    ("WHERE", Side::Whole),
];

/// Makes the output.
struct Printer<'a> {
    iocs: &'a [Ioc],
    clock: LocalClock,
    table: Vec<Vec<String>>,
    /// The indicators that were found.
    found: HashSet<usize>,
    left_out: u64,
}

impl Printer<'_> {
    fn json(&mut self, out: &mut Vec<u8>, path: &Path, hit: &Hit) {
        let ioc = &self.iocs[hit.ioc];
        self.found.insert(hit.ioc);
        let (who, seen) = (&hit.who, &hit.seen);
        let object = json!({
            "ioc": ioc.value,
            "kind": ioc.kind.name(),
            "file": shown(path),
            "host": who.host,
            "container": who.container,
            "container_name": who.container_name,
            "process": who.process,
            "pid": who.pid,
            "events": seen.events,
            "first": iso(&mut self.clock, seen.first.0),
            "first_event": seen.first.1,
            "last": iso(&mut self.clock, seen.last.0),
            "last_event": seen.last.1,
        });
        ascii_json(out, &object.to_string());
        out.push(b'\n');
    }

    fn row(&mut self, path: &Path, hit: &Hit) {
        let ioc = &self.iocs[hit.ioc];
        self.found.insert(hit.ioc);
        if self.table.len() >= MAX_ROWS {
            self.left_out += hit.seen.events;
            return;
        }
        let (who, seen) = (&hit.who, &hit.seen);
        let mut value = Vec::new();
        text::escape_exact(&mut value, ioc.value.as_bytes());
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| UNKNOWN.to_owned());
        let process = match who.pid {
            Some(pid) => format!("{} ({pid})", known(&who.process)),
            None => known(&who.process),
        };
        let container = match &who.container_name {
            Some(name) => name.clone(),
            None => known(&who.container),
        };
        self.table.push(vec![
            String::from_utf8_lossy(&value).into_owned(),
            grouped(seen.events),
            iso(&mut self.clock, seen.first.0),
            iso(&mut self.clock, seen.last.0),
            known(&who.host),
            container,
            process,
            format!("{}#{}", shown(path), seen.first.1),
        ]);
    }
}

/// Returns a time as it is printed.
pub(super) fn iso(clock: &mut LocalClock, ns: u64) -> String {
    if ns == 0 {
        return UNKNOWN.to_owned();
    }
    let mut text = Vec::new();
    clock.iso8601(&mut text, ns);
    String::from_utf8_lossy(&text).into_owned()
}
