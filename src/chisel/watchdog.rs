//! Interrupts long calls into scripts, and provides the stack they run on.
//!
//! Lua's interpreter and compiled code can count instructions, at a cost. So a watchdog thread
//! checks periodically whether a call is still running; it sends a signal to the thread of such a
//! call, whose handler sets Lua's hook, which Lua allows at any time. From then on instructions are
//! counted. A single instruction can be a pattern search that takes years and cannot be
//! interrupted: for that there is a time limit.

use std::cell::Cell;
use std::ffi::c_int;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use mlua::ffi;

/// Stack size for scripts, in bytes: enough for Lua's limit of nested calls through C functions.
const STACK: usize = 256 << 20;
/// Interval of the checks.
const LOOK: Duration = Duration::from_millis(250);
/// A signal that is ignored by default.
const SIGNAL: c_int = libc::SIGURG;

/// The action on a call that takes too long, and after how many checks.
type GiveUp = (u32, Box<dyn FnOnce() + Send>);

static SLOTS: Mutex<Vec<Arc<Slot>>> = Mutex::new(Vec::new());
static GIVE_UP: Mutex<Option<GiveUp>> = Mutex::new(None);

thread_local! {
    /// The state of the current call, for the signal handler; null = none.
    static STATE: Cell<*mut ffi::lua_State> = const { Cell::new(ptr::null_mut()) };
    /// True if the handler has set the hook.
    static HOOKED: Cell<bool> = const { Cell::new(false) };
    static OWN: Registration = Registration::new();
}

/// A thread that runs scripts.
pub(super) struct Slot {
    thread: libc::pthread_t,
    /// Odd while a call is running; different for each call.
    call: AtomicU64,
    /// The call at the last check, and the number of checks that saw it.
    seen: AtomicU64,
    looks: AtomicU32,
}

/// Keeps a thread registered until it is dropped.
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

/// Runs a function that calls scripts, on a stack that is large enough.
///
/// # Errors
///
/// If the stack cannot be allocated.
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

/// Starts the watchdog, and returns the slot of this thread, in which scripts will run.
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

/// Checks all threads periodically.
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

/// The signal handler: makes the current call of this thread count its instructions.
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

/// A running call, until it is dropped.
pub(super) struct Going<'s> {
    slot: &'s Slot,
    state: *mut ffi::lua_State,
}

/// Notes the start of a call into a script.
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
