//! Event schema and capture file formats of scap.
//!
//! Two layers, of which the schema can be used alone:
//!
//! * [`schema`]: event types, their parameters and encodings, flag tables, syscalls, errno, signal and
//!   capability names.
//! * [`native`]: scap's own capture format. Columnar compressed chunks, snapshots of the state, losses, index;
//!   writer, sequential and random-access readers that tolerate damage. Specified in
//!   `docs/capture-format.md`.
//! * [`sysdig`]: the .scap files of sysdig and Falco, of all versions.
//!
//! [`event`] is common to both formats: the borrowed event of writers and readers.
//!
//! The crate has no kernel interface, command line, filter or terminal, and treats every byte that it reads
//! as hostile: no panic, and no allocation beyond the limits in [`limits`].
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
