//! Attributes of fields: what the rest of the program may conclude about a value.
//!
//! Filters, the recorder, chisels, the detail pane and the generated documents read attributes,
//! never a field's name. The defaults are the strictest ones: a field whose row sets no attribute
//! is evaluated on every event, with everything loaded, and permits no optimisation.

use scap_capture_format::native::NameKind;
use scap_capture_format::schema::EventType;

use super::{FieldArg, Value};

bitflags::bitflags! {
    /// What the value requires, besides the event and the state around it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Needs: u8 {
        /// The earlier events on which this use of the field was evaluated.
        const HISTORY = 1;
        /// Every event of the capture: the value counts events, or other events carry it.
        const ALL_EVENTS = 2;
        /// The data of I/O calls.
        const PAYLOAD = 4;
        /// The container runtime's description of the container.
        const RUNTIME = 8;
        /// The sessions of `kubectl exec`, which a pass of their own finds.
        const SESSIONS = 16;
        /// Nothing more.
        const NOTHING = 0;
    }
}

/// What a value belongs to. A wider scope allows deciding a condition less often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One event.
    Event,
    /// A thread and one of its fds: the value is defined between events too.
    Thread,
    /// A container: the value is the same in all events of its threads.
    Container,
}

/// The events that can have a value; it is absent from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Any.
    Any,
    /// Those whose type has an fd.
    Fd,
    /// Those of plugins: Kubernetes audit events.
    Plugin,
    /// Those that are not of calls, among them alerts.
    Alert,
}

/// The meaning of a value, where conditions on it have a use beyond the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing in particular.
    None,
    /// The name of the event's type, which decides conditions once for every type.
    EventType,
    /// The name of an event's type; absent unless the event is a syscall.
    SyscallType,
    /// `>` or `<`.
    Direction,
    /// The time of the event, in nanoseconds since the epoch; bounds the time range that is read.
    EventTime,
    /// The event's number, from 1 on.
    EventNumber,
    /// The id of the event's thread; bounds the chunks that are read.
    ThreadId,
    /// The id of the event's process; bounds the chunks that are read.
    ProcessId,
    /// A name of the event's thread; bounds the chunks that are read.
    Name(NameKind),
    /// The distance in milliseconds from the time in the argument; `=` means "at most".
    Around,
    /// The time of the event, in the format that the user chose; JSON gets nanoseconds.
    OutputTime,
}

/// The unit of a number, or the precision of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// None.
    None,
    /// Nanoseconds.
    Nanoseconds,
    /// Seconds.
    Seconds,
    /// The nanoseconds after the full second.
    NanosecondPart,
    /// Bytes.
    Bytes,
    /// Units of 1024 bytes.
    Kibibytes,
}

/// The time zone of times written without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The zone of the machine that reads the capture.
    Local,
    /// UTC.
    Utc,
}

/// How times are written in conditions on a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLiterals {
    /// The zone of times without one.
    pub zone: Zone,
    /// True if a time of day, or an offset from the first event, is accepted.
    pub time_of_day: bool,
    /// True if the value itself is text.
    pub text: bool,
}

impl TimeLiterals {
    pub(super) const LOCAL_TEXT: Self = Self {
        zone: Zone::Local,
        time_of_day: true,
        text: true,
    };
    pub(super) const UTC_TEXT: Self = Self {
        zone: Zone::Utc,
        time_of_day: true,
        text: true,
    };
    pub(super) const LOCAL_NUMBER: Self = Self {
        zone: Zone::Local,
        time_of_day: true,
        text: false,
    };
}

/// Which names a field accepts as its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgNames {
    /// Any.
    Any,
    /// A parameter of an event or an argument of a syscall.
    Parameter,
    /// One of a fixed list.
    OneOf {
        /// The names.
        names: &'static [&'static str],
        /// The names, as shown in errors.
        expected: &'static str,
    },
    /// A shell pattern.
    Pattern,
    /// A JSON pointer, which may be empty.
    Pointer,
    /// The name or number of an event type.
    EventType,
}

/// Where the detail pane shows a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// With the other fields of its class.
    Listed,
    /// Before the other fields, in this order; even if the field is deprecated.
    First(u8),
    /// Not shown: it repeats other fields, the arguments or the data.
    Hidden,
}

/// How a value in a table becomes a condition that matches its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrow {
    /// The field equals the value.
    Equal,
    /// A number is a value of this other field: tables show the number if there is no name.
    OrNumber(&'static str),
    /// The value may also be a value of this other field.
    Or(&'static str),
    /// A command line as it was executed; a process without `argv[0]` has its name there.
    CommandLine,
    /// The path of a file, or the name of a connection: calls that take a path have no fd.
    Path,
    /// The directory of a file.
    Directory,
    /// The server port of a connection, which may have failed.
    ServerPort,
}

/// The heading of a class of fields in the detail pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The event.
    Event,
    /// The process and its thread.
    Process,
    /// The user and the group.
    User,
    /// The container and the pod.
    Container,
    /// The fd, and the paths of calls.
    Fd,
    /// The request of a Kubernetes audit event.
    Request,
}

impl Subject {
    /// All subjects, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::Request,
        Self::Event,
        Self::Process,
        Self::User,
        Self::Container,
        Self::Fd,
    ];

    /// Returns the heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Event => "Event",
            Self::Process => "Process",
            Self::User => "User",
            Self::Container => "Container",
            Self::Fd => "File descriptor",
            Self::Request => "Kubernetes request",
        }
    }
}

/// Computes a value from an event's type.
pub(super) type ByType = fn(EventType) -> Option<Value<'static>>;

/// Returns true if the field does not read the payload with this argument.
pub(super) type NoPayload = fn(&FieldArg) -> bool;

/// The attributes of a field.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// What the value depends on.
    pub needs: Needs,
    /// What the value belongs to.
    pub scope: Scope,
    /// The events that can have the value.
    pub carrier: Carrier,
    /// The sources whose events can have the value.
    pub source: Source,
    /// What the value means.
    pub role: Role,
    /// The unit of the value.
    pub unit: Unit,
    /// How times are written in conditions; `None` = the value is not a time of the event.
    pub times: Option<TimeLiterals>,
    /// Which names are valid arguments.
    pub arg_names: ArgNames,
    /// Where the detail pane shows the field.
    pub listing: Listing,
    /// How values in tables become conditions.
    pub narrow: Narrow,
    pub(super) no_payload_if: NoPayload,
    pub(super) by_type: Option<ByType>,
}

/// Where events come from that can have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the recorded machine.
    Syscalls,
    /// From the audit log of Kubernetes.
    Audit,
    /// From anywhere.
    Every,
}

impl Attributes {
    /// The strictest attributes: no optimisation is permitted.
    pub(super) const STRICTEST: Self = Self {
        needs: Needs::all(),
        scope: Scope::Event,
        carrier: Carrier::Any,
        source: Source::Syscalls,
        role: Role::None,
        unit: Unit::None,
        times: None,
        arg_names: ArgNames::Any,
        listing: Listing::Listed,
        narrow: Narrow::Equal,
        no_payload_if: |_| false,
        by_type: None,
    };
}
