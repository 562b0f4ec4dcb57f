//! Tests of rules: a YAML file beside the rules and a capture, with the alerts that are expected.

use std::collections::BTreeMap;

use super::node::{Item, Read};
use super::report::{Code, Finding, Step};
use super::yaml::{self, Kind, Mark};

/// What is expected of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// How many alerts it gives.
    pub count: Option<u64>,
    /// The numbers of the events that give them.
    pub events: Option<Vec<u64>>,
}

/// A test file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestFile {
    /// Rule files, relative to the test file.
    pub rules: Vec<String>,
    /// Captures, likewise.
    pub captures: Vec<String>,
    /// Audit logs, likewise.
    pub audit: Vec<String>,
    /// Every matching rule gives an alert, not only the first.
    pub all: bool,
    /// What is expected, by rule; all other rules are to give no alert.
    pub expect: BTreeMap<String, Expected>,
}

const KEYS: [&str; 5] = ["rules", "capture", "audit", "matching", "expect"];

impl TestFile {
    /// Reads a test file.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place.
    pub fn parse(text: &str) -> Result<Self, Box<Finding>> {
        let documents = yaml::parse(text).map_err(|error| {
            Box::new(Finding {
                code: Code::YamlParse,
                message: error.message,
                hint: None,
                context: vec![step(error.mark)],
                span: error.mark.offset..error.mark.offset,
            })
        })?;
        let [node] = &documents[..] else {
            return Err(Box::new(Finding {
                code: Code::YamlValidate,
                message: "a test is one map".to_owned(),
                hint: None,
                context: vec![step(Mark::default())],
                span: 0..0,
            }));
        };
        let item = Item {
            node,
            context: vec![step(node.mark)],
        };
        let mut unknown = Vec::new();
        item.check_keys(&KEYS, &mut unknown);
        if let Some(finding) = unknown.pop() {
            return Err(Box::new(Finding {
                code: Code::YamlValidate,
                ..finding
            }));
        }
        let files = |key: &str| -> Read<Vec<String>> {
            match item.has(key) {
                true => Ok(item.one_or_more(key)?.items().to_vec()),
                false => Ok(Vec::new()),
            }
        };
        let all = match item.optional_text("matching")? {
            None | Some("first") => false,
            Some("all") => true,
            Some(_) => return item.fail(Code::YamlValidate, "'matching' is first or all"),
        };
        let test = Self {
            rules: item.one_or_more("rules")?.items().to_vec(),
            captures: files("capture")?,
            audit: files("audit")?,
            all,
            expect: expectations(&item)?,
        };
        match test.captures.is_empty() && test.audit.is_empty() {
            true => item.fail(Code::YamlValidate, "a test has a 'capture' or an 'audit'"),
            false => Ok(test),
        }
    }
}

fn step(mark: Mark) -> Step {
    Step {
        item: "rules content",
        name: String::new(),
        mark,
    }
}

fn expectations(item: &Item<'_>) -> Read<BTreeMap<String, Expected>> {
    let mut expect = BTreeMap::new();
    let node = item.required("expect")?;
    let within = item.within("expect", "", node);
    for (name, value) in node.entries() {
        let rule = within.scalar(name)?.to_owned();
        let number = |text: &str| match text.parse() {
            Ok(number) => Ok(number),
            Err(_) => within.fail(Code::YamlValidate, format!("'{text}' is not a number")),
        };
        let expected = match &value.kind {
            Kind::Scalar(text) => Expected {
                count: Some(number(text)?),
                events: None,
            },
            _ => {
                let inner = within.within("expect", &rule, value);
                let events = match inner.has("events") {
                    true => {
                        let events = inner.strings("events")?;
                        Some(
                            events
                                .iter()
                                .map(|text| number(text))
                                .collect::<Read<_>>()?,
                        )
                    }
                    false => None,
                };
                Expected {
                    count: inner.number("count")?,
                    events,
                }
            }
        };
        expect.insert(rule, expected);
    }
    Ok(expect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_read() {
        let text = "
rules: [a.yaml]
capture: c.scap
expect:
  One rule: 2
  Other: {events: [3, 7]}
";
        let test = TestFile::parse(text).unwrap();
        assert_eq!(
            (&test.rules[..], &test.captures[..]),
            (&["a.yaml".to_owned()][..], &["c.scap".to_owned()][..])
        );
        assert_eq!(test.expect["One rule"].count, Some(2));
        assert_eq!(test.expect["Other"].events, Some(vec![3, 7]));
        for (text, message) in [
            ("", "a test is one map"),
            (
                "rules: a\nexpect: {}\n",
                "a test has a 'capture' or an 'audit'",
            ),
            (
                "rules: a\ncapture: c\n",
                "Item has no mapping for key 'expect'",
            ),
            (
                "rules: a\ncapture: c\nexpect: {r: many}\n",
                "'many' is not a number",
            ),
            (
                "rules: a\ncapture: c\nexpects: {r: 1}\n",
                "Unknown key 'expects'",
            ),
            ("rules: [\n", "bracket"),
        ] {
            let error = TestFile::parse(text).unwrap_err();
            assert!(error.message.contains(message), "{}", error.message);
        }
    }
}
