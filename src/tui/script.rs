//! The screen driven by a script instead of a terminal: for documents and tests.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Options;
use super::message::{Command, Message};
use super::model::Model;
use super::notes::Notes;
use super::update::update;
use super::view;
use super::work::Work;
use crate::replay::IndexedCapture;

/// How long the background may take for what one key asked for.
const PATIENCE: Duration = Duration::from_secs(120);
/// So much time passes between two keys for what is played back, in nanoseconds.
const KEY_NS: u64 = 1_000_000_000;

/// A screen without a terminal.
pub(crate) struct Screen {
    pub(crate) model: Model,
    work: Work,
    receive: Receiver<Message>,
    /// What was put on the clipboard.
    pub(crate) copied: Vec<String>,
    pub(crate) quit: bool,
}

impl Screen {
    /// Opens a capture on a screen of so many columns and rows, and waits until it is counted.
    pub(crate) fn open(
        library: &Arc<IndexedCapture>,
        options: Options,
        notes: Notes,
        size: (u16, u16),
    ) -> std::io::Result<Self> {
        let mut screen = Self::begin(library, options, notes, size)?;
        screen.settle()?;
        Ok(screen)
    }

    /// Opens a capture on a screen of so many columns and rows.
    pub(crate) fn begin(
        library: &Arc<IndexedCapture>,
        options: Options,
        notes: Notes,
        size: (u16, u16),
    ) -> std::io::Result<Self> {
        let (send, receive) = mpsc::channel();
        let work = Work::start(library, &send)?;
        let (model, commands) = Model::new(Arc::clone(library), options, notes, size);
        let mut screen = Self {
            model,
            work,
            receive,
            copied: Vec::new(),
            quit: false,
        };
        screen.carry_out(commands);
        Ok(screen)
    }

    /// Presses a key and waits until nothing is pending any more.
    pub(crate) fn press(&mut self, key: KeyEvent) -> std::io::Result<()> {
        self.send(Message::Tick(self.model.now + KEY_NS));
        self.send(Message::Key(key));
        self.settle()
    }

    /// Tells the model something.
    pub(crate) fn send(&mut self, message: Message) {
        let commands = update(&mut self.model, message);
        self.carry_out(commands);
    }

    /// Waits until nothing is pending any more.
    pub(crate) fn settle(&mut self) -> std::io::Result<()> {
        let end = Instant::now() + PATIENCE;
        while self.model.is_waiting() && !self.quit {
            let left = end.saturating_duration_since(Instant::now());
            match self.receive.recv_timeout(left) {
                Ok(message) => self.send(message),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(std::io::Error::other(
                        "the background did not come to an end",
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(std::io::Error::other("the background ended"));
                }
            }
        }
        Ok(())
    }

    /// Does what the model asks for.
    pub(crate) fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::CaptureInfo(scope) => self.work.capture_info(scope),
                Command::Ask(ticket, question) => self.work.ask(ticket, question),
                Command::Copy(text) => self.copied.push(text),
                Command::WriteNotes(notes) => {
                    if let Err(error) = notes.save(self.model.library.path()) {
                        self.model.status = Some(format!("cannot keep the notes: {error}"));
                    }
                }
                Command::Quit => self.quit = true,
            }
        }
    }

    /// Draws the screen.
    pub(crate) fn draw(&self) -> Buffer {
        let (width, height) = self.model.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        view::draw(&self.model, &mut buffer);
        buffer
    }
}
