//! Queries on a part of a capture, for the timeline and its views.
//!
//! An [`IndexedCapture`] is a capture opened for random access. Its snapshots divide it into
//! segments that can be replayed independently, so that a query reads few of them, on several
//! cores. The counts of a segment are a [`tally::Tally`]; the tallies of a time range are merged.
//! Nothing here depends on a terminal.

pub mod aggregator;
pub mod alerts;
pub mod clocks;
pub mod detail;
pub mod detector;
pub mod find;
pub mod io_stream;
pub mod line;
pub mod page;
mod peers;
pub mod scripted;
mod seek;
pub mod system_tables;
pub mod system_view;
pub mod verifier;
mod worker;
