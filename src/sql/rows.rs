//! Rows on their way from the captures to SQLite.

use std::ops::ControlFlow;
use std::sync::mpsc::SyncSender;

use hashbrown::HashMap;

use super::{Scan, Shared};
use crate::tables::cell;

/// What a scan sends.
pub(super) enum Message {
    /// Rows.
    Rows(Vec<u8>),
    /// The scan failed.
    Failed(String),
}

/// Sends all rows.
pub(super) fn scan(shared: &Shared, scan: Scan, send: &SyncSender<Message>) -> Result<(), String> {
    shared.scanner().scan(scan, &mut |rows| {
        // Nobody receives any more: the query is done.
        match rows.is_empty() || send.send(Message::Rows(rows.to_vec())).is_ok() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })
}

/// Sends each different row once, after their number; those with equal values in some cells one after the other.
pub(super) fn count(
    shared: &Shared,
    scan: Scan,
    (width, groups): (usize, &[usize]),
    send: &SyncSender<Message>,
) -> Result<(), String> {
    let most = usize::try_from(shared.memory()).unwrap_or(usize::MAX);
    let mut counts: HashMap<Box<[u8]>, i64> = HashMap::new();
    let mut bytes = 0;
    let mut is_too_large = false;
    shared.scanner().scan(scan, &mut |rows| {
        let mut rest = rows;
        while !rest.is_empty() {
            cell::take(&mut rest);
            let row = rest;
            (0..width).for_each(|_| {
                cell::take(&mut rest);
            });
            let row = row.get(..row.len() - rest.len()).unwrap_or_default();
            match counts.get_mut(row) {
                Some(count) => *count += 1,
                None => {
                    bytes += row.len() + 64;
                    counts.insert(row.into(), 1);
                }
            }
        }
        is_too_large = bytes > most;
        match is_too_large {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    if is_too_large {
        return Err("the groups need more memory than --memory allows".to_owned());
    }
    let mut rows: Vec<(Box<[u8]>, i64)> = counts.into_iter().collect();
    rows.sort_by_cached_key(|(row, _)| key(row, groups));
    let mut piece = Vec::new();
    for (row, count) in rows {
        cell::integer(&mut piece, count);
        piece.extend_from_slice(&row);
    }
    // If nobody receives it, the query is done.
    let _sent = send.send(Message::Rows(piece));
    Ok(())
}

/// Returns some cells of a row.
fn key(row: &[u8], places: &[usize]) -> Vec<u8> {
    let mut rest = row;
    let mut cells = Vec::new();
    while !rest.is_empty() {
        let before = rest;
        cell::take(&mut rest);
        cells.push(before.get(..before.len() - rest.len()).unwrap_or_default());
    }
    let chosen = places.iter().filter_map(|place| cells.get(*place).copied());
    chosen.flatten().copied().collect()
}
