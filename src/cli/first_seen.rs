//! `scap first-seen`: when the values of fields were first seen in many captures.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::archive::{self, Archive, shown};
use super::error::{CliError, EXIT_DONE, Outcome, warn};
use super::output::{Output, ascii_json};
use super::search::{Seen, iso};
use super::table::{self, Side};
use super::{diagnostic, positionals, stderr};
use crate::event::number::{counted, grouped};
use crate::event::time::LocalClock;
use crate::fields::Field;
use crate::filter::Filter;
use crate::format::Template;
use crate::stats::groups::Groups;

/// Most values of a capture, and of all, and the memory for them.
const MAX_VALUES: usize = 1 << 20;
const MAX_BYTES: usize = 64 << 20;

/// Arguments of `scap first-seen`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Captures, and directories with captures. The words after them are a filter
    #[arg(value_name = "DIR|FILE… [FILTER")]
    words: Vec<OsString>,

    /// Read this capture or directory; all other words are the filter
    #[arg(short = 'r', long = "read", value_name = "DIR|FILE")]
    read: Vec<PathBuf>,

    /// The values of these fields
    #[arg(
        long,
        value_name = "FIELD[,FIELD]",
        required = true,
        value_delimiter = ','
    )]
    by: Vec<String>,

    /// Print this many values; 0 = all
    #[arg(short = 'n', value_name = "COUNT", default_value = "0")]
    count: usize,

    /// Print a JSON object per line
    #[arg(long)]
    json: bool,
}

/// A value in all captures.
#[derive(Debug, Default)]
struct Total {
    seen: Seen,
    captures: u64,
    /// The index of the capture in which it was seen first.
    place: usize,
}

/// The values of one capture.
struct Values {
    groups: Groups<Box<[u8]>, Seen>,
    left_out: u64,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (paths, filter) = positionals::split(&args.read, &args.words, true)?;
    let filter = filter.as_deref().map(positionals::filter).transpose()?;
    let format = format!("*%{}", args.by.join("\t%"));
    let key =
        Template::new(&format).map_err(|error| diagnostic::template("--by", &format, &error))?;
    let archive = Archive::find(&paths)?;
    archive.warn_if_empty();
    let is_alone = archive.is_single();
    let mut totals: Groups<Box<[u8]>, Total> = Groups::with_bytes(MAX_VALUES, MAX_BYTES);
    let mut left_out = 0;
    let code = archive.each(
        || {
            let (filter, mut key) = (filter.clone(), key.clone());
            move |path: &Path| values(path, is_alone, filter.as_ref(), &mut key)
        },
        |place, found| {
            left_out += found.left_out;
            for (key, seen) in found.groups.into_rows() {
                let make = || (key.clone(), Total::default());
                let Some(row) = totals.place(&key[..], |other| *other == key, make) else {
                    left_out += seen.events;
                    continue;
                };
                let total = totals.row(row);
                total.captures += 1;
                if total.captures == 1 {
                    (total.seen, total.place) = (seen, place);
                    totals.grew(key.len());
                    continue;
                }
                if seen.first.0 < total.seen.first.0 {
                    (total.seen.first, total.place) = (seen.first, place);
                }
                total.seen.last = total.seen.last.max(seen.last);
                total.seen.events += seen.events;
            }
            ControlFlow::Continue(())
        },
    );
    print(args, &archive, &totals)?;
    if left_out > 0 {
        let events = counted(left_out, "event");
        warn(
            &format!("{events} with values that there was no memory for"),
            Some("fewer fields in --by, or a filter, make fewer values"),
        );
    }
    stderr::print(&format!("read {}\n", archive.text()));
    match code {
        EXIT_DONE => Ok(Outcome::Done),
        code => Err(CliError::Exited(code)),
    }
}

/// Reads the values of a capture.
fn values(
    path: &Path,
    is_alone: bool,
    filter: Option<&Filter>,
    key: &mut Template,
) -> Result<(Values, Outcome), CliError> {
    let may_skip = !key.any_field(Field::needs_all_events);
    let mut groups: Groups<Box<[u8]>, Seen> = Groups::with_bytes(MAX_VALUES, MAX_BYTES);
    let mut left_out = 0;
    let mut text = Vec::new();
    let outcome = archive::events(path, filter, (may_skip, is_alone), |cx, at| {
        text.clear();
        key.write(&mut text, cx, Default::default());
        let text = &*text;
        let make = || (Box::from(text), Seen::default());
        let Some(place) = groups.place(text, |key| **key == *text, make) else {
            left_out += 1;
            return;
        };
        let seen = groups.row(place);
        seen.add(at);
        if seen.events == 1 {
            groups.grew(text.len());
        }
    })?;
    Ok((Values { groups, left_out }, outcome))
}

/// Prints the values, the latest first.
fn print(
    args: &Args,
    archive: &Archive,
    totals: &Groups<Box<[u8]>, Total>,
) -> Result<(), CliError> {
    let rows = totals.ranked(|_, total| total.seen.first.0);
    let count = match args.count {
        0 => rows.len(),
        count => count.min(rows.len()),
    };
    let mut output = Output::new();
    let mut clock = LocalClock::default();
    let mut table = Vec::new();
    for (key, total) in &rows[..count] {
        let values = key
            .split(|byte| *byte == b'\t')
            .map(|value| String::from_utf8_lossy(value).into_owned());
        let file = shown(&archive.captures[total.place]);
        let (first, last) = (total.seen.first, total.seen.last);
        if !args.json {
            let mut cells = vec![
                iso(&mut clock, first.0),
                grouped(total.seen.events),
                grouped(total.captures),
            ];
            cells.extend(values);
            cells.push(format!("{file}#{}", first.1));
            table.push(cells);
            continue;
        }
        let mut object = Map::new();
        for (field, value) in args.by.iter().zip(values) {
            let value = (value != "<NA>").then_some(value);
            object.insert(field.clone(), value.into());
        }
        let rest: [(&str, Json); 6] = [
            ("first", iso(&mut clock, first.0).into()),
            ("file", file.into()),
            ("event", first.1.into()),
            ("last", iso(&mut clock, last.0).into()),
            ("events", total.seen.events.into()),
            ("captures", total.captures.into()),
        ];
        object.extend(rest.map(|(name, value)| (name.to_owned(), value)));
        ascii_json(output.buffer(), &Json::Object(object).to_string());
        output.buffer().push(b'\n');
        output.written().map_err(|error| CliError::output(&error))?;
    }
    if !args.json && !table.is_empty() {
        let mut head = vec![
            ("FIRST", Side::Left),
            ("EVENTS", Side::Right),
            ("CAPTURES", Side::Right),
        ];
        head.extend(args.by.iter().map(|field| (&**field, Side::Left)));
        head.push(("WHERE", Side::Whole));
        table::write(output.buffer(), &head, &table);
    }
    output.finish()
}
