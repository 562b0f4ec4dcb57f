//! Counts the events of a native capture by type, and says what is missing.
//!
//!     cargo run -p scap-capture-format --example count -- cap.scap

#![expect(clippy::print_stdout, reason = "a program for the command line")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::BufReader;

use scap_capture_format::native::{CaptureReader, ChunkDecoder, Item, Load};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: count FILE")?;
    let mut reader = CaptureReader::new(BufReader::new(File::open(path)?))?;
    println!("machine: {:?}", reader.header().machine.host_name);
    let mut decoder = ChunkDecoder::new();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut lost = 0;
    while let Some(item) = reader.next_item()? {
        match item {
            Item::Chunk(chunk) => {
                // Only the columns: type, time, thread. The parameters are not decompressed.
                let mut rows = chunk.decode(&mut decoder, Load::COLUMNS)?;
                while let Some(event) = rows.next()? {
                    let name = event.ty.info().map_or("(unknown)", |info| info.name);
                    *counts.entry(name).or_default() += 1;
                }
            }
            Item::Loss(report) => lost += report.losses.iter().map(|l| l.count).sum::<u64>(),
            _ => {}
        }
    }
    for (name, count) in counts {
        println!("{count:>10}  {name}");
    }
    println!("lost: {lost}; damaged places: {}", reader.damages().count());
    if !reader.is_complete() {
        println!("the capture has no end");
    }
    Ok(())
}
