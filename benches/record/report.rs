//! The tables.

use crate::{
    load::Ran,
    recorder::{Cost, Kind},
};

/// Target rates as a share of the bare rate: loop, first target, budget of the design.
const LEVELS: [(&str, Option<f64>, Option<f64>); 4] = [
    ("getpid", Some(0.35), Some(0.45)),
    ("file", Some(0.42), Some(0.60)),
    ("null", Some(0.27), Some(0.40)),
    ("exec", None, Some(0.90)),
];

/// Minimum share of time on the CPU for a program that never waits, unless it was disturbed.
const UNDISTURBED: f64 = 0.95;

/// The rounds of one recorder and one load.
pub(crate) struct Series {
    /// Which recorder.
    pub(crate) kind: Kind,
    /// Round, result of the load, cost of the recorder.
    pub(crate) rounds: Vec<(usize, Ran, Cost)>,
    /// Why there are no rounds.
    pub(crate) failed: Option<String>,
}

/// The rounds of all recorders and one load.
pub(crate) struct Group {
    /// The load.
    pub(crate) name: &'static str,
    /// Whether the load never waits.
    pub(crate) busy: bool,
    /// By recorder.
    pub(crate) series: Vec<Series>,
}

/// The median; for an even number of values the mean of the two middle ones.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[half]),
        _ => Some(f64::midpoint(values[half - 1], values[half])),
    }
}

impl Series {
    fn each(&self, value: impl Fn(&Cost) -> Option<f64>) -> Option<f64> {
        median(
            self.rounds
                .iter()
                .filter_map(|(_, _, cost)| value(cost))
                .collect(),
        )
    }
}

impl Group {
    fn bare(&self, round: usize) -> Option<&Ran> {
        let bare = self
            .series
            .iter()
            .find(|series| series.kind == Kind::Bare)?;
        bare.rounds
            .iter()
            .find(|(r, ..)| *r == round)
            .map(|(_, ran, _)| ran)
    }

    /// Median over the rounds of a comparison with the bare run of the same round.
    fn against_bare(&self, series: &Series, value: impl Fn(&Ran, &Ran) -> f64) -> Option<f64> {
        let pairs = series.rounds.iter();
        median(
            pairs
                .filter_map(|(round, ran, _)| Some(value(ran, self.bare(*round)?)))
                .collect(),
        )
    }

    fn ratio(&self, kind: Kind) -> Option<f64> {
        let series = self.series.iter().find(|series| series.kind == kind)?;
        self.against_bare(series, |ran, bare| ran.rate / bare.rate)
    }

    /// A table with a row for each recorder.
    pub(crate) fn storm_table(&self) -> String {
        let mut out = format!("\n### {}\n\n", self.name);
        out.push_str(
            "| recorder | rate against bare (range) | added ns | events/round | lost | lost % | \
             bytes/event | CPU s per M events | peak MiB |\n\
             | --- | --: | --: | --: | --: | --: | --: | --: | --: |\n",
        );
        let rounds = self.series.iter().flat_map(|series| &series.rounds);
        let disturbed = rounds.filter(|(_, ran, _)| ran.share < UNDISTURBED).count();
        for series in &self.series {
            if let Some(why) = &series.failed {
                line(
                    &mut out,
                    &[&series.kind.to_string(), &format!("could not run: {why}")],
                    9,
                );
                continue;
            }
            let rate = if series.kind == Kind::Bare {
                median(series.rounds.iter().map(|(_, ran, _)| ran.rate).collect())
                    .map(|rate| format!("1 ({rate:.0}/s)"))
            } else {
                self.against_bare(series, |ran, bare| ran.rate / bare.rate)
                    .map(|ratio| {
                        let (low, high) = self.range(series, |ran, bare| ran.rate / bare.rate);
                        format!("{} ({}–{})", share(ratio), share(low), share(high))
                    })
            };
            let added = self.against_bare(series, |ran, bare| 1e9 / ran.rate - 1e9 / bare.rate);
            let added = added
                .filter(|_| series.kind != Kind::Bare)
                .map(|ns| format!("{ns:.0}"));
            let mut cells = vec![series.kind.to_string(), dash(rate), dash(added)];
            cells.extend(costs(series));
            line(&mut out, &cells, 9);
        }
        if disturbed > 0 && self.busy {
            out.push_str(&format!(
                "\nIn {disturbed} of these runs another process ran on the CPU of the loop.\n"
            ));
        }
        out
    }

    /// A row for each recorder, for a load that is measured by its wall time.
    pub(crate) fn wall_lines(&self, out: &mut String) {
        for series in &self.series {
            if let Some(why) = &series.failed {
                let cells = [
                    self.name,
                    &series.kind.to_string(),
                    &format!("could not run: {why}"),
                ];
                line(out, &cells, 11);
                continue;
            }
            let wall = |ran: &Ran, bare: &Ran| ran.wall.as_secs_f64() / bare.wall.as_secs_f64();
            let (ratio, range) = if series.kind == Kind::Bare {
                let seconds = series
                    .rounds
                    .iter()
                    .map(|(_, ran, _)| ran.wall.as_secs_f64());
                (
                    median(seconds.collect()).map(|s| format!("1 ({s:.2} s)")),
                    None,
                )
            } else {
                let (low, high) = self.range(series, wall);
                let ratio = self
                    .against_bare(series, wall)
                    .map(|ratio| format!("x{ratio:.3}"));
                (ratio, Some(format!("{low:.3}–{high:.3}")))
            };
            let cpu = if series.kind == Kind::Bare {
                median(series.rounds.iter().map(|(_, ran, _)| ran.cpu).collect())
                    .map(|s| format!("1 ({s:.2} s)"))
            } else {
                self.against_bare(series, |ran, bare| ran.cpu / bare.cpu)
                    .map(|ratio| format!("x{ratio:.3}"))
            };
            let mut cells = vec![self.name.to_owned(), series.kind.to_string()];
            cells.extend([dash(ratio), dash(range), dash(cpu)]);
            cells.extend(costs(series));
            line(out, &cells, 11);
        }
    }

    fn range(&self, series: &Series, value: impl Fn(&Ran, &Ran) -> f64) -> (f64, f64) {
        let rounds = series.rounds.iter();
        let values = rounds.filter_map(|(round, ran, _)| Some(value(ran, self.bare(*round)?)));
        values.fold((f64::INFINITY, 0.0), |(low, high), v| {
            (v.min(low), v.max(high))
        })
    }

    /// The accounting of every event, for all rounds of scap.
    pub(crate) fn books(&self, out: &mut String) {
        let scap = self
            .series
            .iter()
            .filter(|series| series.kind == Kind::Scap);
        for (round, _, cost) in scap.flat_map(|series| &series.rounds) {
            let Some(books) = &cost.books else { continue };
            let verdict = if books.balance() { "yes" } else { "**NO**" };
            let cells = [
                format!("{}, round {}", self.name, round + 1),
                grouped(books.seen),
                grouped(books.in_file),
                grouped(books.joined),
                grouped(books.expanded),
                grouped(books.lost),
                grouped(books.lost_in_file),
                verdict.to_owned(),
            ];
            line(out, &cells, 8);
        }
    }
}

/// Head of the table of [`Group::wall_lines`].
pub(crate) const WALL_HEAD: &str = "| load | recorder | wall time | range | CPU time of the load | events/round | lost | lost % | \
     bytes/event | CPU s per M events | peak MiB |\n\
     | --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n";

/// Head of the table of [`Group::books`].
pub(crate) const BOOKS_HEAD: &str = "| round | seen by the probe | in the file | part of another event | \
     more events of one call | lost | lost, according to the file | adds up |\n\
     | --- | --: | --: | --: | --: | --: | --: | --- |\n";

/// Target rates, and those reached.
pub(crate) fn levels(groups: &[Group]) -> String {
    let mut out = String::from(
        "| loop | first target | budget | reached | reached / 64-byte-record floor | lost |\n\
         | --- | --: | --: | --: | --: | --: |\n",
    );
    for (name, first, budget) in LEVELS {
        let Some(group) = groups.iter().find(|group| group.name == name) else {
            continue;
        };
        let Some(reached) = group.ratio(Kind::Scap) else {
            continue;
        };
        let floor = group.ratio(Kind::Ring).map(|floor| share(reached / floor));
        let scap = group.series.iter().find(|series| series.kind == Kind::Scap);
        let lost: Option<u64> = scap.map(|series| {
            series
                .rounds
                .iter()
                .filter_map(|(.., cost)| cost.lost)
                .sum()
        });
        let cells = [
            name.to_owned(),
            dash(first.map(share)),
            dash(budget.map(share)),
            share(reached),
            dash(floor),
            dash(lost.map(grouped)),
        ];
        line(&mut out, &cells, 6);
    }
    out
}

/// Events, losses, bytes, CPU time, memory.
fn costs(series: &Series) -> [String; 6] {
    let sum = |value: fn(&Cost) -> Option<u64>| {
        let values: Option<Vec<u64>> = series.rounds.iter().map(|(.., cost)| value(cost)).collect();
        values
            .filter(|values| !values.is_empty())
            .map(|values| values.iter().sum::<u64>())
    };
    let (events, lost) = (sum(|cost| cost.events), sum(|cost| cost.lost));
    let part = lost.zip(events).map(|(lost, events)| {
        let percent = 100.0 * lost as f64 / ((lost + events).max(1) as f64);
        if lost == 0 {
            "0".to_owned()
        } else {
            format!("{percent:.2}")
        }
    });
    let bytes =
        series.each(|cost| Some(cost.bytes? as f64 / cost.events.filter(|n| *n > 0)? as f64));
    let cpu = series.each(|cost| Some(cost.cpu? * 1e6 / cost.events.filter(|n| *n > 0)? as f64));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let memory = series
        .rounds
        .iter()
        .filter_map(|(.., cost)| cost.memory)
        .max();
    let rings = series
        .rounds
        .iter()
        .filter_map(|(.., cost)| cost.rings)
        .max();
    let memory = memory.map(|memory| match rings {
        Some(rings) => format!("{:.0} (rings {:.0})", mib(memory), mib(rings)),
        None => format!("{:.0}", mib(memory)),
    });
    [
        dash(
            series
                .each(|cost| Some(cost.events? as f64))
                .map(|n| grouped(n as u64)),
        ),
        lost.map_or_else(|| "n/a".to_owned(), grouped),
        part.unwrap_or_else(|| "n/a".to_owned()),
        dash(bytes.map(|bytes| format!("{bytes:.1}"))),
        dash(cpu.map(|cpu| format!("{cpu:.2}"))),
        dash(memory),
    ]
}

fn line(out: &mut String, cells: &[impl AsRef<str>], columns: usize) {
    for cell in cells {
        out.push_str(&format!("| {} ", cell.as_ref().replace('|', "/")));
    }
    for _ in cells.len()..columns {
        out.push_str("| ");
    }
    out.push_str("|\n");
}

fn dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "–".to_owned())
}

/// A ratio with its significant digits.
fn share(ratio: f64) -> String {
    if ratio < 0.1 {
        format!("{ratio:.4}")
    } else {
        format!("{ratio:.2}")
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
