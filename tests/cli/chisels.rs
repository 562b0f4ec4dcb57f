//! Chisels on the command line: which words are theirs, what is listed, how a new one is written and tested.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/intrusion.scap");

/// Runs scap in a directory, with no scripts but ours and those there. Returns what it printed, its standard error, and
/// its exit code.
fn scap(dir: &Path, words: &[&str]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(words)
        .current_dir(dir)
        .env("HOME", dir)
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code().unwrap(),
    )
}

/// Says what it was given.
const ECHO: &str =
    "description = 'says what it is given' short_description = 'echo' category = 'Misc'
args = { { name = 'a', argtype = 'string', description = 'first', optional = OPTIONAL },
         { name = 'b', argtype = 'string', description = 'second', optional = true } }
function on_init() print(scap.arg('a'), scap.arg('b'), sysdig.get_filter()) return true end
local n = 0
function on_event() n = n + 1 end
function on_capture_end() print(n) end
";

#[test]
fn the_word_after_the_name_is_its_arguments_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("chisels")).unwrap();
    let write = |name: &str, optional: &str| {
        let script = dir.join("chisels").join(name);
        fs::write(script, ECHO.replace("OPTIONAL", optional)).unwrap();
    };
    write("may.lua", "true");
    write("must.lua", "false");
    fs::copy(CAPTURE, dir.join("cap.scap")).unwrap();
    let first = |words: &[&str]| {
        let (printed, stderr, code) = scap(dir, &[&["read"], words].concat());
        assert_eq!(code, 0, "{words:?}: {stderr}");
        printed.lines().next().unwrap().to_owned()
    };
    let filter = "proc.name=curl";
    for (words, says) in [
        (&["cap.scap", "-c", "may"][..], "nil\tnil\t"),
        (&["cap.scap", "-c", "may", "x"], "x\tnil\t"),
        (&["cap.scap", "-c", "may", "x 'y z'"], "x\ty z\t"),
        (
            &["cap.scap", "-c", "may", filter],
            "nil\tnil\tproc.name=curl",
        ),
        (
            &["cap.scap", "-c", "may", "x", filter],
            "x\tnil\tproc.name=curl",
        ),
        (&["cap.scap", "-c", "may", "-n", "1"], "nil\tnil\t"),
        (
            &["-c", "may", "cap.scap", filter],
            "nil\tnil\tproc.name=curl",
        ),
        (&["-r", "cap.scap", "-c", "may", "x"], "x\tnil\t"),
        (
            &["-r", "cap.scap", "-c", "may", "proc.name", "=", "curl"],
            "nil\tnil\tproc.name = curl",
        ),
        (&["cap.scap", "-c", "must", filter], "proc.name=curl\tnil\t"),
        (&["cap.scap", "--chisel", "must", "-x"], "-x\tnil\t"),
        (&["cap.scap", "-cmust", "x"], "x\tnil\t"),
        (&["cap.scap", "--chisel=must", "x"], "x\tnil\t"),
    ] {
        assert_eq!(first(words), says, "{words:?}");
    }
    // Several at once, each with its own.
    let (printed, _, _) = scap(
        dir,
        &[
            "read", "cap.scap", "-c", "must", "1", "-c", "must", "2", filter,
        ],
    );
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(
        lines[..2],
        ["1\tnil\tproc.name=curl", "2\tnil\tproc.name=curl"]
    );
    assert!(
        lines[2] == lines[3] && lines[2].parse::<u32>().unwrap() > 10,
        "{lines:?}"
    );

    for (words, expected) in [
        (
            &["-c", "must"][..],
            "chisel must: argument <a> is missing\nhint: -c must \"<a> [b]\"",
        ),
        (
            &["-c", "must", "1 2 3"],
            "too many arguments: 3 given, 2 accepted",
        ),
        (
            &["-c", "must", "'x"],
            "a quote in the arguments is not closed",
        ),
        (
            &["-c", "musd"],
            "there is no chisel `musd`\nhint: did you mean `must`?",
        ),
        (&["-c", "nowhere", "x y"], "there is no chisel `nowhere`"),
        (&["-cl"], "hint: `scap chisel list` lists the chisels"),
        (
            &["-c", "must", "1", "-w", "x"],
            "-w writes events, -c runs a chisel over them",
        ),
    ] {
        let (_, said, code) = scap(dir, &[&["read", "cap.scap"], words].concat());
        assert!(said.contains(expected), "{words:?}: {said}");
        assert_eq!(code, 2, "{words:?}");
    }
}

#[test]
fn chisels_are_listed_and_described() {
    let dir = tempfile::tempdir().unwrap();
    let (listed, stderr, code) = scap(dir.path(), &["chisel", "list", "--json"]);
    assert_eq!((stderr.as_str(), code), ("", 0));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let listed = listed.as_array().unwrap();
    let one = listed.iter().find(|c| c["name"] == "spy_port").unwrap();
    assert_eq!(one["category"], "Net");
    assert_eq!(one["path"], serde_json::Value::Null, "it is part of scap");
    assert_eq!(one["arguments"][0]["name"], "host_port");
    assert!(
        !listed.iter().any(|c| c["name"] == "scap_ranking"),
        "a library"
    );
    for chisel in listed {
        assert!(
            !chisel["short"].as_str().unwrap().is_empty() || chisel["is_view"] == true,
            "{chisel}"
        );
    }

    let (described, _, code) = scap(dir.path(), &["chisel", "info", "spy_port"]);
    assert_eq!(code, 0);
    assert!(described.contains("use:  -c spy_port"), "{described}");
    let (_, stderr, code) = scap(dir.path(), &["chisel", "info", "nothing_like_that"]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("there is no chisel `nothing_like_that`"),
        "{stderr}"
    );
}

#[test]
fn a_new_chisel_is_written_run_and_tested() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (printed, stderr, code) = scap(dir, &["chisel", "new", "mine"]);
    assert_eq!((stderr.as_str(), code), ("", 0));
    assert!(printed.starts_with("wrote mine.lua\n"), "{printed}");
    let (_, stderr, code) = scap(dir, &["chisel", "new", "mine"]);
    assert_eq!(
        (stderr.as_str(), code),
        ("scap: error: mine.lua exists already\n", 1)
    );
    assert_eq!(scap(dir, &["chisel", "new", "../x"]).2, 2);

    let (printed, stderr, code) = scap(dir, &["read", CAPTURE, "-c", "./mine.lua"]);
    assert_eq!((stderr.as_str(), code), ("", 0));
    assert!(
        printed.contains("1 cat                  EACCES     /etc/shadow\n"),
        "{printed}"
    );

    let test = dir.join("mine.test");
    let (_, stderr, code) = scap(dir, &["chisel", "test", "mine.lua"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("cannot read mine.test"), "{stderr}");
    fs::write(
        &test,
        format!("# what it is about\n$ scap read '{CAPTURE}' -c mine\n"),
    )
    .unwrap();
    let (shown, _, code) = scap(dir, &["chisel", "test", "mine.lua"]);
    assert_eq!(code, 1);
    assert!(
        shown.contains("  +        1 cat                  EACCES     /etc/shadow\n"),
        "{shown}"
    );
    assert!(shown.ends_with("0 passed, 1 failed\n"), "{shown}");
    assert_eq!(scap(dir, &["chisel", "test", "--update", "mine.lua"]).2, 0);
    let written = fs::read_to_string(&test).unwrap();
    assert!(
        written.starts_with("# what it is about\n$ scap read '"),
        "{written}"
    );
    assert!(written.ends_with(&printed), "{written}");
    assert_eq!(
        scap(dir, &["chisel", "test", "mine.lua"]),
        ("1 passed, 0 failed\n".to_owned(), String::new(), 0)
    );

    // Nothing but reading is run.
    for line in ["$ rm -rf x", "$ scap record -w x", "$ scap 'read"] {
        fs::write(&test, line).unwrap();
        assert_eq!(scap(dir, &["chisel", "test", "mine.lua"]).2, 1, "{line}");
    }
}
