//! Counts of the alerts in a capture.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::event::alert::{Alert, is_alert};
use crate::event::text::short;

/// Limit of the rules that are counted by name.
const RULES: usize = 1000;

/// How many alerts there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertCounts {
    /// All, those included that the recorder left out.
    pub total: u64,
    /// How many of the alerts the recorder left out.
    pub left_out: u64,
    /// By priority and rule. Of very many rules, not all.
    pub by_rule: BTreeMap<(String, String), u64>,
}

impl AlertCounts {
    /// Counts an event, if it is an alert; returns whether it is one.
    #[inline]
    pub fn add(&mut self, event: &Event<'_>) -> bool {
        let is_alert = is_alert(event);
        if is_alert {
            self.count(event);
        }
        is_alert
    }

    /// Adds the alerts of a later part of the capture. Returns false if there are too many rules to count each by name.
    pub fn join(&mut self, later: Self) -> bool {
        self.total = self.total.saturating_add(later.total);
        self.left_out = self.left_out.saturating_add(later.left_out);
        for (key, count) in later.by_rule {
            let of_rule = self.by_rule.entry(key).or_default();
            *of_rule = of_rule.saturating_add(count);
        }
        self.by_rule.len() < RULES
    }

    fn count(&mut self, event: &Event<'_>) {
        let Some(alert) = Alert::of(event) else {
            self.total = self.total.saturating_add(1);
            return;
        };
        let count = alert.left_out.max(1);
        self.total = self.total.saturating_add(count);
        self.left_out = self.left_out.saturating_add(alert.left_out);
        let key = (
            short(&alert.priority).into_owned(),
            short(&alert.rule).into_owned(),
        );
        if let Some(of_rule) = self.by_rule.get_mut(&key) {
            *of_rule = of_rule.saturating_add(count);
        } else if self.by_rule.len() < RULES {
            self.by_rule.insert(key, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;
    use crate::event::alert::AlertEvent;

    #[test]
    fn alerts_are_counted_by_rule_within_limits() {
        let mut built = AlertEvent::default();
        let mut counts = AlertCounts::default();
        let mut add = |json: &str| {
            assert!(counts.add(&built.at(Timestamp(1), json.as_bytes()).unwrap()));
        };
        for _ in 0..3 {
            add(r#"{"priority":"Warning","rule":"shadow"}"#);
        }
        add(r#"{"priority":"Warning","rule":"shadow","left_out":250}"#);
        add(r#"{"priority":"Notice","rule":"shadow","left_out":18446744073709551615}"#);
        add("{broken");
        for number in 0..2 * RULES {
            add(&format!(r#"{{"priority":"Debug","rule":"{number}"}}"#));
        }
        assert_eq!(counts.total, u64::MAX);
        assert_eq!(counts.left_out, u64::MAX);
        assert_eq!(counts.by_rule.len(), RULES);
        let of = |priority: &str| counts.by_rule[&(priority.to_owned(), "shadow".to_owned())];
        assert_eq!((of("Warning"), of("Notice")), (253, u64::MAX));
    }
}
