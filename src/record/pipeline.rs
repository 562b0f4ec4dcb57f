//! From encoded events through the [`Pipeline`] to their output: the chunks of a capture, or a sink that
//! processes them at once.
//!
//! The first item is the state from /proc; events wait until it has been read.

use std::{
    io,
    ops::ControlFlow,
    sync::{
        atomic::Ordering,
        mpsc::{Receiver, RecvError, TryRecvError},
    },
    time::Instant,
};

use scap_capture_format::{
    event::{EventFlags, EventNum, Params, Timestamp},
    native::{
        ChunkBuilder, ChunkPool, ContainerDescription, EventNames, LossReport, Origin, OriginId,
        snapshot::Snapshot,
    },
    schema::{EventType, syscall, types},
};

use super::{
    Options, RecordError, Unmatched, clock,
    container_stage::ContainerStage,
    detect::{AlertCounts, Detector},
    output::ChunkOutput,
};
use crate::{
    event::{BufferCursor, Event, EventBuffer, OwnedEvent, synthetic_event},
    fields::{self, Context, NameScratch, Session},
    filter::{Filter, TypeSet},
    lanes,
    replay::{EventSink, Item, OriginState, Pipeline, Selection},
    state::{self, SnapshotSchedule, View},
};

/// Most bytes of events that wait until /proc has been read: their threads are not known before that.
const BACKLOG_BYTES: usize = 64 << 20;

/// What the events were counted as.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Passed the filter.
    pub(super) wanted: u64,
    /// Of all, the recorder's own events, see [`RecordPipeline::synthetic`].
    pub(super) described: u64,
    /// Of those that passed, events of which something other than data was cut.
    pub(super) cut: u64,
    /// Rejected by the filter, and kept for the state.
    pub(super) hidden: u64,
    /// Rejected by the filter.
    pub(super) out: u64,
    /// Of the rejected events, those whose container had not been described yet although the filter needs it.
    pub(super) undescribed: u64,
    /// Dropped because the limit of events was reached.
    pub(super) surplus: u64,
    /// Too large for the format.
    pub(super) refused: u64,
    /// Events of alerts.
    pub(super) alerts: u64,
}

impl Counts {
    /// The number of the next event of the capture.
    fn next_number(&self) -> EventNum {
        EventNum(self.wanted + self.hidden + self.alerts + 1)
    }
}

/// Where events go.
pub(super) enum Output<'a> {
    /// Into a capture.
    Capture(Box<Chunks<'a>>),
    /// To a sink that processes them at once.
    Sink(&'a mut dyn EventSink),
}

impl Output<'_> {
    fn detector(&mut self) -> Option<&mut Detector> {
        match self {
            Self::Capture(chunks) => chunks.detector.as_deref_mut(),
            Self::Sink(_) => None,
        }
    }
}

/// Filters events and passes them on.
pub(super) struct RecordPipeline<'a> {
    pipeline: Pipeline,
    containers: ContainerStage,
    gate: Gate<'a>,
    /// `None`: /proc has been read.
    waiting: Option<(Receiver<Snapshot>, EventBuffer)>,
    /// Events are numbered only where the number is visible.
    numbers: Option<u64>,
    /// Limit of the events that pass.
    max_events: u64,
    unmatched: Unmatched,
    /// The sink stopped or failed.
    over: bool,
    failed: Option<io::Error>,
}

impl<'a> RecordPipeline<'a> {
    /// Makes a pipeline. `session` says how fields print for a sink; `origin` describes this machine.
    pub(super) fn new(
        session: Session,
        origin: Origin,
        containers: ContainerStage,
        output: Output<'a>,
        snapshot: Receiver<Snapshot>,
        options: &Options,
    ) -> Self {
        let filter = options.filter.clone();
        let is_everything = match &output {
            Output::Capture(chunks) => filter.is_none() && chunks.detector.is_none(),
            Output::Sink(_) => false,
        };
        let needs_runtime_metadata = filter.as_ref().is_some_and(Filter::needs_runtime_metadata);
        let selection = Selection {
            filter,
            ..Selection::default()
        };
        let mut pipeline = Pipeline::new(session, &[origin], selection);
        if is_everything {
            // Nothing uses the other events' effects on the state, so a flood of them costs nothing here.
            pipeline.apply_only(changing());
        }
        Self {
            pipeline,
            containers,
            gate: Gate {
                output,
                counts: Counts::default(),
                has_passed: false,
                needs_runtime_metadata,
            },
            waiting: Some((snapshot, EventBuffer::default())),
            numbers: (!is_everything).then_some(0),
            max_events: options.max_events.unwrap_or(u64::MAX),
            unmatched: Unmatched::new(options),
            over: false,
            failed: None,
        }
    }

    /// Returns the counts so far.
    pub(super) fn counts(&self) -> &Counts {
        &self.gate.counts
    }

    /// Returns the choices that have matched nothing so far.
    pub(super) fn unmatched(&self) -> Unmatched {
        Unmatched {
            filter: self.unmatched.filter && self.gate.counts.wanted == 0,
            ..self.unmatched.clone()
        }
    }

    /// Whether the recording cannot produce anything more.
    pub(super) fn is_over(&self) -> bool {
        let failed = match &self.gate.output {
            Output::Capture(chunks) => chunks.output.progress.failed.load(Ordering::Relaxed),
            Output::Sink(_) => false,
        };
        failed || self.over || self.gate.counts.wanted >= self.max_events
    }

    /// Whether events go into a capture.
    pub(super) fn is_capture(&self) -> bool {
        matches!(self.gate.output, Output::Capture(_))
    }

    /// Returns a problem with the output that does not end the recording.
    pub(super) fn warning(&self) -> Option<String> {
        match &self.gate.output {
            Output::Capture(chunks) => chunks.output.progress.warning(),
            Output::Sink(_) => None,
        }
    }

    /// Returns the line of the next alert.
    pub(super) fn alert(&mut self) -> Option<String> {
        self.gate.output.detector()?.line()
    }

    /// Returns the alerts so far, if there are rules.
    pub(super) fn alerts(&mut self) -> Option<AlertCounts> {
        Some(self.gate.output.detector()?.counts())
    }

    /// Returns the length of the file so far in bytes.
    pub(super) fn bytes(&self) -> u64 {
        match &self.gate.output {
            Output::Capture(chunks) => chunks.output.progress.bytes.load(Ordering::Relaxed),
            Output::Sink(_) => 0,
        }
    }

    /// Takes an event.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        let Some((_, backlog)) = &mut self.waiting else {
            return self.pass(event);
        };
        backlog.push(event.into());
        if backlog.size() >= BACKLOG_BYTES {
            // The rings fill up meanwhile, and the probe counts what does not fit.
            self.settle(true);
        }
    }

    /// Whether the filter depends on containers, so that [`Self::cgroup`] has to be called.
    pub(super) fn follows_cgroups(&self) -> bool {
        self.containers.follows_cgroups()
    }

    /// Records the id of the cgroup of threads whose list of cgroups is `list`, from an event of type `ty`.
    pub(super) fn cgroup(&mut self, ty: EventType, id: u64, list: &[u8]) {
        if let Some(origin) = self.pipeline.origins().first() {
            self.containers.cgroup(ty, id, list, &origin.state);
        }
    }

    /// Takes the descriptions that arrived from container runtimes, as events at the time `ts`. Calls `warn` for each
    /// problem with a runtime.
    pub(super) fn containers(&mut self, ts: Timestamp, warn: &mut dyn FnMut(&str)) {
        // Until /proc has been read, they wait in the resolver, whose memory is limited.
        while self.has_begun()
            && !self.is_over()
            && let Some(description) = self.containers.description()
        {
            if let Output::Capture(chunks) = &mut self.gate.output {
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
            self.synthetic(ts, types::CONTAINER_JSON_2_E, params);
        }
        while let Some(text) = self.containers.warning() {
            warn(&text);
        }
    }

    /// Takes an event of the recorder itself.
    pub(super) fn synthetic(&mut self, ts: Timestamp, ty: EventType, params: Params<'_>) {
        self.gate.counts.described += 1;
        self.event(&synthetic_event(ts, ty, params));
    }

    /// Waits a last time for pending answers of runtimes; [`Self::containers`] takes them.
    pub(super) fn finish_lookups(&mut self) {
        self.containers.finish();
    }

    /// Begins once /proc has been read; with `wait`, blocks until then.
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
            self.item(Item::Snapshot(&snapshot));
            if let Some(origin) = self.pipeline.origins().first() {
                self.containers.begin(&snapshot, &origin.state);
            }
            if let Output::Capture(chunks) = &mut self.gate.output {
                chunks.output.snapshot(snapshot);
            }
        }
        if let Some((_, backlog)) = self.waiting.take() {
            let mut cursor = BufferCursor::default();
            while let Some(buffered) = backlog.next(&mut cursor) {
                self.pass(&buffered.event);
            }
        }
    }

    fn item(&mut self, item: Item<'_>) {
        let flow = self.pipeline.item(OriginId::FIRST, item, &mut self.gate);
        self.note_flow(flow);
    }

    fn note_flow(&mut self, flow: io::Result<ControlFlow<()>>) {
        match flow {
            Ok(flow) => self.over |= flow.is_break(),
            Err(error) => {
                self.over = true;
                self.failed.get_or_insert(error);
            }
        }
    }

    fn pass(&mut self, event: &Event<'_>) {
        if self.over || self.gate.counts.wanted >= self.max_events {
            self.gate.counts.surplus += 1;
            return;
        }
        match &mut self.numbers {
            None => self.item(Item::Event(event.into())),
            Some(last) => {
                *last += 1;
                let mut numbered = *event;
                numbered.num.0 = *last;
                self.item(Item::Event((&numbered).into()));
            }
        }
        if let Some(origin) = self.pipeline.origins().first() {
            self.containers.event(event, &origin.state);
            self.unmatched.see(event, &origin.state);
        }
        if let Output::Capture(chunks) = &self.gate.output
            && chunks.builder.is_full()
        {
            self.close();
        }
    }

    /// Reports that all events up to `time` were passed on.
    pub(super) fn pause(&mut self, time: Timestamp) {
        if self.has_begun() {
            let flow = self.pipeline.pause(time, &mut self.gate);
            self.note_flow(flow);
        }
    }

    /// Whether a report of losses can be passed on: the initial state comes first.
    pub(super) fn has_begun(&self) -> bool {
        self.waiting.is_none()
    }

    /// Takes a report of losses.
    pub(super) fn loss(&mut self, report: LossReport) {
        match &mut self.gate.output {
            Output::Capture(chunks) => chunks.output.loss(report),
            // The state is kept: there is no newer snapshot to replace it.
            Output::Sink(sink) => {
                let failed = sink.loss(&report);
                self.note_flow(failed.map(ControlFlow::Continue));
            }
        }
    }

    /// Ends the chunk, and appends a snapshot if one is due.
    pub(super) fn close(&mut self) {
        let Output::Capture(chunks) = &mut self.gate.output else {
            return;
        };
        // They precede the chunk with their events, for readers of a file that is still being written.
        if !chunks.described.is_empty() {
            chunks
                .output
                .containers(std::mem::take(&mut chunks.described));
        }
        chunks.report_left_out(&mut self.gate.counts);
        if let Some(chunk) = chunks.builder.finish_raw() {
            chunks.schedule.add(chunk.raw_bytes());
            chunks.output.chunk(chunk);
        }
        let now = clock::boot();
        if let Some(origin) = self.pipeline.origins_mut().first_mut()
            && chunks
                .schedule
                .is_due(now, !origin.state.awaits_threads(chunks.last.0))
        {
            let begin = Instant::now();
            let mut snapshot = origin.state.snapshot();
            snapshot.time = chunks.last;
            chunks.output.snapshot(snapshot);
            chunks.schedule.taken(now, begin.elapsed());
        }
    }

    /// Finishes the file and returns its length in bytes.
    pub(super) fn finish(mut self) -> Result<u64, RecordError> {
        match self.gate.output {
            Output::Capture(chunks) => chunks.output.finish(),
            Output::Sink(sink) => {
                let ended = sink.end(self.pipeline.origins_mut());
                match self.failed.map_or(ended, Err) {
                    Ok(()) => Ok(0),
                    Err(error) => Err(RecordError::Sink(error)),
                }
            }
        }
    }
}

/// The sink of the pipeline: counts events, and passes them to a capture or another sink.
struct Gate<'a> {
    output: Output<'a>,
    counts: Counts,
    /// The synthesized enter event passed the filter. In a capture, which stores one event per call, the event then
    /// counts as passed too.
    has_passed: bool,
    /// The filter needs metadata that only runtimes have.
    needs_runtime_metadata: bool,
}

impl EventSink for Gate<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.has_passed = false;
        self.counts.cut += u64::from(cx.event.flags.intersects(EventFlags::CUT));
        match &mut self.output {
            Output::Capture(chunks) => {
                let number = self.counts.next_number();
                match chunks.push(cx.event, cx.view) {
                    true => {
                        self.counts.wanted += 1;
                        chunks.detect(cx, number, &mut self.counts);
                    }
                    false => self.counts.refused += 1,
                }
                Ok(ControlFlow::Continue(()))
            }
            Output::Sink(sink) => {
                self.counts.wanted += 1;
                sink.event(cx)
            }
        }
    }

    fn synthesized_enter(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.has_passed = true;
        match &mut self.output {
            Output::Capture(_) => Ok(ControlFlow::Continue(())),
            Output::Sink(sink) => sink.synthesized_enter(cx),
        }
    }

    fn hidden(&mut self, cx: &Context<'_>) -> io::Result<()> {
        if std::mem::take(&mut self.has_passed) {
            match &self.output {
                Output::Capture(_) => return self.event(cx).map(|_| ()),
                Output::Sink(_) => self.counts.wanted += 1,
            }
            return Ok(());
        }
        if self.needs_runtime_metadata
            && cx.view.container_id().is_some()
            && cx.view.container().is_none()
        {
            self.counts.undescribed += 1;
        }
        if !state::affects_state(cx.event) {
            self.counts.out += 1;
            return Ok(());
        }
        let is_kept = match &mut self.output {
            Output::Capture(chunks) => chunks.hide(cx.event),
            Output::Sink(_) => true,
        };
        match is_kept {
            true => self.counts.hidden += 1,
            false => self.counts.refused += 1,
        }
        Ok(())
    }

    fn enters(&self) -> TypeSet {
        match &self.output {
            Output::Capture(_) => TypeSet::NONE,
            Output::Sink(sink) => sink.enters(),
        }
    }

    fn begin(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        match &mut self.output {
            Output::Capture(_) => Ok(()),
            Output::Sink(sink) => sink.begin(origins),
        }
    }

    fn pause(
        &mut self,
        time: Option<Timestamp>,
        origins: &[OriginState],
    ) -> io::Result<ControlFlow<()>> {
        match &mut self.output {
            Output::Capture(_) => Ok(ControlFlow::Continue(())),
            Output::Sink(sink) => sink.pause(time, origins),
        }
    }
}

/// The chunks of a capture.
pub(super) struct Chunks<'a> {
    builder: ChunkBuilder,
    names: NameScratch,
    output: ChunkOutput<'a>,
    hidden: OwnedEvent,
    schedule: SnapshotSchedule,
    /// Descriptions of containers since the last chunk.
    described: Vec<ContainerDescription>,
    /// The time of the last event.
    last: Timestamp,
    /// Rules to evaluate for the events.
    detector: Option<Box<Detector>>,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(output: ChunkOutput<'a>, detector: Option<Box<Detector>>) -> Self {
        Self {
            detector,
            builder: ChunkBuilder::new(ChunkPool::new()),
            names: NameScratch::default(),
            output,
            hidden: OwnedEvent::default(),
            schedule: SnapshotSchedule::new(clock::boot()),
            described: Vec::new(),
            last: Timestamp(0),
        }
    }

    /// Appends an event with its lanes, which depend on the state. Returns false if the event does not fit the format.
    fn push(&mut self, event: &Event<'_>, view: &View<'_>) -> bool {
        // Audit events may be late.
        self.last = self.last.max(event.ts);
        let (lanes, waited) = lanes::classify(event, view);
        let names = fields::names(event, view, &mut self.names);
        let pushed = self.builder.push_in_lanes(event, lanes, waited, names);
        pushed.is_ok()
    }

    /// Evaluates the rules for an event that was appended as number `number`, and appends the alerts.
    fn detect(&mut self, cx: &Context<'_>, number: EventNum, counts: &mut Counts) {
        if let Some(detector) = &mut self.detector {
            detector.event(cx, number, &mut |alert| {
                push_alert(
                    &mut self.builder,
                    alert,
                    fields::names(cx.event, cx.view, &mut self.names),
                    counts,
                );
            });
        }
    }

    /// Appends what is to be said about alerts that were left out.
    fn report_left_out(&mut self, counts: &mut Counts) {
        if let Some(detector) = &mut self.detector {
            detector.report_left_out(self.last, &mut |alert| {
                push_alert(&mut self.builder, alert, EventNames::UNKNOWN, counts);
            });
        }
    }

    /// Appends an event as hidden.
    fn hide(&mut self, event: &Event<'_>) -> bool {
        self.last = event.ts;
        let event = self.hidden.hide(event);
        self.builder.push(&event).is_ok()
    }
}

/// Appends an alert, which changes no state and is in no lane.
fn push_alert(
    builder: &mut ChunkBuilder,
    alert: &Event<'_>,
    names: EventNames<'_>,
    counts: &mut Counts,
) {
    match builder.push_in_lanes(alert, lanes::LaneSet::default(), false, names) {
        Ok(()) => counts.alerts += 1,
        Err(_) => counts.refused += 1,
    }
}

/// Returns the types of events that change the state, and the calls without a type that do, including calls without
/// a code, which are rare.
fn changing() -> TypeSet {
    let mut set = TypeSet::of(|ty| state::may_affect_state(ty) || state::counts_memory(ty));
    let calls = syscall::all().filter(|call| state::call_may_affect_state(call.name));
    calls.for_each(|call| set.insert_call(call.ppm_sc));
    set.insert_call(0);
    set
}
