//! What was written is read back, for every shape of events and sections.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

mod common;

use std::io::Cursor;

use common::{Owned, T0, events, header, options, read_all, small_file};
use proptest::collection::vec;
use proptest::prelude::*;
use scap_capture_format::event::{EventFlags, EventNum, Loaded, Pid, Tid, Timestamp};
use scap_capture_format::native::chunk::latency_interval;
use scap_capture_format::native::section::SectionKind;
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ChunkBuilder, ChunkDecoder, ChunkPool, Compressor, IndexedReader,
    Item, Lane, Load, Want,
};
use scap_capture_format::schema::{EVENTS, EventType, ParamType, types};
use scap_capture_format::{Error, limits};

fn write(events: &[Owned]) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), &header(), options()).unwrap();
    for event in events {
        event.with(|e| writer.push(e)).unwrap();
    }
    writer.finish().unwrap()
}

/// An event of any type: parameters as the schema says, or missing, too many, or of wrong length.
fn any_event() -> impl Strategy<Value = Owned> {
    let ty = prop_oneof![4 => 0..EVENTS.len() as u16, 1 => any::<u16>()];
    let time = prop_oneof![8 => T0..T0 + 1_000_000, 1 => any::<u64>()];
    let latency = prop_oneof![
        Just(None),
        (0..5000u64).prop_map(Some),
        any::<u64>().prop_map(Some)
    ];
    let tid = prop_oneof![1..20i64, any::<i64>()];
    let cpu = prop_oneof![0..4u16, any::<u16>()];
    let seeds = vec(any::<u8>(), 64);
    (ty, time, latency, tid, cpu, 0..16u8, seeds, 0..4u8).prop_map(
        |(ty, ts, latency, tid, cpu, flags, seeds, mood)| {
            let shape: Vec<Option<usize>> = match EVENTS.get(usize::from(ty)) {
                Some(info) => info.params.iter().map(|p| p.ty.fixed_len()).collect(),
                None => vec![None; usize::from(seeds[0] % 5)],
            };
            let mut params: Vec<Vec<u8>> = shape
                .iter()
                .enumerate()
                .map(|(i, fixed)| {
                    let seed = seeds[i % seeds.len()];
                    let len = match (fixed, mood) {
                        (_, 1) if seed % 4 == 0 => 0,
                        (_, 2) if seed % 8 == 0 => usize::from(seed / 8),
                        (Some(len), _) => *len,
                        (None, _) => usize::from(seed),
                    };
                    vec![seed; len]
                })
                .collect();
            if mood == 3 {
                params.truncate(usize::from(seeds[0]) % (params.len() + 1));
                params.push(vec![1; usize::from(seeds[1] % 3)]);
            }
            Owned {
                ts,
                tid,
                pid: tid / 2,
                cpu,
                ty,
                latency,
                flags,
                params,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_events_round_trip(list in vec(any_event(), 0..60)) {
        let (read, text) = read_all(&write(&list)).unwrap();
        prop_assert_eq!(read, list);
        prop_assert!(!text.contains("damage"), "{}", text);
    }
}

#[test]
fn every_parameter_type_round_trips() {
    let list: Vec<_> = EVENTS
        .iter()
        .map(|info| {
            let value = |ty: ParamType| vec![ty.number(); ty.fixed_len().unwrap_or(5)];
            let params: Vec<_> = info.params.iter().map(|p| value(p.ty)).collect();
            let params: Vec<&[u8]> = params.iter().map(Vec::as_slice).collect();
            Owned::new(T0, 1, info.ty, None, &params)
        })
        .collect();
    assert_eq!(read_all(&write(&list)).unwrap().0, list);
}

#[test]
fn summaries_tell_the_truth() {
    let file = small_file();
    let mut reader = IndexedReader::open(Cursor::new(&file)).unwrap();
    assert!(reader.is_complete() && reader.damages().is_empty());
    assert_eq!(reader.header(), &header());
    let index = reader.index().clone();
    assert_eq!(
        (index.chunks.len(), index.snapshots.len(), index.events()),
        (3, 2, 18)
    );
    assert_eq!(index.lost, 17);
    let s = &index.chunks[0].summary;
    assert_eq!(
        (s.first_event, s.events, s.failed, s.hidden, s.lost),
        (EventNum(1), 6, 2, 1, 17)
    );
    assert_eq!(
        (s.min_time, s.max_time),
        (Timestamp(T0 + 1000), Timestamp(T0 + 9_000_000_000))
    );
    assert_eq!(s.count_of(types::SYSCALL_READ_X), 2);
    assert!(s.threads.may_contain_tid(Tid(11)) && !s.threads.may_contain_tid(Tid(12)));
    assert!(s.threads.may_contain_pid(Pid(9)) && !s.threads.may_contain_pid(Pid(8)));
    assert_eq!(index.chunks[1].summary.lost, 0);

    assert_eq!(index.chunk_at_event(EventNum(1)), 0);
    assert_eq!(index.chunk_at_event(EventNum(7)), 1);
    assert_eq!(index.chunk_at_event(EventNum(19)), 3);
    assert_eq!(index.chunk_at_time(Timestamp(0)), 0);
    assert_eq!(index.chunk_at_time(Timestamp(T0 + 10_000_000_000)), 1);
    assert_eq!(index.chunk_at_time(Timestamp(u64::MAX)), 3);
    assert_eq!(reader.snapshot_before(EventNum(12)), Some(0));
    assert_eq!(reader.snapshot_before(EventNum(13)), Some(1));
    assert_eq!(reader.snapshot(1).unwrap().next_event, EventNum(13));
    let losses = reader.losses().unwrap();
    let losses: Vec<_> = losses.into_iter().map(|(_, loss)| loss).collect();
    assert_eq!(losses, [common::loss()]);

    let mut other = reader.with_input(Cursor::new(&file));
    std::thread::scope(|s| {
        let summary = s
            .spawn(move || other.chunk(2).unwrap().summary().clone())
            .join()
            .unwrap();
        assert_eq!(summary, index.chunks[2].summary);
    });

    let mut decoder = ChunkDecoder::new();
    let chunk = reader.chunk(1).unwrap();
    let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().num, EventNum(7));
}

#[test]
fn only_what_is_wanted_is_loaded() {
    let file = small_file();
    let chunk = CaptureReader::new(Cursor::new(&file))
        .unwrap()
        .next_chunk()
        .unwrap()
        .unwrap();
    let mut decoder = ChunkDecoder::new();
    let all = events();

    let mut rows = chunk.decode(&mut decoder, Load::COLUMNS).unwrap();
    for expected in &all {
        let e = rows.next().unwrap().unwrap();
        assert_eq!(
            (e.ts.0, e.tid.0, e.latency),
            (expected.ts, expected.tid, expected.latency)
        );
        assert_eq!((e.params.loaded(), e.params.len()), (Loaded::Nothing, 0));
    }
    let mut rows = chunk.decode(&mut decoder, Load::PARAMS).unwrap();
    rows.next().unwrap();
    let e = rows.next().unwrap().unwrap();
    assert_eq!(e.params.loaded(), Loaded::AllButIoData);
    assert_eq!(
        (e.params.lens(), e.params.get(1)),
        (&[8, 5, 8, 4][..], None)
    );
    assert_eq!(e.params.get(2), Some(&3i64.to_le_bytes()[..]));

    let wanted = [types::SYSCALL_OPENAT_2_X];
    let load = Load {
        params: Want::Types(&wanted),
        io_data: false,
    };
    let mut rows = chunk.decode(&mut decoder, load).unwrap();
    for expected in &all {
        let e = rows.next().unwrap().unwrap();
        if e.ty == types::SYSCALL_OPENAT_2_X {
            assert_eq!(&Owned::of(&e), expected);
        } else {
            assert_eq!(e.params.loaded(), Loaded::Nothing);
        }
    }
}

#[test]
fn events_without_their_parameters_are_not_rewritten() {
    let file = small_file();
    let chunk = CaptureReader::new(Cursor::new(&file))
        .unwrap()
        .next_chunk()
        .unwrap()
        .unwrap();
    let mut decoder = ChunkDecoder::new();
    let mut rows = chunk.decode(&mut decoder, Load::COLUMNS).unwrap();
    let mut writer = CaptureWriter::new(Vec::new(), &header(), options()).unwrap();
    let outcome = writer.push(&rows.next().unwrap().unwrap());
    assert!(matches!(outcome, Err(Error::NotLoaded)));
}

/// More shapes, types and threads than any machine has.
#[test]
fn crowds_round_trip() {
    let one = |ts: u64, tid, ty: u16, params: Vec<Vec<u8>>| {
        let mut e = Owned::new(T0 + ts, tid, EventType(ty), None, &[]);
        e.params = params;
        e
    };
    // Every combination of absent and present parameters of a type with many fixed ones.
    let shapes = (0..1024u64).map(|bits| {
        let param = |i: u64| vec![1; if bits >> i & 1 == 1 { 8 } else { 0 }];
        one(bits, 1, 1, (0..10).map(param).collect())
    });
    let types = (0..=u16::MAX).map(|ty| one(2000, 1, ty, vec![vec![7], vec![]]));
    let threads = (0..5000).map(|tid| one(3000, tid, 5, vec![vec![0; 8], vec![3; 8]]));
    let list: Vec<_> = shapes.chain(types).chain(threads).collect();
    let file = write(&list);
    assert_eq!(read_all(&file).unwrap().0, list);
    let reader = IndexedReader::open(Cursor::new(&file)).unwrap();
    let last = &reader.index().chunks.last().unwrap().summary.threads;
    assert!((0..5000).all(|tid| last.may_contain_tid(Tid(tid))));
}

/// The data of one call can only be found with the lengths of the others'.
#[test]
fn data_brings_its_lengths_along() {
    let file = small_file();
    let chunk = CaptureReader::new(Cursor::new(&file))
        .unwrap()
        .next_chunk()
        .unwrap()
        .unwrap();
    let mut decoder = ChunkDecoder::new();
    let load = Load {
        params: Want::Nothing,
        io_data: true,
    };
    let mut rows = chunk.decode(&mut decoder, load).unwrap();
    for expected in &events() {
        let e = rows.next().unwrap().unwrap();
        if e.ty == types::SYSCALL_READ_X {
            assert_eq!(&Owned::of(&e), expected);
        } else {
            assert_eq!(e.params.loaded(), Loaded::Nothing);
        }
    }
}

/// A reader's events can be written again, also with their data left out.
#[test]
fn rewriting() {
    let file = small_file();
    for (load, stays) in [(Load::ALL, true), (Load::PARAMS, false)] {
        let mut reader = CaptureReader::new(Cursor::new(&file)).unwrap();
        let mut writer = CaptureWriter::new(Vec::new(), &header(), options()).unwrap();
        let mut decoder = ChunkDecoder::new();
        while let Some(chunk) = reader.next_chunk().unwrap() {
            let mut rows = chunk.decode(&mut decoder, load).unwrap();
            while let Some(e) = rows.next().unwrap() {
                writer.push(&e).unwrap();
            }
        }
        let read = read_all(&writer.finish().unwrap()).unwrap().0;
        let original = read_all(&file).unwrap().0;
        for (mut expected, read) in original.into_iter().zip(read) {
            if !stays && expected.ty == types::SYSCALL_READ_X.0 {
                expected.params[1].clear();
            }
            assert_eq!(read, expected);
        }
    }
}

#[test]
fn chunks_made_elsewhere_are_numbered_by_the_writer() {
    let pool = ChunkPool::new();
    let mut builder = ChunkBuilder::new(pool.clone());
    let mut compressor = Compressor::new(1).unwrap();
    let mut writer = CaptureWriter::new(Vec::new(), &header(), options()).unwrap();
    assert!(builder.finish_raw().is_none());
    for _ in 0..20 {
        for event in events() {
            event.with(|e| builder.push(e)).unwrap();
        }
        let raw = builder.finish_raw().unwrap();
        let mut encoded = std::thread::scope(|s| {
            s.spawn(|| raw.compress(&mut compressor).unwrap())
                .join()
                .unwrap()
        });
        writer.write_chunk(&mut encoded).unwrap();
    }
    assert_eq!(writer.next_event(), EventNum(121));
    let read = read_all(&writer.finish().unwrap()).unwrap().0;
    assert_eq!(read.len(), 120);
    assert_eq!(read[114..], events());
}

#[test]
fn chunks_close_when_full() {
    let mut writer = CaptureWriter::new(Vec::new(), &header(), options()).unwrap();
    let data = vec![7u8; 100_000];
    let event = Owned::new(
        T0,
        1,
        types::SYSCALL_READ_X,
        Some(1),
        &[&[0; 8], &data, &[0; 8], &[0; 4]],
    );
    for _ in 0..50 {
        event.with(|e| writer.push(e)).unwrap();
    }
    assert_eq!(writer.index().chunks.len(), 2);
    let read = read_all(&writer.finish().unwrap()).unwrap().0;
    assert!(read.len() == 50 && read.iter().all(|e| *e == event));
}

#[test]
fn an_oversized_event_is_refused_and_changes_nothing() {
    let mut writer = CaptureWriter::new(Vec::new(), &header(), options()).unwrap();
    let data = vec![7u8; limits::EVENT_BYTES + 1];
    let huge = Owned::new(T0, 1, types::SYSCALL_READ_X, None, &[&[0; 8], &data]);
    assert!(matches!(
        huge.with(|e| writer.push(e)),
        Err(Error::Limit { .. })
    ));
    let many = Owned {
        params: vec![vec![]; 256],
        ..huge
    };
    assert!(matches!(
        many.with(|e| writer.push(e)),
        Err(Error::Limit { .. })
    ));
    assert_eq!(read_all(&writer.finish().unwrap()).unwrap().0, []);
}

#[test]
fn unknown_sections() {
    for (flags, mandatory) in [(0, false), (1, true)] {
        let mut writer = CaptureWriter::new(Vec::new(), &header(), options()).unwrap();
        events()[0].with(|e| writer.push(e)).unwrap();
        writer
            .write_section(SectionKind(999), flags, b"from the future")
            .unwrap();
        events()[1].with(|e| writer.push(e)).unwrap();
        let file = writer.finish().unwrap();
        let indexed = IndexedReader::open(Cursor::new(&file));
        if mandatory {
            let text = "mandatory section of unknown kind 999";
            assert!(read_all(&file).unwrap_err().to_string().starts_with(text));
            assert!(indexed.unwrap_err().to_string().starts_with(text));
        } else {
            assert_eq!(read_all(&file).unwrap().0.len(), 2);
            assert_eq!(indexed.unwrap().index().events(), 2);
        }
    }
}

#[test]
fn pipes_need_no_index() {
    // A reader that gives one byte at a time.
    struct Drip<'a>(&'a [u8]);
    impl std::io::Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let one = 1.min(out.len());
            std::io::Read::read(&mut self.0, &mut out[..one])
        }
    }
    let file = small_file();
    let mut reader = CaptureReader::new(Drip(&file)).unwrap();
    let mut kinds = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        kinds.push(match item {
            Item::Snapshot(_) => 's',
            Item::Chunk(_) => 'c',
            Item::Loss(_) => 'l',
            Item::Index(_) => 'i',
            Item::Derivation(_) => 'd',
            Item::Footer => 'f',
            _ => '?',
        });
    }
    assert_eq!(String::from_iter(kinds), "slccscif");
    assert!(reader.is_complete() && reader.damages().is_empty());
    assert_eq!(reader.offset(), file.len() as u64);
}

#[test]
fn the_lanes_that_are_told_are_in_the_summary() {
    let activity = |push: &dyn Fn(&mut ChunkBuilder)| {
        let mut builder = ChunkBuilder::new(ChunkPool::new());
        push(&mut builder);
        let raw = builder.finish_raw().unwrap();
        let chunk = raw.compress(&mut Compressor::new(1).unwrap()).unwrap();
        chunk.summary().activity()
    };
    let mut close = Owned {
        ty: types::SYSCALL_CLOSE_X.0,
        latency: Some(2000),
        flags: 0,
        ..events()[0].clone()
    };
    let push = |event: &Owned, builder: &mut ChunkBuilder, lanes: &[Lane], waited| {
        let lanes = lanes.iter().copied().collect();
        event
            .with(|e| {
                builder.push_in_lanes(
                    e,
                    lanes,
                    waited,
                    scap_capture_format::native::EventNames::UNKNOWN,
                )
            })
            .unwrap();
    };
    let found = activity(&|builder| {
        push(&close, builder, &[Lane::Files], false);
        push(&close, builder, &[Lane::Starts, Lane::Files], true);
        // The next chunk begins with nothing.
        builder.finish_raw().unwrap();
        push(&close, builder, &[Lane::Starts, Lane::Slow], false);
        push(&close, builder, &[], true);
    });
    let found = found.unwrap();
    assert_eq!(found.lanes, [1, 0, 0, 0, 0, 0, 1]);
    assert_eq!(found.latencies[latency_interval(2000)], 1);
    assert_eq!(found.latencies.iter().sum::<u32>(), 1);
    assert_eq!(found.untyped.of_32bit, 0);

    let mixed = activity(&|builder| {
        push(&close, builder, &[Lane::Starts], false);
        close.with(|e| builder.push(e)).unwrap();
    });
    assert_eq!(mixed, None, "of one event nothing is known");

    // What is hidden does not count, whoever hides it.
    let shown = close.clone();
    close.flags = EventFlags::HIDDEN.bits();
    let hidden = activity(&|builder| {
        push(&shown, builder, &[Lane::Starts], false);
        push(&close, builder, &[Lane::Starts], false);
        close.with(|e| builder.push(e)).unwrap();
    });
    assert_eq!(hidden.unwrap().lanes, [1, 0, 0, 0, 0, 0, 0]);

    // `syscall <` ends in a byte that tells the ABI.
    let mut call = Owned {
        ty: types::GENERIC_X.0,
        params: [2, 2, 8, 8, 8, 8, 8, 8, 8, 1]
            .map(|len| vec![0; len])
            .into(),
        ..shown
    };
    let generic = |call: &Owned| activity(&|builder| push(call, builder, &[], false)).unwrap();
    assert_eq!(generic(&call).untyped.of_32bit, 0);
    call.params[9] = vec![1];
    assert_eq!(generic(&call).untyped.of_32bit, 1);
}
