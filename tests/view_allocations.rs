//! An event whose row is there takes no allocation.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

#[path = "../capture-format/tests/counting/mod.rs"]
mod counting;

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use scap::chisel::view::{Aggregation, ColumnInfo, ViewInfo, ViewOptions, ViewTable};
use scap::event::bytes::BufferFormat;
use scap::fields::{Context, Session, TimeFormat};
use scap::replay::{EventSink, EventSource as _, NativeSource, replay_all};

fn column(field: &str, aggregation: Aggregation) -> ColumnInfo {
    ColumnInfo {
        name: field.to_owned(),
        field: field.to_owned(),
        aggregation,
        ..ColumnInfo::default()
    }
}

/// What most views are made of.
fn view() -> ViewInfo {
    use Aggregation::{Average, First, Max, Min, Sum, TimeAverage};
    let mut columns = vec![
        column("thread.tid", First),
        column("proc.pid", First),
        column("user.name", First),
        column("proc.nthreads", Max),
        column("thread.vmsize.b", Max),
        column("evt.latency", Average),
        column("evt.latency", Min),
        column("evt.buflen.file", TimeAverage),
        column("evt.count", Sum),
        column("fd.name", First),
        column("evt.type", Max),
        column("proc.exeline", Max),
    ];
    columns[0].is_key = true;
    columns[1].is_group_key = true;
    ViewInfo {
        filter: Some("evt.type != switch".to_owned()),
        use_defaults: true,
        columns,
        ..ViewInfo::default()
    }
}

/// Takes events, and counts those that made something be allocated.
struct Sink {
    table: ViewTable,
    events: u64,
    allocating: u64,
}

impl EventSink for Sink {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        let table = &mut self.table;
        let ((), most) = counting::peak(|| table.event(cx));
        self.events += 1;
        self.allocating += u64::from(most > 0);
        Ok(ControlFlow::Continue(()))
    }
}

fn pass(sink: &mut Sink) {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap");
    let mut source = NativeSource::new(File::open(sample).unwrap()).unwrap();
    let arch = scap::replay::arch(source.header());
    let session = Session::new(arch, BufferFormat::Dots, TimeFormat::Human);
    replay_all(&mut source, session, sink).unwrap();
}

#[test]
fn an_event_whose_row_is_there_takes_no_allocation() {
    let mut sink = Sink {
        table: ViewTable::new(view(), ViewOptions::default(), None).unwrap(),
        events: 0,
        allocating: 0,
    };
    pass(&mut sink);
    assert!(sink.events > 2000 && sink.allocating > 10);
    // Every row is there now, and has had its longest text.
    (sink.events, sink.allocating) = (0, 0);
    pass(&mut sink);
    assert!(sink.events > 2000);
    assert_eq!(sink.allocating, 0, "of {}", sink.events);
}
