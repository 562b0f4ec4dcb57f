//! Calls into scripts that do not end, and the stack that they run on.
//!
//! Lua's interpreter and what its compiler makes can be told to count instructions, at a price. So a thread looks
//! now and then whether a call still goes on; the thread of one that does is sent a signal, whose handler sets
//! Lua's hook, which Lua allows at any time. From then on instructions count. One instruction can be the
//! search for a pattern that takes years, which nothing interrupts: then there is the limit of time.

use std::cell::Cell;
use std::ffi::c_int;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use mlua::ffi;

/// Stack for scripts, in bytes: as deep as Lua lets calls nest, through functions in C.
const STACK: usize = 256 << 20;
/// How often is looked whether a call goes on.
const LOOK: Duration = Duration::from_millis(250);
/// A signal that nobody minds if no handler is there.
const SIGNAL: c_int = libc::SIGURG;

/// What is to be done about a call that takes too long: after so many looks.
type GiveUp = (u32, Box<dyn FnOnce() + Send>);

static SLOTS: Mutex<Vec<Arc<Slot>>> = Mutex::new(Vec::new());
static GIVE_UP: Mutex<Option<GiveUp>> = Mutex::new(None);

thread_local! {
    /// The state whose call goes on, for the signal's handler; null = none.
    static STATE: Cell<*mut ffi::lua_State> = const { Cell::new(ptr::null_mut()) };
    /// The handler has set the hook.
    static HOOKED: Cell<bool> = const { Cell::new(false) };
    static OWN: Registration = Registration::new();
}

/// A thread that runs scripts.
pub(super) struct Slot {
    thread: libc::pthread_t,
    /// Odd while a call goes on; another number for each.
    call: AtomicU64,
    /// What was seen at the last look, and how often.
    seen: AtomicU64,
    looks: AtomicU32,
}

/// Keeps a thread in the list for as long as it lives.
struct Registration(Arc<Slot>);

impl Registration {
    fn new() -> Self {
        let slot = Arc::new(Slot {
            // SAFETY: it only returns which thread this is.
            thread: unsafe { libc::pthread_self() },
            call: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            looks: AtomicU32::new(0),
        });
        locked(&SLOTS).push(Arc::clone(&slot));
        Self(slot)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        locked(&SLOTS).retain(|slot| !Arc::ptr_eq(slot, &self.0));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs something that runs scripts, on a stack that suffices for them.
///
/// # Errors
///
/// The machine's, if there is no such stack.
pub fn with_stack<R: Send>(run: impl FnOnce() -> R + Send) -> io::Result<R> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("scap-chisel".to_owned());
        let thread = builder.stack_size(STACK).spawn_scoped(scope, run)?;
        match thread.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Calls `give_up` once if a call into a script takes longer than `limit`.
pub fn watch(limit: Duration, give_up: impl FnOnce() + Send + 'static) {
    let looks = limit.as_millis().div_ceil(LOOK.as_millis());
    let looks = u32::try_from(looks).unwrap_or(u32::MAX).max(1);
    *locked(&GIVE_UP) = Some((looks, Box::new(give_up)));
}

/// Begins to look after scripts, and returns the slot of this thread, in which they will run.
pub(super) fn slot() -> io::Result<Arc<Slot>> {
    static WATCH: OnceLock<io::Result<()>> = OnceLock::new();
    let started = WATCH.get_or_init(|| {
        // SAFETY: the handler looks at two cells of its thread and sets Lua's hook, which Lua documents as
        // safe in a handler. It neither allocates nor locks.
        unsafe { signal_hook::low_level::register(SIGNAL, set_hook) }?;
        let builder = thread::Builder::new().name("scap-watch".to_owned());
        builder.spawn(watchdog_loop).map(drop)
    });
    match started {
        Ok(()) => Ok(OWN.with(|own| Arc::clone(&own.0))),
        Err(error) => Err(error.kind().into()),
    }
}

/// Looks now and then at all threads.
fn watchdog_loop() {
    loop {
        thread::sleep(LOOK);
        for slot in &*locked(&SLOTS) {
            let call = slot.call.load(Ordering::Relaxed);
            if call.is_multiple_of(2) || call != slot.seen.swap(call, Ordering::Relaxed) {
                slot.looks.store(0, Ordering::Relaxed);
                continue;
            }
            let looks = slot.looks.fetch_add(1, Ordering::Relaxed) + 1;
            let mut give_up = locked(&GIVE_UP);
            if let Some((_, give_up)) = give_up.take_if(|(limit, _)| looks >= *limit) {
                give_up();
            }
            // SAFETY: the thread lives: it takes itself from the list, which is locked, before it ends.
            unsafe { libc::pthread_kill(slot.thread, SIGNAL) };
        }
    }
}

/// The handler: makes the call that goes on in this thread count its instructions.
fn set_hook() {
    let state = STATE.get();
    if !state.is_null() && !HOOKED.replace(true) {
        // SAFETY: the state is alive while a call into it goes on. Lua allows this at any time.
        unsafe {
            ffi::lua_sethook(
                state,
                Some(super::sandbox::count),
                ffi::LUA_MASKCOUNT,
                super::sandbox::STEP,
            )
        };
    }
}

/// A call that goes on, until it is dropped.
pub(super) struct Going<'s> {
    slot: &'s Slot,
    state: *mut ffi::lua_State,
}

/// Notes that a call into a script begins.
#[inline]
pub(super) fn begin(slot: &Slot, state: *mut ffi::lua_State) -> Going<'_> {
    slot.step();
    STATE.set(state);
    Going { slot, state }
}

impl Slot {
    #[inline]
    fn step(&self) {
        let call = self.call.load(Ordering::Relaxed);
        self.call.store(call.wrapping_add(1), Ordering::Relaxed);
    }
}

impl Drop for Going<'_> {
    #[inline]
    fn drop(&mut self) {
        STATE.set(ptr::null_mut());
        // The handler runs on this thread, between any two instructions.
        compiler_fence(Ordering::SeqCst);
        if HOOKED.get() {
            HOOKED.set(false);
            // SAFETY: the state is alive; nothing runs in it now.
            unsafe {
                ffi::lua_sethook(self.state, None, 0, 0);
                super::sandbox::set_compiler(self.state, true);
            }
        }
        self.slot.step();
    }
}
