//! The terminal: set up when the screen is shown, and restored however the program ends.

use std::io::{self, BufWriter, Stdout, Write as _};
use std::mem::ManuallyDrop;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, ThreadId};

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::style::{Print, force_color_output};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::tcgetwinsize;

use crate::event::bytes::{self, BufferFormat};
use crate::event::text;

/// Mouse reporting of buttons, wheel and dragging, with decimal coordinates (1006, else 1015). Not
/// of every movement, which would be needless traffic over ssh.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1015h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1015l\x1b[?1002l\x1b[?1000l";
/// Size of the output buffer in bytes.
const PICTURE: usize = 64 << 10;
/// Default columns and rows for terminals of unknown size, such as a serial line.
const USUAL: (u16, u16) = (80, 24);
/// Limit of columns and rows.
const MOST: u16 = 1000;

/// The terminal while the screen is shown.
pub(crate) struct Tty {
    /// Never dropped: dropping writes to the terminal after it is restored, and panics if it is
    /// gone.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
    hold: Arc<Hold>,
}

/// The data needed to restore the terminal.
struct Hold {
    /// The drawing thread; a panic of another thread keeps the screen.
    owner: ThreadId,
    is_ours: AtomicBool,
    /// The message of the first panic of another thread, printed after the screen is closed.
    panic_message: Mutex<Option<String>>,
}

/// The terminal that is held, for [`give_back`].
static HELD: Mutex<Weak<Hold>> = Mutex::new(Weak::new());

/// Restores the terminal, if the screen is shown, in any thread that is about to end the program.
pub fn give_back() {
    let held = HELD
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .upgrade();
    if let Some(hold) = held {
        hold.give_back();
    }
}

impl Hold {
    /// Restores the terminal, once. Errors are ignored: they could not be displayed.
    fn give_back(&self) {
        if !self.is_ours.swap(false, Ordering::SeqCst) {
            return;
        }
        let mut out = io::stdout();
        drop(execute!(out, Print(MOUSE_OFF), LeaveAlternateScreen, Show));
        drop(disable_raw_mode());
        let mut panic_message = self
            .panic_message
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = panic_message.take() {
            let mut line = Vec::new();
            text::escape(&mut line, text.as_bytes());
            line.push(b'\n');
            drop(io::stderr().write_all(&line));
        }
    }

    /// Handles the panic of a thread.
    fn panicked(&self, info: &PanicHookInfo<'_>, before: &dyn Fn(&PanicHookInfo<'_>)) {
        if thread::current().id() == self.owner {
            self.give_back();
        }
        if !self.is_ours.load(Ordering::SeqCst) {
            before(info);
            return;
        }
        let mut panic_message = self
            .panic_message
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        panic_message.get_or_insert_with(|| format!("in the background: {info}"));
    }
}

impl Tty {
    /// Takes the terminal.
    pub(crate) fn take() -> io::Result<Self> {
        let hold = Arc::new(Hold {
            owner: thread::current().id(),
            is_ours: AtomicBool::new(true),
            panic_message: Mutex::default(),
        });
        *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&hold);
        // The theme decides. With NO_COLOR every colour change would be written as "all attributes
        // off".
        force_color_output(true);
        let (width, height) = size();
        let options = TerminalOptions {
            viewport: Viewport::Fixed(Rect::new(0, 0, width, height)),
        };
        let out = BufWriter::with_capacity(PICTURE, io::stdout());
        let backend = CrosstermBackend::new(out);
        let terminal = ManuallyDrop::new(Terminal::with_options(backend, options)?);
        let mut tty = Self { terminal, hold };
        let (hold, before) = (Arc::clone(&tty.hold), panic::take_hook());
        panic::set_hook(Box::new(move |info| hold.panicked(info, &before)));
        enable_raw_mode()?;
        let backend = tty.terminal.backend_mut();
        execute!(backend, EnterAlternateScreen, Print(MOUSE_ON))?;
        Ok(tty)
    }

    /// Adapts to a new size of the screen.
    pub(crate) fn resize(&mut self, (width, height): (u16, u16)) -> io::Result<()> {
        self.terminal.resize(Rect::new(0, 0, width, height))
    }

    /// Draws a picture; only changed cells are written.
    pub(crate) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(picture)?;
        Ok(())
    }

    /// Copies a text to the terminal's clipboard, also over ssh (OSC 52). It is base64, so that it
    /// cannot control the terminal.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        let mut sequence = b"\x1b]52;c;".to_vec();
        bytes::render(&mut sequence, text.as_bytes(), BufferFormat::Base64);
        sequence.push(b'\x07');
        let out = self.terminal.backend_mut();
        out.write_all(&sequence)?;
        io::Write::flush(out)
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.hold.give_back();
    }
}

/// Returns the size of the terminal in columns and rows.
pub(crate) fn size() -> (u16, u16) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            (size.ws_col.min(MOST), size.ws_row.min(MOST))
        }
        _ => USUAL,
    }
}

/// Returns true if the terminal is gone: its window was closed, or the connection was cut.
pub(crate) fn is_gone() -> bool {
    let stdin = io::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::empty())];
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    poll(&mut polled, Some(&Timespec::default())).is_ok() && polled[0].revents().intersects(gone)
}

#[cfg(test)]
#[path = "../../tests/common/pty.rs"]
mod pty;

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;
    use std::time::Duration;

    use super::pty::Pty;
    use super::*;

    /// Set in a process that a test started on a terminal.
    const ON_TERMINAL: &str = "SCAP_TEST_ON_TERMINAL";

    /// Starts the test of this name on a terminal.
    fn on_terminal(test: &str) -> Pty {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([
                "--exact",
                &format!("tui::tty::tests::{test}"),
                "--nocapture",
            ])
            .env(ON_TERMINAL, "1")
            .env("RUST_BACKTRACE", "1");
        Pty::start(command, (80, 24))
    }

    /// Draws a word, and keeps the terminal until a key is pressed.
    fn draw_and_wait(tty: &mut Tty) {
        let draw = |frame: &mut Frame<'_>| {
            frame
                .buffer_mut()
                .set_string(0, 0, "the screen", ratatui::style::Style::new());
        };
        tty.draw(draw).unwrap();
        crossterm::event::read().unwrap();
    }

    #[test]
    fn a_panic_gives_the_terminal_back_and_can_be_read() {
        if env::var_os(ON_TERMINAL).is_some() {
            let mut tty = Tty::take().unwrap();
            draw_and_wait(&mut tty);
            panic!("what went wrong");
        }
        let mut pty = on_terminal("a_panic_gives_the_terminal_back_and_can_be_read");
        pty.wait("the screen", |screen| screen.contains("the screen"));
        assert!(pty.is_raw() && pty.terminal().alternate_screen());
        pty.send(b"x");
        assert_eq!(pty.end(Duration::from_secs(10)).code(), Some(101));
        pty.is_given_back();
        let written = String::from_utf8_lossy(&pty.written);
        let left = written.rfind("\x1b[?1049l").unwrap();
        let after = &written[left..];
        assert!(
            after.contains("what went wrong") && after.contains("stack backtrace"),
            "{after}"
        );
    }

    #[test]
    fn a_panic_in_the_background_leaves_the_screen_and_is_reported_afterwards() {
        if env::var_os(ON_TERMINAL).is_some() {
            let mut tty = Tty::take().unwrap();
            let crash = || panic!("what went wrong");
            assert!(thread::spawn(crash).join().is_err());
            draw_and_wait(&mut tty);
            return;
        }
        let mut pty =
            on_terminal("a_panic_in_the_background_leaves_the_screen_and_is_reported_afterwards");
        pty.wait("the screen", |screen| screen.contains("the screen"));
        assert!(pty.is_raw() && pty.terminal().alternate_screen());
        assert!(!pty.screen().contains("wrong"), "{}", pty.screen());
        pty.send(b"x");
        assert_eq!(pty.end(Duration::from_secs(10)).code(), Some(0));
        pty.is_given_back();
        assert!(pty.screen().contains("what went wrong"), "{}", pty.screen());
    }
}
