//! What is on the screen, and nothing that only drawing needs.
//!
//! [`super::update`] changes it, [`super::view`] draws it; both do nothing else.

mod events;
mod layers;
mod pane;
mod prompt;
mod scripts;

use std::sync::Arc;

use super::Options;
use super::cells;
use super::message::{Command, Request, RequestId, Response};
use super::notes::Notes;
use super::theme::Theme;
use crate::inspect::aggregator::Progress;
use crate::replay::IndexedCapture;
use crate::replay::Scope;
use crate::replay::Span;
use crate::stats::activity::Activity;
use crate::stats::table::{self, View};
use crate::stats::tally::{Spectrum, Tally};

pub(crate) use events::EventList;
pub(crate) use layers::{
    Choice, DetailPane, EchoPane, Form, List, ListItem, Overlay, Play, StatePane, TextPane,
};
pub(crate) use pane::TablePane;
pub(crate) use prompt::{Prompt, Purpose};
pub(crate) use scripts::Scripts;

/// Bins of the timeline's activity; more than any screen has columns.
pub(crate) const BINS: usize = 512;

/// The shortest window, in nanoseconds.
pub(crate) const SHORTEST_NS: u64 = 1_000;

/// One narrowing of what is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crumb {
    /// What it says, safe to print.
    pub(crate) label: String,
    /// The condition; empty = none, only a range.
    pub(crate) clause: String,
}

/// Where one was, for going back.
#[derive(Clone, Debug)]
pub(crate) struct HistoryEntry {
    pub(crate) trail: Vec<Crumb>,
    pub(crate) view: View,
    pub(crate) window: Span,
    pub(crate) selection: Option<Span>,
    pub(crate) cursor: u64,
    /// The row that was selected.
    pub(crate) row: usize,
    pub(crate) event: Option<u64>,
}

/// What is being waited for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    pub(crate) page: Option<RequestId>,
    pub(crate) detail: Option<RequestId>,
    /// An event that is looked for; it is shown when it is found.
    pub(crate) found: Option<RequestId>,
    pub(crate) echo: Option<RequestId>,
    pub(crate) system_view: Option<RequestId>,
    pub(crate) views: Option<RequestId>,
    pub(crate) scripted: Option<RequestId>,
    pub(crate) written: Option<RequestId>,
}

impl Pending {
    fn any(&self) -> bool {
        let all = [
            self.page,
            self.detail,
            self.found,
            self.echo,
            self.system_view,
            self.views,
            self.scripted,
            self.written,
        ];
        all.iter().any(Option::is_some)
    }
}

/// A cell of the spectrogram, and the other corner of a rectangle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spectral {
    /// Column of the spectrum (time), row (latency).
    pub(crate) cell: (usize, usize),
    pub(crate) anchor: Option<(usize, usize)>,
}

/// The mouse.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pointer {
    /// The time where a range began to be drawn.
    pub(crate) drag: Option<u64>,
    /// The row that was clicked last, and when.
    pub(crate) click: Option<(usize, u64)>,
}

/// Everything on the screen.
#[derive(Debug)]
pub(crate) struct Model {
    /// The capture.
    pub(crate) library: Arc<IndexedCapture>,
    /// Its name, safe to print.
    pub(crate) name: String,
    /// From its first event to its last.
    pub(crate) whole: Span,
    /// Columns and rows of the screen.
    pub(crate) size: (u16, u16),
    pub(crate) theme: Theme,
    /// The time range that the timeline shows.
    pub(crate) window: Span,
    /// The range that was selected in it.
    pub(crate) selection: Option<Span>,
    /// The other end of a range that is being selected with keys.
    pub(crate) select_from: Option<u64>,
    /// The time cursor.
    pub(crate) cursor: u64,
    /// How what is shown was narrowed.
    pub(crate) trail: Vec<Crumb>,
    /// Where one was before.
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) view: View,
    /// What the index says of the window.
    pub(crate) coarse: Activity,
    /// Latencies in the window, as the index has them.
    pub(crate) coarse_spectrum: Spectrum,
    /// What was counted last without a filter: better than what the index says.
    pub(crate) exact: Option<Activity>,
    /// How far the counting of the scope is.
    pub(crate) progress: Option<Progress>,
    /// The scope whose count was asked for.
    pub(crate) surveyed: Option<Scope>,
    /// The table of the view, if it has one.
    pub(crate) pane: TablePane,
    pub(crate) scripts: Scripts,
    pub(crate) events: EventList,
    pub(crate) spectral: Spectral,
    /// The tile of the overview.
    pub(crate) tile: usize,
    /// A tile was chosen, or what stands out was.
    pub(crate) has_tile: bool,
    /// What lies over the view, the uppermost last.
    pub(crate) layers: Vec<Overlay>,
    /// What was looked for last.
    pub(crate) search: String,
    /// Filters that were typed, the newest last.
    pub(crate) past_filters: Vec<String>,
    pub(crate) notes: Notes,
    /// What is told in the last line until the next key.
    pub(crate) status: Option<String>,
    pub(crate) pointer: Pointer,
    pub(crate) pending: Pending,
    next_ticket: RequestId,
    /// It was made of a damaged one.
    of_damaged: bool,
    /// The capture grows.
    pub(crate) live: bool,
    /// The window keeps to the end of a capture that grows.
    pub(crate) follow: bool,
    /// Nanoseconds since the program began.
    pub(crate) now: u64,
}

impl Model {
    /// Makes the first screen of a capture, and what it asks for.
    pub(crate) fn new(
        library: Arc<IndexedCapture>,
        options: Options,
        notes: Notes,
        size: (u16, u16),
    ) -> (Self, Vec<Command>) {
        let whole = library.span().unwrap_or(Span { from: 0, to: 0 });
        let window = events_window(&library, whole);
        let coarse = Activity::from_index(&library, window, BINS);
        let coarse_spectrum = Spectrum::from_index(&library, window);
        let mut model = Self {
            library,
            name: options.name,
            whole,
            size,
            theme: options.theme,
            window,
            selection: None,
            select_from: None,
            cursor: window.from,
            trail: Vec::new(),
            history: Vec::new(),
            view: View::Overview,
            coarse,
            coarse_spectrum,
            exact: None,
            progress: None,
            surveyed: None,
            pane: TablePane::default(),
            scripts: Scripts::default(),
            events: EventList::default(),
            spectral: Spectral::default(),
            tile: 0,
            has_tile: false,
            layers: Vec::new(),
            search: String::new(),
            past_filters: Vec::new(),
            notes,
            status: None,
            pointer: Pointer::default(),
            pending: Pending::default(),
            next_ticket: 0,
            of_damaged: options.of_damaged,
            live: options.live,
            follow: options.live,
            now: 0,
        };
        if let Some(range) = options.range.and_then(|range| range.intersection(whole)) {
            model.window = range;
            model.cursor = range.from;
            model.rewind();
        }
        if !options.filter.is_empty() {
            model.trail.push(Crumb {
                label: cells::fit(options.filter.as_bytes(), 200),
                clause: options.filter,
            });
        }
        let commands = model.refresh();
        (model, commands)
    }

    /// Returns the range that every view is about.
    pub(crate) fn range(&self) -> Span {
        self.selection.unwrap_or(self.window)
    }

    /// Returns the condition that every view's events fulfil; empty = none.
    pub(crate) fn filter(&self) -> String {
        let clauses = self.trail.iter().map(|crumb| crumb.clause.as_str());
        let clauses: Vec<&str> = clauses.filter(|clause| !clause.is_empty()).collect();
        match clauses[..] {
            [] => String::new(),
            [one] => one.to_owned(),
            _ => {
                let bracketed: Vec<String> = clauses.iter().map(|c| format!("({c})")).collect();
                bracketed.join(" and ")
            }
        }
    }

    /// Returns what every view is about.
    pub(crate) fn scope(&self) -> Scope {
        Scope {
            span: self.range(),
            filter: self.filter(),
        }
    }

    /// Returns what was counted in the scope, if anything was yet.
    pub(crate) fn tally(&self) -> Option<&Tally> {
        let progress = self.progress.as_ref()?;
        (Some(&progress.scope) == self.surveyed.as_ref()).then_some(&*progress.tally)
    }

    /// Returns the latencies over time: as they were counted, or until then as the index has them.
    pub(crate) fn spectrum(&self) -> Option<&Spectrum> {
        match self.tally() {
            Some(tally) => tally.spectrum.as_ref(),
            None if self.trail.is_empty() && self.selection.is_none() => {
                Some(&self.coarse_spectrum)
            }
            None => None,
        }
    }

    /// Whether the counting of the scope is done.
    pub(crate) fn is_counted(&self) -> bool {
        let Some(progress) = &self.progress else {
            return false;
        };
        progress.finished && Some(&progress.scope) == self.surveyed.as_ref()
    }

    /// Returns how many places of the capture are damaged, as far as they were met.
    pub(crate) fn damages(&self) -> u64 {
        let met = self.progress.as_ref().map_or(0, |p| p.damages);
        met.max(self.library.damages().count())
    }

    /// Returns what else is wrong with the capture.
    pub(crate) fn is_cut_off(&self) -> bool {
        !self.live && self.library.is_cut_off()
    }

    /// Whether it was made of one that was damaged or had no end.
    pub(crate) fn is_of_damaged(&self) -> bool {
        self.of_damaged
    }

    /// Whether the capture is damaged or has no end.
    pub(crate) fn is_damaged(&self) -> bool {
        self.of_damaged || self.is_cut_off() || self.damages() > 0
    }

    /// Whether anything is still to come from the background.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.is_counted() || self.pending.any()
    }

    /// Whether the picture changes by itself.
    pub(crate) fn is_playing(&self) -> bool {
        let Some(Overlay::IoStream(pane)) = self.layers.last() else {
            return false;
        };
        let play = pane.play.as_ref();
        play.is_some_and(|play| !play.paused && play.next < pane.calls.len())
    }

    /// Makes a question of which the answer is told by its ticket.
    pub(crate) fn ask(&mut self, question: Request) -> Command {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        let pending = match &question {
            Request::Page { .. } => &mut self.pending.page,
            Request::Detail(_) => &mut self.pending.detail,
            Request::Find { .. } | Request::Opener(_) | Request::Fork(_) => &mut self.pending.found,
            Request::IoStream(..) => &mut self.pending.echo,
            Request::SystemView(..) => &mut self.pending.system_view,
            Request::Views => &mut self.pending.views,
            Request::Scripted(..) => &mut self.pending.scripted,
            Request::Save(..) | Request::Export(_) => &mut self.pending.written,
        };
        *pending = Some(ticket);
        Command::Ask(ticket, question)
    }

    /// Whether an answer is to the newest question of its kind; it is not pending any more then.
    pub(crate) fn takes(&mut self, ticket: RequestId, answer: &Response) -> bool {
        let pending = &mut self.pending;
        let slots: &mut [&mut Option<RequestId>] = match answer {
            Response::Page(_) => &mut [&mut pending.page],
            Response::Detail(_) => &mut [&mut pending.detail],
            Response::Found(_) => &mut [&mut pending.found],
            Response::IoStream(_) => &mut [&mut pending.echo],
            Response::SystemView(..) => &mut [&mut pending.system_view],
            Response::Views(_) => &mut [&mut pending.views],
            Response::Scripted(..) => &mut [&mut pending.scripted],
            Response::Written(_) => &mut [&mut pending.written],
            Response::Failed(_) => &mut [
                &mut pending.page,
                &mut pending.detail,
                &mut pending.found,
                &mut pending.echo,
                &mut pending.system_view,
                &mut pending.views,
                &mut pending.scripted,
                &mut pending.written,
            ],
        };
        let slot = slots.iter_mut().find(|slot| ***slot == Some(ticket));
        slot.map(|slot| **slot = None).is_some()
    }

    /// After a change of range or filter: what was shown is of another scope now.
    pub(crate) fn refresh(&mut self) -> Vec<Command> {
        let scope = self.scope();
        if self.surveyed.as_ref() == Some(&scope) {
            return Vec::new();
        }
        self.surveyed = Some(scope.clone());
        self.remake_table();
        let mut commands = vec![Command::CaptureInfo(scope)];
        self.events.forget();
        commands.extend(self.need_page());
        commands
    }

    /// Makes the timeline of another window.
    pub(crate) fn rewind(&mut self) {
        self.coarse = Activity::from_index(&self.library, self.window, BINS);
        self.coarse_spectrum = Spectrum::from_index(&self.library, self.window);
    }

    /// Makes the view's table of what was counted.
    pub(crate) fn remake_table(&mut self) {
        let table = match self.view {
            View::Losses => Some(super::losses::table(&self.library, self.range())),
            View::Scripted(_) => self.scripted_table(),
            view => match self.tally() {
                Some(tally) => table::table(view, tally),
                None => None,
            },
        };
        self.pane.take(self.view, table);
        // What is run now comes last.
        if self.follow && self.view == View::Commands && self.pane.is_as_it_comes() {
            self.pane.select(usize::MAX);
        }
    }

    /// Returns where one is, for coming back.
    pub(crate) fn place(&self) -> HistoryEntry {
        HistoryEntry {
            trail: self.trail.clone(),
            view: self.view,
            window: self.window,
            selection: self.selection,
            cursor: self.cursor,
            row: match self.view {
                View::Overview => self.tile,
                _ => self.pane.selected,
            },
            event: self.events.selected_line().map(|line| line.num),
        }
    }
}

/// Returns the window to begin with: the whole capture, but for events that only tell of users or containers and
/// have times long before it, or none at all.
fn events_window(library: &IndexedCapture, whole: Span) -> Span {
    let first = library.first_time().clamp(whole.from, whole.to);
    let is_long_before = first - whole.from > whole.to - first;
    Span {
        from: if is_long_before { first } else { whole.from },
        to: whole.to,
    }
}
