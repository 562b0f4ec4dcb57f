//! Interrupts long calls into scripts, and provides the stack they run on.
//!
//! Lua's interpreter and compiled code can count instructions, at a cost. So a watchdog thread
//! checks periodically whether a call is still running; it sends a signal to the thread of such a
//! call, whose handler sets Lua's hook, which Lua allows at any time. From then on instructions are
//! counted. A single instruction can be a pattern search that takes years and cannot be
//! interrupted: for that there is a time limit, at which the program ends. What was printed until then is printed by the
//! handler, since only the script's own thread can know that nothing else is using the output.

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, compiler_fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mlua::ffi;

use super::output::Output;

/// Stack size for scripts, in bytes: enough for Lua's limit of nested calls through C functions.
const STACK: usize = 256 << 20;
/// Interval of the checks: by less than two of them, a call can exceed the time limit.
const LOOK: Duration = Duration::from_millis(50);
/// How long a call may run before its instructions are counted, in milliseconds.
const COUNTED_AFTER: u64 = 250;
/// How long the output of a call that is given up may take.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A signal that is ignored by default.
const SIGNAL: c_int = libc::SIGURG;

/// The limit of a call in milliseconds, and the action on one that takes longer.
type GiveUp = (u64, Box<dyn FnOnce(&str) + Send>);

static SLOTS: Mutex<Vec<Arc<Slot>>> = Mutex::new(Vec::new());
static GIVE_UP: Mutex<Option<GiveUp>> = Mutex::new(None);
/// True while a call is given up: the handler is to print the output so far.
static ENDS: AtomicBool = AtomicBool::new(false);
/// True once it has.
static PRINTED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The state of the current call, for the signal handler; null = none.
    static STATE: Cell<*mut ffi::lua_State> = const { Cell::new(ptr::null_mut()) };
    /// The output of the current call, likewise.
    static OUTPUT: Cell<*const RefCell<Output>> = const { Cell::new(ptr::null()) };
    /// True if the handler has set the hook.
    static HOOKED: Cell<bool> = const { Cell::new(false) };
    static OWN: Registration = Registration::new();
}

/// A thread that runs scripts.
pub(super) struct Slot {
    thread: libc::pthread_t,
    /// Odd while a call is running; different for each call.
    call: AtomicU64,
    /// The call at the last check, and when it was seen first, in milliseconds of the watchdog.
    seen: AtomicU64,
    since: AtomicU64,
    /// The script that is called: its number, and its name.
    number: AtomicU64,
    script: Mutex<String>,
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
            since: AtomicU64::new(0),
            number: AtomicU64::new(0),
            script: Mutex::default(),
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

/// Calls `give_up` once, with the name of the script, if a call into one takes longer than `limit`.
pub fn watch(limit: Duration, give_up: impl FnOnce(&str) + Send + 'static) {
    let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    *locked(&GIVE_UP) = Some((limit, Box::new(give_up)));
}

/// Starts the watchdog, and returns the slot of this thread, in which scripts will run.
pub(super) fn slot() -> io::Result<Arc<Slot>> {
    static WATCH: OnceLock<io::Result<()>> = OnceLock::new();
    let started = WATCH.get_or_init(|| {
        // SAFETY: the handler looks at cells of its thread and sets Lua's hook, which Lua documents as safe in a handler: it
        // neither allocates nor locks. It prints, which can, only before the program ends, and nothing waits for it for long.
        unsafe { signal_hook::low_level::register(SIGNAL, on_signal) }?;
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
    let started = Instant::now();
    loop {
        thread::sleep(LOOK);
        let now = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        for slot in &*locked(&SLOTS) {
            let call = slot.call.load(Ordering::Relaxed);
            if call.is_multiple_of(2) || call != slot.seen.swap(call, Ordering::Relaxed) {
                slot.since.store(now, Ordering::Relaxed);
                continue;
            }
            let running = now - slot.since.load(Ordering::Relaxed);
            let mut give_up = locked(&GIVE_UP);
            if let Some((_, give_up)) = give_up.take_if(|(limit, _)| running >= *limit) {
                print_rest(slot);
                let script = locked(&slot.script).clone();
                give_up(&script);
            }
            if running >= COUNTED_AFTER {
                interrupt(slot);
            }
        }
    }
}

fn interrupt(slot: &Slot) {
    // SAFETY: the thread lives: it takes itself from the list, which is locked, before it ends.
    unsafe { libc::pthread_kill(slot.thread, SIGNAL) };
}

/// Lets the thread of a call that is given up print its output, unless that takes too long.
fn print_rest(slot: &Slot) {
    ENDS.store(true, Ordering::Relaxed);
    let started = Instant::now();
    while !PRINTED.load(Ordering::Relaxed) && started.elapsed() < LAST_WORDS {
        interrupt(slot);
        thread::sleep(Duration::from_millis(5));
    }
    ENDS.store(false, Ordering::Relaxed);
}

/// The signal handler: makes the current call of this thread count its instructions, or prints its output.
fn on_signal() {
    let (state, output) = (STATE.get(), OUTPUT.get());
    if ENDS.load(Ordering::Relaxed) {
        // SAFETY: it is alive while a call goes on, which is when the pointer is set.
        if let Some(output) = unsafe { output.as_ref() }
            && !PRINTED.load(Ordering::Relaxed)
            // Whoever uses it during a call has borrowed it (`Run::print`).
            && let Ok(mut output) = output.try_borrow_mut()
        {
            output.flush();
            PRINTED.store(true, Ordering::Relaxed);
        }
        return;
    }
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

/// What a call is into.
pub(super) struct Called<'a> {
    /// Null: a state that is closed, in which no instructions are counted.
    pub(super) state: *mut ffi::lua_State,
    pub(super) output: &'a RefCell<Output>,
    pub(super) script: &'a str,
    /// Of the script, different for each that was loaded.
    pub(super) number: u64,
}

/// Returns a number for a script.
pub(super) fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Notes the start of a call into a script.
#[inline]
pub(super) fn begin<'s>(slot: &'s Slot, called: &Called<'_>) -> Going<'s> {
    if slot.number.load(Ordering::Relaxed) != called.number {
        slot.name(called);
    }
    let Called { state, output, .. } = *called;
    slot.step();
    STATE.set(state);
    OUTPUT.set(output);
    Going { slot, state }
}

impl Slot {
    #[cold]
    fn name(&self, called: &Called<'_>) {
        called.script.clone_into(&mut locked(&self.script));
        self.number.store(called.number, Ordering::Relaxed);
    }

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
        OUTPUT.set(ptr::null());
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
