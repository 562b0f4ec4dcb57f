//! Captures as tables of SQLite: one query at a time, read-only.

mod events;
mod functions;
mod pushdown;
mod rows;
mod text;
mod views;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, Statement};
use serde_json::Value as Json;

pub use functions::FUNCTIONS;
pub use text::MAX_LEN;
pub use views::VIEWS;

use self::text::Query;
use crate::fields::Field;
use crate::replay::Selection;
use crate::tables::{EVENTS, EventRows};

/// The rows that a query needs of the captures.
#[derive(Debug)]
pub struct Scan {
    /// Makes the rows. A number that no other event has is written before each as an integer cell.
    pub rows: EventRows,
    /// Which events.
    pub selection: Selection,
}

/// Reads captures.
pub trait Scanner: Send + Sync {
    /// Passes the rows of events, as bytes of [`crate::tables::cell`], in the order of the captures.
    ///
    /// # Errors
    ///
    /// A message, if the captures cannot be read.
    fn scan(
        &self,
        scan: Scan,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), String>;

    /// Returns the names of the captures.
    fn captures(&self) -> Vec<String>;
}

/// How queries run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Most memory for SQLite in bytes.
    pub memory: u64,
    /// Conditions become filters.
    pub pushes: bool,
}

/// What the tables of a connection have in common.
pub(crate) struct Shared {
    scanner: Box<dyn Scanner>,
    options: Options,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The fields of the query.
    fields: Vec<(String, Field)>,
    /// The columns of `events` that the query reads, in lower case.
    read: BTreeSet<String>,
    /// What was read of the captures for each scan.
    scans: Vec<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scanner(&self) -> &dyn Scanner {
        &*self.scanner
    }

    fn captures(&self) -> Vec<String> {
        self.scanner.captures()
    }

    fn fields(&self) -> Vec<(String, Field)> {
        self.state().fields.clone()
    }

    fn memory(&self) -> u64 {
        self.options.memory
    }

    fn pushes(&self) -> bool {
        self.options.pushes
    }

    /// Returns true if rows come in the order of their numbers.
    fn is_numbered(&self) -> bool {
        self.scanner.captures().len() == 1
    }

    /// Returns the columns that are used: those of [`EVENTS`], and those of fields after them, by place in the table.
    fn used(&self, fields: &[(String, Field)]) -> (Vec<usize>, Vec<usize>) {
        let state = self.state();
        let is_read = |name: &str| state.read.contains(&name.to_lowercase());
        let columns = EVENTS.iter().enumerate();
        let columns = columns.filter(|(_, c)| is_read(c.name)).map(|(at, _)| at);
        let own = fields.iter().enumerate();
        let own = own.filter(|(_, (name, _))| is_read(name));
        (
            columns.collect(),
            own.map(|(at, _)| EVENTS.len() + at).collect(),
        )
    }

    /// Notes a scan.
    fn note(&self, selection: &Selection, filter: &str) {
        let window = |name, when: Option<_>| when.map(|when| format!("{name} {when:?}"));
        let filter = match (filter, &selection.filter) {
            ("", _) => None,
            (text, Some(_)) => Some(text.to_owned()),
            (text, None) => Some(format!("{text} (not a filter)")),
        };
        let parts = [
            filter,
            window("from", selection.from),
            window("to", selection.to),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let text = match parts.is_empty() {
            true => "all events".to_owned(),
            false => parts.join(", "),
        };
        self.state().scans.push(text);
    }
}

/// Captures that can be queried.
pub struct Database {
    connection: Connection,
    shared: Arc<Shared>,
}

impl Database {
    /// Opens an empty database with the captures as tables.
    ///
    /// # Errors
    ///
    /// SQLite's.
    pub fn new(scanner: Box<dyn Scanner>, options: Options) -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        let memory = options.memory;
        connection.execute_batch(&format!(
            "PRAGMA hard_heap_limit = {memory}; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
        ))?;
        for (limit, most) in [
            (
                Limit::SQLITE_LIMIT_SQL_LENGTH,
                i32::try_from(MAX_LEN).unwrap_or(i32::MAX),
            ),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 500),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
        ] {
            connection.set_limit(limit, most)?;
        }
        functions::add(&connection)?;
        for (name, _, query) in VIEWS {
            connection.execute_batch(&format!("CREATE TEMP VIEW {name} AS {query}"))?;
        }
        let shared = Arc::new(Shared {
            scanner,
            options,
            state: Mutex::default(),
        });
        connection.create_module(c"scap_events", events::MODULE, Some(Arc::clone(&shared)))?;
        Ok(Self { connection, shared })
    }

    /// Adds a table. Arrays and objects become text.
    ///
    /// # Errors
    ///
    /// SQLite's; a name or a column twice among them.
    pub fn add_table(
        &self,
        name: &str,
        columns: &[String],
        rows: &[Vec<Json>],
    ) -> rusqlite::Result<()> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let declared: Vec<String> = columns.iter().map(|c| quoted(c)).collect();
        self.allow_all()?;
        self.connection.execute_batch(&format!(
            "CREATE TABLE temp.{}({})",
            quoted(name),
            declared.join(", ")
        ))?;
        let values = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT INTO temp.{} VALUES({values})", quoted(name));
        let mut insert = self.connection.prepare(&insert)?;
        for row in rows {
            insert.execute(rusqlite::params_from_iter(row.iter().map(value)))?;
        }
        Ok(())
    }

    /// Prepares a query.
    ///
    /// # Errors
    ///
    /// A message: the text is not one statement that only reads, or names what is not there.
    pub fn prepare(&self, sql: &str) -> Result<Statement<'_>, String> {
        if sql.len() > MAX_LEN {
            return Err(format!("the query is longer than {MAX_LEN} bytes"));
        }
        let query = Query::new(sql)
            .map_err(|error| format!("`{}` is not a field; `scap fields` lists them", error.0))?;
        {
            let mut state = self.shared.state();
            *state = State {
                fields: query.fields,
                ..State::default()
            };
        }
        let message = |error: rusqlite::Error| message(&error);
        self.allow_all().map_err(message)?;
        let declared = "DROP TABLE IF EXISTS temp.events; \
                        CREATE VIRTUAL TABLE temp.events USING scap_events";
        self.connection.execute_batch(declared).map_err(message)?;
        let shared = Arc::clone(&self.shared);
        let authorizer = move |cx: AuthContext<'_>| authorize(&shared, &cx);
        self.connection
            .authorizer(Some(authorizer))
            .map_err(message)?;
        let statement = self.connection.prepare(&query.text).map_err(message)?;
        match statement.readonly() {
            true => Ok(statement),
            false => Err("only queries are possible".to_owned()),
        }
    }

    /// Takes what each scan of the last query has read of the captures.
    pub fn scans(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.state().scans)
    }

    fn allow_all(&self) -> rusqlite::Result<()> {
        let none: Option<fn(AuthContext<'_>) -> Authorization> = None;
        self.connection.authorizer(none)
    }
}

/// Returns an error of SQLite as other errors are written.
pub fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(code, _) if code.code == ErrorCode::OutOfMemory => {
            "the query needs more memory than --memory allows".to_owned()
        }
        rusqlite::Error::MultipleStatement => "more than one statement".to_owned(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}

/// Returns the names in a query, in lower case: of tables and columns.
pub fn names(sql: &str) -> Vec<String> {
    Query::new(sql).map_or_else(|_| Vec::new(), |query| query.names)
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(is) => Value::Integer(i64::from(*is)),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Value::Integer(number),
            (None, Some(number)) => Value::Real(number),
            (None, None) => Value::Text(number.to_string()),
        },
        Json::String(text) => Value::Text(text.clone()),
        other => Value::Text(other.to_string()),
    }
}

/// Allows queries, and notes which columns they read.
fn authorize(shared: &Shared, cx: &AuthContext<'_>) -> Authorization {
    match cx.action {
        AuthAction::Read {
            table_name,
            column_name,
        } => {
            if table_name.eq_ignore_ascii_case("events") {
                shared.state().read.insert(column_name.to_lowercase());
            }
            Authorization::Allow
        }
        AuthAction::Function { function_name } => {
            match function_name.eq_ignore_ascii_case("load_extension") {
                true => Authorization::Deny,
                false => Authorization::Allow,
            }
        }
        AuthAction::Select | AuthAction::Recursive => Authorization::Allow,
        _ => Authorization::Deny,
    }
}
