//! Consumers of events.

use std::io;
use std::ops::ControlFlow;

use scap_capture_format::event::Timestamp;
use scap_capture_format::native::LossReport;

use super::OriginState;
use crate::fields::Context;
use crate::filter::TypeSet;

/// A consumer of events.
///
/// The pipeline calls the methods in this order: [`Self::begin`] once, before the first event of the time
/// window; then, for each event of the window, [`Self::between`] (not before the first one, and only if
/// [`Self::takes_between`]), [`Self::synthesized_enter`] if an enter event is needed and passes the filter, and either
/// [`Self::event`] or [`Self::hidden`]. [`Self::loss`] and [`Self::pause`] come wherever the source reports
/// one, also before `begin`. [`Self::end`] comes last, unless an error ended the replay.
///
/// If a method returns `Break`, the replay ends: no method but `end` is called after it. An error
/// ends the replay as well and is returned by the pipeline as [`super::ReplayError::Sink`].
pub trait EventSink {
    /// Takes an event that passed the filter, with the state after it.
    ///
    /// # Errors
    ///
    /// The reason why the sink cannot continue.
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>>;

    /// Takes a synthesized enter event, for a call that is recorded as one event, with the state
    /// before the call.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn synthesized_enter(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.event(cx)
    }

    /// Returns the types of the enter events to synthesize in addition to types that the filter
    /// needs. Called once, after [`Self::begin`].
    fn enters(&self) -> TypeSet {
        TypeSet::NONE
    }

    /// Takes the states just before the first event of the window, one for each origin; at least
    /// one.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn begin(&mut self, _: &mut [OriginState]) -> io::Result<()> {
        Ok(())
    }

    /// Whether [`Self::between`] is to be called. Called once, after [`Self::begin`].
    fn takes_between(&self) -> bool {
        false
    }

    /// Takes the states between two events of the window.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn between(&mut self, _: &mut [OriginState]) -> io::Result<()> {
        Ok(())
    }

    /// Takes an event of the window that is not shown: the filter rejected it, or it was already
    /// hidden in the capture.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn hidden(&mut self, _: &Context<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Takes a report of lost events.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn loss(&mut self, _: &LossReport) -> io::Result<()> {
        Ok(())
    }

    /// Flushes the output: the next event may take long to arrive. While recording, all events up
    /// to `time` were passed on.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn pause(
        &mut self,
        _time: Option<Timestamp>,
        _: &[OriginState],
    ) -> io::Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }

    /// Takes the states after the last event.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn end(&mut self, _: &mut [OriginState]) -> io::Result<()> {
        Ok(())
    }
}
