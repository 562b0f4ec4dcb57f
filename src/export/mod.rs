//! Sinks that write captures.

mod native;
mod sysdig;

pub use native::NativeSink;
pub use sysdig::SysdigSink;
