//! The view of lost events.

use scap_capture_format::native::Loss;

use crate::replay::IndexedCapture;
use crate::replay::Span;
use crate::stats::table::{Cell, Column, Row, Subject, Table};

const COLUMNS: &[Column] = &[
    Column::new(
        "FROM",
        15,
        "Start of the interval in which events were lost.",
    ),
    Column::new("FOR", 9, "Duration of the interval."),
    Column::new("LOST", 10, "Number of lost events."),
    Column::new("CPU", 4, "The CPU."),
    Column::new("CAUSE", 0, "The cause."),
];

/// Makes the table of the losses in a range.
pub(super) fn table(capture: &IndexedCapture, range: Span) -> Table {
    let losses = capture.losses().iter();
    let within = losses.filter(|loss| loss.span.intersection(range).is_some());
    let rows = within.map(|loss| Row {
        cells: vec![
            Cell::Time(loss.span.from),
            Cell::Duration(loss.span.to - loss.span.from),
            Cell::Count(loss.count),
            match loss.cpu {
                Loss::ANY_CPU => Cell::Empty,
                cpu => Cell::Id(i64::from(cpu)),
            },
            Cell::Word(loss.cause.name()),
        ],
        subject: Subject::Range(loss.span),
        depth: 0,
        life: Some((loss.span, true, true)),
    });
    Table {
        columns: COLUMNS,
        sorted: None,
        rows: rows.collect(),
        omitted: 0,
    }
}
