//! scap: record what a Linux machine did, syscall by syscall, and find out later what happened.
pub mod record;
