//! Sinks that write captures.

mod containers;
mod derive;
mod edit;
mod native;
mod only;
mod redact;
mod sysdig;

pub use derive::{derivation, file_identity, parent};
pub use edit::{Edit, Unedited};
pub use native::{NativeSink, is_enter_of_call};
pub use only::{OnlyChosen, ProcessSurvey};
pub use redact::{Class, Redaction, RedactionCounts, RedactionSettings};
pub use sysdig::SysdigSink;
