//! Fields: what filters, output formats and chisels can ask of an event and the state around it.
//!
//! Names, types and meaning are those of the falcosecurity libraries and of sysdig 0.29.3. A field has a
//! value or it is absent; nothing is made up for what was not seen. One file per class of fields.

/// Defines functions that extract a field, each with the field, the context and the scratch space.
macro_rules! extract {
    ($($name:ident = |$field:pat_param, $cx:pat_param, $scratch:pat_param| $body:expr;)*) => {$(
        pub(super) fn $name<'a>(
            $field: &'a Field,
            $cx: &Context<'a>,
            $scratch: &'a mut Scratch,
        ) -> Option<Value<'a>> {
            $body
        }
    )*};
}

mod ancestors;
mod container;
mod evt;
mod fd;
mod fdlist;
mod info;
mod lineage;
mod paths;
mod process;
mod removed;
mod syslog;
mod thread;
mod user;

pub(super) use container::{is_of_container, is_runtime_metadata};
pub(super) use evt::of_type;
pub(super) use fd::needs_fd;
pub use info::{ArgForm, FieldFlags, FieldInfo, FieldType};

use std::cell::{Cell, RefCell};
use std::net::IpAddr;

use hashbrown::HashMap;
use scap_capture_format::native::{MachineInfo, OriginId};
use scap_capture_format::schema::Arch;

use crate::event::bytes::BufferFormat;
use crate::event::render::Renderer;
use crate::event::text::short;
use crate::event::time::LocalClock;
use crate::event::{Event, number};
use crate::state::View;

/// The value of a field, borrowed from the event, the state or the caller's scratch space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text; any bytes, no NUL.
    Text(&'a [u8]),
    /// A buffer.
    Bytes(&'a [u8]),
    /// A signed number.
    Int(i64),
    /// An unsigned number: also times, intervals and ports.
    Uint(u64),
    /// A truth value.
    Bool(bool),
    /// A floating point number.
    Double(f64),
    /// An address.
    Ip(IpAddr),
    /// Either end of a connection, client first (`fd.ip`, `fd.net`): `=` and `in` hold if one of them
    /// does, `!=` if both do.
    Ips(IpAddr, IpAddr),
    /// Either port (`fd.port`), likewise.
    Ports(u16, u16),
    /// Texts, NUL after each: a list field, or the ancestors of which any may fulfil a condition.
    Texts(&'a [u8]),
    /// Numbers of the ancestors, of which any may fulfil a condition.
    Ints(&'a [i64]),
}

/// Where a field's value comes from: one event with the state around it.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The event as it is stored and shown.
    pub event: &'a Event<'a>,
    /// The state around it.
    pub view: &'a View<'a>,
    /// What is the same for all events.
    pub session: &'a Session,
}

/// What is the same for all events of one pass over a capture.
#[derive(Debug, Default)]
pub struct Session {
    /// Architecture of the recorded machine, whose syscall numbers the events have.
    pub arch: Option<Arch>,
    /// The recorded machine; empty where the capture does not tell.
    pub machine: MachineInfo,
    /// Prints arguments.
    pub renderer: RefCell<Renderer>,
    /// Prints times of day.
    pub clock: RefCell<LocalClock>,
    /// How `evt.outputtime` prints.
    pub time: TimeFormat,
    /// The time of the first event; 0 before it.
    pub first_time: u64,
    /// Columns of the screen that spectrograms are drawn on; 0 = none.
    pub screen_width: u16,
    /// Which of the merged recordings the events are from.
    pub origin: OriginId,
}

impl Session {
    /// Makes a session for the captures of a machine.
    pub fn new(arch: Option<Arch>, buffers: BufferFormat, time: TimeFormat) -> Self {
        Self {
            arch,
            renderer: RefCell::new(Renderer::new(buffers, arch)),
            time,
            ..Self::default()
        }
    }

    /// Makes another session that prints alike, for the events of another recording.
    pub fn fork(&self, origin: OriginId) -> Self {
        let renderer = self.renderer.borrow().clone();
        Self {
            arch: self.arch,
            renderer: RefCell::new(renderer),
            time: self.time,
            first_time: self.first_time,
            screen_width: self.screen_width,
            origin,
            ..Self::default()
        }
    }

    /// Returns when the machine booted, in nanoseconds since the epoch; 0 = not known.
    pub fn boot_time(&self) -> u64 {
        self.machine.boot_time.0
    }

    /// Takes what the fields need of the machine that is replayed.
    pub fn set_machine(&mut self, machine: &MachineInfo) {
        self.machine.clone_from(machine);
        if let Some(arch) = Arch::from_name(&machine.arch) {
            self.arch = Some(arch);
            self.renderer.get_mut().set_arch(arch);
        }
    }
}

/// Whether a field's value may come from the bytes that a call moved.
pub(crate) fn can_show_data(field: &Field) -> bool {
    match field.info.name {
        "evt.buffer" | "evt.args" | "evt.info" => true,
        "evt.arg" | "evt.rawarg" => {
            !matches!(&field.arg, FieldArg::Name(name) if &**name != "data")
        }
        _ => field.info.class() == "syslog",
    }
}

/// How the time of an event is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// `HH:MM:SS.nnnnnnnnn`, local time.
    #[default]
    Human,
    /// Seconds since the epoch.
    Absolute,
    /// Seconds since the first event.
    Relative,
    /// Seconds that the call took.
    Delta,
    /// Seconds since the event before.
    DeltaPrevious,
}

/// The argument of a field as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FieldArg {
    /// None.
    #[default]
    None,
    /// A number: `[2]`.
    Index(i64),
    /// Anything else: `[name]` or `.name`.
    Name(Box<str>),
}

/// A field as used in one place, with its argument and what it remembers between events.
#[derive(Clone, Debug)]
pub struct Field {
    /// Which field.
    pub info: &'static FieldInfo,
    /// Its argument.
    pub arg: FieldArg,
    /// The argument was written in brackets.
    bracketed: bool,
    /// For fields that depend on the events before (`evt.deltatime`, `util.cnt`).
    pub(crate) memory: Cell<u64>,
    /// The same by CPU or thread (`thread.cpu`, `thread.exectime`); at most [`MEMORY`] of them.
    pub(crate) memories: RefCell<HashMap<i64, u64>>,
}

/// Most threads or CPUs that a field remembers a number of.
const MEMORY: usize = 1 << 18;

impl Field {
    /// Replaces what is remembered for a thread or CPU.
    fn remember(&self, key: i64, value: u64) -> Option<u64> {
        let mut memories = self.memories.borrow_mut();
        if memories.len() >= MEMORY && !memories.contains_key(&key) {
            memories.clear();
        }
        memories.insert(key, value)
    }
}

impl Field {
    /// Extracts the value; `None` = absent. `scratch` is overwritten, the value may borrow from it.
    pub fn extract<'a>(&'a self, cx: &Context<'a>, scratch: &'a mut Scratch) -> Option<Value<'a>> {
        (self.info.extract)(self, cx, scratch)
    }

    /// Appends the name with its argument, as it is written.
    pub fn write_name(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.info.name.as_bytes());
        match &self.arg {
            FieldArg::None => {}
            FieldArg::Index(index) => number::display(out, format_args!("[{index}]")),
            FieldArg::Name(name) => {
                let brackets = self.bracketed;
                out.push(if brackets { b'[' } else { b'.' });
                out.extend_from_slice(name.as_bytes());
                if brackets {
                    out.push(b']');
                }
            }
        }
    }

    /// Returns the type of the value.
    pub fn ty(&self) -> FieldType {
        self.info.ty
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut name = Vec::new();
        self.write_name(&mut name);
        f.write_str(&String::from_utf8_lossy(&name))
    }
}

/// Room for a value that has to be put together.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// Text or bytes.
    pub bytes: Vec<u8>,
    /// Numbers.
    pub ints: Vec<i64>,
}

impl Scratch {
    /// Puts a text together.
    fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Option<Value<'_>> {
        self.bytes.clear();
        write(&mut self.bytes);
        Some(Value::Text(&self.bytes))
    }
}

/// Appends strings that end in NUL each, with spaces between them.
fn join<'a>(out: &mut Vec<u8>, items: impl Iterator<Item = &'a [u8]>) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(item);
    }
}

/// Iterates over strings that end in NUL each.
pub(crate) fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let list = list.strip_suffix(b"\0").unwrap_or(list);
    let count = if list.is_empty() { 0 } else { usize::MAX };
    list.split(|b| *b == 0).take(count)
}

/// Iterates over an environment; there is none where a program wrote over all of its own.
fn variables(env: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_gone = env.iter().all(|b| *b == 0);
    items(if is_gone { &[] } else { env })
}

/// Why a name is no usable field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No field has that name.
    #[error("unknown field `{}`", short(.name))]
    Unknown {
        /// The name.
        name: String,
        /// Known names that look like it, best first.
        similar: Vec<&'static str>,
    },
    /// The field needs an argument.
    #[error("field `{0}` needs an argument")]
    ArgumentMissing(&'static str),
    /// The field takes no argument.
    #[error("field `{0}` takes no argument")]
    ArgumentUnexpected(&'static str),
    /// The argument makes no sense for the field.
    #[error("`{}` is no argument for field `{field}`: {reason}", short(.argument))]
    ArgumentInvalid {
        /// The field.
        field: &'static str,
        /// The argument.
        argument: String,
        /// Why.
        reason: &'static str,
    },
}

/// Finds the field that a text names, such as `proc.aname[2]` or `evt.arg.fd`.
///
/// # Errors
///
/// [`LookupError`].
pub fn lookup(text: &str) -> Result<Field, LookupError> {
    info::lookup(text)
}

/// Returns the longest beginning of `text` that names a field, with its length in bytes: what `%` is
/// followed by in an output format.
pub fn lookup_prefix(text: &str) -> Result<(Field, usize), LookupError> {
    info::lookup_prefix(text)
}

/// Describes a value that is none of a field's own, such as a transformer's: printed plainly.
pub(crate) fn plain() -> &'static FieldInfo {
    &info::PLAIN
}

/// Iterates over all fields, by class.
pub fn all() -> impl Iterator<Item = &'static FieldInfo> {
    info::CLASSES.iter().flat_map(|(_, fields)| fields.iter())
}

/// Whether a text fits a pattern of `*` (anything) and `?` (one byte).
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else {
                    return false;
                };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}
