//! Bounded grouping: what a part of a capture holds, counted, and the tables made of the counts.

pub mod activity;
pub mod groups;
pub mod table;
pub mod tally;
pub mod tiles;
