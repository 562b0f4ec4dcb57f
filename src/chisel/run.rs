//! The state of a run, which its chisels share.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{Ordering, compiler_fence};

use super::error::ApiError;
use super::options::{Options, Progress};
use super::output::Output;
use super::registry::ScriptRegistry;
use super::sandbox::Policy;
use crate::event::bytes::BufferFormat;
use crate::event::{Timestamp, text};
use crate::filter::TypeSet;
use crate::replay::Needs;

/// The state that all chisels of a run share.
pub(super) struct Run {
    pub(super) registry: ScriptRegistry,
    pub(super) policy: Policy,
    pub(super) is_live: bool,
    pub(super) terminal_size: Option<(u16, u16)>,
    pub(super) shows_containers: bool,
    pub(super) json: bool,
    /// The user's filter, and whether a script replaced it.
    pub(super) filter: RefCell<(Option<String>, bool)>,
    pub(super) buffers: Cell<Option<BufferFormat>>,
    /// True if the user chose the format of data.
    pub(super) buffers_chosen: bool,
    pub(super) capture: String,
    /// True once the capture is open.
    pub(super) is_open: Cell<bool>,
    /// True if the output is a terminal.
    pub(super) is_terminal: bool,
    pub(super) output: RefCell<Output>,
    pub(super) snaplen: Cell<Option<u32>>,
    /// Time of the first and of the last event; 0 = none yet.
    pub(super) first_time: Cell<u64>,
    pub(super) last_time: Cell<u64>,
    /// What is loaded of events; `None` = not decided yet.
    pub(super) loaded: RefCell<Option<Needs>>,
    /// How often a script has set a filter or an interval.
    pub(super) changes: Cell<u64>,
    /// True if a script ended the capture.
    pub(super) ends: Cell<bool>,
    /// The command line with which to restart.
    pub(super) again: RefCell<Option<String>>,
    /// Percentage of the capture that was read.
    pub(super) progress: Arc<Progress>,
    pub(super) socket: RefCell<Option<std::net::UdpSocket>>,
}

impl Run {
    pub(super) fn new(options: Options) -> Self {
        Self {
            registry: options.registry,
            policy: options.policy,
            is_live: options.is_live,
            terminal_size: options.terminal_size,
            shows_containers: options.shows_containers,
            json: options.json,
            filter: RefCell::new((options.filter, false)),
            buffers_chosen: options.buffers.is_some(),
            buffers: Cell::new(options.buffers),
            capture: options.capture,
            is_open: Cell::new(false),
            is_terminal: options.is_terminal,
            output: RefCell::new(Output::new(options.output, options.is_terminal)),
            snaplen: Cell::new(None),
            first_time: Cell::new(0),
            last_time: Cell::new(0),
            loaded: RefCell::new(None),
            changes: Cell::new(0),
            ends: Cell::new(false),
            again: RefCell::new(None),
            progress: Arc::default(),
            socket: RefCell::new(None),
        }
    }

    /// Uses the output during a call into a script. The watchdog's signal handler can come between any two instructions:
    /// it has to find the output borrowed for as long as it is changed.
    #[inline]
    pub(super) fn print(&self, print: impl FnOnce(&mut Output)) {
        let mut output = self.output.borrow_mut();
        compiler_fence(Ordering::SeqCst);
        print(&mut output);
        compiler_fence(Ordering::SeqCst);
    }

    /// Checks text of a capture that a script receives.
    #[inline]
    pub(super) fn handed(&self, text: &[u8]) {
        if self.is_terminal {
            self.print(|output| output.handed(text));
        }
    }

    /// Notes that a script has text that is escaped already.
    #[inline]
    pub(super) fn handed_escaped(&self) {
        if self.is_terminal {
            self.print(Output::handed_escaped);
        }
    }

    /// Notes the time of an event; events of different CPUs and synthesised ones can be slightly
    /// out of order.
    #[inline]
    pub(super) fn note_time(&self, time: Timestamp) {
        if let Some(time) = time.known() {
            self.last_time.set(self.last_time.get().max(time));
        }
    }

    /// Prints to standard error, escaped.
    pub(super) fn write_error(&self, bytes: &[u8]) {
        self.print(Output::flush);
        let mut safe = Vec::new();
        for (count, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if count > 0 {
                safe.push(b'\n');
            }
            text::escape(&mut safe, line);
        }
        // If standard error is not writable, there is no other place to report it.
        let _ignored = std::io::stderr().write_all(&safe);
    }

    /// Counts a change of a script's filter or interval.
    pub(super) fn changed(&self) {
        self.changes.set(self.changes.get() + 1);
    }

    /// Rejects a setting that comes too late: a script that needs more of events than is loaded
    /// would find absent values and take them for facts.
    pub(super) fn check_loaded(
        &self,
        needs_payload: bool,
        types: Option<&TypeSet>,
    ) -> Result<(), ApiError> {
        let loaded = self.loaded.borrow();
        let Some(loaded) = &*loaded else {
            return Ok(());
        };
        let has_types = types.is_none_or(|types| types.iter().all(|ty| loaded.types.contains(ty)));
        if (needs_payload && !loaded.data) || !has_types {
            return Err(ApiError::Misuse(
                "fields that show data, formats and wider filters have to be set in on_init",
            ));
        }
        Ok(())
    }

    /// Returns the format of data.
    pub(super) fn buffer_format(&self) -> BufferFormat {
        self.buffers.get().unwrap_or(BufferFormat::AllDots)
    }
}
