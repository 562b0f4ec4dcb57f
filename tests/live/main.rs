//! Tests that load the probe and record real programs. They need root and a kernel with BTF; where
//! that is missing they say "skipped: why", and fail instead if `SCAP_REQUIRE_LIVE` is set.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that panics fails"
)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what was compared or skipped is told"
)]
#![allow(
    clippy::zombie_processes,
    reason = "a failed test leaves its children to init"
)]

mod attacks;
mod audit;
mod audit_sources;
mod capture;
mod cases;
mod chisels;
mod contained;
mod containers;
mod cri_client;
mod filter;
mod inside;
mod known;
mod lanes;
mod lifecycle;
mod live;
mod machine;
mod namespaces;
#[path = "../common/pty.rs"]
mod pty;
mod random_fds;
mod recorder;
mod rules;
mod runtimes;
mod snapshots;
mod space;
mod startup;
mod state;
mod strace;
mod tools;
mod truth;
mod view;
