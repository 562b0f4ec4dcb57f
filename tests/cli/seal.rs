//! `scap seal`, and what `scap verify` says of seals.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Cursor;
use std::path::{Path, PathBuf};

use scap_capture_format::native::{TimeStamp, append_time_stamp};
use serde_json::Value;
use tempfile::tempdir;

use crate::common::{file, scap, seen, story, write};

/// The fingerprint of the key of zeros, by `openssl pkey -pubin -in zeros.pub.pem -outform DER | sha256sum`.
const ZEROS: &str = "SHA256:339e2ff917630507b6a423b5ce084e285d1fa65d93b3e27a6195d3bbebc9ae23";

fn key(name: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/seal");
    dir.join(name).to_str().unwrap().to_owned()
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn seal(capture: &Path, name: &str) -> (String, String, i32) {
    let (capture, key) = (path(capture), key(name));
    seen(&scap(&["seal", &capture, "--key", &key], None))
}

fn verified(capture: &Path, public: &str) -> (String, i32) {
    let (capture, public) = (path(capture), key(public));
    let (out, err, code) = seen(&scap(&["verify", "--pub", &public, &capture], None));
    assert_eq!(err, "");
    (out, code)
}

fn json(capture: &Path) -> Value {
    let out = seen(&scap(&["verify", "--json", &path(capture)], None)).0;
    serde_json::from_str(&out).unwrap()
}

#[test]
fn a_seal_is_appended_and_names_key_and_recording() {
    let dir = tempdir().unwrap();
    let bytes = write(&story(), 3, true);
    let capture = file(dir.path(), "a.scap", &bytes);
    let read = |file: &Path| seen(&scap(&["read", &path(file)], None));
    let before = read(&capture);
    let (out, err, code) = seal(&capture, "zeros.pem");
    assert_eq!((&*out, code), ("", 0));
    assert!(err.contains(&format!("sealed by {ZEROS}\nroot: ")), "{err}");
    let now = std::fs::read(&capture).unwrap();
    assert_eq!(now[..bytes.len()], bytes, "evidence stays as it is");
    assert_eq!(read(&capture), before);

    let (out, code) = verified(&capture, "zeros.pub.pem");
    assert_eq!(code, 0, "{out}");
    let mut lines = out.lines();
    let first = lines.next().unwrap();
    assert!(
        first.ends_with(": intact; 10 events, 4 chunks, 1 snapshot, index, 1 seal"),
        "{out}"
    );
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with(&format!("    1 seal by {ZEROS}, the last at 20"))
    );
    let sealed = "        sealed: all, 10 events up to 2023-11-14T23:13:20.000010000+01:00";
    assert_eq!(lines.next().unwrap(), sealed);
    let rest: Vec<&str> = lines.map(str::trim).collect();
    for fact in [
        "host: web1",
        "boot-id: 0f0f",
        "recorder: scap 0.1.0",
        "options: -M=5",
    ] {
        assert!(rest.contains(&fact), "{out}");
    }
    let seal = &json(&capture)["seal"];
    assert_eq!(seal["problem"], Value::Null);
    assert_eq!(seal["keys"][0]["proved"], false);
    assert_eq!(seal["keys"][0]["sealed_to"], now.len());

    let (out, code) = verified(&capture, "elevens.pub.pem");
    assert_eq!(code, 3);
    assert!(
        out.contains(": intact, but not sealed with this key; "),
        "{out}"
    );
    let (out, ..) = seen(&scap(&["info", &path(&capture)], None));
    assert!(
        out.contains("4 chunks, 1 snapshot, index, 1 seal\n"),
        "{out}"
    );
}

#[test]
fn several_people_can_seal_a_capture() {
    let dir = tempdir().unwrap();
    let capture = file(dir.path(), "a.scap", &write(&story(), 3, true));
    assert_eq!(seal(&capture, "zeros.pem").2, 0);
    assert_eq!(seal(&capture, "elevens.pem").2, 0);
    for public in ["zeros.pub.pem", "elevens.pub.pem"] {
        let (out, code) = verified(&capture, public);
        assert_eq!(code, 0, "{out}");
    }
    // Of the second one nothing is left, and there is something else.
    let mut bytes = std::fs::read(&capture).unwrap();
    let len = bytes.len();
    bytes.truncate(len - 10);
    std::fs::write(&capture, &bytes).unwrap();
    let (out, code) = verified(&capture, "zeros.pub.pem");
    assert_eq!(code, 3);
    assert!(out.contains("and only a part of it is sealed"), "{out}");
}

#[test]
fn a_copy_is_sealed_and_the_original_stays() {
    let dir = tempdir().unwrap();
    // Never completed.
    let bytes = write(&story(), 3, false);
    let capture = file(dir.path(), "a.scap", &bytes);
    let copy: PathBuf = dir.path().join("b.scap");
    let args = [
        "seal",
        &path(&capture),
        "--key",
        &key("zeros.pem"),
        "-o",
        &path(&copy),
    ];
    let (_, err, code) = seen(&scap(&args, None));
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("damaged or incomplete, and is sealed as it is"),
        "{err}"
    );
    assert_eq!(std::fs::read(&capture).unwrap(), bytes);
    let (out, code) = verified(&copy, "zeros.pub.pem");
    assert_eq!(code, 3, "it is incomplete");
    assert!(out.contains("        sealed: all, 10 events"), "{out}");
    let same = [
        "seal",
        &path(&capture),
        "--key",
        &key("zeros.pem"),
        "-o",
        &path(&capture),
    ];
    assert_eq!(seen(&scap(&same, None)).2, 2);
}

#[test]
fn each_place_that_was_changed_is_named() {
    let dir = tempdir().unwrap();
    let capture = file(dir.path(), "a.scap", &write(&story(), 3, true));
    assert_eq!(seal(&capture, "zeros.pem").2, 0);
    let whole = std::fs::read(&capture).unwrap();
    // No checksum covers the spare bytes of the preamble.
    let mut changed = whole.clone();
    changed[10] = 1;
    std::fs::write(&capture, &changed).unwrap();
    let (out, code) = verified(&capture, "zeros.pub.pem");
    assert_eq!(code, 3);
    assert!(out.contains(": damaged in one place; "), "{out}");
    assert!(
        out.contains("        changed after it was sealed: in 1 place\n"),
        "{out}"
    );
    assert!(
        out.contains("    byte 0: these bytes were changed after sealing\n"),
        "{out}"
    );
    // What the capture itself shows is said once.
    let damages = |bytes: &[u8]| {
        std::fs::write(&capture, bytes).unwrap();
        json(&capture)["first_damages"].clone()
    };
    let bare = write(&story(), 3, true);
    let (mut bare_changed, mut changed) = (bare.clone(), whole);
    for bytes in [&mut bare_changed, &mut changed] {
        bytes[bare.len() - 1500] ^= 1;
    }
    let own = damages(&bare_changed);
    assert!(!own.as_array().unwrap().is_empty());
    assert_eq!(damages(&changed), own);
}

#[test]
fn what_cannot_be_sealed_or_checked() {
    let dir = tempdir().unwrap();
    let bytes = write(&story(), 3, true);
    let capture = file(dir.path(), "a.scap", &bytes);
    for (wrong, what) in [
        ("zeros.pub.pem", "is not a private key"),
        ("gone.pem", "cannot read the key"),
    ] {
        let (_, err, code) = seal(&capture, wrong);
        assert_eq!(code, 1);
        assert!(err.contains(what), "{err}");
    }
    assert_eq!(std::fs::read(&capture).unwrap(), bytes);
    let sysdig = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/compressed/sysdig.scap");
    for other in [
        sysdig,
        dir.path().join("gone"),
        file(dir.path(), "text", b"text"),
    ] {
        let (_, err, code) = seal(&other, "zeros.pem");
        assert_eq!(code, 1, "{err}");
    }
    // From a pipe, nothing is said to be proved.
    assert_eq!(seal(&capture, "zeros.pem").2, 0);
    let sealed = std::fs::read(&capture).unwrap();
    let public = key("zeros.pub.pem");
    let (out, _, code) = seen(&scap(&["verify", "--pub", &public, "-"], Some(&sealed)));
    assert_eq!(code, 3);
    assert!(
        out.contains("its seals can be checked in a plain file only"),
        "{out}"
    );
    let (out, _, code) = seen(&scap(&["verify", "--pub", &public, "-"], Some(&bytes)));
    assert_eq!(code, 3);
    assert!(out.contains("intact, but not sealed"), "{out}");
}

/// Runs openssl in a directory; `None` if there is none.
fn openssl(dir: &Path, args: &[&str]) -> Option<bool> {
    let ran = std::process::Command::new("openssl")
        .args(args)
        .current_dir(dir)
        .output();
    Some(ran.ok()?.status.success())
}

#[test]
fn an_authority_stamps_a_seal() {
    let dir = tempdir().unwrap();
    let at = |name: &str| path(&dir.path().join(name));
    let capture = file(dir.path(), "a.scap", &write(&story(), 3, true));
    let name = path(&capture);
    let run = |args: &[&str]| seen(&scap(&[&["seal", &name], args].concat(), None));
    let (_, err, code) = run(&["--timestamp-request", &at("tsq")]);
    assert_eq!(code, 1);
    assert!(err.contains("has no valid seal"), "{err}");
    assert_eq!(seal(&capture, "zeros.pem").2, 0);
    assert_eq!(
        run(&["--timestamp-request", &at("tsq")]),
        (String::new(), String::new(), 0)
    );

    let tsa = |name: &str| key(&format!("tsa/{name}"));
    file(dir.path(), "serial", b"01\n");
    let (config, signer, private) = (tsa("tsa.cnf"), tsa("tsa.pem"), tsa("tsa.key"));
    let reply = [
        "ts",
        "-reply",
        "-queryfile",
        "tsq",
        "-config",
        &config,
        "-section",
        "t",
        "-signer",
        &signer,
        "-inkey",
        &private,
        "-out",
        "tsr",
    ];
    let Some(replied) = openssl(dir.path(), &reply) else {
        return;
    };
    assert!(replied);
    let (_, err, code) = run(&["--attach-token", &at("tsr")]);
    assert_eq!(code, 0, "{err}");
    let (out, code) = verified(&capture, "zeros.pub.pem");
    assert_eq!(code, 0, "{out}");
    assert!(
        out.lines()
            .next()
            .unwrap()
            .ends_with("index, 1 seal, 1 time stamp"),
        "{out}"
    );
    assert!(
        out.contains("    time stamp: 20") && out.contains("Z by Test TSA, whose signature"),
        "{out}"
    );
    assert_eq!(run(&["--extract-token", &at("back")]).2, 0);
    let verify = [
        "ts",
        "-verify",
        "-queryfile",
        "tsq",
        "-in",
        "back",
        "-CAfile",
        &signer,
    ];
    assert_eq!(openssl(dir.path(), &verify), Some(true));
    // A seal of what was stamped is another one.
    assert_eq!(seal(&capture, "zeros.pem").2, 0);
    assert_eq!(verified(&capture, "zeros.pub.pem").1, 0);
    let (_, err, code) = run(&["--attach-token", &at("tsr")]);
    assert_eq!(code, 1);
    assert!(
        err.contains("the time stamp is not of the last seal"),
        "{err}"
    );
}

#[test]
fn time_stamps_of_something_else() {
    let dir = tempdir().unwrap();
    let capture = file(dir.path(), "a.scap", &write(&story(), 3, true));
    let name = path(&capture);
    assert_eq!(seal(&capture, "zeros.pem").2, 0);
    let whole = std::fs::read(&capture).unwrap();
    for response in ["stamp.tsr", "zeros.pem"] {
        let args = ["seal", &name, "--attach-token", &key(response)];
        let (_, err, code) = seen(&scap(&args, None));
        assert_eq!(code, 1);
        assert!(
            err.contains("not of the last seal") || err.contains("not the answer of"),
            "{err}"
        );
    }
    assert_eq!(std::fs::read(&capture).unwrap(), whole);
    // Others can write anything into the section.
    let root = json(&capture)["seal"]["keys"][0]["root"]
        .as_str()
        .unwrap()
        .to_owned();
    let root: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&root[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let response = std::fs::read(key("stamp.tsr")).unwrap();
    for (root, what) in [
        (
            root.try_into().unwrap(),
            "a time stamp is not of the seal that it names",
        ),
        ([7; 32], "a time stamp of no seal"),
    ] {
        let stamp = TimeStamp {
            root,
            response: response.clone(),
            ..TimeStamp::default()
        };
        let section = append_time_stamp(Cursor::new(&whole), &stamp).unwrap();
        std::fs::write(&capture, [&*whole, &section.bytes].concat()).unwrap();
        let (out, code) = verified(&capture, "zeros.pub.pem");
        assert_eq!(code, 3);
        assert!(out.contains(what), "{out}");
    }
}
