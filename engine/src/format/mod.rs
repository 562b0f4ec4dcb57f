//! Output lines of events and the state around them.

pub mod json;
mod line;
mod template;
mod value;

pub use line::{LineFormat, LineOptions};
pub use template::{Template, TemplateError, TemplateErrorKind, standard};
pub use value::write as write_value;
