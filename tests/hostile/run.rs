//! Runs the commands over a capture, and measures them.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No command may compute for longer.
pub(crate) const SECONDS: u64 = 5;
/// No command may take longer: one that waits for something that does not come computes nothing. Tests run beside others,
/// which can keep it from running.
const PATIENCE: u64 = 60;
/// No command may use more memory.
pub(crate) const BYTES: u64 = 512 << 20;

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    pub(crate) bytes: u64,
}

/// Runs `scap` with these arguments; `dir` is for its output. Fails if it is ended by a signal or takes too long or too much.
pub(crate) fn scap(dir: &Path, args: &[&str]) -> Ran {
    let (out, err) = (dir.join("out"), dir.join("err"));
    let output = |path: &PathBuf| Stdio::from(File::create(path).unwrap());
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_scap"))
        .args(args)
        .env_remove("SCAP_CHISELS")
        .stdin(Stdio::null())
        .stdout(output(&out))
        .stderr(output(&err))
        .spawn()
        .unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let times_file = format!("/proc/{}/stat", child.id());
    let (mut killed, mut bytes) = (false, 0);
    let status = loop {
        // The peak of the program itself; `getrusage` includes what this process had when it started the other.
        bytes = std::fs::read_to_string(&status_file)
            .ok()
            .and_then(|text| peak(&text))
            .unwrap_or(0)
            .max(bytes);
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        let computed = std::fs::read_to_string(&times_file)
            .ok()
            .and_then(|text| computed(&text));
        let is_late = begun.elapsed() > Duration::from_secs(PATIENCE)
            || computed.is_some_and(|time| time > Duration::from_secs(SECONDS));
        if is_late && !killed {
            killed = true;
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let ran = Ran {
        code: status.code().unwrap_or(-1),
        out: std::fs::read(&out).unwrap(),
        err: std::fs::read(&err).unwrap(),
        bytes,
    };
    assert!(!killed, "{args:?} takes more than {SECONDS} s");
    assert_eq!(status.signal(), None, "{args:?}: {ran:?}");
    let text = String::from_utf8_lossy(&ran.err);
    assert!(
        !text.contains("panicked") && ran.code != 101,
        "{args:?}: {text}"
    );
    assert!(ran.bytes <= BYTES, "{args:?} uses {} MiB", ran.bytes >> 20);
    for bytes in [&ran.out, &ran.err] {
        let is_raw = |c: char| c.is_control() && c != '\n';
        let text = String::from_utf8_lossy(bytes);
        assert!(
            !text.contains(is_raw),
            "{args:?} prints control characters: {text:?}"
        );
    }
    ran
}

/// Returns the processor time of a process from its `stat`, as far as one core would have taken: that of several threads counts
/// in full.
fn computed(stat: &str) -> Option<Duration> {
    const HZ: u64 = 100;
    // The name, which can contain spaces, ends with the last bracket; utime and stime are the 12th and 13th after it.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks()? + ticks()?) * (1000 / HZ)))
}

/// Returns the peak memory in bytes from a process's status; `None` until it is `scap`'s.
fn peak(status: &str) -> Option<u64> {
    status.strip_prefix("Name:\tscap\n")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib = line.trim().strip_suffix(" kB")?;
    Some(kib.parse::<u64>().ok()? << 10)
}

/// What a command says of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opinion {
    /// 0 intact, 3 damaged or incomplete, 1 not a capture.
    pub(crate) code: i32,
    /// Shown events; 0 if it is not readable.
    pub(crate) events: u64,
}

/// Returns the number before ` event` or ` events` in a text, which may be grouped by commas.
fn count(text: &str) -> Option<u64> {
    let end = text.find(" event")?;
    let digits: String = text[..end]
        .chars()
        .rev()
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .filter(|c| *c != ',')
        .collect();
    digits.chars().rev().collect::<String>().parse().ok()
}

/// Runs rules over a capture; they have the opinion of the other commands.
pub(crate) fn rules(dir: &Path, path: &Path, opinion: Opinion) {
    let path = path.to_str().unwrap();
    let found = scap(dir, &["detect", "-j", path]);
    let err = String::from_utf8_lossy(&found.err);
    assert_eq!(found.code, opinion.code, "detect disagrees: {err}");
    for line in found
        .out
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
    {
        let _alert: serde_json::Value = serde_json::from_slice(line).unwrap();
    }
}

/// Asks every command about a capture; they have to agree.
pub(crate) fn opinion(dir: &Path, path: &Path) -> Opinion {
    let path = path.to_str().unwrap();
    let info = scap(dir, &["info", "--json", path]);
    let info_err = String::from_utf8_lossy(&info.err);
    let events = is_shown(&info).then(|| {
        let json: serde_json::Value = serde_json::from_slice(&info.out).unwrap();
        let intact = json["integrity"]["intact"].as_bool().unwrap();
        assert_eq!(intact, info.code == 0);
        let number = |name: &str| json["events"][name].as_u64().unwrap();
        (number("total"), number("hidden"))
    });
    let read = scap(dir, &["read", "-q", "-v", path]);
    let err = String::from_utf8_lossy(&read.err);
    let read = Opinion {
        code: read.code,
        events: if is_shown(&read) {
            {
                let is_count = |line: &&str| line.ends_with("event") || line.ends_with("events");
                let line = err.lines().find(is_count);
                line.and_then(count).unwrap_or_else(|| panic!("{err}"))
            }
        } else {
            0
        },
    };
    let view = scap(
        dir,
        &["view", "--size", "200x50", "--screenshot", "-", path],
    );
    let screen = String::from_utf8_lossy(&view.out);
    let header = screen.lines().next().unwrap_or_default();
    let is_marked = header.contains("DAMAGED") || header.contains("INCOMPLETE");
    let view = Opinion {
        code: view.code,
        events: if is_shown(&view) {
            {
                assert_eq!(view.code == 3, is_marked, "{header}");
                count(header).unwrap_or_else(|| panic!("{header}"))
            }
        } else {
            0
        },
    };
    assert_eq!(read, view, "read and view disagree: {err}{header}");
    assert_eq!(
        info.code, read.code,
        "info and read disagree: {info_err}{err}"
    );
    // Events of the recorder itself are counted, but not shown.
    let visible = events.map_or(0, |(total, hidden)| total - hidden);
    assert!(
        read.events <= visible,
        "{} of {visible} events are shown",
        read.events
    );
    read
}

/// Whether a command showed something of the capture, or only said that there is nothing to show.
fn is_shown(ran: &Ran) -> bool {
    !String::from_utf8_lossy(&ran.err).contains("scap: error:")
}
