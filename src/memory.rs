//! The end of a program that gets no more memory, as under `ulimit -v`: a message and exit code 1, as for every
//! limit, instead of a signal.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGABRT;
use signal_hook::low_level;

/// An allocation has failed. Whoever asked for it may have coped with that.
static EXHAUSTED: AtomicBool = AtomicBool::new(false);

/// The exit code, as for a full disk.
const FAILED: i32 = 1;

/// The system's allocator, which notes that there was no memory.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

impl Allocator {
    #[inline]
    fn noted(memory: *mut u8) -> *mut u8 {
        if memory.is_null() {
            EXHAUSTED.store(true, Ordering::Relaxed);
        }
        memory
    }
}

// SAFETY: everything is passed on to the system's allocator, unchanged.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what the system's allocator asks for.
        Self::noted(unsafe { System.alloc(layout) })
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        Self::noted(unsafe { System.alloc_zeroed(layout) })
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        Self::noted(unsafe { System.realloc(memory, layout, size) })
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Makes the abort after an allocation that failed an exit. The standard library has printed how much was asked for.
#[expect(unsafe_code, reason = "a handler of a signal")]
pub(crate) fn exit_when_exhausted() {
    let end = || {
        if EXHAUSTED.load(Ordering::Relaxed) {
            low_level::exit(FAILED);
        }
        // Any other abort stays what it is.
        let _aborts = low_level::emulate_default_handler(SIGABRT);
    };
    // SAFETY: the handler reads an atomic, and ends the process by functions that may be called there.
    let registered = unsafe { low_level::register(SIGABRT, end) };
    // Without it, the program ends by the signal.
    drop(registered);
}
