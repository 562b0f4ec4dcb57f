//! `scap top`: events by the values of fields.

use std::io;
use std::ops::ControlFlow;

use serde_json::{Map, Value as Json};

use super::aggregate::{Aggregate, Aggregated, Input, Threads, aggregate};
use super::audit::AuditArgs;
use super::diagnostic;
use super::error::{CliError, Outcome, warn};
use super::input::Captures;
use super::output::{Output, ascii_json};
use super::positionals::CaptureArgs;
use super::table::{self, Side};
use super::window::Window;
use crate::event::EventExt as _;
use crate::event::number::{counted, grouped};
use crate::event::time::{LocalClock, short_duration};
use crate::fields::{self, Context, Field, FieldInfo, FieldType, Scratch, Session, Value};
use crate::filter::Filter;
use crate::format::Template;
use crate::replay::{EventSink, Needs};
use crate::stats::groups::Groups;

/// Most groups that are counted separately, and the memory of their values.
const MAX_GROUPS: usize = 1 << 20;
const MAX_BYTES: usize = 64 << 20;
/// Between the values of a group.
const BETWEEN: u8 = b'\t';

/// Arguments of `scap top`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    captures: CaptureArgs,

    /// Count by the values of these fields
    #[arg(
        long,
        value_name = "FIELD[,FIELD]",
        required = true,
        value_delimiter = ','
    )]
    by: Vec<String>,

    /// Add up the values of a field of numbers, such as `evt.rawarg.res` or `evt.latency`
    #[arg(long, value_name = "FIELD", conflicts_with = "time")]
    sum: Option<String>,

    /// Add up the time in calls
    #[arg(long)]
    time: bool,

    /// Start anew after each interval of the capture's time: `1s`, `500ms`, `2m`
    #[arg(long, value_name = "INTERVAL", value_parser = interval)]
    every: Option<u64>,

    /// Print this many groups; 0 = all
    #[arg(short = 'n', value_name = "COUNT", default_value = "20")]
    count: usize,

    /// Print a JSON object per group
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    threads: Threads,

    #[command(flatten)]
    audit: AuditArgs,
}

/// Parses an interval, in nanoseconds.
fn interval(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" | "" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return Err("the units are ns, us, ms, s, m, h".to_owned()),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "a number and a unit, such as 1s".to_owned())?;
    let ns = number * scale;
    match (1.0..=1e18).contains(&ns) {
        true => Ok(ns as u64),
        false => Err("it is too short or too long".to_owned()),
    }
}

/// What is added up for a group.
#[derive(Clone, Debug)]
enum Measure {
    Events,
    Field(Box<Field>),
}

impl Measure {
    fn of(args: &Args) -> Result<Self, CliError> {
        let name = match (&args.sum, args.time) {
            (Some(name), _) => name,
            (None, true) => "evt.latency",
            (None, false) => return Ok(Self::Events),
        };
        let field =
            fields::lookup(name).map_err(|error| CliError::usage(format!("--sum: {error}")))?;
        let is_number = |info: &FieldInfo| {
            use FieldType as T;
            // An argument has the type that it has in the event.
            matches!(
                info.ty,
                T::Int | T::Uint | T::Interval | T::Double | T::Dynamic
            )
        };
        match is_number(field.info) {
            true => Ok(Self::Field(Box::new(field))),
            false => Err(CliError::usage(format!("--sum: {name} is not a number"))
                .hint("`scap fields` has the type of each field")),
        }
    }

    fn title(&self, args: &Args) -> String {
        match self {
            Self::Events => "events".to_owned(),
            Self::Field(_) if args.time => "time".to_owned(),
            Self::Field(field) => {
                let mut name = Vec::new();
                field.write_name(&mut name);
                String::from_utf8_lossy(&name).into_owned()
            }
        }
    }
}

/// The sums of a group.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    events: u64,
    /// May be negative: results of calls are.
    sum: i128,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (files, _, mut selection) = args.captures.parse(args.audit.is_empty())?;
    let measure = Measure::of(args)?;
    let format = format!("*%{}", args.by.join("\t%"));
    let key =
        Template::new(&format).map_err(|error| diagnostic::template("--by", &format, &error))?;
    let needs_sessions = key.needs_sessions()
        || selection
            .filter
            .as_ref()
            .is_some_and(Filter::needs_sessions);
    let sessions = args.audit.sessions(&files, needs_sessions)?;
    let audit = args.audit.open()?;
    let window = Window::new(&files, audit.as_ref(), &mut selection);
    let any_field = |is: fn(&Field) -> bool| match &measure {
        Measure::Field(field) => is(field) || key.any_field(is),
        Measure::Events => key.any_field(is),
    };
    let filter = selection.filter.as_ref();
    let depends = filter.is_some_and(|filter| filter.pushdown().depends_on_all.is_some());
    let input = Input {
        files: &files,
        selection: &selection,
        may_skip: !any_field(Field::needs_all_events),
        threads: match args.every.is_some() || depends || any_field(Field::depends_on_all) {
            true => 1,
            false => args.threads.count(),
        },
        needs: Needs {
            data: any_field(Field::needs_payload) || filter.is_some_and(Filter::needs_payload),
            verifies: false,
            ..Needs::ALL
        },
        session: &|| Session {
            exec_sessions: sessions.clone(),
            ..Session::default()
        },
    };
    let found = aggregate(&input, audit, &|_, _| Top {
        args,
        title: measure.title(args),
        measure: measure.clone(),
        key: key.clone(),
        scratch: Scratch::default(),
        text: Vec::new(),
        groups: groups(),
        left_out: 0,
        events: 0,
        end: None,
        output: Output::new(),
    });
    let Aggregated {
        mut sink,
        end,
        has_missed,
        captures,
    } = found?;
    sink.print().map_err(|e| CliError::output(&e))?;
    let (events, left_out) = (sink.events, sink.left_out);
    let end = end?;
    sink.output.finish()?;
    if has_missed {
        window.warn_of_no_events();
    }
    if left_out > 0 {
        let message = format!(
            "{} in groups that there was no memory for",
            counted(left_out, "event")
        );
        warn(
            &message,
            Some("fewer fields in --by, or a filter, make fewer groups"),
        );
    }
    let damaged = Captures::report_shares(&captures, end, events);
    Ok(Outcome::of_damage(damaged))
}

/// Counts, and prints.
struct Top<'a> {
    args: &'a Args,
    title: String,
    measure: Measure,
    key: Template,
    scratch: Scratch,
    text: Vec<u8>,
    groups: Groups<Box<[u8]>, Sums>,
    /// Events that are in no group, for want of memory.
    left_out: u64,
    events: u64,
    /// When the current interval ends.
    end: Option<u64>,
    output: Output,
}

fn groups() -> Groups<Box<[u8]>, Sums> {
    Groups::with_bytes(MAX_GROUPS, MAX_BYTES)
}

impl Aggregate for Top<'_> {
    fn join(&mut self, later: Self) -> bool {
        self.events += later.events;
        for (key, more) in later.groups.into_rows() {
            let len = key.len();
            let make = || (key.clone(), Sums::default());
            let place = self.groups.place(&key[..], |other| *other == key, make);
            let Some(place) = place else {
                self.left_out += more.events;
                continue;
            };
            let sums = self.groups.row(place);
            if sums.events == 0 {
                self.groups.grew(len);
            }
            let sums = self.groups.row(place);
            sums.events += more.events;
            sums.sum += more.sum;
        }
        later.left_out == 0
    }
}

impl EventSink for Top<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if cx.event.is_internal() {
            return Ok(ControlFlow::Continue(()));
        }
        if let (Some(every), Some(now)) = (self.args.every, cx.event.ts.known()) {
            let end = self.end.unwrap_or_else(|| now.saturating_add(every));
            if now >= end {
                self.print()?;
                // Intervals without events are left out.
                let whole = (now - end) / every;
                self.end = Some(end + (whole + 1) * every);
            } else {
                self.end = Some(end);
            }
        }
        self.events += 1;
        self.text.clear();
        self.key.write(&mut self.text, cx, Default::default());
        let text = &self.text;
        let make = || (Box::from(&text[..]), Sums::default());
        let Some(place) = self.groups.place(&text[..], |key| **key == text[..], make) else {
            self.left_out += 1;
            return Ok(ControlFlow::Continue(()));
        };
        let sums = self.groups.row(place);
        if sums.events == 0 {
            self.groups.grew(text.len());
        }
        let sums = self.groups.row(place);
        sums.events += 1;
        if let Measure::Field(field) = &self.measure {
            sums.sum += match field.extract(cx, &mut self.scratch) {
                Some(Value::Int(n)) => n.into(),
                Some(Value::Uint(n)) => n.into(),
                Some(Value::Double(n)) => n as i128,
                _ => 0,
            };
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Top<'_> {
    /// Prints the groups, the largest first, and starts anew.
    fn print(&mut self) -> io::Result<()> {
        let groups = std::mem::replace(&mut self.groups, groups());
        let measured = |sums: &Sums| match self.measure {
            Measure::Events => sums.events.into(),
            Measure::Field(_) => sums.sum,
        };
        // Of equal groups the first by name, so that the order is always the same.
        let mut rows: Vec<(&Box<[u8]>, &Sums)> = groups.iter().collect();
        rows.sort_by(|(a, x), (b, y)| measured(y).cmp(&measured(x)).then_with(|| a.cmp(b)));
        let total: i128 = rows.iter().map(|(_, sums)| measured(sums)).sum();
        let shown = match self.args.count {
            0 => rows.len(),
            count => count.min(rows.len()),
        };
        let begin = self
            .end
            .zip(self.args.every)
            .map(|(end, every)| end - every);
        let mut clock = LocalClock::default();
        let mut time = |ns| {
            let mut text = Vec::new();
            clock.iso8601(&mut text, ns);
            String::from_utf8_lossy(&text).into_owned()
        };
        if self.args.json {
            for (key, sums) in &rows[..shown] {
                let mut object = Map::new();
                if let Some(begin) = begin {
                    object.insert("begin".to_owned(), time(begin).into());
                }
                for (field, value) in self.args.by.iter().zip(values(key)) {
                    let value = (value != "<NA>").then_some(value);
                    object.insert(field.clone(), value.into());
                }
                object.insert("events".to_owned(), sums.events.into());
                if let Measure::Field(_) = self.measure {
                    let sum = i64::try_from(sums.sum)
                        .map_or_else(|_| Json::from(sums.sum.to_string()), Json::from);
                    object.insert(self.title.clone(), sum);
                }
                ascii_json(self.output.buffer(), &Json::Object(object).to_string());
                self.output.buffer().push(b'\n');
            }
            return self.output.written();
        }
        if let Some(begin) = begin {
            self.output
                .buffer()
                .extend_from_slice(format!("{}\n", time(begin)).as_bytes());
        }
        let mut head = vec![(&*self.title, Side::Right), ("%", Side::Right)];
        if !matches!(self.measure, Measure::Events) {
            head.push(("events", Side::Right));
        }
        let last = self.args.by.len() - 1;
        let by = self.args.by.iter().enumerate();
        head.extend(by.map(|(place, field)| match place == last {
            true => (&**field, Side::Whole),
            false => (&**field, Side::Left),
        }));
        let lines: Vec<Vec<String>> = rows[..shown]
            .iter()
            .map(|(key, sums)| {
                let measured = measured(sums);
                let mut cells = vec![self.amount(measured), share(measured, total)];
                if !matches!(self.measure, Measure::Events) {
                    cells.push(grouped(sums.events));
                }
                cells.extend(values(key));
                cells
            })
            .collect();
        table::write(self.output.buffer(), &head, &lines);
        if shown < rows.len() {
            let more = grouped((rows.len() - shown) as u64);
            self.output
                .buffer()
                .extend_from_slice(format!("… {more} more\n").as_bytes());
        }
        if self.args.every.is_some() {
            self.output.buffer().push(b'\n');
        }
        self.output.written()
    }

    fn amount(&self, amount: i128) -> String {
        let is_time =
            matches!(&self.measure, Measure::Field(field) if field.info.ty == FieldType::Interval);
        match u64::try_from(amount) {
            Ok(ns) if is_time => short_duration(ns),
            Ok(amount) => grouped(amount),
            Err(_) => amount.to_string(),
        }
    }
}

/// The values of a group, escaped.
fn values(key: &[u8]) -> impl Iterator<Item = String> {
    key.split(|byte| *byte == BETWEEN)
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

fn share(part: i128, total: i128) -> String {
    if total <= 0 || part < 0 {
        return String::new();
    }
    let tenths = part.saturating_mul(1000) / total;
    format!("{}.{}", tenths / 10, tenths % 10)
}
