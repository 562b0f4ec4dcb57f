//! Rules over the events that are recorded: what they find is an event of the capture.

use std::collections::VecDeque;
use std::convert::Infallible;

use scap_capture_format::event::{EventNum, Timestamp};

use crate::event::Event;
use crate::event::alert::{AlertEvent, MAX_DATA};
use crate::event::time::NS_PER_S;
use crate::fields::Context;
use crate::format::TemplateError;
use crate::rules::{Engine, Printer, Priority, Rule, Style};

/// Most alerts of a rule in one second; further ones are counted.
pub const ALERTS_PER_SECOND: u32 = 100;
/// Most lines that wait to be printed; further ones are in the capture only.
const MAX_LINES: usize = 1000;

/// How alerts are kept: Falco's object with all there is, independent of the time zone.
const KEPT: Style = Style {
    json: true,
    iso8601: true,
    output: true,
    message: true,
    fields: true,
    tags: true,
    evidence: true,
};
/// How alerts are kept that would be too long: without values of fields.
const SHORT: Style = Style {
    output: false,
    message: false,
    fields: false,
    evidence: false,
    ..KEPT
};

/// Rules that are evaluated while recording.
#[derive(Debug)]
pub struct Detector {
    engine: Engine,
    kept: Printer,
    short: Printer,
    /// For the lines that are printed; `None` = none are.
    lines: Option<Printer>,
    budgets: Vec<Budget>,
    waiting: VecDeque<String>,
    /// Lines that there was no room for.
    not_printed: u64,
    json: Vec<u8>,
    built: AlertEvent,
}

/// What a rule may write.
#[derive(Clone, Copy, Debug, Default)]
struct Budget {
    second: u64,
    used: u32,
    /// Alerts without an event, since the last report of them.
    left_out: u64,
    left_out_in_all: u64,
}

/// The alerts of a recording.
#[derive(Clone, Debug, Default)]
pub struct AlertCounts {
    /// The rules with alerts: name, priority, alerts, and how many of them are not in the capture.
    pub rules: Vec<RuleCount>,
    /// Groups of events that rules about several events forgot for want of memory.
    pub forgotten: u64,
    /// Alerts that are in the capture and were not printed.
    pub not_printed: u64,
}

/// The alerts of a rule.
#[derive(Clone, Debug)]
pub struct RuleCount {
    /// The name of the rule.
    pub rule: String,
    /// Its priority.
    pub priority: Priority,
    /// How many alerts there were.
    pub alerts: u64,
    /// How many of them are not in the capture.
    pub left_out: u64,
}

impl Detector {
    /// Makes a detector. `lines`: how alerts are printed, if they are.
    ///
    /// # Errors
    ///
    /// If the output of a rule is invalid after all.
    pub fn new(engine: Engine, lines: Option<Style>) -> Result<Self, TemplateError> {
        let printer = |style| Printer::new(engine.rules(), style);
        Ok(Self {
            kept: printer(KEPT)?,
            short: printer(SHORT)?,
            lines: lines.map(printer).transpose()?,
            budgets: vec![Budget::default(); engine.rules().len()],
            waiting: VecDeque::new(),
            not_printed: 0,
            json: Vec::new(),
            built: AlertEvent::default(),
            engine,
        })
    }

    /// Evaluates the rules for an event, which has the number `number` in the capture, and calls `see` with the events of
    /// the alerts.
    #[inline]
    pub(super) fn event(
        &mut self,
        cx: &Context<'_>,
        number: EventNum,
        see: &mut dyn FnMut(&Event<'_>),
    ) {
        if self.engine.may_match(cx.event.ty) {
            let mut event = *cx.event;
            event.num = number;
            let event = &event;
            self.evaluate(&Context { event, ..*cx }, see);
        }
    }

    fn evaluate(&mut self, cx: &Context<'_>, see: &mut dyn FnMut(&Event<'_>)) {
        let Self {
            engine,
            kept,
            short,
            lines,
            budgets,
            waiting,
            not_printed,
            json,
            built,
        } = self;
        let Ok(()) = engine.evaluate::<Infallible>(cx, |found| {
            let Some(budget) = budgets.get_mut(found.index) else {
                return Ok(());
            };
            if !budget.take(cx.event.ts) {
                return Ok(());
            }
            json.clear();
            kept.print(json, cx, &found, None);
            if json.len() > MAX_DATA {
                json.clear();
                short.print(json, cx, &found, None);
            }
            // Without the line break.
            json.pop();
            match built.of(cx.event, json) {
                Some(event) => see(&event),
                None => budget.leave_out(),
            }
            let Some(lines) = lines else {
                return Ok(());
            };
            if waiting.len() >= MAX_LINES {
                *not_printed += 1;
                return Ok(());
            }
            json.clear();
            lines.print(json, cx, &found, None);
            waiting.push_back(String::from_utf8_lossy(json).into_owned());
            Ok(())
        });
    }

    /// Calls `see` with events about the alerts that were left out since the last call.
    pub(super) fn report_left_out(&mut self, ts: Timestamp, see: &mut dyn FnMut(&Event<'_>)) {
        for (rule, budget) in self.engine.rules().iter().zip(&mut self.budgets) {
            let count = std::mem::take(&mut budget.left_out);
            if count == 0 {
                continue;
            }
            self.json.clear();
            Printer::left_out(&mut self.json, rule, count, ts);
            if let Some(event) = self.built.at(ts, &self.json) {
                see(&event);
            }
        }
    }

    /// Returns the next line to print.
    pub(super) fn line(&mut self) -> Option<String> {
        self.waiting.pop_front()
    }

    /// Returns what there was so far.
    pub(super) fn counts(&self) -> AlertCounts {
        let counts = self.engine.counts();
        let rules = self.engine.rules().iter().zip(&counts.by_rule);
        let count = |((rule, alerts), budget): ((&Rule, &u64), &Budget)| RuleCount {
            rule: rule.name.clone(),
            priority: rule.priority,
            alerts: *alerts,
            left_out: budget.left_out_in_all,
        };
        let rules = rules.zip(&self.budgets).filter(|((_, n), _)| **n > 0);
        AlertCounts {
            rules: rules.map(count).collect(),
            forgotten: counts.forgotten,
            not_printed: self.not_printed,
        }
    }
}

impl Budget {
    /// Takes one of the alerts of this second; counts it as left out if there is none left.
    fn take(&mut self, ts: Timestamp) -> bool {
        let second = ts.0 / NS_PER_S;
        if second != self.second {
            self.second = second;
            self.used = 0;
        }
        if self.used >= ALERTS_PER_SECOND {
            self.leave_out();
            return false;
        }
        self.used += 1;
        true
    }

    fn leave_out(&mut self) {
        self.left_out += 1;
        self.left_out_in_all += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::alert::Alert;
    use crate::event::bytes::BufferFormat;
    use crate::event::{EventFlags, OwnedEvent, Params, synthetic_event};
    use crate::fields::{Session, TimeFormat};
    use crate::rules::{Loader, Matching, Selection, Settings};
    use crate::state::State;
    use scap_capture_format::event::{Pid, Tid};
    use scap_capture_format::schema::types;

    /// A detector with one rule, which matches every close.
    fn detector(output: &str) -> Detector {
        let mut loader = Loader::new(Settings::default());
        loader.add(
            "rules",
            &format!(
                "- rule: closes\n  desc: d\n  condition: evt.type=close\n  output: \"{output}\"\n  priority: error\n  tags: [T1, b]\n"
            ),
        );
        let rules = loader.finish().1.expect("valid rules");
        let engine = rules.into_engine(&Selection::default(), Matching::All);
        Detector::new(engine.expect("small rules"), Some(Style::default())).expect("an output")
    }

    /// The alerts of a close.
    fn alerts(detector: &mut Detector, number: u64, ts: u64) -> Vec<(Alert, OwnedEvent)> {
        let params = [0_u8; 16];
        let closed = Event {
            tid: Tid(7),
            pid: Pid(7),
            flags: EventFlags::FAULT,
            latency: Some(3),
            ..synthetic_event(
                Timestamp(ts),
                types::SYSCALL_CLOSE_X,
                Params::new(&[8, 8], &params).expect("two parameters"),
            )
        };
        let state = State::new();
        let view = state.view(&closed);
        let session = Session::new(None, BufferFormat::Dots, TimeFormat::Human);
        let cx = Context {
            event: &closed,
            view: &view,
            session: &session,
        };
        let mut found = Vec::new();
        detector.event(&cx, EventNum(number), &mut |event| {
            let alert = Alert::of(event).expect("an alert");
            assert!(alert.is_about(&closed, None));
            let mut kept = OwnedEvent::default();
            kept.set(event);
            found.push((alert, kept));
        });
        found
    }

    #[test]
    fn an_alert_says_which_event_it_is_about() {
        let mut detector = detector("number %evt.num of %thread.tid");
        let found = alerts(&mut detector, 42, NS_PER_S);
        let [(alert, event)] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (alert.rule.as_str(), alert.priority.as_str()),
            ("closes", "Error")
        );
        assert_eq!(alert.tags, ["T1", "b"]);
        assert_eq!(alert.source, "syscall");
        assert!(
            alert.message.starts_with("number 42 of 7"),
            "{}",
            alert.message
        );
        assert_eq!(alert.fields["evt.num"], 42);
        let event = event.event();
        assert_eq!(
            (event.ts.0, event.tid.0, event.latency),
            (NS_PER_S, 7, None)
        );
        assert!(event.flags.is_empty());
        let line = detector.line().expect("a line");
        assert!(
            line.contains(": Error number 42 of 7") && line.ends_with('\n'),
            "{line}"
        );
        assert_eq!(detector.line(), None);
    }

    #[test]
    fn a_flood_of_alerts_is_counted() {
        let mut detector = detector("closed");
        let most = u64::from(ALERTS_PER_SECOND);
        let kept = |detector: &mut Detector, ts| {
            let found = (0..most + 50).map(|number| alerts(detector, number, ts).len() as u64);
            found.sum::<u64>()
        };
        assert_eq!(kept(&mut detector, 5 * NS_PER_S), most);
        assert_eq!(kept(&mut detector, 6 * NS_PER_S), most);
        let mut reports = Vec::new();
        for ts in [Timestamp(7), Timestamp(8)] {
            detector.report_left_out(ts, &mut |event| {
                let alert = Alert::of(event).expect("an alert");
                reports.push((alert.rule, alert.left_out, event.ts, event.tid));
            });
        }
        assert_eq!(reports, [("closes".to_owned(), 100, Timestamp(7), Tid(-1))]);
        let counts = detector.counts();
        let [rule] = counts.rules.as_slice() else {
            panic!("{counts:?}");
        };
        assert_eq!((rule.alerts, rule.left_out), (2 * (most + 50), 100));
        assert_eq!(counts.not_printed, 0);
    }

    #[test]
    fn an_alert_that_would_be_too_long_is_kept_without_its_fields() {
        let long = "x".repeat(MAX_DATA / 2);
        let mut detector = detector(&long);
        let found = alerts(&mut detector, 1, NS_PER_S);
        let (alert, _) = found.first().expect("an alert");
        assert_eq!(
            (alert.rule.as_str(), alert.message.as_str()),
            ("closes", "")
        );
        assert_eq!(alert.tags, ["T1", "b"]);
    }
}
