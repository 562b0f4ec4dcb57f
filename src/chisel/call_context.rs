//! The context of a call into a script: the event and the state.
//!
//! Lua has no lifetimes. The context is stored here before a call and removed after it, so that API
//! functions called at any other time find none.

use std::cell::Cell;
use std::ptr;

use crate::fields::{Context, Session};
use crate::state::State;

/// Storage for the context of a call.
#[derive(Default)]
pub(super) struct CallContext {
    /// The event; null = none. Valid while it is not null.
    event: Cell<*const Context<'static>>,
    /// The state; null = none. Valid while it is not null.
    world: Cell<*const HostState<'static>>,
}

/// Restores the previous context.
struct Reset<'s, T>(&'s Cell<*const T>, *const T);

impl<T> Drop for Reset<'_, T> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

impl CallContext {
    /// Runs a function with an event as context.
    pub(super) fn with_event<R>(&self, cx: &Context<'_>, run: impl FnOnce() -> R) -> R {
        let erased = ptr::from_ref(cx).cast::<Context<'static>>();
        let _reset = Reset(&self.event, self.event.replace(erased));
        run()
    }

    /// Runs a function with a state as context.
    pub(super) fn with_world<R>(&self, world: &HostState<'_>, run: impl FnOnce() -> R) -> R {
        let erased = ptr::from_ref(world).cast::<HostState<'static>>();
        let _reset = Reset(&self.world, self.world.replace(erased));
        run()
    }

    /// Runs a function with an event or a state as context.
    pub(super) fn with<R>(&self, around: CallInput<'_>, run: impl FnOnce() -> R) -> R {
        match around {
            CallInput::Event(cx) => self.with_event(cx, run),
            CallInput::HostState(world) => self.with_world(&world, run),
        }
    }

    /// Returns the result of `look` on the event; `None` = there is no event.
    pub(super) fn event<R>(&self, look: impl FnOnce(&Context<'_>) -> R) -> Option<R> {
        let pointer = self.event.get();
        // SAFETY: a pointer that is not null was made of a reference by `with_event`, which has not
        // returned: it takes the pointer away when it does. `look` cannot keep what it is given.
        unsafe { pointer.as_ref() }.map(look)
    }

    /// Returns the result of `look` on the state; `None` = there is no capture yet.
    pub(super) fn world<R>(&self, look: impl FnOnce(HostState<'_>) -> R) -> Option<R> {
        let pointer = self.world.get();
        // SAFETY: as in `event`, with `with_world`.
        match unsafe { pointer.as_ref() } {
            Some(world) => Some(look(*world)),
            None => self.event(|cx| {
                look(HostState {
                    state: cx.view.state(),
                    session: cx.session,
                })
            }),
        }
    }
}

/// The context of a call into a script.
#[derive(Clone, Copy)]
pub(super) enum CallInput<'a> {
    Event(&'a Context<'a>),
    HostState(HostState<'a>),
}

impl<'a> CallInput<'a> {
    /// Returns the state and the session.
    pub(super) fn world(self) -> HostState<'a> {
        match self {
            Self::HostState(world) => world,
            Self::Event(cx) => HostState {
                state: cx.view.state(),
                session: cx.session,
            },
        }
    }
}

/// The state and the session of a call.
#[derive(Clone, Copy)]
pub(super) struct HostState<'a> {
    pub(super) state: &'a State,
    pub(super) session: &'a Session,
}
