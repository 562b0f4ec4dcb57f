//! The output of `scap containers`.

use std::io;

use serde::Serialize;
use serde_json::Value as Json;

use super::census::{Census, Seen};
use crate::cli::output::{Output, ascii_json};
use crate::cli::table::{self, Side, UNKNOWN};
use crate::event::number::grouped;
use crate::event::{text, time};
use crate::fields::Session;
use crate::replay::OriginState;
use crate::state::ContainerInfo;

/// A container in the JSON output.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    id: String,
    full_id: Option<String>,
    name: Option<&'a str>,
    image: Option<&'a str>,
    runtime: Option<&'a str>,
    pod: Option<Pod<'a>>,
    created: Option<String>,
    #[serde(skip)]
    created_ns: Option<u64>,
    processes: usize,
    events: u64,
    first_event: Option<String>,
    last_event: Option<String>,
    #[serde(skip)]
    times: Option<(u64, u64)>,
    /// The full description by the container runtime.
    description: Option<&'a Json>,
    #[serde(skip)]
    utc_offset_s: i32,
}

/// The pod that a container is part of.
#[derive(Debug, Serialize)]
struct Pod<'a> {
    name: &'a str,
    namespace: Option<&'a str>,
    uid: Option<&'a str>,
}

/// Returns the containers in the order of their first events; those without events are last.
pub(super) fn rows<'a>(census: &'a Census, origins: &'a [OriginState]) -> Vec<Row<'a>> {
    let one = |(id, seen)| {
        // Container ids are unique. One without a description in any origin is printed as of the
        // first origin.
        let known = origins.iter().find(|o| o.state.container(id).is_some());
        let origin = known.or(origins.first())?;
        Some(row(id, seen, origin.state.container(id), &origin.session))
    };
    let mut rows: Vec<Row<'a>> = census.rows().filter_map(one).collect();
    rows.sort_by(|a, b| {
        let first = |row: &Row<'_>| row.times.map_or(u64::MAX, |(first, _)| first);
        (first(a), &a.id).cmp(&(first(b), &b.id))
    });
    rows
}

fn row<'a>(
    id: &[u8],
    seen: &'a Seen,
    info: Option<&'a ContainerInfo>,
    session: &Session,
) -> Row<'a> {
    let utc_offset_s = session.machine.utc_offset_s;
    let at = |ns: u64| time::iso8601(ns, utc_offset_s);
    let info = info.filter(|info| !info.is_incomplete());
    let text = |key: &str| info?.text(key).filter(|text| !text.is_empty());
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let full_id = text("full_id").map(str::to_owned);
    let last = seen.times.map_or(u64::MAX, |(_, last)| last);
    let created = info.and_then(|info| created(info, last)).or_else(|| {
        let boot = session.boot_time();
        (seen.began != 0 && boot != 0).then(|| boot.saturating_add(seen.began))
    });
    Row {
        id: lossy(id),
        full_id: full_id.or_else(|| seen.full_id.as_deref().map(lossy)),
        name: text("name"),
        image: text("image"),
        runtime: info.and_then(ContainerInfo::runtime).or(seen.runtime),
        pod: info.and_then(pod),
        created: created.map(at),
        created_ns: created,
        processes: seen.processes(),
        events: seen.events,
        first_event: seen.times.map(|(first, _)| at(first)),
        last_event: seen.times.map(|(_, last)| at(last)),
        times: seen.times,
        description: info.map(ContainerInfo::all),
        utc_offset_s,
    }
}

/// Returns the creation time according to the container runtime, in nanoseconds since the epoch. `last` is the time of
/// the container's last event.
fn created(info: &ContainerInfo, last: u64) -> Option<u64> {
    time::of_creation(info.json("created_time")?.as_i64()?, last)
}

fn pod(info: &ContainerInfo) -> Option<Pod<'_>> {
    let label = |name: &str| info.json("labels")?.get(name)?.as_str();
    Some(Pod {
        name: label("io.kubernetes.pod.name")?,
        namespace: label("io.kubernetes.pod.namespace"),
        uid: label("io.kubernetes.pod.uid"),
    })
}

/// Appends the containers as a table, with their event columns if `events` is set.
pub(super) fn table(out: &mut Vec<u8>, rows: &[Row<'_>], events: bool) {
    let mut head = vec![
        ("ID", Side::Left),
        ("NAME", Side::Left),
        ("IMAGE", Side::Left),
        ("RUNTIME", Side::Left),
        ("POD", Side::Left),
        ("CREATED", Side::Left),
        ("PROCESSES", Side::Right),
    ];
    if events {
        head.extend([
            ("EVENTS", Side::Right),
            ("FIRST EVENT", Side::Left),
            ("LAST EVENT", Side::Left),
        ]);
    }
    let rows: Vec<Vec<String>> = rows.iter().map(|row| cells(row, events)).collect();
    table::write(out, &head, &rows);
}

fn cells(row: &Row<'_>, events: bool) -> Vec<String> {
    let known = |text: Option<&str>| text.map_or_else(|| UNKNOWN.to_owned(), safe);
    let at = |ns: Option<u64>| {
        let to_second = |ns| time::iso8601(ns / time::NS_PER_S * time::NS_PER_S, row.utc_offset_s);
        let text = ns.map(|ns| to_second(ns).replace(".000000000", ""));
        text.unwrap_or_else(|| UNKNOWN.to_owned())
    };
    let pod = row.pod.as_ref().map(|pod| match pod.namespace {
        Some(namespace) => format!("{namespace}/{}", pod.name),
        None => pod.name.to_owned(),
    });
    let mut cells = vec![
        safe(&row.id),
        known(row.name),
        known(row.image),
        known(row.runtime),
        known(pod.as_deref()),
        at(row.created_ns),
        grouped(row.processes as u64),
    ];
    if events {
        cells.extend([
            grouped(row.events),
            at(row.times.map(|(first, _)| first)),
            at(row.times.map(|(_, last)| last)),
        ]);
    }
    cells
}

/// Escapes text from the capture for printing.
fn safe(value: &str) -> String {
    let mut out = Vec::new();
    text::escape_exact(&mut out, value.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes the containers as one JSON document.
pub(super) fn json(
    output: &mut Output,
    file: &str,
    at: Option<&str>,
    rows: &[Row<'_>],
) -> io::Result<()> {
    // One container at a time: the descriptions together can be large.
    ascii_json(
        output.buffer(),
        &format!(
            "{{\n\"file\": {},\n\"at\": {},\n\"containers\": [",
            Json::from(file),
            Json::from(at)
        ),
    );
    for (index, row) in rows.iter().enumerate() {
        let text = serde_json::to_string_pretty(row).map_err(io::Error::other)?;
        let comma = if index > 0 { ",\n" } else { "\n" };
        ascii_json(output.buffer(), comma);
        ascii_json(output.buffer(), &text);
        output.written()?;
    }
    output.buffer().extend_from_slice(b"\n]\n}\n");
    Ok(())
}
