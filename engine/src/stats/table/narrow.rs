//! Drill-down: the filters of rows and cells.
//!
//! Values are escaped so that any bytes make a valid filter. Texts from captures have no NUL, which
//! filters cannot contain; a text with one is truncated there. Texts at the length limit may have
//! been truncated, so they are matched as a prefix.

use super::{Cell, Column, Subject, TILES, View};
use crate::event::text::escape_exact;
use crate::event::waits;
use crate::fields::{self, attributes::Narrow};
use crate::filter::ast::{Op, condition, written};
use crate::replay::Span;
use crate::state::{Mounts, Text};
use crate::stats::tally::{TEXT, Tally, TileSet, UNKNOWN_CONTAINER, Whose};

/// The drill-down of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowed {
    /// Its label, escaped: `process 1234`.
    pub label: String,
    /// The filter; empty = none.
    pub filter: String,
    /// The view that shows it.
    pub view: View,
    /// The time range, if it has one.
    pub span: Option<Span>,
}

/// Returns the drill-down of a row's subject.
pub fn narrowed(subject: &Subject) -> Narrowed {
    if let Subject::Leads(narrowed) = subject {
        return (**narrowed).clone();
    }
    let (label, filter, view) = match subject {
        Subject::Process(key) => {
            let start = match key.start {
                0 => "not proc.pid.ts exists".to_owned(),
                start => format!("proc.pid.ts = {start}"),
            };
            let origin = key.origin.map(|id| format!(" and evt.origin = {}", id.0));
            let origin = origin.unwrap_or_default();
            (
                format!("process {}", key.pid),
                format!("proc.pid = {} and {start}{origin}", key.pid),
                View::Events,
            )
        }
        Subject::File(path, whose) => (
            label("file", path),
            at_path(path) + &of(whose.as_ref()),
            View::Events,
        ),
        Subject::Directory(path, whose) => (
            label("directory", path),
            in_directory(path) + &of(whose.as_ref()),
            View::Files,
        ),
        Subject::Connection(name) => {
            let filter = on_any_connection(&[Text::clone(name)]);
            (label("connection", name), filter, View::Events)
        }
        Subject::Port(port) => (format!("port {port}"), at_port(*port), View::Connections),
        Subject::Call(name) => (label("call", name), is("evt.type", name), View::Events),
        Subject::Error(errno, call, comm) => {
            let result = errno.checked_neg().unwrap_or(i64::MIN);
            let name = crate::event::errno_name(result).map_or_else(
                || result.to_string(),
                |name| String::from_utf8_lossy(name).into_owned(),
            );
            let who = match &**comm {
                b"" => "(proc.name = <NA> or not proc.name exists)".to_owned(),
                comm => is("proc.name", comm),
            };
            let filter = format!(
                "evt.rawres = {result} and {} and {who}",
                is("evt.type", call)
            );
            (label(&format!("{name} of"), call), filter, View::Events)
        }
        // What was waited for is no value of a field: these are the waits of the process in this call.
        Subject::Waits(key) => (
            label(
                &format!("waits of process {} in", key.process.pid),
                &key.call,
            ),
            format!(
                "{} and {} and evt.latency >= {}",
                narrowed(&Subject::Process(key.process)).filter,
                is("evt.type", &key.call),
                waits::LEAST_NS
            ),
            View::Events,
        ),
        Subject::Container(id) if id.is_empty() => (
            "the host".to_owned(),
            "container.id = host".to_owned(),
            View::Processes,
        ),
        Subject::Container(id) if **id == *UNKNOWN_CONTAINER => (
            "containers not known".to_owned(),
            "not container.id exists".to_owned(),
            View::Processes,
        ),
        Subject::Container(id) => (
            label("container", id),
            is("container.id", id),
            View::Processes,
        ),
        Subject::Event(num) => (
            format!("event {num}"),
            format!("evt.num = {num}"),
            View::Events,
        ),
        Subject::Tile(at) => match TILES.get(*at) {
            Some(tile) => (
                tile.title.to_owned(),
                format!("({})", tile.filter),
                tile.view,
            ),
            None => (String::new(), String::new(), View::Overview),
        },
        // The events of alerts are known to who has the alerts.
        Subject::Alerts(_) => ("alerts".to_owned(), String::new(), View::AlertList),
        Subject::Range(_) | Subject::Leads(_) => {
            ("a time range".to_owned(), String::new(), View::Events)
        }
    };
    let span = match subject {
        Subject::Range(span) => Some(*span),
        _ => None,
    };
    Narrowed {
        label,
        filter,
        view,
        span,
    }
}

/// Limits of the objects in the drill-down of a tile, and of its length in bytes.
const MOST_OBJECTS: usize = 1000;
const LONGEST_FILTER: usize = 64 << 10;

/// Returns the drill-down of a tile by a complete tally: its events, and all others of the files,
/// connections or processes that they used. Of a file that was opened, a tile only has the `open`; what
/// was read and written counts, too.
pub fn narrowed_tile(at: usize, tally: &Tally) -> Narrowed {
    let calls = narrowed(&Subject::Tile(at));
    let is_in = |tiles: TileSet| tiles >> at & 1 == 1;
    let files = || tally.files.iter().filter(|(_, f)| is_in(f.tiles));
    let connections = || tally.connections.iter().filter(|(_, c)| is_in(c.tiles));
    let objects = match calls.view {
        View::Files if files().count() <= MOST_OBJECTS => {
            let mut paths: Vec<Text> = files().map(|(key, _)| Text::clone(&key.path)).collect();
            paths.sort();
            paths.dedup();
            at_any_path(&paths)
        }
        View::Connections if connections().count() <= MOST_OBJECTS => {
            let names = connections().map(|(key, _)| Text::clone(&key.name));
            let mut names: Vec<Text> = names.collect();
            names.sort();
            names.dedup();
            on_any_connection(&names)
        }
        View::Ports if connections().count() <= MOST_OBJECTS => {
            let servers = connections().filter_map(|(_, c)| c.ends.map(|ends| ends.1).or(c.bound));
            let mut ports: Vec<u16> = servers.map(|server| server.port()).collect();
            ports.sort_unstable();
            ports.dedup();
            ports
                .into_iter()
                .map(at_port)
                .collect::<Vec<_>>()
                .join(" or ")
        }
        View::Processes => {
            let processes = tally.processes.iter().filter(|(_, p)| is_in(p.tiles));
            let mut keys: Vec<_> = processes.map(|(key, _)| *key).collect();
            keys.sort();
            keys.truncate(MOST_OBJECTS + 1);
            let of = |key| format!("({})", narrowed(&Subject::Process(key)).filter);
            let filters = keys.iter().filter(|_| keys.len() <= MOST_OBJECTS);
            filters.map(|key| of(*key)).collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    };
    if tally.tiles.get(at).is_none_or(|tile| tile.count == 0) {
        return calls;
    }
    if objects.is_empty() || objects.len() > LONGEST_FILTER {
        return only_calls(calls);
    }
    Narrowed {
        filter: format!("({} or {objects})", calls.filter),
        ..calls
    }
}

/// Says of the drill-down of a tile to objects that it has only the events of the tile.
pub fn only_calls(calls: Narrowed) -> Narrowed {
    if !matches!(
        calls.view,
        View::Files | View::Connections | View::Ports | View::Processes
    ) {
        return calls;
    }
    Narrowed {
        label: format!("{}: only these calls", calls.label),
        ..calls
    }
}

/// Returns the name of a kind of thing and the escaped name of the thing.
pub fn label(kind: &str, name: &[u8]) -> String {
    let mut out = format!("{kind} ").into_bytes();
    escape_exact(&mut out, name);
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns the condition that a field has a value, or starts with it if it may have been truncated.
pub fn is(field: &str, value: &[u8]) -> String {
    let is_cut = value.len() >= TEXT || value.contains(&0);
    let op = if is_cut { Op::StartsWith } else { Op::Eq };
    condition(field, op, before_nul(value))
}

fn before_nul(value: &[u8]) -> &[u8] {
    value.split(|b| *b == 0).next().unwrap_or_default()
}

/// Returns the condition that a field has one of these values.
fn any_of(field: &str, values: &[Text]) -> String {
    let is_exact = |value: &&Text| value.len() < TEXT && !value.contains(&0);
    let (exact, others): (Vec<&Text>, Vec<&Text>) = values.iter().partition(is_exact);
    let mut parts: Vec<String> = others.into_iter().map(|value| is(field, value)).collect();
    match &exact[..] {
        [] => {}
        [one] => parts.push(is(field, one)),
        several => {
            let list: Vec<String> = several.iter().map(|value| written(value)).collect();
            parts.push(format!("{field} in ({})", list.join(", ")));
        }
    }
    match &parts[..] {
        [one] => one.clone(),
        _ => format!("({})", parts.join(" or ")),
    }
}

/// Returns the condition that an event uses a file, by fd or by path, or a connection.
fn at_path(path: &[u8]) -> String {
    at_any_path(&[path.into()])
}

/// Returns the condition, to be added, that paths name files of this mount namespace and recording.
fn of(whose: Option<&Whose>) -> String {
    let Some(Whose { mounts, origin }) = whose else {
        return String::new();
    };
    let mounts = match mounts {
        // Captures of other programs do not have namespaces.
        Mounts::Host => "(proc.is_in_host_mntns = true or \
                         (not proc.mntns exists and container.id = host))"
            .to_owned(),
        Mounts::Namespace(number) => format!("proc.mntns = {number}"),
        Mounts::Container(id) => is("container.id", id),
        Mounts::Unknown => "not proc.mntns exists".to_owned(),
    };
    let origin = origin.map(|id| format!(" and evt.origin = {}", id.0));
    format!(" and {mounts}{}", origin.unwrap_or_default())
}

fn at_any_path(paths: &[Text]) -> String {
    let fields = [
        "fd.name",
        "fs.path.name",
        "fs.path.source",
        "fs.path.target",
    ];
    match paths {
        [] => String::new(),
        _ => format!("({})", fields.map(|f| any_of(f, paths)).join(" or ")),
    }
}

/// Returns the condition that an event uses a connection. A failed connect leaves no name on its fd.
fn on_any_connection(names: &[Text]) -> String {
    match names {
        [] => String::new(),
        _ => format!(
            "({} or (evt.type = connect and {}))",
            any_of("fd.name", names),
            any_of("evt.arg.tuple", names)
        ),
    }
}

/// Returns the condition that an event uses a file in a directory. Calls by path also match in its
/// subdirectories.
fn in_directory(path: &[u8]) -> String {
    let mut below = before_nul(path).to_vec();
    if !below.ends_with(b"/") {
        below.push(b'/');
    }
    let paths = ["fs.path.name", "fs.path.source", "fs.path.target"];
    let paths = paths.map(|field| condition(field, Op::StartsWith, &below));
    format!("({} or {})", is("fd.directory", path), paths.join(" or "))
}

/// Returns the condition that an event uses a connection to a port. A failed connect leaves no name
/// on its fd.
fn at_port(port: u16) -> String {
    format!(
        "(fd.sport = {port} or (evt.type = connect and evt.failed = true and \
         fd.type in (ipv4, ipv6) and evt.arg.tuple endswith :{port}))"
    )
}

/// Returns the condition that matches events with the value of a cell, if there is one.
pub fn cell_condition(column: &Column, cell: &Cell) -> Option<String> {
    let field = column.field?;
    let narrow = fields::lookup(field).map_or(Narrow::Equal, |f| f.info.attributes.narrow);
    Some(match (narrow, cell) {
        (Narrow::OrNumber(id), Cell::Text(number)) if is_number(number) => is(id, number),
        (Narrow::OrNumber(id), Cell::Id(number)) => format!("{id} = {number}"),
        (Narrow::Or(other), Cell::Text(text)) => {
            format!("({} or {})", is(field, text), is(other, text))
        }
        (Narrow::CommandLine, Cell::Text(line)) => format!(
            "({} or ({} and {}))",
            is(field, line),
            condition("proc.exe", Op::Eq, b""),
            is("proc.cmdline", line)
        ),
        (Narrow::Path, Cell::Text(path)) => at_path(path),
        (Narrow::Directory, Cell::Text(path)) => in_directory(path),
        (Narrow::ServerPort, Cell::Id(port)) => at_port(u16::try_from(*port).ok()?),
        (_, Cell::Empty | Cell::Hundredths(_) | Cell::Rendered(_) | Cell::Timed(..)) => {
            return None;
        }
        (_, Cell::List(texts, _)) => any_of(field, texts),
        (_, Cell::Text(text)) => is(field, text),
        (_, Cell::Word(word) | Cell::Ranked(_, word)) => is(field, word.as_bytes()),
        (_, Cell::Id(id)) => format!("{field} = {id}"),
        (_, Cell::Count(n) | Cell::Bytes(n) | Cell::Duration(n) | Cell::Time(n)) => {
            format!("{field} = {n}")
        }
    })
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scap_capture_format::native::OriginId;

    use crate::filter::Filter;
    use crate::stats::tally::ProcessKey;

    #[test]
    fn any_bytes_make_a_filter_and_a_label_that_is_safe_to_print() {
        let all: Vec<u8> = (1..=255).collect();
        let long = vec![b'x'; 2 * TEXT];
        let texts: [&[u8]; 9] = [
            b"",
            b"plain",
            b"it's \"quoted\" \\ (and) , = in",
            b"exists",
            b"\x1b[2J\r\n",
            "\u{202e}\u{65e5}".as_bytes(),
            b"\xff\xfe",
            &all,
            &long,
        ];
        for text in texts {
            let text: Text = text.into();
            let key = ProcessKey {
                pid: -1,
                start: 0,
                origin: None,
            };
            for subject in [
                Subject::Process(key),
                Subject::File(Text::clone(&text), None),
                Subject::Directory(Text::clone(&text), Some(Whose::default())),
                Subject::File(
                    Text::clone(&text),
                    Some(Whose {
                        mounts: Mounts::Container(Text::clone(&text)),
                        origin: Some(OriginId(3)),
                    }),
                ),
                Subject::Connection(Text::clone(&text)),
                Subject::Call(b"openat"[..].into()),
                Subject::Error(i64::MIN, b"read"[..].into(), Text::clone(&text)),
                Subject::Container(Text::clone(&text)),
            ] {
                let narrowed = narrowed(&subject);
                if let Err(error) = Filter::parse(&narrowed.filter) {
                    panic!("{}: {error}", narrowed.filter);
                }
                assert!(!narrowed.label.chars().any(char::is_control));
                assert!(!narrowed.filter.chars().any(char::is_control));
            }
        }
    }

    #[test]
    fn a_nul_and_what_is_cut_are_looked_for_by_their_beginnings() {
        assert_eq!(is("fd.name", b"/a\0b"), "fd.name startswith /a");
        assert_eq!(is("fd.name", b"/a"), "fd.name = /a");
        let long = is("fd.name", &[b'x'; TEXT]);
        assert!(long.starts_with("fd.name startswith xxx"));
    }

    #[test]
    fn what_a_cell_stands_for_decides_its_condition() {
        let condition = |field, cell: Cell| {
            let column = Column {
                field,
                ..Column::new("", 0, "")
            };
            cell_condition(&column, &cell)
        };
        let text = |t: &[u8]| Cell::Text(t.into());
        assert_eq!(condition(None, Cell::Id(1)), None);
        assert_eq!(condition(Some("proc.pid"), Cell::Empty), None);
        let is = |field, cell, text: &str| assert_eq!(condition(Some(field), cell).unwrap(), text);
        is("proc.pid", Cell::Id(-1), "proc.pid = -1");
        is("user.name", text(b"65534"), "user.uid = 65534");
        is("user.name", text(b"root"), "user.name = root");
        is("evt.res", Cell::Word("ENOENT"), "evt.res = ENOENT");
        is("evt.res", Cell::Id(-4000), "evt.rawres = -4000");
        is("proc.name", text(b"a b"), "proc.name = \"a b\"");
        is(
            "proc.exeline",
            text(b"/bin/sh /tmp/x"),
            "(proc.exeline = \"/bin/sh /tmp/x\" or \
             (proc.exe = \"\" and proc.cmdline = \"/bin/sh /tmp/x\"))",
        );
    }
}
