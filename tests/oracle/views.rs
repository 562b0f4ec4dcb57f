//! Views: every stock one shows of every capture what `csysdig` shows of it.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use scap::chisel::view::{ViewInfo, ViewKind, ViewOptions, ViewRows, ViewTable};
use scap::event::bytes::BufferFormat;
use scap::fields::{Context, Session, TimeFormat};
use scap::replay::{EventSink, EventSource as _, SysdigSource, replay_all};
use scap_capture_format::schema::{EventType, types};
use serde_json::Value;

use crate::sysdig::{self, CAPTURES};

/// Where Debian's sysdig keeps its scripts.
const SCRIPTS: &str = "/usr/share/sysdig/chisels";

/// Reads the stock views, in the order of their file names.
fn stock() -> Vec<ViewInfo> {
    let mut scripts: Vec<PathBuf> = fs::read_dir(SCRIPTS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("v_")
        })
        .collect();
    scripts.sort();
    let mut views = Vec::new();
    for script in scripts {
        let lua = mlua::Lua::new();
        lua.load(fs::read_to_string(&script).unwrap())
            .exec()
            .unwrap();
        // One of them names its table otherwise, and is no view.
        if let Ok(table) = lua.globals().get::<mlua::Table>("view_info") {
            views.push(ViewInfo::from_script(&table).unwrap());
        }
    }
    assert_eq!(views.len(), 43);
    views.sort_by(|a: &ViewInfo, b| a.name.cmp(&b.name));
    views
}

struct Sink {
    table: ViewTable,
    /// The view is about fds.
    is_of_fds: bool,
    first: u64,
    last: u64,
}

impl EventSink for Sink {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        let is_listed = !self.is_of_fds || is_listed_under_its_fd(cx.event.ty);
        if cx.event.ty.0 <= sysdig::LAST_TYPE && is_listed {
            self.table.event(cx);
        }
        if self.first == 0 {
            self.first = cx.event.ts.0;
        }
        self.last = cx.event.ts.0;
        Ok(ControlFlow::Continue(()))
    }
}

/// Whether 0.29.3 lists events of a type under their fd, if they have one. Here, those of all calls with an fd are.
fn is_listed_under_its_fd(ty: EventType) -> bool {
    !matches!(
        ty.exit(),
        types::SYSCALL_MMAP_X
            | types::SYSCALL_MMAP2_X
            | types::GENERIC_X
            | types::SOCKET_GETSOCKNAME_X
            | types::SOCKET_GETPEERNAME_X
    )
}

/// Views that are about fds.
const OF_FDS: &[&str] = &["directories", "files", "spectro_file"];

/// Returns the rows of a view; with `as_listed`, of the events that 0.29.3 has in it.
fn ours(dir: &Path, capture: &str, view: &ViewInfo, as_listed: bool) -> ViewRows {
    let file = fs::File::open(dir.join(format!("{capture}.scap"))).unwrap();
    let mut source = SysdigSource::new(file).unwrap();
    let arch = scap::replay::arch(source.header());
    let session = Session::new(arch, BufferFormat::Dots, TimeFormat::Human);
    let table = ViewTable::new(view.clone(), ViewOptions::default(), None).unwrap();
    let mut sink = Sink {
        table,
        is_of_fds: as_listed && OF_FDS.contains(&view.id.as_str()),
        first: 0,
        last: 0,
    };
    let pipeline = replay_all(&mut source, session, &mut sink).unwrap();
    let [origin] = pipeline.origins() else {
        panic!("one capture has one origin");
    };
    sink.table
        .end(&origin.state, &origin.session, sink.first, sink.last)
}

/// Runs csysdig with a view.
fn theirs(dir: &Path, capture: &str, view: &str, how: &str) -> String {
    let mut command = Command::new("csysdig");
    command.arg("-r").arg(dir.join(format!("{capture}.scap")));
    let command = command.args(["-v", view, how]);
    let output = command
        .env("TZ", "UTC")
        .env("TERM", "xterm")
        .output()
        .unwrap();
    assert!(output.status.success(), "{view} of {capture}: {output:?}");
    output.stdout.iter().map(|b| char::from(*b)).collect()
}

/// What is another in a view than in csysdig's, on how many rows of all captures, why.
type Rows = (&'static str, usize, &'static str);

/// Every view with other rows.
const KNOWN: &[Rows] = &[
    ("backlog", 2, UNKNOWN_PROCESS),
    (
        "connections",
        6,
        "0.29.3 takes IPv4 addresses for IPv6 ones, and the wrong end where both are the machine's",
    ),
    (
        "containers",
        2,
        "0.29.3 makes no average of its shorter numbers before it adds them up",
    ),
    ("directories", 2, BEFORE),
    ("files", 2, BEFORE),
    (
        "io_by_type",
        14,
        "calls without a type of their own, and mappings, are of their file's kind; reads that began before the capture; calls of fds that 0.29.3 does not know have no bytes there; \
         on events that are no calls it repeats the latency of the thread's last call",
    ),
    ("page_faults", 7, UNKNOWN_PROCESS),
    (
        "procs",
        11,
        "processes that nothing tells, and users that are not known (<NA>, as in newer libraries)",
    ),
    ("procs_cpu", 7, UNKNOWN_PROCESS),
    ("procs_errors", 7, UNKNOWN_PROCESS),
    ("procs_fd_usage", 7, UNKNOWN_PROCESS),
    ("spy_users", 4, UNKNOWN_USER),
    ("spy_users_wsysdig", 4, UNKNOWN_USER),
    (
        "syscall_procs",
        422,
        "0.29.3 counts a call for each thread at the end of the capture",
    ),
    (
        "syscalls",
        18,
        "neither the end of a process is a call, nor that of the capture; a call without a name has its number",
    ),
    ("threads", 8, UNKNOWN_PROCESS),
];

const UNKNOWN_PROCESS: &str =
    "nothing tells the process of a thread that the capture does not introduce";
const UNKNOWN_USER: &str = "a user that is not known has the value <NA>, as in newer libraries";
const BEFORE: &str =
    "a read that began before the capture, of an fd that nothing tells; 0.29.3 says fd 0";

/// Members of `info` that tell readers what can be done with the rows.
const INFO: &[&str] = &[
    "appliesTo",
    "canDrillDown",
    "drillDownKeyField",
    "filterTemplate",
    "filterTemplateF",
    "legend",
    "sortingCol",
];

#[test]
fn every_stock_view_shows_what_csysdig_shows() {
    let Some(dir) = sysdig::captures() else {
        return;
    };
    let views = stock();
    let mut report = String::new();
    let mut compared = 0;
    for view in &views {
        let target = view.target(&views, ViewOptions::default());
        let mut different = 0;
        let mut told = String::new();
        for capture in CAPTURES {
            let mut json = Vec::new();
            ours(&dir, capture, view, true)
                .write_json(&mut json, target)
                .unwrap();
            let ours: Value = serde_json::from_slice(&json).unwrap();
            let theirs = theirs(&dir, capture, &view.id, "--json");
            let theirs: Value = serde_json::from_str(&theirs).unwrap();
            let (ours, theirs) = (&ours["slices"][1], &theirs["slices"][1]);
            let (our_rows, their_rows) = (rows(ours), rows(theirs));
            assert_eq!(ours["count"], our_rows.len(), "{} {capture}", view.id);
            compared += their_rows.len();
            for row in theirs_only(&their_rows, &our_rows) {
                different += 1;
                writeln!(told, "    {capture}: missing {row}").unwrap();
            }
            for row in theirs_only(&our_rows, &their_rows) {
                different += 1;
                writeln!(told, "    {capture}: too much {row}").unwrap();
            }
            let is_list = view.kind == ViewKind::List;
            if our_rows.len() == their_rows.len() && different == 0 && !is_list {
                assert_eq!(sorted_by(ours), sorted_by(theirs), "{} {capture}", view.id);
            }
            for member in INFO {
                let (ours, theirs) = (told_of(ours, member), told_of(theirs, member));
                if ours != theirs {
                    writeln!(report, "{} {member}: {ours} is not {theirs}", view.id).unwrap();
                }
            }
        }
        let known = KNOWN.iter().find(|(id, ..)| *id == view.id);
        let expected = known.map_or(0, |(_, rows, _)| *rows);
        if different != expected {
            writeln!(
                report,
                "{}: {different} rows differ, {expected} are listed",
                view.id
            )
            .unwrap();
            report.push_str(&told);
        }
    }
    assert!(report.is_empty(), "{report}");
    assert!(compared > 3000, "only {compared} rows compared");
}

/// Captures and views of them that are compared as they are printed.
const PRINTED: &[(&str, &[&str])] = &[
    (
        "libs-curl-google",
        &[
            "files",
            "directories",
            "errors",
            "connections",
            "sports",
            "page_faults",
            "procs_cpu",
            "procs_fd_usage",
            "threads",
            "spectro_all",
        ],
    ),
    (
        "falco-open-multiple-files",
        &["procs", "threads", "containers_errors", "file_opens"],
    ),
    ("libs-sample", &["procs", "threads", "errors"]),
];

#[test]
fn views_are_printed_as_csysdig_prints_them() {
    let Some(dir) = sysdig::captures() else {
        return;
    };
    let views = stock();
    for (capture, ids) in PRINTED {
        for id in *ids {
            let view = views.iter().find(|view| view.id == *id).unwrap();
            let mut ours = Vec::new();
            self::ours(&dir, capture, view, true)
                .write_raw(&mut ours)
                .unwrap();
            let ours = String::from_utf8(ours).unwrap();
            let theirs = theirs(&dir, capture, id, "--raw");
            let (ours, mut theirs) = (printed(&ours), printed(&theirs));
            // A list is printed twice.
            if view.kind == ViewKind::List {
                theirs.dedup();
            }
            assert_eq!(ours, theirs, "{id} of {capture}");
            assert!(!ours.is_empty(), "{id} of {capture}");
        }
    }
}

/// `-c` finds the views by name, and by name without `v_`, and shows what the tests above look at.
#[test]
fn views_are_run_by_name() {
    let Some(dir) = sysdig::captures() else {
        return;
    };
    let (views, capture) = (stock(), "libs-curl-google");
    let file = dir.join(format!("{capture}.scap"));
    for view in &views {
        let rows = ours(&dir, capture, view, false);
        let (mut json, mut raw) = (Vec::new(), Vec::new());
        let target = view.target(&views, ViewOptions::default());
        rows.write_json(&mut json, target).unwrap();
        rows.write_raw(&mut raw).unwrap();
        let run = |args: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_scap"));
            let output = command.arg("read").arg(&file).args(args).output().unwrap();
            assert!(output.status.success(), "{} {output:?}", view.id);
            String::from_utf8(output.stdout).unwrap()
        };
        let name = format!("v_{}", view.id);
        assert_eq!(run(&["-j", "-c", &name]), String::from_utf8(json).unwrap());
        // A chisel of that name is meant before the view.
        let is_taken = Path::new(SCRIPTS).join(format!("{}.lua", view.id)).exists();
        let short = if is_taken { &name } else { &view.id };
        assert_eq!(run(&["-c", short]), String::from_utf8(raw).unwrap());
    }
}

/// Returns the lines of a printed table in an order of their own.
fn printed(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    assert_eq!(lines.last(), Some(&"----------------------"));
    lines.retain(|line| !line.starts_with("---"));
    lines.sort_unstable();
    lines
}

/// Returns the column that the rows of a slice are sorted by: rows that are equal there are in any order.
fn sorted_by(slice: &Value) -> Vec<String> {
    let column = usize::try_from(slice["info"]["sortingCol"].as_u64().unwrap()).unwrap() - 1;
    let rows = slice["data"].as_array().into_iter().flatten();
    rows.map(|row| row["d"][column].to_string()).collect()
}

/// Returns the rows of a slice, as text that can be compared.
fn rows(slice: &Value) -> Vec<String> {
    let rows = slice["data"].as_array().into_iter().flatten();
    let row = |row: &Value| {
        let mut row = row.clone();
        for cell in row["d"].as_array_mut().unwrap() {
            // A command line without arguments ends in a blank there.
            if let Value::String(text) = cell {
                *text = text.trim_end().to_owned();
            }
        }
        row.to_string()
    };
    rows.map(row).collect()
}

/// Returns the rows of one list that the other lacks, each as often as it does.
fn theirs_only(these: &[String], others: &[String]) -> Vec<String> {
    let mut others: Vec<&String> = others.iter().collect();
    let mut only = these.to_vec();
    only.retain(|row| match others.iter().position(|other| *other == row) {
        Some(at) => {
            others.swap_remove(at);
            false
        }
        None => true,
    });
    only
}

/// Returns a member of `info`, as far as it can be compared.
fn told_of(slice: &Value, member: &str) -> String {
    let mut told = slice["info"][member].clone();
    if let ("legend", Value::Array(columns)) = (member, &mut told) {
        for column in columns {
            // Two fields of text are marked as decimal numbers there.
            if column["type"] == "CHARBUF" {
                column["format"] = Value::Null;
            }
            // Here all numbers are as wide as the widest.
            if column["type"] == "UINT32" {
                column["type"] = "UINT64".into();
            }
        }
    }
    told.to_string()
}
