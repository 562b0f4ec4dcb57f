//! A field as it is used in one place.

use std::cell::{Cell, RefCell};

use hashbrown::HashMap;

use super::attributes::{Attributes, ByType, Needs, Role, Scope};
use super::{Context, FieldInfo, FieldType, Scratch, Value};
use crate::event::glob::Glob;
use crate::event::number;

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
    pub(super) bracketed: bool,
    /// The argument as a pattern, where it is one.
    pub(super) pattern: Option<Glob>,
    /// For fields that depend on the events before (`evt.deltatime`, `util.cnt`).
    pub(crate) memory: Cell<u64>,
    /// The same by CPU or thread (`thread.cpu`, `thread.exectime`); at most [`MEMORY`] of them.
    pub(crate) memories: RefCell<HashMap<i64, u64>>,
}

/// Most threads or CPUs that a field remembers a number of.
const MEMORY: usize = 1 << 18;

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

    /// Whether the value depends on the events on which this use of the field was evaluated before.
    pub fn is_stateful(&self) -> bool {
        self.info.attributes.needs.contains(Needs::HISTORY)
    }

    /// Whether the value in one event depends on others that need not match: none may be left out.
    pub fn depends_on_all(&self) -> bool {
        let others = Needs::HISTORY | Needs::ALL_EVENTS;
        self.info.attributes.needs.intersects(others)
    }

    /// Whether the value may come from the bytes that a call moved, so that they have to be loaded.
    pub fn needs_payload(&self) -> bool {
        let Attributes {
            needs,
            no_payload_if,
            ..
        } = &self.info.attributes;
        needs.contains(Needs::PAYLOAD) && !no_payload_if(&self.arg)
    }

    /// Whether the value may come from what the container runtime knows.
    pub fn needs_runtime_metadata(&self) -> bool {
        self.info.attributes.needs.contains(Needs::RUNTIME)
    }

    /// Whether the value is defined for a thread and one of its fds, between events too.
    pub fn is_thread_scoped(&self) -> bool {
        self.info.attributes.scope != Scope::Event
    }

    /// Whether the value is the same in all events of a container.
    pub fn is_container_scoped(&self) -> bool {
        self.info.attributes.scope == Scope::Container
    }

    /// Returns what conditions on the value mean; an argument makes it another value.
    pub fn role(&self) -> Role {
        match (self.info.attributes.role, &self.arg) {
            (Role::Around, FieldArg::Index(_)) => Role::Around,
            (role, FieldArg::None) => role,
            _ => Role::None,
        }
    }

    /// Returns what computes the value from the event's type, if it depends on nothing else.
    pub(crate) fn by_type(&self) -> Option<ByType> {
        self.info.attributes.by_type
    }

    /// Replaces the number that is remembered for a thread or CPU.
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
