//! Chisels that fail while they load, open files, or require modules in directories.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{file, story, write};

/// Runs the program in a directory with a capture and scripts.
fn scap(dir: &Path, args: &[&str]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(args)
        .current_dir(dir)
        .env("HOME", dir)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code().unwrap_or(-1),
    )
}

fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "cap.scap", &write(&story(), 4, true));
    fs::create_dir_all(dir.path().join("chisels/sub/deep")).unwrap();
    dir
}

fn chisel(dir: &Path, name: &str, text: &str) {
    let head = "short_description = 'x'; category = 'Test'; description = 'x'\n";
    fs::write(
        dir.join(format!("chisels/{name}.lua")),
        format!("{head}{text}"),
    )
    .unwrap();
}

#[test]
fn the_error_of_loading_comes_first() {
    let dir = directory();
    let dir = dir.path();
    let optional =
        "args = { { name = 'what', description = 'x', argtype = 'string', optional = true } }\n";
    let ends = "function on_event() return true end\n";
    for (name, failing) in [
        (
            "no_module",
            "local m = require('there_is_no_such_module')\n",
        ),
        ("no_value", "local x = nil + 1\n"),
        ("no_syntax", "local x = = 1\n"),
    ] {
        chisel(dir, name, &format!("{optional}{failing}{ends}"));
        let late = format!("{name}_late");
        chisel(dir, &late, &format!("{failing}{optional}{ends}"));
        for name in [name, &late] {
            for words in [
                &["-c", name][..],
                &["-c", name, "what"],
                &["-c", name, "what else", "evt.type=open"],
            ] {
                for line in [
                    [&["read", "cap.scap"], words].concat(),
                    [&["read"], words, &["-r", "cap.scap"]].concat(),
                ] {
                    let (out, err, code) = scap(dir, &line);
                    assert_eq!((out.as_str(), code), ("", 2), "{line:?}: {err}");
                    let start = format!("scap: error: chisel {name}:");
                    assert!(err.starts_with(&start), "{line:?}: {err}");
                }
            }
        }
    }
}

#[test]
fn a_file_that_is_opened_while_loading() {
    let dir = directory();
    let dir = dir.path();
    chisel(
        dir,
        "report",
        "local out = assert(io.open('report.txt', 'w'))
         out:write('head\\n')
         args = { { name = 'what', description = 'x', argtype = 'string' } }
         local what
         function on_set_arg(name, value) what = value return true end
         function on_event() return true end
         function on_capture_end() out:write(what, '\\n') out:close() return true end",
    );
    fs::create_dir(dir.join("out")).unwrap();
    let words = ["read", "cap.scap", "-c", "report", "words"];
    let (_, err, code) = scap(dir, &[&words[..], &["--chisel-output", "out"]].concat());
    assert_eq!((err.as_str(), code), ("", 0));
    let report = fs::read_to_string(dir.join("out/report.txt")).unwrap();
    assert_eq!(report, "head\nwords\n");
    let (_, err, code) = scap(dir, &words);
    assert_eq!(code, 2);
    assert!(err.contains("--chisel-output"), "{err}");
    // Describing it makes no file.
    let (out, err, code) = scap(dir, &["chisel", "info", "report"]);
    assert_eq!((err.as_str(), code), ("", 0));
    assert!(out.contains("-c report <what>"), "{out}");
    assert!(!dir.join("report.txt").exists());
}

#[test]
fn modules_in_directories() {
    let dir = directory();
    let dir = dir.path();
    fs::write(dir.join("chisels/sub/mod.lua"), "return { word = 'found' }").unwrap();
    fs::write(
        dir.join("chisels/sub/deep/er.lua"),
        "return { word = 'deeper' }",
    )
    .unwrap();
    let script = |module: &str| {
        format!(
            "args = {{}}; local m = require('{module}')
             function on_init() print(m.word) return true end
             function on_event() return true end"
        )
    };
    for (module, word) in [("sub.mod", "found"), ("sub.deep.er", "deeper")] {
        chisel(dir, "dotted", &script(module));
        let (out, err, code) = scap(dir, &["read", "cap.scap", "-c", "dotted"]);
        assert_eq!(
            (out.as_str(), err.as_str(), code),
            (&*format!("{word}\n"), "", 0)
        );
    }
    for module in [
        "sub.none",
        "sub..mod",
        "..sub.mod",
        "sub/mod",
        ".",
        "sub.mod.",
    ] {
        chisel(dir, "dotted", &script(module));
        let (_, err, code) = scap(dir, &["read", "cap.scap", "-c", "dotted"]);
        assert_eq!(code, 2, "{module}");
        assert!(err.contains(module), "{err}");
    }
}

#[test]
fn tabs_and_line_breaks_in_formats() {
    let dir = directory();
    let (out, err, code) = scap(
        dir.path(),
        &["read", "cap.scap", "-n", "2", "-p", r"a\t%evt.num\nb\x"],
    );
    assert_eq!((err.as_str(), code), ("", 0));
    assert_eq!(out, "a\t1\nb\\x\na\t2\nb\\x\n");
}
