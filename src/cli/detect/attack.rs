//! `scap detect --attack`: what the alerts say about the phases of an attack, by MITRE ATT&CK.

use std::collections::BTreeMap;
use std::io;

use serde_json::json;

use super::replay::Findings;
use crate::cli::error::CliError;
use crate::cli::output::{self, Output};
use crate::cli::stderr::one_line;
use crate::event::bytes::BufferFormat;
use crate::event::number::{counted, grouped};
use crate::event::time::LocalClock;
use crate::fields::Context;
use crate::filter::Filter;
use crate::format::Template;
use crate::rules::{Match, Tactic};

/// Limit of the processes that are remembered.
const MAX_PROCESSES: usize = 100_000;
/// Limit of the connections that are remembered.
const MAX_CONNECTIONS: usize = 200_000;
/// How many processes of a tactic are shown.
const SHOWN: usize = 8;

/// A process of a recording.
type Process = (String, i64);

/// What a process did, by tactic and rule.
#[derive(Debug)]
struct Deed {
    first: u64,
    count: u64,
    priority: &'static str,
    techniques: Vec<String>,
    container: String,
    /// Name and id.
    parent: String,
    command: String,
    /// The nearest ancestor that did something before.
    ancestor: Option<i64>,
}

/// Collects alerts.
pub(super) struct Attack {
    deeds: BTreeMap<(Tactic, Process, String), Deed>,
    /// Processes with an alert, with the time of the first one.
    processes: BTreeMap<Process, u64>,
    /// Alerts without a tactic.
    other: u64,
    dropped: u64,
    names: Template,
    ids: Template,
    connections: Connections,
}

/// Connections that both ends may have seen.
struct Connections {
    filter: Filter,
    template: Template,
    /// By the tuple as text: who connected and who accepted, with times.
    seen: BTreeMap<String, Ends>,
    dropped: u64,
}

#[derive(Default)]
struct Ends {
    client: Option<(Process, u64)>,
    server: Option<(Process, u64)>,
}

fn template(text: &str) -> Result<Template, CliError> {
    Template::new(text).map_err(|error| CliError::failed(error.to_string()))
}

impl Attack {
    pub(super) fn new() -> Result<Self, CliError> {
        let filter = "evt.type in (connect, accept, accept4) and fd.type in (ipv4, ipv6) and fd.l4proto = tcp";
        let filter = Filter::parse(filter).map_err(|error| CliError::failed(error.to_string()))?;
        Ok(Self {
            deeds: BTreeMap::new(),
            processes: BTreeMap::new(),
            other: 0,
            dropped: 0,
            names: template("*%container.id\t%proc.pname %proc.ppid\t%proc.cmdline")?,
            ids: template(
                "*%proc.pid %proc.apid[1] %proc.apid[2] %proc.apid[3] %proc.apid[4] %proc.apid[5] %proc.apid[6] %proc.apid[7] %proc.apid[8]",
            )?,
            connections: Connections {
                filter,
                template: template("*%evt.type %proc.pid %fd.name")?,
                seen: BTreeMap::new(),
                dropped: 0,
            },
        })
    }
}

/// Writes an event with a template.
fn text(template: &mut Template, cx: &Context<'_>) -> String {
    let mut out = Vec::new();
    template.write(&mut out, cx, BufferFormat::Dots);
    String::from_utf8_lossy(&out).into_owned()
}

/// The name of a recording: the capture if there are several, else the machine.
fn host(cx: &Context<'_>, capture: Option<&str>) -> String {
    let machine = &cx.session.machine.host_name;
    match capture {
        Some(capture) if machine.is_empty() => capture.to_owned(),
        Some(capture) => format!("{machine} ({capture})"),
        None => machine.clone(),
    }
}

impl Findings for Attack {
    fn found(
        &mut self,
        cx: &Context<'_>,
        found: &Match<'_>,
        capture: Option<&str>,
    ) -> io::Result<()> {
        let rule = found.rule;
        let tactics = Tactic::of_tags(&rule.tags);
        if tactics.is_empty() {
            self.other += 1;
            return Ok(());
        }
        let host = host(cx, capture);
        let ids = text(&mut self.ids, cx);
        let mut ids = ids.split(' ').map(|id| id.parse::<i64>().unwrap_or(-1));
        let process = (host.clone(), ids.next().unwrap_or(-1));
        let time = cx.event.ts.known().unwrap_or(0);
        if self.processes.len() >= MAX_PROCESSES && !self.processes.contains_key(&process) {
            self.dropped += 1;
            return Ok(());
        }
        let ancestor = ids.find(|id| *id > 0 && self.processes.contains_key(&(host.clone(), *id)));
        self.processes.entry(process.clone()).or_insert(time);
        for tactic in tactics {
            let key = (tactic, process.clone(), rule.name.clone());
            if let Some(deed) = self.deeds.get_mut(&key) {
                deed.count += 1;
                continue;
            }
            let names = text(&mut self.names, cx);
            let mut names = names.splitn(3, '\t').map(str::to_owned);
            let mut name = || names.next().unwrap_or_default();
            let techniques = rule
                .tags
                .iter()
                .filter(|tag| crate::rules::is_technique(tag));
            let deed = Deed {
                first: time,
                count: 1,
                priority: rule.priority.name(),
                techniques: techniques.cloned().collect(),
                container: name(),
                parent: name(),
                command: name(),
                ancestor,
            };
            self.deeds.insert(key, deed);
        }
        Ok(())
    }

    fn event(&mut self, cx: &Context<'_>, capture: Option<&str>) {
        let connections = &mut self.connections;
        if !connections.filter.matches(cx) {
            return;
        }
        let line = text(&mut connections.template, cx);
        let mut words = line.splitn(3, ' ');
        let (Some(kind), Some(pid), Some(tuple)) = (words.next(), words.next(), words.next())
        else {
            return;
        };
        if connections.seen.len() >= MAX_CONNECTIONS && !connections.seen.contains_key(tuple) {
            connections.dropped += 1;
            return;
        }
        let process = (host(cx, capture), pid.parse().unwrap_or(-1));
        let end = (process, cx.event.ts.known().unwrap_or(0));
        let ends = connections.seen.entry(tuple.to_owned()).or_default();
        match kind {
            "connect" => ends.client = Some(end),
            _ => ends.server = Some(end),
        }
    }
}

impl Attack {
    /// Prints the tactics in the order of time.
    pub(super) fn print(self, as_json: bool) -> Result<(), CliError> {
        let mut out = Output::new();
        let mut by_tactic: BTreeMap<Tactic, Vec<(&Process, &String, &Deed)>> = BTreeMap::new();
        for ((tactic, process, rule), deed) in &self.deeds {
            by_tactic
                .entry(*tactic)
                .or_default()
                .push((process, rule, deed));
        }
        let mut tactics: Vec<_> = by_tactic.into_iter().collect();
        for (_, deeds) in &mut tactics {
            deeds.sort_by_key(|(_, _, deed)| deed.first);
        }
        tactics.sort_by_key(|(_, deeds)| deeds.first().map(|(_, _, deed)| deed.first));
        let movements = self.connections.movements();
        let mut clock = LocalClock::default();
        let mut time = |ns: u64| {
            let mut text = Vec::new();
            clock.date_time(&mut text, ns);
            String::from_utf8_lossy(&text).into_owned()
        };
        if as_json {
            for (tactic, deeds) in &tactics {
                for ((host, pid), rule, deed) in deeds {
                    let line = json!({
                        "tactic": tactic.name(), "tactic_id": tactic.id(), "time": deed.first, "host": host, "pid": pid, "rule": rule,
                        "priority": deed.priority, "techniques": deed.techniques, "alerts": deed.count, "container": deed.container,
                        "command": deed.command, "parent": deed.parent, "ancestor": deed.ancestor,
                    });
                    output::ascii_json(out.buffer(), &line.to_string());
                    out.buffer().push(b'\n');
                }
            }
            for (tuple, client, server) in &movements {
                let line = json!({
                    "connection": tuple, "time": client.1, "from_host": client.0.0, "from_pid": client.0.1, "to_host": server.0.0,
                    "to_pid": server.0.1, "has_alerts": self.is_involved(&client.0) || self.is_involved(&server.0),
                });
                output::ascii_json(out.buffer(), &line.to_string());
                out.buffer().push(b'\n');
            }
            return out.finish();
        }
        let mut text = String::new();
        if tactics.is_empty() {
            text.push_str("no alert has the tag of a tactic\n");
        }
        for (tactic, deeds) in &tactics {
            let count: u64 = deeds.iter().map(|(_, _, deed)| deed.count).sum();
            let first = deeds.first().map_or(0, |(_, _, deed)| deed.first);
            text.push_str(&format!(
                "{}  {} ({}): {}\n",
                time(first),
                tactic.name(),
                tactic.id(),
                counted(count, "alert")
            ));
            for ((host, pid), rule, deed) in deeds.iter().take(SHOWN) {
                let times = if deed.count > 1 {
                    format!(" x{}", grouped(deed.count))
                } else {
                    String::new()
                };
                let container = match &*deed.container {
                    "" | "host" | "<NA>" => String::new(),
                    id => format!(" in {id}"),
                };
                let below = deed.ancestor.map_or_else(String::new, |pid| {
                    format!(", below {pid}, which had alerts")
                });
                let techniques = deed.techniques.join(" ");
                text.push_str(&format!(
                    "    {}  {} {techniques}{times}: {} [{pid}, of {}{below}] on {}{container}\n",
                    time(deed.first),
                    one_line(rule),
                    deed.command,
                    deed.parent,
                    one_line(host)
                ));
            }
            if deeds.len() > SHOWN {
                text.push_str(&format!("    and {} more\n", deeds.len() - SHOWN));
            }
        }
        for (tuple, client, server) in &movements {
            let (from, to) = (&client.0, &server.0);
            let mark = match (self.is_involved(from), self.is_involved(to)) {
                (true, true) => ", both with alerts",
                (true, false) => ", the first with alerts",
                (false, true) => ", the second with alerts",
                (false, false) => "",
            };
            text.push_str(&format!(
                "{}  from {} [{}] to {} [{}] over {tuple}{mark}\n",
                time(client.1),
                one_line(&from.0),
                from.1,
                one_line(&to.0),
                to.1
            ));
        }
        if self.other > 0 {
            text.push_str(&format!(
                "{} without the tag of a tactic\n",
                counted(self.other, "alert")
            ));
        }
        let dropped = self.dropped + self.connections.dropped;
        if dropped > 0 {
            text.push_str(&format!(
                "{} alerts and connections more than can be remembered\n",
                grouped(dropped)
            ));
        }
        out.buffer().extend_from_slice(text.as_bytes());
        out.finish()
    }

    fn is_involved(&self, process: &Process) -> bool {
        self.processes.contains_key(process)
    }
}

impl Connections {
    /// Returns the connections from one recording to another that both saw, in the order of time.
    #[expect(clippy::type_complexity, reason = "a row of a table")]
    fn movements(&self) -> Vec<(&str, &(Process, u64), &(Process, u64))> {
        let both = self.seen.iter().filter_map(|(tuple, ends)| {
            let (client, server) = (ends.client.as_ref()?, ends.server.as_ref()?);
            (client.0.0 != server.0.0).then_some((&**tuple, client, server))
        });
        let mut found: Vec<_> = both.collect();
        found.sort_by_key(|(_, client, _)| client.1);
        found
    }
}
