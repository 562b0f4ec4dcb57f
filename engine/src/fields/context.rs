//! What values are computed from: an event, the state around it, and the session.

use std::cell::RefCell;
use std::sync::Arc;

use scap_capture_format::native::{MachineInfo, OriginId};
use scap_capture_format::schema::Arch;

use crate::audit::Latest;
use crate::audit::sessions::ExecSessions;
use crate::event::Event;
use crate::event::bytes::BufferFormat;
use crate::event::render::Renderer;
use crate::event::time::LocalClock;
use crate::state::View;

/// The input of a field: one event with the state around it.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The event as it is stored and shown.
    pub event: &'a Event<'a>,
    /// The state around it.
    pub view: &'a View<'a>,
    /// Data that is the same for all events.
    pub session: &'a Session,
}

/// Data that is the same for all events of one pass over a capture.
#[derive(Debug, Default)]
pub struct Session {
    /// Architecture of the recorded machine, whose syscall numbers the events have.
    pub arch: Option<Arch>,
    /// The recorded machine; empty if the capture does not describe it.
    pub machine: MachineInfo,
    /// Prints arguments.
    pub renderer: RefCell<Renderer>,
    /// Prints times of day.
    pub clock: RefCell<LocalClock>,
    /// The JSON of the latest event of a plugin.
    pub document: RefCell<Latest>,
    /// Which requests of a cluster started which processes.
    pub exec_sessions: Option<Arc<ExecSessions>>,
    /// The format of `evt.outputtime`.
    pub time: TimeFormat,
    /// The time of the first event; 0 before it.
    pub first_time: u64,
    /// Width of the screen in columns, for spectrograms; 0 = none.
    pub screen_width: u16,
    /// The origin of the events; `None` if the capture was not merged.
    pub origin: Option<OriginId>,
    /// The capture was recorded or written with a filter: of calls without an effect on names, only those that passed
    /// are there.
    pub is_filtered: bool,
}

impl Session {
    /// Makes a session for the captures of a machine.
    pub fn new(arch: Option<Arch>, buffers: BufferFormat, time: TimeFormat) -> Self {
        Self {
            arch,
            renderer: RefCell::new(Renderer::new(buffers, arch)),
            time,
            ..Self::default()
        }
    }

    /// Makes a session with the same output settings for another origin.
    pub fn fork(&self, origin: Option<OriginId>) -> Self {
        let renderer = self.renderer.borrow().clone();
        Self {
            arch: self.arch,
            renderer: RefCell::new(renderer),
            time: self.time,
            first_time: self.first_time,
            screen_width: self.screen_width,
            exec_sessions: self.exec_sessions.clone(),
            origin,
            ..Self::default()
        }
    }

    /// Returns when the machine booted, in nanoseconds since the epoch; 0 = not known.
    pub fn boot_time(&self) -> u64 {
        self.machine.boot_time.0
    }

    /// Takes over the data of the recorded machine that fields need.
    pub fn set_machine(&mut self, machine: &MachineInfo) {
        self.machine.clone_from(machine);
        if let Some(arch) = Arch::from_name(&machine.arch) {
            self.arch = Some(arch);
            self.renderer.get_mut().set_arch(arch);
        }
    }
}

/// How the time of an event is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// `HH:MM:SS.nnnnnnnnn`, local time.
    #[default]
    Human,
    /// `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+hh:mm`, local time: with date and zone.
    Iso,
    /// Seconds since the epoch.
    Absolute,
    /// Seconds since the first event.
    Relative,
    /// Duration of the call in seconds.
    Delta,
    /// Seconds since the previous event.
    DeltaPrevious,
}
