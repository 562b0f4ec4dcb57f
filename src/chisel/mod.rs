//! Chisels: Lua scripts over captures and live streams, as sysdig has them, and views, their tables.
//!
//! ```text
//!   ScriptRegistry     a name -> a script's text
//!   Chisel      the text -> Lua in its sandbox, with the tables of `api`; life cycle
//!   ChiselRunner        the chisels of a run: an `EventSink`
//!   view        tables that scripts describe and native code fills
//! ```
//!
//! The API and the life cycle are sysdig's (libs 0.29.3 to 0.36), and scripts made for it run
//! unchanged; what is ours has names of its own. A script is somebody else's: it computes and prints, within
//! limits, and reaches neither files nor programs unless the user says so.

mod api;
mod arguments;
mod builtin;
mod call;
mod call_context;
mod clock;
mod error;
mod fields;
mod info;
mod instance;
mod native;
mod output;
mod raw;
mod registry;
mod runner;
mod sandbox;
mod shared;
pub mod view;
mod watchdog;

pub use arguments::{Argument, takes, usage};
pub use error::{ChiselError, Place};
pub use info::Info;
pub use registry::{Script, ScriptRegistry};
pub use runner::{ChiselRunner, Ended, Wanted, info, views};
pub use sandbox::Policy;
pub use shared::{Options, Progress};
pub use watchdog::{watch, with_stack};
