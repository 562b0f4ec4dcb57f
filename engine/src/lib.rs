//! What scap makes of a capture: the rooms below the commands, which every one of them stands on.
//!
//! It is a crate of its own so that it builds beside the rest of the program, with settings of its own (ADR 15).
//! The crate `scap` re-exports all of its modules, and has the picture of all rooms in its `lib.rs`.

pub mod audit;
pub mod event;
pub mod fields;
pub mod filter;
pub mod format;
pub mod lanes;
pub mod replay;
pub mod state;
pub mod stats;
