//! Bounded grouping: counts of the events of a capture, and tables made of the counts.

pub mod activity;
mod alerts;
mod capture_info;
pub mod groups;
pub mod table;
pub mod tally;
pub mod tiles;

pub use alerts::AlertCounts;
pub use capture_info::{CaptureInfo, CutCounts, LostSpan, capture_info, sysdig_capture_info};
