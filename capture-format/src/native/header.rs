//! The header section: machine, program, schema.

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::event::Timestamp;
use crate::schema::{
    DYN_TABLES, EVENTS, EventInfo, EventType, ParamDetail, SourceCategory, flags, syscall,
};

/// The option, name and value, of captures with two events per call, enter and exit, which are converted from .scap
/// files.
const EVENT_MODEL: (&str, &str) = ("event-model", "enter-exit");

/// Body of the header section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The machine.
    pub machine: MachineInfo,
    /// Name and version of the program that wrote the file (`scap 0.1.0`).
    pub writer: String,
    /// Options of the program as (name, value), as on its command line.
    pub options: Vec<(String, String)>,
    /// Most bytes kept of a data parameter; 0 = no limit.
    pub snaplen: u32,
    /// When the capture began.
    pub start: Timestamp,
    /// The schema of the events.
    pub schema: SchemaDescription,
    /// Room for later versions.
    pub extra: Extra,
}

impl Header {
    /// Whether calls have two events, enter and exit, as in older .scap files.
    pub fn is_paired(&self) -> bool {
        self.option(EVENT_MODEL.0) == Some(EVENT_MODEL.1)
    }

    /// Records that calls have two events, enter and exit.
    pub fn set_paired(&mut self) {
        let (name, value) = EVENT_MODEL;
        self.options.push((name.to_owned(), value.to_owned()));
    }

    /// Whether the recorder had a filter: then events are missing that no loss report counts.
    pub fn has_recorder_filter(&self) -> bool {
        self.option("filter").is_some()
    }

    /// Whether the recorder left out calls of the threads that it recorded, by a filter, by syscall or by name.
    pub fn lacks_calls(&self) -> bool {
        ["filter", "syscall", "comm"]
            .iter()
            .any(|name| self.option(name).is_some())
    }

    fn option(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| &**value)
    }
}

/// Properties of the recorded machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineInfo {
    /// Host name.
    pub host_name: String,
    /// Kernel release (`uname -r`).
    pub kernel_release: String,
    /// Kernel version (`uname -v`).
    pub kernel_version: String,
    /// Architecture (`uname -m`); decides what syscall numbers mean.
    pub arch: String,
    /// The kernel's random boot id; the same in all captures of one boot.
    pub boot_id: String,
    /// Distribution (`PRETTY_NAME` of os-release).
    pub os: String,
    /// CPUs online.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// When the machine booted.
    pub boot_time: Timestamp,
    /// Offset of wall-clock time from `CLOCK_BOOTTIME` when the capture began, in nanoseconds.
    pub boot_to_real_ns: i64,
    /// Offset of wall-clock time from `CLOCK_MONOTONIC` when the capture began, in nanoseconds.
    pub monotonic_to_real_ns: i64,
    /// Local time minus UTC in seconds when the capture began.
    pub utc_offset_s: i32,
    /// Name of the time zone (`Europe/Berlin`), empty if unknown.
    pub time_zone: String,
    /// Page size in bytes.
    pub page_size: u32,
    /// Clock ticks per second.
    pub hz: u32,
    /// Room for later versions.
    pub extra: Extra,
}

/// The event schema with which a file was written: it describes events that a reader's own tables lack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaDescription {
    /// The event types, ordered by number.
    pub events: Vec<EventDescription>,
    /// The flag tables referred to by parameters: (name, entries in print order).
    pub flag_tables: Vec<(String, Vec<(String, u64)>)>,
    /// The tables of dynamic variants: (name, (parameter type, print format) by variant index).
    pub dyn_tables: Vec<(String, Vec<(u8, u8)>)>,
    /// The syscall names: (code, name, number on x86_64 and aarch64).
    pub syscalls: Vec<SyscallDescription>,
    /// Room for later versions.
    pub extra: Extra,
}

/// One event type of a [`SchemaDescription`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDescription {
    /// The number.
    pub ty: EventType,
    /// The event name.
    pub name: String,
    /// Sum of category numbers, as in falcosecurity's table.
    pub category: u16,
    /// Flag bits.
    pub flags: u32,
    /// Index of the parameter with the fd.
    pub fd_param: Option<u8>,
    /// The parameters.
    pub params: Vec<ParamDescription>,
}

/// One parameter of an [`EventDescription`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamDescription {
    /// The name.
    pub name: String,
    /// Parameter type number.
    pub ty: u8,
    /// Print format number.
    pub format: u8,
    /// Name of the flag table or of the table of dynamic variants, or empty.
    pub table: String,
    /// Index of the parameter with the directory fd.
    pub dir_fd: Option<u8>,
}

/// One syscall of a [`SchemaDescription`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyscallDescription {
    /// falcosecurity's code (`PPM_SC_*`); 0 = none.
    pub ppm_sc: u16,
    /// The name.
    pub name: String,
    /// Number on x86_64.
    pub nr_x86_64: Option<u16>,
    /// Number on aarch64.
    pub nr_aarch64: Option<u16>,
    /// Argument names.
    pub args: Vec<String>,
}

impl SchemaDescription {
    /// Describes this crate's whole schema.
    pub fn full() -> Self {
        let entry = |e: &(&str, u64)| (e.0.to_owned(), e.1);
        Self {
            flag_tables: flags::ALL
                .iter()
                .map(|t| (t.name.to_owned(), t.entries.iter().map(entry).collect()))
                .collect(),
            dyn_tables: DYN_TABLES
                .iter()
                .map(|t| {
                    let variants = t
                        .variants
                        .iter()
                        .map(|v| (v.ty.number(), v.format.number()));
                    (t.name.to_owned(), variants.collect())
                })
                .collect(),
            syscalls: syscall::SYSCALLS
                .iter()
                .map(|s| SyscallDescription {
                    ppm_sc: s.ppm_sc,
                    name: s.name.to_owned(),
                    nr_x86_64: s.nr_x86_64,
                    nr_aarch64: s.nr_aarch64,
                    args: s.args.iter().map(|a| a.name.to_owned()).collect(),
                })
                .collect(),
            ..Self::of_events(EVENTS.iter())
        }
    }

    /// Describes only these event types, without tables; for tests and small files.
    pub fn of_events<'a>(events: impl Iterator<Item = &'a EventInfo>) -> Self {
        Self {
            events: events.map(describe).collect(),
            ..Self::default()
        }
    }

    /// Returns the description of a type.
    pub fn event(&self, ty: EventType) -> Option<&EventDescription> {
        let found = self.events.binary_search_by_key(&ty, |e| e.ty).ok()?;
        self.events.get(found)
    }
}

fn describe(info: &EventInfo) -> EventDescription {
    let source: SourceCategory = info.source_category;
    let params = info.params.iter().map(|p| ParamDescription {
        name: p.name.to_owned(),
        ty: p.ty.number(),
        format: p.format.number(),
        table: match p.info {
            ParamDetail::Flags(t) => t.name.to_owned(),
            ParamDetail::Dyn(t) => t.name.to_owned(),
            ParamDetail::None | ParamDetail::DirFd(_) => String::new(),
        },
        dir_fd: match p.info {
            ParamDetail::DirFd(i) => Some(i),
            _ => None,
        },
    });
    EventDescription {
        ty: info.ty,
        name: info.name.to_owned(),
        category: info.category as u16 | source.bits(),
        flags: info.flags.bits(),
        fd_param: info.fd_param,
        params: params.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::codec;

    #[test]
    fn the_full_schema_is_small_and_round_trips() {
        let header = Header {
            schema: SchemaDescription::full(),
            ..Header::default()
        };
        let body = codec::encode(&header).unwrap();
        assert!(body.len() < 24_000, "{} bytes in every file", body.len());
        assert_eq!(codec::decode::<Header>(&body, 0).unwrap(), header);
        let openat = header.schema.event(EventType(307)).unwrap();
        assert_eq!(
            (openat.name.as_str(), openat.params[2].table.as_str()),
            ("openat", "")
        );
        assert_eq!(openat.params[3].table, "file_flags");
    }
}
