//! The screen on a real terminal.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event};

use super::message::{Command, Message};
use super::model::Model;
use super::tty::{self, Tty};
use super::update::update;
use super::view;
use super::work::Work;
use crate::analysis::Library;

/// How often time passes while nothing else happens.
const TICK: Duration = Duration::from_millis(50);
/// How often a growing capture is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Shows a model until it is ended by a key, by `stop` or by the end of the terminal; returns it as it was then.
pub(crate) fn run(
    mut model: Model,
    commands: Vec<Command>,
    stop: &Arc<AtomicBool>,
) -> io::Result<Model> {
    match go(&mut model, commands, stop) {
        Err(error) if !tty::is_gone() => Err(error),
        // If the terminal is gone there is nobody to be told.
        _ => Ok(model),
    }
}

fn go(model: &mut Model, commands: Vec<Command>, stop: &Arc<AtomicBool>) -> io::Result<()> {
    let (send, receive) = mpsc::channel();
    let library = Arc::clone(&model.library);
    let mut work = Work::start(&library, &send)?;
    let mut tty = Tty::take()?;
    read_input(send.clone())?;
    if model.live {
        watch(library, send.clone())?;
    }
    drop(send);
    let start = Instant::now();
    let mut waiting = commands;
    let mut is_drawn = false;
    loop {
        for command in waiting.drain(..) {
            if carry_out(model, &mut work, &mut tty, command)? {
                return Ok(());
            }
        }
        // At rest nothing is written, which spares slow lines.
        if !is_drawn {
            draw(&mut tty, model)?;
        }
        let mut next = match receive.recv_timeout(TICK) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if stop.load(Ordering::Relaxed) || tty::is_gone() {
            return Ok(());
        }
        is_drawn = next.is_none() && !model.is_playing();
        let now = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        waiting.extend(update(model, Message::Tick(now)));
        let size = tty::size();
        if size != model.size {
            tty.resize(size)?;
            waiting.extend(update(model, Message::Resize(size.0, size.1)));
            is_drawn = false;
        }
        // Everything that has come is taken before the next picture.
        while let Some(message) = next {
            if let Message::Grown(library) = &message {
                work.replace(library);
            }
            waiting.extend(update(model, message));
            next = receive.try_recv().ok();
        }
    }
}

fn draw(tty: &mut Tty, model: &Model) -> io::Result<()> {
    tty.draw(|frame| {
        if let Some(caret) = view::draw(model, frame.buffer_mut()) {
            frame.set_cursor_position(caret);
        }
    })
}

/// Does what the model asks for; returns whether it is the end.
fn carry_out(
    model: &mut Model,
    work: &mut Work,
    tty: &mut Tty,
    command: Command,
) -> io::Result<bool> {
    match command {
        Command::Survey(scope) => work.survey(scope),
        Command::Ask(ticket, question) => work.ask(ticket, question),
        Command::Copy(text) => tty.copy(&text)?,
        Command::WriteNotes(notes) => match notes.save(model.library.path()) {
            Ok(path) => model.status = Some(format!("kept in {}", path.display())),
            Err(error) => model.status = Some(format!("cannot keep the notes: {error}")),
        },
        Command::Quit => return Ok(true),
    }
    Ok(false)
}

/// Reads keys and the mouse on a thread of its own, which ends with the program.
fn read_input(send: Sender<Message>) -> io::Result<()> {
    let read = move || {
        while let Ok(event) = event::read() {
            let message = match event {
                Event::Key(key) => Message::Key(key),
                Event::Mouse(mouse) => Message::Mouse(mouse),
                // The size is looked at when a picture is drawn.
                _ => continue,
            };
            if send.send(message).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("scap-input".to_owned())
        .spawn(read)?;
    Ok(())
}

/// Watches a capture that grows until it has its end, on a thread of its own.
fn watch(mut library: Arc<Library>, send: Sender<Message>) -> io::Result<()> {
    let watch = move || {
        while library.is_cut_off() {
            thread::sleep(LOOK);
            let Some(grown) = grown(library.path(), library.bytes()) else {
                continue;
            };
            library = Arc::new(grown);
            if send.send(Message::Grown(Arc::clone(&library))).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("scap-watch".to_owned())
        .spawn(watch)?;
    Ok(())
}

/// Opens a capture again if it is longer than it was.
fn grown(path: &Path, bytes: u64) -> Option<Library> {
    let len = std::fs::metadata(path).ok()?.len();
    if len <= bytes {
        return None;
    }
    Library::open(path)
        .ok()
        .filter(|library| library.span().is_some())
}
