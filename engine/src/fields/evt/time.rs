//! The time of an event, and the duration of its call.

use super::super::{Context, Field, FieldArg, Scratch, TimeFormat, Value};
use crate::event::number;
use crate::event::time::{self, NS_PER_S};
use scap_capture_format::schema::EventTypeFlags;

use crate::event::EventExt as _;

/// Nanoseconds in a millisecond, the unit of `evt.around`.
const NS_PER_MS: u64 = 1_000_000;

pub(super) fn time_of_day<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    let mut clock = cx.session.clock.borrow_mut();
    let ns = cx.event.ts.known()?;
    scratch.text(|out| clock.time_of_day(out, ns))
}

pub(super) fn time_of_day_s<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    let mut clock = cx.session.clock.borrow_mut();
    let ns = cx.event.ts.known()?;
    scratch.text(|out| clock.time_of_day_s(out, ns))
}

pub(super) fn datetime<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    let mut clock = cx.session.clock.borrow_mut();
    let ns = cx.event.ts.known()?;
    scratch.text(|out| {
        clock.date(out, ns);
        out.push(b' ');
        clock.time_of_day(out, ns);
    })
}

pub(super) fn datetime_s<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    let mut clock = cx.session.clock.borrow_mut();
    let ns = cx.event.ts.known()?;
    scratch.text(|out| {
        clock.date(out, ns);
        out.push(b' ');
        clock.time_of_day_s(out, ns);
    })
}

pub(super) fn iso8601<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    let ns = cx.event.ts.known()?;
    scratch.text(|out| {
        // sysdig writes the zone without a colon.
        let text = time::iso8601(ns, 0);
        let text = text.strip_suffix("+00:00").unwrap_or(&text);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"+0000");
    })
}

pub(super) fn outputtime<'a>(
    field: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    let Some(now) = cx.event.ts.known() else {
        return match cx.session.time {
            TimeFormat::Delta => scratch.text(|out| time::seconds(out, took(cx))),
            _ => None,
        };
    };
    let previous = field.memory.replace(now);
    let mut clock = cx.session.clock.borrow_mut();
    scratch.text(|out| match cx.session.time {
        TimeFormat::Human => clock.time_of_day(out, now),
        TimeFormat::Iso => clock.iso8601(out, now),
        TimeFormat::Absolute => time::seconds(out, now),
        TimeFormat::Relative => time::seconds(out, since_first(cx, now)),
        TimeFormat::Delta => time::seconds(out, took(cx)),
        TimeFormat::DeltaPrevious => {
            let previous = if previous == 0 { now } else { previous };
            time::seconds(out, now.saturating_sub(previous));
        }
    })
}

pub(super) fn rawtime<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    cx.event.ts.known().map(Value::Uint)
}

pub(super) fn rawtime_s<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    Some(Value::Uint(cx.event.ts.known()? / NS_PER_S))
}

pub(super) fn rawtime_ns<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    Some(Value::Uint(cx.event.ts.known()? % NS_PER_S))
}

fn since_first(cx: &Context<'_>, now: u64) -> u64 {
    match cx.session.first_time {
        0 => 0,
        first => now.saturating_sub(first),
    }
}

pub(super) fn reltime<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let now = cx.event.ts.known()?;
    Some(Value::Uint(since_first(cx, now)))
}

pub(super) fn reltime_s<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    let now = cx.event.ts.known()?;
    Some(Value::Uint(since_first(cx, now) / NS_PER_S))
}

pub(super) fn reltime_ns<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    let now = cx.event.ts.known()?;
    Some(Value::Uint(since_first(cx, now) % NS_PER_S))
}

/// The time since the previous event on which this field was evaluated.
fn since_previous(field: &Field, cx: &Context<'_>) -> Option<u64> {
    let now = cx.event.ts.known()?;
    Some(match field.memory.replace(now) {
        0 => 0,
        previous => now.saturating_sub(previous),
    })
}

pub(super) fn delta<'a>(
    field: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    Some(Value::Uint(since_previous(field, cx)?))
}

pub(super) fn delta_s<'a>(
    field: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    Some(Value::Uint(since_previous(field, cx)? / NS_PER_S))
}

pub(super) fn delta_ns<'a>(
    field: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    Some(Value::Uint(since_previous(field, cx)? % NS_PER_S))
}

fn took(cx: &Context<'_>) -> u64 {
    cx.event.latency.unwrap_or(0)
}

pub(super) fn latency<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    Some(Value::Uint(took(cx)))
}

pub(super) fn latency_s<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    Some(Value::Uint(took(cx) / NS_PER_S))
}

pub(super) fn latency_ns<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    Some(Value::Uint(took(cx) % NS_PER_S))
}

pub(super) fn latency_human<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    scratch.text(|out| human(out, took(cx)))
}

/// Appends an interval as sysdig does: at most three digits, truncated, not rounded.
fn human(out: &mut Vec<u8>, ns: u64) {
    const UNITS: [(u64, &[u8]); 3] = [(NS_PER_S, b"s"), (NS_PER_MS, b"ms"), (1000, b"us")];
    for (unit, name) in UNITS {
        if ns >= unit {
            number::udec(out, ns / unit);
            if ns / unit < 10 {
                out.push(b'.');
                number::padded(out, ns % unit * 100 / unit, 2);
            }
            out.extend_from_slice(name);
            return;
        }
    }
    number::udec(out, ns);
    out.extend_from_slice(b"ns");
}

/// A column of a spectrogram: the logarithm of the latency, scaled to the width of the screen,
/// starting at 1. Without a screen there is one column, as in sysdig.
pub(super) fn latency_quantized<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    const DECADES: f64 = 11.0;
    let took = cx.event.latency.filter(|ns| *ns > 0)?;
    #[expect(clippy::cast_precision_loss, reason = "only the magnitude counts")]
    let magnitude = (took as f64).log10().min(DECADES);
    let place = magnitude * f64::from(cx.session.screen_width) / DECADES;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the width of a screen"
    )]
    Some(Value::Uint(place as u64 + 1))
}

pub(super) fn wait_latency<'a>(
    _: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    let waits = cx.event.info()?.flags.contains(EventTypeFlags::WAITS);
    (waits && cx.event.ty.is_exit()).then(|| Value::Uint(took(cx)))
}

/// Milliseconds between the event and the time in the argument, so that `=` in a filter can mean
/// "at most this far away".
pub(super) fn around<'a>(
    field: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    let FieldArg::Index(time) = field.arg else {
        return None;
    };
    let distance = cx.event.ts.known()?.abs_diff(time.cast_unsigned());
    Some(Value::Uint(distance.div_ceil(NS_PER_MS)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn latencies_for_people() {
        for (ns, text) in [
            (0, "0ns"),
            (999, "999ns"),
            (1000, "1.00us"),
            (3435, "3.43us"),
            (10_009, "10us"),
            (100_643, "100us"),
            (1_047_581, "1.04ms"),
            (117_180_806, "117ms"),
            (1_003_400_723, "1.00s"),
            (61_000_000_000, "61s"),
        ] {
            let mut out = Vec::new();
            super::human(&mut out, ns);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
