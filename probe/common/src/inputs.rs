//! What calls are given in memory, fetched when they begin.

/// Slots for threads in such a call, by the low bits of their ids.
pub const INPUT_SLOTS: u32 = 4096;

/// Inputs of one call.
pub const INPUTS: usize = 2;

/// The longest input that is kept, a string with its NUL; most paths are shorter.
pub const INPUT_BYTES: usize = 512;

/// One input.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Input {
    /// The argument that it belongs to.
    pub arg: u32,
    /// Bytes in use; 0 = it could not be read, or is too long.
    pub len: u32,
    /// The bytes.
    pub bytes: [u8; INPUT_BYTES],
}

/// Inputs of the last call of one thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Inputs {
    /// When the call began, see [`crate::stamp::time`].
    pub entered: u64,
    /// The thread.
    pub tid: u32,
    /// Zero.
    pub reserved: u32,
    /// In the order of the call's operations.
    pub inputs: [Input; INPUTS],
}
