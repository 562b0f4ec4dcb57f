//! `scap chisel test`: compares the output of scripts with the expected output.
//!
//! `NAME.test` is next to `NAME.lua`: command lines after `$ `, each followed by the expected
//! lines, and by `[CODE]` if the exit code is not 0. Paths are relative to that file.
//!
//! ```text
//! $ scap read cap.scap -c failed_opens alice
//!        3 cat                  ENOENT     /etc/passwd.bak
//! ```

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::error::{CliError, Outcome};
use crate::cli::output::Output;
use crate::event::text;
use crate::files;

/// Arguments of `scap chisel test`.
#[derive(Debug, clap::Args)]
pub(super) struct TestArgs {
    /// Scripts; NAME.test next to NAME.lua has lines `$ scap read CAPTURE -c NAME`, each with its
    /// expected output
    #[arg(value_name = "SCRIPT", required = true)]
    scripts: Vec<PathBuf>,

    /// Write the current output into the test files
    #[arg(long)]
    update: bool,
}

/// Marks a command line.
const PROMPT: &str = "$ ";
/// Largest test file, in bytes.
const MAX_LEN: u64 = 64 << 20;

/// A command line and its expected output.
#[derive(Debug, PartialEq, Eq)]
struct Case {
    line: String,
    printed: String,
}

pub(super) fn run(args: &TestArgs) -> Result<Outcome, CliError> {
    let mut output = Output::new();
    let (mut passed, mut failed) = (0, 0);
    for script in &args.scripts {
        let path = script.with_extension("test");
        let shown = path.display();
        let cannot_read = |error: &dyn std::fmt::Display| {
            CliError::failed(format!("cannot read {shown}: {error}")).hint(
                "it has lines `$ scap read CAPTURE -c NAME`, each followed by the expected output",
            )
        };
        if fs::metadata(&path).is_ok_and(|m| m.len() > MAX_LEN) {
            return Err(cannot_read(&"it is too large"));
        }
        let content = fs::read_to_string(&path).map_err(|e| cannot_read(&e))?;
        let (head, cases) = parse(&content);
        if cases.is_empty() {
            return Err(cannot_read(&"it has no line that begins with `$ `"));
        }
        let mut now = head;
        for case in cases {
            let printed = execute(script, &case.line)?;
            let out = output.buffer();
            let is_same = printed == case.printed;
            if is_same {
                passed += 1;
            } else if !args.update {
                failed += 1;
                show(out, &format!("{shown}: {PROMPT}{}", case.line));
                difference(out, &case.printed, &printed);
            }
            now.push_str(&format!("{PROMPT}{}\n{printed}", case.line));
        }
        if args.update && now != content {
            files::write(&path, now.as_bytes())
                .map_err(|error| CliError::failed(format!("cannot write {shown}: {error}")))?;
            show(output.buffer(), &format!("wrote {shown}"));
        }
    }
    if !args.update {
        show(
            output.buffer(),
            &format!("{passed} passed, {failed} failed"),
        );
    }
    output.finish()?;
    match failed {
        0 => Ok(Outcome::Done),
        // The differences were printed.
        _ => Err(CliError::Exited(1)),
    }
}

/// Splits a file into the text before the first command line, and the command lines with their
/// expected output.
fn parse(content: &str) -> (String, Vec<Case>) {
    let mut head = String::new();
    let mut cases: Vec<Case> = Vec::new();
    for line in content.lines() {
        match (line.strip_prefix(PROMPT), cases.last_mut()) {
            (Some(command), _) => cases.push(Case {
                line: command.to_owned(),
                printed: String::new(),
            }),
            (None, Some(case)) => {
                case.printed.push_str(line);
                case.printed.push('\n');
            }
            (None, None) => {
                head.push_str(line);
                head.push('\n');
            }
        }
    }
    (head, cases)
}

/// Returns a file as it is written again if all output is what it was, after trying to split its command lines.
#[cfg(any(test, fuzzing))]
pub(in crate::cli) fn reassembled(content: &str) -> String {
    let (mut all, cases) = parse(content);
    for case in cases {
        let _words = shlex::split(&case.line);
        all.push_str(&format!("{PROMPT}{}\n{}", case.line, case.printed));
    }
    all
}

/// Runs a command line in the directory of the script, where this script is found before others of
/// its name.
fn execute(script: &Path, line: &str) -> Result<String, CliError> {
    let wrong = |why: &str| CliError::failed(format!("`{line}`: {why}"));
    let words = shlex::split(line).ok_or_else(|| wrong("a quote is not closed"))?;
    let Some((program, words)) = words
        .split_first()
        .filter(|(program, _)| *program == "scap")
    else {
        return Err(wrong("only command lines of scap are run"));
    };
    if words.first().is_none_or(|word| word != "read") {
        return Err(wrong("only `scap read` is run"));
    }
    let own = env::current_exe()
        .map_err(|error| CliError::failed(format!("cannot find {program}: {error}")))?;
    let directory = match script.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = directory
        .canonicalize()
        .map_err(|error| wrong(&error.to_string()))?;
    let output = Command::new(own)
        .args(words)
        .env("SCAP_CHISEL_DIR", &directory)
        .env("TZ", "UTC")
        .current_dir(&directory)
        .output()
        .map_err(|error| wrong(&error.to_string()))?;
    let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.push_str(&String::from_utf8_lossy(&output.stderr));
    if !printed.is_empty() && !printed.ends_with('\n') {
        printed.push('\n');
    }
    if !output.status.success() {
        let code = output.status.code().unwrap_or(-1);
        printed.push_str(&format!("[{code}]\n"));
    }
    Ok(printed)
}

/// Appends the expected and the printed lines, from the first difference to the last.
fn difference(out: &mut Vec<u8>, expected: &str, printed: &str) {
    let (expected, printed): (Vec<_>, Vec<_>) =
        (expected.lines().collect(), printed.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let first = expected.iter().zip(&printed).take_while(same).count();
    let rest = (expected.len().min(printed.len())) - first;
    let ends = expected.iter().rev().zip(printed.iter().rev());
    let last = ends.take(rest).take_while(same).count();
    for line in &expected[first..expected.len() - last] {
        show(out, &format!("  - {line}"));
    }
    for line in &printed[first..printed.len() - last] {
        show(out, &format!("  + {line}"));
    }
}

/// Appends a line, safe to print.
fn show(out: &mut Vec<u8>, line: &str) {
    text::escape(out, line.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_tests_is_split() {
        let (head, cases) = parse("about\n$ scap read a -c b\n1\n\n2\n$ scap read c\n");
        assert_eq!(head, "about\n");
        let case = |line: &str, printed: &str| Case {
            line: line.to_owned(),
            printed: printed.to_owned(),
        };
        assert_eq!(
            cases,
            [
                case("scap read a -c b", "1\n\n2\n"),
                case("scap read c", "")
            ]
        );
    }

    #[test]
    fn only_what_differs_is_shown() {
        let shown = |a: &str, b: &str| {
            let mut out = Vec::new();
            difference(&mut out, a, b);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown("a\nb\nc\n", "a\nx\ny\nc\n"), "  - b\n  + x\n  + y\n");
        assert_eq!(shown("", "a\n"), "  + a\n");
        assert_eq!(shown("a\na\n", "a\n"), "  - a\n");
    }
}
