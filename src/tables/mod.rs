//! The tables that SQL and exports show: their columns, and how the values of a row are found.
//!
//! Names and types are portable: any engine can have them (`docs/sql.md`). A value that is not known is NULL.

pub mod cell;
mod events;
mod own;

pub use events::{EVENTS, EventColumn, EventRows, Source, date_time};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text, valid UTF-8: bytes that are not are replaced by U+FFFD.
    Text,
    /// A signed number of 64 bits.
    Integer,
    /// 0 or 1.
    Boolean,
    /// Time with microseconds, in UTC: `2026-12-01 03:12:01.500000`.
    Time,
    /// A JSON array of texts or numbers.
    List,
    /// A JSON object of texts.
    Map,
    /// Bytes.
    Blob,
}

impl ColumnType {
    /// Returns the name of the type in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Time => "time",
            Self::List => "JSON array",
            Self::Map => "JSON object",
            Self::Blob => "bytes",
        }
    }
}
