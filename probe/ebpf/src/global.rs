//! What global functions say to their callers.
//!
//! The verifier checks a global function of BPF (Linux 5.6) once, by itself and for any arguments; at a
//! call of it, the result may be any number. An inlined or static function it checks again in each
//! iteration of a loop and for each state in which it is called. Bodies of loops, and what several
//! branches lead to, are therefore global functions: a higher limit of a loop then costs the verifier
//! only a few instructions for each iteration (docs/performance.md has the numbers).
//!
//! * To the kernel a function is global if its linkage is: `#[unsafe(no_mangle)]`. `#[inline(never)]` keeps
//!   it a function.
//! * It takes at most five scalars and returns one. Kernels before 5.12 let no pointer in, so each looks
//!   the record up again ([`Record::resume`](crate::ring::Record::resume)) and finds what the others left
//!   in the ring and in its control block.
//! * Before Linux 5.10 a program that calls any cannot do a tail call. `sys_exit` calls none.

use crate::ring::forget;

/// The caller may go on with the next element.
pub const GO_ON: u64 = 0;
/// Nothing more is to be fetched.
pub const STOP: u64 = 1;

/// Calls `each` with 0, 1 and so on below `limit` until it says [`STOP`]; returns what it said last.
///
/// The compiler is kept from seeing through the counter: it would count from the smaller of `limit` and
/// another bound down to 0, and the verifiers of Linux 5.10 and 6.1 do not find that this ends.
#[inline(always)]
pub fn each(limit: u64, mut each: impl FnMut(u64) -> u64) -> u64 {
    let mut index = 0;
    while index < limit {
        if each(index) == STOP {
            return STOP;
        }
        index = forget(index + 1);
    }
    GO_ON
}
