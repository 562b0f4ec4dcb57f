//! Filters mean what they mean to sysdig 0.29.3.
//!
//! Every filter of `tests/filters.txt` and two thousand made up ones, with values from the captures
//! themselves, are run by sysdig and here; the events that pass have to be the same. The captures are
//! other people's and not part of the project: the test looks for them beside it and says so where they,
//! or sysdig, are absent.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::print_stderr, reason = "says what is skipped")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use scap::event::bytes::BufferFormat;
use scap::event::text;
use scap::filter::ast::{Expr, ExprKind, OperandKind};
use scap::filter::fields::{self, ArgForm, Context, FieldFlags, Session, TimeFormat};
use scap::filter::{Filter, parse};
use scap::format::Template;
use scap::replay::{EventSink, Selection, SysdigSource, replay};
use scap::state::State;

/// Captures that 0.29.3 reads to their end.
const CAPTURES: &[&str] = &[
    "falco-cat-write",
    "falco-connect-localhost",
    "falco-open-multiple-files",
    "falco-run-as-user-0-container",
    "falco-syscall",
    "libs-curl-google",
    "libs-sample",
    "libs-single-ipv6-conn",
];

/// How many filters are made up.
const MADE_UP: usize = 2000;

/// What tells an event: time, thread, direction. The name of its type is compared by filters on it.
const FORMAT: &str = "%evt.rawtime %thread.tid %evt.dir";

/// One filter on one capture.
struct Case {
    filter: String,
    capture: usize,
}

#[test]
fn the_same_events_pass() {
    let Some(dir) = captures() else {
        return;
    };
    let known = sysdig_fields();
    let pools: Vec<Pool> = CAPTURES
        .iter()
        .map(|c| Pool::new(&dir, c, &known))
        .collect();
    let mut unknown = Vec::new();
    for (pool, capture) in pools.iter().zip(CAPTURES) {
        for name in &pool.different {
            if !DIFFERENT.iter().any(|(known, _)| known == name) {
                unknown.push(format!("{capture}: {name}"));
            }
        }
    }
    let mut cases = Vec::new();
    for filter in listed() {
        for capture in 0..CAPTURES.len() {
            let filter = filter.to_owned();
            cases.push(Case { filter, capture });
        }
    }
    let mut random = Random(0x5ca9);
    for i in 0..MADE_UP {
        // Larger captures say more.
        let capture = [3, 5, 6, 3, 5, 6, 0, 2, 7, 4, 1][i % 11];
        let filter = made_up(&mut random, &pools[capture], &known);
        cases.push(Case { filter, capture });
    }
    let expected = all_of_sysdig(&dir, &cases);
    let actual = all_of_ours(&dir, &cases);
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut compared = 0;
    let mut passed = 0;
    let mut skipped = 0;
    for ((case, expected), actual) in cases.iter().zip(&expected).zip(&actual) {
        let different = &pools[case.capture].different;
        if names(&case.filter)
            .iter()
            .any(|name| different.contains(name))
        {
            skipped += 1;
            continue;
        }
        compared += 1;
        let told = match (expected, actual) {
            (Ok(expected), Ok(actual)) => {
                passed += usize::from(!expected.is_empty());
                difference(expected, actual)
            }
            (Err(_), Err(_)) => None,
            (Err(error), Ok(_)) => Some(format!("sysdig: {error}")),
            (Ok(_), Err(error)) => Some(format!("scap: {error}")),
        };
        if let Some(told) = told {
            let entry = wrong.entry(case.filter.clone()).or_default();
            entry.push(format!("{}: {told}", CAPTURES[case.capture]));
        }
    }
    eprintln!(
        "{compared} runs compared, {passed} with events that pass; {skipped} are about fields with other values; {} filters differ",
        wrong.len()
    );
    let mut report = String::new();
    for (filter, told) in &wrong {
        writeln!(report, "{filter}").unwrap();
        for line in told.iter().take(2) {
            writeln!(report, "    {line}").unwrap();
        }
    }
    assert!(
        wrong.is_empty(),
        "{} filters differ:\n{report}",
        wrong.len()
    );
    assert!(
        passed > compared / 4,
        "{passed} of {compared} filters match anything"
    );
}

/// Fields that have other values than in 0.29.3, with why. What filters make of them cannot be compared on
/// captures where that shows.
const DIFFERENT: &[(&str, &str)] = &[];

/// Returns the fields that a filter mentions.
fn names(filter: &str) -> BTreeSet<String> {
    fn expr(e: &Expr, out: &mut BTreeSet<String>) {
        match &e.kind {
            ExprKind::And(parts) | ExprKind::Or(parts) => parts.iter().for_each(|p| expr(p, out)),
            ExprKind::Not(inner) => expr(inner, out),
            ExprKind::Macro(_) => {}
            ExprKind::Check(check) => {
                if let OperandKind::Field(name) = &check.left.kind {
                    out.insert(name.clone());
                }
            }
        }
    }
    let mut out = BTreeSet::new();
    expr(&parse(filter).unwrap(), &mut out);
    out
}

fn captures() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    if !dir.exists() {
        eprintln!("skipped: {} is absent", dir.display());
        return None;
    }
    match Command::new("sysdig").arg("--version").output() {
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("0.29") => Some(dir),
        _ => {
            eprintln!("skipped: there is no sysdig 0.29");
            None
        }
    }
}

fn listed() -> impl Iterator<Item = &'static str> {
    include_str!("filters.txt")
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
}

#[test]
fn the_list_covers_operators_and_classes() {
    let filters: Vec<&str> = listed().collect();
    assert!(filters.len() >= 150, "{}", filters.len());
    let unique: BTreeSet<_> = filters.iter().collect();
    assert_eq!(unique.len(), filters.len());
    for op in [
        " = ",
        "!=",
        " < ",
        "<=",
        " > ",
        ">=",
        " in ",
        "contains",
        "icontains",
        "startswith",
        "endswith",
        "glob",
        "pmatch",
        "intersects",
        "exists",
        "not",
        "and",
        "or",
    ] {
        assert!(filters.iter().any(|f| f.contains(op)), "{op}");
    }
    for class in [
        "evt.",
        "proc.",
        "thread.",
        "user.",
        "group.",
        "container.",
        "fd.",
        "k8s.",
        "syslog.",
        "fdlist.",
    ] {
        assert!(filters.iter().any(|f| f.contains(class)), "{class}");
    }
    for filter in filters {
        if let Err(error) = Filter::parse(filter) {
            panic!("{filter}: {error} at {:?}", error.span);
        }
    }
}

/// A field of sysdig's with its type, argument included.
struct Known {
    name: String,
    ty: String,
}

/// Fields that sysdig has and of which values can be compared one by one.
fn sysdig_fields() -> Vec<Known> {
    let list = Command::new("sysdig").arg("-lv").output().unwrap();
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let mut known = Vec::new();
    for line in list.lines() {
        let Some((name, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some(ty) = rest.trim_start().strip_prefix("(Type: ") else {
            continue;
        };
        let ty = ty.split(')').next().unwrap_or_default().to_owned();
        let Some(info) = fields::all().find(|f| f.name == name) else {
            continue;
        };
        let skipped = info.flags.contains(FieldFlags::PRINT_ONLY)
            || matches!(info.arg, ArgForm::Index | ArgForm::Key)
            || is_stateful(name)
            || info.unanswerable.is_some();
        if !skipped {
            let name = name.to_owned();
            known.push(Known { name, ty });
        }
    }
    assert!(known.len() > 100, "{}", known.len());
    for (name, ty) in [
        ("evt.arg.fd", "CHARBUF"),
        ("evt.arg.name", "CHARBUF"),
        ("evt.arg.flags", "CHARBUF"),
        ("evt.arg.res", "CHARBUF"),
        ("evt.arg[0]", "CHARBUF"),
        ("evt.arg[1]", "CHARBUF"),
        ("evt.rawarg.fd", "INT64"),
        ("evt.rawarg.res", "INT64"),
        ("evt.rawarg.flags", "UINT32"),
        ("evt.rawarg.size", "UINT32"),
        ("evt.rawarg.name", "CHARBUF"),
        ("evt.type.is.open", "UINT32"),
        ("evt.type.is.read", "UINT32"),
        ("proc.aname[1]", "CHARBUF"),
        ("proc.aname[2]", "CHARBUF"),
        ("proc.apid[1]", "INT64"),
        ("thread.cgroup.cpu", "CHARBUF"),
    ] {
        let (name, ty) = (name.to_owned(), ty.to_owned());
        known.push(Known { name, ty });
    }
    known
}

/// Fields whose value depends on the events that the filter looked at before, or on the machine.
fn is_stateful(name: &str) -> bool {
    name.starts_with("evt.deltatime")
        || name.starts_with("thread.exectime")
        || name.starts_with("thread.totexectime")
        || name.starts_with("thread.cpu")
        || matches!(name, "util.cnt" | "evt.around")
        // Resolved by the machine that reads.
        || matches!(name, "fd.cip.name" | "fd.sip.name" | "fd.lip.name" | "fd.rip.name")
}

/// Values of one capture.
struct Pool {
    values: HashMap<String, Vec<String>>,
    /// Fields that have other values here than there.
    different: BTreeSet<String>,
}

/// What no value has in it.
const BETWEEN: char = '\u{1}';

impl Pool {
    fn new(dir: &Path, capture: &str, known: &[Known]) -> Self {
        let printable: Vec<&str> = known
            .iter()
            .map(|k| k.name.as_str())
            .filter(|name| {
                let info = fields::lookup(name).unwrap().info;
                !info.flags.contains(FieldFlags::FILTER_ONLY)
            })
            .collect();
        let format = |names: &[&str]| {
            let fields: Vec<String> = names.iter().map(|n| format!("%{n}")).collect();
            format!("*{FORMAT}{BETWEEN}{}", fields.join(&BETWEEN.to_string()))
        };
        let mut theirs: HashMap<&str, Vec<String>> = HashMap::new();
        let mut add = |names: &[&'static str]| {
            let Ok(lines) = sysdig(dir, capture, &format(names), "") else {
                return false;
            };
            for (i, name) in names.iter().enumerate() {
                let column = lines.iter().map(|l| column(l, i + 1));
                theirs.insert(name, column.collect());
            }
            true
        };
        let leaked: Vec<&'static str> = printable.iter().map(|n| &*n.to_string().leak()).collect();
        // A few fields make sysdig give up on some captures.
        for names in leaked.chunks(20) {
            if !add(names) {
                names.iter().for_each(|name| {
                    add(&[name]);
                });
            }
        }
        let seen = sysdig(dir, capture, FORMAT, "").unwrap();
        let mut sink = Values {
            template: Template::new(&format(&printable)).unwrap(),
            seen: seen.into_iter().collect(),
            lines: Vec::new(),
        };
        pass(dir, capture, &mut sink);
        let mut values: HashMap<String, Vec<String>> = HashMap::new();
        let mut different = BTreeSet::new();
        for (i, name) in printable.iter().enumerate() {
            let Some(theirs) = theirs.get(name) else {
                continue;
            };
            let ours: Vec<String> = sink.lines.iter().map(|l| column(l, i + 1)).collect();
            if *theirs != ours && !is_printed_otherwise(name) {
                different.insert((*name).to_owned());
            }
            let mut list: Vec<String> = theirs.clone();
            list.sort_unstable();
            list.dedup();
            list.retain(|value| value != "<NA>" && value.len() <= 60);
            values.insert((*name).to_owned(), list);
        }
        for (of, parts) in DERIVED {
            if parts.iter().any(|p| different.contains(*p)) {
                different.insert((*of).to_owned());
            }
            let parts = parts
                .iter()
                .flat_map(|n| values.get(*n).cloned().unwrap_or_default());
            let list: Vec<String> = match of.ends_with("net") {
                // 0.29.3 knows no IPv6 networks.
                true => parts
                    .filter(|ip| !ip.contains(':'))
                    .map(|ip| format!("{ip}/16"))
                    .collect(),
                false => parts.collect(),
            };
            values.insert((*of).to_owned(), list);
        }
        Self { values, different }
    }

    fn pick(&self, random: &mut Random, field: &str) -> Option<&str> {
        let list = self.values.get(field).filter(|l| !l.is_empty())?;
        Some(&list[random.below(list.len())])
    }
}

/// Filter-only fields and the fields that have their values.
const DERIVED: &[(&str, &[&str])] = &[
    ("fd.ip", &["fd.cip", "fd.sip"]),
    ("fd.net", &["fd.cip", "fd.sip"]),
    ("fd.port", &["fd.cport", "fd.sport"]),
    ("fd.proto", &["fd.cport", "fd.sport"]),
    ("fd.cnet", &["fd.cip"]),
    ("fd.snet", &["fd.sip"]),
    ("fd.lnet", &["fd.lip"]),
    ("fd.rnet", &["fd.rip"]),
];

/// Fields that print in another form, while filters on them mean the same.
fn is_printed_otherwise(name: &str) -> bool {
    // The one prints the process itself, the other its ancestors.
    matches!(name, "proc.aname" | "proc.apid")
        // A number that 0.29.3 does not print.
        || name.starts_with("evt.type.is")
}

/// Returns a column of a line as it is printed here.
fn column(line: &str, index: usize) -> String {
    let text = line.split(BETWEEN).nth(index).unwrap_or_default();
    let mut out = Vec::new();
    text::escape(&mut out, text.as_bytes());
    String::from_utf8(out).unwrap()
}

/// Collects what a format prints.
struct Values {
    template: Template,
    seen: HashSet<String>,
    lines: Vec<String>,
}

impl EventSink for Values {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        if self.seen.contains(&key(cx)) {
            let mut line = Vec::new();
            self.template.write(&mut line, cx, BufferFormat::Dots);
            self.lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn key(cx: &Context<'_>) -> String {
    let dir = if cx.event.ty.is_enter() { '>' } else { '<' };
    format!("{} {} {dir}", cx.event.ts.0, cx.event.tid.0)
}

/// Numbers that are the same on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

fn made_up(random: &mut Random, pool: &Pool, known: &[Known]) -> String {
    let one = |random: &mut Random| {
        loop {
            let field = &known[random.below(known.len())];
            if let Some(check) = check(random, pool, field) {
                return match random.below(6) {
                    0 => format!("not {check}"),
                    _ => check,
                };
            }
        }
    };
    match random.below(10) {
        0..=5 => one(random),
        6 => format!("{} and {}", one(random), one(random)),
        7 => format!("{} or {}", one(random), one(random)),
        8 => format!("({} or {}) and {}", one(random), one(random), one(random)),
        _ => format!(
            "not ({} and {}) or {}",
            one(random),
            one(random),
            one(random)
        )
        .replace(") or", ")  or"),
    }
}

fn quoted(value: &str) -> Option<String> {
    let plain = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'_' | b'/' | b'.' | b':' | b'-' | b'%' | b'+' | b'@')
    };
    if value.is_empty()
        || value
            .bytes()
            .any(|b| !(0x20..=0x7e).contains(&b) || matches!(b, b'"' | b'\'' | b'\\'))
    {
        return None;
    }
    Some(match value.bytes().all(plain) {
        true => value.to_owned(),
        false => format!("\"{value}\""),
    })
}

fn check(random: &mut Random, pool: &Pool, field: &Known) -> Option<String> {
    let name = &field.name;
    if random.below(20) == 0 && !matches!(&*field.ty, "IPADDR" | "IPNET") {
        return Some(format!("{name} exists"));
    }
    let value = pool.pick(random, name)?.to_owned();
    let list = |random: &mut Random| {
        let mut values = vec![quoted(&value)?];
        for _ in 0..random.below(4) {
            values.extend(quoted(pool.pick(random, name)?));
        }
        Some(format!("({})", values.join(", ")))
    };
    match &*field.ty {
        "CHARBUF" | "FSPATH" => {
            let op = random.of(&[
                "=",
                "=",
                "!=",
                "in",
                "in",
                "contains",
                "icontains",
                "startswith",
                "endswith",
                "glob",
                "pmatch",
            ]);
            // 0.29.3 checks the value to be a type's name whatever the operator, and refuses patterns.
            let op = match (&**name, op) {
                ("evt.type" | "syscall.type", "=" | "!=" | "in") => op,
                ("evt.type" | "syscall.type", _) => "in",
                ("evt.rawarg.name", "pmatch" | "in") => "=",
                _ => op,
            };
            let part = |random: &mut Random, value: &str| {
                let from = random.below(value.len() + 1);
                let to = from + random.below(value.len() - from + 1);
                value.get(from..to).map(str::to_owned)
            };
            let right = match op {
                "in" | "pmatch" => list(random)?,
                "contains" => quoted(&part(random, &value)?)?,
                "icontains" => quoted(&part(random, &value)?.to_ascii_uppercase())?,
                "startswith" => quoted(value.get(..random.below(value.len() + 1))?)?,
                "endswith" => quoted(value.get(random.below(value.len() + 1)..)?)?,
                "glob" => {
                    let part = part(random, &value)?;
                    let pattern = match random.below(3) {
                        0 => format!("*{part}*"),
                        1 => value.replacen(&part, "*", 1),
                        _ => value
                            .chars()
                            .map(|c| if random.below(4) == 0 { '?' } else { c })
                            .collect(),
                    };
                    if pattern.contains(['"', '[', '\\']) {
                        return None;
                    }
                    format!("\"{pattern}\"")
                }
                _ => quoted(&value)?,
            };
            Some(format!("{name} {op} {right}"))
        }
        "BOOL" => Some(format!(
            "{name} {} {}",
            random.of(&["=", "!="]),
            random.of(&["true", "false"])
        )),
        "IPADDR" | "IPNET" => match random.below(3) {
            0 => Some(format!("{name} in {}", list(random)?)),
            _ => Some(format!("{name} {} {value}", random.of(&["=", "!="]))),
        },
        "BYTEBUF" => None,
        _ => {
            // Numbers print in their own format; those that do not read back are left out.
            value.parse::<i64>().ok()?;
            match random.below(4) {
                // Lists of raw arguments make 0.29.3 crash.
                0 if !name.starts_with("evt.rawarg") => {
                    Some(format!("{name} in {}", list(random)?))
                }
                _ => Some(format!(
                    "{name} {} {value}",
                    random.of(&["=", "!=", "<", "<=", ">", ">="])
                )),
            }
        }
    }
}

type Lines = Result<Vec<String>, String>;

/// Runs sysdig and returns the lines that it prints.
fn sysdig(dir: &Path, capture: &str, format: &str, filter: &str) -> Lines {
    let mut command = Command::new("sysdig");
    command
        .arg("-r")
        .arg(dir.join(format!("{capture}.scap")))
        .arg("-p")
        .arg(format);
    if !filter.is_empty() {
        command.arg(filter);
    }
    let output = command.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().map(str::to_owned).collect())
}

/// Runs sysdig on all cases, on all cores.
fn all_of_sysdig(dir: &Path, cases: &[Case]) -> Vec<Lines> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![Ok(Vec::new()); cases.len()]);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else {
                        return;
                    };
                    let lines = sysdig(dir, CAPTURES[case.capture], FORMAT, &case.filter);
                    results.lock().unwrap_or_else(PoisonError::into_inner)[index] = lines;
                }
            });
        }
    });
    results.into_inner().unwrap()
}

/// Runs all cases here, those of a capture in one pass.
fn all_of_ours(dir: &Path, cases: &[Case]) -> Vec<Lines> {
    let mut results: Vec<Lines> = vec![Ok(Vec::new()); cases.len()];
    for (capture, name) in CAPTURES.iter().enumerate() {
        let seen: HashSet<String> = sysdig(dir, name, FORMAT, "").unwrap().into_iter().collect();
        let mut filters = Vec::new();
        for (index, case) in cases
            .iter()
            .enumerate()
            .filter(|(_, c)| c.capture == capture)
        {
            match Filter::parse(&case.filter) {
                Ok(filter) => filters.push((index, filter)),
                Err(error) => results[index] = Err(error.to_string()),
            }
        }
        let mut sink = Sink {
            filters,
            seen,
            results: &mut results,
        };
        pass(dir, name, &mut sink);
    }
    results
}

/// Sends a capture to a sink.
fn pass(dir: &Path, capture: &str, sink: &mut dyn EventSink) {
    let file = File::open(dir.join(format!("{capture}.scap"))).unwrap();
    let mut source = SysdigSource::new(file).unwrap();
    let mut session = Session::new(None, BufferFormat::Dots, TimeFormat::Human);
    let mut all = Selection::default();
    replay(&mut source, &mut State::new(), &mut session, &mut all, sink).unwrap();
}

struct Sink<'a> {
    filters: Vec<(usize, Filter)>,
    /// Events that sysdig shows at all.
    seen: HashSet<String>,
    results: &'a mut [Lines],
}

impl EventSink for Sink<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        let line = key(cx);
        for (index, filter) in &mut self.filters {
            if filter.matches(cx)
                && self.seen.contains(&line)
                && let Ok(lines) = &mut self.results[*index]
            {
                lines.push(line.clone());
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn difference(expected: &[String], actual: &[String]) -> Option<String> {
    if expected == actual {
        return None;
    }
    let missing: Vec<&String> = expected.iter().filter(|l| !actual.contains(l)).collect();
    let more: Vec<&String> = actual.iter().filter(|l| !expected.contains(l)).collect();
    Some(format!(
        "sysdig {}, scap {}; {} missing {:?}, {} too many {:?}",
        expected.len(),
        actual.len(),
        missing.len(),
        missing.first(),
        more.len(),
        more.first()
    ))
}
