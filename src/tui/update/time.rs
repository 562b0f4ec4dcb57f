//! The time cursor, the selected range and the window.

use std::sync::Arc;

use super::status;
use crate::inspect::page::At;
use crate::inspect::verifier::Verified;
use crate::replay::IndexedCapture;
use crate::replay::Span;
use crate::stats::table::View;
use crate::tui::message::Command;
use crate::tui::model::{Model, SHORTEST_NS, events_window};

/// Moves the cursor by a column of the timeline; with `select` the selected range is extended.
pub(super) fn step(model: &mut Model, by: i64, select: bool) -> Vec<Command> {
    if model.view == View::Spectrogram && !select {
        let last = crate::stats::tally::TIMES - 1;
        let column = &mut model.spectral.cell.0;
        *column = match by < 0 {
            true => column.saturating_sub(1),
            false => (*column + 1).min(last),
        };
        return Vec::new();
    }
    let columns = u64::from(model.layout().lanes.width.max(1));
    let step = (model.window.len_ns() / columns).max(1);
    let before = model.cursor;
    model.follow = false;
    let to = match by < 0 {
        true => before.saturating_sub(step),
        false => before.saturating_add(step),
    };
    model.cursor = to.clamp(model.window.from, model.window.to);
    if select {
        let from = *model.select_from.get_or_insert(before);
        model.selection = Some(ordered(from, model.cursor));
        return model.refresh();
    }
    model.select_from = None;
    match model.view {
        View::Events => model.go_to(At::Time(model.cursor)).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Makes a span of two times.
pub(super) fn ordered(a: u64, b: u64) -> Span {
    Span {
        from: a.min(b),
        to: a.max(b),
    }
}

/// Moves the window by a quarter of its length.
pub(super) fn pan(model: &mut Model, on: bool) -> Vec<Command> {
    let step = model.window.len_ns() / 4;
    let room = match on {
        true => model.whole.to - model.window.to,
        false => model.window.from - model.whole.from,
    };
    let step = step.min(room);
    let moved = |time: u64| if on { time + step } else { time - step };
    let window = Span {
        from: moved(model.window.from),
        to: moved(model.window.to),
    };
    zoom_to(model, window)
}

/// Halves or doubles the window; the position of the time `around` is unchanged.
pub(super) fn zoom(model: &mut Model, into: bool, around: u64) -> Vec<Command> {
    let window = model.window;
    let around = around.clamp(window.from, window.to);
    let len = u128::from(window.len_ns());
    let new_len = match into {
        // Zooming out again must not lose the last nanosecond, and the event in it.
        true => len.div_ceil(2).max(u128::from(SHORTEST_NS)),
        false => len * 2,
    };
    let before = u128::from(around - window.from) * new_len / len;
    let from = u128::from(around)
        .saturating_sub(before)
        .max(u128::from(model.whole.from));
    let to = (from + new_len - 1).min(u128::from(model.whole.to));
    // At the end of the capture the window grows to the other side.
    let from = to
        .saturating_sub(new_len - 1)
        .max(u128::from(model.whole.from));
    let cut = |time: u128| u64::try_from(time).unwrap_or(u64::MAX);
    zoom_to(
        model,
        Span {
            from: cut(from),
            to: cut(to),
        },
    )
}

/// Zooms to the selected range.
pub(super) fn zoom_to_selection(model: &mut Model) -> Vec<Command> {
    match model.selection {
        Some(selection) => {
            let mut window = selection;
            if window.len_ns() < SHORTEST_NS {
                window.to = window.from.saturating_add(SHORTEST_NS).min(model.whole.to);
            }
            model.selection = None;
            zoom_to(model, window)
        }
        None => status(
            model,
            "no range is selected; select one with Shift and the arrow keys, or the mouse",
        ),
    }
}

/// Shows a window.
pub(super) fn zoom_to(model: &mut Model, window: Span) -> Vec<Command> {
    if window != model.window {
        model.window = window;
        model.follow = false;
        model.rewind();
    }
    model.cursor = model.cursor.clamp(window.from, window.to);
    if let Some(selection) = model.selection {
        model.selection = selection.intersection(window);
    }
    model.select_from = None;
    model.refresh()
}

/// Starts or stops following the end of a growing capture.
pub(super) fn follow(model: &mut Model) -> Vec<Command> {
    if !model.live {
        return status(
            model,
            "the capture is complete; `scap view --live` follows a growing one",
        );
    }
    model.follow = !model.follow;
    match model.follow {
        true => {
            model.selection = None;
            to_end(model)
        }
        false => Vec::new(),
    }
}

/// Handles a capture that has grown.
pub(super) fn grown(model: &mut Model, capture: Arc<IndexedCapture>) -> Vec<Command> {
    let Some(whole) = capture.span() else {
        return Vec::new();
    };
    let was_all = model.window == model.whole;
    model.is_verified = false;
    model.capture = capture;
    model.whole = whole;
    if was_all && model.follow {
        model.window = whole;
    }
    model.rewind();
    // The counts of the same scope may have grown, too.
    model.surveyed = None;
    match model.follow {
        true => to_end(model),
        false => model.refresh(),
    }
}

/// Takes over what the verification of the whole capture found.
pub(super) fn verified(model: &mut Model, verified: Verified) -> Vec<Command> {
    if !Arc::ptr_eq(&verified.capture, &model.capture) {
        return Vec::new();
    }
    model.is_verified = true;
    if let Some(failed) = verified.failed {
        model.status = Some(format!("the capture could not be verified: {failed}"));
    }
    let Some(capture) = verified.corrected else {
        return Vec::new();
    };
    let events = |whole: Span, capture: &_| match model.live {
        true => whole,
        false => events_window(capture, whole),
    };
    let was_all = model.window == events(model.whole, &model.capture);
    let whole = capture.span().unwrap_or(Span { from: 0, to: 0 });
    let window = events(whole, &capture);
    model.capture = capture;
    model.whole = whole;
    if was_all {
        model.window = window;
        model.cursor = model.cursor.clamp(window.from, window.to);
    }
    model.rewind();
    // The counts can be of events that do not exist.
    (model.surveyed, model.progress, model.exact) = (None, None, None);
    model.refresh()
}

/// Moves window and cursor to the end of the capture.
fn to_end(model: &mut Model) -> Vec<Command> {
    let len = model.window.len_ns();
    let to = model.whole.to;
    model.window = Span {
        from: to.saturating_sub(len - 1).max(model.whole.from),
        to,
    };
    model.cursor = to;
    model.rewind();
    let mut commands = model.refresh();
    if model.view == View::Events {
        commands.extend(model.go_to(At::Time(to)));
    }
    commands
}
