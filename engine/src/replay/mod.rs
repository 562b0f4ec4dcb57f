//! Replay: from captures, through the state, to a sink.
//!
//! An [`EventSource`] passes on borrowed events in order. The [`Pipeline`] synthesizes enter events
//! if needed, updates the state, applies filter and time window, and passes matching events to an
//! [`EventSink`] together with the state around them. Nothing is allocated per event.
//!
//! ```text
//! NativeSource   a native capture from front to back      \
//! SysdigSource   a .scap file                              \
//! AuditSource    Kubernetes audit logs                      \
//! MergedSource   several captures by time                   >  Pipeline  ->  EventSink
//! JoinedSource   the files of one recording                 |
//! SegmentReplayer  from any snapshot of a native capture   /
//! record::session  the recorder's rings                   /
//! ```
//!
//! A [`Plan`] says what is read of a capture in a file: parts without wanted events are skipped, and several threads can
//! each replay a share ([`replay_shares`]).
//!
//! Events can come from several recordings ([`MergedSource`]); each has its own [`OriginState`], so that
//! process 7 of one machine is never taken for process 7 of another.

pub mod audit;
mod calls;
mod chunk;
mod claims;
pub mod enters;
pub mod indexed;
mod instant;
mod joined;
pub mod matcher;
mod merged;
mod native;
mod parallel;
mod pipeline;
mod plan;
mod rest;
pub mod segment;
mod selection;
mod sessions;
mod shifted;
mod sink;
mod source;
mod span;
mod sysdig;
mod verify;

pub use audit::AuditSource;
pub use calls::{CallsInProgress, ThreadActivity, calls_in_progress};
pub use claims::chunks_lacking_names;
pub use enters::EnterSynthesizer;
pub use indexed::{IndexedCapture, IndexedCaptureError, Segment};
pub use instant::{Instant, state_at};
pub use joined::JoinedSource;
pub use merged::MergedSource;
pub use native::NativeSource;
pub use parallel::{PieceSink, Share, replay_runs, replay_shares};
pub use pipeline::is_about_capture;
pub use pipeline::{End, OriginState, Pipeline, ReplayError, replay_all};
pub use plan::{Amount, Extent, Plan, PlanAmounts, Split, first_event};
pub use segment::SegmentReplayer;
pub use selection::Selection;
pub use sessions::{exec_sessions, with_exec_sessions};
pub use shifted::ShiftedSource;
pub use sink::EventSink;
pub use source::{Each, EventSource, Item, Needs};
pub use span::{LossInterval, Scope, Span};
pub use sysdig::SysdigSource;
pub use verify::Verifier;

use scap_capture_format::native::Header;
use scap_capture_format::schema::Arch;

/// Returns the architecture whose syscall numbers a capture has.
pub fn arch(header: &Header) -> Option<Arch> {
    Arch::from_name(&header.machine.arch)
}
