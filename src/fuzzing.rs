//! What the targets in `fuzz/` call to reach parsers that are private.
//!
//! Only built for the fuzzer and for tests, which try every seed and each of them cut and changed. The first byte chooses
//! the parser. A parser that is added to one of the lists here also gets a seed.

use crate::record::fuzzing::Parser;
use crate::{cli, record, tui};

/// What a machine that is recorded says of itself: its programs, its /proc and its container runtimes.
const MACHINE: &[Parser] = record::fuzzing::PARSERS;

/// What is opened besides captures, filters and scripts.
const FILES: &[Parser] = &[
    ("notes", tui::fuzzing::notes),
    ("terminal", tui::fuzzing::terminal),
    ("compressed", cli::fuzzing::compressed),
    ("chisel-test", cli::fuzzing::chisel_test),
    ("time", cli::fuzzing::time),
    ("rules", cli::fuzzing::rules),
    ("expected", cli::fuzzing::expected),
];

/// Runs one of the parsers of a machine's words.
pub fn machine(bytes: &[u8]) {
    run(MACHINE, bytes);
}

/// Runs one of the parsers of files.
pub fn files(bytes: &[u8]) {
    run(FILES, bytes);
}

fn run(parsers: &[Parser], bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    if let Some((_, parser)) = parsers.get(usize::from(*first) % parsers.len()) {
        parser(rest);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Places of a seed that are tried.
    const PLACES: usize = 400;

    /// Calls every parser with its seeds: whole, cut, and with a byte changed.
    fn each_seed(target: &str, parsers: &[Parser]) {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let seeds = std::fs::read_dir(dir.join(target)).unwrap();
        let seeds: Vec<_> = seeds.map(|seed| seed.unwrap().path()).collect();
        for (nr, (name, parser)) in parsers.iter().enumerate() {
            let mut own = 0;
            for seed in &seeds {
                let bytes = std::fs::read(seed).unwrap();
                let file = seed.file_name().unwrap().to_str().unwrap();
                let is_own = usize::from(bytes[0]) % parsers.len() == nr;
                assert_eq!(is_own, file.starts_with(name), "{file} is not for {name}");
                if !is_own {
                    continue;
                }
                own += 1;
                let rest = &bytes[1..];
                parser(rest);
                for at in (0..rest.len()).step_by(rest.len().div_ceil(PLACES)) {
                    parser(&rest[..at]);
                    let mut changed = rest.to_vec();
                    changed[at] ^= 0x15;
                    parser(&changed);
                }
            }
            assert!(own > 0, "no seed for {name}");
        }
    }

    #[test]
    fn words_of_a_machine_that_are_cut_or_changed() {
        each_seed("machine", MACHINE);
    }

    #[test]
    fn files_that_are_cut_or_changed() {
        each_seed("files", FILES);
    }
}
