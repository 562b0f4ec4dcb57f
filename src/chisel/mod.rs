//! Chisels: Lua scripts over captures and live events, compatible with sysdig, and views, their
//! tables.
//!
//! ```text
//!   ScriptRegistry     a name -> a script's text
//!   Chisel      the text -> Lua in its sandbox, with the tables of `api`; life cycle
//!   ChiselRunner        the chisels of a run: an `EventSink`
//!   view        tables that scripts describe and native code fills
//! ```
//!
//! The API and the life cycle are those of sysdig (libs 0.29.3 to 0.36), whose scripts run
//! unchanged; extensions have their own names. Scripts are untrusted: they compute and print,
//! within limits, and have no access to files and programs unless the user allows it.

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
mod options;
mod output;
mod raw;
mod registry;
mod run;
mod runner;
mod sandbox;
mod script_state;
pub mod view;
mod watchdog;

pub use arguments::{Argument, takes, usage};
pub use error::{ChiselError, Place};
pub use info::Info;
pub use options::{Options, Progress};
pub use registry::{Script, ScriptRegistry};
pub use runner::{ChiselRunner, Ended, Wanted, declared_arguments, info, views};
pub use sandbox::Policy;
pub use watchdog::{watch, with_stack};
