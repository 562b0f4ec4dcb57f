//! The account as JSON.

use serde_json::{Value as Json, json};

use super::calls::errno;
use super::{ACCEPTS, Account, Connection, KEPT, Rows};
use crate::cli::info::Alerts;
use crate::event::time;
use crate::state::Mounts;
use crate::stats::groups::Counts;

impl Account {
    /// Returns the account as an object. Texts are those of the printed account.
    pub(super) fn to_json(&self, file: &str) -> Json {
        let info = &self.info;
        let offset = info.header.machine.utc_offset_s;
        let iso = |ns| time::iso8601(ns, offset);
        let machines = match &*self.machines {
            [] => std::slice::from_ref(&info.header.machine),
            machines => machines,
        };
        let machine = |machine: &scap_capture_format::native::MachineInfo| {
            json!({
                "host_name": machine.host_name,
                "os": machine.os,
                "kernel_release": machine.kernel_release,
                "arch": machine.arch,
                "cpus": machine.cpus,
                "boot_id": machine.boot_id,
            })
        };
        let losses = info.losses.iter().map(|((cause, _), span)| {
            json!({
                "cause": cause.name(),
                "count": span.count,
                "from": iso(span.from),
                "to": iso(span.to),
            })
        });
        let busy = self.busy.ranked(|_, busy| busy.events).into_iter();
        let busy = busy.take(KEPT).map(
            |(pid, busy)| json!({ "pid": pid, "process": text(&busy.name), "events": busy.events }),
        );
        let containers = self.containers.ranked(|_, container| container.events);
        let containers = containers.into_iter().take(KEPT).map(|(id, container)| {
            json!({
                "id": text(&super::escaped(id)),
                "name": container.name.as_deref().map(text),
                "image": container.image.as_deref().map(text),
                "events": container.events,
            })
        });
        let waits = self.waits.rows();
        json!({
            "file": file,
            "machines": machines.iter().map(machine).collect::<Vec<_>>(),
            "first": info.times.map(|(first, _)| iso(first)),
            "last": info.times.map(|(_, last)| iso(last)),
            "events": info.events,
            "processes": info.processes,
            "bytes": (info.bytes > 0).then_some(info.bytes),
            "lost": {
                "total": info.lost(),
                "known": info.knows_losses(),
                "spans": losses.collect::<Vec<_>>(),
            },
            "alerts": Alerts::new(&info.alerts),
            "most_events": busy.collect::<Vec<_>>(),
            "started": list(&self.started, |started| json!({
                "time": started.time.map(iso),
                "command": text(&started.command),
                "pid": started.pid,
                "by": started.by.as_deref().map(text),
                "adopted_by": started.adopted_by.as_deref().map(text),
            })),
            "files_changed": self.changed_json(),
            "connections": connections(&self.connections),
            "local_connections": connections(&self.local),
            "ended_badly": list(&self.ended, |ended| json!({
                "time": ended.time.map(iso),
                "process": text(&ended.name),
                "pid": ended.pid,
                "status": (ended.signal == 0).then_some(ended.status),
                "signal": (ended.signal > 0).then(|| ended.signal_name()),
            })),
            "failed": self.failed_json(),
            "slowest": timed(self.slow.calls.rows().iter().map(|(ns, row)| (*ns, &**row))),
            "waits": timed(waits.iter().map(|(ns, row)| (*ns, &**row))),
            "containers": {
                "total": self.containers.len() as u64 + self.containers.omitted(),
                "rows": containers.collect::<Vec<_>>(),
            },
        })
    }

    fn changed_json(&self) -> Json {
        let changed = self.files.changed();
        let rows = changed.iter().take(KEPT).map(|((name, mounts), file)| {
            let (namespace, container) = match mounts {
                Mounts::Host | Mounts::Unknown => (None, None),
                Mounts::Namespace(number) => (Some(number), None),
                Mounts::Container(id) => (None, Some(text(&super::escaped(id)))),
            };
            let renamed = file.renamed.as_deref().map(super::escaped);
            json!({
                "path": text(&super::escaped(name)),
                "mount_namespace": namespace,
                "container": container,
                "created": file.created,
                "emptied": file.emptied,
                "bytes_written": file.written,
                "made_executable": file.made_executable,
                "removed": file.removed,
                "renamed_to": renamed.as_deref().map(text),
                "by": text(&file.by),
            })
        });
        json!({
            "total": changed.len() as u64 + changed.omitted(),
            "rows": rows.collect::<Vec<_>>(),
        })
    }

    fn failed_json(&self) -> Json {
        let errors = self.failed.by_error.ranked(|_, failures| failures.count);
        let errors = errors.into_iter().take(KEPT).map(|(error, failures)| {
            let calls = failures.calls.groups().ranked(|_, count| *count);
            let call =
                |(name, count): (&Vec<u8>, &u64)| json!({ "call": text(name), "count": count });
            json!({
                "error": errno(*error).map_or_else(|| error.to_string(), str::to_owned),
                "count": failures.count,
                "calls": calls.into_iter().map(call).collect::<Vec<_>>(),
                "example": text(&failures.example()),
            })
        });
        json!({ "total": self.failed.total, "errors": errors.collect::<Vec<_>>() })
    }
}

/// Text of the account, which is escaped.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn list<T>(rows: &Rows<T>, row: impl Fn(&T) -> Json) -> Json {
    let kept: Vec<Json> = rows.rows.iter().map(row).collect();
    json!({ "total": rows.count, "rows": kept })
}

fn connections(counts: &Counts<Connection>) -> Json {
    let rows = counts
        .groups()
        .iter()
        .take(KEPT)
        .map(|(connection, count)| {
            json!({
                "process": text(&connection.who),
                "accepted": connection.verb == ACCEPTS,
                "address": text(&connection.address),
                "error": connection.error,
                "count": count,
            })
        });
    json!({ "total": counts.total(), "rows": rows.collect::<Vec<_>>() })
}

fn timed<'r>(rows: impl Iterator<Item = (u64, &'r [u8])>) -> Vec<Json> {
    rows.map(|(ns, row)| json!({ "ns": ns, "call": text(row) }))
        .collect()
}
