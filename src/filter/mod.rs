//! The filter language of sysdig and Falco: fields of an event and conditions on them.
//!
//! [`fields`] knows what can be asked of an event and the state around it.

pub mod fields;
