//! Alerts as lines and as JSON objects, in Falco's formats.

use std::io::Write as _;

use scap_capture_format::event::Timestamp;
use scap_capture_format::native::MachineInfo;

use super::engine::Match;
use super::rule::Rule;
use crate::event::bytes::BufferFormat;
use crate::event::{number, time};
use crate::fields::Context;
use crate::format::{Template, TemplateError, json};

/// How alerts are printed.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// JSON objects instead of lines.
    pub json: bool,
    /// Times with date and zone.
    pub iso8601: bool,
    /// JSON has the line.
    pub output: bool,
    /// JSON has the line without time and priority.
    pub message: bool,
    /// JSON has the fields of the output.
    pub fields: bool,
    /// JSON has the tags.
    pub tags: bool,
    /// JSON has the number of the event, the processes and the events before, below `scap`.
    pub evidence: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            json: false,
            iso8601: false,
            output: true,
            message: false,
            fields: true,
            tags: true,
            evidence: true,
        }
    }
}

/// The compiled outputs of all rules.
#[derive(Debug)]
pub struct Printer {
    style: Style,
    rules: Vec<Outputs>,
    evidence: Template,
    line: Vec<u8>,
}

#[derive(Debug)]
struct Outputs {
    /// Time, priority and message.
    line: Template,
    message: Template,
}

/// What JSON has of every event besides Falco's members.
const EVIDENCE: &str = "*%evt.num%evt.rawtime%evt.type%thread.tid%proc.pid%proc.name%proc.exepath%proc.cmdline%proc.ppid%proc.pname%proc.aname[2]%proc.aname[3]%proc.aname[4]%proc.apid[2]%proc.apid[3]%proc.apid[4]%container.id%user.name";

impl Printer {
    /// Compiles the outputs of rules, which were checked when they were loaded.
    ///
    /// # Errors
    ///
    /// If an output is invalid after all.
    pub fn new(rules: &[Rule], style: Style) -> Result<Self, TemplateError> {
        let outputs = |rule: &Rule| {
            let time = if style.iso8601 {
                "evt.time.iso8601"
            } else {
                "evt.time"
            };
            let text = format!("*%{time}: {} {}", rule.priority.name(), rule.output);
            let line = Template::new(&text)?
                .with_numeric_times()
                .without_transformers();
            let message = Template::new(&format!("*{}", rule.output))?;
            Ok(Outputs { line, message })
        };
        Ok(Self {
            style,
            rules: rules.iter().map(outputs).collect::<Result<_, _>>()?,
            evidence: Template::new(EVIDENCE)?.with_numeric_times(),
            line: Vec::new(),
        })
    }

    /// Appends an alert with its line break. `capture` names the file, if there are several.
    pub fn print(
        &mut self,
        out: &mut Vec<u8>,
        cx: &Context<'_>,
        found: &Match<'_>,
        capture: Option<&str>,
    ) {
        const BUFFERS: BufferFormat = BufferFormat::Dots;
        let Some(outputs) = self.rules.get_mut(found.index) else {
            return;
        };
        if !self.style.json {
            outputs.line.write(out, cx, BUFFERS);
            out.push(b'\n');
            return;
        }
        let mut members = Members { out, first: true };
        let machine: &MachineInfo = &cx.session.machine;
        members.text("hostname", machine.host_name.as_bytes());
        if self.style.message {
            self.line.clear();
            outputs.message.write(&mut self.line, cx, BUFFERS);
            members.rendered("message", &self.line);
        }
        if self.style.output {
            self.line.clear();
            outputs.line.write(&mut self.line, cx, BUFFERS);
            members.rendered("output", &self.line);
        }
        if self.style.fields {
            members.name("output_fields");
            outputs.line.write_json(members.out, cx, BUFFERS);
        }
        members.text("priority", found.rule.priority.name().as_bytes());
        members.text("rule", found.rule.name.as_bytes());
        if self.style.evidence {
            members.name("scap");
            self.evidence.write_json(members.out, cx, BUFFERS);
            // The object continues.
            members.out.pop();
            let mut inner = Members {
                out: &mut *members.out,
                first: false,
            };
            if let Some(capture) = capture {
                inner.text("capture", capture.as_bytes());
            }
            if !found.earlier.is_empty() {
                inner.name("earlier");
                inner.out.push(b'[');
                for (index, (event, _)) in found.earlier.iter().enumerate() {
                    if index > 0 {
                        inner.out.push(b',');
                    }
                    number::udec(inner.out, *event);
                }
                inner.out.push(b']');
            }
            inner.out.push(b'}');
        }
        members.rule(found.rule, self.style.tags);
        members.time(cx.event.ts);
        out.extend_from_slice(b"}\n");
    }

    /// Appends a JSON object that stands for alerts of a rule which were left out.
    pub fn left_out(out: &mut Vec<u8>, rule: &Rule, count: u64, time: Timestamp) {
        let mut members = Members { out, first: true };
        members.name("left_out");
        number::udec(members.out, count);
        members.text("priority", rule.priority.name().as_bytes());
        members.text("rule", rule.name.as_bytes());
        members.rule(rule, true);
        members.time(time);
        out.push(b'}');
    }
}

/// Writes the members of an object.
struct Members<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl Members<'_> {
    fn name(&mut self, name: &str) {
        self.out.push(if std::mem::take(&mut self.first) {
            b'{'
        } else {
            b','
        });
        json::string(self.out, name.as_bytes());
        self.out.push(b':');
    }

    fn text(&mut self, name: &str, text: &[u8]) {
        self.name(name);
        json::string(self.out, text);
    }

    /// Writes what is the same in all alerts of a rule.
    fn rule(&mut self, rule: &Rule, tags: bool) {
        self.text("source", rule.source.name().as_bytes());
        if !tags {
            return;
        }
        self.name("tags");
        self.out.push(b'[');
        for (index, tag) in rule.tags.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            json::string(self.out, tag.as_bytes());
        }
        self.out.push(b']');
    }

    fn time(&mut self, time: Timestamp) {
        self.name("time");
        match time.known() {
            Some(ns) => {
                let text = time::iso8601(ns, 0);
                let text = text.strip_suffix("+00:00").unwrap_or(&text);
                // Writing to memory cannot fail.
                let _always = write!(self.out, "\"{text}Z\"");
            }
            None => self.out.extend_from_slice(b"null"),
        }
    }

    /// Writes text that is escaped already.
    fn rendered(&mut self, name: &str, text: &[u8]) {
        self.name(name);
        json::rendered(self.out, text);
    }
}
