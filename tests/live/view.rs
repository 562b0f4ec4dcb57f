//! `scap view --live` on a terminal: what happens now is on the screen, and whatever ends it leaves neither a
//! program in the kernel nor a file.

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use scap::stats::table::View;

use super::{
    lifecycle::attached,
    live::nothing_is_attached,
    pty::Pty,
    recorder::Recorder,
    tools::{Bench, bench, need, number, scap},
};

const SIZE: (u16, u16) = (100, 30);

/// `scap view` with these arguments on a terminal, with its temporary files in a directory of their own.
fn view(bench: &Bench, args: &[&str]) -> Pty {
    let temporary = bench.path("temporary");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = scap();
    command
        .arg("view")
        .args(args)
        .current_dir(bench.dir.path())
        .env("TMPDIR", temporary)
        .env("SCAP_CHISEL_DIR", bench.path("chisels"))
        .env("TERM", "xterm-256color")
        .env("TZ", "UTC");
    Pty::start(command, SIZE)
}

/// The filter of what [`mark`] does: whatever else the machine runs meanwhile would push it off the screen.
const FILTER: &str = "proc.cmdline contains scap-view-mark";

/// Runs a program that is found by this word.
fn mark(word: &str) {
    let status = Command::new("/bin/true")
        .args(["scap-view-mark", word])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Number of events that the screen's first line tells.
fn events(screen: &str) -> Option<u64> {
    let before = screen.lines().next()?.split(" events").next()?;
    before.split(' ').next_back()?.replace(',', "").parse().ok()
}

/// Fails unless nothing is left of a live view.
fn nothing_is_left(bench: &Bench, pty: &Pty) {
    assert!(is_empty(&bench.path("temporary")));
    pty.is_given_back();
    nothing_is_attached();
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}

/// Starts a view of this machine and waits until it follows.
fn live(bench: &Bench) -> Pty {
    let begin = Instant::now();
    let mut pty = view(bench, &["--live"]);
    pty.wait_at_most(Duration::from_secs(10), "LIVE", |screen| {
        screen.lines().next().is_some_and(|l| l.ends_with("LIVE"))
    });
    println!("live after {:?}", begin.elapsed());
    pty
}

#[test]
fn what_happens_is_on_the_screen() {
    let (Some(bench), Some(())) = (bench(), need("bpftool")) else {
        return;
    };
    let mut pty = live(&bench);
    assert!(!attached().is_empty());
    pty.send(format!(":{FILTER}\r6").as_bytes());
    // More than a screen of them: the newest is the one to be seen.
    for round in 0..60 {
        mark(&format!("before-{round}"));
    }
    let soon = Duration::from_secs(20);
    for word in ["the-first-mark", "the-second-mark"] {
        let begin = Instant::now();
        mark(word);
        pty.wait_at_most(soon, word, |screen| screen.contains(word));
        println!("{word} after {:?}", begin.elapsed());
    }
    // Followed no more, the rest is still recorded.
    pty.send(b"F");
    pty.wait("not followed", |screen| screen.contains("LIVE (F: follow)"));
    let before = events(&pty.screen()).unwrap();
    mark("the-third-mark");
    pty.wait_at_most(soon, "it grows", |screen| {
        events(screen).is_some_and(|now| now > before)
    });
    pty.settle();
    assert!(!pty.screen().contains("the-third-mark"), "{}", pty.screen());
    pty.send(b"F");
    pty.wait_at_most(soon, "followed", |screen| screen.contains("the-third-mark"));
    pty.send(b"q");
    assert_eq!(pty.end(soon).code(), Some(0));
    nothing_is_left(&bench, &pty);
}

/// How often programs were executed, by name; first among the views that scripts describe.
const PROGRAMS: &str = r#"
view_info = {
    id = "programs", name = "A programs", applies_to = {""},
    filter = "evt.type = execve and evt.failed = false and proc.cmdline contains scap-view-mark",
    columns = {
        {name = "NA", field = "proc.name", is_key = true},
        {name = "TIMES", field = "evt.count", aggregation = "SUM", colsize = 8},
        {name = "PROGRAM", field = "proc.name", colsize = 0},
    },
}
"#;

#[test]
fn a_view_of_a_script_grows_with_what_happens() {
    let (Some(bench), Some(())) = (bench(), need("bpftool")) else {
        return;
    };
    let scripts = bench.path("chisels");
    std::fs::create_dir_all(&scripts).unwrap();
    std::fs::write(scripts.join("v_programs.lua"), PROGRAMS).unwrap();
    let mut pty = live(&bench);
    let soon = Duration::from_secs(30);
    pty.send(b"\x1bOQ");
    pty.wait("the menu", |screen| screen.contains("Directories  "));
    // Scripts are read beside it, and appear below what fits on the screen.
    let mut tries = 0;
    while !pty.screen().contains("│ Threads  ") {
        tries += 1;
        assert!(tries < 100, "no scripts in the menu: {}", pty.screen());
        pty.send(b"\x1b[F");
        std::thread::sleep(Duration::from_millis(100));
        pty.settle();
    }
    pty.send(b"\x1b[H");
    // From the first of our own, without the list that is below a view, to the first script; the heading is passed over.
    let own = View::ALL.iter().filter(|view| **view != View::AlertList);
    pty.send("\x1b[B".repeat(own.count()).as_bytes());
    pty.send(b"\r");
    pty.wait("the view", |screen| screen.contains(" A programs "));
    let row = |screen: &str| {
        let rows = screen
            .lines()
            .map(|l| l.split_whitespace().collect::<Vec<_>>());
        let mut rows = rows.filter(|words| words.len() == 2 && words[1] == "true");
        rows.next().and_then(|words| words[0].parse::<u64>().ok())
    };
    for times in [1, 3] {
        for _ in 0..times {
            mark("of-a-view");
        }
        let all = if times == 1 { 1 } else { 4 };
        pty.wait_at_most(soon, "the row", |screen| row(screen) == Some(all));
    }
    pty.send(b"q");
    assert_eq!(pty.end(soon).code(), Some(0));
    nothing_is_left(&bench, &pty);
}

#[test]
fn signals_and_the_end_of_the_terminal_end_it() {
    let (Some(bench), Some(())) = (bench(), need("bpftool")) else {
        return;
    };
    for signal in [Signal::TERM, Signal::HUP] {
        let mut pty = live(&bench);
        pty.signal(signal);
        assert_eq!(pty.end(Duration::from_secs(5)).code(), Some(0));
        nothing_is_left(&bench, &pty);
    }
    let mut pty = live(&bench);
    pty.cut();
    assert_eq!(pty.end(Duration::from_secs(5)).code(), Some(0));
    assert!(is_empty(&bench.path("temporary")));
    nothing_is_attached();
}

#[test]
fn a_key_ends_it_before_there_is_anything_to_see() {
    let (Some(bench), Some(())) = (bench(), need("bpftool")) else {
        return;
    };
    let mut pty = view(&bench, &["--live"]);
    let begin = Instant::now();
    // The temporary file has no name, but it is open.
    let has_begun = || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", pty.pid())).unwrap();
        let mut paths = open.flatten().flat_map(|fd| std::fs::read_link(fd.path()));
        paths.any(|path| path.starts_with(bench.path("temporary")))
    };
    while !has_begun() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "it does not begin"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    // The terminal makes a signal of it before anybody takes its keys.
    assert!(!pty.is_raw());
    pty.send(b"\x03");
    assert_eq!(pty.end(Duration::from_secs(10)).code(), Some(0));
    nothing_is_left(&bench, &pty);
}

#[test]
fn without_privileges_it_says_what_is_missing() {
    let Some(bench) = bench() else { return };
    let copy = Path::new("/tmp").join(format!("scap-view-{}", std::process::id()));
    std::fs::copy(env!("CARGO_BIN_EXE_scap"), &copy).unwrap();
    let mut command = Command::new(&copy);
    command
        .args(["view", "--live"])
        .current_dir("/tmp")
        .uid(65_534)
        .gid(65_534);
    let mut pty = Pty::start(command, SIZE);
    let status = pty.end(Duration::from_secs(10));
    std::fs::remove_file(&copy).unwrap();
    assert_eq!(status.code(), Some(4), "{}", pty.screen());
    let said = pty.screen();
    assert!(
        said.contains("CAP_BPF") && said.contains("as root"),
        "{said}"
    );
    std::fs::create_dir_all(bench.path("temporary")).unwrap();
    nothing_is_left(&bench, &pty);
}

#[test]
fn a_recording_is_followed_to_its_end_and_not_disturbed() {
    let Some(bench) = bench() else { return };
    let recorder = Recorder::start(&bench, "growing.scap", &[]);
    mark("before-it-is-looked-at");
    std::thread::sleep(Duration::from_millis(1500));
    let mut pty = view(&bench, &["--live", "growing.scap"]);
    pty.wait("LIVE", |screen| screen.contains("LIVE"));
    let first = events(&pty.screen()).unwrap();
    pty.send(format!(":{FILTER}\r6").as_bytes());
    mark("while-it-is-looked-at");
    let soon = Duration::from_secs(20);
    pty.wait_at_most(soon, "the mark", |screen| {
        screen.contains("while-it-is-looked-at")
            && events(screen).is_some_and(|events| events > first)
    });
    recorder.signal(Signal::INT);
    let (code, said) = recorder.end();
    assert_eq!(code, Some(0), "{said}");
    let info = scap()
        .args(["info", "--json"])
        .arg(bench.path("growing.scap"))
        .output()
        .unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    let all = number(&info["events"], "total");
    assert_eq!(number(&bench.summary("growing.scap"), "events"), all);
    pty.wait_at_most(soon, "all of it", |screen| {
        events(screen) == Some(all) && screen.contains("ENDED")
    });
    // What was recorded can be looked at like any other.
    pty.send(b"1");
    pty.wait("the overview", |screen| !screen.contains("SESSION"));
    pty.send(b"q");
    assert_eq!(pty.end(soon).code(), Some(0));
    pty.is_given_back();
}
