//! Sinks that write captures.

mod containers;
mod native;
mod sysdig;

pub use native::NativeSink;
pub use sysdig::SysdigSink;
