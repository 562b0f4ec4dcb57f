//! A long capture made of a short one.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use scap::event::PairedEvent;
use scap::fields;
use scap::lanes;
use scap::state::State;
use scap_capture_format::Result;
use scap_capture_format::event::Timestamp;
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ChunkDecoder, Item, Load, WriterOptions,
};
use scap_capture_format::sysdig::Converter;

/// Copies a capture, its events as often as it takes to have `wanted`, each time later. There is a snapshot
/// after every `snapshots` events, or when all threads in it have had their first event, and a chunk has at most `chunk`. Returns how many events there are.
pub(crate) fn repeated(
    from: &Path,
    to: &Path,
    wanted: u64,
    chunk: u64,
    snapshots: u64,
) -> Result<u64> {
    let mut state = State::new();
    let mut scratch = fields::NameScratch::default();
    let mut events = 0;
    let mut later = 0;
    let mut since = snapshots;
    let mut decoder = ChunkDecoder::new();
    let header = CaptureReader::new(BufReader::new(File::open(from)?))?
        .header()
        .clone();
    // Calls of .scap files have two events.
    let mut pairs = header.is_paired().then(Converter::new);
    let out = BufWriter::new(File::create(to)?);
    let mut writer = CaptureWriter::new(out, &header, WriterOptions::default())?;
    while events < wanted {
        let mut reader = CaptureReader::new(BufReader::new(File::open(from)?))?;
        let (mut first, mut last) = (u64::MAX, 0);
        while let Some(item) = reader.next_item()? {
            match item {
                Item::Snapshot(snapshot) if events == 0 => state.restore(&snapshot),
                Item::Chunk(chunk_read) => {
                    let mut rows = chunk_read.decode(&mut decoder, Load::ALL)?;
                    while let Some(mut event) = rows.next()? {
                        first = first.min(event.ts.0);
                        last = last.max(event.ts.0);
                        event.ts = Timestamp(event.ts.0 + later);
                        since += 1;
                        if since > snapshots && !state.awaits_threads(event.ts.0) {
                            since = 1;
                            let mut snapshot = state.snapshot();
                            snapshot.time = event.ts;
                            writer.write_snapshot(&mut snapshot)?;
                        } else if events.is_multiple_of(chunk) {
                            writer.flush_chunk()?;
                        }
                        let converted = pairs.as_mut().map(|pairs| pairs.convert(&event));
                        let enter = converted.as_ref().and_then(|converted| converted.enter);
                        let full = converted.as_ref().and_then(|c| c.merged.as_ref());
                        let paired = PairedEvent {
                            event: &event,
                            full: full.unwrap_or(&event),
                            enter_fd: enter.and_then(|enter| enter.fd),
                        };
                        state.apply(paired);
                        let view = state.view(paired);
                        let (lanes, waited) = lanes::classify(&event, &view);
                        let names = fields::names(&event, &view, &mut scratch);
                        writer.push_in_lanes(&event, lanes, waited, names)?;
                        events += 1;
                    }
                }
                _ => {}
            }
        }
        later += last.saturating_sub(first) + 1_000_000;
    }
    writer.finish()?;
    Ok(events)
}
