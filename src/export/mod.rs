//! Sinks that write captures.

mod containers;
mod edit;
mod native;
mod only;
mod sysdig;

pub use edit::{Edit, Unedited};
pub use native::NativeSink;
pub use only::{OnlyChosen, ProcessSurvey};
pub use sysdig::SysdigSink;
