//! The conditions of Falco's stock rules are filters here.
//!
//! The rules are other people's and not part of the project: the tests look for them beside it and say
//! so where they are absent.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::{fs, io};

use crate::common::extra_data;
use scap::event::bytes::BufferFormat;
use scap::fields::{Context, Session, TimeFormat};
use scap::filter::{Definitions, Filter, FilterError};
use scap::replay::{self, EventSink, EventSource as _, SysdigSource};
use serde::Deserialize;

/// An item of a rule file, as far as conditions go.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    list: Option<String>,
    items: Vec<String>,
    r#macro: Option<String>,
    rule: Option<String>,
    condition: Option<String>,
    exceptions: Vec<Exception>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Exception {
    fields: Texts,
    comps: Texts,
    values: Vec<Value>,
}

/// One text or several.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
    #[default]
    None,
}

/// A value of an exception, which can be a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    One(String),
    Many(Vec<Self>),
}

fn quoted(text: &str) -> String {
    match text.contains(' ') && !text.starts_with(['"', '\'']) {
        true => format!("\"{text}\""),
        false => text.to_owned(),
    }
}

impl Value {
    /// As it is written in a condition; a list operator needs brackets around a single value.
    fn text(&self, list: bool) -> String {
        match self {
            Self::One(text) if list && !text.starts_with('(') => format!("({})", quoted(text)),
            Self::One(text) => quoted(text),
            Self::Many(values) => {
                let values: Vec<String> = values.iter().map(|v| v.text(false)).collect();
                format!("({})", values.join(", "))
            }
        }
    }
}

fn takes_list(op: &str) -> bool {
    let word = op.split(' ').next_back().unwrap_or_default();
    matches!(
        word,
        "in" | "intersects" | "pmatch" | "anyof" | "allof" | "oneof"
    )
}

impl Exception {
    /// The condition that an event is an exception; none without values.
    fn text(&self) -> Option<String> {
        if self.values.is_empty() {
            return None;
        }
        match &self.fields {
            Texts::One(field) => {
                let op = match &self.comps {
                    Texts::One(op) => op,
                    _ => "in",
                };
                let values: Vec<String> = self.values.iter().map(|v| v.text(false)).collect();
                Some(format!("({field} {op} ({}))", values.join(", ")))
            }
            Texts::Many(fields) => {
                let row = |value: &Value| {
                    let Value::Many(values) = value else {
                        panic!("a list of values is expected: {value:?}");
                    };
                    let parts = fields
                        .iter()
                        .zip(values)
                        .enumerate()
                        .map(|(i, (field, value))| {
                            let op = match &self.comps {
                                Texts::Many(ops) => &ops[i],
                                _ => "=",
                            };
                            format!("{field} {op} {}", value.text(takes_list(op)))
                        });
                    format!("({})", parts.collect::<Vec<_>>().join(" and "))
                };
                Some(format!(
                    "({})",
                    self.values.iter().map(row).collect::<Vec<_>>().join(" or ")
                ))
            }
            Texts::None => None,
        }
    }
}

/// The condition of a rule with its exceptions.
fn condition(item: &Item) -> String {
    let mut text = format!("({})", item.condition.as_deref().unwrap_or_default());
    for exception in item.exceptions.iter().filter_map(Exception::text) {
        text.push_str(" and not ");
        text.push_str(&exception);
    }
    text
}

fn load(text: &str) -> (Definitions, Vec<(String, String)>) {
    let items: Vec<Item> = serde_saphyr::from_str(text).unwrap();
    let mut definitions = Definitions::new();
    let mut rules = Vec::new();
    for item in items {
        if let Some(name) = &item.list {
            definitions.add_list(name, item.items);
        } else if let Some(name) = &item.r#macro {
            let condition = item.condition.as_deref().unwrap_or_default();
            if let Err(error) = definitions.add_macro(name, condition) {
                panic!("macro {name}: {}", describe(condition, &error));
            }
            rules.push((format!("macro {name}"), name.clone()));
        } else if let Some(name) = &item.rule {
            rules.push((name.clone(), condition(&item)));
        }
    }
    (definitions, rules)
}

fn describe(text: &str, error: &FilterError) -> String {
    let part = text.get(error.span.clone()).unwrap_or_default();
    format!("{error} at {:?} ({part}); {:?}", error.span, error.hint)
}

#[test]
fn stock_rules_compile() {
    let Some(path) = extra_data("rules/falco_rules.yaml") else {
        return;
    };
    let (definitions, rules) = load(&fs::read_to_string(path).unwrap());
    assert!(rules.len() > 100, "{} rules and macros", rules.len());
    for (name, condition) in rules {
        match Filter::with_definitions(&condition, &definitions) {
            Ok(filter) => {
                // Every stock rule says which events it is about.
                if !name.starts_with("macro ") {
                    assert!(!filter.pushdown().types.is_all(), "{name}");
                    assert!(filter.pushdown().enters.is_empty(), "{name}");
                }
            }
            Err(error) => panic!("{name}: {}", describe(&condition, &error)),
        }
    }
}

/// Macros whose count of events is looked at; nobody breaks a rule in the captures.
const MACROS: &[&str] = &[
    "macro container",
    "macro create_symlink",
    "macro dup",
    "macro open_write",
    "macro outbound",
    "macro spawned_process",
    "macro system_users",
];

/// What has to be found, and on how many events, by capture.
const FOUND: &[(&str, &str, usize)] = &[
    ("docker-curl-https", "macro spawned_process", 1),
    ("docker-curl-https", "macro container", 2358),
    // Two more, as it was written, went to an address that is not known.
    ("docker-curl-https", "macro outbound", 8),
    ("falco-cat-write", "macro spawned_process", 1),
    ("falco-connect-localhost", "macro system_users", 2),
    ("falco-open-multiple-files", "macro container", 39),
    ("falco-run-as-user-0-container", "macro spawned_process", 2),
    ("falco-run-as-user-0-container", "macro container", 464),
    ("falco-run-as-user-0-container", "macro system_users", 60),
    ("falco-syscall", "macro system_users", 4),
    ("libs-0.26-container", "macro open_write", 8),
    ("libs-0.26-container", "macro spawned_process", 12),
    ("libs-0.26-container", "macro create_symlink", 6),
    ("libs-0.26-container", "macro dup", 14),
    ("libs-0.26-container", "macro container", 6581),
    ("libs-curl-google", "macro spawned_process", 1),
    ("libs-curl-google", "macro outbound", 2),
    ("libs-single-ipv6-conn", "macro system_users", 18),
    ("libs-single-ipv6-conn", "macro outbound", 1),
    ("sysdig-0.40-container", "macro open_write", 6),
    ("sysdig-0.40-container", "macro spawned_process", 20),
    ("sysdig-0.40-container", "macro create_symlink", 12),
    ("sysdig-0.40-container", "macro dup", 22),
    ("sysdig-0.40-container", "macro container", 6926),
];

#[test]
fn stock_rules_judge_the_captures() {
    let (Some(rules), Some(dir)) = (extra_data("rules/falco_rules.yaml"), extra_data("captures"))
    else {
        return;
    };
    let (definitions, rules) = load(&fs::read_to_string(rules).unwrap());
    let mut found = Vec::new();
    let mut captures: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "scap"))
        .collect();
    captures.sort();
    for path in captures {
        let filters = rules.iter().map(|(name, condition)| {
            let filter = Filter::with_definitions(condition, &definitions).unwrap();
            (name.clone(), filter, 0)
        });
        let mut judge = Judge(filters.collect());
        let mut source = SysdigSource::new(fs::File::open(&path).unwrap()).unwrap();
        let arch = replay::arch(source.header());
        let session = Session::new(arch, BufferFormat::Dots, TimeFormat::Human);
        replay::replay_all(&mut source, session, &mut judge).unwrap();
        let capture = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for (rule, _, count) in judge.0 {
            let counts = MACROS.contains(&&*rule) || !rule.starts_with("macro ");
            if count > 0 && counts {
                found.push((capture.clone(), rule, count));
            }
        }
    }
    let found: Vec<(&str, &str, usize)> = found.iter().map(|(c, r, n)| (&**c, &**r, *n)).collect();
    assert_eq!(found, FOUND);
}

/// Filters with the number of events that each let pass.
pub(crate) struct Judge(pub(crate) Vec<(String, Filter, usize)>);

impl EventSink for Judge {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        for (_, filter, count) in &mut self.0 {
            *count += usize::from(filter.matches(cx));
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn exceptions_become_conditions() {
    let text = "
- list: shells
  items: [sh, 'my shell', '\"(quoted)\"', 80, yes]
- rule: r
  condition: evt.type = open or evt.type = openat
  exceptions:
    - name: a
      fields: [proc.name, fd.directory]
      comps: [=, in]
      values:
        - [cat, [/etc, /usr]]
        - [my cat, /tmp]
    - name: b
      fields: proc.name
      values: [shells, '\"a(b)\"']
    - name: c
      fields: [proc.name]
      values: [[x], [z]]
    - name: none
      fields: [proc.name]
    - name: d
      fields: proc.cmdline
      comps: startswith anyof
      values: [ls, cat /etc]
";
    let (definitions, rules) = load(text);
    let (_, condition) = &rules[0];
    assert_eq!(
        condition,
        "(evt.type = open or evt.type = openat) \
         and not ((proc.name = cat and fd.directory in (/etc, /usr)) or \
         (proc.name = \"my cat\" and fd.directory in (/tmp))) \
         and not (proc.name in (shells, \"a(b)\")) \
         and not ((proc.name = x) or (proc.name = z)) \
         and not (proc.cmdline startswith anyof (ls, \"cat /etc\"))"
    );
    if let Err(error) = Filter::with_definitions(condition, &definitions) {
        panic!("{}", describe(condition, &error));
    }
}

/// Every field of the three stock files with every operator that its rules use, where the operator
/// applies to the field at all.
#[test]
fn fields_and_operators_of_all_stock_files_are_known() {
    let Some(path) = extra_data("reference/rules-usage.csv") else {
        return;
    };
    let text = fs::read_to_string(path).unwrap();
    let mut pairs = BTreeSet::new();
    for line in text.lines().skip(1) {
        let columns = columns(line);
        for field in columns[10].split(' ').filter(|f| !f.is_empty()) {
            for op in columns[8]
                .split(' ')
                .filter(|o| !matches!(*o, "and" | "or" | "not" | ""))
            {
                pairs.insert((field.to_owned(), op.to_owned()));
            }
        }
        for field in columns[11].split(' ').filter(|f| !f.is_empty()) {
            pairs.insert((field.to_owned(), "exists".to_owned()));
        }
    }
    assert!(pairs.len() > 500);
    for (field, op) in &pairs {
        let text = |value: &str| match &**op {
            "exists" => format!("{field} exists"),
            "in" | "intersects" | "pmatch" => format!("{field} {op} ({value})"),
            op => format!("{field} {op} {value}"),
        };
        let values = ["open", "1", "true", "10.0.0.1", "10.0.0.0/8", "61"];
        let fits = values
            .iter()
            .any(|value| Filter::parse(&text(value)).is_ok());
        let error = Filter::parse(&text("open"))
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        // The table does not say which operator belongs to which field of a rule.
        let other = error.contains("does not apply") || error.contains("can only be printed");
        assert!(fits || other, "{}: {error}", text("…"));
    }
}

/// Splits a line of CSV.
fn columns(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            c => columns.last_mut().unwrap().push(c),
        }
    }
    columns
}
