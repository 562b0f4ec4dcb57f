//! What sysdig 0.29.3 makes of a capture, scap makes of it, too: the lines, every field, every filter, every
//! stock chisel.
//!
//! The captures are other people's and not part of the project: the tests look for them beside it. What
//! is another here than there is listed, with the reason, in [`known`]; a difference that is not listed
//! fails, and so does a listed one that is none.
//!
//! Where sysdig or the captures are absent the tests say "skipped: why", and fail instead if
//! `SCAP_REQUIRE_LIVE` is set.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::print_stderr, reason = "says what is skipped")]

mod chisels;
#[path = "../common/mod.rs"]
mod common;
mod convert;
mod fields;
mod filters;
mod known;
mod lines;
mod ours;
#[path = "../common/pty.rs"]
mod pty;
mod random_filters;
mod sysdig;
mod tops;
mod views;
