//! Files, directories and containers.

use hashbrown::HashMap;

use super::processes::{bytes, container, names, text};
use super::{Cell, Row, Subject};
use crate::state::{Mounts, Text};
use crate::stats::tally::{FileKey, FileTally, Io, Tally, Whose};

/// Returns what is shown of whose file it is: the container or the mount namespace, nothing for the machine's own; in a
/// merged capture, with the recording. `of` is the container of a process that used the file.
fn whose(tally: &Tally, whose: &Whose, of: Option<&Text>) -> Cell {
    let mounts = match &whose.mounts {
        Mounts::Host => Cell::Empty,
        Mounts::Namespace(number) if of.is_none() => {
            text(&format!("mntns {number}").into_bytes().into())
        }
        Mounts::Namespace(_) => container(tally, of),
        Mounts::Container(id) => container(tally, Some(id)),
        Mounts::Unknown => Cell::Word("?"),
    };
    match (whose.origin, mounts) {
        (None, mounts) => mounts,
        (Some(origin), Cell::Text(mounts)) => {
            let mut both = format!("{}: ", origin.0).into_bytes();
            both.extend_from_slice(&mounts);
            text(&both.into())
        }
        (Some(origin), Cell::Word(mounts)) => {
            text(&format!("{}: {mounts}", origin.0).into_bytes().into())
        }
        (Some(origin), _) => Cell::Id(origin.0.into()),
    }
}

/// Whether paths are of several machines or mount namespaces, which the filters of rows then tell apart.
fn is_of_several(tally: &Tally) -> bool {
    let mut keys = tally.files.keys();
    let Some(first) = keys.next() else {
        return false;
    };
    keys.any(|key| key.whose != first.whose)
}

pub(super) fn files(tally: &Tally) -> Vec<Row> {
    let several = is_of_several(tally);
    let row = |(key, file): (&FileKey, &FileTally)| Row {
        cells: vec![
            Cell::Count(file.events),
            Cell::Bytes(file.io.bytes_in),
            Cell::Bytes(file.io.bytes_out),
            Cell::Count(file.opens),
            Cell::Count(file.failed),
            Cell::Count(file.changes),
            Cell::Duration(file.time_ns),
            names(&file.users),
            whose(tally, &key.whose, file.container.as_ref()),
            text(&key.path),
        ],
        subject: Subject::File(Text::clone(&key.path), several.then(|| key.whose.clone())),
        depth: 0,
        life: Some((file.seen, false, false)),
    };
    tally.files.iter().map(row).collect()
}

/// The sums of the files of a directory.
#[derive(Default)]
struct Sum {
    container: Option<Text>,
    files: u64,
    io: Io,
    opens: u64,
    failed: u64,
    changes: u64,
    time_ns: u64,
}

pub(super) fn directories(tally: &Tally) -> Vec<Row> {
    let several = is_of_several(tally);
    let mut sums: HashMap<(&[u8], &Whose), Sum> = HashMap::new();
    for (key, file) in &tally.files {
        let Some(directory) = directory_of(&key.path) else {
            continue;
        };
        let sum = sums.entry((directory, &key.whose)).or_default();
        if sum.container.is_none() {
            sum.container.clone_from(&file.container);
        }
        sum.files += 1;
        sum.io.add(file.io);
        sum.opens += file.opens;
        sum.failed += file.failed;
        sum.changes += file.changes;
        sum.time_ns = sum.time_ns.saturating_add(file.time_ns);
    }
    let row = |((path, of), sum): ((&[u8], &Whose), Sum)| Row {
        cells: vec![
            Cell::Count(sum.files),
            Cell::Bytes(sum.io.bytes_in),
            Cell::Bytes(sum.io.bytes_out),
            Cell::Count(sum.opens),
            Cell::Count(sum.failed),
            Cell::Count(sum.changes),
            Cell::Duration(sum.time_ns),
            whose(tally, of, sum.container.as_ref()),
            Cell::Text(path.into()),
        ],
        subject: Subject::Directory(path.into(), several.then(|| of.clone())),
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
