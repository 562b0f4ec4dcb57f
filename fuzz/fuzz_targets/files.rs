//! What is opened besides captures, filters and scripts: notes, terminals played back, compressed files, chisels' tests, times.
//!
//! The first byte chooses one of the parsers, which `src/fuzzing.rs` lists.
//!
//! `.ci/fuzz files` from the project's root.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| scap::fuzzing::files(bytes));
