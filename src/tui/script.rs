//! A virtual screen driven by a script, for documents and tests.

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

/// Time limit of the background work for one key.
const PATIENCE: Duration = Duration::from_secs(120);
/// Playback time that passes between two keys, in nanoseconds.
const KEY_NS: u64 = 1_000_000_000;

/// A virtual screen.
pub(crate) struct Screen {
    pub(crate) model: Model,
    work: Work,
    receive: Receiver<Message>,
    /// The texts copied to the clipboard.
    pub(crate) copied: Vec<String>,
    pub(crate) quit: bool,
}

impl Screen {
    /// Opens a capture on a virtual screen of this size, and waits until it is aggregated.
    pub(crate) fn open(
        capture: &Arc<IndexedCapture>,
        options: Options,
        notes: Notes,
        size: (u16, u16),
    ) -> std::io::Result<Self> {
        let mut screen = Self::begin(capture, options, notes, size)?;
        screen.settle()?;
        Ok(screen)
    }

    /// Opens a capture on a virtual screen of this size.
    pub(crate) fn begin(
        capture: &Arc<IndexedCapture>,
        options: Options,
        notes: Notes,
        size: (u16, u16),
    ) -> std::io::Result<Self> {
        let (send, receive) = mpsc::channel();
        let work = Work::start(capture, options.rules.as_ref(), options.live, &send)?;
        let (model, commands) = Model::new(Arc::clone(capture), options, notes, size);
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

    /// Presses a key and waits until no request is pending.
    pub(crate) fn press(&mut self, key: KeyEvent) -> std::io::Result<()> {
        self.send(Message::Tick(self.model.now + KEY_NS));
        self.send(Message::Key(key));
        self.settle()
    }

    /// Sends a message to the model.
    pub(crate) fn send(&mut self, message: Message) {
        self.work.follow(&message, &self.model.capture);
        let commands = update(&mut self.model, message);
        self.carry_out(commands);
    }

    /// Waits until no request is pending, the capture is verified and the rules are evaluated.
    pub(crate) fn settle(&mut self) -> std::io::Result<()> {
        let end = Instant::now() + PATIENCE;
        let is_busy =
            |model: &Model| model.is_waiting() || !model.is_verified || model.is_detecting();
        while is_busy(&self.model) && !self.quit {
            let left = end.saturating_duration_since(Instant::now());
            match self.receive.recv_timeout(left) {
                Ok(message) => self.send(message),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(std::io::Error::other(
                        "the background work did not finish in time",
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(std::io::Error::other("the background threads ended"));
                }
            }
        }
        Ok(())
    }

    /// Executes the model's commands.
    pub(crate) fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::SetScope(scope) => self.work.set_scope(scope),
                Command::Ask(ticket, question) => self.work.ask(ticket, question),
                Command::Copy(text) => self.copied.push(text),
                Command::WriteNotes(notes) => {
                    if let Err(error) = notes.save() {
                        self.model.status = Some(format!("cannot save the notes: {error}"));
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
