//! Files, directories and containers.

use hashbrown::HashMap;

use super::processes::{bytes, names, text};
use super::{Cell, Row, Subject};
use crate::state::Text;
use crate::stats::tally::{FileTally, Io, Tally};

pub(super) fn files(tally: &Tally) -> Vec<Row> {
    let row = |(path, file): (&Text, &FileTally)| Row {
        cells: vec![
            Cell::Count(file.events),
            Cell::Bytes(file.io.bytes_in),
            Cell::Bytes(file.io.bytes_out),
            Cell::Count(file.opens),
            Cell::Count(file.failed),
            Cell::Count(file.changes),
            Cell::Duration(file.time_ns),
            names(&file.users),
            text(path),
        ],
        subject: Subject::File(Text::clone(path)),
        depth: 0,
        life: Some((file.seen, false, false)),
    };
    tally.files.iter().map(row).collect()
}

/// The sums of the files of a directory.
#[derive(Default)]
struct Sum {
    files: u64,
    io: Io,
    opens: u64,
    failed: u64,
    changes: u64,
    time_ns: u64,
}

pub(super) fn directories(tally: &Tally) -> Vec<Row> {
    let mut sums: HashMap<&[u8], Sum> = HashMap::new();
    for (path, file) in &tally.files {
        let Some(directory) = directory_of(path) else {
            continue;
        };
        let sum = sums.entry(directory).or_default();
        sum.files += 1;
        sum.io.add(file.io);
        sum.opens += file.opens;
        sum.failed += file.failed;
        sum.changes += file.changes;
        sum.time_ns = sum.time_ns.saturating_add(file.time_ns);
    }
    let row = |(path, sum): (&[u8], Sum)| Row {
        cells: vec![
            Cell::Count(sum.files),
            Cell::Bytes(sum.io.bytes_in),
            Cell::Bytes(sum.io.bytes_out),
            Cell::Count(sum.opens),
            Cell::Count(sum.failed),
            Cell::Count(sum.changes),
            Cell::Duration(sum.time_ns),
            Cell::Text(path.into()),
        ],
        subject: Subject::Directory(path.into()),
        depth: 0,
        life: None,
    };
    sums.into_iter().map(row).collect()
}

/// Returns the directory of a file; `None` for names that are not paths.
fn directory_of(path: &[u8]) -> Option<&[u8]> {
    if !path.starts_with(b"/") {
        return None;
    }
    match memchr::memrchr(b'/', path)? {
        0 => Some(b"/"),
        slash => path.get(..slash),
    }
}

pub(super) fn containers(tally: &Tally) -> Vec<Row> {
    let mut processes: HashMap<&[u8], u64> = HashMap::new();
    for process in tally.processes.values().filter(|p| p.seen.is_some()) {
        let id = process.container.as_ref().map_or(&b""[..], |id| id);
        *processes.entry(id).or_insert(0) += 1;
    }
    let rows = tally.containers.iter().map(|(id, container)| Row {
        cells: vec![
            if id.is_empty() {
                Cell::Word("host")
            } else {
                text(id)
            },
            text(&container.name),
            text(&container.image),
            text(&container.pod),
            Cell::Count(processes.get(&**id).copied().unwrap_or(0)),
            Cell::Count(container.events),
            Cell::Count(container.failed),
            bytes(container.file),
            bytes(container.net),
        ],
        subject: Subject::Container(Text::clone(id)),
        depth: 0,
        life: Some((container.seen, false, false)),
    });
    rows.collect()
}
