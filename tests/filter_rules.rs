//! The conditions of Falco's stock rules are filters here.
//!
//! The rules are other people's and not part of the project: the tests look for them beside it and say
//! so where they are absent.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::print_stderr, reason = "says what is skipped")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use scap::filter::{Definitions, Filter, FilterError};
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

fn shared(path: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is absent", path.display());
    None
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
                panic!("macro {name}: {}", told(condition, &error));
            }
            rules.push((format!("macro {name}"), name.clone()));
        } else if let Some(name) = &item.rule {
            rules.push((name.clone(), condition(&item)));
        }
    }
    (definitions, rules)
}

fn told(text: &str, error: &FilterError) -> String {
    let part = text.get(error.span.clone()).unwrap_or_default();
    format!("{error} at {:?} ({part}); {:?}", error.span, error.hint)
}

#[test]
fn stock_rules_compile() {
    let Some(path) = shared("rules/falco_rules.yaml") else {
        return;
    };
    let (definitions, rules) = load(&fs::read_to_string(path).unwrap());
    assert!(rules.len() > 100, "{} rules and macros", rules.len());
    for (name, condition) in rules {
        match Filter::with_definitions(&condition, &definitions) {
            Ok(filter) => {
                // Every stock rule says which events it is about.
                if !name.starts_with("macro ") {
                    assert!(!filter.reach().types.is_all(), "{name}");
                    assert!(!filter.reach().wants_enter, "{name}");
                }
            }
            Err(error) => panic!("{name}: {}", told(&condition, &error)),
        }
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
        panic!("{}", told(condition, &error));
    }
}

/// Every field of the three stock files with every operator that its rules use, where the operator
/// applies to the field at all.
#[test]
fn fields_and_operators_of_all_stock_files_are_known() {
    let Some(path) = shared("reference/rules-usage.csv") else {
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
        let other = error.contains("does not apply") || error.contains("nothing to compare");
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
