//! Lines of output from events and the state around them.

mod line;

pub use line::{LineFormat, LineOptions, TimeFormat};
