//! The processes as a tree.

use super::{Cell, Row, Subject, tree_order};
use crate::replay::Span;
use crate::state::Text;
use crate::stats::tally::{ContainerTally, Few, Io, ProcessKey, ProcessTally, Tally};

/// Makes the rows: children are below their parent, in the order of their start.
pub(super) fn rows(tally: &Tally) -> Vec<Row> {
    let mut nodes: Vec<_> = tally.processes.iter().collect();
    nodes.sort_unstable_by_key(|(key, _)| (key.start, key.pid, key.origin));
    let parents: Vec<_> = nodes
        .iter()
        .map(|(key, process)| (**key, process.parent))
        .collect();
    let row = |(place, depth): (usize, u16)| row(tally, *nodes[place].0, nodes[place].1, depth);
    tree_order(&parents).into_iter().map(row).collect()
}

fn row(tally: &Tally, key: ProcessKey, process: &ProcessTally, depth: u16) -> Row {
    let command = if process.cmdline.is_empty() {
        &process.comm
    } else {
        &process.cmdline
    };
    Row {
        cells: vec![
            key.origin
                .map_or(Cell::Empty, |origin| Cell::Id(origin.0.into())),
            Cell::Id(key.pid),
            text(&process.user),
            Cell::Count(u64::from(process.threads)),
            Cell::Count(process.events),
            Cell::Count(process.failed),
            Cell::Duration(process.busy_ns),
            Cell::Duration(process.waited_ns),
            bytes(process.file),
            bytes(process.net),
            container(tally, process.container.as_ref()),
            text(command),
        ],
        subject: Subject::Process(key),
        depth,
        life: life(process),
    }
}

/// Returns the lifetime of a process, as far as it was seen.
fn life(process: &ProcessTally) -> Option<(Span, bool, bool)> {
    let ended = process.ended.map(|(time, _)| time);
    let made = Some(process.made).filter(|made| *made > 0);
    let seen = process.seen.or(made.map(Span::at))?;
    let from = made.unwrap_or(seen.from);
    let to = ended.unwrap_or(seen.to).max(from);
    Some((Span { from, to }, made.is_some(), ended.is_some()))
}

/// Returns a text as a cell; an empty text is unknown.
pub(super) fn text(text: &Text) -> Cell {
    if text.is_empty() {
        Cell::Empty
    } else {
        Cell::Text(Text::clone(text))
    }
}

/// Returns names as a cell, in alphabetical order.
pub(super) fn names(names: &Few<Text>) -> Cell {
    match names.values() {
        [] => Cell::Empty,
        [name] if !names.has_more() => text(name),
        several => {
            let mut several = several.to_vec();
            several.sort();
            Cell::List(several.into(), names.has_more())
        }
    }
}

/// Returns ids as a cell.
pub(super) fn ids(ids: &Few<i64>) -> Cell {
    match ids.values() {
        [] => Cell::Empty,
        [id] if !ids.has_more() => Cell::Id(*id),
        several => {
            let mut several = several.to_vec();
            several.sort_unstable();
            let several = several.iter().map(|id| id.to_string().into_bytes().into());
            Cell::List(several.collect(), ids.has_more())
        }
    }
}

pub(super) fn bytes(io: Io) -> Cell {
    Cell::Bytes(io.bytes_in.saturating_add(io.bytes_out))
}

/// Returns the name of a container, or its id.
pub(super) fn container(tally: &Tally, id: Option<&Text>) -> Cell {
    let Some(id) = id else {
        return Cell::Empty;
    };
    let known: Option<&ContainerTally> = tally.containers.get(id);
    match known.map(|known| &known.name) {
        Some(name) if !name.is_empty() => text(name),
        _ => text(id),
    }
}
