//! A snapshot holds all that the events before it have told: reading from any of them shows the same as
//! reading from the front.
//!
//! The captures are real ones of the field, from `../shared/captures`; where those are missing the
//! made-up one of the other tests is what is left.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]
#![allow(clippy::print_stderr, reason = "what is skipped is told")]

use std::fs::{self, File};
use std::io::{self, Cursor};
use std::ops::ControlFlow;
use std::path::Path;

use crate::common::extra_data;
use scap::event::bytes::BufferFormat;
use scap::event::{Event, EventExt as _, PairedEvent};
use scap::fields::attributes::Needs;
use scap::fields::{self, ArgForm, Context, FieldFlags, Session, TimeFormat};
use scap::filter::When;
use scap::format::Template;
use scap::replay::SysdigSource;
use scap::replay::{
    Each, EventSink, EventSource, Extent, Item, NativeSource, Plan, ReplayError, replay_all,
};
use scap::state::State;
use scap_capture_format::native::{
    CaptureWriter, Damages, Header, Index, IndexedReader, Origin, SchemaDescription, WriterOptions,
};
use scap_capture_format::schema::SourceCategory;

/// Most events taken of a capture.
const EVENTS: u64 = 2500;
/// Snapshots in a capture, about.
const SNAPSHOTS: u64 = 6;

/// A format with every field of the program, a line for each.
fn every_field() -> String {
    let mut text = String::from("*");
    for field in fields::all() {
        // Values that depend on earlier evaluations differ by definition.
        let is_stateful = field.attributes.needs.contains(Needs::HISTORY);
        if is_stateful || field.flags.contains(FieldFlags::FILTER_ONLY) {
            continue;
        }
        let name = field.name;
        let more = match field.arg {
            ArgForm::None => "",
            ArgForm::Index | ArgForm::OptIndex => "[1]",
            ArgForm::Key | ArgForm::OptKey => ".fd",
        };
        for form in [format!("%{name}"), format!("%{name}{more}")] {
            if Template::new(&format!("*{form}")).is_ok() {
                text.push_str(&format!("{name}={form}\n"));
                break;
            }
        }
        if more == "[1]" && field.arg == ArgForm::OptIndex {
            text.push_str(&format!("{name}[1]=%{name}[1]\n"));
        }
    }
    text
}

/// A capture of our own with the calls of another, one event each, and a snapshot of the state after
/// every `every` of them, as a recorder writes it.
fn with_snapshots(source: &mut dyn EventSource, every: u64) -> Vec<u8> {
    let header = Header {
        machine: source.header().machine.clone(),
        schema: SchemaDescription::full(),
        ..Header::default()
    };
    let mut writer = None;
    let mut state = State::new();
    let mut events = 0;
    let mut header = Some(header);
    source
        .read(&mut |_, item| {
            match item {
                Item::Machine(machine) => {
                    if let Some(header) = &mut header {
                        header.machine = machine.clone();
                    }
                }
                Item::Snapshot(snapshot) => state.restore(snapshot),
                Item::Event(paired) if !is_enter_of_call(paired.event) => {
                    let event = paired.full;
                    let start = |header: Header| {
                        let options = WriterOptions::default();
                        CaptureWriter::new(Vec::new(), &header, options).unwrap()
                    };
                    if let Some(header) = header.take() {
                        writer = Some(start(header));
                    }
                    let writer = writer.as_mut().unwrap();
                    if events % every == 0 {
                        let mut snapshot = state.snapshot();
                        snapshot.time = event.ts;
                        writer.write_snapshot(&mut snapshot).unwrap();
                    }
                    state.apply(event);
                    writer.push(event).unwrap();
                    events += 1;
                    if events == EVENTS {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    writer.unwrap().finish().unwrap()
}

fn is_enter_of_call(event: &Event<'_>) -> bool {
    let is_call = |i: &scap_capture_format::schema::EventInfo| {
        i.source_category.contains(SourceCategory::SYSCALL)
    };
    event.ty.is_enter() && event.info().is_some_and(is_call)
}

/// Keeps what each event prints, with its number.
struct Lines(Template, Vec<(u64, String)>);

impl EventSink for Lines {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        let mut line = Vec::new();
        self.0.write(&mut line, cx, BufferFormat::Dots);
        let line = String::from_utf8_lossy(&line).into_owned();
        self.1.push((cx.event.num.0, line));
        Ok(ControlFlow::Continue(()))
    }
}

/// Prints everything from a snapshot on; `first` is the time of the capture's first event.
fn lines(source: &mut dyn EventSource, first: u64) -> Vec<(u64, String)> {
    let mut session = Session::new(None, BufferFormat::Dots, TimeFormat::Human);
    session.first_time = first;
    let mut sink = Lines(Template::new(&every_field()).unwrap(), Vec::new());
    replay_all(source, session, &mut sink).unwrap();
    sink.1
}

/// A capture that is read as if only its first snapshot were there.
struct FirstSnapshot(NativeSource<Cursor<Vec<u8>>>);

impl EventSource for FirstSnapshot {
    fn header(&self) -> &Header {
        self.0.header()
    }

    fn read(&mut self, each: Each<'_>) -> Result<(), ReplayError> {
        let mut seen = false;
        self.0.read(&mut |origin, item| match item {
            Item::Snapshot(_) if std::mem::replace(&mut seen, true) => {
                Ok(ControlFlow::Continue(()))
            }
            other => each(origin, other),
        })
    }

    fn origins(&self) -> &[Origin] {
        self.0.origins()
    }

    fn damages(&self) -> &Damages {
        self.0.damages()
    }

    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }
}

/// The plan of reading from a place on.
fn plan_from(capture: &[u8], from: When) -> Option<Plan> {
    Plan::new(Cursor::new(capture), Extent::All(Some(from))).unwrap()
}

/// The time of the first event, if it is not found by reading.
fn first_time(plan: &Plan) -> u64 {
    match plan.has_front() {
        true => 0,
        false => plan.first_time(),
    }
}

/// The first event that is read.
fn next_event(index: &Index, plan: &Plan) -> u64 {
    index.chunks[0].summary.first_event.0 + plan.amounts().skipped.events
}

/// Reads a capture from the front and from each of its snapshots, and compares.
fn compare(name: &str, capture: &[u8]) {
    let open = || NativeSource::new(Cursor::new(capture.to_vec())).unwrap();
    let index = IndexedReader::open(Cursor::new(capture)).unwrap();
    let index = index.index();
    assert!(index.snapshots.len() > 2, "{name} has several snapshots");
    let all = lines(&mut FirstSnapshot(open()), 0);
    assert_eq!(all.len() as u64, index.events(), "{name}");
    let mut checked = 0;
    for snapshot in &index.snapshots {
        let from = snapshot.next_event.0;
        // The way to this snapshot is the one that `--from` takes.
        let plan = plan_from(capture, When::Event(from)).unwrap();
        if plan.amounts().skipped.chunks == 0 {
            assert!(from < 100, "{name}: only the front has no short way to it");
            continue;
        }
        assert_eq!(next_event(index, &plan), from, "{name}: from event {from}");
        checked += 1;
        let first_time = first_time(&plan);
        let mut source = open();
        source.set_plan(plan);
        let part = lines(&mut source, first_time);
        assert!(source.damages().is_empty() && source.is_complete());
        let rest = all.iter().filter(|(number, _)| *number >= from);
        assert_eq!(part.len(), rest.clone().count(), "{name}: from {from}");
        for (whole, part) in rest.zip(&part) {
            assert_eq!(whole.0, part.0);
            let fields = whole.1.lines().zip(part.1.lines());
            let other: Vec<_> = fields.filter(|(whole, part)| whole != part).collect();
            assert!(
                other.is_empty(),
                "{name}: event {} from the front and from event {from}: {other:#?}",
                whole.0
            );
        }
    }
    assert!(checked > 1, "{name}");
}

#[test]
fn real_captures_read_the_same_from_every_snapshot() {
    let Some(dir) = extra_data("captures") else {
        return;
    };
    let entries = fs::read_dir(dir).unwrap();
    let mut compared = 0;
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|e| e != "scap") {
            continue;
        }
        let open = || SysdigSource::new(Box::new(File::open(&path).unwrap())).unwrap();
        let mut count = 0;
        let counted = open().read(&mut |_, item| {
            let is_event = |o: PairedEvent<'_>| !is_enter_of_call(o.event);
            count += u64::from(matches!(item, Item::Event(o) if is_event(o)));
            Ok(ControlFlow::Continue(()))
        });
        counted.unwrap();
        let every = (count.min(EVENTS) / SNAPSHOTS).max(1);
        let capture = with_snapshots(&mut open(), every);
        compare(&path.file_name().unwrap().to_string_lossy(), &capture);
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn the_sample_reads_the_same_from_every_snapshot() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap");
    let open = || NativeSource::new(File::open(&path).unwrap()).unwrap();
    compare("the sample", &with_snapshots(&mut open(), 97));
}

#[test]
fn a_window_begins_at_the_last_snapshot_before_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap");
    let mut source = NativeSource::new(File::open(&path).unwrap()).unwrap();
    let capture = with_snapshots(&mut source, 97);
    let index = IndexedReader::open(Cursor::new(&capture)).unwrap();
    let index = index.index();
    let start = |from| next_event(index, &plan_from(&capture, from).unwrap());
    let first = index.chunks[0].summary.min_time.0;
    let last = index.chunks.last().unwrap().summary.max_time.0;
    for step in 0..50 {
        let from = first + (last - first) * step / 50;
        let found = start(When::At(from));
        let chunks = index.chunks.iter().map(|c| &c.summary);
        let before = chunks.filter(|summary| summary.first_event.0 < found);
        let latest = before.map(|s| s.max_time.0).max().unwrap_or(0);
        assert!(latest < from, "nothing of the window is passed over");
        assert_eq!(found, start(When::After(from - first)));
    }
    // A snapshot is the last one before its own event, and none before the event before.
    let [_, one, two, ..] = &index.snapshots[..] else {
        panic!("snapshots");
    };
    let number = two.next_event.0;
    assert_eq!(start(When::Event(number)), number);
    assert_eq!(start(When::Event(number - 1)), one.next_event.0);
    // Without an index there is no short way.
    let cut = &capture[..capture.len() - 10];
    assert!(plan_from(cut, When::Event(number)).is_none());
}
