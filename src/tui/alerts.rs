//! The tables of alerts: by rule or by tactic, and one by one.

use super::model::{Model, RuleAlerts};
use crate::replay::Span;
use crate::rules::{Priority, Tactic};
use crate::state::Text;
use crate::stats::table::{AlertGroup, Cell, Column, ROWS, Row, Subject, Table};

const PRIORITY: Column = Column::new("PRIORITY", 9, "How severe it is, as the rule says.");
const CONTAINER: &str = "The container's name, or its id.";

const GROUPS: &[Column] = &[
    PRIORITY,
    Column::new("COUNT", 8, "Number of alerts."),
    Column::new("FIRST", 15, "Time of the first alert."),
    Column::new("LAST", 15, "Time of the last alert."),
    Column::new(
        "TECHNIQUE",
        10,
        "The techniques of MITRE ATT&CK that the rule names.",
    )
    .optional(),
    Column::new("CONTAINER", 14, CONTAINER).optional(),
    Column::new("PROCESS", 16, "The names of the processes."),
    Column::new(
        "RECORDED",
        8,
        "Number of alerts that were recorded with the capture.",
    )
    .optional(),
    Column::new("RULE", 0, "The rule."),
];

const LIST: &[Column] = &[
    Column::new("TIME", 15, "Time of the event.").is("evt.rawtime"),
    PRIORITY,
    Column::new("PROCESS", 15, "The name of the process.").is("proc.name"),
    Column::new("PID", 8, "The process id.").is("proc.pid"),
    Column::new("CONTAINER", 14, CONTAINER)
        .is("container.name")
        .optional(),
    Column::new("EVENT", 9, "The number of the event.").is("evt.num"),
    Column::new("RECORDED", 8, "Whether it was recorded with the capture.").optional(),
    Column::new("RULE", 24, "The rule.").optional(),
    Column::new("ALERT", 0, "The rule's output for the event."),
];

/// Most names in a cell.
const MOST_NAMES: usize = 16;

/// Makes the table of the rules with alerts, or of the tactics with their rules.
pub(super) fn groups(model: &Model) -> Table {
    let rules = model.rule_alerts();
    let rows = match model.alerts.by_tactic {
        true => by_tactic(&rules),
        false => rules.iter().map(|of| row(&[of], 0)).collect(),
    };
    Table {
        columns: GROUPS,
        sorted: (!model.alerts.by_tactic).then_some((0, false)),
        rows,
        omitted: omitted(&rules),
    }
}

/// Makes the table of the alerts of a group.
pub(super) fn list(model: &Model) -> Table {
    let rules = match model.alerts.of {
        Some(group) => model.group_alerts(group),
        None => model.rule_alerts(),
    };
    let is_of_one = matches!(model.alerts.of, Some(AlertGroup::Rule(_)));
    let all = rules
        .iter()
        .flat_map(|of| of.alerts.iter().map(move |alert| (*alert, of)));
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(alert, _)| alert.num);
    let row = |(alert, of): &(&crate::inspect::alerts::Alert, &RuleAlerts<'_>)| Row {
        cells: vec![
            time(alert.ts),
            priority(of.rule.priority),
            text(&alert.comm),
            match alert.pid {
                pid if pid > 0 => Cell::Id(pid),
                _ => Cell::Empty,
            },
            text(&alert.container),
            Cell::Id(i64::try_from(alert.num).unwrap_or(i64::MAX)),
            match alert.recorded {
                true => Cell::Word("yes"),
                false => Cell::Empty,
            },
            match is_of_one {
                true => Cell::Empty,
                false => Cell::Text(Text::clone(&of.rule.name)),
            },
            Cell::Rendered(Text::clone(&alert.output)),
        ],
        subject: Subject::Event(alert.num),
        depth: 0,
        life: None,
    };
    Table {
        columns: LIST,
        sorted: None,
        rows: all.iter().take(ROWS).map(row).collect(),
        omitted: omitted(&rules) + all.len().saturating_sub(ROWS) as u64,
    }
}

/// Returns at least how many alerts are not kept, so that they are not in the counts of a part.
fn omitted(rules: &[RuleAlerts<'_>]) -> u64 {
    rules.iter().filter(|of| !of.is_whole).count() as u64
}

fn by_tactic(rules: &[RuleAlerts<'_>]) -> Vec<Row> {
    let mut rows = Vec::new();
    let tactics = Tactic::ALL.iter().enumerate();
    let tactics = tactics.map(|(at, tactic)| (Some(at), tactic.name(), Some(tactic)));
    for (at, name, tactic) in tactics.chain([(None, "without a tactic", None)]) {
        let is_own = |of: &&RuleAlerts<'_>| match tactic {
            Some(tactic) => of.rule.tactics.contains(tactic),
            None => of.rule.tactics.is_empty(),
        };
        let own: Vec<_> = rules.iter().filter(is_own).collect();
        if own.is_empty() {
            continue;
        }
        let mut of_tactic = row(&own, 0);
        of_tactic.subject = Subject::Alerts(AlertGroup::Tactic(at));
        of_tactic.cells.pop();
        of_tactic.cells.push(Cell::Word(name));
        rows.push(of_tactic);
        rows.extend(own.iter().map(|of| row(&[of], 1)));
    }
    rows
}

/// Makes the row of one or more rules; the first is the most severe.
fn row(rules: &[&RuleAlerts<'_>], depth: u16) -> Row {
    let first = rules[0];
    let seen = rules.iter().skip(1).fold(first.seen, |seen, of| Span {
        from: seen.from.min(of.seen.from),
        to: seen.to.max(of.seen.to),
    });
    let alerts = || rules.iter().flat_map(|of| &of.alerts);
    let techniques = rules.iter().flat_map(|of| of.rule.techniques.iter());
    Row {
        cells: vec![
            priority(first.rule.priority),
            Cell::Count(rules.iter().map(|of| of.count).sum()),
            time(seen.from),
            time(seen.to),
            names(techniques),
            names(alerts().map(|alert| &alert.container)),
            names(alerts().map(|alert| &alert.comm)),
            match alerts().filter(|alert| alert.recorded).count() {
                0 => Cell::Empty,
                recorded => Cell::Count(recorded as u64),
            },
            Cell::Text(Text::clone(&first.rule.name)),
        ],
        subject: Subject::Alerts(AlertGroup::Rule(first.index)),
        depth,
        life: Some((seen, true, true)),
    }
}

fn priority(priority: Priority) -> Cell {
    Cell::Ranked(priority as u8, priority.name())
}

fn time(ts: u64) -> Cell {
    match ts {
        0 => Cell::Empty,
        ts => Cell::Time(ts),
    }
}

fn text(text: &Text) -> Cell {
    match text.is_empty() {
        true => Cell::Empty,
        false => Cell::Text(Text::clone(text)),
    }
}

/// Returns different texts, in the order in which they come.
fn names<'t>(texts: impl Iterator<Item = &'t Text>) -> Cell {
    let mut names: Vec<Text> = Vec::new();
    for text in texts.filter(|text| !text.is_empty()) {
        if names.contains(text) {
            continue;
        }
        if names.len() == MOST_NAMES {
            return Cell::List(names.into(), true);
        }
        names.push(Text::clone(text));
    }
    match names.len() {
        0 => Cell::Empty,
        _ => Cell::List(names.into(), false),
    }
}
