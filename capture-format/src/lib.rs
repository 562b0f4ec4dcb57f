//! Event schema and capture file formats of scap.
//!
//! Two layers, the schema usable alone:
//!
//! * [`schema`]: what an event is. Event types, their parameters and encodings, flag tables,
//!   syscalls, errno, signal and capability names.
//! * [`native`]: scap's own capture file. Columnar compressed chunks, state snapshots, losses, index;
//!   writer, streaming and seeking readers that survive damage. Specified in
//!   `docs/capture-format.md`.
//! * [`sysdig`]: the .scap files of sysdig and Falco, of all versions.
//!
//! [`event`] is what they have in common: the borrowed event that writers take and readers give.
//!
//! The crate knows no kernel interface, no command line, no filter and no terminal, and treats
//! every byte it reads as hostile: no panic, and no allocation beyond the caps in [`limits`].
#![forbid(unsafe_code)]
#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "a test that panics fails, which is what it should do"
    )
)]

mod error;
pub mod event;
pub mod limits;
pub mod native;
pub mod schema;
pub mod sysdig;

pub use error::{Error, Result};
