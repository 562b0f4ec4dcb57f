//! The filter language: syntax, meaning, bounds, and the conditions of real rules.

mod ancestors;
mod audit_fields;
mod audit_filters;
mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod printing;
mod pushdown;
mod rules;
mod semantics;
mod syntax;
