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
use scap::event::{EventExt as _, Occurrence, syscall};
use scap::filter::Filter;
use scap::filter::fields::{self, ArgForm, Context, FieldFlags, Session, TimeFormat};
use scap::replay::{EventSink, SysdigSource, replay};
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
    // The longest first, so that the end is even.
    let expected = all_of_sysdig(&dir, &cases);
    let actual = all_of_ours(&dir, &cases);
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut compared = 0;
    let mut passed = 0;
    for ((case, expected), actual) in cases.iter().zip(&expected).zip(&actual) {
        if differs_on_purpose(&case.filter).is_some() {
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
        "{compared} runs compared, {passed} with events that pass, {} filters differ",
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

/// Filters that are deliberately not as in 0.29.3, with why.
fn differs_on_purpose(_filter: &str) -> Option<&'static str> {
    None
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
}

impl Pool {
    fn new(dir: &Path, capture: &str, known: &[Known]) -> Self {
        /// What no value has in it.
        const BETWEEN: &str = "\u{1}";
        let printable: Vec<&str> = known
            .iter()
            .map(|k| k.name.as_str())
            .filter(|name| {
                let info = fields::lookup(name).unwrap().info;
                !info.flags.contains(FieldFlags::FILTER_ONLY)
            })
            .collect();
        let mut values: HashMap<String, Vec<String>> = HashMap::new();
        let mut add = |names: &[&str]| {
            let format: Vec<String> = names.iter().map(|n| format!("%{n}")).collect();
            let format = format!("*{}{BETWEEN}", format.join(BETWEEN));
            let Ok(lines) = sysdig(dir, capture, &format, "") else {
                return false;
            };
            for line in lines {
                let parts: Vec<&str> = line.split(BETWEEN).collect();
                if parts.len() != names.len() + 1 {
                    continue;
                }
                for (name, value) in names.iter().zip(parts) {
                    if value != "<NA>" && value.len() <= 60 {
                        let list = values.entry((*name).to_owned()).or_default();
                        list.push(value.to_owned());
                    }
                }
            }
            true
        };
        // A few fields make sysdig give up on some captures.
        for names in printable.chunks(20) {
            if !add(names) {
                names.iter().for_each(|name| {
                    add(&[name]);
                });
            }
        }
        for list in values.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        let ends = |values: &HashMap<String, Vec<String>>, names: &[&str]| {
            names
                .iter()
                .flat_map(|n| values.get(*n).cloned().unwrap_or_default())
                .collect::<Vec<_>>()
        };
        let ips = ends(&values, &["fd.cip", "fd.sip"]);
        let ports = ends(&values, &["fd.cport", "fd.sport"]);
        for net in ["fd.net", "fd.cnet", "fd.snet", "fd.lnet", "fd.rnet"] {
            let nets = ips.iter().map(|ip| match ip.contains(':') {
                true => format!("{ip}/64"),
                false => format!("{ip}/16"),
            });
            // 0.29.3 knows no IPv6 networks.
            values.insert(net.to_owned(), nets.filter(|n: &String| !n.contains(':')).collect());
        }
        values.insert("fd.ip".to_owned(), ips);
        values.insert("fd.port".to_owned(), ports.clone());
        values.insert("fd.proto".to_owned(), ports);
        Self { values }
    }

    fn pick(&self, random: &mut Random, field: &str) -> Option<&str> {
        let list = self.values.get(field).filter(|l| !l.is_empty())?;
        Some(&list[random.below(list.len())])
    }
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
    let mut one = |random: &mut Random| {
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
                0 if !name.starts_with("evt.rawarg") => Some(format!("{name} in {}", list(random)?)),
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
        let file = File::open(dir.join(format!("{name}.scap"))).unwrap();
        let mut source = SysdigSource::new(file).unwrap();
        let mut session = Session::new(None, BufferFormat::Dots, TimeFormat::Human);
        replay(&mut source, &mut State::new(), &mut session, &mut sink).unwrap();
    }
    results
}

struct Sink<'a> {
    filters: Vec<(usize, Filter)>,
    /// Events that sysdig shows at all.
    seen: HashSet<String>,
    results: &'a mut [Lines],
}

impl EventSink for Sink<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        let event = cx.event;
        let dir = if event.ty.is_enter() { '>' } else { '<' };
        let line = format!("{} {} {dir}", event.ts.0, event.tid.0);
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
