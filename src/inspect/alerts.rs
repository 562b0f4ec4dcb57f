//! What rules found in a capture: the counts of each rule, and its alerts.
//!
//! An attacker, or a bad rule, can make every event an alert. So only some alerts of a rule are kept, spread over the
//! time in which it had any: time is divided into slots, of which each keeps its first alerts. All are counted.
//!
//! Recorded alerts are taken like alerts that the rules raise now; an alert that is both is one.

mod recorded;

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::{HashMap, HashSet};

use super::line::pid_of;
use super::seek::at_event;
use crate::event::alert::{Alert as RecordedAlert, is_alert};
use crate::event::bytes::BufferFormat;
use crate::event::text::escape;
use crate::fields::Context;
use crate::filter::Filter;
use crate::format::{Template, TemplateError};
use crate::replay::matcher::Matcher;
use crate::replay::segment::Need;
use crate::replay::{IndexedCaptureError, Scope, SegmentReplayer, Span};
use crate::rules::{
    Engine, EngineError, Match, Matching, Priority, Rule, RuleSet, Selection, Tactic, is_technique,
};
use crate::state::Text;
use recorded::Latest;

/// Most alerts of one rule that are kept.
const MOST_OF_RULE: usize = 8192;
/// Most alerts of all rules that are kept.
const MOST: usize = 1 << 16;
/// Alerts that a slot keeps once not all are kept.
const OF_SLOT: u32 = 2;
/// Most rules that are known only from alerts that were recorded.
const MOST_RECORDED: usize = 1000;
/// The name that all further ones have.
const OTHERS: &str = "other rules of recorded alerts";
/// The name of the rule of an alert that is malformed.
const UNREADABLE: &str = "recorded alerts that cannot be read";
/// Most tags of such a rule.
const MAX_TAGS: usize = 64;
/// Length limit of what a rule is about, in bytes.
const MAX_DESCRIPTION: usize = 4096;
/// Length limit of names and of an alert's text, in bytes.
const MAX_TEXT: usize = 512;

/// The rules that a capture is looked at with.
#[derive(Debug)]
pub struct Rules {
    set: RuleSet,
    selection: Selection,
    matching: Matching,
}

impl Rules {
    /// Chooses among rules.
    pub fn new(set: RuleSet, selection: Selection, matching: Matching) -> Self {
        Self {
            set,
            selection,
            matching,
        }
    }

    /// Compiles the rules that are switched on.
    ///
    /// # Errors
    ///
    /// If all rules together are too large.
    pub fn engine(&self) -> Result<Engine, EngineError> {
        self.set.engine(&self.selection, self.matching)
    }
}

/// What is shown of a rule.
#[derive(Clone, Debug)]
pub struct RuleInfo {
    /// Its name; not escaped.
    pub name: Text,
    /// How severe what it finds is.
    pub priority: Priority,
    /// The tactics that its tags name.
    pub tactics: Vec<Tactic>,
    /// The techniques that its tags name.
    pub techniques: Arc<[Text]>,
    /// What it is about; not escaped.
    pub description: Text,
}

impl RuleInfo {
    fn of(rule: &Rule) -> Self {
        let techniques = rule.tags.iter().filter(|tag| is_technique(tag));
        let part = |text: &str, most: usize| {
            Text::from(&text.as_bytes()[..text.floor_char_boundary(most)])
        };
        Self {
            name: part(&rule.name, MAX_TEXT),
            priority: rule.priority,
            tactics: Tactic::of_tags(&rule.tags),
            techniques: techniques.map(|tag| Text::from(tag.as_bytes())).collect(),
            description: part(&rule.description, MAX_DESCRIPTION),
        }
    }

    /// Makes what is known of a rule from an alert that was recorded.
    fn of_recorded(name: Text, alert: &RecordedAlert) -> Self {
        let tags = &alert.tags[..alert.tags.len().min(MAX_TAGS)];
        let techniques = tags.iter().filter(|tag| is_technique(tag));
        Self {
            name,
            priority: Priority::parse(&alert.priority).unwrap_or(Priority::Debug),
            tactics: Tactic::of_tags(tags),
            techniques: techniques.map(|tag| Text::from(tag.as_bytes())).collect(),
            description: Text::default(),
        }
    }
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The number of its event.
    pub num: u64,
    /// The time of the event, in nanoseconds since the epoch; 0 = not known.
    pub ts: u64,
    /// The process.
    pub pid: i64,
    /// Its name; not escaped.
    pub comm: Text,
    /// The container's name, or else its id; empty = the host or not known; not escaped.
    pub container: Text,
    /// The rule's output for the event, escaped.
    pub output: Text,
    /// It was recorded with the event.
    pub recorded: bool,
}

impl Alert {
    fn of(cx: &Context<'_>, output: &mut Template) -> Self {
        let mut text = Vec::new();
        output.write(&mut text, cx, BufferFormat::Dots);
        Self::with(cx, text)
    }

    /// Makes an alert of the event's process, with an output that is escaped.
    fn with(cx: &Context<'_>, output: Vec<u8>) -> Self {
        let text = output;
        let mut text = String::from_utf8_lossy(&text).into_owned();
        if text.len() > MAX_TEXT {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text.push('\u{2026}');
        }
        let view = cx.view;
        let name = view
            .container()
            .and_then(|container| container.text("name"));
        let name = name.filter(|name| !name.is_empty()).map(str::as_bytes);
        let short = |bytes: &[u8]| Text::from(&bytes[..bytes.len().min(MAX_TEXT)]);
        Self {
            num: cx.event.num.0,
            ts: cx.event.ts.known().unwrap_or(0),
            pid: pid_of(cx),
            comm: short(view.own_comm().unwrap_or_default()),
            container: short(name.or(view.container_id()).unwrap_or_default()),
            output: text.trim_end().as_bytes().into(),
            recorded: false,
        }
    }
}

/// The alerts of one rule.
#[derive(Clone, Debug)]
pub struct OfRule {
    /// The index of the rule.
    pub rule: usize,
    /// How many there are.
    pub count: u64,
    /// The times of the first and the last one; 0 = not known.
    pub seen: Span,
    /// Those that are kept, in the order of the capture.
    pub kept: Vec<Arc<Alert>>,
    /// Log2 of the length of a slot, in nanoseconds; `None`: all are kept.
    slot: Option<u32>,
    /// Alerts of it were raised now.
    raised: bool,
    /// How many the latest slot keeps.
    in_slot: u32,
}

impl OfRule {
    fn new(rule: usize) -> Self {
        Self {
            rule,
            count: 0,
            seen: Span { from: 0, to: 0 },
            kept: Vec::new(),
            slot: None,
            raised: false,
            in_slot: 0,
        }
    }

    /// Returns true if all alerts are kept.
    pub fn is_whole(&self) -> bool {
        self.kept.len() as u64 == self.count
    }

    /// Counts alerts; returns whether one is to be kept.
    fn take(&mut self, ts: u64, count: u64) -> bool {
        self.count = self.count.saturating_add(count);
        // Events without a time say nothing about when it was.
        if ts != 0 {
            self.seen.from = match self.seen.from {
                0 => ts,
                first => first.min(ts),
            };
            self.seen.to = self.seen.to.max(ts);
        }
        let (Some(slot), Some(last)) = (self.slot, self.kept.last()) else {
            return true;
        };
        self.in_slot = match slot_of(last.ts, slot) == slot_of(ts, slot) {
            true => self.in_slot.saturating_add(1),
            false => 1,
        };
        self.in_slot <= OF_SLOT
    }

    /// Marks an alert as recorded, too, if it is kept.
    fn mark(&mut self, num: u64) {
        if let Some(alert) = self.kept.last_mut().filter(|alert| alert.num == num) {
            Arc::make_mut(alert).recorded = true;
        }
    }

    /// Keeps at most this many alerts: slots become longer.
    fn thin(&mut self, most: usize) {
        let most = most.max(OF_SLOT as usize);
        let mut slot = self.slot.unwrap_or(0);
        while self.kept.len() > most {
            let (mut last, mut count) = (None, 0);
            self.kept.retain(|alert| {
                let own = slot_of(alert.ts, slot);
                count = match last.replace(own) == Some(own) {
                    true => count + 1,
                    false => 1,
                };
                count <= OF_SLOT
            });
            (self.slot, self.in_slot) = (Some(slot), count);
            slot += 1;
        }
    }
}

/// Returns the slot of a time.
fn slot_of(ts: u64, log2: u32) -> u64 {
    ts.checked_shr(log2).unwrap_or(0)
}

/// What rules found so far.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    /// All rules that are switched on or off, by index.
    rules: Arc<[RuleInfo]>,
    /// Rules that are not among them, of alerts that were recorded; the indices continue.
    recorded: Vec<RuleInfo>,
    /// The rules that have alerts, by the time of their first.
    pub list: Vec<OfRule>,
    /// Events of rules about several events that were forgotten for lack of memory.
    pub forgotten: u64,
    kept: usize,
    most_of_rule: usize,
}

impl Alerts {
    fn new(rules: &[Rule]) -> Self {
        Self {
            rules: rules.iter().map(RuleInfo::of).collect(),
            most_of_rule: MOST_OF_RULE,
            ..Self::default()
        }
    }

    /// Returns a rule.
    pub fn rule(&self, index: usize) -> Option<&RuleInfo> {
        let own = self.rules.get(index);
        own.or_else(|| self.recorded.get(index.checked_sub(self.rules.len())?))
    }

    /// Returns true if all alerts are kept.
    pub fn is_whole(&self) -> bool {
        self.list.iter().all(OfRule::is_whole)
    }

    /// Returns the alerts of an event that are kept, with the indices of their rules.
    pub fn of_event(&self, num: u64) -> impl Iterator<Item = (usize, &Alert)> {
        self.list.iter().flat_map(move |of| {
            let first = of.kept.partition_point(|alert| alert.num < num);
            let own = of.kept[first..].iter().take_while(move |a| a.num == num);
            own.map(|alert| (of.rule, &**alert))
        })
    }

    /// Returns the place of a rule in the list.
    fn place(&mut self, places: &mut Vec<Option<usize>>, rule: usize) -> usize {
        if places.len() <= rule {
            places.resize(rule + 1, None);
        }
        *places[rule].get_or_insert_with(|| {
            self.list.push(OfRule::new(rule));
            self.list.len() - 1
        })
    }

    fn add(&mut self, place: usize, alert: Alert) {
        let Some(of) = self.list.get_mut(place) else {
            return;
        };
        of.kept.push(Arc::new(alert));
        self.kept += 1;
        if of.kept.len() > self.most_of_rule {
            let before = of.kept.len();
            of.thin(self.most_of_rule / 2);
            self.kept -= before - of.kept.len();
        }
        // Very many rules keep less each.
        while self.kept > MOST && self.most_of_rule > OF_SLOT as usize {
            self.most_of_rule /= 2;
            for of in &mut self.list {
                of.thin(self.most_of_rule);
            }
            self.kept = self.list.iter().map(|of| of.kept.len()).sum();
        }
    }
}

/// Evaluates rules and takes their alerts.
pub(super) struct Collector {
    engine: Engine,
    outputs: Vec<Template>,
    /// The place of each rule in the list of alerts.
    places: Vec<Option<usize>>,
    /// The index of each rule by its name.
    by_name: HashMap<Text, usize>,
    latest: Latest,
    alerts: Alerts,
}

impl Collector {
    pub(super) fn new(engine: Engine) -> Result<Self, TemplateError> {
        let output = |rule: &Rule| Template::new(&format!("*{}", rule.output));
        let alerts = Alerts::new(engine.rules());
        let names = alerts.rules.iter().map(|rule| Text::clone(&rule.name));
        Ok(Self {
            by_name: names.zip(0..).collect(),
            latest: Latest::default(),
            outputs: engine
                .rules()
                .iter()
                .map(output)
                .collect::<Result<_, _>>()?,
            places: vec![None; engine.rules().len()],
            alerts,
            engine,
        })
    }

    /// Takes an event.
    pub(super) fn event(&mut self, cx: &Context<'_>) {
        if is_alert(cx.event) {
            return self.recorded(cx);
        }
        let Self {
            engine,
            outputs,
            places,
            latest,
            alerts,
            ..
        } = self;
        let raised = latest.event(cx);
        let alert = |found: Match<'_>| -> Result<(), Infallible> {
            let ts = cx.event.ts.known().unwrap_or(0);
            raised.push(found.index);
            let place = alerts.place(places, found.index);
            if let Some(output) = outputs.get_mut(found.index)
                && alerts.list[place].take(ts, 1)
            {
                alerts.list[place].raised = true;
                alerts.add(place, Alert::of(cx, output));
            }
            Ok(())
        };
        let Ok(()) = engine.evaluate(cx, alert);
    }

    /// Takes an alert that was recorded.
    fn recorded(&mut self, cx: &Context<'_>) {
        let recorded = RecordedAlert::of(cx.event).unwrap_or_else(|| {
            let mut broken = RecordedAlert::default();
            UNREADABLE.clone_into(&mut broken.rule);
            broken
        });
        let index = self.index(&recorded);
        let place = self.alerts.place(&mut self.places, index);
        let ts = cx.event.ts.known().unwrap_or(0);
        let of = &mut self.alerts.list[place];
        if recorded.left_out > 0 {
            // If the rule is evaluated now, it has raised them.
            if !of.raised {
                of.take(ts, recorded.left_out);
            }
            return;
        }
        let mut num = cx.event.num.0;
        if let Some(about) = self.latest.of(&recorded, cx) {
            num = about.num;
            if about.raised.contains(&index) {
                return of.mark(num);
            }
            about.raised.push(index);
        }
        if of.take(ts, 1) {
            let mut output = Vec::new();
            escape(&mut output, recorded.message.as_bytes());
            let alert = Alert {
                num,
                recorded: true,
                ..Alert::with(cx, output)
            };
            self.alerts.add(place, alert);
        }
    }

    /// Returns the index of the rule of an alert that was recorded. Very many rules have one together.
    fn index(&mut self, alert: &RecordedAlert) -> usize {
        let name = &alert.rule.as_bytes()[..alert.rule.floor_char_boundary(MAX_TEXT)];
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let known = self.alerts.recorded.len();
        let rule = match known < MOST_RECORDED {
            true => RuleInfo::of_recorded(name.into(), alert),
            false => RuleInfo::of_recorded(OTHERS.as_bytes().into(), &RecordedAlert::default()),
        };
        if let Some(index) = self.by_name.get(&rule.name) {
            return *index;
        }
        let index = self.alerts.rules.len() + known;
        self.by_name.insert(Text::clone(&rule.name), index);
        self.alerts.recorded.push(rule);
        index
    }

    /// Returns the alerts so far.
    pub(super) fn so_far(&mut self) -> Arc<Alerts> {
        self.alerts.forgotten = self.engine.counts().forgotten;
        Arc::new(self.alerts.clone())
    }
}

/// Returns the alerts of an event by rules about one event, with the indices of the rules. Alerts of very many are not
/// kept, so that they are found again.
///
/// # Errors
///
/// If the file cannot be read, or the rules are too large; [`IndexedCaptureError::Stopped`] once `stop` is set.
pub fn raised(
    replayer: &mut SegmentReplayer,
    engine: &mut Engine,
    num: u64,
    stop: &AtomicBool,
) -> Result<Vec<(usize, Alert)>, IndexedCaptureError> {
    let found = at_event(replayer, num, stop, |cx| {
        let mut rules = Vec::new();
        engine.evaluate_alone(cx, |found| {
            rules.push((found.index, found.rule.output.clone()));
        });
        let alert = |(rule, output): (usize, String)| {
            let mut output = Template::new(&format!("*{output}")).ok()?;
            Some((rule, Alert::of(cx, &mut output)))
        };
        rules.into_iter().filter_map(alert).collect()
    })?;
    Ok(found.unwrap_or_default())
}

/// Returns the numbers of the events with alerts that match the filter of a scope.
///
/// # Errors
///
/// If the file cannot be read; [`IndexedCaptureError::Stopped`] once `stop` is set.
pub fn matching(
    replayer: &mut SegmentReplayer,
    alerts: &Alerts,
    scope: &Scope,
    stop: &AtomicBool,
) -> Result<HashSet<u64>, IndexedCaptureError> {
    let kept = alerts.list.iter().flat_map(|of| &of.kept);
    let mut nums: Vec<u64> = kept.map(|alert| alert.num).collect();
    nums.sort_unstable();
    nums.dedup();
    let capture = Arc::clone(replayer.capture());
    let mut matcher = Matcher::new(scope);
    let need_of_events = matcher.need();
    // Some fields depend on the events before.
    let needs_all =
        Filter::parse(&scope.filter).is_ok_and(|filter| filter.pushdown().depends_on_all.is_some());
    let mut found = HashSet::new();
    for (at, segment) in capture.segments().iter().enumerate() {
        // The events with alerts in a chunk.
        let of_chunk = |place: usize| {
            let summary = capture
                .index()
                .chunks
                .get(place)
                .map(|chunk| &chunk.summary);
            let (first, end) = summary.map_or((0, 0), |s| (s.first_event.0, s.next_event().0));
            let start = nums.partition_point(|num| *num < first);
            needs_all || nums.get(start).is_some_and(|num| *num < end)
        };
        let last = segment.chunks.clone().rev().find(|place| of_chunk(*place));
        let Some(last) = last.filter(|_| segment.span.intersection(scope.span).is_some()) else {
            continue;
        };
        let mut need = |place: usize| match place {
            _ if place > last || stop.load(Ordering::Relaxed) => Need::Stop,
            _ if of_chunk(place) => need_of_events,
            _ => Need::State,
        };
        let mut each = |cx: &Context<'_>, _: usize| {
            let num = cx.event.num.0;
            let has_alert = nums.binary_search(&num).is_ok();
            let matches = (has_alert || needs_all) && matcher.matches(cx);
            if matches && has_alert {
                found.insert(num);
            }
            ControlFlow::Continue(())
        };
        let _end = replayer.segment(at, &mut need, &mut each)?;
        if stop.load(Ordering::Relaxed) {
            return Err(IndexedCaptureError::Stopped);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(num: u64, ts: u64) -> Alert {
        let none = Text::default();
        Alert {
            num,
            ts,
            pid: 1,
            comm: Text::clone(&none),
            container: Text::clone(&none),
            output: none,
            recorded: false,
        }
    }

    /// Adds alerts at these times, of rules in turn.
    fn alerts(rules: usize, times: impl Iterator<Item = u64>) -> Alerts {
        let mut alerts = Alerts {
            most_of_rule: MOST_OF_RULE,
            list: (0..rules).map(OfRule::new).collect(),
            ..Alerts::default()
        };
        for (num, ts) in (0..).zip(times) {
            let place = num as usize % rules;
            if alerts.list[place].take(ts, 1) {
                alerts.add(place, alert(num, ts));
            }
        }
        let kept: usize = alerts.list.iter().map(|of| of.kept.len()).sum();
        assert_eq!(kept, alerts.kept);
        alerts
    }

    const START: u64 = 1_790_000_000_000_000_000;

    #[test]
    fn all_of_a_few_alerts_are_kept() {
        let few = alerts(1, (0..8192).map(|n| START + n));
        assert!(few.is_whole());
        assert_eq!(
            few.of_event(77).next().map(|(rule, a)| (rule, a.ts)),
            Some((0, START + 77))
        );
        assert!(few.of_event(8192).next().is_none());
    }

    #[test]
    fn of_very_many_alerts_some_are_kept_at_all_times() {
        // A burst of a million in a second, then one an hour for a year.
        let burst = (0..1_000_000).map(|n| START + n * 1000);
        const HOUR: u64 = 3_600_000_000_000;
        let rest = (1..8760).map(|n| START + n * HOUR);
        let many = alerts(1, burst.chain(rest));
        let of = &many.list[0];
        assert_eq!((of.count, of.is_whole()), (1_008_759, false));
        assert_eq!(
            of.seen,
            Span {
                from: START,
                to: START + 8759 * HOUR
            }
        );
        assert!(of.kept.len() <= MOST_OF_RULE, "{}", of.kept.len());
        assert!(of.kept.is_sorted_by_key(|alert| alert.num));
        // No gap is longer than a few slots of a two thousandth of the time.
        let gaps = of.kept.windows(2).map(|pair| pair[1].ts - pair[0].ts);
        assert!(gaps.max().unwrap() <= 16 * HOUR);
        assert_eq!(of.kept[0].ts, START);
    }

    #[test]
    fn alerts_at_one_time_and_without_a_time_are_bounded() {
        for ts in [0, START, u64::MAX] {
            let many = alerts(1, std::iter::repeat_n(ts, 100_000));
            assert_eq!(many.list[0].count, 100_000);
            assert!(many.list[0].kept.len() <= MOST_OF_RULE);
        }
        // There and back.
        let many = alerts(
            1,
            (0..100_000).map(|n| if n % 2 == 0 { 0 } else { u64::MAX }),
        );
        assert!(many.list[0].kept.len() <= MOST_OF_RULE);
    }

    #[test]
    fn many_rules_keep_less_each() {
        let many = alerts(1000, (0..1_000_000).map(|n| START + n * 1_000_000));
        assert!(many.kept <= MOST, "{}", many.kept);
        for of in &many.list {
            assert_eq!(of.count, 1000);
            assert!(of.kept.len() >= 8, "{}", of.kept.len());
        }
    }
}
