//! The view of what a capture lacks.

use scap_capture_format::native::Loss;

use crate::replay::IndexedCapture;
use crate::replay::Span;
use crate::stats::table::{Cell, Column, Row, Subject, Table};

const COLUMNS: &[Column] = &[
    Column {
        title: "FROM",
        help: "After this time events are missing.",
        field: None,
        width: 15,
    },
    Column {
        title: "FOR",
        help: "How long the time is in which they are missing.",
        field: None,
        width: 9,
    },
    Column {
        title: "LOST",
        help: "How many events are missing.",
        field: None,
        width: 10,
    },
    Column {
        title: "CPU",
        help: "The processor that they happened on.",
        field: None,
        width: 4,
    },
    Column {
        title: "CAUSE",
        help: "Why they are missing.",
        field: None,
        width: 0,
    },
];

/// Makes the table of what is missing in a range.
pub(super) fn table(library: &IndexedCapture, range: Span) -> Table {
    let losses = library.losses().iter();
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
