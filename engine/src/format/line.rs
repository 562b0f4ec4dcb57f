//! The default line: sysdig's
//! `*%evt.num %evt.outputtime %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.info`.
//!
//! The line of a Kubernetes audit event has the user in place of the process, and the request in place of the call.

use std::ops::Range;

use scap_capture_format::schema::Arch;

use crate::audit::{self, summary};
use crate::event::bytes::BufferFormat;
use crate::event::render::Renderer;
use crate::event::time::{self, LocalClock};
use crate::event::{Event, EventFlags, number, syscall, text, waits};
use crate::fields::TimeFormat;
use crate::state::View;

/// The options of a line.
#[derive(Clone, Copy, Debug, Default)]
pub struct LineOptions {
    /// The time's format.
    pub time: TimeFormat,
    /// The form of buffers.
    pub buffers: BufferFormat,
    /// True if the line ends with the duration of the call.
    pub latency: bool,
}

/// Formats events as lines, in the order of the capture.
#[derive(Clone, Debug)]
pub struct LineFormat {
    options: LineOptions,
    arch: Option<Arch>,
    renderer: Renderer,
    clock: LocalClock,
    first: Option<u64>,
    previous: Option<u64>,
    /// What the call of the present line waited for.
    target: Vec<u8>,
    /// The JSON of the latest audit event.
    document: audit::Latest,
}

impl LineFormat {
    /// Makes a format for the events of a machine of this architecture.
    pub fn new(options: LineOptions, arch: Option<Arch>) -> Self {
        Self {
            options,
            arch,
            renderer: Renderer::new(options.buffers, arch),
            clock: LocalClock::default(),
            first: None,
            previous: None,
            target: Vec::new(),
            document: audit::Latest::default(),
        }
    }

    /// Appends the line of an event, with a line break.
    pub fn line(&mut self, out: &mut Vec<u8>, event: &Event<'_>, view: &View<'_>) {
        number::udec(out, event.num.0);
        out.push(b' ');
        self.time(out, event);
        out.push(b' ');
        number::udec(out, u64::from(event.cpu));
        out.push(b' ');
        if audit::is_audit(event) && self.request(out, event) {
            out.push(b'\n');
            return;
        }
        match view.own_comm() {
            Some(comm) => text::escape_exact(out, comm),
            None => out.extend_from_slice(b"<NA>"),
        }
        out.extend_from_slice(b" (");
        number::dec(out, event.tid.0);
        out.extend_from_slice(if event.ty.is_enter() {
            b") > "
        } else {
            b") < "
        });
        let name = out.len();
        syscall::event_name(out, event, self.arch);
        let name = name..out.len();
        out.push(b' ');
        self.renderer.info(out, event, view);
        if self.options.latency {
            self.latency(out, event, view, name);
        }
        out.push(b'\n');
    }

    /// Appends who made the request of a Kubernetes audit event, and the request; returns whether it is one.
    fn request(&mut self, out: &mut Vec<u8>, event: &Event<'_>) -> bool {
        let Some(text) = audit::plugin_data(event) else {
            return false;
        };
        let Some(request) = self.document.of(event, text) else {
            return false;
        };
        summary::user(out, request);
        out.extend_from_slice(b" (");
        out.extend_from_slice(audit::SOURCE.as_bytes());
        out.extend_from_slice(b") > ");
        summary::request(out, request);
        true
    }

    fn time(&mut self, out: &mut Vec<u8>, event: &Event<'_>) {
        let Some(now) = event.ts.known() else {
            return out.extend_from_slice(b"<NA>");
        };
        let first = *self.first.get_or_insert(now);
        let previous = self.previous.replace(now).unwrap_or(now);
        match self.options.time {
            TimeFormat::Human => self.clock.time_of_day(out, now),
            TimeFormat::Iso => self.clock.iso8601(out, now),
            TimeFormat::Absolute => time::seconds(out, now),
            TimeFormat::Relative => time::seconds(out, now.saturating_sub(first)),
            TimeFormat::Delta => time::seconds(out, event.latency.unwrap_or(0)),
            TimeFormat::DeltaPrevious => time::seconds(out, now.saturating_sub(previous)),
        }
    }

    /// Appends the duration of a call, like `strace -T`: for one that waited with what it waited for. The
    /// name of the call is at `name` in `out`.
    fn latency(
        &mut self,
        out: &mut Vec<u8>,
        event: &Event<'_>,
        view: &View<'_>,
        name: Range<usize>,
    ) {
        let is_unfinished = event.flags.contains(EventFlags::IN_FLIGHT);
        if !is_unfinished && event.latency.is_none() {
            return;
        }
        out.push(b'<');
        if let Some(ns) = event.latency {
            time::seconds(out, ns);
        }
        if is_unfinished {
            out.extend_from_slice(match event.latency {
                Some(_) => b" unfinished",
                None => b"unfinished",
            });
        }
        let name = &out[name];
        let waited = event.latency.is_some_and(|ns| ns >= waits::LEAST_NS);
        if waited && waits::CALLS.iter().any(|call| call.as_bytes() == name) {
            let mut target = std::mem::take(&mut self.target);
            target.clear();
            waits::target(&mut target, view.full(), name, self.arch, view);
            if !target.is_empty() {
                out.extend_from_slice(b" waiting for ");
                out.extend_from_slice(&target);
            }
            self.target = target;
        }
        out.push(b'>');
    }
}
