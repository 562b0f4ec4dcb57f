//! Tables of views described by scripts: sysdig's, and the user's.
//!
//! The description comes from [`crate::chisel`]; here its table is filled with the events of a
//! range, one segment after the other, and converted to a [`Table`].

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::chisel::view::{
    Aggregation, ColumnInfo, ViewInfo, ViewKind, ViewOptions, ViewRows, ViewTable, ViewValue,
};
use crate::event::text::escape;
use crate::fields::attributes::Unit;
use crate::fields::{Context, FieldType, lookup};
use crate::filter::Filter;
use crate::replay::IndexedCapture;
use crate::replay::IndexedCaptureError;
use crate::replay::Scope;
use crate::replay::SegmentReplayer;
use crate::replay::matcher::Matcher;
use crate::replay::segment::Need;
use crate::stats::table::Cell;
use crate::stats::table::Column;
use crate::stats::table::Narrowed;
use crate::stats::table::ROWS;
use crate::stats::table::Row;
use crate::stats::table::Subject;
use crate::stats::table::Table;
use crate::stats::table::View;
use crate::stats::table::narrow::{is, label};

/// The views described by scripts, in the order in which they are listed.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    views: Arc<[ScriptedView]>,
}

#[derive(Clone, Debug)]
struct ScriptedView {
    info: ViewInfo,
    options: ViewOptions,
    /// The columns of its table.
    columns: &'static [Column],
    /// The view that its rows drill down to.
    target: Option<u16>,
}

impl Scripted {
    /// Prepares the views that can have a table; errors in the others are reported when they are run.
    /// Called once per process, since column titles are never freed.
    pub fn new(views: &[ViewInfo], containers: bool) -> Self {
        let options = ViewOptions {
            containers,
            depth: 0,
        };
        let mut good: Vec<&ViewInfo> = Vec::new();
        for view in views {
            let is_table = view.kind != ViewKind::Spectrogram;
            let is_empty = asks_for_nothing_there_is(view, options);
            if is_table && !is_empty && ViewTable::new(view.clone(), options, None).is_ok() {
                good.push(view);
            }
        }
        let named: Vec<ViewInfo> = good.iter().map(|view| (*view).clone()).collect();
        let one = |view: &ViewInfo| {
            let target = view.target(&named, options);
            let target = target.and_then(|t| named.iter().position(|view| view.id == t.id));
            ScriptedView {
                columns: columns(view, options),
                target: target.and_then(|at| u16::try_from(at).ok()),
                info: view.clone(),
                options,
            }
        };
        Self {
            views: named.iter().map(one).collect(),
        }
    }

    /// Iterates over the views with their names and descriptions.
    pub fn iter(&self) -> impl Iterator<Item = (View, &str, &str)> {
        let views = (0..).zip(self.views.iter());
        views.map(|(at, v)| (View::Scripted(at), &*v.info.name, &*v.info.description))
    }

    /// Returns a view's name and description; `None` for built-in views.
    pub fn describe(&self, view: View) -> Option<(&str, &str)> {
        let info = &self.view(view)?.info;
        Some((&info.name, &info.description))
    }

    fn view(&self, view: View) -> Option<&ScriptedView> {
        match view {
            View::Scripted(at) => self.views.get(usize::from(at)),
            _ => None,
        }
    }

    /// Builds the table of a view in a scope. `share` receives the progress, as parts of a whole.
    ///
    /// # Errors
    ///
    /// If the file cannot be read; [`IndexedCaptureError::Stopped`] once `stop` is set.
    pub fn table(
        &self,
        view: View,
        replayer: &mut SegmentReplayer,
        scope: &Scope,
        stop: &AtomicBool,
        share: &mut dyn FnMut(u64, u64),
    ) -> Result<Option<Table>, IndexedCaptureError> {
        let Some(of) = self.view(view) else {
            return Ok(None);
        };
        let outer = Filter::parse(&scope.filter).ok();
        let outer = outer.map(|filter| (scope.filter.clone(), filter));
        let Ok(mut table) = ViewTable::new(of.info.clone(), of.options, outer) else {
            return Ok(None);
        };
        let mut matcher = Matcher::new(scope);
        fill(&mut table, replayer, scope, &mut matcher, stop, share)?;
        replayer.settle();
        let (from, to) = (scope.span.from, scope.span.to);
        for origin in replayer.origins() {
            table.idle(&origin.state, &origin.session, to);
        }
        let rows = table.rows(from, to);
        Ok(Some(self.shown(view, of, &rows)))
    }

    /// Converts the rows to a table.
    fn shown(&self, view: View, of: &ScriptedView, rows: &ViewRows) -> Table {
        let count = rows.len().min(ROWS);
        let row = |at: usize| Row {
            cells: (0..of.columns.len())
                .map(|column| cell(rows, at, column))
                .collect(),
            subject: match rows.info().kind {
                ViewKind::List => Subject::Event(rows.event(at)),
                _ => self.leads(view, of, rows, at),
            },
            depth: 0,
            life: None,
        };
        let sorting = rows.sorting();
        let falls = rows.columns().get(sorting).is_some_and(|c| c.is_number());
        Table {
            columns: of.columns,
            sorted: (rows.info().kind != ViewKind::List).then_some((sorting, falls)),
            rows: (0..count).map(row).collect(),
            omitted: rows.left_out() + (rows.len() - count) as u64,
        }
    }

    /// Returns what a row drills down to.
    fn leads(&self, view: View, of: &ScriptedView, rows: &ViewRows, at: usize) -> Subject {
        let Some(field) = of.info.drill_field(of.options) else {
            return Subject::Leads(Box::new(Narrowed {
                label: String::new(),
                filter: String::new(),
                view,
                span: None,
            }));
        };
        let mut key = Vec::new();
        let condition = match rows.key(&mut key, at) {
            true => is(&field, &key),
            false => format!("not {field} exists"),
        };
        Subject::Leads(Box::new(Narrowed {
            label: label(&field, &key),
            filter: of.info.drill_filter(None, &condition, of.options),
            view: of.target.map_or(view, View::Scripted),
            span: None,
        }))
    }
}

/// Returns true if the view's filter needs fields that are always absent: the table is always
/// empty.
fn asks_for_nothing_there_is(view: &ViewInfo, options: ViewOptions) -> bool {
    view.filter(options)
        .and_then(|text| Filter::parse(&text).ok())
        .is_some_and(|filter| !filter.unanswerable().is_empty())
}

/// Adds the events of a scope.
fn fill(
    table: &mut ViewTable,
    replayer: &mut SegmentReplayer,
    scope: &Scope,
    matcher: &mut Matcher,
    stop: &AtomicBool,
    share: &mut dyn FnMut(u64, u64),
) -> Result<(), IndexedCaptureError> {
    let capture = Arc::clone(replayer.capture());
    let summaries = matcher.clone();
    let need_of_events = match table.needs_payload() {
        true => Need::Everything,
        false => summaries.need(),
    };
    let segments = capture.segments().iter().enumerate();
    let overlapping = segments.filter(|(_, s)| s.span.intersection(scope.span).is_some());
    let segments: Vec<usize> = overlapping.map(|(at, _)| at).collect();
    let chunks = |at: usize| capture.segments()[at].chunks.len() as u64;
    let total: u64 = segments.iter().map(|at| chunks(*at)).sum();
    let mut done = 0;
    for at in segments {
        let mut need = |place: usize| {
            share(done, total);
            done += 1;
            let summary = &capture.index().chunks[place].summary;
            if stop.load(Ordering::Relaxed) || summary.min_time.0 > scope.span.to {
                return Need::Stop;
            }
            match summaries.may_match(summary) {
                true => need_of_events,
                false => Need::State,
            }
        };
        let mut each = |cx: &Context<'_>, _: usize| {
            if matcher.matches(cx) {
                table.event(cx);
            }
            ControlFlow::Continue(())
        };
        let _end = replayer.segment(at, &mut need, &mut each)?;
        if stop.load(Ordering::Relaxed) {
            return Err(IndexedCaptureError::Stopped);
        }
    }
    Ok(())
}

/// Returns the columns of a view's table, with static lifetime like those of the built-in tables.
fn columns(view: &ViewInfo, options: ViewOptions) -> &'static [Column] {
    let is_key = |c: &&ColumnInfo| c.is_key || c.is_group_key;
    let shown = view.columns.iter().filter(|c| c.is_shown(options));
    let column = |info: &ColumnInfo| {
        let width = info.size.unwrap_or(WIDTH);
        Column {
            field: is_of_one_event(info).then(|| &*String::leak(info.field.trim().to_owned())),
            ..Column::new(safe(&info.name), width, safe(&info.description))
        }
    };
    let columns: Vec<Column> = shown.filter(|c| !is_key(c)).map(column).collect();
    Vec::leak(columns)
}

/// Escapes a script's text and keeps it for ever.
fn safe(text: &str) -> &'static str {
    let mut safe = Vec::new();
    escape(&mut safe, text.as_bytes());
    String::leak(String::from_utf8_lossy(&safe).into_owned())
}

/// Default width of a column.
const WIDTH: u16 = 12;

/// Returns true if the values are those of single events, so that they can be used in conditions.
fn is_of_one_event(info: &ColumnInfo) -> bool {
    let is_text = || lookup(info.field.trim()).is_ok_and(|f| f.info.ty == FieldType::Text);
    let is_first = |how| how == Aggregation::First;
    // The maximum of texts is the last one.
    is_first(info.group_aggregation)
        && (is_first(info.aggregation) || info.aggregation == Aggregation::Max && is_text())
}

fn cell(rows: &ViewRows, row: usize, column: usize) -> Cell {
    let is_bytes = || {
        let field = rows.columns().get(column).map(|c| c.field());
        field.is_some_and(|field| field.attributes.unit == Unit::Bytes)
    };
    match rows.value(row, column) {
        ViewValue::Nothing => Cell::Empty,
        ViewValue::Text(text) => Cell::Text(text.into()),
        ViewValue::Id(id) => Cell::Id(id),
        ViewValue::Count(count) if is_bytes() => Cell::Bytes(count),
        ViewValue::Count(count) => Cell::Count(count),
        ViewValue::Hundredths(value) => Cell::Hundredths(value),
        ViewValue::Interval(ns) => Cell::Duration(ns),
        ViewValue::Time(time) => Cell::Time(time),
        ViewValue::Address(ip) => Cell::Text(ip.to_string().into_bytes().into()),
    }
}

/// Returns true if a capture has containers, so that columns about them are useful.
pub fn has_containers(capture: &IndexedCapture) -> bool {
    let chunks = capture.index().chunks.iter();
    let mut summaries = chunks.map(|chunk| &chunk.summary);
    summaries.any(|summary| summary.containers.iter().any(|id| !id.is_empty()))
}
