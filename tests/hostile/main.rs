//! Captures made by an attacker: every command ends in time, and all of them have one opinion of a file.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

mod audit;
mod bombs;
#[path = "../common/mod.rs"]
mod common;
mod lies;
mod mutations;
mod native;
mod random;
mod repairs;
mod run;
mod seals;
mod sysdig;
mod value;
