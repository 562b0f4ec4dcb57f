//! What scap makes of a capture: the rooms below the commands, which every one of them stands on.
//!
//! It is a crate of its own so that it builds beside the rest of the program, with settings of its own: all
//! code that runs once for each event is here, in the capture format, or in the recorder. The crate `scap`
//! shows all of its modules as its own, and has the picture of all rooms in its `lib.rs`.

pub mod event;
pub mod fields;
pub mod filter;
pub mod format;
pub mod lanes;
pub mod replay;
pub mod state;
pub mod stats;
