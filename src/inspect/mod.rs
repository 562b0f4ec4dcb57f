//! What a part of a capture holds, for the timeline and its views.
//!
//! A [`IndexedCapture`] is a capture opened in any order. Its snapshots cut it into segments that can be replayed
//! on their own, so that every question is answered by looking at few of them, on several cores. What a
//! segment holds is counted in a [`tally::Tally`]; those of a time range are merged. Nothing here knows a
//! terminal.

pub mod aggregator;
pub mod detail;
pub mod find;
pub mod io_stream;
pub mod line;
pub mod page;
pub mod scripted;
mod seek;
pub mod system_view;
