//! A program on a pseudo terminal, and what a person sees there.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, Signal, ioctl_tiocsctty, kill_process, setsid};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

/// How long a program may take to show something, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal with a program on it.
pub(crate) struct Pty {
    /// `None`: the terminal is gone.
    master: Option<OwnedFd>,
    /// Held open, else the kernel would give the terminal back itself when the program ends.
    slave: OwnedFd,
    child: Child,
    parser: vt100::Parser,
    /// All that was written.
    pub(crate) written: Vec<u8>,
    before: Termios,
}

impl Drop for Pty {
    /// A test that fails leaves no program behind.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Pty {
    /// Starts a program on a terminal of so many columns and rows, which it is the first process of.
    pub(crate) fn start(command: Command, size: (u16, u16)) -> Self {
        Self::start_on(command, size, true)
    }

    /// The same; the terminal need not be the one whose end the kernel tells the program of.
    pub(crate) fn start_on(mut command: Command, size: (u16, u16), controlling: bool) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        tcsetwinsize(&slave, winsize(size)).unwrap();
        let before = tcgetattr(&slave).unwrap();
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        let begin = move || {
            setsid()?;
            if controlling {
                // Standard input is this terminal by now.
                ioctl_tiocsctty(io::stdin())?;
            }
            Ok(())
        };
        // SAFETY: the closure makes two system calls and nothing else; neither allocates nor locks.
        unsafe { command.pre_exec(begin) };
        let child = command.spawn().unwrap();
        ioctl_fionbio(&master, true).unwrap();
        // Where nobody says it, such as on a serial line, programs take it to be so.
        let size = if size == (0, 0) { (80, 24) } else { size };
        Self {
            master: Some(master),
            slave,
            child,
            parser: parser(size),
            written: Vec::new(),
            before,
        }
    }

    /// Takes what was written for at most so long; whether there was something.
    pub(crate) fn pump(&mut self, wait: Duration) -> bool {
        let Some(master) = &self.master else {
            return false;
        };
        let mut polled = [PollFd::new(master, PollFlags::IN)];
        let wait = Timespec::try_from(wait).unwrap();
        if poll(&mut polled, Some(&wait)).unwrap() == 0 {
            return false;
        }
        let mut buffer = [0; 1 << 16];
        let read = rustix::io::read(master, &mut buffer).unwrap();
        self.written.extend_from_slice(&buffer[..read]);
        self.parser.process(&buffer[..read]);
        true
    }

    /// Takes everything until nothing more was written for a while.
    pub(crate) fn settle(&mut self) {
        while self.pump(Duration::from_millis(200)) {}
    }

    /// The screen as lines, without spaces at their ends.
    pub(crate) fn screen(&self) -> String {
        let screen = self.parser.screen();
        let width = screen.size().1;
        let lines: Vec<String> = screen
            .rows(0, width.get())
            .map(|line| format!("{}\n", line.trim_end()))
            .collect();
        lines.concat()
    }

    /// The terminal's own state.
    pub(crate) fn terminal(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// Waits until the screen fulfils something.
    pub(crate) fn wait(&mut self, what: &str, is_so: impl Fn(&str) -> bool) {
        self.wait_at_most(PATIENCE, what, is_so);
    }

    /// Waits until the screen fulfils something, at most so long.
    pub(crate) fn wait_at_most(
        &mut self,
        limit: Duration,
        what: &str,
        is_so: impl Fn(&str) -> bool,
    ) {
        let begin = Instant::now();
        while !is_so(&self.screen()) {
            assert!(
                begin.elapsed() < limit,
                "{what}: not after {limit:?}:\n{}",
                self.screen()
            );
            self.pump(Duration::from_millis(20));
        }
    }

    /// Waits until exactly this is on the screen.
    pub(crate) fn shows(&mut self, what: &str, expected: &str) {
        let begin = Instant::now();
        while self.screen() != expected && begin.elapsed() < PATIENCE {
            self.pump(Duration::from_millis(20));
        }
        assert_eq!(self.screen(), expected, "{what}");
    }

    /// Types bytes, and takes what is written meanwhile: who writes may not be reading.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            match rustix::io::write(self.master.as_ref().unwrap(), left) {
                Ok(count) => left = &left[count..],
                Err(Errno::AGAIN) => {
                    self.pump(Duration::from_millis(5));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Gives the terminal another size; the kernel tells the program.
    pub(crate) fn resize(&mut self, size: (u16, u16)) {
        tcsetwinsize(self.master.as_ref().unwrap(), winsize(size)).unwrap();
        let (columns, rows) = not_zero(size);
        self.parser.screen_mut().set_size(rows, columns);
    }

    /// Sends a signal to the program.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The program's id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The terminal goes away, as when a connection is cut.
    pub(crate) fn cut(&mut self) {
        self.master = None;
    }

    /// Waits for the program's end at most so long; takes what it writes.
    pub(crate) fn end(&mut self, limit: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                while self.pump(Duration::ZERO) {}
                return status;
            }
            assert!(
                begin.elapsed() < limit,
                "it does not end:\n{}",
                self.screen()
            );
            if !self.pump(Duration::from_millis(20)) && self.master.is_none() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Whether the program took the terminal for itself: keys come as they are pressed.
    pub(crate) fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Fails unless the terminal is as it was before the program.
    pub(crate) fn is_given_back(&self) {
        let after = tcgetattr(&self.slave).unwrap();
        let before = &self.before;
        assert_eq!(after.local_modes, before.local_modes);
        assert_eq!(after.input_modes, before.input_modes);
        assert_eq!(after.output_modes, before.output_modes);
        assert_eq!(after.control_modes, before.control_modes);
        let screen = self.parser.screen();
        assert!(!screen.alternate_screen(), "on the alternate screen");
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "pastes are bracketed");
        assert_eq!(
            screen.mouse_protocol_mode(),
            vt100::MouseProtocolMode::None,
            "the mouse is taken"
        );
    }
}

fn winsize(size: (u16, u16)) -> Winsize {
    Winsize {
        ws_col: size.0,
        ws_row: size.1,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn parser(size: (u16, u16)) -> vt100::Parser {
    let (columns, rows) = not_zero(size);
    vt100::Parser::new(rows, columns, 0)
}

fn not_zero((columns, rows): (u16, u16)) -> (NonZero<u16>, NonZero<u16>) {
    (NonZero::new(columns).unwrap(), NonZero::new(rows).unwrap())
}
