//! Captures in compressed files.

use std::fs;
use std::path::PathBuf;

use crate::common::{file, scap, seen};
use tempfile::tempdir;

fn test_data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name)
}

fn read(path: &str) -> (String, String, i32) {
    seen(&scap(&["read", path], None))
}

#[test]
fn both_formats_are_read_in_each_compression() {
    for (plain, compressed) in [
        (
            "native-v1.scap",
            &[
                "native.zst",
                "native.lz4",
                "native-legacy.lz4",
                "native.xz",
                "native.gz",
            ][..],
        ),
        (
            "compressed/sysdig.scap",
            &[
                "sysdig.zst",
                "sysdig.lz4",
                "sysdig.xz",
                "sysdig.gz",
                "sysdig.gz.xz",
            ],
        ),
    ] {
        let expected = read(test_data(plain).to_str().unwrap());
        assert!(expected.0.lines().count() > 2 && expected.2 == 0, "{plain}");
        for name in compressed {
            let path = test_data("compressed").join(name);
            assert_eq!(read(path.to_str().unwrap()), expected, "{name}");
            let bytes = fs::read(&path).unwrap();
            let from_pipe = scap(&["read", "-"], Some(&bytes));
            assert_eq!(seen(&from_pipe), expected, "{name}");
        }
    }
}

#[test]
fn the_compression_is_named() {
    let path = test_data("compressed").join("native.zst");
    let (out, err, code) = seen(&scap(&["info", path.to_str().unwrap()], None));
    assert_eq!((err.as_str(), code), ("", 0));
    assert!(
        out.lines()
            .next()
            .unwrap()
            .ends_with("decompressed from zstd"),
        "{out}"
    );
    let path = test_data("compressed").join("sysdig.bz2");
    let (out, err, code) = read(path.to_str().unwrap());
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(
        err.contains("compressed with bzip2") && err.contains("`bzip2 -dk`"),
        "{err}"
    );
}

/// What is before the damage is shown, and the damage is reported.
#[test]
fn damaged_streams() {
    let dir = tempdir().unwrap();
    for name in [
        "native.zst",
        "native.lz4",
        "native.xz",
        "native.gz",
        "sysdig.zst",
        "sysdig.lz4",
        "sysdig.xz",
    ] {
        let bytes = fs::read(test_data("compressed").join(name)).unwrap();
        let (_, compression) = name.rsplit_once('.').unwrap();
        let compression = match compression {
            "gz" => "gzip",
            other => other,
        };
        for len in [8, bytes.len() / 2, bytes.len() - 5] {
            let cut = file(dir.path(), "cut", &bytes[..len]);
            let cut = cut.to_str().unwrap();
            let (_, err, code) = read(cut);
            assert_eq!(code, 3, "{name} cut to {len}: {err}");
            assert!(err.contains(compression), "{name} cut to {len}: {err}");
            let info = seen(&scap(&["info", cut], None));
            assert_eq!(info.2, 3, "{name} cut to {len}: {info:?}");
        }
        // Each byte changed in turn: read to the end, or reported, never more than that.
        for at in (0..bytes.len()).step_by(bytes.len() / 16) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            let (_, err, code) = seen(&scap(&["read", "-q", "-"], Some(&changed)));
            assert!(
                matches!(code, 0 | 1 | 3) && !err.contains("panicked"),
                "{name} at {at}: {err}"
            );
        }
    }
}

#[test]
fn windows_are_limited() {
    let dir = tempdir().unwrap();
    // A zstd frame whose header asks for a window of 1 GiB.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00];
    let huge = file(dir.path(), "huge", &frame);
    let (_, err, code) = read(huge.to_str().unwrap());
    assert_eq!(code, 3);
    assert!(err.contains("too much memory"), "{err}");
}

#[test]
fn options_of_sysdig() {
    let capture = test_data("native-v1.scap");
    let capture = capture.to_str().unwrap();
    let expected = read(capture);
    for options in [
        &["-N"][..],
        &["-z"],
        &["-F"],
        &["-d"],
        &["-s", "100"],
        &["-zN"],
    ] {
        let words = [&["read"], options, &["-r", capture]].concat();
        assert_eq!(seen(&scap(&words, None)), expected, "{options:?}");
    }
    for (options, answer) in [
        (&["-S"][..], "scap read -c topscalls FILE"),
        (&["-l"], "`scap fields`"),
        (&["-L"], "`scap events`"),
        (&["-cl"], "`scap chisel list`"),
        (&["-c", "l"], "`scap chisel list`"),
        (&["--list-chisels"], "`scap chisel list`"),
        (&["-i", "netstat"], "`scap chisel info netstat`"),
        (&["-i"], "`scap chisel info CHISEL`"),
        (&["-R"], "numbers"),
    ] {
        for words in [
            [&["read"], options].concat(),
            [&["read", "-r", capture], options].concat(),
        ] {
            let (out, err, code) = seen(&scap(&words, None));
            assert_eq!((out.as_str(), code), ("", 2), "{words:?}");
            assert!(
                err.contains("an option of sysdig") && err.contains(answer),
                "{err}"
            );
        }
    }
}

#[test]
fn filters_before_the_files() {
    let capture = test_data("sample.scap");
    let capture = capture.to_str().unwrap();
    let after = seen(&scap(&["read", capture, "evt.type=close"], None));
    assert!(!after.0.is_empty());
    let lines = [
        &["evt.type=close", capture][..],
        &["evt.type", "=", "close", capture],
        &["evt.type=close", "-r", capture],
        &["-r", capture, "evt.type=close"],
    ];
    for words in lines {
        let words = [&["read"], words].concat();
        assert_eq!(seen(&scap(&words, None)), after, "{words:?}");
    }
    // A chisel with an optional argument takes the filter for one no more than sysdig does.
    let chisel = |words: &[&str]| {
        seen(&scap(
            &[&["read", "-c", "topprocs_file"], words].concat(),
            None,
        ))
    };
    assert_eq!(
        chisel(&["evt.type=close", capture]),
        chisel(&[capture, "evt.type=close"])
    );
}
