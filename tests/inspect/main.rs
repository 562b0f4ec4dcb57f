//! Reading captures in any order, and through the library: what is counted, asked and restored is compared with
//! reading from the front.

mod alerts;
#[path = "../common/mod.rs"]
mod common;
mod counts;
#[path = "../common/dice.rs"]
mod dice;
mod hostile;
mod lanes;
mod questions;
#[path = "../common/repeat.rs"]
mod repeat;
#[path = "../common/skip.rs"]
mod skip;
mod skipping;
mod snapshots;
