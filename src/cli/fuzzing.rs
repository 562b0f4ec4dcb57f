//! The parsers of files and arguments of commands, for the fuzzer; see [`crate::fuzzing`].

use std::io::{self, Read as _};

use super::chisel::reassembled;
use super::compressed::{Compression, Damage, MAGIC_BYTES, decompress, gzip_head};
use crate::filter::When;
use crate::rules::{Finding, Loader, Settings, TestFile};

/// How much is read of a compressed file's content.
const CONTENT: u64 = 4 << 20;

/// A compressed file around a capture.
pub(crate) fn compressed(bytes: &[u8]) {
    let reader = || Box::new(io::Cursor::new(bytes.to_vec()));
    let first = &bytes[..bytes.len().min(MAGIC_BYTES)];
    let Some(compression) = Compression::of(first) else {
        return;
    };
    let damage = Damage::default();
    if let Ok(content) = decompress(compression, reader(), &damage) {
        let read = content.take(CONTENT).read_to_end(&mut Vec::new());
        assert!(read.is_ok(), "damage ends the content, and is no error");
    }
    if compression == Compression::Gzip {
        let (head, mut again) = gzip_head::<4>(reader());
        assert!(head.len() <= 4);
        let mut whole = Vec::new();
        assert!(again.read_to_end(&mut whole).is_ok() && whole == bytes);
    }
}

/// A chisel's file of tests: nothing of it is lost.
pub(crate) fn chisel_test(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let lines: String = text.lines().map(|line| format!("{line}\n")).collect();
    assert_eq!(reassembled(text), lines);
}

/// A place in a capture, as in `--from`.
pub(crate) fn time(bytes: &[u8]) {
    let Some((numbers, text)) = bytes.split_first_chunk::<16>() else {
        return;
    };
    let (first, last) = numbers.split_at(8);
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |all, byte| all << 8 | u64::from(*byte))
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    match When::parse(text) {
        Ok(when) => {
            let within = when.within(number(first), number(last));
            let _time = within.time(number(first));
        }
        Err(error) => assert!(text.get(error.span.clone()).is_some(), "{error}"),
    }
}

fn check(finding: &Finding, text: &str) {
    assert!(text.get(finding.span.clone()).is_some(), "{finding:?}");
}

/// A file of rules: what is wrong in it is at a place of it, and rules without errors can be used.
pub(crate) fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut loader = Loader::new(Settings::default());
    loader.add("fuzzed", text);
    let has_failed = loader.has_failed();
    let (reports, rules) = loader.finish();
    for report in &reports {
        report.findings.iter().for_each(|found| check(found, text));
        let _printed = report.to_json();
    }
    assert!(!has_failed || rules.is_none());
}

/// What tests of rules expect.
pub(crate) fn expected(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(finding) = TestFile::parse(text) {
        check(&finding, text);
    }
}
