//! Bounded grouping: what a part of a capture holds, counted, and the tables made of the counts.

pub mod activity;
mod capture_info;
pub mod groups;
pub mod table;
pub mod tally;
pub mod tiles;

pub use capture_info::{CaptureInfo, LostSpan, capture_info, sysdig_capture_info};
