//! The state of the screen, without data that only drawing needs.
//!
//! [`super::update`] changes it, [`super::view`] draws it.

mod alerts;
mod events;
mod layers;
mod pane;
mod prompt;
mod scripts;

use std::path::PathBuf;
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
use crate::stats::table::{self, AlertGroup, View};
use crate::stats::tally::{Spectrum, Tally};

pub(crate) use alerts::{AlertState, RuleAlerts};
pub(crate) use events::EventList;
pub(crate) use layers::{
    Choice, DetailPane, EchoPane, Form, List, ListItem, Overlay, Play, StatePane, TextPane,
};
pub(crate) use pane::TablePane;
pub(crate) use prompt::{Prompt, Purpose};
pub(crate) use scripts::Scripts;

/// Number of bins of the timeline's activity; more than screens have columns.
pub(crate) const BINS: usize = 512;

/// The shortest window, in nanoseconds.
pub(crate) const SHORTEST_NS: u64 = 1_000;

/// A step of a drill-down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crumb {
    /// Its label, safe to print.
    pub(crate) label: String,
    /// Its condition; empty = none, only a range.
    pub(crate) clause: String,
}

/// A previous state, for going back.
#[derive(Clone, Debug)]
pub(crate) struct HistoryEntry {
    pub(crate) trail: Vec<Crumb>,
    pub(crate) view: View,
    pub(crate) window: Span,
    pub(crate) selection: Option<Span>,
    pub(crate) cursor: u64,
    /// The selected row.
    pub(crate) row: usize,
    pub(crate) event: Option<u64>,
    /// The alerts that are listed, and the selected rule of the overview.
    pub(crate) alerts: (Option<AlertGroup>, Option<usize>),
}

/// The pending requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    pub(crate) page: Option<RequestId>,
    pub(crate) detail: Option<RequestId>,
    /// The search for an event, which is shown when found.
    pub(crate) found: Option<RequestId>,
    pub(crate) echo: Option<RequestId>,
    pub(crate) system_view: Option<RequestId>,
    pub(crate) views: Option<RequestId>,
    pub(crate) scripted: Option<RequestId>,
    pub(crate) alerts: Option<RequestId>,
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
            self.alerts,
            self.written,
        ];
        all.iter().any(Option::is_some)
    }
}

/// The selected cell of the spectrogram, and the other corner of a rectangle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spectral {
    /// Column (time) and row (latency) of the spectrum.
    pub(crate) cell: (usize, usize),
    pub(crate) anchor: Option<(usize, usize)>,
}

/// The mouse.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pointer {
    /// The time at which dragging a range started.
    pub(crate) drag: Option<u64>,
    /// The last clicked row, and the time of the click.
    pub(crate) click: Option<(usize, u64)>,
}

/// The state of the screen.
#[derive(Debug)]
pub(crate) struct Model {
    /// The capture.
    pub(crate) capture: Arc<IndexedCapture>,
    /// Its name, safe to print.
    pub(crate) name: String,
    /// The time from its first event to its last.
    pub(crate) whole: Span,
    /// Columns and rows.
    pub(crate) size: (u16, u16),
    pub(crate) theme: Theme,
    /// The time range of the timeline.
    pub(crate) window: Span,
    /// The selected range in the window.
    pub(crate) selection: Option<Span>,
    /// The fixed end of a range that is being selected with keys.
    pub(crate) select_from: Option<u64>,
    /// The time cursor.
    pub(crate) cursor: u64,
    /// The steps of the drill-down.
    pub(crate) trail: Vec<Crumb>,
    /// Previous states.
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) view: View,
    /// Activity in the window, estimated from the index.
    pub(crate) coarse: Activity,
    /// Latencies in the window, estimated from the index.
    pub(crate) coarse_spectrum: Spectrum,
    /// Exact activity of the last aggregation without a filter.
    pub(crate) exact: Option<Activity>,
    /// Progress of the aggregation of the scope.
    pub(crate) progress: Option<Progress>,
    /// The scope that is being aggregated.
    pub(crate) surveyed: Option<Scope>,
    /// The table of the view, if it has one.
    pub(crate) pane: TablePane,
    pub(crate) scripts: Scripts,
    pub(crate) alerts: AlertState,
    pub(crate) events: EventList,
    pub(crate) spectral: Spectral,
    /// The selected tile of the overview.
    pub(crate) tile: usize,
    /// True once a tile was selected, by the user or because it is notable.
    pub(crate) has_tile: bool,
    /// The overlays over the view, the topmost last.
    pub(crate) layers: Vec<Overlay>,
    /// The last search text.
    pub(crate) search: String,
    /// Filters entered before, the newest last.
    pub(crate) past_filters: Vec<String>,
    pub(crate) notes: Notes,
    /// A message in the status line until the next key.
    pub(crate) status: Option<String>,
    pub(crate) pointer: Pointer,
    pub(crate) pending: Pending,
    next_ticket: RequestId,
    /// True if the whole capture was decoded, so that all of its damage is known.
    pub(crate) is_verified: bool,
    /// True if it was converted from a damaged capture.
    of_damaged: bool,
    /// The files that the capture is, or was made of.
    pub(crate) parents: Arc<[PathBuf]>,
    /// True if the capture is still being recorded.
    pub(crate) live: bool,
    /// True if the window follows the end of a growing capture.
    pub(crate) follow: bool,
    /// Nanoseconds since the program started.
    pub(crate) now: u64,
}

impl Model {
    /// Returns the rows of the system state, if it is shown.
    pub(crate) fn state_pane(&self) -> Option<&TablePane> {
        self.layers.iter().rev().find_map(|layer| match layer {
            Overlay::State(state) => state.pane.as_ref(),
            _ => None,
        })
    }

    /// Returns the rows that are sorted and searched: those of the system state, if it is shown, or of the view.
    pub(crate) fn rows(&self) -> &TablePane {
        self.state_pane().unwrap_or(&self.pane)
    }

    /// Returns the same rows, to be changed.
    pub(crate) fn rows_mut(&mut self) -> &mut TablePane {
        let state = self.layers.iter_mut().rev().find_map(|layer| match layer {
            Overlay::State(state) => state.pane.as_mut(),
            _ => None,
        });
        state.unwrap_or(&mut self.pane)
    }

    /// Makes the first screen of a capture, and its commands.
    pub(crate) fn new(
        capture: Arc<IndexedCapture>,
        options: Options,
        notes: Notes,
        size: (u16, u16),
    ) -> (Self, Vec<Command>) {
        let whole = capture.span().unwrap_or(Span { from: 0, to: 0 });
        let window = events_window(&capture, whole);
        let coarse = Activity::from_index(&capture, window, BINS);
        let coarse_spectrum = Spectrum::from_index(&capture, window);
        let mut model = Self {
            capture,
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
            alerts: AlertState::new(options.rules.is_some()),
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
            is_verified: false,
            of_damaged: options.of_damaged,
            parents: options.parents.into(),
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
                label: cells::clip(&options.filter, 200),
                clause: options.filter,
            });
        }
        let commands = model.refresh();
        (model, commands)
    }

    /// Returns the time range of all views.
    pub(crate) fn range(&self) -> Span {
        self.selection.unwrap_or(self.window)
    }

    /// Returns the filter of all views; empty = none.
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

    /// Returns the scope of all views.
    pub(crate) fn scope(&self) -> Scope {
        Scope {
            span: self.range(),
            filter: self.filter(),
        }
    }

    /// Returns the counts of the scope, if there are any yet.
    pub(crate) fn tally(&self) -> Option<&Tally> {
        let progress = self.progress.as_ref()?;
        (Some(&progress.scope) == self.surveyed.as_ref()).then_some(&*progress.tally)
    }

    /// Returns the latencies over time: exact ones, or until then estimates from the index.
    pub(crate) fn spectrum(&self) -> Option<&Spectrum> {
        match self.tally() {
            Some(tally) => tally.spectrum.as_ref(),
            None if self.trail.is_empty() && self.selection.is_none() => {
                Some(&self.coarse_spectrum)
            }
            None => None,
        }
    }

    /// Returns true if the aggregation of the scope is complete.
    pub(crate) fn is_counted(&self) -> bool {
        let Some(progress) = &self.progress else {
            return false;
        };
        progress.finished && Some(&progress.scope) == self.surveyed.as_ref()
    }

    /// Returns the number of damaged places found so far.
    pub(crate) fn damages(&self) -> u64 {
        let met = self.progress.as_ref().map_or(0, |p| p.damages);
        met.max(self.capture.damages().count())
    }

    /// Returns true if the capture has no index of its own: it is truncated or being recorded.
    pub(crate) fn is_cut_off(&self) -> bool {
        !self.live && self.capture.is_cut_off()
    }

    /// Returns true if the capture was converted from a damaged or incomplete one.
    pub(crate) fn is_of_damaged(&self) -> bool {
        self.of_damaged
    }

    /// Whether all losses in a range are known: those of a capture without its end are known up to the
    /// last chunk, those of damaged ones and of .scap files are not.
    pub(crate) fn knows_losses(&self, range: Span) -> bool {
        let is_at_end = self.is_cut_off() && range.to >= self.whole.to;
        let is_scap = self.capture.header().is_paired();
        !self.of_damaged && self.damages() == 0 && !is_at_end && !is_scap
    }

    /// Returns true if the capture is damaged or incomplete.
    pub(crate) fn is_damaged(&self) -> bool {
        self.of_damaged || self.is_cut_off() || self.damages() > 0
    }

    /// Returns true if background results are pending.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.is_counted() || self.pending.any()
    }

    /// Returns true if the picture changes without input.
    pub(crate) fn is_playing(&self) -> bool {
        let Some(Overlay::IoStream(pane)) = self.layers.last() else {
            return false;
        };
        let play = pane.play.as_ref();
        play.is_some_and(|play| !play.paused && play.next < pane.calls.len())
    }

    /// Makes a command for a request, whose response is identified by its id.
    pub(crate) fn ask(&mut self, question: Request) -> Command {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        let pending = match &question {
            Request::Page { .. } => &mut self.pending.page,
            Request::Detail(..) => &mut self.pending.detail,
            Request::Find { .. } | Request::Opener(_) | Request::Fork(_) => &mut self.pending.found,
            Request::IoStream(..) => &mut self.pending.echo,
            Request::SystemView(..) => &mut self.pending.system_view,
            Request::Views => &mut self.pending.views,
            Request::Scripted(..) => &mut self.pending.scripted,
            Request::Alerts(..) => &mut self.pending.alerts,
            Request::Save(..) | Request::SaveText(..) | Request::Export(_) => {
                &mut self.pending.written
            }
        };
        *pending = Some(ticket);
        Command::Ask(ticket, question)
    }

    /// Returns true if a response belongs to the newest request of its kind, which is then no
    /// longer pending.
    pub(crate) fn takes(&mut self, ticket: RequestId, answer: &Response) -> bool {
        let pending = &mut self.pending;
        let slots: &mut [&mut Option<RequestId>] = match answer {
            Response::Page(_) => &mut [&mut pending.page],
            Response::Detail(..) => &mut [&mut pending.detail],
            Response::Found(_) => &mut [&mut pending.found],
            Response::IoStream(_) => &mut [&mut pending.echo],
            Response::SystemView(..) => &mut [&mut pending.system_view],
            Response::Views(_) => &mut [&mut pending.views],
            Response::Scripted(..) => &mut [&mut pending.scripted],
            Response::Alerts(..) => &mut [&mut pending.alerts],
            Response::Written(_) => &mut [&mut pending.written],
            Response::Failed(_) => &mut [
                &mut pending.page,
                &mut pending.detail,
                &mut pending.found,
                &mut pending.echo,
                &mut pending.system_view,
                &mut pending.views,
                &mut pending.scripted,
                &mut pending.alerts,
                &mut pending.written,
            ],
        };
        let slot = slots.iter_mut().find(|slot| ***slot == Some(ticket));
        slot.map(|slot| **slot = None).is_some()
    }

    /// Reloads everything after a change of range or filter.
    pub(crate) fn refresh(&mut self) -> Vec<Command> {
        let scope = self.scope();
        if self.surveyed.as_ref() == Some(&scope) {
            return Vec::new();
        }
        self.surveyed = Some(scope.clone());
        self.remake_table();
        let mut commands = vec![Command::SetScope(scope)];
        self.events.forget();
        commands.extend(self.need_page());
        commands
    }

    /// Resets the timeline after a change of the window.
    pub(crate) fn rewind(&mut self) {
        self.coarse = Activity::from_index(&self.capture, self.window, BINS);
        self.coarse_spectrum = Spectrum::from_index(&self.capture, self.window);
    }

    /// Rebuilds the view's table from the counts.
    pub(crate) fn remake_table(&mut self) {
        let table = match self.view {
            View::Losses => Some(super::losses::table(&self.capture, self.range())),
            View::Alerts => Some(super::alerts::groups(self)),
            View::AlertList => Some(super::alerts::list(self)),
            View::Sessions => match (self.capture.exec_sessions(), self.tally()) {
                (Some(sessions), Some(tally)) => {
                    Some(table::sessions(sessions, tally, &self.scope()))
                }
                _ => None,
            },
            View::Scripted(_) => self.scripted_table(),
            view => match self.tally() {
                Some(tally) => table::table(view, tally),
                None => None,
            },
        };
        self.pane.take(self.view, table);
        // The newest command is the last row.
        if self.follow && self.view == View::Commands && self.pane.is_as_it_comes() {
            self.pane.select(usize::MAX);
        }
    }

    /// Returns the current state, for going back.
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
            alerts: (self.alerts.of, self.alerts.line),
        }
    }
}

/// Returns the initial window: the whole capture, without events that describe users or containers,
/// whose times can be long before it or absent.
pub(crate) fn events_window(capture: &IndexedCapture, whole: Span) -> Span {
    let first = capture.first_time().clamp(whole.from, whole.to);
    let is_long_before = first - whole.from > whole.to - first;
    Span {
        from: if is_long_before { first } else { whole.from },
        to: whole.to,
    }
}
