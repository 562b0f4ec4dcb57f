//! What was read and written, compared with the data of the events.

use scap::event::EventExt as _;
use scap::filter::Filter;
use scap::inspect::io_stream::{Follow, IoChunk, IoStream, echo};

use super::{cut_up, each_event, go, replayer, sample, scope};

/// What reads and writes with data a filter finds, by the events alone.
fn moved(filter: &str) -> Vec<(u64, Vec<u8>)> {
    let mut filter = Filter::parse(filter).unwrap();
    let mut found = Vec::new();
    each_event(&sample(), |cx| {
        let index = cx.event.info().and_then(|info| info.io_data_param());
        let data = index.and_then(|index| cx.event.params.get(index));
        if let Some(data) = data
            && filter.matches(cx)
        {
            found.push((cx.event.num.0, data.to_vec()));
        }
    });
    found
}

fn pieces(echo: &IoStream) -> Vec<(u64, Vec<u8>)> {
    let piece = |piece: &IoChunk| (piece.num, piece.data.clone());
    echo.pieces.iter().map(piece).collect()
}

#[test]
fn an_echo_has_the_bytes_of_its_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut replayer = replayer(&cut_up(dir.path()));
    let connection = "fd.name = 127.0.0.1:38848->127.0.0.1:8080";
    for filter in ["", "evt.rawres > 0", connection, "proc.name = curl"] {
        let scope = scope(&replayer, filter);
        let echo = echo(&mut replayer, &scope, &Follow::Scope, &go()).unwrap();
        assert!(!echo.cut);
        let all = if filter.is_empty() {
            "evt.num > 0"
        } else {
            filter
        };
        assert_eq!(pieces(&echo), moved(all), "{filter}");
    }
    let scope = scope(&replayer, "");
    let mut of_fd = |num| echo(&mut replayer, &scope, &Follow::FdOf(num), &go()).unwrap();
    // The server's end of the connection, from whichever of its events; the other end has another.
    let server = moved("evt.num > 1286 and proc.name = perl and fd.num = 5");
    assert!(server.len() >= 2, "a request and an answer");
    for num in [1286, 1287, server[1].0] {
        let echo = of_fd(num);
        assert_eq!(pieces(&echo), server, "from event {num}");
        let directions: Vec<bool> = echo.pieces.iter().map(|piece| piece.read).collect();
        assert_eq!(directions[..2], [true, false]);
        assert_eq!(&*echo.pieces[0].comm, b"perl");
        // The recorder kept 80 bytes of each.
        assert_eq!((echo.pieces[1].len, echo.pieces[1].data.len()), (196, 80));
    }
    let client = of_fd(1271);
    assert_eq!(
        pieces(&client),
        moved(&format!("{connection} and proc.name = curl"))
    );
    assert_eq!(
        client.pieces[0].data, server[0].1,
        "what one sends the other gets"
    );
    // Fd 3 of this process is many files; this one is closed before the next.
    let passwd = of_fd(67);
    let names = passwd.pieces.iter().map(|piece| &*piece.name);
    assert!(names.eq(passwd.pieces.iter().map(|_| &b"/etc/passwd"[..])));
    assert_eq!(
        pieces(&passwd),
        moved("proc.pid = 25286 and fd.name = /etc/passwd and evt.num < 100")
    );
    // Inherited by `cat`: only what this process did with it.
    let messages = of_fd(1739);
    assert_eq!(pieces(&messages), moved("proc.pid = 25305 and fd.num = 2"));
}
