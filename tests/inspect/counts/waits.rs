//! Programs that wait.

use super::*;

/// A program that hangs: in polls of a server that does not answer, and for ever in a lock.
fn hangs() -> Vec<TestEvent> {
    const TID: i64 = 600;
    let (fd, ok, id) = (i64b(4), i64b(0), i64b(TID));
    let end = |ip: [u8; 4], port: u16| [&ip[..], &port.to_le_bytes()].concat();
    let tuple = [
        &[2][..],
        &end([10, 0, 0, 5], 40_000),
        &end([8, 8, 8, 8], 53),
    ]
    .concat();
    let waited = |mut event: TestEvent, ms: u64| {
        event.latency = Some(ms * 1_000_000);
        event
    };
    let list = [&1_u16.to_le_bytes()[..], &fd, &[0, 0]].concat();
    let poll = |at: u64| {
        let given: &[(&str, &[u8])] = &[("res", &ok), ("fds", &list)];
        waited(call(at, TID, types::SYSCALL_POLL_X, given), 2000)
    };
    let given: &[(&str, &[u8])] = &[
        ("res", &ok),
        ("exe", b"host\0"),
        ("tid", &id),
        ("pid", &id),
        ("ptid", &i64b(1)),
        ("comm", b"host\0"),
    ];
    let lock = 0x5000_u64.to_le_bytes();
    let mut futex = waited(
        call(9000, TID, types::SYSCALL_FUTEX_X, &[("addr", &lock)]),
        900,
    );
    futex.flags = EventFlags::IN_FLIGHT;
    let opens: &[(&str, &[u8])] = &[("fd", &fd), ("domain", &u32b(2)), ("type", &u32b(2))];
    let connects: &[(&str, &[u8])] = &[("res", &ok), ("tuple", &tuple), ("fd", &fd)];
    let mut short = poll(8200);
    short.latency = Some(1000);
    vec![
        call(1, TID, types::SYSCALL_EXECVE_19_X, given),
        call(2, TID, types::SOCKET_SOCKET_X, opens),
        call(3, TID, types::SOCKET_CONNECT_X, connects),
        poll(2003),
        poll(4003),
        poll(6003),
        poll(8003),
        short,
        waited(raw(8300, TID, "clock_nanosleep", 0, &[]), 90),
        futex,
    ]
}

#[test]
fn a_program_that_hangs_is_seen_to_wait() {
    let dir = tempfile::tempdir().unwrap();
    for in_one in [7, 2] {
        let path = file(
            dir.path(),
            "hangs.scap",
            &crate::common::write(&hangs(), in_one, true),
        );
        let tally = counted(&path, "");
        let shown = table(View::Waits, &tally).unwrap();
        let rows: Vec<String> = shown
            .rows
            .iter()
            .map(|row| {
                row.cells
                    .iter()
                    .map(|cell| match cell {
                        Cell::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        Cell::Duration(ns) => format!("{}ms", ns / 1_000_000),
                        Cell::Count(n) => n.to_string(),
                        Cell::Id(n) => n.to_string(),
                        _ => "-".to_owned(),
                    })
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        assert_eq!(
            rows,
            [
                "8000ms 2000ms 4 4 0 host 600 poll 4(<4u>10.0.0.5:40000->8.8.8.8:53)",
                "900ms 900ms 1 0 1 host 600 futex futex 0x5000",
                "90ms 90ms 1 0 0 host 600 clock_nanosleep -",
            ]
        );
        let host = tally
            .processes
            .iter()
            .find(|(key, _)| key.pid == 600)
            .unwrap()
            .1;
        assert_eq!(host.waited_ns / 1_000_000, 8990);
        let at = TILES
            .iter()
            .position(|tile| tile.view == View::Waits)
            .unwrap();
        assert_eq!(tally.tiles[at].count, 4);
        rows_are_what_their_filters_find(&path, 1000);
    }
}
