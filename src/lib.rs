//! scap: record what a Linux machine did, syscall by syscall, and find out later what happened.
//!
//! A capture is a sequence of events over a model of the machine. Every module below is a room with one
//! concern; dependencies point upwards in this picture only, which `tests/layers` checks. The rooms from
//! `event` to `stats` are the crate `scap-engine`:
//!
//! ```text
//! capture-format  the file: sections, chunks, event schema, .scap conversion   (crate of its own)
//!   event         one event and its typed values, borrowed or owned
//!   audit         Kubernetes audit events: their JSON, and the streams in which it comes
//!   state         the machine at an instant: threads, fds, users, containers
//!   fields        every field: type, attributes, how its value is computed
//!   filter        sysdig's filter language: parse, resolve, compile, pushdown
//!   format        a line or a JSON object from a format string
//!   replay        Pipeline: source -> enter synthesis -> state -> filter -> sink
//!                 sources: native (sequential, indexed), sysdig, merged
//!   lanes         which lane of the timeline an event belongs to
//!   stats         bounded group-by: tallies, tables, columns
//!   files         the files that the program makes: private, new, not through links
//!   chisel        Lua scripts: registry, runner, API, sandbox
//!   rules         Falco's rules: files, macros, exceptions; all evaluated together
//!   inspect       detail, find, page, system view at a time, I/O streams, background aggregation
//!   seal          keys of seals: reading, signing, names
//!   export        captures made from captures: sysdig's format, and the native one
//!   tables        the tables of SQL and exports: columns, and how their values are found
//!   sql           captures as virtual tables of SQLite
//!   record        the recorder: probe, /proc, containers, session         (privileged; Linux only)
//!   tui           the timeline: model, update, view
//!   cli           the commands; the only room that knows clap, stdout and exit codes
//! ```
//!
//! A capture is somebody else's bytes: nothing here panics on them, allocates without a limit because
//! of them, or lets their control characters reach a terminal.

pub use scap_engine::{audit, event, fields, filter, format, lanes, replay, state, stats};

pub mod chisel;
pub mod cli;
pub mod export;
pub mod files;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod inspect;
pub mod record;
pub mod rules;
pub mod seal;
#[cfg(feature = "sql")]
pub mod sql;
pub mod tables;
pub mod tui;
