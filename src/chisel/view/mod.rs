//! Views: tables of what a capture holds, described by a script's `view_info` and filled natively.
//!
//! [`ViewInfo`] is the description, [`ViewTable`] takes the events, [`ViewRows`] is what comes out, for
//! printing as `csysdig` does or for a screen. Only `script` knows Lua; no event goes through it.
//!
//! Rows are found by their key without an allocation. What they take is capped: a capture can have any number
//! of keys, and events whose row finds no room are counted ([`ViewRows::left_out`]).

mod cell;
mod column;
mod info;
mod print;
mod rows;
mod script;
mod shown;
mod table;

pub use column::ShownColumn;
pub(super) use column::interval;
pub use info::{
    Aggregation, ColumnInfo, ViewError, ViewErrorKind, ViewInfo, ViewKind, ViewOptions,
};
pub use shown::{ViewRows, ViewValue};
pub use table::ViewTable;
