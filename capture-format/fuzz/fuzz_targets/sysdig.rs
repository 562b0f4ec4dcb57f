//! Any bytes as a .scap file: read, converted, made older, written, and read again.
//!
//! `cargo +nightly fuzz run sysdig` from `capture-format/fuzz`.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use scap_capture_format::sysdig::{
    Converter, Downgrade, Item, SysdigReader, SysdigWriter, Tail, WriterOptions,
};

/// A section header, in front of what does not begin with one, so that the fuzzer need not find it.
const SECTION: [u8; 28] = [
    0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 2, 0, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 28, 0, 0, 0,
];

/// Number of events read, and of damages.
fn read(file: &[u8], mut each: impl FnMut(Item<'_>)) -> Option<(u64, u64)> {
    let mut reader = SysdigReader::new(file).ok()?;
    let mut events = 0;
    while let Ok(Some(item)) = reader.next_item() {
        if let Item::Event(event) = &item {
            events += 1;
            assert_eq!(event.num.0, events);
            let sum: usize = event.params.iter().flatten().map(<[u8]>::len).sum();
            assert_eq!(sum as u64, event.params.lens().iter().map(|l| u64::from(*l)).sum());
        }
        each(item);
    }
    assert!(reader.offset() <= 4096 * file.len() as u64);
    assert!(reader.is_complete() || !reader.damages().is_empty());
    Some((events, reader.damages().count()))
}

thread_local! {
    /// Its tables take far longer to make than an input.
    static DOWNGRADE: RefCell<Downgrade> = RefCell::new(Downgrade::new());
}

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    if !bytes.starts_with(&SECTION[..4]) && !bytes.starts_with(&[0x1f, 0x8b]) {
        file = [&SECTION, bytes].concat();
    }
    DOWNGRADE.with_borrow_mut(|downgrade| run(&file, downgrade));
});

fn run(file: &[u8], downgrade: &mut Downgrade) {
    let mut converter = Converter::new();
    let machine = scap_capture_format::native::MachineInfo::default();
    let options = WriterOptions { gzip: false, tail: Tail::Full };
    let mut writer = None;
    let mut written = 0;
    read(file, |item| match item {
        Item::Metadata(snapshot, _) => {
            if writer.is_none() {
                writer = SysdigWriter::new(Vec::new(), &machine, snapshot, options).ok();
            }
        }
        Item::Event(event) => {
            let writer = writer.as_mut().expect("metadata comes first");
            written += u64::from(writer.event(&event).is_ok());
            let converted = converter.convert(&event);
            let newest = converted.merged.as_ref().unwrap_or(&event);
            let pair = downgrade.pair(newest);
            for made in pair.enter.iter().chain(&pair.exit) {
                assert!(made.ty.0 < 336);
                written += u64::from(writer.event(made).is_ok());
            }
        }
    });
    if let Some(writer) = writer {
        let file = writer.finish().expect("memory takes all");
        assert_eq!(read(&file, |_| {}), Some((written, 0)));
    }
}
