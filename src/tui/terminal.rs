//! The screen on a real terminal.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event};

use super::message::{Command, Message};
use super::model::Model;
use super::tty::{self, Tty};
use super::update::update;
use super::view;
use super::work::Work;
use crate::inspect::alerts::Rules;
use crate::replay::IndexedCapture;

/// Interval of time messages while nothing else happens.
const TICK: Duration = Duration::from_millis(50);
/// How long drawing waits for fast background results.
const QUICK: Duration = Duration::from_millis(15);
/// Interval of checking a growing capture.
const LOOK: Duration = Duration::from_millis(500);

/// Shows a model until the user quits, `stop` is set or the terminal is closed; returns its final
/// state.
pub(crate) fn run(
    mut model: Model,
    commands: Vec<Command>,
    rules: Option<&Arc<Rules>>,
    stop: &Arc<AtomicBool>,
) -> io::Result<Model> {
    match go(&mut model, commands, rules, stop) {
        Err(error) if !tty::is_gone() => Err(error),
        // If the terminal is gone, an error cannot be shown.
        _ => Ok(model),
    }
}

fn go(
    model: &mut Model,
    commands: Vec<Command>,
    rules: Option<&Arc<Rules>>,
    stop: &Arc<AtomicBool>,
) -> io::Result<()> {
    let (send, receive) = mpsc::channel();
    let capture = Arc::clone(&model.capture);
    let work = Work::start(&capture, rules, model.live, &send)?;
    let tty = Tty::take()?;
    let mut show = Show { model, work, tty };
    let input = read_input(send.clone())?;
    if show.model.live {
        watch(capture, send.clone())?;
    }
    drop(send);
    let start = Instant::now();
    let mut is_over = show.carry_out(commands)?;
    let mut is_drawn = false;
    while !is_over {
        // An unchanged screen is not written again, which helps on slow lines.
        if !is_drawn {
            show.draw()?;
        }
        let mut next = receive.recv_timeout(TICK).ok();
        if stop.load(Ordering::Relaxed) || tty::is_gone() {
            return Ok(());
        }
        if input.is_finished() {
            let crashed = |_| Err(io::Error::other("the input thread crashed"));
            return input.join().unwrap_or_else(crashed);
        }
        is_drawn = next.is_none() && !show.model.is_playing();
        let now = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        is_over = show.send(Message::Tick(now))?;
        let size = tty::size();
        if size != show.model.size {
            show.tty.resize(size)?;
            is_over |= show.send(Message::Resize(size.0, size.1))?;
            is_drawn = false;
        }
        // All received messages are in the next picture, and fast results of the background too,
        // which avoids drawing a half empty picture first.
        let latest = Instant::now() + QUICK;
        while let Some(message) = next {
            is_over |= show.send(message)?;
            next = match show.model.is_waiting() && !is_over {
                true => {
                    let left = latest.saturating_duration_since(Instant::now());
                    receive.recv_timeout(left).ok()
                }
                false => receive.try_recv().ok(),
            };
        }
    }
    Ok(())
}

/// The running screen.
struct Show<'m> {
    model: &'m mut Model,
    work: Work,
    tty: Tty,
}

impl Show<'_> {
    fn draw(&mut self) -> io::Result<()> {
        let model = &*self.model;
        self.tty.draw(|frame| {
            if let Some(caret) = view::draw(model, frame.buffer_mut()) {
                frame.set_cursor_position(caret);
            }
        })
    }

    /// Sends a message to the model and executes its commands; returns true to quit.
    fn send(&mut self, message: Message) -> io::Result<bool> {
        self.work.follow(&message, &self.model.capture);
        let commands = update(self.model, message);
        self.carry_out(commands)
    }

    /// Executes the model's commands; returns true to quit.
    fn carry_out(&mut self, commands: Vec<Command>) -> io::Result<bool> {
        let mut is_over = false;
        for command in commands {
            match command {
                Command::SetScope(scope) => self.work.set_scope(scope),
                Command::Ask(ticket, question) => self.work.ask(ticket, question),
                Command::Copy(text) => self.tty.copy(&text)?,
                Command::WriteNotes(notes) => {
                    self.model.status = Some(match notes.save() {
                        Ok(path) => format!("saved in {}", path.display()),
                        Err(error) => format!("cannot save the notes: {error}"),
                    });
                }
                Command::Quit => is_over = true,
            }
        }
        Ok(is_over)
    }
}

/// Reads keys and the mouse on a detached thread.
fn read_input(send: Sender<Message>) -> io::Result<JoinHandle<io::Result<()>>> {
    let read = move || {
        loop {
            let message = match event::read()? {
                Event::Key(key) => Message::Key(key),
                Event::Mouse(mouse) => Message::Mouse(mouse),
                // The size is queried when the picture is drawn.
                _ => continue,
            };
            if send.send(message).is_err() {
                return Ok(());
            }
        }
    };
    let builder = thread::Builder::new().name("scap-input".to_owned());
    builder.spawn(read)
}

/// Watches a growing capture until it is complete, on a detached thread.
fn watch(mut capture: Arc<IndexedCapture>, send: Sender<Message>) -> io::Result<()> {
    let watch = move || {
        while capture.is_cut_off() {
            thread::sleep(LOOK);
            let Some(grown) = grown(capture.path(), capture.bytes()) else {
                continue;
            };
            capture = Arc::new(grown);
            if send.send(Message::Grown(Arc::clone(&capture))).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("scap-watch".to_owned())
        .spawn(watch)?;
    Ok(())
}

/// Opens a capture again if it has grown.
fn grown(path: &Path, bytes: u64) -> Option<IndexedCapture> {
    let len = std::fs::metadata(path).ok()?.len();
    if len <= bytes {
        return None;
    }
    IndexedCapture::open(path)
        .ok()
        .filter(|capture| capture.span().is_some())
}
