//! Words from strangers on every way to a terminal: whatever an argument, a file name, a script or the name
//! that the program is called by holds, what is printed has no control characters and no line of its own.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use clap::Arg;
use scap::event::text::is_unsafe;

use crate::common::{file, story, write};
use crate::pty::Pty;

/// What somebody could have put into a name.
const HOSTILE: &[&[u8]] = &[
    b"\x1b]0;own\x07",
    b"x\nscap: error: forged",
    b"x\r\x1b[2Kforged\x08\x7f",
    "\u{9b}31m\u{202e}\u{2066}x\u{200b}".as_bytes(),
    b"\xff\x9b2J\x1bP1$r\x1b\\",
    b"--\x1b]0;own\x07",
    b"%proc.name\x1b[2J",
    b"proc.name=\x1b[2J and",
    b"0x\x1b[1m",
];

/// A directory with captures, also under hostile names.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let capture = write(&story(), 4, true);
    file(dir.path(), "c.scap", &capture);
    dir
}

fn run_in(dir: &Path, words: &[OsString]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(words)
        .current_dir(dir)
        .env("TZ", "UTC")
        .env("HOME", dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Fails if anything printed is not plain text.
fn check(output: &Output, words: &[OsString]) {
    assert!(
        matches!(output.status.code(), Some(0..=4)),
        "{words:?}: {output:?}"
    );
    for printed in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(printed.clone());
        let text = text.unwrap_or_else(|_| panic!("{words:?}: {output:?}"));
        let bad = text.chars().find(|c| *c != '\n' && is_unsafe(*c));
        assert_eq!(bad, None, "{words:?}: {text:?}");
    }
    // Messages have one line each; on standard output, a format can have several.
    let text = String::from_utf8_lossy(&output.stderr);
    let is_forged = |line: &str| line.starts_with("scap: error: forged");
    assert!(!text.lines().any(is_forged), "{words:?}: {text}");
}

fn os(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// What a command needs so that it neither records nor waits for a terminal.
fn filler(path: &[&str], tested: &Arg) -> (Vec<OsString>, Vec<OsString>) {
    let is = |name: &str| tested.get_id() == name;
    let (before, after): (&[&str], &[&str]) = match path {
        ["record" | "live"] if is("syscall") => (&[], &[]),
        // An unknown name of a call is reported before anything is recorded.
        ["record" | "live"] => (&["--syscall", "nosuch"], &[]),
        ["try"] => (&["--sample"], &[]),
        ["view"] if is("screenshot") => (&[], &["c.scap"]),
        ["view"] => (&["--screenshot", "-"], &["c.scap"]),
        ["read" | "info" | "containers"] => (&[], &["c.scap"]),
        ["convert"] if is("to") => (&[], &["c.scap", "out.scap"]),
        ["convert"] => (&["--to", "native"], &["c.scap", "out.scap"]),
        _ => (&[], &[]),
    };
    (os(before), os(after))
}

/// Every command line with a hostile word in the place of one value.
fn command_lines(word: &[u8]) -> Vec<Vec<OsString>> {
    let mut lines = Vec::new();
    let mut command = scap::cli::command();
    command.build();
    collect(&command, &mut Vec::new(), word, &mut lines);
    lines
}

fn collect<'a>(
    command: &'a clap::Command,
    path: &mut Vec<&'a str>,
    word: &[u8],
    lines: &mut Vec<Vec<OsString>>,
) {
    for arg in command.get_arguments() {
        let (before, after) = filler(path, arg);
        let mut line = os(path);
        line.extend(before);
        let needs_write = path[..] == ["record"] && arg.get_id() != "write";
        if needs_write {
            line.extend(os(&["-w", "out.scap"]));
        }
        let word = OsStr::from_bytes(word);
        let mut spelled = OsString::new();
        match (arg.get_long(), arg.get_short()) {
            (Some(long), _) => spelled.push(format!("--{long}=")),
            (None, Some(short)) => spelled.push(format!("-{short}")),
            (None, None) => {}
        }
        spelled.push(word);
        let is_option = arg.get_long().is_some() || arg.get_short().is_some();
        line.push(spelled);
        if is_option {
            line.extend(after);
        } else if let Some(last) = after.last()
            && path[..] == ["convert"]
        {
            line.push(last.clone());
        }
        lines.push(line);
    }
    for sub in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        path.push(sub.get_name());
        collect(sub, path, word, lines);
        path.pop();
    }
    // As a subcommand, and as an option.
    let mut line = os(path);
    line.push(OsStr::from_bytes(word).to_owned());
    lines.push(line);
}

#[test]
fn no_value_reaches_the_terminal_raw() {
    let mut count = 0;
    for word in HOSTILE {
        let dir = place();
        for line in command_lines(word) {
            check(&run_in(dir.path(), &line), &line);
            count += 1;
        }
    }
    assert!(count > 800, "{count} command lines");
}

#[test]
fn names_of_files_and_directories_do_neither() {
    let dir = place();
    let capture = fs::read(dir.path().join("c.scap")).unwrap();
    for (number, word) in HOSTILE.iter().enumerate() {
        let name = OsStr::from_bytes(word);
        if word.contains(&b'/') {
            continue;
        }
        // What is at the name: a capture, a damaged one, a directory, a link, notes that are none.
        let path = dir.path().join(name);
        for kind in 0..4 {
            match kind {
                0 => fs::write(&path, &capture).unwrap(),
                1 => fs::write(&path, &capture[..capture.len() / 2]).unwrap(),
                2 => fs::create_dir(&path).unwrap(),
                _ => std::os::unix::fs::symlink("nowhere", &path).unwrap(),
            }
            for words in [
                &["read", "@"][..],
                &["read", "c.scap", "@"],
                &["read", "@", "-j"],
                &["read", "c.scap", "-w", "@"],
                &["read", "c.scap", "-c", "@"],
                &[
                    "read",
                    "c.scap",
                    "-c",
                    "topprocs_cpu",
                    "--chisel-output",
                    "@",
                ],
                &["info", "@"],
                &["info", "c.scap", "@", "--json"],
                &["containers", "@"],
                &["convert", "@", "out.scap", "--to", "sysdig"],
                &["convert", "c.scap", "@", "--to", "native"],
                &["view", "@", "--screenshot", "-"],
                &["view", "c.scap", "--screenshot", "@"],
                &["view", "c.scap", "@", "--screenshot", "-"],
                &["try", "--sample", "-w", "@"],
                &["chisel", "info", "@"],
                &["chisel", "test", "@"],
                &["record", "--syscall", "nosuch", "-w", "@"],
                &[
                    "record",
                    "--syscall",
                    "nosuch",
                    "-w",
                    "x",
                    "--fallback",
                    "@",
                ],
            ] {
                let line: Vec<OsString> = words
                    .iter()
                    .map(|word| match *word {
                        "@" => path.clone().into_os_string(),
                        other => other.into(),
                    })
                    .collect();
                check(&run_in(dir.path(), &line), &line);
            }
            match path.is_dir() && !path.is_symlink() {
                true => fs::remove_dir_all(&path).unwrap(),
                false => fs::remove_file(&path).unwrap(),
            }
        }
        assert!(number < HOSTILE.len());
    }
}

#[test]
fn the_name_that_it_is_called_by_is_not_printed() {
    let dir = place();
    for args in [
        &["--help"][..],
        &["read", "--help"],
        &["nothing"],
        &[],
        &["read", "--nothing"],
        &["--version"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scap"));
        command
            .arg0("/x/\x1b]0;own\x07")
            .args(args)
            .current_dir(dir.path());
        let output = command.output().unwrap();
        check(&output, &os(args));
    }
}

#[test]
fn scripts_print_and_fail_without_control_characters() {
    let dir = place();
    let head = "description='d' short_description='s' category='c' args={}\n";
    for body in [
        "error('\\27]0;own\\7\\nscap: error: forged')",
        "function on_init() error('\\27[2J\\nscap: error: forged') return true end",
        "function on_init() chisel.set_filter('\\27[2J = 1') return true end",
        "function on_init() chisel.request_field('\\27[2J') return true end",
        "function on_init() io.stderr:write('\\27[2J\\194\\155') return true end",
        "require('\\27[2J')",
        "x = = '\u{1b}[2J'",
    ] {
        file(dir.path(), "s.lua", format!("{head}{body}\n").as_bytes());
        for words in [
            &["read", "c.scap", "-c", "./s.lua"][..],
            &["chisel", "info", "./s.lua"],
        ] {
            let line = os(words);
            check(&run_in(dir.path(), &line), &line);
        }
    }
}

/// On a terminal, too, where colours are written: what comes after the shell has made names of `*`.
#[test]
fn on_a_terminal_it_is_the_same() {
    let dir = place();
    let capture = fs::read(dir.path().join("c.scap")).unwrap();
    fs::write(dir.path().join("--\x1b]0;own\x07"), &capture).unwrap();
    for line in [
        "info *",
        "read *",
        "read c.scap '--\x1b]0;own\x07'",
        "'--\x1b]0;own\x07'",
        "'inf\x1b]0;own\x07'",
        "read c.scap 'evt.type = \x1b]0;own\x07'",
    ] {
        let mut command = Command::new("sh");
        let script = format!("{} {line}", env!("CARGO_BIN_EXE_scap"));
        command
            .args(["-c", &script])
            .current_dir(dir.path())
            .env("TERM", "xterm-256color");
        let mut pty = Pty::start(command, (100, 30));
        pty.settle();
        pty.end(Duration::from_secs(20));
        pty.settle();
        let shown = &pty.written;
        let raw = shown.windows(4).any(|bytes| bytes == b"\x1b]0;");
        assert!(!raw, "{line:?}: {}", String::from_utf8_lossy(shown));
        assert!(!shown.is_empty(), "{line:?}");
    }
}
