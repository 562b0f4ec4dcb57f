//! From encoded events to where they go: into the chunks of a capture, or to an observer.
//!
//! The first thing that goes anywhere is the state that /proc showed; until that is known events wait.

use std::{
    sync::{
        atomic::Ordering,
        mpsc::{Receiver, RecvError, TryRecvError},
    },
    time::Instant,
};

use scap_capture_format::{
    event::{Params, Timestamp},
    native::{ChunkBuilder, ChunkPool, ContainerDescription, LossReport, snapshot::Snapshot},
    schema::types,
};

use super::{
    Observer, RecordError,
    backlog::Backlog,
    clock,
    filter_stage::{Disposition, FilterStage},
    output::ChunkOutput,
};
use crate::event::{Event, OwnedEvent, synthetic_event};
use crate::lanes;
use crate::state::{SnapshotSchedule, State};

/// What became of the events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Let through.
    pub(super) wanted: u64,
    /// Of all, those that tell what runtimes said of containers.
    pub(super) described: u64,
    /// Rejected by the filter and kept for the state.
    pub(super) hidden: u64,
    /// Rejected by the filter.
    pub(super) out: u64,
    /// Left behind because there were enough.
    pub(super) surplus: u64,
    /// Too large for the format.
    pub(super) refused: u64,
}

/// Where events go.
pub(super) enum Output<'a> {
    /// Into a capture.
    Capture(Box<Chunks>),
    /// To somebody who looks at them now.
    Observer(&'a mut dyn Observer),
}

/// Decides about events and hands them on.
pub(super) struct RecordPipeline<'a> {
    filter_stage: FilterStage,
    goal: Output<'a>,
    /// `None`: /proc has been read.
    waiting: Option<(Receiver<Snapshot>, Backlog)>,
    /// No more than these.
    max_events: u64,
    /// The observer wants no more.
    over: bool,
    pub(super) counts: Counts,
}

impl<'a> RecordPipeline<'a> {
    pub(super) fn new(
        filter_stage: FilterStage,
        goal: Output<'a>,
        snapshot: Receiver<Snapshot>,
        max_events: u64,
    ) -> Self {
        Self {
            filter_stage,
            goal,
            waiting: Some((snapshot, Backlog::default())),
            max_events,
            over: false,
            counts: Counts::default(),
        }
    }

    /// Whether nothing more can come of going on.
    pub(super) fn is_over(&self) -> bool {
        let failed = match &self.goal {
            Output::Capture(chunks) => chunks.output.progress.failed.load(Ordering::Relaxed),
            Output::Observer(_) => false,
        };
        failed || self.over || self.counts.wanted >= self.max_events
    }

    /// Whether events go into a capture.
    pub(super) fn is_capture(&self) -> bool {
        matches!(self.goal, Output::Capture(_))
    }

    /// Bytes of the file so far.
    pub(super) fn bytes(&self) -> u64 {
        match &self.goal {
            Output::Capture(chunks) => chunks.output.progress.bytes.load(Ordering::Relaxed),
            Output::Observer(_) => 0,
        }
    }

    /// Takes an event.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        let Some((_, backlog)) = &mut self.waiting else {
            return self.decide(event);
        };
        backlog.push(event);
        if backlog.is_full() {
            // The rings fill meanwhile, and the probe counts what does not fit.
            self.settle(true);
        }
    }

    /// Whether a filter goes by containers, so that cgroups are to be told.
    pub(super) fn follows_cgroups(&self) -> bool {
        self.filter_stage.follows_cgroups()
    }

    /// Takes note of the id of a cgroup; see [`FilterStage::cgroup`].
    pub(super) fn cgroup(&mut self, id: u64, list: &[u8]) {
        self.filter_stage.cgroup(id, list);
    }

    /// Takes what the runtimes have told of containers since, at the time `ts`. Returns what stands in the
    /// way of asking them.
    pub(super) fn containers(&mut self, ts: Timestamp, warn: &mut dyn FnMut(&str)) {
        // Until /proc has been read they wait where there is a limit.
        while self.has_begun()
            && !self.is_over()
            && let Some(description) = self.filter_stage.description()
        {
            if let Output::Capture(chunks) = &mut self.goal {
                chunks.described.push(ContainerDescription {
                    time: ts,
                    id: description.id.into_bytes(),
                    json: description.json.clone().into_bytes(),
                });
            }
            let mut text = description.json.into_bytes();
            text.push(0);
            let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
            let Some(params) = Params::new(std::slice::from_ref(&len), &text) else {
                continue;
            };
            self.counts.described += 1;
            self.event(&synthetic_event(ts, types::CONTAINER_JSON_2_E, params));
        }
        while let Some(text) = self.filter_stage.warning() {
            warn(&text);
        }
    }

    /// Gives the runtimes a last chance; then [`Self::containers`].
    pub(super) fn finish_asking(&mut self) {
        self.filter_stage.finish_asking();
    }

    /// How many events the filter rejected while their container was not described yet.
    pub(super) fn undescribed(&self) -> u64 {
        self.filter_stage.undescribed()
    }

    /// Begins as soon as /proc has been read; with `wait` that is waited for.
    pub(super) fn settle(&mut self, wait: bool) {
        let Some((snapshot, _)) = &self.waiting else {
            return;
        };
        let snapshot = if wait {
            snapshot.recv().map_err(|RecvError| ())
        } else {
            match snapshot.try_recv() {
                Err(TryRecvError::Empty) => return,
                received => received.map_err(|_| ()),
            }
        };
        if let Ok(snapshot) = snapshot {
            self.filter_stage.begin(&snapshot);
            if let Output::Capture(chunks) = &mut self.goal {
                chunks.output.snapshot(snapshot);
            }
        }
        if let Some((_, backlog)) = self.waiting.take() {
            backlog.each(|event| self.decide(event));
        }
    }

    fn decide(&mut self, event: &Event<'_>) {
        if self.over || self.counts.wanted >= self.max_events {
            self.counts.surplus += 1;
            return;
        }
        let verdict = match &mut self.goal {
            Output::Capture(_) if self.filter_stage.wants_all() => {
                self.filter_stage.follow(event);
                Disposition::Keep
            }
            Output::Capture(_) => self.filter_stage.decide(event, &mut |_, _| {}),
            Output::Observer(observer) => {
                let over = &mut self.over;
                self.filter_stage
                    .decide(event, &mut |cx, synthesized_enter| {
                        let flow = match synthesized_enter {
                            true => observer.synthesized_enter(cx),
                            false => observer.event(cx),
                        };
                        *over |= flow.is_break();
                    })
            }
        };
        let kept = match (&mut self.goal, verdict) {
            (_, Disposition::Drop) | (Output::Observer(_), _) => true,
            (Output::Capture(chunks), Disposition::Keep) => {
                chunks.push(event, self.filter_stage.state())
            }
            (Output::Capture(chunks), Disposition::Hide) => chunks.hide(event),
        };
        match verdict {
            _ if !kept => self.counts.refused += 1,
            Disposition::Keep => self.counts.wanted += 1,
            Disposition::Hide => self.counts.hidden += 1,
            Disposition::Drop => self.counts.out += 1,
        }
        if let Output::Capture(chunks) = &self.goal
            && chunks.builder.is_full()
        {
            self.close();
        }
    }

    /// What was taken so far is all there is up to `time`.
    pub(super) fn pause(&mut self, time: Timestamp) {
        if let (Output::Observer(observer), None) = (&mut self.goal, &self.waiting) {
            let (state, session) = (self.filter_stage.state(), self.filter_stage.session());
            self.over |= observer.pause(time, state, session).is_break();
        }
    }

    /// Whether a report of losses can be handed on: the state at the beginning comes first.
    pub(super) fn has_begun(&self) -> bool {
        self.waiting.is_none()
    }

    /// Takes note of losses.
    pub(super) fn loss(&mut self, report: LossReport) {
        match &mut self.goal {
            Output::Capture(chunks) => chunks.output.loss(report),
            Output::Observer(observer) => observer.loss(&report),
        }
    }

    /// Ends the chunk, and appends the state where that is due.
    pub(super) fn close(&mut self) {
        let Output::Capture(chunks) = &mut self.goal else {
            return;
        };
        // Before the chunk that tells of them, for whoever reads while it is written.
        if !chunks.described.is_empty() {
            chunks
                .output
                .containers(std::mem::take(&mut chunks.described));
        }
        if let Some(chunk) = chunks.builder.finish_raw() {
            chunks.schedule.add(chunk.raw_bytes());
            chunks.output.chunk(chunk);
        }
        let now = clock::boot();
        if chunks.schedule.is_due(now) {
            let begin = Instant::now();
            let mut snapshot = self.filter_stage.snapshot();
            snapshot.time = chunks.last;
            chunks.output.snapshot(snapshot);
            chunks.schedule.taken(now, begin.elapsed());
        }
    }

    /// Ends the file and returns its length.
    pub(super) fn finish(self) -> Result<u64, RecordError> {
        match self.goal {
            Output::Capture(chunks) => chunks.output.finish(),
            Output::Observer(observer) => {
                observer.end(self.filter_stage.state(), self.filter_stage.session());
                Ok(0)
            }
        }
    }
}

/// The chunks of a capture.
pub(super) struct Chunks {
    builder: ChunkBuilder,
    output: ChunkOutput,
    hidden: OwnedEvent,
    schedule: SnapshotSchedule,
    /// What runtimes said since the last chunk.
    described: Vec<ContainerDescription>,
    /// The time of the last event.
    last: Timestamp,
}

impl Chunks {
    pub(super) fn new(output: ChunkOutput) -> Self {
        Self {
            builder: ChunkBuilder::new(ChunkPool::new()),
            output,
            hidden: OwnedEvent::default(),
            schedule: SnapshotSchedule::new(clock::boot()),
            described: Vec::new(),
            last: Timestamp(0),
        }
    }

    /// Appends an event, with what the state around it says of its lanes. False: the format refused it.
    fn push(&mut self, event: &Event<'_>, state: &State) -> bool {
        self.last = event.ts;
        let (lanes, waited) = lanes::classify(event, &state.view(event));
        let pushed = self.builder.push_in_lanes(event, lanes.bits(), waited);
        pushed.is_ok()
    }

    /// Appends an event as hidden.
    fn hide(&mut self, event: &Event<'_>) -> bool {
        self.last = event.ts;
        let event = self.hidden.hide(event);
        self.builder.push(&event).is_ok()
    }
}
