//! Writes events to a .scap file for sysdig, Falco and Stratoshark.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::ControlFlow;

use scap_capture_format::event::{EventFlags, EventRef, Params, Timestamp};
use scap_capture_format::schema::{Arch, types};
use scap_capture_format::sysdig::{Downgrade, InOrder, Lost, SysdigWriter, Target, WriterOptions};

use crate::event::synthetic_event;
use crate::fields::{Context, Session};
use crate::replay::{EventSink, OriginState};
use crate::state::State;

/// Writes events to a .scap file.
///
/// Events of native captures, one per call, become the pairs of enter and exit events that sysdig 0.29.3 and all later
/// readers know; events of .scap files are written unchanged.
pub struct SysdigSink<W: Write> {
    out: Option<W>,
    writer: Option<SysdigWriter<W>>,
    downgrade: Option<(Downgrade, InOrder)>,
    options: WriterOptions,
    written: u64,
    /// Events that no reader accepts.
    refused: u64,
    limit: u64,
}

impl<W: Write> SysdigSink<W> {
    /// Makes a sink; nothing is written before the first event. `pairs`: the source has two events per call.
    pub fn new(out: W, pairs: bool, arch: Arch, options: WriterOptions, limit: u64) -> Self {
        let downgrade = || {
            (
                Downgrade::with_target(Target::Sysdig029, arch),
                InOrder::new(),
            )
        };
        Self {
            out: Some(out),
            writer: None,
            downgrade: (!pairs).then(downgrade),
            options,
            written: 0,
            refused: 0,
            limit,
        }
    }

    /// Returns the number of events written, and of events that no reader accepts.
    pub fn counts(&self) -> (u64, u64) {
        (self.written, self.refused)
    }

    /// Returns the number of texts that were truncated to the limits of readers.
    pub fn cut(&self) -> u64 {
        self.writer.as_ref().map_or(0, SysdigWriter::cut)
    }

    /// Returns what could not be expressed, by event name.
    pub fn lost(&self) -> BTreeMap<&'static str, Lost> {
        let report = |(downgrade, _): &(Downgrade, InOrder)| downgrade.report();
        self.downgrade.as_ref().map(report).unwrap_or_default()
    }

    /// Writes pending data.
    ///
    /// # Errors
    ///
    /// Errors of the output, and a file without events, which no reader opens.
    pub fn flush(&mut self) -> io::Result<()> {
        if let (Some(writer), Some((_, order))) = (&mut self.writer, &mut self.downgrade) {
            while let Some(event) = order.rest() {
                write(writer, &event, &mut self.written, &mut self.refused)?;
            }
        }
        Ok(())
    }

    /// Finishes the file.
    ///
    /// # Errors
    ///
    /// Errors of the output. `Ok(None)`: there was no event, and so no file.
    pub fn finish(self) -> io::Result<Option<W>> {
        self.writer.map(|w| w.finish().map_err(failed)).transpose()
    }

    /// Writes the descriptions of containers, including those from later events. sysdig takes events before all
    /// others for the initial state.
    fn containers(&mut self, state: &State, session: &Session) -> io::Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        for info in state.containers() {
            let mut text = info.to_json().into_bytes();
            text.push(0);
            let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
            let Some(params) = Params::new(std::slice::from_ref(&len), &text) else {
                continue;
            };
            let ts = Timestamp(session.first_time);
            let event = synthetic_event(ts, types::CONTAINER_JSON_2_E, params);
            // The capture has these descriptions as events, in their places.
            write(writer, &event, &mut 0, &mut self.refused)?;
        }
        Ok(())
    }

    fn put(&mut self, event: &EventRef<'_>) -> io::Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let Some((downgrade, order)) = &mut self.downgrade else {
            return write(writer, event, &mut self.written, &mut self.refused);
        };
        let pair = downgrade.pair(event);
        for event in [pair.enter, pair.exit].into_iter().flatten() {
            order.push(&event);
            while let Some(due) = order.due() {
                write(writer, &due, &mut self.written, &mut self.refused)?;
            }
        }
        Ok(())
    }
}

fn write<W: Write>(
    writer: &mut SysdigWriter<W>,
    event: &EventRef<'_>,
    written: &mut u64,
    refused: &mut u64,
) -> io::Result<()> {
    match writer.event(event) {
        Ok(()) => *written += 1,
        Err(scap_capture_format::Error::Limit { .. }) => *refused += 1,
        Err(error) => return Err(failed(error)),
    }
    Ok(())
}

fn failed(error: scap_capture_format::Error) -> io::Error {
    match error {
        scap_capture_format::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

impl<W: Write> EventSink for SysdigSink<W> {
    fn begin(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        let Some(OriginState { state, session, .. }) = origins.first_mut() else {
            return Ok(());
        };
        if let Some(out) = self.out.take() {
            let snapshot = state.snapshot();
            let writer = SysdigWriter::new(out, &session.machine, &snapshot, self.options);
            self.writer = Some(writer.map_err(failed)?);
            self.containers(state, session)?;
        }
        Ok(())
    }

    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.put(cx.event)?;
        Ok(match self.written < self.limit {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    }

    fn hidden(&mut self, cx: &Context<'_>) -> io::Result<()> {
        // The format has a flag for such events, too.
        self.put(&EventRef {
            flags: cx.event.flags | EventFlags::HIDDEN,
            ..*cx.event
        })
    }
}
