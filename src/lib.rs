//! scap: record what a Linux machine did, syscall by syscall, and find out later what happened.
//!
//! A capture is a sequence of events over a model of the machine. Everything here turns one into the
//! other, and dependencies point one way, which `tests/layers.rs` checks:
//!
//! ```text
//!     capture-format   what an event is, how a capture is stored   (a crate of its own)
//!           |
//!         event        one event, borrowed from a chunk; its values and how they print
//!           |
//!         state        threads, fds, users: what the machine was when the event happened
//!           |
//!         filter       fields, and sysdig's language of conditions on them
//!          /  \
//!     format  replay   a line of output; source -> state -> sink, over a whole capture
//!          \  /
//!        analysis      what a part of a capture holds: counts by process, file, connection, over time
//!         export       captures from captures: sysdig's format, and ours with a part of the events
//!           |
//!          cli         the commands; the only place that knows clap, stdout and exit codes
//! ```
//!
//! Beside them, `lanes` says what the timeline shows an event as, and `record` turns what the kernel probe sees into a capture, with the help of `event`,
//! `state` and `filter`; a machine that cannot record can replay.
//!
//! A capture is somebody else's bytes: nothing in here panics on them, allocates without a cap because
//! of them, or lets their control characters reach a terminal.

pub mod analysis;
pub mod chisel;
pub mod cli;
pub mod event;
pub mod export;
pub mod filter;
pub mod format;
pub mod lanes;
pub mod record;
pub mod replay;
pub mod state;
pub mod tui;
