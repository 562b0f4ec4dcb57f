//! Every view of `scap view` at three sizes looks as it did: on a capture with a break-in, on one with losses,
//! on one that was cut off and on an empty one.
//!
//! The screens are in tests/view/. `SCAP_UPDATE_DOCS=1` writes them anew; what changed is to be looked at.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use scap_capture_format::event::{EventRef, Timestamp};
use scap_capture_format::native::{
    CaptureReader, CaptureWriter, ChunkDecoder, Item, Load, Loss, LossCause, LossReport,
    WriterOptions,
};

const SIZES: [&str; 3] = ["80x24", "120x40", "200x60"];

/// The views with the keys that lead to them; what is selected is not the first row where that shows more.
const VIEWS: [(&str, &str); 18] = [
    ("Overview", "1"),
    ("Events", "2<Down><Down>"),
    ("Processes", "3<Down>"),
    ("Files", "4"),
    ("Connections", "5"),
    ("Commands", "6"),
    ("Errors", "7"),
    ("Syscalls", "8"),
    ("Slow calls", "9"),
    ("Alerts", "A"),
    ("Alerts by tactic", "Ax<Down>"),
    ("Alerts one by one", "A<Enter><Down>"),
    ("Sessions", "S"),
    ("Containers", "0"),
    ("Directories", "0<Tab>"),
    ("Ports", "0<Tab><Tab>"),
    ("Spectrogram", "0<Tab><Tab><Tab>"),
    ("Losses", "0<Tab><Tab><Tab><Tab>"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the screen of a capture after some keys.
fn screen(capture: &Path, name: &str, keys: &str, size: &str) -> String {
    let scap = Command::new(env!("CARGO_BIN_EXE_scap"))
        .current_dir(capture.parent().unwrap())
        .args(["view", name, "--size", size, "--script", keys])
        .args(["--screenshot", "-"])
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let stderr = String::from_utf8(scap.stderr).unwrap();
    let is_whole = !name.starts_with("cut-off");
    assert_eq!(
        scap.status.code(),
        Some(if is_whole { 0 } else { 3 }),
        "{keys}: {stderr}"
    );
    assert_eq!(stderr.is_empty(), is_whole, "{stderr}");
    String::from_utf8(scap.stdout).unwrap()
}

/// Compares all views of a capture with what they were.
fn look(capture: &Path) {
    let name = capture.file_name().unwrap().to_str().unwrap();
    let stem = name.strip_suffix(".scap").unwrap();
    for size in SIZES {
        let mut all = String::new();
        for (view, keys) in VIEWS {
            let screen = screen(capture, name, keys, size);
            let (columns, rows) = size.split_once('x').unwrap();
            assert_eq!(screen.lines().count(), rows.parse::<usize>().unwrap());
            let widest = screen
                .lines()
                .map(unicode_width::UnicodeWidthStr::width)
                .max();
            assert!(
                widest <= columns.parse().ok(),
                "{view} at {size}: {widest:?}"
            );
            writeln!(all, "==== {view}: {keys}\n{screen}").unwrap();
        }
        let path: PathBuf = root().join(format!("tests/view/{stem}-{size}.txt"));
        if env::var_os("SCAP_UPDATE_DOCS").is_some() {
            fs::write(&path, &all).unwrap();
        }
        let was = fs::read_to_string(&path).unwrap_or_default();
        for (is, was) in all.split("==== ").zip(was.split("==== ")) {
            assert_eq!(is, was, "{}", path.display());
        }
        assert_eq!(all.len(), was.len());
    }
}

/// Writes a capture anew, with something done before each event.
fn rewritten(
    capture: &str,
    mut before: impl FnMut(&mut CaptureWriter<Vec<u8>>, &EventRef<'_>),
) -> Vec<u8> {
    let raw = fs::read(root().join(capture)).unwrap();
    let mut reader = CaptureReader::new(&raw[..]).unwrap();
    let header = reader.header().clone();
    let mut writer = CaptureWriter::new(Vec::new(), &header, WriterOptions::default()).unwrap();
    let mut decoder = ChunkDecoder::new();
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Snapshot(snapshot) => writer.write_snapshot(&mut snapshot.clone()).unwrap(),
            Item::Chunk(chunk) => {
                let mut rows = chunk.decode(&mut decoder, Load::ALL).unwrap();
                while let Some(event) = rows.next().unwrap() {
                    before(&mut writer, &event);
                    writer.push(&event).unwrap();
                }
            }
            _ => {}
        }
    }
    writer.finish().unwrap()
}

fn intrusion() -> PathBuf {
    root().join("testdata/intrusion.scap")
}

#[test]
fn a_break_in() {
    look(&intrusion());
}

#[test]
fn a_capture_that_was_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut-off.scap");
    // So small a capture would have one chunk.
    let bytes = rewritten("testdata/intrusion.scap", |writer, event| {
        if event.num.0.is_multiple_of(1000) {
            writer.flush_chunk().unwrap();
        }
    });
    fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
    look(&path);
    let shown = screen(&path, "cut-off.scap", "", "80x24");
    assert!(shown.contains("INCOMPLETE"), "{shown}");
}

#[test]
fn a_capture_with_losses() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("losses.scap");
    let bytes = rewritten("testdata/sample.scap", |writer, event| {
        if event.num.0 == 1000 {
            let loss = Loss {
                cause: LossCause::RING_FULL,
                cpu: 1,
                count: 4321,
                from: event.ts,
                to: Timestamp(event.ts.0 + 50_000_000),
            };
            let report = LossReport {
                losses: vec![loss],
                ..LossReport::default()
            };
            writer.write_loss(&report).unwrap();
        }
    });
    fs::write(&path, bytes).unwrap();
    look(&path);
    let shown = screen(&path, "losses.scap", "", "80x24");
    assert!(
        shown.contains("4,321 LOST") && shown.contains('\u{2592}'),
        "{shown}"
    );
}

#[test]
fn an_empty_capture() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("empty.scap");
    let raw = fs::read(root().join("testdata/sample.scap")).unwrap();
    let header = CaptureReader::new(&raw[..]).unwrap().header().clone();
    let writer = CaptureWriter::new(Vec::new(), &header, WriterOptions::default()).unwrap();
    fs::write(&path, writer.finish().unwrap()).unwrap();
    look(&path);
}

#[test]
fn a_file_of_sysdig_is_shown_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sysdig.scap");
    let converted = Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(["convert", "--to", "sysdig", "-q"])
        .arg(root().join("testdata/sample.scap"))
        .arg(&path)
        .status()
        .unwrap();
    assert!(converted.success());
    let bytes = fs::read(&path).unwrap();
    fs::write(
        dir.path().join("cut-off-sysdig.scap"),
        &bytes[..bytes.len() / 2],
    )
    .unwrap();
    let shown = screen(&path, "cut-off-sysdig.scap", "", "80x24");
    assert!(shown.contains("DAMAGED OR INCOMPLETE"), "{shown}");
    let shown = screen(&path, "sysdig.scap", "6", "120x40");
    assert!(shown.contains("curl -q -s -o stage.sh"), "{shown}");
    let shown = screen(
        &path,
        "sysdig.scap",
        "2:evt.type=openat and evt.dir=><Enter>",
        "120x40",
    );
    assert!(shown.contains(">openat"), "{shown}");
}

#[test]
fn errors_have_an_exit_code_and_a_message() {
    let fails = |args: &[&str], code: i32, message: &str| {
        let scap = Command::new(env!("CARGO_BIN_EXE_scap"))
            .current_dir(root())
            .arg("view")
            .args(args)
            .output()
            .unwrap();
        let err = String::from_utf8(scap.stderr).unwrap();
        assert_eq!(scap.status.code(), Some(code), "{err}");
        assert!(err.contains(message), "no {message:?} in {err}");
    };
    let sample = "testdata/sample.scap";
    fails(&[sample], 2, "standard output is not a terminal");
    let shot = ["--screenshot", "-", "--script"];
    fails(
        &[&[sample][..], &shot, &["a<Entre>"]].concat(),
        2,
        "`<Entre>` is not a key",
    );
    fails(
        &[&[sample, "proc.nmae=x"][..], &shot, &[""]].concat(),
        2,
        "unknown field",
    );
    fails(
        &[&["nowhere.scap"][..], &shot, &[""]].concat(),
        1,
        "nowhere.scap",
    );
    fails(
        &[&["Cargo.toml"][..], &shot, &[""]].concat(),
        1,
        "not a scap capture",
    );
    fails(
        &[&[sample, "--size", "0x9"][..], &shot, &[""]].concat(),
        2,
        "120x40",
    );
    let late = [&[sample, "--from", "+100s"][..], &shot, &[""]].concat();
    fails(&late, 1, "no events in this range");
}

/// Shows the alerts of a capture with some options.
fn alerts(capture: &str, options: &[&str]) -> String {
    let scap = Command::new(env!("CARGO_BIN_EXE_scap"))
        .current_dir(root())
        .args(["view", capture, "--size", "160x40", "--script", "A"])
        .args(["--screenshot", "-"])
        .args(options)
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let stderr = String::from_utf8(scap.stderr).unwrap();
    assert!(scap.status.success(), "{options:?}: {stderr}");
    String::from_utf8(scap.stdout).unwrap()
}

#[test]
fn rules_are_chosen_as_for_detect() {
    const SHELL: &str = "Shell on a network connection";
    const SCRIPT: &str = "Written script executed";
    let of = |options: &[&str]| {
        let shown = alerts("testdata/intrusion.scap", options);
        (shown.contains(SHELL), shown.contains(SCRIPT))
    };
    assert_eq!(of(&[]), (true, true));
    assert_eq!(of(&["-D", "Shell on"]), (false, true));
    assert_eq!(of(&["-T", "mitre_command_and_control"]), (false, true));
    assert_eq!(of(&["-t", "mitre_command_and_control"]), (true, false));
    assert_eq!(of(&["--min-priority", "error"]), (true, false));
    assert_eq!(of(&["--no-rules"]), (false, false));
    let dir = tempfile::tempdir().unwrap();
    let rule = |name: &str, condition: &str| {
        let path = dir.path().join(name);
        let text = format!(
            "- {{rule: {name}, desc: d, condition: {condition}, output: o, priority: ALERT}}\n"
        );
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (cats, lists) = (
        rule("cats.yaml", "evt.type = execve and proc.name = cat"),
        rule("lists.yml", "evt.type = execve and proc.name = ls"),
    );
    let shown = alerts("testdata/intrusion.scap", &["-r", &cats]);
    assert!(
        shown.contains("Alert            3") && !shown.contains(SHELL),
        "{shown}"
    );
    // A directory stands for its files.
    let directory = dir.path().to_str().unwrap();
    let shown = alerts("testdata/intrusion.scap", &["-r", directory]);
    assert!(
        shown.contains("cats.yaml") && shown.contains("lists.yml"),
        "{shown}"
    );
    let wrong = rule("wrong.yaml", "proc.nmae = x");
    let fails = |options: &[&str], message: &str| {
        let scap = Command::new(env!("CARGO_BIN_EXE_scap"))
            .current_dir(root())
            .args(["view", "testdata/sample.scap", "--screenshot", "-"])
            .args(options)
            .output()
            .unwrap();
        let stderr = String::from_utf8(scap.stderr).unwrap();
        assert_eq!(scap.status.code(), Some(2), "{stderr}");
        assert!(
            scap.stdout.is_empty() && stderr.contains(message),
            "{stderr}"
        );
    };
    fails(&["-r", &wrong], "proc.nmae");
    fails(&["-r", &cats, "-D", "cats"], "no rule is switched on");
    fails(&["-r", &lists, "--no-rules"], "cannot be used with");
}

#[test]
fn the_alerts_of_view_are_those_of_detect() {
    for capture in ["testdata/intrusion.scap", "testdata/sample.scap"] {
        let detect = Command::new(env!("CARGO_BIN_EXE_scap"))
            .current_dir(root())
            .args(["detect", capture])
            .output()
            .unwrap();
        let stderr = String::from_utf8(detect.stderr).unwrap();
        let (_, rules) = stderr
            .split_once("Triggered rules by rule name:\n")
            .unwrap();
        assert!(!rules.is_empty());
        let shown = alerts(capture, &[]);
        for (rule, count) in rules
            .lines()
            .filter_map(|line| line.trim().split_once(": "))
        {
            let row = shown.lines().find(|line| line.contains(rule)).unwrap();
            assert_eq!(row.split_whitespace().nth(1), Some(count), "{row}");
        }
        assert!(
            shown.contains(&format!("1/{} ", rules.lines().count())),
            "{shown}"
        );
    }
}

/// The pictures of docs/view.md: what they are called and the keys that lead to them.
const PICTURES: [(&str, &str); 9] = [
    ("overview", ""),
    ("alerts", "A<Enter>"),
    ("shells", "<Enter><Down>"),
    ("descendants", "<Enter><Down>D"),
    ("connections", "<Enter><Down>D5<Down>"),
    ("echo", "<Enter><Down>D5<Down>e"),
    ("files", "<Enter><Down>D4"),
    ("tree", "<Enter><Down>D3"),
    (
        "detail",
        "<Enter><Down>D2:and evt.type=unlinkat<Enter><Enter>",
    ),
];

#[test]
fn the_pictures_of_the_document_are_what_is_shown() {
    let update = env::var_os("SCAP_UPDATE_DOCS").is_some();
    let document = fs::read_to_string(root().join("docs/view.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (name, keys) in PICTURES {
        let made = dir.path().join("made.svg");
        let scap = Command::new(env!("CARGO_BIN_EXE_scap"))
            .current_dir(root().join("testdata"))
            .args([
                "view",
                "intrusion.scap",
                "--size",
                "104x30",
                "--script",
                keys,
                "--screenshot",
            ])
            .arg(&made)
            .env("TZ", "UTC")
            .status()
            .unwrap();
        assert!(scap.success());
        let made = fs::read_to_string(made).unwrap();
        let path = root().join(format!("docs/view/{name}.svg"));
        if update {
            fs::write(&path, &made).unwrap();
        }
        assert!(
            made == fs::read_to_string(&path).unwrap(),
            "{}",
            path.display()
        );
        assert!(document.contains(&format!("view/{name}.svg")), "{name}");
    }
}

/// The steps of the break-in, each with the keys from the start and what they show.
const STEPS: [(&str, &[&str]); 6] = [
    // A server starts shells.
    ("<Enter>", &["perl", "sh -c echo checking"]),
    // What the second of them led to: a download, made executable, executed, credentials read.
    (
        "<Enter><Down>D",
        &[
            "curl -s -o /tmp/.cache-upd",
            "chmod 755 /tmp/.cache-upd",
            "/bin/bash /tmp/.cache-upd",
            "cat /etc/shadow",
            "uname -sm",
            "rm -f /tmp/.f",
        ],
    ),
    // Whom it talked to.
    ("<Enter><Down>D5", &["203.0.113.66:80", "203.0.113.66:4444"]),
    // What was sent there.
    ("<Enter><Down>D5<Down>e", &["written", "203.0.113.66:4444"]),
    // What is left, or was: files made and removed.
    ("<Enter><Down>D4", &["/tmp/.cache-upd", "/tmp/.f"]),
    // The removal itself.
    ("<Enter><Down>D1<Down><Down><Down>", &["files removed"]),
];

#[test]
fn the_break_in_is_found_with_under_a_dozen_keys() {
    for (keys, shown) in STEPS {
        let count = keys.matches('<').count()
            + keys
                .split(['<', '>'])
                .step_by(2)
                .map(str::len)
                .sum::<usize>();
        assert!(count < 12, "{count} keys: {keys}");
        let screen = screen(&intrusion(), "intrusion.scap", keys, "120x40");
        for text in shown {
            assert!(
                screen.contains(text),
                "no {text:?} after {keys} in\n{screen}"
            );
        }
    }
}
