//! The screen on a real terminal.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, DisableMouseCapture, EnableMouseCapture, Event};
use ratatui::crossterm::execute;

use super::message::{Command, Message};
use super::model::Model;
use super::update::update;
use super::view;
use super::work::Work;
use crate::analysis::Library;
use crate::event::bytes::{self, BufferFormat};

/// How often time passes while nothing else happens.
const TICK: Duration = Duration::from_millis(50);
/// How often a growing capture is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The longest text that is put on the clipboard, in bytes: terminals take no more.
const CLIPBOARD: usize = 64 << 10;

/// Gives the terminal back as it was, also after a panic.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        // Without a terminal there is nothing to give back.
        drop(execute!(io::stdout(), DisableMouseCapture));
        ratatui::restore();
    }
}

/// Shows a model until it is ended by a key or by `stop`; returns it as it was then.
pub(crate) fn run(
    mut model: Model,
    commands: Vec<Command>,
    stop: &Arc<AtomicBool>,
) -> io::Result<Model> {
    let (send, receive) = mpsc::channel();
    let library = Arc::clone(&model.library);
    let mut work = Work::start(&library, &send)?;
    let mut terminal = ratatui::try_init()?;
    let _restore = Restore;
    // What a panic says is only seen if the mouse is given back before.
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        drop(execute!(io::stdout(), DisableMouseCapture));
        before(info);
    }));
    execute!(io::stdout(), EnableMouseCapture)?;
    let size = terminal.size()?;
    model.size = (size.width, size.height);
    read_input(send.clone())?;
    if model.live {
        watch(library, send.clone())?;
    }
    drop(send);
    let start = Instant::now();
    let mut waiting = commands;
    loop {
        for command in waiting.drain(..) {
            if carry_out(&mut model, &mut work, command)? {
                return Ok(model);
            }
        }
        draw(&mut terminal, &model)?;
        let mut next = match receive.recv_timeout(TICK) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(model),
        };
        if stop.load(Ordering::Relaxed) {
            return Ok(model);
        }
        let now = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        waiting.extend(update(&mut model, Message::Tick(now)));
        // Everything that has come is taken before the next picture.
        while let Some(message) = next {
            if let Message::Grown(library) = &message {
                work.replace(library);
            }
            waiting.extend(update(&mut model, message));
            next = receive.try_recv().ok();
        }
    }
}

fn draw(terminal: &mut DefaultTerminal, model: &Model) -> io::Result<()> {
    terminal.draw(|frame| {
        if let Some(caret) = view::draw(model, frame.buffer_mut()) {
            frame.set_cursor_position(caret);
        }
    })?;
    Ok(())
}

/// Does what the model asks for; returns whether it is the end.
fn carry_out(model: &mut Model, work: &mut Work, command: Command) -> io::Result<bool> {
    match command {
        Command::Survey(scope) => work.survey(scope),
        Command::Ask(ticket, question) => work.ask(ticket, question),
        Command::Copy(text) => copy(&text)?,
        Command::WriteNotes(notes) => match notes.save(model.library.path()) {
            Ok(path) => model.status = Some(format!("kept in {}", path.display())),
            Err(error) => model.status = Some(format!("cannot keep the notes: {error}")),
        },
        Command::Quit => return Ok(true),
    }
    Ok(false)
}

/// Puts a text on the clipboard of the terminal, also over ssh (OSC 52). It is base64, so that nothing in it
/// can control the terminal.
fn copy(text: &str) -> io::Result<()> {
    let text = &text.as_bytes()[..text.len().min(CLIPBOARD)];
    let mut sequence = b"\x1b]52;c;".to_vec();
    bytes::render(&mut sequence, text, BufferFormat::Base64);
    sequence.push(b'\x07');
    let mut out = io::stdout();
    out.write_all(&sequence)?;
    out.flush()
}

/// Reads keys and the mouse on a thread of its own, which ends with the program.
fn read_input(send: Sender<Message>) -> io::Result<()> {
    let read = move || {
        while let Ok(event) = event::read() {
            let message = match event {
                Event::Key(key) => Message::Key(key),
                Event::Mouse(mouse) => Message::Mouse(mouse),
                Event::Resize(width, height) => Message::Resize(width, height),
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

/// Watches a capture that grows, on a thread of its own.
fn watch(mut library: Arc<Library>, send: Sender<Message>) -> io::Result<()> {
    let watch = move || {
        loop {
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
