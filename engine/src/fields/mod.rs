//! Fields: the values of an event and the state around it for filters, output formats and chisels.
//!
//! Names, types and meaning are those of the falcosecurity libraries and of sysdig 0.29.3. A field
//! has a value or is absent; unknown values are never guessed. One file per class of fields.
//!
//! Adding a field takes one row in the table of its class and a function that computes the value.
//! The row also declares the [`attributes`] of the value; nothing outside of this module depends on
//! a field's name.

/// Defines functions that extract a field, each with the field, the context and the scratch space.
macro_rules! extract {
    ($($name:ident = |$field:pat_param, $cx:pat_param, $scratch:pat_param| $body:expr;)*) => {$(
        pub(super) fn $name<'a>(
            $field: &'a Field,
            $cx: &Context<'a>,
            $scratch: &'a mut Scratch,
        ) -> Option<Value<'a>> {
            $body
        }
    )*};
}

pub mod attributes;

mod alert;
mod ancestors;
mod audit;
mod classes;
mod container;
mod context;
mod evt;
mod fd;
mod fdlist;
mod field;
mod info;
mod k8s;
mod lineage;
mod lookup;
mod names;
mod paths;
mod process;
mod removed;
mod syslog;
#[cfg(any(test, feature = "test-fields"))]
mod test_fields;
mod thread;
mod user;
mod value;

pub use classes::{CLASSES, Class, all};
pub use context::{Context, Session, TimeFormat};
pub use field::{Field, FieldArg};
pub use info::{ArgForm, FieldFlags, FieldInfo, FieldType};
pub use lookup::{LookupError, lookup, lookup_prefix};
pub use names::{NameScratch, names};
pub use value::{Scratch, Value};

pub use process::command_line;
pub use value::items;
use value::{environment, join, list};

/// Describes a value that is not of a single field, such as the result of a transformer: printed
/// plainly.
pub fn plain() -> &'static FieldInfo {
    &info::PLAIN
}
