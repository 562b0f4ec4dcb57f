//! What the kernel probe and its loader agree on: the records in the rings, the per-CPU control
//! block, the configuration frozen into the probe when it is loaded, and the table that says what
//! to fetch for each syscall.
//!
//! Everything here is `repr(C)`, fixed in size and asserted below, because both sides are compiled
//! by different compilers. This crate depends on nothing of ours.
#![no_std]

pub mod config;
pub mod control;
pub mod inputs;
pub mod spec;
pub mod stamp;
pub mod wire;
