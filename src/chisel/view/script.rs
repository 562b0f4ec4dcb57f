//! Reads a script's `view_info`.

use mlua::{Table, Value};

use super::info::{
    Aggregation, ColumnInfo, MAX_COLUMNS, ViewError, ViewErrorKind, ViewInfo, ViewKind,
};

/// Length limit of a list of words (`tags`, `applies_to`).
const MAX_WORDS: usize = 1024;

impl ViewInfo {
    /// Reads the view description of a script.
    ///
    /// Its `actions`, commands to run on a live system, are ignored: a capture is from another
    /// machine, or another time.
    ///
    /// # Errors
    ///
    /// If a member is missing or invalid, and for all errors that [`super::ViewTable::new`] finds,
    /// which looks up fields and filters.
    pub fn from_script(table: &Table) -> Result<Self, ViewError> {
        let mut view = Self {
            id: required(table, "id")?,
            name: required(table, "name")?,
            description: text(table, "description")?.unwrap_or_default(),
            tags: words(table, "tags")?,
            applies_to: words(table, "applies_to")?,
            kind: kind(table)?,
            filter: text(table, "filter")?,
            columns: Vec::new(),
            use_defaults: flag(table, "use_defaults")?.unwrap_or(false),
            drilldown_target: text(table, "drilldown_target")?.filter(|t| !t.is_empty()),
            increases_depth: flag(table, "drilldown_increase_depth")?.unwrap_or(false),
            propagates_filter: flag(table, "propagate_filter")?.unwrap_or(true),
        };
        let Value::Table(columns) = member(table, "columns")? else {
            return Err(ViewErrorKind::Missing("columns").into());
        };
        for index in 1..=columns.raw_len() {
            if index > MAX_COLUMNS {
                return Err(ViewErrorKind::TooManyColumns.into());
            }
            view.columns.push(column(&columns, index)?);
        }
        Ok(view)
    }
}

fn column(columns: &Table, index: usize) -> Result<ColumnInfo, ViewError> {
    let read = || -> Result<ColumnInfo, ViewErrorKind> {
        let value = columns.raw_get(index).unwrap_or(Value::Nil);
        let Value::Table(table) = value else {
            return Err(wrong_type("columns", "a table of tables", &value));
        };
        Ok(ColumnInfo {
            field: required(&table, "field")?,
            name: text(&table, "name")?.unwrap_or_default(),
            description: text(&table, "description")?.unwrap_or_default(),
            size: size(&table)?,
            is_key: flag(&table, "is_key")?.unwrap_or(false),
            is_group_key: flag(&table, "is_groupby_key")?.unwrap_or(false),
            is_sorting: flag(&table, "is_sorting")?.unwrap_or(false),
            aggregation: aggregation(&table, "aggregation")?,
            group_aggregation: aggregation(&table, "groupby_aggregation")?,
            tags: words(&table, "tags")?,
            filter_field: text(&table, "filterfield")?,
            can_lack: false,
        })
    };
    read().map_err(|kind| {
        let name = columns
            .raw_get::<Table>(index)
            .and_then(|column| column.raw_get::<mlua::LuaString>("name"));
        let name = name.map(|name| format!(" `{}`", name.to_string_lossy()));
        ViewError {
            column: Some(format!("{index}{}", name.unwrap_or_default())),
            kind,
        }
    })
}

/// Reads a member without calling functions of the script.
fn member(table: &Table, name: &'static str) -> Result<Value, ViewErrorKind> {
    table.raw_get(name).map_err(|error| ViewErrorKind::Script {
        member: name,
        message: error.to_string(),
    })
}

fn wrong_type(member: &'static str, expected: &'static str, found: &Value) -> ViewErrorKind {
    ViewErrorKind::Type {
        member,
        expected,
        found: found.type_name(),
    }
}

fn text(table: &Table, name: &'static str) -> Result<Option<String>, ViewErrorKind> {
    match member(table, name)? {
        Value::Nil => Ok(None),
        Value::String(text) => Ok(Some(text.to_string_lossy())),
        other => Err(wrong_type(name, "a string", &other)),
    }
}

fn required(table: &Table, name: &'static str) -> Result<String, ViewErrorKind> {
    text(table, name)?.ok_or(ViewErrorKind::Missing(name))
}

fn flag(table: &Table, name: &'static str) -> Result<Option<bool>, ViewErrorKind> {
    match member(table, name)? {
        Value::Nil => Ok(None),
        Value::Boolean(flag) => Ok(Some(flag)),
        other => Err(wrong_type(name, "true or false", &other)),
    }
}

fn size(table: &Table) -> Result<Option<u16>, ViewErrorKind> {
    const MEMBER: &str = "colsize";
    let number = match member(table, MEMBER)? {
        Value::Nil => return Ok(None),
        Value::Integer(number) => u16::try_from(number).ok(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in range and a whole number"
        )]
        Value::Number(number) if number.fract() == 0.0 && (0.0..65536.0).contains(&number) => {
            Some(number as u16)
        }
        Value::Number(_) => None,
        other => return Err(wrong_type(MEMBER, "a number", &other)),
    };
    number.map(Some).ok_or(ViewErrorKind::Value {
        member: MEMBER,
        value: "it".to_owned(),
        expected: "a whole number of characters",
    })
}

fn words(table: &Table, name: &'static str) -> Result<Vec<String>, ViewErrorKind> {
    const EXPECTED: &str = "a table of strings";
    let list = match member(table, name)? {
        Value::Nil => return Ok(Vec::new()),
        Value::Table(list) => list,
        other => return Err(wrong_type(name, EXPECTED, &other)),
    };
    let mut words = Vec::new();
    for index in 1..=list.raw_len().min(MAX_WORDS) {
        match list.raw_get(index).unwrap_or(Value::Nil) {
            Value::String(word) => words.push(word.to_string_lossy()),
            other => return Err(wrong_type(name, EXPECTED, &other)),
        }
    }
    Ok(words)
}

fn kind(table: &Table) -> Result<ViewKind, ViewErrorKind> {
    const MEMBER: &str = "view_type";
    match text(table, MEMBER)?.as_deref() {
        None | Some("table") => Ok(ViewKind::Table),
        Some("list") => Ok(ViewKind::List),
        Some("spectrogram") => Ok(ViewKind::Spectrogram),
        Some(other) => Err(ViewErrorKind::Value {
            member: MEMBER,
            value: other.to_owned(),
            expected: "expected `table`, `list` or `spectrogram`",
        }),
    }
}

fn aggregation(table: &Table, name: &'static str) -> Result<Aggregation, ViewErrorKind> {
    match text(table, name)?.as_deref() {
        None | Some("") => Ok(Aggregation::First),
        Some("SUM") => Ok(Aggregation::Sum),
        Some("AVG") => Ok(Aggregation::Average),
        Some("TIME_AVG") => Ok(Aggregation::TimeAverage),
        Some("MIN") => Ok(Aggregation::Min),
        Some("MAX") => Ok(Aggregation::Max),
        Some(other) => Err(ViewErrorKind::Value {
            member: name,
            value: other.to_owned(),
            expected: "expected `SUM`, `AVG`, `TIME_AVG`, `MIN` or `MAX`",
        }),
    }
}
