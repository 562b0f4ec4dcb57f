//! The machine at an instant, compared with a state that followed all events.

use std::fs;

use scap::inspect::system_tables::SystemView;
use scap::inspect::system_view::system_view;
use scap::state::{FdKind, State};
use scap::stats::table::{Cell, Row};
use scap_capture_format::native::{CaptureReader, ChunkDecoder, Item, Load};
use scap_capture_format::schema::types;

use super::{cut_up, go, replayer, sample};
use crate::common::{START, event, file, i64b, u32b, write};

/// The state of the sample after its last event at or before a time.
fn state_at(time: u64) -> State {
    let source = fs::read(sample()).unwrap();
    let mut reader = CaptureReader::new(&source[..]).unwrap();
    let mut decoder = ChunkDecoder::new();
    let mut state = State::new();
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Snapshot(snapshot) => state.restore(&snapshot),
            Item::Chunk(chunk) => {
                let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
                while let Some(event) = rows.next().unwrap().filter(|event| event.ts.0 <= time) {
                    state.apply(&event);
                }
            }
            _ => {}
        }
    }
    state.settle();
    state
}

#[test]
fn a_moment_is_the_state_that_one_gets_from_the_front() {
    let dir = tempfile::tempdir().unwrap();
    let mut replayer = replayer(&cut_up(dir.path()));
    let span = replayer.capture().span().unwrap();
    let (mut most, mut called) = ((0, 0, 0), 0);
    for step in 0..=20 {
        let time = span.from - 1 + (span.len_ns() + 1) * step / 20;
        let state = state_at(time);
        let mains = || state.threads().filter(|t| t.is_main() && !t.dead);
        let mut get = |what| system_view(&mut replayer, time, what, &go()).unwrap();

        let mut expected: Vec<(i64, String)> = mains()
            .map(|t| {
                (
                    t.pid.0,
                    String::from_utf8(t.comm.as_deref().unwrap_or_default().to_vec()).unwrap(),
                )
            })
            .collect();
        expected.sort();
        let processes = get(SystemView::Processes);
        let named = |row: &Row| match (&row.cells[0], &row.cells[9]) {
            (Cell::Id(pid), Cell::Text(name)) => (*pid, String::from_utf8(name.to_vec()).unwrap()),
            (Cell::Id(pid), Cell::Empty) => (*pid, String::new()),
            other => panic!("{other:?}"),
        };
        let found: Vec<_> = processes.rows.iter().map(named).collect();
        assert_eq!(found, expected, "step {step}");

        let tree = get(SystemView::Tree);
        assert_eq!(tree.rows.len(), expected.len());
        for (index, row) in tree
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.depth > 0)
        {
            let above = tree.rows[..index].iter().rev();
            let parent = above.clone().find(|above| above.depth < row.depth).unwrap();
            assert_eq!(
                (parent.depth + 1, &row.cells[1]),
                (row.depth, &parent.cells[0])
            );
        }

        let fds = || mains().flat_map(|t| state.fds(t.tid).map(|(fd, info)| (t.pid.0, fd, info)));
        let mut expected: Vec<_> = fds()
            .map(|(pid, fd, info)| (pid, fd, info.name.clone()))
            .collect();
        expected.sort();
        let file = |row: &Row| match (&row.cells[0], &row.cells[3], &row.cells[6]) {
            (Cell::Id(pid), Cell::Id(fd), Cell::Text(name)) => (*pid, *fd, name.clone()),
            other => panic!("{other:?}"),
        };
        let files = get(SystemView::Files);
        let found: Vec<_> = files.rows.iter().map(file).collect();
        assert_eq!(found, expected, "step {step}");

        let sockets = get(SystemView::Sockets);
        let expected = fds().filter(|(.., info)| info.kind.is_inet() || info.kind == FdKind::Unix);
        assert_eq!(sockets.rows.len(), expected.count());
        let threads = get(SystemView::Threads);
        let living = state.threads().filter(|thread| !thread.dead);
        assert_eq!(threads.rows.len(), living.count());
        called += threads
            .rows
            .iter()
            .filter(|row| matches!(row.cells[4], Cell::Text(_)))
            .count();
        for row in threads
            .rows
            .iter()
            .filter(|row| row.cells[5] != Cell::Empty)
        {
            assert!(
                matches!(row.cells[5], Cell::Time(since) if since <= time),
                "{row:?}"
            );
        }
        for table in [&processes, &tree, &threads, &files, &sockets] {
            assert!(
                table
                    .rows
                    .iter()
                    .all(|row| row.cells.len() == table.columns.len())
            );
            for field in table.columns.iter().filter_map(|column| column.field) {
                assert!(scap::fields::lookup(field).is_ok(), "{field}");
            }
        }
        most = (
            most.0.max(processes.rows.len()),
            most.1
                .max(tree.rows.iter().map(|row| row.depth).max().unwrap_or(0)),
            most.2.max(sockets.rows.len()),
        );
    }
    assert!(most.0 > 2 && most.1 > 0 && most.2 > 0, "{most:?}");
    assert!(called > 20, "{called}");
}

#[test]
fn audit_events_that_were_stored_late_are_not_the_moment_at_their_time() {
    const S: u64 = 1_000_000_000;
    let close = |at| event(at, 100, types::SYSCALL_CLOSE_X, &[&i64b(0), &i64b(0)]);
    let audit = |at| event(at, -1, types::PLUGINEVENT_E, &[&u32b(1), b"{}"]);
    // The second and the third chunk begin with events from before the close in the first one's end.
    let events = [
        event(S, 100, types::SYSCALL_CLOSE_X, &[&i64b(-9), &i64b(77)]),
        close(4 * S),
        audit(2 * S),
        event(5 * S, 100, types::SYSCALL_CLOSE_X, &[&i64b(-9), &i64b(77)]),
        audit(3 * S),
        audit(2 * S),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "late.scap", &write(&events, 2, true));
    let mut replayer = replayer(&path);
    let mut has_fd = |at: u64| {
        let files = system_view(&mut replayer, START + at, SystemView::Files, &go()).unwrap();
        let is = |row: &Row| matches!((&row.cells[0], &row.cells[3]), (Cell::Id(100), Cell::Id(0)));
        files.rows.iter().any(is)
    };
    let found = [S, 2 * S, 3 * S, 4 * S - 1, 4 * S, 5 * S].map(&mut has_fd);
    assert_eq!(found, [true, true, true, true, false, false]);
}
