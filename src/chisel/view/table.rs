//! The table of a view while events are added.

use scap_capture_format::schema::types;

use super::cell::{Cell, Slot};
use super::column::ShownColumn;
use super::info::{
    Aggregation, ColumnInfo, ViewError, ViewErrorKind, ViewInfo, ViewKind, ViewOptions,
};
use super::rows::{self, Row, Rows};
use super::shown::ViewRows;
use crate::event::{Event, EventFlags, EventNum, Params, Timestamp};
use crate::fields::{Context, Field, Scratch, Session};
use crate::filter::Filter;
use crate::replay::is_about_capture;
use crate::state::{State, Thread};

/// Nanoseconds in a second.
const NS_PER_S: u64 = 1_000_000_000;

/// A view in use: aggregates events into rows.
#[derive(Debug)]
pub struct ViewTable {
    info: ViewInfo,
    options: ViewOptions,
    /// The filter besides the view's own, for the events that are synthesised here.
    outer: Option<Filter>,
    outer_text: Option<String>,
    filter: Option<Filter>,
    /// The key (unless it is a list), the group key if there is one, and the displayed columns.
    columns: Vec<Column>,
    keys: Keys,
    /// The values of the current event, one for each column.
    current: Vec<Slot>,
    /// The key of the current event.
    key: Vec<u8>,
    scratch: Scratch,
    rows: Rows,
}

/// Which columns are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keys {
    /// Number of row keys; 0 for a list.
    rows: usize,
    /// True if there is a group key.
    grouped: bool,
}

impl Keys {
    /// Number of key columns.
    fn count(self) -> usize {
        self.rows + usize::from(self.grouped)
    }
}

#[derive(Debug)]
struct Column {
    field: Field,
    /// Index among the view's columns.
    info: usize,
    aggregation: Aggregation,
    /// The default of an absent value; `None` = the event is skipped.
    default: Option<Cell>,
}

impl Column {
    fn new(view: &ViewInfo, info: usize, options: ViewOptions) -> Result<Self, ViewError> {
        let column = view.columns.get(info).map_or_else(
            || Err(ViewErrorKind::NothingToShow),
            |column| Ok((column, column.lookup(options.depth)?)),
        );
        let (column, field) = column.map_err(|kind| ViewError {
            column: Some(column_name(view, info)),
            kind,
        })?;
        Ok(Self {
            default: Cell::default_of(field.info).filter(|_| view.use_defaults || column.can_lack),
            aggregation: column.aggregation,
            field,
            info,
        })
    }

    /// Returns true if further events cannot change the value, and are not skipped for lack of it.
    fn is_settled(&self) -> bool {
        self.aggregation == Aggregation::First
            && self.default.is_some()
            && !self.field.is_stateful()
    }
}

fn column_name(view: &ViewInfo, info: usize) -> String {
    let name = view.columns.get(info).map_or("", |c| &c.name);
    format!("{} `{name}`", info + 1)
}

impl ViewTable {
    /// Makes an empty table of a view. `outer` is the filter that events have already passed.
    ///
    /// # Errors
    ///
    /// The error in the view.
    pub fn new(
        info: ViewInfo,
        options: ViewOptions,
        outer: Option<(String, Filter)>,
    ) -> Result<Self, ViewError> {
        let keys = info.columns.iter().filter(|c| c.is_key);
        let keys = keys.filter(|c| c.is_shown(options)).count();
        if keys != usize::from(info.kind != ViewKind::List) {
            return Err(ViewErrorKind::Keys(keys).into());
        }
        Self::with_keys(info, options, outer)
    }

    /// Makes an empty table with any number of key columns.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn with_keys(
        info: ViewInfo,
        options: ViewOptions,
        outer: Option<(String, Filter)>,
    ) -> Result<Self, ViewError> {
        let is_shown = |column: &ColumnInfo| column.is_shown(options);
        let all = |is: fn(&ColumnInfo) -> bool| -> Vec<usize> {
            let columns = info.columns.iter().enumerate();
            let chosen = columns.filter(|(_, c)| is(c) && is_shown(c));
            chosen.map(|(index, _)| index).collect()
        };
        let key = all(|c| c.is_key);
        let group = all(|c| c.is_group_key);
        let shown = all(|c| !c.is_key && !c.is_group_key);
        if group.len() > usize::from(!key.is_empty()) {
            return Err(ViewErrorKind::GroupKeys.into());
        }
        let keys = Keys {
            rows: key.len(),
            grouped: !group.is_empty(),
        };
        if all(|c| c.is_sorting).len() > 1 {
            return Err(ViewErrorKind::Sortings.into());
        }
        if shown.is_empty() {
            return Err(ViewErrorKind::NothingToShow.into());
        }
        let order = key.iter().chain(&group).chain(&shown);
        let columns: Result<Vec<Column>, ViewError> = order
            .map(|index| Column::new(&info, *index, options))
            .collect();
        let columns = columns?;
        let filter = match info.filter(options) {
            None => None,
            Some(text) => Some(Filter::parse(&text).map_err(|error| ViewErrorKind::Filter {
                text,
                error: Box::new(error),
            })?),
        };
        let (outer_text, outer) = outer.unzip();
        Ok(Self {
            current: vec![Slot::default(); columns.len()],
            key: Vec::new(),
            scratch: Scratch::default(),
            rows: rows::empty(),
            info,
            options,
            outer,
            outer_text,
            filter,
            columns,
            keys,
        })
    }

    /// Returns the filter of the view.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// Returns true if it may need the data of I/O calls.
    pub fn needs_payload(&self) -> bool {
        self.filter.as_ref().is_some_and(Filter::needs_payload)
            || self.columns.iter().any(|c| c.field.needs_payload())
    }

    /// Adds an event, unless it only describes users or containers.
    pub fn event(&mut self, cx: &Context<'_>) {
        if is_about_capture(cx.event) {
            return;
        }
        if self.filter.as_mut().is_none_or(|f| f.matches(cx)) {
            // An event that lacks a field is skipped.
            let _taken: Option<()> = self.take(cx);
        }
    }

    fn take(&mut self, cx: &Context<'_>) -> Option<()> {
        let mut columns = self.columns.iter().zip(&mut self.current);
        let room = self.rows.room();
        self.key.clear();
        for (column, slot) in columns.by_ref().take(self.keys.rows) {
            extract(column, slot, cx, &mut self.scratch)?;
            slot.cell.write_key(&mut self.key);
        }
        let row = match self.keys.rows {
            0 => None,
            _ => self.rows.find(&*self.key, |key| **key == *self.key),
        };
        let known = row.is_some();
        for (column, slot) in columns {
            if !(known && column.is_settled()) {
                extract(column, slot, cx, &mut self.scratch)?;
            }
        }
        let Some(row) = row else {
            let key = (self.keys.rows > 0).then_some(&*self.key);
            rows::add(&mut self.rows, key, &self.current, cx.event.num.0);
            return Some(());
        };
        // Only replaced texts can grow.
        let mut grown = 0;
        let (row, _) = self.rows.row(row);
        let columns = self.columns.iter().zip(&self.current).zip(row.iter_mut());
        for ((column, slot), old) in columns.skip(self.keys.rows) {
            let before = old.cell.text_len();
            let more = slot.cell.text_len().saturating_sub(before);
            if more == 0 || grown + more <= room {
                old.add(slot, column.aggregation);
                grown += old.cell.text_len().saturating_sub(before);
            }
        }
        self.rows.grew(grown);
        Some(())
    }

    /// Adds rows for threads without events: each as a synthesised event, just before the second of
    /// the last event (0 = there was none).
    pub fn idle(&mut self, state: &State, session: &Session, last: u64) {
        if last == 0 {
            return;
        }
        let ts = (last - last % NS_PER_S).saturating_sub(1);
        for thread in state.threads() {
            let event = idle_event(thread, ts);
            let view = state.view(&event);
            let cx = Context {
                event: &event,
                view: &view,
                session,
            };
            if self.outer.as_mut().is_none_or(|f| f.matches(&cx)) {
                self.event(&cx);
            }
        }
    }

    /// Finishes the table and resets it; `first` and `last` are the times of its range. Threads
    /// without events have rows, too.
    pub fn end(&mut self, state: &State, session: &Session, first: u64, last: u64) -> ViewRows {
        self.idle(state, session, last);
        self.rows(first, last)
    }

    /// Finishes the table with rows from events only.
    pub fn rows(&mut self, first: u64, last: u64) -> ViewRows {
        let rows = std::mem::replace(&mut self.rows, rows::empty());
        let mut left_out = rows.omitted();
        let mut rows = values(rows);
        let mut keys = self.keys.count();
        if self.keys.grouped {
            let grouped = self.group(rows);
            left_out = left_out.saturating_add(grouped.omitted());
            rows = values(grouped);
            keys = 1;
        }
        let shown = self.columns.iter().skip(self.keys.count());
        #[expect(clippy::cast_precision_loss, reason = "as a divisor")]
        let seconds = last.saturating_sub(first) as f64 / NS_PER_S as f64;
        let columns: Vec<ShownColumn> = shown
            .filter_map(|column| {
                let info = self.info.columns.get(column.info)?;
                Some(ShownColumn::new(info, column.field.info, seconds))
            })
            .collect();
        let key = match self.keys {
            Keys { rows: 0, .. } => None,
            Keys {
                grouped: true,
                rows,
            } => self.columns.get(rows),
            Keys { .. } => self.columns.first(),
        };
        ViewRows::new(
            self.info.clone(),
            self.options,
            self.outer_text.clone(),
            columns,
            key.map(|column| column.field.info),
            rows,
            keys,
            left_out,
        )
    }

    /// Groups rows by the group key. Averages are computed before, unless the group is averaged
    /// too.
    fn group(&mut self, rows: Vec<Row>) -> Rows {
        let mut groups = rows::empty();
        let how = |index: usize| {
            let column = self.columns.get(index)?;
            let info = self.info.columns.get(column.info)?;
            Some((info.aggregation, info.group_aggregation))
        };
        for (mut row, event) in rows {
            for (index, slot) in row.iter_mut().enumerate() {
                if let Some((Aggregation::Average, group)) = how(index)
                    && group != Aggregation::Average
                {
                    slot.average();
                }
            }
            let row = row.get(self.keys.rows..).unwrap_or_default();
            let Some(key) = row.first() else {
                continue;
            };
            self.key.clear();
            key.cell.write_key(&mut self.key);
            match groups.find(&*self.key, |key| **key == *self.key) {
                None => rows::add(&mut groups, Some(&self.key), row, event),
                Some(group) => {
                    let (group, _) = groups.row(group);
                    for (index, (old, slot)) in group.iter_mut().zip(row).enumerate().skip(1) {
                        if let Some((_, group)) = how(index + self.keys.rows) {
                            old.add(slot, group);
                        }
                    }
                }
            }
        }
        groups
    }
}

/// Stores the value of a field, or its default; `None` if there is neither.
fn extract(
    column: &Column,
    slot: &mut Slot,
    cx: &Context<'_>,
    scratch: &mut Scratch,
) -> Option<()> {
    match column.field.extract(cx, scratch) {
        Some(value) => {
            slot.cell.set(value, column.field.info);
            slot.count = 1;
        }
        None => {
            slot.cell.copy(column.default.as_ref()?);
            slot.count = 0;
        }
    }
    Some(())
}

/// A synthesised event for a thread without events.
fn idle_event(thread: &Thread, ts: u64) -> Event<'static> {
    Event {
        num: EventNum(0),
        ts: Timestamp(ts),
        tid: thread.tid,
        pid: thread.pid,
        cpu: 0,
        ty: types::SCAPEVENT_X,
        latency: None,
        flags: EventFlags::empty(),
        params: Params::EMPTY,
    }
}

/// Returns the rows without their keys.
fn values(rows: Rows) -> Vec<Row> {
    rows.into_rows().map(|(_, row)| row).collect()
}
