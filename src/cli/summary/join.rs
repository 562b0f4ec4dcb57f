//! Joins the accounts of the parts of a capture.

use super::{Account, Busy, IDS, KEPT, Rows};
use crate::cli::aggregate::Aggregate;
use crate::stats::groups::Counts;

impl Aggregate for Account {
    fn join(&mut self, later: Self) -> bool {
        let is_whole = self.join_info(&later)
            & self.join_busy(&later)
            & join_counts(&mut self.connections, later.connections)
            & join_counts(&mut self.local, later.local)
            & self.files.join(later.files)
            & self.failed.join(later.failed)
            & self.waits.join(later.waits)
            & (later.containers.omitted() == 0);
        self.started.join(later.started);
        self.ended.join(later.ended);
        self.slow.join(later.slow);
        for (id, more) in later.containers.into_rows() {
            let known = self.containers.find(&id, |other| *other == id);
            let Some(known) = known else {
                let events = more.events;
                if self.containers.replace(id, more, 0).is_none() {
                    self.containers.omit_more(events.saturating_sub(1));
                }
                continue;
            };
            let container = self.containers.row(known);
            container.events += more.events;
            container.name = more.name.or(container.name.take());
            container.image = more.image.or(container.image.take());
        }
        is_whole
    }
}

impl Account {
    fn join_info(&mut self, later: &Self) -> bool {
        let (info, more) = (&mut self.info, &later.info);
        info.events += more.events;
        info.times = match (info.times, more.times) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (times, more) => times.or(more),
        };
        // Each part has the losses of all before it.
        info.losses.clone_from(&more.losses);
        info.has_unknown_losses = more.has_unknown_losses;
        self.machines.clone_from(&later.machines);
        self.first = self.first.or(later.first);
        for pid in &later.pids {
            if self.pids.len() < IDS {
                self.pids.insert(*pid);
            }
        }
        info.alerts.join(more.alerts.clone())
    }

    fn join_busy(&mut self, later: &Self) -> bool {
        for (pid, more) in later.busy.iter() {
            let make = || (*pid, Busy::default());
            let Some(place) = self.busy.place(pid, |other| other == pid, make) else {
                self.busy.omit_more(more.events.saturating_sub(1));
                continue;
            };
            let busy = self.busy.row(place);
            busy.events += more.events;
            if busy.name.is_empty() || more.is_of_exec {
                busy.name.clone_from(&more.name);
                busy.is_of_exec = more.is_of_exec;
            }
        }
        later.busy.omitted() == 0
    }
}

fn join_counts<K: std::hash::Hash + Eq>(counts: &mut Counts<K>, later: Counts<K>) -> bool {
    let is_whole = later.groups().omitted() == 0;
    for (key, count) in later.into_rows() {
        counts.add_times(key, count);
    }
    is_whole
}

impl<T> Rows<T> {
    fn join(&mut self, later: Self) {
        self.count += later.count;
        let room = KEPT.saturating_sub(self.rows.len());
        self.rows.extend(later.rows.into_iter().take(room));
    }
}
