//! `scap detect --why` and `--why-not`.

use std::io;
use std::ops::ControlFlow;

use super::replay::Counting;
use crate::cli::error::{CliError, Outcome};
use crate::cli::output::Output;
use crate::event::EventExt as _;
use crate::event::number::grouped;
use crate::event::text;
use crate::fields::Context;
use crate::filter::When;
use crate::replay::EventSink;
use crate::rules::{Explainer, Line, Rule, RuleSet, Source, blame};

/// How many of the nearest events are shown.
const NEAREST: usize = 3;

/// What is to be explained.
pub(super) enum Question {
    /// The event of this number, or the first one that the rule matches.
    Why(Option<u64>),
    /// The events that came nearest.
    WhyNot,
}

/// Finds the rule of a name, or of a part of one that no other rule's has.
pub(super) fn rule<'r>(rules: &'r RuleSet, name: &str) -> Result<&'r Rule, CliError> {
    if let Some(rule) = rules.rules().iter().find(|rule| rule.name == name) {
        return Ok(rule);
    }
    let lower = name.to_lowercase();
    let mut found = rules
        .rules()
        .iter()
        .filter(|rule| rule.name.to_lowercase().contains(&lower));
    match (found.next(), found.next()) {
        (Some(rule), None) => Ok(rule),
        (None, _) => Err(CliError::usage(format!("no rule has `{name}` in its name"))
            .hint("`scap rules list` lists them")),
        (Some(one), Some(two)) => Err(CliError::usage(format!(
            "`{name}` can be `{}`, `{}` and more",
            one.name, two.name
        ))),
    }
}

/// Parses the event number of `--at`.
pub(super) fn number(text: &str) -> Result<u64, CliError> {
    let with_sign = format!("#{}", text.trim_start_matches('#'));
    match When::parse(&with_sign) {
        Ok(When::Event(number)) => Ok(number),
        _ => Err(CliError::usage(format!(
            "--at {text}: not the number of an event"
        ))),
    }
}

/// Explains events as they pass.
pub(super) struct Answer<'a> {
    explainer: Explainer,
    question: Question,
    name: String,
    output: &'a mut Output,
    answered: bool,
    /// The nearest events so far: distance, what was missing, number, the tree, and how many events were like it.
    nearest: Vec<Near>,
    candidates: u64,
}

struct Near {
    distance: u32,
    number: u64,
    missing: Vec<String>,
    lines: Vec<Line>,
    count: u64,
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        explainer: Explainer,
        question: Question,
        name: &str,
        output: &'a mut Output,
    ) -> Self {
        Self {
            explainer,
            question,
            name: name.to_owned(),
            output,
            answered: false,
            nearest: Vec::new(),
            candidates: 0,
        }
    }

    fn is_candidate(&self, cx: &Context<'_>) -> bool {
        use scap_capture_format::schema::types;
        let is_audit = cx.event.ty == types::PLUGINEVENT_E;
        let is_exit = cx.event.ty.is_exit() || is_audit;
        is_exit
            && !cx.event.is_internal()
            && is_audit == (self.explainer.source == Source::K8sAudit)
            && self.explainer.types.contains(cx.event.ty)
    }

    fn print(&mut self, number: u64, lines: &[Line], holds: bool) -> io::Result<()> {
        let verb = if holds { "matches" } else { "does not match" };
        let out = self.output.buffer();
        out.extend_from_slice(format!("rule `{}` {verb} event {number}\n", self.name).as_bytes());
        tree(out, lines);
        self.output.written()
    }

    fn remember(&mut self, number: u64, distance: u32, lines: Vec<Line>) {
        let missing: Vec<String> = blame(&lines)
            .into_iter()
            .map(|line| line.text.clone())
            .collect();
        if let Some(known) = self.nearest.iter_mut().find(|near| near.missing == missing) {
            known.count += 1;
            return;
        }
        self.nearest.push(Near {
            distance,
            number,
            missing,
            lines,
            count: 1,
        });
        // The first of equal ones stays.
        self.nearest.sort_by_key(|near| near.distance);
        self.nearest.truncate(8 * NEAREST);
    }

    /// Prints what can be said only at the end.
    pub(super) fn finish(mut self) -> Result<Outcome, CliError> {
        let fail = |error: io::Error| CliError::output(&error);
        match self.question {
            Question::Why(_) if self.answered => {}
            Question::Why(Some(number)) => {
                return Err(CliError::failed(format!(
                    "there is no event {number} that rules look at"
                )));
            }
            Question::Why(None) => {
                return Err(
                    CliError::failed(format!("the rule `{}` matches no event", self.name))
                        .hint("`--why-not` shows which events came nearest"),
                );
            }
            Question::WhyNot => {
                let head = format!(
                    "{} events are of a type that rule `{}` looks at\n",
                    grouped(self.candidates),
                    self.name
                );
                self.output.buffer().extend_from_slice(head.as_bytes());
                let nearest = std::mem::take(&mut self.nearest);
                for near in nearest.iter().take(NEAREST) {
                    let events = match near.count {
                        1 => format!("event {}", near.number),
                        count => {
                            format!("event {} and {} like it", near.number, grouped(count - 1))
                        }
                    };
                    let out = self.output.buffer();
                    out.extend_from_slice(format!("\n{events}: ").as_bytes());
                    match near.distance {
                        0 => out.extend_from_slice(b"matches\n"),
                        _ => {
                            out.extend_from_slice(b"what is missing:\n");
                            for line in blame(&near.lines) {
                                leaf(out, line);
                            }
                        }
                    }
                    self.output.written().map_err(fail)?;
                }
            }
        }
        Ok(Outcome::Done)
    }
}

impl Counting for Answer<'_> {
    fn sink(&mut self) -> &mut dyn EventSink {
        self
    }

    fn events(&self) -> u64 {
        self.candidates
    }
}

impl EventSink for Answer<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        let number = cx.event.num.0;
        if let Question::Why(Some(at)) = self.question {
            if number != at || cx.event.is_internal() {
                return Ok(ControlFlow::Continue(()));
            }
        } else if !self.is_candidate(cx) {
            return Ok(ControlFlow::Continue(()));
        }
        match self.question {
            Question::Why(Some(_)) => {}
            Question::Why(None) => {
                if self.explainer.distance(cx) != Some(0) {
                    return Ok(ControlFlow::Continue(()));
                }
            }
            Question::WhyNot => {
                let Some(distance) = self.explainer.distance(cx) else {
                    return Ok(ControlFlow::Continue(()));
                };
                self.candidates += 1;
                let worst = self
                    .nearest
                    .get(NEAREST - 1)
                    .map_or(u32::MAX, |near| near.distance);
                if distance <= worst {
                    let (lines, _) = self.explainer.explain(cx);
                    self.remember(number, distance, lines);
                }
                return Ok(ControlFlow::Continue(()));
            }
        }
        let (lines, holds) = self.explainer.explain(cx);
        self.print(number, &lines, holds)?;
        self.answered = true;
        Ok(ControlFlow::Break(()))
    }
}

/// Returns a comparison for a line: long lists are cut.
fn short(text: &str) -> String {
    /// In characters.
    const WIDEST: usize = 120;
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Appends the tree: outcome, place, condition, value.
fn tree(out: &mut Vec<u8>, lines: &[Line]) {
    let place = |line: &Line| format!("{}:{}", line.place.0, line.place.1);
    let width = lines
        .iter()
        .map(|line| place(line).len())
        .max()
        .unwrap_or(0);
    for line in lines {
        let outcome = if line.holds { "true " } else { "false" };
        out.extend_from_slice(format!("  {outcome}  ").as_bytes());
        text::escape(
            out,
            format!(
                "{:<width$}  {:indent$}{}",
                place(line),
                "",
                short(&line.text),
                indent = 2 * line.depth
            )
            .as_bytes(),
        );
        value(out, line);
    }
}

/// Appends a comparison that is to blame.
fn leaf(out: &mut Vec<u8>, line: &Line) {
    let should = if line.holds {
        "is true, should be false"
    } else {
        "is false"
    };
    let (file, number) = &line.place;
    text::escape(
        out,
        format!("  {file}:{number}  {}  {should}", short(&line.text)).as_bytes(),
    );
    value(out, line);
}

/// Appends the value of a comparison, which is escaped already, and the line break.
fn value(out: &mut Vec<u8>, line: &Line) {
    match &line.value {
        Some(Some(value)) => out.extend_from_slice(format!("   [{value}]").as_bytes()),
        Some(None) => out.extend_from_slice(b"   [absent]"),
        None => {}
    }
    out.push(b'\n');
}
