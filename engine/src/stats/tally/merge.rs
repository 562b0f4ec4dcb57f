//! Merging of tallies.

use std::cmp::Reverse;
use std::hash::Hash;

use hashbrown::HashMap;

use super::{
    CallTally, ConnectionTally, ContainerTally, ErrorTally, FileTally, Io, ProcessTally, Seen,
    Spectrum, TIMES, Tally, TileTally, WaitTally, limits,
};
use crate::replay::Span;
use crate::state::{L4, Role, Text};
use crate::stats::activity::{Activity, spread};
use crate::stats::table::TILES;

impl Tally {
    /// Makes the tally of a span without events.
    pub fn over(span: Span) -> Self {
        Self {
            spectrum: Some(Spectrum::over(span)),
            activity: Some(Activity::over(span)),
            tiles: TileTally::all(),
            ..Self::default()
        }
    }

    /// Adds the tally of another part at its position in this one's span.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        for (chunk, count) in &other.matches {
            let matches = self.matches.entry(*chunk).or_insert(0);
            *matches = matches.saturating_add(*count);
        }
        for (mine, theirs) in self.omitted.iter_mut().zip(other.omitted) {
            *mine = mine.saturating_add(theirs);
        }
        let [
            processes,
            files,
            connections,
            calls,
            errors,
            containers,
            commands,
            waits,
        ] = &mut self.omitted;
        *processes += merge(
            &mut self.processes,
            &other.processes,
            limits::PROCESSES,
            ProcessTally::merge,
        );
        *files += merge(
            &mut self.files,
            &other.files,
            limits::FILES,
            FileTally::merge,
        );
        *connections += merge(
            &mut self.connections,
            &other.connections,
            limits::CONNECTIONS,
            ConnectionTally::merge,
        );
        *calls += merge(
            &mut self.calls,
            &other.calls,
            limits::CALLS,
            CallTally::merge,
        );
        *errors += merge(
            &mut self.errors,
            &other.errors,
            limits::ERRORS,
            ErrorTally::merge,
        );
        *containers += merge(
            &mut self.containers,
            &other.containers,
            limits::CONTAINERS,
            ContainerTally::merge,
        );
        *waits += merge(
            &mut self.waits,
            &other.waits,
            limits::WAITS,
            WaitTally::merge,
        );
        self.commands.extend_from_slice(&other.commands);
        self.commands.sort_by_key(|c| (c.ts, c.num));
        *commands += self.commands.len().saturating_sub(limits::COMMANDS) as u64;
        self.commands.truncate(limits::COMMANDS);
        self.slow.extend_from_slice(&other.slow);
        self.slow.sort_by_key(|s| (Reverse(s.latency), s.num));
        self.slow.truncate(limits::SLOW);
        self.add_tiles(other);
        if let (Some(mine), Some(theirs)) = (&mut self.spectrum, &other.spectrum) {
            mine.add(theirs);
        }
        if let (Some(mine), Some(theirs)) = (&mut self.activity, &other.activity) {
            mine.add(theirs);
        }
    }

    fn add_tiles(&mut self, other: &Self) {
        let (Some(mine), Some(theirs)) = (&self.spectrum, &other.spectrum) else {
            return;
        };
        let tiles = &mut self.tiles;
        for (mine, theirs) in tiles.iter_mut().zip(&other.tiles) {
            mine.count += theirs.count;
        }
        spread(theirs.span, TIMES, mine.span, TIMES, |at, to, share| {
            for (mine, theirs) in tiles.iter_mut().zip(&other.tiles) {
                if let (Some(to), Some(from)) = (mine.series.get_mut(to), theirs.series.get(at)) {
                    *to = to.saturating_add(share.of(*from));
                }
            }
        });
    }

    /// Returns the approximate memory use in bytes.
    pub fn bytes(&self) -> usize {
        fn rows<K, V>(map: &HashMap<K, V>, text: impl Fn(&K, &V) -> usize) -> usize {
            let texts: usize = map.iter().map(|(k, v)| text(k, v)).sum();
            map.capacity() * (size_of::<(K, V)>() + 1) + texts
        }
        let commands = self.commands.iter();
        let slow = self.slow.iter();
        size_of::<Self>()
            + self.matches.len() * 3 * size_of::<u64>()
            + rows(&self.processes, |_, p| p.cmdline.len() + p.user.len())
            + rows(&self.files, |key, f| {
                key.path.len() + size_of_val(f.users.values())
            })
            + rows(&self.connections, |key, c| {
                key.name.len() + size_of_val(c.users.values()) + size_of_val(c.pids.values())
            })
            + rows(&self.calls, |name, _| name.len())
            + rows(&self.errors, |_, _| 0)
            + rows(&self.waits, |key, _| key.target.len())
            + rows(&self.containers, |id, c| {
                id.len() + c.name.len() + c.image.len() + c.pod.len()
            })
            + commands
                .map(|c| {
                    size_of_val(c)
                        + c.cmdline.len()
                        + c.cwd.len()
                        + c.parent.len()
                        + c.starter.len()
                })
                .sum::<usize>()
            + slow
                .map(|s| size_of_val(s) + s.about.len() + s.call.len())
                .sum::<usize>()
            + self
                .spectrum
                .as_ref()
                .map_or(0, |s| size_of_val(&*s.counts))
            + self.activity.as_ref().map_or(0, |a| size_of_val(&*a.bins))
            + self
                .tiles
                .iter()
                .map(|t| size_of_val(&*t.series))
                .sum::<usize>()
    }
}

/// Merges rows. Returns the number of omitted rows.
fn merge<K: Clone + Eq + Hash, V: Clone>(
    mine: &mut HashMap<K, V>,
    theirs: &HashMap<K, V>,
    cap: usize,
    add: impl Fn(&mut V, &V),
) -> u64 {
    let mut omitted = 0;
    for (key, value) in theirs {
        if let Some(row) = mine.get_mut(key) {
            add(row, value);
        } else if mine.len() < cap {
            mine.insert(key.clone(), value.clone());
        } else {
            omitted += 1;
        }
    }
    omitted
}

impl TileTally {
    /// Returns an empty tally for each tile.
    pub(super) fn all() -> Vec<Self> {
        let none = Self {
            count: 0,
            series: vec![0; TIMES],
        };
        vec![none; TILES.len()]
    }
}

impl Io {
    /// Adds bytes and calls.
    pub fn add(&mut self, other: Self) {
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.calls = self.calls.saturating_add(other.calls);
    }
}

impl Seen {
    /// Makes the span of a single time.
    pub fn at(time: u64) -> Self {
        Self {
            from: time,
            to: time,
        }
    }

    /// Extends the span to a time.
    pub fn extend(&mut self, time: u64) {
        self.from = self.from.min(time);
        self.to = self.to.max(time);
    }

    /// Extends the span to that of another.
    pub fn join(&mut self, other: Self) {
        self.from = self.from.min(other.from);
        self.to = self.to.max(other.to);
    }
}

impl ProcessTally {
    /// Notes an event of the process.
    pub(super) fn see(&mut self, time: u64) {
        match &mut self.seen {
            Some(seen) => seen.extend(time),
            seen => *seen = Some(Seen::at(time)),
        }
    }

    fn merge(&mut self, other: &Self) {
        // The latest description is used; a row made for an ancestor has only what its descendants
        // know.
        let last = |p: &Self| p.seen.map(|seen| seen.to);
        if last(other) > last(self) {
            self.comm = Text::clone(&other.comm);
            self.cmdline = Text::clone(&other.cmdline);
            self.user = Text::clone(&other.user);
            self.container.clone_from(&other.container);
            self.parent = other.parent.or(self.parent);
        }
        self.parent = self.parent.or(other.parent);
        self.seen = match (self.seen, other.seen) {
            (Some(mut mine), Some(theirs)) => {
                mine.join(theirs);
                Some(mine)
            }
            (mine, theirs) => mine.or(theirs),
        };
        self.made = self.made.max(other.made);
        self.ended = self.ended.max(other.ended);
        self.threads = self.threads.max(other.threads);
        self.events += other.events;
        self.execs = self.execs.saturating_add(other.execs);
        self.failed += other.failed;
        self.tiles |= other.tiles;
        self.waited_ns = self.waited_ns.saturating_add(other.waited_ns);
        self.busy_ns = self.busy_ns.saturating_add(other.busy_ns);
        self.file.add(other.file);
        self.net.add(other.net);
        self.other.add(other.other);
    }
}

impl FileTally {
    fn merge(&mut self, other: &Self) {
        self.users.join(&other.users);
        self.tiles |= other.tiles;
        self.io.add(other.io);
        self.events += other.events;
        self.opens += other.opens;
        self.failed += other.failed;
        self.changes += other.changes;
        self.time_ns = self.time_ns.saturating_add(other.time_ns);
        self.slowest_ns = self.slowest_ns.max(other.slowest_ns);
        self.seen.join(other.seen);
    }
}

impl ConnectionTally {
    fn merge(&mut self, other: &Self) {
        if self.role == Role::Unknown {
            (self.role, self.ends, self.bound) = (other.role, other.ends, other.bound);
        }
        if self.l4 == L4::Unknown {
            self.l4 = other.l4;
        }
        if other.seen.to > self.seen.to {
            self.container.clone_from(&other.container);
        }
        self.users.join(&other.users);
        self.pids.join(&other.pids);
        self.tiles |= other.tiles;
        self.io.add(other.io);
        self.events += other.events;
        self.failed += other.failed;
        self.seen.join(other.seen);
    }
}

impl CallTally {
    fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.timed += other.timed;
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.slowest_ns = self.slowest_ns.max(other.slowest_ns);
    }
}

impl ErrorTally {
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.seen.join(other.seen);
    }
}

impl WaitTally {
    fn merge(&mut self, other: &Self) {
        if other.seen.to > self.seen.to {
            self.comm = Text::clone(&other.comm);
        }
        self.count += other.count;
        self.timeouts += other.timeouts;
        self.unfinished += other.unfinished;
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.longest_ns = self.longest_ns.max(other.longest_ns);
        self.seen.join(other.seen);
    }
}

impl ContainerTally {
    fn merge(&mut self, other: &Self) {
        let known = |mine: &mut Text, theirs: &Text| {
            if mine.is_empty() {
                *mine = Text::clone(theirs);
            }
        };
        known(&mut self.name, &other.name);
        known(&mut self.image, &other.image);
        known(&mut self.pod, &other.pod);
        self.events += other.events;
        self.failed += other.failed;
        self.file.add(other.file);
        self.net.add(other.net);
        self.seen.join(other.seen);
    }
}
