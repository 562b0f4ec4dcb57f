//! The virtual table `events`.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use fallible_iterator::FallibleIterator;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::vtab::{
    Context, CreateVTab, DistinctMode, Filters, IndexConstraintOp, IndexInfo, Module, VTab,
    VTabConfig, VTabConnection, VTabCursor, VTabKind,
};
use rusqlite::{Error, Result, ffi};

use super::pushdown::{Operator, Pushed};
use super::rows::{Message, count, scan};
use super::{Scan, Shared};
use crate::fields::Field;
use crate::filter::Filter;
use crate::tables::cell::{self, Cell};
use crate::tables::{ColumnType, EVENTS, EventRows};

/// The module of the table.
pub(super) const MODULE: &Module<'static, EventTable> = &Module::<EventTable>::read_only_module();

/// In a plan, after a column: rows are grouped by it, and equal ones are counted.
const GROUPED: char = 'U';
/// Most columns of rows that are counted.
const MOST_GROUPED: usize = 6;

/// Pieces of rows that wait for SQLite.
const WAITING: usize = 2;

/// The table.
#[repr(C)]
pub(super) struct EventTable {
    /// SQLite's part, which has to be the first one.
    base: ffi::sqlite3_vtab,
    shared: Arc<Shared>,
    /// The fields that are columns after those of [`EVENTS`]; then comes `filter`.
    fields: Vec<(String, Field)>,
}

/// Returns the declaration of the table's columns.
fn declaration(fields: &[(String, Field)]) -> String {
    let ty = |ty| match ty {
        ColumnType::Integer | ColumnType::Boolean => "INTEGER",
        ColumnType::Blob => "BLOB",
        ColumnType::Text | ColumnType::Time | ColumnType::List | ColumnType::Map => "TEXT",
    };
    let columns = EVENTS
        .iter()
        .map(|c| format!("\"{}\" {}", c.name, ty(c.ty)));
    let fields = fields
        .iter()
        .map(|(name, _)| format!("\"{}\" HIDDEN", name.replace('"', "\"\"")));
    let columns: Vec<String> = columns.chain(fields).collect();
    format!("CREATE TABLE x({}, filter HIDDEN)", columns.join(", "))
}

// SAFETY: the struct is `repr(C)`, and its first member is SQLite's.
unsafe impl<'vtab> VTab<'vtab> for EventTable {
    type Aux = Arc<Shared>;
    type Cursor = EventCursor<'vtab>;

    fn connect(
        db: &mut VTabConnection,
        shared: Option<&Self::Aux>,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let missing = || Error::ModuleError("no captures".to_owned());
        let shared = shared.map(Arc::clone).ok_or_else(missing)?;
        db.config(VTabConfig::Innocuous)?;
        let fields = shared.fields();
        let declared = CString::new(declaration(&fields))?;
        let table = Self {
            base: ffi::sqlite3_vtab::default(),
            shared,
            fields,
        };
        Ok((declared.into(), table))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        let filter_column = EVENTS.len() + self.fields.len();
        let constraints: Vec<(usize, IndexConstraintOp, bool)> = info
            .constraints()
            .map(|c| {
                let column = usize::try_from(c.column()).unwrap_or(usize::MAX);
                (column, c.operator(), c.is_usable())
            })
            .collect();
        // A field that compares events would compare only those that pass.
        let compares = self.fields.iter().any(|(_, field)| field.is_stateful());
        let pushes = self.shared.pushes() && !compares;
        let mut plan = String::new();
        let mut arguments = 0;
        for (place, (column, operator, is_usable)) in constraints.into_iter().enumerate() {
            let is_filter = column == filter_column;
            if is_filter && !is_usable {
                // The filter is a value of another table, which has to be read first.
                return Ok(false);
            }
            let Some(mut operator) = supported(&operator).filter(|_| is_usable) else {
                continue;
            };
            if is_filter {
                operator = Operator::Filter;
            } else if column > filter_column || !pushes {
                continue;
            }
            // Filters compare bytes; a pattern has no collation.
            let has_collation =
                !matches!(operator, Operator::Filter | Operator::Like | Operator::Glob);
            if has_collation && info.collation(place)? != "BINARY" {
                continue;
            }
            if operator == Operator::Equal && info.set_in_constraint(place, true)? {
                operator = Operator::In;
            }
            arguments += 1;
            let mut usage = info.constraint_usage(place);
            usage.set_argv_index(arguments);
            // The column has no value of its own.
            usage.set_omit(operator == Operator::Filter);
            plan.push_str(&format!("{column}{} ", operator.letter()));
        }
        if let Some(columns) = self.grouped_by(info) {
            for column in columns {
                plan.push_str(&format!("{column}{GROUPED} "));
            }
            info.set_order_by_consumed(true);
        }
        info.set_idx_str(&plan);
        // A scan for each row of another table would read the capture as often, so constraints hardly change the cost.
        let rows = 10_000_000 - i64::from(arguments.min(100));
        info.set_estimated_rows(rows);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        info.set_estimated_cost(rows as f64 * 1000.0);
        let is_by_number = {
            let mut order = info.order_bys();
            let first = order.next();
            let number = EVENTS.iter().position(|column| column.name == "num");
            order.next().is_none()
                && first.is_some_and(|by| {
                    !by.is_order_by_desc() && usize::try_from(by.column()).ok() == number
                })
        };
        if is_by_number && self.shared.is_numbered() {
            info.set_order_by_consumed(true);
        }
        Ok(true)
    }

    fn open(&'vtab mut self) -> Result<Self::Cursor> {
        Ok(EventCursor {
            base: ffi::sqlite3_vtab_cursor::default(),
            shared: Arc::clone(&self.shared),
            fields: self.fields.clone(),
            places: Vec::new(),
            width: 0,
            pieces: None,
            piece: Vec::new(),
            next: 0,
            cells: Vec::new(),
            is_end: true,
            filter: None,
            groups: Vec::new(),
            repeat: 0,
            row: 0,
            table: PhantomData,
        })
    }
}

impl EventTable {
    /// Returns the columns by which rows are grouped, if all columns that are used have few values, so that equal rows can be
    /// counted.
    fn grouped_by(&self, info: &IndexInfo) -> Option<Vec<usize>> {
        let is_group = matches!(
            info.distinct(),
            DistinctMode::Grouped | DistinctMode::Distinct
        );
        let order = info.order_bys().map(|by| usize::try_from(by.column()).ok());
        let order = order.collect::<Option<Vec<usize>>>()?;
        let (columns, fields) = self.shared.used(&self.fields);
        let has_few = |column: &usize| EVENTS.get(*column).is_some_and(|c| c.has_few_values());
        let is_counted = is_group
            && !order.is_empty()
            && fields.is_empty()
            && columns.len() <= MOST_GROUPED
            && columns.iter().all(has_few)
            && order.iter().all(|column| columns.contains(column));
        is_counted.then_some(order)
    }
}

impl CreateVTab<'_> for EventTable {
    const KIND: VTabKind = VTabKind::Default;
}

/// Returns what the filter language has for an operator.
fn supported(operator: &IndexConstraintOp) -> Option<Operator> {
    use IndexConstraintOp as C;
    Some(match operator {
        C::SQLITE_INDEX_CONSTRAINT_EQ
        | C::SQLITE_INDEX_CONSTRAINT_IS
        | C::SQLITE_INDEX_CONSTRAINT_MATCH => Operator::Equal,
        C::SQLITE_INDEX_CONSTRAINT_LT => Operator::Less,
        C::SQLITE_INDEX_CONSTRAINT_LE => Operator::LessOrEqual,
        C::SQLITE_INDEX_CONSTRAINT_GT => Operator::Greater,
        C::SQLITE_INDEX_CONSTRAINT_GE => Operator::GreaterOrEqual,
        C::SQLITE_INDEX_CONSTRAINT_LIKE => Operator::Like,
        C::SQLITE_INDEX_CONSTRAINT_GLOB => Operator::Glob,
        C::SQLITE_INDEX_CONSTRAINT_ISNULL => Operator::IsNull,
        C::SQLITE_INDEX_CONSTRAINT_ISNOTNULL => Operator::IsNotNull,
        _ => return None,
    })
}

/// A scan.
#[repr(C)]
pub(super) struct EventCursor<'vtab> {
    /// SQLite's part, which has to be the first one.
    base: ffi::sqlite3_vtab_cursor,
    shared: Arc<Shared>,
    fields: Vec<(String, Field)>,
    /// The place of each column of the table among the cells of a row.
    places: Vec<Option<usize>>,
    width: usize,
    pieces: Option<Receiver<Message>>,
    piece: Vec<u8>,
    /// Where the next row begins in the piece.
    next: usize,
    /// Where each cell of the row begins.
    cells: Vec<usize>,
    is_end: bool,
    /// The filter that the query gave.
    filter: Option<String>,
    /// The columns by which rows are grouped: the number before each row is how many of it there are.
    groups: Vec<usize>,
    /// How many more there are of this row.
    repeat: i64,
    row: i64,
    table: PhantomData<&'vtab EventTable>,
}

impl EventCursor<'_> {
    /// Starts to read the captures.
    fn start(&mut self, pushed: Pushed) {
        let (columns, fields) = self.shared.used(&self.fields);
        self.places = vec![None; EVENTS.len() + self.fields.len()];
        for (place, column) in columns.iter().chain(&fields).enumerate() {
            if let Some(own) = self.places.get_mut(*column) {
                *own = Some(place);
            }
        }
        let fields: Vec<Field> = fields
            .iter()
            .filter_map(|column| self.fields.get(column - EVENTS.len()))
            .map(|(_, field)| field.clone())
            .collect();
        let rows = EventRows::new(&columns, &fields, self.shared.captures());
        self.width = rows.width();
        let (selection, text) = pushed.selection();
        self.shared.note(&selection, &text);
        let (send, receive) = sync_channel(WAITING);
        let shared = Arc::clone(&self.shared);
        let groups = self
            .groups
            .iter()
            .filter_map(|column| *self.places.get(*column)?);
        let (groups, width) = (groups.collect::<Vec<usize>>(), self.width);
        // It ends when the cursor does: then nobody receives what it sends.
        thread::spawn(move || {
            let wanted = Scan { rows, selection };
            let done = match groups.is_empty() {
                true => scan(&shared, wanted, &send),
                false => count(&shared, wanted, (width, &groups), &send),
            };
            if let Err(message) = done {
                let _sent = send.send(Message::Failed(message));
            }
        });
        self.pieces = Some(receive);
    }

    /// Goes to the next row.
    fn advance(&mut self) -> Result<()> {
        if self.repeat > 0 {
            self.repeat -= 1;
            self.row += 1;
            return Ok(());
        }
        while self.next >= self.piece.len() {
            let message = self.pieces.as_ref().and_then(|pieces| pieces.recv().ok());
            match message {
                Some(Message::Rows(rows)) => {
                    self.piece = rows;
                    self.next = 0;
                }
                Some(Message::Failed(message)) => return Err(Error::ModuleError(message)),
                None => {
                    self.is_end = true;
                    return Ok(());
                }
            }
        }
        self.cells.clear();
        let all = self.piece.get(self.next..).unwrap_or_default();
        let mut rest = all;
        // The number of the row is the first cell, so that a row without columns has a length as well.
        for _ in 0..=self.width {
            self.cells.push(self.next + all.len() - rest.len());
            match cell::take(&mut rest) {
                Some(Cell::Integer(count)) if self.cells.len() == 1 && !self.groups.is_empty() => {
                    self.repeat = count - 1;
                    self.row += 1;
                }
                Some(Cell::Integer(number)) if self.cells.len() == 1 => self.row = number,
                Some(_) => {}
                None => return Err(Error::ModuleError("a row is cut off".to_owned())),
            }
        }
        self.next += all.len() - rest.len();
        Ok(())
    }
}

// SAFETY: the struct is `repr(C)`, and its first member is SQLite's.
unsafe impl VTabCursor for EventCursor<'_> {
    fn filter(&mut self, _: c_int, plan: Option<&str>, values: &Filters<'_>) -> Result<()> {
        let mut pushed = Pushed::default();
        self.filter = None;
        (self.row, self.next, self.repeat, self.is_end) = (0, 0, 0, false);
        self.piece.clear();
        self.pieces = None;
        let plan = plan.unwrap_or_default();
        let groups = plan
            .split_whitespace()
            .filter_map(|step| step.strip_suffix(GROUPED));
        self.groups = groups.filter_map(|column| column.parse().ok()).collect();
        for (place, (step, value)) in plan.split_whitespace().zip(values.iter()).enumerate() {
            let letter = step.chars().last();
            let Some(operator) = letter.and_then(Operator::of_letter) else {
                continue;
            };
            let column = step
                .get(..step.len() - 1)
                .and_then(|column| column.parse().ok());
            let Some(column): Option<usize> = column else {
                continue;
            };
            if operator == Operator::Filter {
                let text = value
                    .as_str()
                    .map_err(|_| Error::ModuleError("filter: compare it with a text".to_owned()))?;
                if let Err(error) = Filter::parse(text) {
                    return Err(Error::ModuleError(format!("filter: {error}")));
                }
                pushed.filter(text);
                self.filter = Some(text.to_owned());
                continue;
            }
            // Each value of a list is there until the next one is asked for.
            let mut list = Vec::new();
            if operator == Operator::In {
                let mut all = values.in_values(place)?;
                while let Some(value) = FallibleIterator::next(&mut all)? {
                    list.push(Value::try_from(value)?);
                }
            } else {
                list.push(Value::try_from(value)?);
            }
            let list: Vec<ValueRef<'_>> = list.iter().map(ValueRef::from).collect();
            match column
                .checked_sub(EVENTS.len())
                .map(|at| self.fields.get(at))
            {
                None => pushed.column(column, operator, &list),
                Some(Some((_, field))) => pushed.field(field, operator, &list),
                Some(None) => {}
            }
        }
        self.start(pushed);
        self.advance()
    }

    fn next(&mut self) -> Result<()> {
        self.advance()
    }

    fn eof(&self) -> bool {
        self.is_end
    }

    fn column(&self, cx: &mut Context, column: c_int) -> Result<()> {
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        let Some(place) = self.places.get(column) else {
            // Without a value for the whole scan, rows would be wrong without a word.
            let filter = self.filter.as_deref().ok_or_else(|| {
                let message = "filter: write `filter = '…'`, joined to other conditions with AND";
                Error::ModuleError(message.to_owned())
            })?;
            return set(cx, Cell::Text(filter.as_bytes()));
        };
        let bytes = place
            .and_then(|place| self.cells.get(place + 1))
            .and_then(|at| self.piece.get(*at..));
        let value = bytes.and_then(|mut bytes| cell::take(&mut bytes));
        set(cx, value.unwrap_or(Cell::Null))
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.row)
    }
}

fn set(cx: &mut Context, value: Cell<'_>) -> Result<()> {
    cx.set_result(&ToSqlOutput::Borrowed(match value {
        Cell::Null => ValueRef::Null,
        Cell::Integer(value) => ValueRef::Integer(value),
        Cell::Real(value) => ValueRef::Real(value),
        Cell::Text(value) => ValueRef::Text(value),
        Cell::Blob(value) => ValueRef::Blob(value),
    }))
}
