//! The messages to the model, and the commands it returns.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};
use hashbrown::HashSet;

use super::notes::Notes;
use super::save::Parents;
use crate::inspect::aggregator::Progress;
use crate::inspect::alerts::{Alert, Alerts};
use crate::inspect::detail::Detail;
use crate::inspect::detector::Detected;
use crate::inspect::find::Query;
use crate::inspect::io_stream::{Follow, IoStream};
use crate::inspect::page::{At, Page};
use crate::inspect::scripted::Scripted;
use crate::inspect::system_tables::SystemView;
use crate::inspect::verifier::Verified;
use crate::replay::IndexedCapture;
use crate::replay::Scope;
use crate::replay::Span;
use crate::stats::table::{Table, View};

/// An input of the model.
#[derive(Debug)]
pub(crate) enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was moved or a button or the wheel was used.
    Mouse(MouseEvent),
    /// The screen has another size: columns and rows.
    Resize(u16, u16),
    /// Time since the program started, in nanoseconds.
    Tick(u64),
    /// Progress and results of the background aggregation.
    Progress(Progress),
    /// Progress of a request, in percent.
    Share(RequestId, u8),
    /// The response to a request.
    Response(RequestId, Box<Response>),
    /// The capture has grown.
    Grown(Arc<IndexedCapture>),
    /// The capture was verified.
    Verified(Verified),
    /// Rules were evaluated, for a part of the capture or for all of it.
    Detected(Detected),
}

impl Message {
    /// Returns the capture that replaces the current one.
    pub(crate) fn replacement(
        &self,
        current: &Arc<IndexedCapture>,
    ) -> Option<&Arc<IndexedCapture>> {
        match self {
            Self::Grown(capture) => Some(capture),
            // If the capture has grown meanwhile, it will be verified again.
            Self::Verified(verified) if Arc::ptr_eq(&verified.capture, current) => {
                verified.corrected.as_ref()
            }
            _ => None,
        }
    }
}

/// Identifies a request, so that responses to outdated requests can be ignored.
pub(crate) type RequestId = u64;

/// The result of a request.
#[derive(Debug)]
pub(crate) enum Response {
    /// Lines of the event list.
    Page(Page),
    /// The details of an event, and alerts that it raised and that are not kept; `None` if there is no such event.
    Detail(Option<Detail>, Vec<(usize, Alert)>),
    /// The number of the event that was found.
    Found(Option<u64>),
    /// An I/O stream.
    IoStream(IoStream),
    /// The system state at a point in time.
    SystemView(SystemView, Table),
    /// The views described by scripts.
    Views(Scripted),
    /// The table of a scripted view in a scope.
    Scripted(View, Scope, Table),
    /// The numbers of the events with alerts that are in a scope.
    Alerts(Scope, HashSet<u64>),
    /// A file was written; the text is the status message.
    Written(String),
    /// Why the request failed.
    Failed(String),
}

/// Length limit of a copied text, in bytes: terminals ignore longer ones.
pub(crate) const CLIPBOARD: usize = 64 << 10;

/// A side effect requested by the model. All of them are done in the background.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// Aggregate a scope; the results are [`Message::Progress`].
    SetScope(Scope),
    /// Process a request.
    Ask(RequestId, Request),
    /// Put a text on the clipboard of the terminal.
    Copy(String),
    /// Save the notes next to the capture.
    WriteNotes(Notes),
    /// Quit.
    Quit,
}

/// A request to the background. Only the newest of each kind matters.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Lines of the list of a scope's events.
    Page {
        /// The scope.
        scope: Scope,
        /// The position.
        at: At,
        /// Number of lines before it.
        before: u32,
        /// Number of lines in total.
        len: u32,
    },
    /// The details of an event; true: also find the alerts that it raised.
    Detail(u64, bool),
    /// The next match of a query.
    Find {
        /// The query.
        query: Query,
        /// The range to search.
        span: Span,
        /// The event to start from.
        from: u64,
        /// True to search forwards, false for backwards.
        forward: bool,
    },
    /// The event that opened an event's fd.
    Opener(u64),
    /// The event that created an event's process.
    Fork(u64),
    /// An I/O stream.
    IoStream(Scope, Follow),
    /// The system state at a point in time.
    SystemView(u64, SystemView),
    /// The views described by scripts.
    Views,
    /// The table of a scripted view in a scope.
    Scripted(Scripted, View, Scope),
    /// Which events with alerts are in a scope.
    Alerts(Arc<Alerts>, Scope),
    /// Save the scope's events to a file, in the format of its extension.
    Save(Scope, Parents, PathBuf),
    /// Save a text to a file.
    SaveText(String, PathBuf),
    /// Write the notes as Markdown.
    Export(Notes),
}
