//! What the limits of Lua do not reach: the stack of the machine, and work that is done in one instruction.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Stack for scripts, in bytes: as deep as Lua lets calls nest, through functions in C.
const STACK: usize = 256 << 20;
/// How often is looked whether a call goes on.
const LOOK: Duration = Duration::from_millis(500);

/// Odd while a call into a script goes on; another number for each.
static CALL: AtomicU64 = AtomicU64::new(0);

/// Runs something that runs scripts, on a stack that suffices for them.
///
/// # Errors
///
/// The machine's, if there is no such stack.
pub fn with_stack<R: Send>(run: impl FnOnce() -> R + Send) -> std::io::Result<R> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("scap-chisel".to_owned());
        let thread = builder.stack_size(STACK).spawn_scoped(scope, run)?;
        match thread.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Calls `give_up` once if a call into a script takes longer than `limit`: an instruction of Lua can be the
/// search for a pattern that takes years, which nothing interrupts.
///
/// # Errors
///
/// The machine's, if there is no thread to watch.
pub fn watch(limit: Duration, give_up: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let patience = limit.as_millis().div_ceil(LOOK.as_millis()).max(1);
    let watch = move || {
        let (mut seen, mut looks) = (0, 0);
        loop {
            thread::sleep(LOOK);
            let call = CALL.load(Ordering::Relaxed);
            looks = if call % 2 == 1 && call == seen {
                looks + 1
            } else {
                0
            };
            seen = call;
            if looks >= patience {
                return give_up();
            }
        }
    };
    let builder = thread::Builder::new().name("scap-watch".to_owned());
    builder.spawn(watch).map(drop)
}

/// Notes that a call into a script goes on, until it is dropped.
pub(super) struct Going(());

/// Notes that a call into a script begins.
#[inline]
pub(super) fn begin() -> Going {
    step();
    Going(())
}

impl Drop for Going {
    #[inline]
    fn drop(&mut self) {
        step();
    }
}

/// Scripts run on one thread at a time; where tests run several, the watch only misses something.
#[inline]
fn step() {
    CALL.store(
        CALL.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
}
