//! The oracle: Debian's sysdig, and the captures that both read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::env;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::common::extra_data;
use scap::event::text;
use scap::fields::{self, ArgForm, FieldFlags};

/// Captures that 0.29.3 reads to their end.
pub(crate) const CAPTURES: &[&str] = &[
    "falco-cat-write",
    "falco-connect-localhost",
    "falco-open-multiple-files",
    "falco-run-as-user-0-container",
    "falco-syscall",
    "libs-curl-google",
    "libs-sample",
    "libs-single-ipv6-conn",
];

/// The last type of event that 0.29.3 knows; it does not count later ones.
pub(crate) const LAST_TYPE: u16 = 335;

/// Begins a record and parts its columns: no value has these characters in it.
const RECORD: char = '\u{1e}';
const COLUMN: char = '\u{1f}';

/// The captures' directory; `None` where the oracle or the captures are absent.
pub(crate) fn captures() -> Option<PathBuf> {
    let dir = extra_data("captures")?;
    let version = Command::new("sysdig").arg("--version").output();
    let why = match version {
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("0.29") => return Some(dir),
        _ => "no sysdig 0.29".to_owned(),
    };
    assert!(env::var_os("SCAP_REQUIRE_LIVE").is_none(), "{why}");
    eprintln!("skipped: {why}");
    None
}

/// Runs sysdig on a capture and returns what it prints.
pub(crate) fn run(dir: &Path, capture: &str, args: &[&str]) -> Result<String, String> {
    let path = dir.join(format!("{capture}.scap"));
    let args = [&["-r", path.to_str().unwrap()], args].concat();
    SERVER.with_borrow_mut(|server| server.get_or_insert_with(Server::start).run(&args))
}

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// sysdig, loaded and about to start: see `fork_server.c`.
struct Server {
    process: Child,
    requests: ChildStdin,
    answers: ChildStdout,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new("sysdig")
            .env("LD_PRELOAD", library())
            .env("LD_BIND_NOW", "1")
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            requests: process.stdin.take().unwrap(),
            answers: process.stdout.take().unwrap(),
            process,
        }
    }

    fn run(&mut self, args: &[&str]) -> Result<String, String> {
        let mut words = Vec::new();
        for arg in args {
            words.extend_from_slice(arg.as_bytes());
            words.push(0);
        }
        let len = u32::try_from(words.len()).unwrap();
        self.requests.write_all(&len.to_le_bytes()).unwrap();
        self.requests.write_all(&words).unwrap();
        let mut number = || {
            let mut bytes = [0; 4];
            self.answers.read_exact(&mut bytes).unwrap();
            u32::from_le_bytes(bytes)
        };
        let (status, out, err) = (number(), number(), number());
        let mut text = |len: u32| {
            let mut bytes = vec![0; len as usize];
            self.answers.read_exact(&mut bytes).unwrap();
            bytes
        };
        let (out, err) = (text(out), text(err));
        match status {
            0 => Ok(out.iter().map(|b| char::from(*b)).collect()),
            _ => Err(String::from_utf8_lossy(&err).into_owned()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _killed = self.process.kill();
        let _status = self.process.wait();
    }
}

/// Compiles the library that makes a server of sysdig, once.
fn library() -> &'static Path {
    static LIBRARY: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("fork_server.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/fork_server.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source);
        assert!(cc.arg("-ldl").status().unwrap().success());
        (dir, library)
    });
    &LIBRARY.1
}

/// What tells an event in both programs' output: time, thread, direction.
pub(crate) const KEY: &str = "%evt.rawtime %thread.tid %evt.dir";

/// Returns a format that prints an event's key and fields for [`records`] to take apart.
pub(crate) fn format(fields: &[&str]) -> String {
    let mut format = format!("*{RECORD}{KEY}");
    for field in fields {
        format.push(COLUMN);
        format.push('%');
        format.push_str(field);
    }
    format
}

/// Takes apart what [`format`] made: for each event its key and its values.
pub(crate) fn records(text: &str) -> Vec<Vec<&str>> {
    let records = text.split(RECORD).skip(1);
    records
        .map(|r| r.strip_suffix('\n').unwrap_or(r).split(COLUMN).collect())
        .collect()
}

/// Whether a value is the same in both: scap escapes what would act on a terminal, sysdig leaves most of
/// it out.
pub(crate) fn same(theirs: &str, ours: &str) -> bool {
    if theirs == ours {
        return true;
    }
    let bytes: Vec<u8> = theirs.chars().map(|c| c as u8).collect();
    let mut escaped = Vec::new();
    text::escape_exact(&mut escaped, &bytes);
    if escaped == ours.as_bytes() {
        return true;
    }
    let printable: String = theirs.chars().filter(|c| (' '..='~').contains(c)).collect();
    printable == without_escapes(ours)
}

/// Leaves out `\n`, `\x1b`, `\u{9b}` and their like.
fn without_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let len = match escape.as_bytes().first() {
            Some(b'n' | b'r' | b't') => 1,
            Some(b'x') => 3.min(escape.len()),
            Some(b'u') => escape.find('}').map_or(0, |end| end + 1),
            _ => {
                out.push('\\');
                0
            }
        };
        rest = &escape[len..];
    }
    out.push_str(rest);
    out
}

/// A field of sysdig's with its type, argument included.
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) ty: String,
}

/// Arguments that fields are tried with.
const ARGUMENTS: &[(&str, &str, &[&str])] = &[
    (
        "evt.arg",
        "CHARBUF",
        &[
            "[0]", "[1]", "[2]", ".fd", ".res", ".name", ".flags", ".data", ".size", ".tuple",
            ".addr", ".exe", ".path", ".pid",
        ],
    ),
    ("evt.abspath", "CHARBUF", &["", ".src", ".dst"]),
    ("proc.aname", "CHARBUF", &["[0]", "[1]", "[2]", "[3]"]),
    ("proc.apid", "INT64", &["[0]", "[1]", "[2]"]),
    (
        "thread.cgroup",
        "CHARBUF",
        &[".cpuset", ".memory", ".pids", ".cpu"],
    ),
    ("container.mount", "CHARBUF", &["[0]"]),
    ("container.mount.dest", "CHARBUF", &["[0]"]),
    ("container.mount.source", "CHARBUF", &["[0]"]),
    ("container.mount.mode", "CHARBUF", &["[0]"]),
    ("container.mount.rdwr", "CHARBUF", &["[0]"]),
    ("container.mount.propagation", "CHARBUF", &["[0]"]),
];

/// Returns the fields that both programs print.
pub(crate) fn printable_fields(dir: &Path) -> Vec<Known> {
    let list = Command::new("sysdig").arg("-lv").output().unwrap();
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let types: HashMap<&str, &str> = list
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(' ')?;
            let ty = rest.trim_start().strip_prefix("(Type: ")?;
            Some((name, ty.split(')').next()?))
        })
        .collect();
    let mut known = Vec::new();
    for info in fields::all() {
        let ty = match types.get(info.name) {
            Some(ty) => *ty,
            // Fields for csysdig's tables are not listed, but can be printed.
            None if info.flags.contains(FieldFlags::TABLE_ONLY) && prints(dir, info.name) => "",
            None => continue,
        };
        // Raw arguments cannot be printed; the rest is about the reading itself.
        if info.flags.contains(FieldFlags::FILTER_ONLY)
            || matches!(
                info.name,
                "evt.rawarg" | "evt.around" | "evt.type.is" | "util.cnt"
            )
        {
            continue;
        }
        let mut add = |suffix: &str, ty: &str| {
            let (name, ty) = (format!("{}{suffix}", info.name), ty.to_owned());
            known.push(Known { name, ty });
        };
        match ARGUMENTS.iter().find(|(of, ..)| *of == info.name) {
            Some((_, ty, suffixes)) => suffixes.iter().for_each(|s| add(s, ty)),
            None if matches!(info.arg, ArgForm::Index | ArgForm::Key) => {}
            None => add("", ty),
        }
    }
    assert!(known.len() > 200, "{}", known.len());
    known
}

/// Whether sysdig prints a field.
fn prints(dir: &Path, field: &str) -> bool {
    run(dir, CAPTURES[0], &["-p", &format!("%{field}"), "evt.num=0"]).is_ok()
}
