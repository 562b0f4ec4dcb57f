//! Fields: what filters, output formats and chisels can ask of an event and the state around it.
//!
//! Names, types and meaning are those of the falcosecurity libraries and of sysdig 0.29.3. A field has a
//! value or it is absent; nothing is invented for what was not seen. One file per class of fields.
//!
//! Adding a field takes one row in the table of its class and a function that computes the value. The row
//! also says what may be concluded about the value ([`attributes`]); nothing outside this module looks at a
//! field's name for that.

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

mod ancestors;
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
#[cfg(test)]
mod made_up;
mod paths;
mod process;
mod removed;
mod syslog;
mod thread;
mod user;
mod value;

pub use classes::{CLASSES, Class, all};
pub use context::{Context, Session, TimeFormat};
pub use field::{Field, FieldArg};
pub use info::{ArgForm, FieldFlags, FieldInfo, FieldType};
pub use lookup::{LookupError, lookup, lookup_prefix};
pub use value::{Scratch, Value};

pub(crate) use value::items;
use value::{join, variables};

/// Describes a value that does not come from a single field, such as a transformer's: printed plainly.
pub(crate) fn plain() -> &'static FieldInfo {
    &info::PLAIN
}
