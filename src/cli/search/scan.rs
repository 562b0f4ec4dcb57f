//! Searches one capture for all indicators.

use std::ops::ControlFlow;
use std::path::Path;

use super::ioc::{Ioc, any_of};
use crate::cli::archive;
use crate::cli::error::{CliError, Outcome};
use crate::filter::{Definitions, Filter, FilterError, FilterSet, parse};
use crate::format::Template;
use crate::stats::groups::Groups;

/// Most indicators of a search.
pub(super) const MAX_IOCS: usize = 10_000;
/// Most rows of a capture.
const MAX_ROWS: usize = 100_000;

/// What the rows of an indicator are by. Values are escaped, so that they have no tab.
const KEY: &str = "*%evt.hostname\t%container.id\t%container.name\t%proc.name\t%proc.pid";

/// Indicators, compiled to filters.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// Passes what any indicator matches, and says which chunks can have it.
    any: Filter,
    /// Says which indicators match.
    each: FilterSet,
}

impl Query {
    /// Compiles indicators, all of which have conditions.
    pub(super) fn new(iocs: &[Ioc]) -> Result<Self, FilterError> {
        let any = Filter::parse(&any_of(iocs.iter().flat_map(Ioc::conditions).collect()))?;
        let mut each = FilterSet::default();
        let definitions = Definitions::new();
        for ioc in iocs {
            each.add(&parse(&any_of(ioc.conditions()))?, &definitions)?;
        }
        each.index(|_| true);
        Ok(Self { any, each })
    }
}

/// An indicator in a process.
#[derive(Debug)]
pub(super) struct Hit {
    /// Its index.
    pub(super) ioc: usize,
    pub(super) who: Who,
    pub(super) seen: Seen,
}

/// Whose events they are; `None` = not known.
#[derive(Debug, Default)]
pub(super) struct Who {
    pub(super) host: Option<String>,
    pub(super) container: Option<String>,
    pub(super) container_name: Option<String>,
    pub(super) process: Option<String>,
    pub(super) pid: Option<i64>,
}

impl Who {
    fn new(key: &[u8]) -> Self {
        let mut values = key.split(|byte| *byte == b'\t').map(|value| {
            let value = String::from_utf8_lossy(value).into_owned();
            (value != "<NA>").then_some(value)
        });
        let mut next = || values.next().flatten();
        Self {
            host: next(),
            container: next(),
            container_name: next(),
            process: next(),
            pid: next().and_then(|pid| pid.parse().ok()),
        }
    }
}

/// How often, when and where something was seen in a capture.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cli) struct Seen {
    pub(in crate::cli) events: u64,
    /// Times and numbers of the first and the last event. An event without a time has that of the one before it.
    pub(in crate::cli) first: (u64, u64),
    pub(in crate::cli) last: (u64, u64),
}

impl Seen {
    /// Adds an event at a time, with its number.
    pub(in crate::cli) fn add(&mut self, at: (u64, u64)) {
        if self.events == 0 {
            (self.first, self.last) = (at, at);
        }
        self.events += 1;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }
}

/// What was found in a capture.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) hits: Vec<Hit>,
    /// Events in rows that there was no memory for.
    pub(super) left_out: u64,
}

/// Searches a capture.
pub(super) fn scan(
    query: &mut Query,
    path: &Path,
    is_alone: bool,
) -> Result<(Found, Outcome), CliError> {
    let mut key = Template::new(KEY).map_err(|error| CliError::failed(error.to_string()))?;
    let mut rows: Groups<(usize, Box<[u8]>), Seen> = Groups::new(MAX_ROWS);
    let mut left_out = 0;
    let mut text = Vec::new();
    let outcome = archive::events(path, Some(&query.any), (true, is_alone), |cx, at| {
        text.clear();
        key.write(&mut text, cx, Default::default());
        let text = &*text;
        query.each.matches(cx, &mut |ioc| {
            let is = |(other, key): &(usize, Box<[u8]>)| *other == ioc && **key == *text;
            let make = || ((ioc, Box::from(text)), Seen::default());
            match rows.place(&(ioc, text), is, make) {
                Some(place) => rows.row(place).add(at),
                None => left_out += 1,
            }
            ControlFlow::Continue(())
        });
    })?;
    let hits = rows.into_rows().map(|((ioc, key), seen)| Hit {
        ioc,
        who: Who::new(&key),
        seen,
    });
    let hits = hits.collect();
    Ok((Found { hits, left_out }, outcome))
}
