//! Mangled captures through the library: whatever the bytes, a replay ends and what it prints is safe.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::io;
use std::ops::ControlFlow;

use crate::common::{story, write};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use scap::event::bytes::BufferFormat;
use scap::fields::{self, ArgForm, Context, FieldFlags, Session};
use scap::format::{LineFormat, LineOptions, Template};
use scap::replay::{EventSink, EventSource as _, NativeSource, Pipeline, Selection};
use scap::state::State;

/// One way to mangle a file.
#[derive(Clone, Debug)]
enum Mangle {
    Flip(usize, u8),
    Cut(usize),
    Remove(usize, usize),
    Repeat(usize, usize),
    Insert(usize, Vec<u8>),
}

fn mangle() -> impl Strategy<Value = Mangle> {
    let at = any::<prop::sample::Index>().prop_map(|i| i.index(1 << 20));
    let bytes = prop::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        8 => (at.clone(), 0..8_u8).prop_map(|(at, bit)| Mangle::Flip(at, bit)),
        1 => at.clone().prop_map(Mangle::Cut),
        1 => (at.clone(), 1..200_usize).prop_map(|(at, n)| Mangle::Remove(at, n)),
        1 => (at.clone(), 1..4000_usize).prop_map(|(at, n)| Mangle::Repeat(at, n)),
        1 => (at, bytes).prop_map(|(at, b)| Mangle::Insert(at, b)),
    ]
}

fn apply(bytes: &mut Vec<u8>, mangle: &Mangle) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match mangle {
        Mangle::Flip(at, bit) => bytes[at % len] ^= 1 << bit,
        Mangle::Cut(at) => bytes.truncate(at % len),
        Mangle::Remove(at, n) => {
            let at = at % len;
            bytes.drain(at..(at + n).min(len));
        }
        Mangle::Repeat(at, n) => {
            let at = at % len;
            let again = bytes[at..(at + n).min(len)].to_vec();
            bytes.splice(at..at, again);
        }
        Mangle::Insert(at, new) => {
            let at = at % len;
            bytes.splice(at..at, new.iter().copied());
        }
    }
}

/// Prints every event in every way: the default line, all fields as text and as JSON.
struct Everything {
    format: LineFormat,
    fields: Template,
    text: Vec<u8>,
}

impl EventSink for Everything {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.format.line(&mut self.text, cx.event, cx.view);
        assert!(self.fields.write(&mut self.text, cx, BufferFormat::Dots));
        self.text.push(b'\n');
        let start = self.text.len();
        assert!(
            self.fields
                .write_json(&mut self.text, cx, BufferFormat::Base64)
        );
        let json = &self.text[start..];
        serde_json::from_slice::<serde_json::Value>(json).unwrap();
        self.text.push(b'\n');
        Ok(ControlFlow::Continue(()))
    }
}

/// A format with every field that can be printed; those that need an argument with several.
fn all_fields() -> String {
    let mut format = "*".to_owned();
    for field in fields::all() {
        if field.flags.contains(FieldFlags::FILTER_ONLY) {
            continue;
        }
        let arguments: &[&str] = match field.arg {
            ArgForm::None => &[""],
            ArgForm::Index => &["[0]", "[7]"],
            ArgForm::OptIndex => &["", "[0]", "[3]"],
            ArgForm::OptKey if field.name == "evt.abspath" => &["", ".src", ".dst"],
            ArgForm::OptKey => &["", "[PATH]"],
            ArgForm::Key if field.name.ends_with("arg") && field.name.starts_with("evt.") => &[
                "[0]", "[1]", "[2]", "[15]", ".fd", ".name", ".data", ".tuple", ".args",
            ],
            ArgForm::Key if field.name == "evt.type.is" => &[".open", "[3]"],
            ArgForm::Key => &["[0]", ".cpuset", "[/*]"],
        };
        for argument in arguments {
            format.push_str(&format!("%{}{argument} ", field.name));
        }
    }
    format
}

fn replay_all(bytes: &[u8]) {
    // Both passes: their errors are theirs to choose, a panic is not.
    let _surveyed = scap::stats::capture_info(bytes, 2);
    let Ok(mut source) = NativeSource::new(bytes) else {
        return;
    };
    let mut sink = Everything {
        format: LineFormat::new(LineOptions::default(), None),
        fields: Template::new(&all_fields()).unwrap(),
        text: Vec::new(),
    };
    let mut pipeline = Pipeline::new(Session::default(), source.origins(), Selection::default());
    let _replayed = pipeline.run(&mut source, &mut sink);
    let text = String::from_utf8(sink.text).unwrap();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    // Whatever the state has become, it can be written, and read again to the same.
    for origin in pipeline.origins_mut() {
        let snapshot = origin.state.snapshot();
        let mut again = State::new();
        again.restore(&snapshot);
        assert_eq!(again.snapshot(), snapshot);
    }
}

proptest! {
    #[test]
    fn mangled_captures(mangles in prop::collection::vec(mangle(), 1..6), chunk in Just(3_usize)) {
        let mut bytes = write(&story(), chunk, true);
        for mangle in &mangles {
            apply(&mut bytes, mangle);
        }
        replay_all(&bytes);
    }

    #[test]
    fn events_of_random_parameters(
        events in prop::collection::vec(
            (0..460_u16, 0..6_i64, prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..32)),
            0..40,
        )
    ) {
        let events: Vec<_> = events
            .into_iter()
            .enumerate()
            .map(|(n, (ty, tid, params))| {
                let params: Vec<&[u8]> = params.iter().map(Vec::as_slice).collect();
                let ty = scap_capture_format::schema::EventType(ty);
                crate::common::event(n as u64 * 1000, tid + 98, ty, &params)
            })
            .collect();
        replay_all(&write(&events, 7, true));
    }
}

#[test]
fn the_capture_itself() {
    replay_all(&write(&story(), 3, true));
}
