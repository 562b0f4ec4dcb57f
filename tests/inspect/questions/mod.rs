//! Questions to a capture about single events, compared with what reading it from the front shows.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

mod activities;
mod details;
mod echoes;
mod finds;
mod moments;
mod pages;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::common::{file, scap, seen};
use scap::fields::Context;
use scap::replay::IndexedCapture;
use scap::replay::Scope;
use scap::replay::SegmentReplayer;
use scap::replay::segment::Need;
use scap::state::State;
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ChunkDecoder, Item, Load, WriterOptions,
};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap")
}

fn go() -> AtomicBool {
    AtomicBool::new(false)
}

fn replayer(path: &Path) -> SegmentReplayer {
    SegmentReplayer::new(&Arc::new(IndexedCapture::open(path).unwrap())).unwrap()
}

fn scope(replayer: &SegmentReplayer, filter: &str) -> Scope {
    Scope {
        span: replayer.capture().span().unwrap(),
        filter: filter.to_owned(),
    }
}

/// The sample in chunks of 70 events, with a snapshot after every 280.
fn cut_up(dir: &Path) -> PathBuf {
    let source = fs::read(sample()).unwrap();
    let mut reader = CaptureReader::new(&source[..]).unwrap();
    let header = reader.header().clone();
    let mut writer = CaptureWriter::new(Vec::new(), &header, WriterOptions::default()).unwrap();
    let mut decoder = ChunkDecoder::new();
    let mut state = State::new();
    let mut events = 0_u64;
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Snapshot(snapshot) => state.restore(&snapshot),
            Item::Chunk(chunk) => {
                let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
                while let Some(event) = rows.next().unwrap() {
                    if events.is_multiple_of(280) {
                        let mut snapshot = state.snapshot();
                        snapshot.time = event.ts;
                        writer.write_snapshot(&mut snapshot).unwrap();
                    } else if events.is_multiple_of(70) {
                        writer.flush_chunk().unwrap();
                    }
                    state.apply(&event);
                    writer.push(&event).unwrap();
                    events += 1;
                }
            }
            _ => {}
        }
    }
    file(dir, "cut-up.scap", &writer.finish().unwrap())
}

/// What `scap read` prints, without the times.
fn read(path: &Path, args: &[&str]) -> Vec<String> {
    let path = path.to_str().unwrap();
    let output = scap(&[&["read", path], args].concat(), None);
    let (out, err, code) = seen(&output);
    assert_eq!((code, &*err), (0, ""), "{args:?}");
    let without_time = |line: &str| {
        let mut words = line.trim_end().splitn(3, ' ');
        let (num, _, rest) = (words.next().unwrap(), words.next(), words.next().unwrap());
        format!("{num} {rest}")
    };
    out.lines().map(without_time).collect()
}

/// Every event of a capture that is shown, with the state around it.
fn each_event(path: &Path, mut each: impl FnMut(&Context<'_>)) {
    let mut replayer = replayer(path);
    let segments = replayer.capture().segments().len();
    for segment in 0..segments {
        let mut event = |cx: &Context<'_>, _: usize| {
            each(cx);
            ControlFlow::Continue(())
        };
        let end = replayer.segment(segment, &mut |_| Need::Everything, &mut event);
        assert!(end.unwrap().is_continue());
    }
}
