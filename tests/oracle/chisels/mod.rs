//! The stock chisels: what sysdig prints with each of them, scap prints, too.
//!
//! [`table::CHISELS`] has all of Debian's that can be run, and how what they print is compared;
//! [`table::KNOWN`] where something else is printed here, and why. They are run where Debian's package put them.

mod compare;
mod files;
mod own;
mod table;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::pty::Pty;
use crate::sysdig::{CAPTURES, captures};
use table::{CHISELS, KNOWN, Known, Stock};

/// Captures on which most chisels have something to say.
const BUSY: &[&str] = &[
    "falco-cat-write",
    "falco-run-as-user-0-container",
    "libs-curl-google",
];

/// Where Debian's package has them.
const STOCK: &str = "/usr/share/sysdig/chisels";

/// sysdig mostly waits: more of them than there are processors.
const THREADS: usize = 4;

/// What a program printed, and how it ended.
struct Printed {
    out: String,
    err: String,
    succeeded: bool,
}

/// One run of one chisel on one capture.
#[derive(Clone, Copy)]
struct Run {
    stock: &'static Stock,
    /// As they are typed: options, then the chisel's arguments or a filter.
    words: &'static [&'static str],
    capture: &'static str,
}

impl Run {
    fn describe(self) -> String {
        format!("{} {:?} on {}", self.stock.name, self.words, self.capture)
    }

    /// Both programs' command lines.
    fn commands(self, dir: &Path) -> (Command, Command) {
        let capture = dir.join(format!("{}.scap", self.capture));
        let (options, rest): (Vec<&str>, Vec<&str>) =
            self.words.iter().copied().partition(|w| w.starts_with('-'));
        let mut theirs = Command::new("sysdig");
        theirs.arg("-r").arg(&capture).args(&options);
        theirs.args(["-c", self.stock.name]).args(&rest);
        let mut ours = Command::new(env!("CARGO_BIN_EXE_scap"));
        ours.arg("read").arg(&capture).args(&options);
        if self.stock.name == "tracers_2_statsd" {
            // It sends what it finds to a monitor.
            ours.arg("--chisel-unsafe");
        }
        ours.args(["-c", &script(self.stock.name)]).args(&rest);
        for command in [&mut theirs, &mut ours] {
            command.env("TZ", "UTC").stdin(Stdio::null());
        }
        (theirs, ours)
    }
}

fn script(name: &str) -> String {
    format!("{STOCK}/{name}.lua")
}

fn print(mut command: Command) -> Printed {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Printed {
        out: text(&output.stdout),
        err: text(&output.stderr),
        succeeded: output.status.success(),
    }
}

/// Every chisel on every capture with its first arguments, on busy ones with all.
fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for stock in CHISELS {
        for (index, words) in stock.runs.iter().enumerate() {
            let captures = if index == 0 { CAPTURES } else { BUSY };
            runs.extend(captures.iter().map(|capture| Run {
                stock,
                words,
                capture,
            }));
        }
    }
    runs
}

fn difference(dir: &Path, run: Run) -> Option<String> {
    let (theirs, ours) = run.commands(dir);
    let (theirs, ours) = (print(theirs), print(ours));
    let found = if let Some(expected) = run.stock.refused {
        assert!(!theirs.succeeded, "{}", run.describe());
        match ours.succeeded {
            true => compare::exactly(expected, &ours.out),
            false => Some("is refused here, too".to_owned()),
        }
    } else if theirs.succeeded != ours.succeeded {
        Some(format!("sysdig succeeded: {}", theirs.succeeded))
    } else {
        match run.words.contains(&"-j") {
            true => compare::json_tables(&theirs.out, &ours.out),
            false => run.stock.how.difference(&theirs.out, &ours.out),
        }
    };
    found.map(|why| format!("{}: {why}\n{}", run.describe(), ours.err))
}

#[test]
fn stock_chisels_print_what_they_print_there() {
    let Some(dir) = captures() else {
        return;
    };
    let dir = dir.canonicalize().unwrap();
    let runs = runs();
    let next = AtomicUsize::new(0);
    let differences = Mutex::new(Vec::new());
    let of = |run: Run| {
        let is_it = |k: &&Known| k.capture == run.capture && k.chisels.contains(&run.stock.name);
        KNOWN.iter().find(is_it)
    };
    let met = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match (difference(&dir, *run), of(*run)) {
                        (None, _) => {}
                        (Some(_), Some(_)) => {
                            met.lock().unwrap().push((run.stock.name, run.capture));
                        }
                        (Some(found), None) => differences.lock().unwrap().push(found),
                    }
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    assert!(
        differences.is_empty(),
        "{} of {} runs differ:\n{}",
        differences.len(),
        runs.len(),
        differences.join("\n")
    );
    let met = met.into_inner().unwrap();
    for Known {
        chisels,
        capture,
        why,
    } in KNOWN
    {
        for chisel in *chisels {
            assert!(
                met.contains(&(chisel, capture)),
                "gone: {chisel} on {capture}: {why}"
            );
        }
        eprintln!("{} on {capture}: {why}", chisels.join(", "));
    }
    eprintln!("{} chisels, {} runs", CHISELS.len(), runs.len());
}

/// Whatever draws refuses to without a terminal, and draws the same on one.
#[test]
fn stock_chisels_that_draw_draw_the_same() {
    let Some(dir) = captures() else {
        return;
    };
    let dir = dir.canonicalize().unwrap();
    let on_terminal = |command: Command| {
        let mut pty = Pty::start(command, (100, 30));
        let succeeded = pty.end(Duration::from_secs(60)).success();
        (
            succeeded,
            String::from_utf8_lossy(&pty.written).into_owned(),
        )
    };
    for stock in table::DRAWING {
        for words in stock.runs {
            for capture in BUSY {
                let run = Run {
                    stock,
                    words,
                    capture,
                };
                let (theirs, ours) = run.commands(&dir);
                assert!(!print(theirs).succeeded, "{}", run.describe());
                assert!(!print(ours).succeeded, "{}", run.describe());
                let (theirs, ours) = run.commands(&dir);
                let mut terminals = [theirs, ours].map(|mut command| {
                    command
                        .env_remove("COLUMNS")
                        .env_remove("LINES")
                        .stdin(Stdio::inherit());
                    on_terminal(command)
                });
                let ours = std::mem::take(&mut terminals[1]);
                let theirs = std::mem::take(&mut terminals[0]);
                assert_eq!(theirs.0, ours.0, "{}", run.describe());
                assert!(theirs.1.len() > 1000, "{}", run.describe());
                // Where everything is over, 0.29.3 takes back a colour that it had not set.
                let theirs = theirs.1.replacen("\u{1b}[00m", "", 1);
                let found = compare::exactly(&theirs, &ours.1);
                assert_eq!(found, None, "{}", run.describe());
            }
        }
    }
}

/// No script of the package is left out without a reason.
#[test]
fn the_table_has_every_stock_script() {
    if captures().is_none() {
        return;
    }
    let compared = CHISELS.iter().chain(table::DRAWING).map(|stock| stock.name);
    let mut known: Vec<&str> = compared
        .chain(files::WRITING.iter().copied())
        .chain(table::NOT_RUN.iter().map(|(name, _)| *name))
        .collect();
    known.sort_unstable();
    known.dedup();
    let mut scripts: Vec<String> = std::fs::read_dir(STOCK)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".lua")?.to_owned()))
        .filter(|name| !name.starts_with("v_"))
        .collect();
    scripts.sort_unstable();
    assert_eq!(scripts, known);
}
