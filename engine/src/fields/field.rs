//! A use of a field, with its argument and memory.

use std::cell::{Cell, RefCell};

use hashbrown::HashMap;

use super::attributes::{Attributes, ByType, Needs, Role, Scope};
use super::{Context, FieldInfo, FieldType, Scratch, Value};
use crate::event::glob::Glob;
use crate::event::number;

/// The argument of a field.
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

/// A use of a field, with its argument and the values it remembers between events.
#[derive(Clone, Debug)]
pub struct Field {
    /// The row of the field.
    pub info: &'static FieldInfo,
    /// Its argument.
    pub arg: FieldArg,
    /// True if the argument was written in brackets.
    pub(super) bracketed: bool,
    /// The argument as a pattern, if the field takes one.
    pub(super) pattern: Option<Glob>,
    /// For fields that depend on earlier events (`evt.deltatime`, `util.cnt`).
    pub(crate) memory: Cell<u64>,
    /// The same by CPU or thread (`thread.cpu`, `thread.exectime`); at most [`MEMORY`] entries.
    pub(crate) memories: RefCell<HashMap<i64, u64>>,
}

/// Limit of the threads or CPUs for which a field remembers a number.
const MEMORY: usize = 1 << 18;

impl Field {
    /// Extracts the value; `None` = absent. `scratch` is overwritten; the value may borrow from it.
    pub fn extract<'a>(&'a self, cx: &Context<'a>, scratch: &'a mut Scratch) -> Option<Value<'a>> {
        (self.info.extract)(self, cx, scratch)
    }

    /// Appends the name with its argument, in filter syntax.
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

    /// Returns true if the value is the time of the event, as text.
    pub fn is_textual_time(&self) -> bool {
        self.info.ty == FieldType::Text && self.info.attributes.times.is_some()
    }

    /// Returns true if the value depends on earlier events on which this use of the field was
    /// evaluated.
    pub fn is_stateful(&self) -> bool {
        self.info.attributes.needs.contains(Needs::HISTORY)
    }

    /// Returns true if the value depends on events that need not match, so that no event may be
    /// skipped.
    pub fn depends_on_all(&self) -> bool {
        let others = Needs::HISTORY | Needs::ALL_EVENTS;
        self.info.attributes.needs.intersects(others)
    }

    /// Returns true if other events of a capture change the value, whether or not this use of the field is evaluated on them. A
    /// capture has the numbers of its events.
    pub fn needs_all_events(&self) -> bool {
        self.info.attributes.needs.contains(Needs::ALL_EVENTS) && self.role() != Role::EventNumber
    }

    /// Returns true if the value may come from the data of an I/O call, which then has to be
    /// loaded.
    pub fn needs_payload(&self) -> bool {
        let Attributes {
            needs,
            no_payload_if,
            ..
        } = &self.info.attributes;
        needs.contains(Needs::PAYLOAD) && !no_payload_if(&self.arg)
    }

    /// Returns true if the value may come from the container runtime.
    pub fn needs_runtime_metadata(&self) -> bool {
        self.info.attributes.needs.contains(Needs::RUNTIME)
    }

    /// Returns true if the value may come from a session of `kubectl exec`.
    pub fn needs_sessions(&self) -> bool {
        self.info.attributes.needs.contains(Needs::SESSIONS)
    }

    /// Returns true if the value belongs to a thread and one of its fds, so that it is defined
    /// between events too.
    pub fn is_thread_scoped(&self) -> bool {
        self.info.attributes.scope != Scope::Event
    }

    /// Returns true if the value is the same in all events of a container.
    pub fn is_container_scoped(&self) -> bool {
        self.info.attributes.scope == Scope::Container
    }

    /// Returns the meaning of conditions on the value; a use with an argument has none, except for
    /// [`Role::Around`].
    pub fn role(&self) -> Role {
        match (self.info.attributes.role, &self.arg) {
            (Role::Around, FieldArg::Index(_)) => Role::Around,
            (role, FieldArg::None) => role,
            _ => Role::None,
        }
    }

    /// Returns the function that computes the value from the event's type, if nothing else matters.
    pub(crate) fn by_type(&self) -> Option<ByType> {
        self.info.attributes.by_type
    }

    /// Replaces the number that is remembered for a thread or CPU, and returns the old one.
    pub(super) fn remember(&self, key: i64, value: u64) -> Option<u64> {
        let mut memories = self.memories.borrow_mut();
        if memories.len() >= MEMORY && !memories.contains_key(&key) {
            memories.clear();
        }
        memories.insert(key, value)
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut name = Vec::new();
        self.write_name(&mut name);
        f.write_str(&String::from_utf8_lossy(&name))
    }
}
