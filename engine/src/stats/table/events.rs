//! Calls, errors, commands and slow calls.

use super::processes::{container, text};
use super::{Cell, Row, Subject};
use crate::event::errno_name;
use crate::state::Text;
use crate::stats::tally::Tally;

pub(super) fn calls(tally: &Tally) -> Vec<Row> {
    let rows = tally.calls.iter().map(|(name, call)| {
        let average = call.total_ns.checked_div(call.timed);
        let duration = |ns: u64| match call.timed {
            0 => Cell::Empty,
            _ => Cell::Duration(ns),
        };
        Row {
            cells: vec![
                Cell::Count(call.calls),
                Cell::Count(call.failed),
                duration(call.total_ns),
                average.map_or(Cell::Empty, Cell::Duration),
                duration(call.slowest_ns),
                text(name),
            ],
            subject: Subject::Call(Text::clone(name)),
            depth: 0,
            life: None,
        }
    });
    rows.collect()
}

pub(super) fn errors(tally: &Tally) -> Vec<Row> {
    let rows = tally.errors.iter().map(|(key, error)| {
        let number = key.errno.checked_neg().unwrap_or(i64::MIN);
        Row {
            cells: vec![
                Cell::Count(error.count),
                error_cell(number),
                text(&key.call),
                text(&key.comm),
                Cell::Time(error.seen.from),
                Cell::Time(error.seen.to),
            ],
            subject: Subject::Error(key.errno, Text::clone(&key.call), Text::clone(&key.comm)),
            depth: 0,
            life: Some((error.seen, false, false)),
        }
    });
    rows.collect()
}

/// Returns the name of an error result, or its number.
fn error_cell(result: i64) -> Cell {
    let name = errno_name(result).and_then(|name| std::str::from_utf8(name).ok());
    name.map_or(Cell::Id(result), Cell::Word)
}

pub(super) fn commands(tally: &Tally) -> Vec<Row> {
    let rows = tally.commands.iter().map(|command| Row {
        cells: vec![
            Cell::Time(command.ts),
            text(&command.user),
            text(&command.login),
            Cell::Word(if command.interactive { "yes" } else { "no" }),
            match command.session {
                -1 => Cell::Empty,
                session => Cell::Id(session),
            },
            Cell::Id(command.process.pid),
            text(&command.parent),
            text(&command.starter),
            container(tally, command.container.as_ref()),
            text(&command.cwd),
            text(&command.cmdline),
        ],
        subject: Subject::Process(command.process),
        depth: 0,
        life: None,
    });
    rows.collect()
}

pub(super) fn slow(tally: &Tally) -> Vec<Row> {
    let rows = tally.slow.iter().map(|slow| Row {
        cells: vec![
            Cell::Duration(slow.latency),
            Cell::Time(slow.ts),
            text(&slow.comm),
            text(&slow.call),
            Cell::Id(slow.process.pid),
            slow.result.map_or(Cell::Empty, Cell::Id),
            text(&slow.about),
        ],
        subject: Subject::Event(slow.num),
        depth: 0,
        life: None,
    });
    rows.collect()
}

pub(super) fn waits(tally: &Tally) -> Vec<Row> {
    let rows = tally.waits.iter().map(|(key, wait)| Row {
        cells: vec![
            Cell::Duration(wait.total_ns),
            Cell::Duration(wait.longest_ns),
            Cell::Count(wait.count),
            Cell::Count(wait.timeouts),
            Cell::Count(wait.unfinished),
            text(&wait.comm),
            Cell::Id(key.process.pid),
            text(&key.call),
            text(&key.target),
        ],
        subject: Subject::Waits(key.clone()),
        depth: 0,
        life: Some((wait.seen, true, wait.unfinished == 0)),
    });
    rows.collect()
}
