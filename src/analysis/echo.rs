//! What was read and written.

use crate::state::Text;

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The fd that an event is about, from its opening to its close.
    FdOf(u64),
    /// All events of the scope.
    Scope,
}

/// What one call moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The event.
    pub num: u64,
    /// When, in nanoseconds since the epoch.
    pub ts: u64,
    /// The process.
    pub pid: i64,
    /// Its name.
    pub comm: Text,
    /// The fd.
    pub fd: i64,
    /// Its name.
    pub name: Text,
    /// It was read, else written.
    pub read: bool,
    /// The bytes that the capture has.
    pub data: Vec<u8>,
    /// How many were moved.
    pub len: u64,
}

/// What was read and written, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    /// The pieces.
    pub pieces: Vec<Piece>,
    /// There is more than is kept.
    pub cut: bool,
}
