//! Sets of event types, and conditions on type names.

use scap_capture_format::schema::{self, EventType, Status, Syscall, syscall, types};

use super::compare::TextTest;
use crate::event::{async_event, syscall as generic};
use crate::fields::{Context, Field, Scratch, Value};

/// Event types in the schema.
const KNOWN: usize = schema::EVENTS.len();
const WORDS: usize = KNOWN.div_ceil(64);

/// A set of event types; types outside of the schema are all included or all excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeSet {
    words: [u64; WORDS],
    /// Calls without an event type, by code in the field's numbering. Calls without a code have
    /// code 0.
    calls: [u64; CODE_WORDS],
    /// True if types outside of the schema are included.
    pub unknown: bool,
}

impl TypeSet {
    /// Codes of calls in the field's numbering are below this.
    pub(super) const CALLS: u16 = 64 * CODE_WORDS as u16;

    /// No type.
    pub const NONE: Self = Self {
        words: [0; WORDS],
        calls: [0; CODE_WORDS],
        unknown: false,
    };

    /// Every type.
    pub const ALL: Self = Self {
        words: [u64::MAX; WORDS],
        calls: [u64::MAX; CODE_WORDS],
        unknown: true,
    };

    /// Makes the set of the types that meet a condition.
    pub fn of(mut condition: impl FnMut(EventType) -> bool) -> Self {
        let mut set = Self::NONE;
        known()
            .filter(|ty| condition(*ty))
            .for_each(|ty| set.insert(ty));
        set
    }

    /// Adds a type; a type that stands for many calls is added for all of them.
    pub fn insert(&mut self, ty: EventType) {
        if generic::is_generic(ty) {
            self.calls = [u64::MAX; CODE_WORDS];
        }
        let index = usize::from(ty.0);
        match self.words.get_mut(index / 64) {
            Some(word) if index < KNOWN => *word |= 1 << (index % 64),
            _ => self.unknown = true,
        }
    }

    /// Returns true if a type is included.
    pub fn contains(&self, ty: EventType) -> bool {
        let index = usize::from(ty.0);
        match self.words.get(index / 64) {
            Some(word) if index < KNOWN => word >> (index % 64) & 1 == 1,
            _ => self.unknown,
        }
    }

    /// Adds a call without an event type, by its code in the field's numbering.
    pub fn insert_call(&mut self, code: u16) {
        let index = usize::from(types::GENERIC_X.0);
        let code = usize::from(code);
        if let (Some(types), Some(calls)) = (
            self.words.get_mut(index / 64),
            self.calls.get_mut(code / 64),
        ) {
            *types |= 1 << (index % 64);
            *calls |= 1 << (code % 64);
        }
    }

    /// Leaves out calls without an event type of their own, by their prototypes. Calls without a code
    /// stay.
    pub fn retain_calls(&mut self, wanted: impl Fn(&Syscall) -> bool) {
        let mut calls = [0; CODE_WORDS];
        calls[0] = 1;
        for call in syscall::all().filter(|call| wanted(call)) {
            if let Some(word) = calls.get_mut(usize::from(call.ppm_sc / 64)) {
                *word |= 1 << (call.ppm_sc % 64);
            }
        }
        let words = self.calls.iter_mut().zip(calls);
        words.for_each(|(word, wanted)| *word &= wanted);
    }

    /// Returns true if a call without an event type is included, by its code in the field's
    /// numbering.
    pub fn contains_call(&self, code: u16) -> bool {
        let code = usize::from(code);
        let word = self.calls.get(code / 64);
        self.contains(types::GENERIC_X) && word.is_none_or(|word| word >> (code % 64) & 1 == 1)
    }

    /// Returns the types that are in both.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let calls = self.calls.iter_mut().zip(other.calls);
        calls.for_each(|(a, b)| *a &= b);
        let words = self.words.iter_mut().zip(other.words);
        words.for_each(|(a, b)| *a &= b);
        self.unknown &= other.unknown;
        self
    }

    /// Returns the types that are in either.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        let calls = self.calls.iter_mut().zip(other.calls);
        calls.for_each(|(a, b)| *a |= b);
        let words = self.words.iter_mut().zip(other.words);
        words.for_each(|(a, b)| *a |= b);
        self.unknown |= other.unknown;
        self
    }

    /// Returns the types that are not included.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self {
            calls: self.calls.map(|word| !word),
            unknown: !self.unknown,
            ..Self::of(|ty| !self.contains(ty))
        }
    }

    /// Iterates over the types of the schema that are included.
    pub fn iter(&self) -> impl Iterator<Item = EventType> {
        known().filter(|ty| self.contains(*ty))
    }

    /// Returns the names of the types and calls that are included, without enter events; unsorted, each at least once.
    pub fn names(&self) -> Vec<&'static str> {
        let types = self
            .iter()
            .filter(|ty| ty.is_exit() && !generic::is_generic(*ty));
        let infos = types.filter_map(schema::event_info);
        let infos = infos.filter(|info| info.status != Status::Unused);
        let calls = syscall::all().filter(|call| {
            call.ppm_sc != 0
                && call.exit_type == types::GENERIC_X
                && self.contains_call(call.ppm_sc)
        });
        infos
            .map(|info| info.name)
            .chain(calls.map(|call| call.name))
            .collect()
    }

    /// Returns true if the set is empty.
    pub fn is_empty(&self) -> bool {
        !self.unknown && self.iter().next().is_none()
    }

    /// Returns true if every type is included.
    pub fn is_all(&self) -> bool {
        let calls = self.calls.iter().all(|word| *word == u64::MAX);
        self.unknown && calls && known().all(|ty| self.contains(ty))
    }
}

fn known() -> impl Iterator<Item = EventType> {
    (0_u16..).map(EventType).take(KNOWN)
}

/// Iterates over the names of all event types and syscalls.
pub(super) fn type_names() -> impl Iterator<Item = &'static str> {
    let events = schema::EVENTS.iter().filter(|e| e.status != Status::Unused);
    events
        .map(|e| e.name)
        .chain(syscall::all().map(|s| s.name))
        .chain(ia32_names())
}

/// Syscalls of the 32-bit ABI of x86.
fn ia32_names() -> impl Iterator<Item = &'static str> {
    /// An upper bound of the numbers in use.
    const END: u32 = 1024;
    (0..END).filter_map(syscall::ia32_name)
}

/// Returns true if `evt.type` can have this value.
pub(super) fn is_type_name(name: &str) -> bool {
    let numbered = |prefix| {
        let number: Option<&str> = name.strip_prefix(prefix);
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    schema::events_by_name(name).next().is_some()
        || syscall::by_name(name).is_some()
        || ia32_names().any(|n| n == name)
        || name.as_bytes() == async_event::ALERT
        // The name shown for unknown calls and types.
        || name == "<unknown>"
        || numbered("syscall_")
        || numbered("event-type-")
}

/// Returns true if a type's name depends on the event.
fn is_named_by_event(ty: EventType) -> bool {
    generic::is_generic(ty) || ty == types::ASYNCEVENT_E || usize::from(ty.0) >= KNOWN
}

/// Codes of syscalls in the field's numbering.
const CODE_WORDS: usize = 16;

/// A condition on `evt.type`, evaluated in advance for every type and syscall.
#[derive(Clone, Debug)]
pub(super) struct TypeTest {
    /// Types matched by their own name.
    types: TypeSet,
    /// Matching syscalls without an event type, by code.
    codes: [u64; CODE_WORDS],
    /// The test for all other names.
    test: TextTest,
    field: Field,
    scratch: Scratch,
}

impl TypeTest {
    pub(super) fn new(field: Field, mut test: TextTest) -> Self {
        let mut types = TypeSet::NONE;
        for ty in known() {
            let named = schema::event_info(ty).is_some_and(|i| test.matches(i.name.as_bytes()));
            if named && !is_named_by_event(ty) {
                types.insert(ty);
            }
        }
        let mut codes = [0; CODE_WORDS];
        for call in syscall::all() {
            let code = usize::from(call.ppm_sc);
            if let Some(word) = codes.get_mut(code / 64)
                && test.matches(call.name.as_bytes())
            {
                *word |= 1 << (code % 64);
            }
        }
        Self {
            types,
            codes,
            test,
            field,
            scratch: Scratch::default(),
        }
    }

    /// Returns the outcome for events of a type; `None` if their name depends on the event.
    pub(super) fn outcome(&self, ty: EventType) -> Option<bool> {
        (!is_named_by_event(ty)).then(|| self.types.contains(ty))
    }

    pub(super) fn matches(&mut self, cx: Context<'_>) -> bool {
        let ty = cx.event.ty;
        if let Some(outcome) = self.outcome(ty) {
            return outcome;
        }
        if generic::is_generic(ty) {
            let call = generic::call(cx.event, cx.session.arch);
            if let Some(prototype) = call.prototype
                && prototype.ppm_sc != 0
                && call.name == Some(prototype.name)
                && let Some(word) = self.codes.get(usize::from(prototype.ppm_sc) / 64)
            {
                return word >> (prototype.ppm_sc % 64) & 1 == 1;
            }
            if let Some(name) = call.name {
                return self.test.matches(name.as_bytes());
            }
        }
        match self.field.extract(&cx, &mut self.scratch) {
            Some(Value::Text(name)) => self.test.matches(name),
            _ => false,
        }
    }

    /// Returns the event types that can match, or with `negated` the types that can fail to match.
    ///
    /// `narrow` leaves out calls of the 32-bit ABI whose 64-bit equivalents have an event type.
    pub(super) fn pushdown(&self, negated: bool, narrow: bool) -> TypeSet {
        let mut test = self.test.clone();
        // An alert, or any other one.
        let own = schema::event_info(types::ASYNCEVENT_E).map(|info| info.name.as_bytes());
        let mut names = [Some(async_event::ALERT), own].into_iter().flatten();
        let is_asynchronous = names.any(|name| test.matches(name) != negated);
        let mut set = TypeSet::of(|ty| match ty {
            types::ASYNCEVENT_E => is_asynchronous,
            ty => is_named_by_event(ty) || self.types.contains(ty) != negated,
        });
        // Any other name may belong to a number without a name, or to an unknown type.
        let strangers = negated || !test.is_all_known(is_unknown_name);
        set.unknown = strangers;
        let calls = strangers
            || syscall::all()
                .filter(|s| !narrow || s.exit_type == types::GENERIC_X)
                .any(|s| test.matches(s.name.as_bytes()))
            || !narrow && ia32_names().any(|n| test.matches(n.as_bytes()));
        set.calls = self.reached_calls(negated, strangers);
        if !calls {
            set.remove(types::GENERIC_E);
            set.remove(types::GENERIC_X);
        }
        set
    }

    /// Returns the codes of the calls that can match, or with `negated` the calls that can fail to
    /// match.
    fn reached_calls(&self, negated: bool, strangers: bool) -> [u64; CODE_WORDS] {
        let mut test = self.test.clone();
        let mut calls = [if strangers { u64::MAX } else { 0 }; CODE_WORDS];
        let bit = |code: u16| (usize::from(code / 64), 1 << (code % 64));
        for call in syscall::all().filter(|call| call.ppm_sc != 0) {
            let (word, bit) = bit(call.ppm_sc);
            if let Some(word) = calls.get_mut(word) {
                *word &= !bit;
            }
        }
        for call in syscall::all() {
            let (word, bit) = bit(call.ppm_sc);
            if let Some(word) = calls.get_mut(word)
                && test.matches(call.name.as_bytes()) != negated
            {
                *word |= bit;
            }
        }
        calls
    }
}

impl TypeSet {
    fn remove(&mut self, ty: EventType) {
        let index = usize::from(ty.0);
        if let Some(word) = self.words.get_mut(index / 64) {
            *word &= !(1 << (index % 64));
        }
    }
}

fn is_unknown_name(name: &[u8]) -> bool {
    name.starts_with(b"syscall_") || name.starts_with(b"event-type-") || name == b"<unknown>"
}

impl TextTest {
    /// Returns true if the condition matches only certain names, none of which `is_unknown_name`
    /// accepts.
    fn is_all_known(&self, is_unknown_name: fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Eq(name) => !is_unknown_name(name),
            Self::Few(names) => !names.iter().any(|n| is_unknown_name(n)),
            Self::Many(names) => !names.iter().any(|n| is_unknown_name(n)),
            Self::Never => true,
            _ => false,
        }
    }
}
