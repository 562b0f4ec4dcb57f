//! What the model is told, and what it asks for.

use std::path::PathBuf;
use std::sync::Arc;

use ratatui::crossterm::event::{KeyEvent, MouseEvent};

use super::notes::Notes;
use crate::analysis::detail::Detail;
use crate::analysis::echo::{Echo, Follow};
use crate::analysis::find::Query;
use crate::analysis::moment::Moment;
use crate::analysis::page::{At, Page};
use crate::analysis::surveyor::Progress;
use crate::analysis::table::{Scripted, Table, View};
use crate::analysis::{Library, Scope, Span};

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
    Share(Ticket, u8),
    /// Something that was asked for is there.
    Answer(Ticket, Box<Answer>),
    /// The capture has grown.
    Grown(Arc<Library>),
}

/// Tells answers to old questions from those to the newest one.
pub(crate) type Ticket = u64;

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Lines of the event list.
    Page(Page),
    /// Everything about an event; `None`: there is no such event.
    Detail(Option<Detail>),
    /// The number of an event that was looked for.
    Found(Option<u64>),
    /// What was read and written.
    Echo(Echo),
    /// The machine at a point in time.
    Moment(Moment, Table),
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
    Survey(Scope),
    /// Answer a question.
    Ask(Ticket, Question),
    /// Put a text on the clipboard of the terminal.
    Copy(String),
    /// Write the notes beside the capture.
    WriteNotes(Notes),
    /// End.
    Quit,
}

/// A question to the capture, of which only the newest of its kind counts.
#[derive(Clone, Debug)]
pub(crate) enum Question {
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
    Echo(Scope, Follow),
    /// The machine at a point in time.
    Moment(u64, Moment),
    /// The views that scripts describe.
    Views,
    /// The table of one of them in a scope.
    Scripted(Scripted, View, Scope),
    /// Write the scope's events to a file; its ending tells the form.
    Save(Scope, PathBuf),
    /// Write the notes as Markdown.
    Export(Notes),
}
