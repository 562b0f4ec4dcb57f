//! Event types and their descriptions.

use std::fmt;

use bitflags::bitflags;

use super::{DynTable, DynVariant, ParamDetail, ParamInfo, ParamType, PrintFormat};

include!(concat!(env!("OUT_DIR"), "/events.rs"));

/// The number of an event type, as stored in captures.
///
/// Any value can occur in a file: numbers above the table belong to newer writers and have no
/// [`event_info`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct EventType(pub u16);

impl EventType {
    /// Whether this is an enter event (even number, printed `>`). Events that are no syscall use
    /// the even number too.
    pub const fn is_enter(self) -> bool {
        self.0 & 1 == 0
    }

    /// Whether this is an exit event (odd number, printed `<`).
    pub const fn is_exit(self) -> bool {
        self.0 & 1 == 1
    }

    /// Returns the enter type of the pair this type belongs to.
    pub const fn enter(self) -> Self {
        Self(self.0 & !1)
    }

    /// Returns the exit type of the pair this type belongs to.
    pub const fn exit(self) -> Self {
        Self(self.0 | 1)
    }

    /// Returns the description of the type, or `None` if it is newer than this table.
    #[inline]
    pub fn info(self) -> Option<&'static EventInfo> {
        event_info(self)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.info() {
            Some(info) => f.write_str(info.name),
            None => write!(f, "event-type-{}", self.0),
        }
    }
}

/// What kind of activity an event is; the low part of the upstream category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum Category {
    /// Unknown.
    Unknown = 0,
    /// No better category.
    Other = 1,
    /// File system operations.
    File = 2,
    /// Network operations.
    Net = 3,
    /// Inter-process communication.
    Ipc = 4,
    /// Memory management.
    Memory = 5,
    /// Process creation and end.
    Process = 6,
    /// Sleeping and waiting.
    Sleep = 7,
    /// System-wide settings.
    System = 8,
    /// Signals.
    Signal = 9,
    /// Users and groups.
    User = 10,
    /// Time.
    Time = 11,
    /// User-space processing.
    Processing = 12,
    /// Input from an fd.
    IoRead = 32,
    /// Output to an fd.
    IoWrite = 33,
    /// Other I/O on an fd.
    IoOther = 34,
}

bitflags! {
    /// Where an event comes from; the high part of the upstream category.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct SourceCategory: u16 {
        /// The call can block.
        const WAIT = 64;
        /// From the scheduler.
        const SCHEDULER = 128;
        /// Hidden from listings unless asked for.
        const INTERNAL = 256;
        /// A syscall.
        const SYSCALL = 512;
        /// A kernel tracepoint.
        const TRACEPOINT = 1024;
        /// A plugin.
        const PLUGIN = 2048;
        /// Made by the capturing program.
        const METAEVENT = 4096;
        /// A BPF iterator over existing state.
        const ITER = 8192;
    }
}

bitflags! {
    /// Properties of an event type (upstream `EF_*`, same values).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct EventTypeFlags: u32 {
        /// Creates an fd.
        const CREATES_FD = 1;
        /// Destroys an fd.
        const DESTROYS_FD = 2;
        /// Operates on an fd.
        const USES_FD = 4;
        /// Reads from an fd.
        const READS_FROM_FD = 8;
        /// Writes to an fd.
        const WRITES_TO_FD = 16;
        /// Changes state that later events depend on.
        const MODIFIES_STATE = 32;
        /// The number is reserved, no such event exists.
        const UNUSED = 64;
        /// The call can wait.
        const WAITS = 128;
        /// Does not touch the per-thread "last event" state.
        const SKIPPARSERESET = 256;
        /// No longer emitted, occurs in old files.
        const OLD_VERSION = 512;
        /// Parameter lengths are 32 bits wide in .scap files.
        const LARGE_PAYLOAD = 2048;
        /// The upstream converter knows the type.
        const CONVERTER_MANAGED = 4096;
    }
}

/// Whether the newest upstream recorder still emits a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Emitted today.
    Current,
    /// Only in old files.
    Old,
    /// A reserved number.
    Unused,
}

/// Description of one event type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventInfo {
    /// The number.
    pub ty: EventType,
    /// The upstream enum name (`PPME_SYSCALL_OPEN_X`).
    pub enum_name: &'static str,
    /// The event name shown to users (`open`); several types can share one.
    pub name: &'static str,
    /// Direction: enter (`>`) or exit (`<`).
    pub enter: bool,
    /// Kind of activity.
    pub category: Category,
    /// Origin.
    pub source_category: SourceCategory,
    /// Properties.
    pub flags: EventTypeFlags,
    /// Whether it is still emitted.
    pub status: Status,
    /// Index of the parameter holding the fd that the event operates on.
    pub fd_param: Option<u8>,
    /// The parameters, in stored order. Events in files can have fewer (older writer) or more.
    pub params: &'static [ParamInfo],
}

impl EventInfo {
    /// Returns the index and description of the parameter called `name`.
    pub fn param(&self, name: &str) -> Option<(usize, &'static ParamInfo)> {
        self.params.iter().enumerate().find(|(_, p)| p.name == name)
    }

    /// Returns the index of the parameter that holds bytes transferred by an I/O call (`data`).
    ///
    /// Such bytes are the bulk of a capture and the part most scans never look at.
    pub fn io_data_param(&self) -> Option<usize> {
        if !self
            .flags
            .intersects(EventTypeFlags::READS_FROM_FD | EventTypeFlags::WRITES_TO_FD)
        {
            return None;
        }
        self.param("data")
            .filter(|(_, p)| p.ty == ParamType::ByteBuf)
            .map(|(i, _)| i)
    }
}

/// Returns the description of an event type, or `None` if the number is not in the table.
#[inline]
pub fn event_info(ty: EventType) -> Option<&'static EventInfo> {
    EVENTS.get(usize::from(ty.0))
}

/// Returns every type with the event name `name`, unused ones excepted.
pub fn events_by_name(name: &str) -> impl Iterator<Item = &'static EventInfo> {
    EVENTS
        .iter()
        .filter(move |e| e.status != Status::Unused && e.name == name)
}

/// Finds a table of dynamic parameter variants by its name.
pub fn dyn_table(name: &str) -> Option<&'static DynTable> {
    DYN_TABLES.iter().copied().find(|t| t.name == name)
}
