//! Any text as a script, which is loaded for its description within small limits.
//!
//! `.ci/fuzz chisel` from the project's root.
#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use scap::chisel::{self, Policy, Script, ScriptRegistry};

fuzz_target!(|bytes: &[u8]| {
    let script = Script {
        name: "fuzzed".to_owned(),
        path: None,
        text: Cow::Owned(bytes.to_vec()),
        is_nearby: false,
    };
    let policy = Policy {
        memory: 32 << 20,
        instructions: 1_000_000,
        ..Policy::default()
    };
    let _ = chisel::info(ScriptRegistry::of([]), policy, script);
});
