//! Event schema and capture file formats of scap.
//!
//! Two layers, the lower one usable alone:
//!
//! * [`schema`]: what an event is. Event types, their parameters and encodings, flag tables,
//!   syscalls, errno, signal and capability names.
//!
//! The crate knows no kernel interface, no command line, no filter and no terminal, and treats
//! every byte it reads as hostile.
#![forbid(unsafe_code)]

pub mod schema;
