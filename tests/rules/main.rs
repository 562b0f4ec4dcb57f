//! Falco's rules: what files mean, what is wrong with them, and what the rules find.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

mod audit;
#[path = "../common/mod.rs"]
mod common;
mod correlations;
mod detect;
mod hostile;
mod load;
mod stock;
mod tools;
