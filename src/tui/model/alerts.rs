//! What rules found, as far as it is in the scope.

use std::sync::Arc;

use hashbrown::HashSet;

use super::Model;
use crate::event::text::escape_exact;
use crate::inspect::alerts::{Alert, Alerts, OfRule, RuleInfo};
use crate::inspect::detail::{Detail, Entry, Group};
use crate::inspect::detector::Detected;
use crate::replay::{Scope, Span};
use crate::rules::Tactic;
use crate::stats::table::{AlertGroup, Narrowed, View};
use crate::tui::message::{Command, Request};
use crate::tui::view::overview;

/// The heading of the alerts in the details of an event.
const TITLE: &str = "Alerts";
/// Most events that a condition names one by one.
const MOST_EVENTS: usize = 1000;

/// What is known of alerts, and how they are shown.
#[derive(Debug, Default)]
pub(crate) struct AlertState {
    /// Rules are evaluated.
    pub(crate) has_rules: bool,
    /// What they found so far.
    pub(crate) detected: Option<Detected>,
    /// Alerts are grouped by tactic instead of by rule.
    pub(crate) by_tactic: bool,
    /// The alerts that are listed one by one.
    pub(crate) of: Option<AlertGroup>,
    /// The selected rule of the overview; `None` = a tile is selected.
    pub(crate) line: Option<usize>,
    /// The scope whose events are being looked for, and of which alerts.
    asked: Option<(Scope, Arc<Alerts>)>,
    /// The events with alerts that match a filter.
    matching: Option<(Scope, HashSet<u64>)>,
}

/// The alerts of one rule in the scope.
#[derive(Debug)]
pub(crate) struct RuleAlerts<'m> {
    pub(crate) index: usize,
    pub(crate) rule: &'m RuleInfo,
    /// How many; the kept ones if that is not known.
    pub(crate) count: u64,
    pub(crate) seen: Span,
    /// Those that are kept.
    pub(crate) alerts: Vec<&'m Alert>,
    /// True if those are all.
    pub(crate) is_whole: bool,
}

impl AlertState {
    pub(crate) fn new(has_rules: bool) -> Self {
        Self {
            has_rules,
            ..Self::default()
        }
    }

    /// Takes over the events of a scope that have alerts.
    pub(crate) fn take(&mut self, scope: Scope, found: HashSet<u64>) {
        self.matching = Some((scope, found));
    }

    /// Returns the alerts so far.
    pub(crate) fn list(&self) -> Option<&Alerts> {
        Some(&self.detected.as_ref()?.alerts)
    }

    /// Returns true if the event of an alert matches the filter of a scope, as far as that is known.
    pub(crate) fn matches(&self, alert: &Alert, scope: &Scope) -> bool {
        scope.filter.is_empty()
            || matches!(&self.matching, Some((of, found)) if of == scope && found.contains(&alert.num))
    }
}

impl Model {
    /// Returns true until the rules were evaluated for all events.
    pub(crate) fn is_detecting(&self) -> bool {
        // What a capture has grown by is looked at soon after.
        let is_of_this = |d: &Detected| self.live || Arc::ptr_eq(&d.capture, &self.capture);
        let is_finished = |d: &Detected| d.is_finished() && is_of_this(d);
        self.alerts.has_rules && !self.alerts.detected.as_ref().is_some_and(is_finished)
    }

    /// Returns for how much of the capture rules were evaluated, in percent; `None` = all of it, or no rules.
    pub(crate) fn detecting(&self) -> Option<usize> {
        let detected = self.alerts.detected.as_ref();
        self.is_detecting()
            .then(|| detected.map_or(0, |d| (d.done * 100 / d.total.max(1)).min(99)))
    }

    /// Asks which events with alerts match the filter, if that is not known.
    pub(crate) fn need_alerts(&mut self) -> Option<Command> {
        let alerts = &self.alerts.detected.as_ref()?.alerts;
        let scope = self.scope();
        if scope.filter.is_empty() {
            return None;
        }
        if let Some((asked, of)) = &self.alerts.asked
            && *asked == scope
            && (Arc::ptr_eq(of, alerts) || self.pending.alerts.is_some())
        {
            return None;
        }
        let alerts = Arc::clone(alerts);
        self.alerts.asked = Some((scope.clone(), Arc::clone(&alerts)));
        Some(self.ask(Request::Alerts(alerts, scope)))
    }

    /// Returns the rules with alerts in the scope, the most severe first, then those with the most alerts.
    pub(crate) fn rule_alerts(&self) -> Vec<RuleAlerts<'_>> {
        let Some(list) = self.alerts.list() else {
            return Vec::new();
        };
        let scope = self.scope();
        let of_rule = |of| self.in_scope(list, of, &scope);
        let mut found: Vec<_> = list.list.iter().filter_map(of_rule).collect();
        found.sort_by(|a, b| {
            let order = (a.rule.priority, b.count).cmp(&(b.rule.priority, a.count));
            order.then_with(|| a.rule.name.cmp(&b.rule.name))
        });
        found
    }

    /// Returns the rules with alerts that the overview shows.
    pub(crate) fn top_alerts(&self) -> Vec<RuleAlerts<'_>> {
        let mut found = self.rule_alerts();
        found.truncate(overview::rules(self.layout().body));
        found
    }

    fn in_scope<'m>(
        &self,
        list: &'m Alerts,
        of: &'m OfRule,
        scope: &Scope,
    ) -> Option<RuleAlerts<'m>> {
        let rule = list.rule(of.rule)?;
        let is_in = |alert: &&Alert| {
            (alert.ts == 0 || scope.span.contains(alert.ts)) && self.alerts.matches(alert, scope)
        };
        let alerts: Vec<&Alert> = of.kept.iter().map(|alert| &**alert).filter(is_in).collect();
        let is_all = scope.filter.is_empty() && scope.span.intersection(of.seen) == Some(of.seen);
        let is_there = is_all && of.count > 0 || !alerts.is_empty();
        let first = is_there.then(|| alerts.first().map_or(0, |alert| alert.ts))?;
        let last = alerts.last().map_or(0, |alert| alert.ts);
        Some(RuleAlerts {
            index: of.rule,
            rule,
            count: if is_all {
                of.count
            } else {
                alerts.len() as u64
            },
            seen: match is_all {
                true => of.seen,
                false => Span {
                    from: first.min(last),
                    to: last.max(first),
                },
            },
            is_whole: of.is_whole(),
            alerts,
        })
    }

    /// Returns the rules of a group with alerts in the scope.
    pub(crate) fn group_alerts(&self, group: AlertGroup) -> Vec<RuleAlerts<'_>> {
        let mut found = self.rule_alerts();
        found.retain(|of| match group {
            AlertGroup::Rule(index) => of.index == index,
            AlertGroup::Tactic(None) => of.rule.tactics.is_empty(),
            AlertGroup::Tactic(Some(at)) => {
                let tactic = Tactic::ALL.get(at);
                tactic.is_some_and(|tactic| of.rule.tactics.contains(tactic))
            }
        });
        found
    }

    /// Returns the drill-down to the events of a group.
    pub(crate) fn narrowed_alerts(&self, group: AlertGroup) -> Narrowed {
        let rules = self.group_alerts(group);
        let alerts = rules.iter().flat_map(|of| &of.alerts);
        let mut nums: Vec<u64> = alerts.map(|alert| alert.num).collect();
        nums.sort_unstable();
        nums.dedup();
        let name = match (group, rules.first()) {
            (AlertGroup::Rule(_), Some(of)) => {
                let mut name = b"rule ".to_vec();
                escape_exact(&mut name, &of.rule.name);
                String::from_utf8_lossy(&name).into_owned()
            }
            (AlertGroup::Tactic(Some(at)), _) => {
                Tactic::ALL.get(at).map_or("", |t| t.name()).to_owned()
            }
            _ => "rules without a tactic".to_owned(),
        };
        let is_all = nums.len() <= MOST_EVENTS && rules.iter().all(|of| of.is_whole);
        nums.truncate(MOST_EVENTS);
        let filter = match &nums[..] {
            [] => String::new(),
            nums => {
                let nums: Vec<String> = nums.iter().map(u64::to_string).collect();
                format!("evt.num in ({})", nums.join(", "))
            }
        };
        Narrowed {
            label: match is_all {
                true => name,
                false => format!("{name}: only {} of its events", nums.len()),
            },
            filter,
            view: View::Events,
            span: None,
        }
    }

    /// Puts the alerts of an event at the beginning of its details.
    pub(crate) fn put_alerts(&self, detail: &mut Detail, raised: &[(usize, Alert)]) {
        let Some(list) = self.alerts.list() else {
            return;
        };
        detail.groups.retain(|group| group.title != TITLE);
        let mut found: Vec<(usize, &Alert)> = list.of_event(detail.num).collect();
        for (rule, alert) in raised {
            if !found.iter().any(|(known, _)| known == rule) {
                found.push((*rule, alert));
            }
        }
        let entry = |(index, alert): (usize, &Alert)| {
            let rule = list.rule(index)?;
            let mut value = Vec::new();
            escape_exact(&mut value, &rule.name);
            value.extend_from_slice(b": ");
            value.extend_from_slice(&alert.output);
            if alert.recorded {
                value.extend_from_slice(b" (recorded)");
            }
            let entry = Entry {
                name: rule.priority.name().to_owned(),
                value: String::from_utf8_lossy(&value).into_owned(),
                filter: None,
            };
            Some((rule.priority, entry))
        };
        let mut entries: Vec<_> = found.into_iter().filter_map(entry).collect();
        entries.sort_by_key(|(priority, _)| *priority);
        if !entries.is_empty() {
            let group = Group {
                title: TITLE,
                entries: entries.into_iter().map(|(_, entry)| entry).collect(),
            };
            detail.groups.insert(0, group);
        }
    }
}
