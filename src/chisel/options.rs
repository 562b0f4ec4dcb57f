//! The options of a run.

use std::sync::atomic::{AtomicU64, Ordering};

use super::registry::ScriptRegistry;
use super::sandbox::Policy;
use crate::event::bytes::BufferFormat;

/// The options of all chisels of a run.
pub struct Options {
    /// The registry of scripts.
    pub registry: ScriptRegistry,
    /// Their permissions and limits.
    pub policy: Policy,
    /// True for live events of this machine.
    pub is_live: bool,
    /// True if standard output is a terminal.
    pub is_terminal: bool,
    /// Columns and lines of the terminal.
    pub terminal_size: Option<(u16, u16)>,
    /// The filter of the command line.
    pub filter: Option<String>,
    /// True if containers are shown (`-pc`, `-pk`).
    pub shows_containers: bool,
    /// True for JSON output.
    pub json: bool,
    /// The format of data, if set on the command line.
    pub buffers: Option<BufferFormat>,
    /// The capture's file name; empty while live.
    pub capture: String,
    /// The output of the chisels.
    pub output: Box<dyn std::io::Write>,
}

impl Options {
    /// Options for scripts of which only the metadata is read: their output is discarded.
    pub fn quiet(registry: ScriptRegistry, policy: Policy) -> Self {
        Self {
            registry,
            policy,
            is_live: false,
            is_terminal: false,
            terminal_size: None,
            filter: None,
            shows_containers: false,
            json: false,
            buffers: None,
            capture: String::new(),
            output: Box::new(std::io::sink()),
        }
    }
}

/// The percentage of a capture that was read, updated by its reader.
#[derive(Debug, Default)]
pub struct Progress(AtomicU64);

impl Progress {
    /// Sets the percentage.
    pub fn set(&self, percent: f64) {
        self.0.store(percent.to_bits(), Ordering::Relaxed);
    }

    /// Returns the percentage.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}
