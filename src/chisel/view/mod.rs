//! Views: tables of events, described by a script's `view_info` and filled natively.
//!
//! [`ViewInfo`] is the description, [`ViewTable`] aggregates events, [`ViewRows`] is the result,
//! for printing like `csysdig` or for a screen. Only `script` uses Lua, and no event passes through
//! it.
//!
//! Rows are found by key without allocating. Their memory is limited, since a capture can have any
//! number of keys; events without a row are counted ([`ViewRows::left_out`]).

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
