//! How the resolver of containers gets on with runtimes that answer, and with those that do not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that panics fails"
)]

mod docker;
mod fake;
mod grpc;
mod hostile;
