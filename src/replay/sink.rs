//! Where events go.

use std::io;
use std::ops::ControlFlow;

use scap_capture_format::event::Timestamp;
use scap_capture_format::native::LossReport;

use super::OriginState;
use crate::fields::Context;
use crate::filter::TypeSet;

/// Something that events go to.
///
/// The pipeline calls the methods in this order: [`Self::begin`] once, before the first event of the time
/// window; then, for each event of the window, [`Self::between`] (not before the first one),
/// [`Self::synthesized_enter`] if an enter event was asked for and passes the filter, and either
/// [`Self::event`] or [`Self::hidden`]. [`Self::loss`] and [`Self::pause`] come wherever the source reports
/// one, also before `begin`. [`Self::end`] comes last, unless an error ended the replay.
///
/// Wherever a [`ControlFlow`] is returned, `Break` ends the replay: no further method but `end` is called. An
/// error ends it as well and is returned by the pipeline as [`super::ReplayError::Sink`].
pub trait EventSink {
    /// Takes an event that passed the filter, with the state after it.
    ///
    /// # Errors
    ///
    /// Whatever keeps the sink from taking more.
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>>;

    /// Takes an enter event that was synthesized, of a call that is recorded with one event, with the state
    /// before the call.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn synthesized_enter(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.event(cx)
    }

    /// Returns the types of the enter events to synthesize where the capture has none, besides those that
    /// the filter asks for. Called once, after [`Self::begin`].
    fn enters(&self) -> TypeSet {
        TypeSet::NONE
    }

    /// Takes the states just before the first event of the window; one for each origin, never none.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn begin(&mut self, _: &mut [OriginState]) -> io::Result<()> {
        Ok(())
    }

    /// Takes the states between two events of the window.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn between(&mut self, _: &mut [OriginState]) -> io::Result<()> {
        Ok(())
    }

    /// Takes note of an event of the window that is not to be shown: the filter rejected it, or it was
    /// hidden in the capture already.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn hidden(&mut self, _: &Context<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Takes note of events that the capture lacks.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    fn loss(&mut self, _: &LossReport) -> io::Result<()> {
        Ok(())
    }

    /// Shows what was taken so far: the next event may be long in coming. While recording, `time` says up to
    /// when everything was handed over.
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
