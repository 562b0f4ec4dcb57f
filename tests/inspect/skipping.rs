//! What is skipped changes no result: reading by a plan, and by several threads, is compared with reading everything.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tempfile::tempdir;

use crate::repeat::repeated;
use scap::event::bytes::BufferFormat;
use scap::fields::{Context, Session, TimeFormat};
use scap::filter::{Filter, When};
use scap::format::Template;
use scap::replay::{
    EventSink, EventSource as _, Extent, NativeSource, PieceSink, Pipeline, Plan, Selection, Share,
    replay_shares,
};

/// Prints all events.
struct Print {
    template: Template,
    out: Vec<u8>,
}

impl EventSink for Print {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.template.write(&mut self.out, cx, BufferFormat::Dots);
        self.out.push(b'\n');
        Ok(ControlFlow::Continue(()))
    }
}

impl PieceSink for Print {
    fn take(&mut self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.out, empty)
    }
}

/// A source, the session for it, and a sink.
fn opened(path: &Path, plan: Option<Plan>, format: &str) -> (NativeSource<File>, Session, Print) {
    let mut source = NativeSource::new(File::open(path).unwrap()).unwrap();
    source
        .preload_containers(File::open(path).unwrap())
        .unwrap();
    let mut session = Session::new(None, BufferFormat::Dots, TimeFormat::Human);
    if let Some(plan) = plan {
        if !plan.has_front() {
            session.first_time = plan.first_time();
        }
        source.set_plan(plan);
    }
    let sink = Print {
        template: Template::new(format).unwrap(),
        out: Vec::new(),
    };
    (source, session, sink)
}

/// What is printed of a selection; everything is read without a plan.
fn read(path: &Path, selection: &Selection, format: &str, plan: Option<Plan>) -> String {
    let (mut source, session, mut sink) = opened(path, plan, format);
    let mut pipeline = Pipeline::new(session, source.origins(), selection.clone());
    pipeline.run(&mut source, &mut sink).unwrap();
    assert!(source.damages().is_empty());
    String::from_utf8(sink.out).unwrap()
}

/// What several threads print; `None` if they would not read faster.
fn read_shared(path: &Path, selection: &Selection, format: &str, threads: usize) -> Option<String> {
    let open = || File::open(path).unwrap();
    let plan = Plan::new(open(), Extent::Events(selection))
        .unwrap()
        .unwrap();
    let plans = plan.shares(open(), threads).unwrap();
    if plans.is_empty() {
        return None;
    }
    assert!(plans.len() > 1);
    let opened = plans
        .into_iter()
        .map(|plan| opened(path, Some(plan), format));
    let mut opened: Vec<_> = opened.collect();
    let shares = opened.iter_mut().map(|(source, session, sink)| Share {
        pipeline: Pipeline::new(std::mem::take(session), source.origins(), selection.clone()),
        source,
        sink: Print {
            template: Template::new(format).unwrap(),
            out: std::mem::take(&mut sink.out),
        },
    });
    let mut out = Vec::new();
    replay_shares(&mut shares.collect::<Vec<_>>(), &mut |piece| {
        out.extend_from_slice(piece);
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    Some(String::from_utf8(out).unwrap())
}

/// Captures of a thousand events and more, in small chunks and segments.
fn captures(dir: &Path) -> Vec<PathBuf> {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    ["sample", "intrusion", "chisels/container_work"]
        .iter()
        .map(|name| {
            let to = dir.join(name.replace('/', "-"));
            repeated(&testdata.join(format!("{name}.scap")), &to, 1_000, 50, 250).unwrap();
            to
        })
        .collect()
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// A filter with values of the capture.
fn filter(dice: &mut Dice, lines: &[Vec<&str>], names: &[&str]) -> String {
    let mut text = String::new();
    for part in 0..=dice.up_to(3) {
        if part > 0 {
            text.push_str([" and ", " or ", " and not "][dice.up_to(3)]);
        }
        let field = dice.up_to(names.len());
        let value = lines[dice.up_to(lines.len())][field];
        let name = names[field];
        let test = match (value, dice.up_to(3)) {
            ("<NA>" | "", _) => format!("not {name} exists"),
            (path, 0) if path.starts_with('/') => {
                let end = dice.up_to(path.len()) + 1;
                format!("{name} startswith '{}'", path.get(..end).unwrap_or(path))
            }
            (path, 1) if path.starts_with('/') => {
                let end = path.rfind('/').unwrap_or_default();
                format!("{name} pmatch ('{}', /nosuch)", &path[..end])
            }
            (value, 2) => format!("{name} in ('{value}', '{value}1')"),
            (value, _) => format!("{name} = '{value}'"),
        };
        text.push_str(&test);
    }
    text
}

const FIELDS: [&str; 24] = [
    "evt.type",
    "evt.num",
    "evt.rawtime",
    "thread.tid",
    "proc.pid",
    "proc.name",
    "proc.pname",
    "proc.exepath",
    "container.id",
    "fd.name",
    "fd.num",
    "evt.failed",
    "user.uid",
    "evt.category",
    "fd.directory",
    "fd.filename",
    "fd.cip",
    "fd.sip",
    "fd.rip",
    "fd.lip",
    "fd.sport",
    "fs.path.name",
    "fs.path.source",
    "fs.path.target",
];

/// Fields of the state, all of which tests/inspect/snapshots.rs compares.
const STATE: [&str; 8] = [
    "proc.aname[2]",
    "proc.cmdline",
    "proc.cwd",
    "fd.ino",
    "fd.connected",
    "evt.args",
    "evt.reltime",
    "proc.duration",
];

#[test]
fn what_is_skipped_changes_no_result() {
    let dir = tempdir().unwrap();
    let format = format!(
        "*{} %{}",
        FIELDS.map(|f| format!("%{f}")).join(" "),
        STATE.join(" %")
    );
    let rounds = std::env::var("SCAP_RANDOM_FILTERS").map_or(12_usize, |n| n.parse().unwrap());
    for capture in captures(dir.path()) {
        let everything = Selection::default();
        let table = format!("*%{}", FIELDS.join("\x1f%"));
        let table = read(&capture, &everything, &table, None);
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split('\x1f').collect())
            .collect();
        let (mut skipped, mut shared, mut dice) = (0, 0, Dice(7));
        for round in 0..rounds {
            let text = filter(&mut dice, &lines, &FIELDS);
            let Ok(filter) = Filter::parse(&text) else {
                continue;
            };
            let number = |dice: &mut Dice| u64::try_from(dice.up_to(lines.len() * 2)).unwrap();
            let from = (dice.up_to(3) == 0).then(|| When::Event(number(&mut dice)));
            let to = (dice.up_to(3) == 0).then(|| When::After(number(&mut dice) * 3_000_000));
            let selection = Selection {
                filter: (dice.up_to(4) > 0).then_some(filter),
                from,
                to,
            };
            let what = format!("{} {text} {from:?} {to:?}", capture.display());
            let same = |expected: &str, found: &str| {
                let differ = expected.lines().zip(found.lines()).find(|(a, b)| a != b);
                assert_eq!(differ, None, "{what}");
                assert_eq!(expected.len(), found.len(), "{what}");
            };
            let expected = read(&capture, &selection, &format, None);
            let plan =
                Plan::new(File::open(&capture).unwrap(), Extent::Events(&selection)).unwrap();
            let plan = plan.unwrap();
            skipped += plan.amounts().skipped.chunks;
            same(&expected, &read(&capture, &selection, &format, Some(plan)));
            if let Some(found) = read_shared(&capture, &selection, &format, 2 + round % 3) {
                same(&expected, &found);
                shared += 1;
            }
        }
        assert!(shared > rounds / 2, "{shared}");
        assert!(skipped > rounds as u64, "{skipped}");
    }
}
