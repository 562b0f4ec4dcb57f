//! Views: every stock one shows of every capture what `csysdig` shows of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use scap::chisel::view::{ViewInfo, ViewOptions, ViewRows, ViewTable};
use scap::event::bytes::BufferFormat;
use scap::filter::fields::{Context, Session, TimeFormat};
use scap::replay::{EventSink, EventSource as _, Selection, SysdigSource, replay};
use scap::state::State;
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
    views
}

struct Sink {
    table: ViewTable,
    first: u64,
    last: u64,
}

impl EventSink for Sink {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.table.event(cx);
        if self.first == 0 {
            self.first = cx.event.ts.0;
        }
        self.last = cx.event.ts.0;
        Ok(ControlFlow::Continue(()))
    }
}

fn ours(dir: &Path, capture: &str, view: &ViewInfo) -> Option<ViewRows> {
    let file = fs::File::open(dir.join(format!("{capture}.scap"))).unwrap();
    let mut source = SysdigSource::new(file).unwrap();
    let arch = scap::replay::arch(source.header());
    let mut session = Session::new(arch, BufferFormat::Dots, TimeFormat::Human);
    let mut all = Selection::default();
    let mut state = State::new();
    let table = ViewTable::new(view.clone(), ViewOptions::default(), None).ok()?;
    let mut sink = Sink {
        table,
        first: 0,
        last: 0,
    };
    replay(&mut source, &mut state, &mut session, &mut all, &mut sink).unwrap();
    Some(sink.table.end(&state, &session, sink.first, sink.last))
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

#[test]
fn every_stock_view_shows_what_csysdig_shows() {
    let Some(dir) = sysdig::captures() else {
        return;
    };
    let views = stock();
    let mut report = String::new();
    for view in &views {
        let target = view.target(&views, ViewOptions::default());
        for capture in CAPTURES {
            let Some(rows) = ours(&dir, capture, view) else {
                report += &format!(
                    "{} {capture}: ERR {:?}\n",
                    view.id,
                    ViewTable::new(view.clone(), ViewOptions::default(), None).unwrap_err()
                );
                continue;
            };
            let mut json = Vec::new();
            rows.write_json(&mut json, target).unwrap();
            let ours: Value = serde_json::from_slice(&json).unwrap();
            let theirs = theirs(&dir, capture, &view.id, "--json");
            let theirs: Value =
                serde_json::from_str(&theirs).unwrap_or_else(|e| panic!("{e} {theirs}"));
            let (ours, theirs) = (&ours["slices"][1], &theirs["slices"][1]);
            let mut rows: BTreeMap<String, (i32, i32)> = BTreeMap::new();
            for row in ours["data"].as_array().into_iter().flatten() {
                rows.entry(format!("{row}")).or_default().0 += 1;
            }
            for row in theirs["data"].as_array().into_iter().flatten() {
                rows.entry(format!("{row}")).or_default().1 += 1;
            }
            rows.retain(|_, v| v.0 != v.1);
            for (row, (a, b)) in rows {
                report += &format!("{} {capture}: ours {a} theirs {b}: {row}\n", view.id);
            }
            for key in [
                "appliesTo",
                "canDrillDown",
                "drillDownKeyField",
                "filterTemplate",
                "filterTemplateF",
                "legend",
                "sortingCol",
            ] {
                let (a, b) = (&ours["info"][key], &theirs["info"][key]);
                if a != b {
                    report += &format!("{} {capture}: {key}: ours {a} theirs {b}\n", view.id);
                }
            }
        }
    }
    fs::write("/tmp/views.report", &report).unwrap();
    assert!(report.is_empty());
}
