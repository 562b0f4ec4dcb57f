//! The limits of audit logs, which anybody can have written.

/// Longest text of one event, in bytes: what an event of a capture can hold. An API server's largest is about 3 MiB.
pub const MAX_TEXT: usize = (16 << 20) - 4096;

/// Most values of one event.
pub const MAX_VALUES: usize = 1 << 21;

/// Deepest nesting of one event.
pub const MAX_DEPTH: usize = 128;

/// Most events of all audit logs that are read together: 32 bytes each are kept to sort them by time.
pub const MAX_EVENTS: usize = 1 << 24;

/// Most memory for the content of logs that cannot be read at any place: compressed ones, and pipes.
pub const MAX_HELD: usize = 1 << 30;

/// Most problems of a log that are listed with their lines; further ones are counted.
pub const MAX_PROBLEMS: usize = 1024;
