//! What the model is told, and what it asks for.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};

use super::notes::Notes;
use crate::inspect::aggregator::Progress;
use crate::inspect::detail::Detail;
use crate::inspect::find::Query;
use crate::inspect::io_stream::{Follow, IoStream};
use crate::inspect::page::{At, Page};
use crate::inspect::scripted::Scripted;
use crate::inspect::system_view::SystemView;
use crate::replay::IndexedCapture;
use crate::replay::Scope;
use crate::replay::Span;
use crate::stats::table::{Table, View};

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was moved, pressed or turned.
    Mouse(MouseEvent),
    /// The screen has another size: columns and rows.
    Resize(u16, u16),
    /// Time passes: the time in nanoseconds since the program began.
    Tick(u64),
    /// How far the counting is, and what was counted.
    Progress(Progress),
    /// How far the answer to a question is, in percent.
    Share(RequestId, u8),
    /// Something that was asked for is there.
    Response(RequestId, Box<Response>),
    /// The capture has grown.
    Grown(Arc<IndexedCapture>),
}

/// Tells answers to old questions from those to the newest one.
pub(crate) type RequestId = u64;

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Response {
    /// Lines of the event list.
    Page(Page),
    /// Everything about an event; `None`: there is no such event.
    Detail(Option<Detail>),
    /// The number of an event that was looked for.
    Found(Option<u64>),
    /// What was read and written.
    IoStream(IoStream),
    /// The machine at a point in time.
    SystemView(SystemView, Table),
    /// The views that scripts describe.
    Views(Scripted),
    /// The table of one of them in a scope.
    Scripted(View, Scope, Table),
    /// A file was written; what is to be said about it.
    Written(String),
    /// Why there is no answer.
    Failed(String),
}

/// Something to be done outside of the model. All of it is done in the background.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// Count what happened in a scope; the answers are [`Message::Progress`].
    CaptureInfo(Scope),
    /// Answer a question.
    Ask(RequestId, Request),
    /// Put a text on the clipboard of the terminal.
    Copy(String),
    /// Write the notes beside the capture.
    WriteNotes(Notes),
    /// End.
    Quit,
}

/// A question to the capture, of which only the newest of its kind counts.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Lines of the list of a scope's events.
    Page {
        /// The scope.
        scope: Scope,
        /// Around there.
        at: At,
        /// So many before it.
        before: u32,
        /// So many in all.
        len: u32,
    },
    /// Everything about an event.
    Detail(u64),
    /// The next event that fulfils a query.
    Find {
        /// The query.
        query: Query,
        /// Only there.
        span: Span,
        /// From this event on.
        from: u64,
        /// Forwards, else backwards.
        forward: bool,
    },
    /// The event that opened an event's fd.
    Opener(u64),
    /// The event that made an event's process.
    Fork(u64),
    /// What was read and written.
    IoStream(Scope, Follow),
    /// The machine at a point in time.
    SystemView(u64, SystemView),
    /// The views that scripts describe.
    Views,
    /// The table of one of them in a scope.
    Scripted(Scripted, View, Scope),
    /// Write the scope's events to a file; its ending tells the form.
    Save(Scope, PathBuf),
    /// Write the notes as Markdown.
    Export(Notes),
}
