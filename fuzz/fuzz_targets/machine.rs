//! What a machine that is recorded says of itself: memory of its programs, its /proc, its container runtimes.
//!
//! The first byte chooses one of the parsers, which `src/fuzzing.rs` lists.
//!
//! `.ci/fuzz machine` from the project's root.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| scap::fuzzing::machine(bytes));
