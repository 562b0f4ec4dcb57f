//! Walking to one event.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::library::Need;
use super::{AnalysisError, Walker};
use crate::filter::fields::Context;

/// Returns the place of the chunk that has an event.
pub(super) fn chunk_of(walker: &Walker, num: u64) -> Option<usize> {
    let chunks = &walker.library().index().chunks;
    let at = chunks.partition_point(|c| c.summary.next_event().0 <= num);
    let chunk = chunks.get(at)?;
    (chunk.summary.first_event.0 <= num).then_some(at)
}

/// Asks an event that is shown; `None` if there is no such event.
pub(super) fn at_event<T>(
    walker: &mut Walker,
    num: u64,
    stop: &AtomicBool,
    mut ask: impl FnMut(&Context<'_>) -> T,
) -> Result<Option<T>, AnalysisError> {
    let library = Arc::clone(walker.library());
    let Some(chunk) = chunk_of(walker, num) else {
        return Ok(None);
    };
    let Some(segment) = library.segment_of(chunk) else {
        return Ok(None);
    };
    let mut answer = None;
    let mut need = |place: usize| match place {
        _ if place > chunk || stop.load(Ordering::Relaxed) => Need::Stop,
        _ if place == chunk => Need::Everything,
        _ => Need::State,
    };
    let mut event = |cx: &Context<'_>, _: usize| {
        if cx.event.num.0 < num {
            return ControlFlow::Continue(());
        }
        if cx.event.num.0 == num {
            answer = Some(ask(cx));
        }
        ControlFlow::Break(())
    };
    let _end = walker.segment(segment, &mut need, &mut event)?;
    match stop.load(Ordering::Relaxed) && answer.is_none() {
        true => Err(AnalysisError::Stopped),
        false => Ok(answer),
    }
}
