//! View descriptions: columns, filter, aggregation and drill-down.

use crate::fields::{self, Field, FieldFlags, LookupError};
use crate::filter::FilterError;

/// Limit of the columns of a view; the largest of sysdig's have fourteen.
pub(super) const MAX_COLUMNS: usize = 64;

/// A view as described by its script.
#[derive(Clone, Debug, Default)]
pub struct ViewInfo {
    /// Its id.
    pub id: String,
    /// Its title in lists.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Fields of a selection from which it can be opened; an empty one: without a selection.
    pub applies_to: Vec<String>,
    /// The kind of its rows.
    pub kind: ViewKind,
    /// The filter of its events, as written.
    pub filter: Option<String>,
    /// Its columns.
    pub columns: Vec<ColumnInfo>,
    /// True if an event that lacks a column's field counts, with 0 or an empty text as its value.
    pub use_defaults: bool,
    /// The id of the drill-down target of its rows.
    pub drilldown_target: Option<String>,
    /// True if the target is one level deeper.
    pub increases_depth: bool,
    /// True if the view's filter also applies in the drill-down target.
    pub propagates_filter: bool,
}

/// The kind of a view's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViewKind {
    /// One row for each value of the key.
    #[default]
    Table,
    /// One row for each event.
    List,
    /// One row for each interval of latency.
    Spectrogram,
}

/// A column of a view.
#[derive(Clone, Debug, Default)]
pub struct ColumnInfo {
    /// Its field, as written.
    pub field: String,
    /// Its heading.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its width in characters; 0 = the rest of the line.
    pub size: Option<u16>,
    /// True for the key of the rows.
    pub is_key: bool,
    /// True for the key by which rows are grouped.
    pub is_group_key: bool,
    /// True for the initial sort column.
    pub is_sorting: bool,
    /// The aggregation of the events of a row.
    pub aggregation: Aggregation,
    /// The aggregation of the rows of a group.
    pub group_aggregation: Aggregation,
    /// When it is displayed: `default`, `containers`; empty = always.
    pub tags: Vec<String>,
    /// For keys: the field that replaces it in the filter of the drill-down.
    pub filter_field: Option<String>,
    /// True if an event without the value is counted with an empty one; otherwise it is skipped.
    pub can_lack: bool,
}

/// How several values are aggregated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregation {
    /// The first value.
    #[default]
    First,
    /// The sum.
    Sum,
    /// The sum divided by the number of values.
    Average,
    /// The sum divided by the seconds of the table's time range.
    TimeAverage,
    /// The minimum.
    Min,
    /// The maximum; for texts the last one.
    Max,
}

/// The output options and the drill-down depth of a view.
#[derive(Clone, Copy, Debug, Default)]
pub struct ViewOptions {
    /// True to include columns about containers.
    pub containers: bool,
    /// The drill-down depth (`%depth` in fields and filters).
    pub depth: u32,
}

/// An error in a view, with its column.
#[derive(Debug, thiserror::Error)]
#[error("{}{kind}", column.as_ref().map(|c| format!("column {c}: ")).unwrap_or_default())]
pub struct ViewError {
    /// The column, by number from 1 and name.
    pub column: Option<String>,
    /// The kind of error.
    pub kind: ViewErrorKind,
}

/// Kinds of [`ViewError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewErrorKind {
    /// A required member is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A member has the wrong type.
    #[error("`{member}` has to be {expected}, not {found}")]
    Type {
        /// The member.
        member: &'static str,
        /// The expected type.
        expected: &'static str,
        /// The actual type.
        found: &'static str,
    },
    /// A member has an invalid value.
    #[error("`{member}` cannot be `{value}`: {expected}")]
    Value {
        /// The member.
        member: &'static str,
        /// The value.
        value: String,
        /// The valid values.
        expected: &'static str,
    },
    /// The script failed while a member was read.
    #[error("`{member}` cannot be read: {message}")]
    Script {
        /// The member.
        member: &'static str,
        /// Lua's message.
        message: String,
    },
    /// The view has too many columns.
    #[error("the view has more than {MAX_COLUMNS} columns")]
    TooManyColumns,
    /// A table needs exactly one key, a list none.
    #[error("the view has {0} key columns; a table needs one, a list none")]
    Keys(usize),
    /// A table has more than one group key.
    #[error("the view has more than one column with `is_groupby_key`")]
    GroupKeys,
    /// A table has more than one sort column.
    #[error("the view has more than one column with `is_sorting`")]
    Sortings,
    /// No column is displayed.
    #[error("the view has no column to display")]
    NothingToShow,
    /// The field of a column is invalid.
    #[error(transparent)]
    Field(#[from] LookupError),
    /// The field of a column cannot be displayed.
    #[error("field `{0}` is for filters only")]
    FilterOnly(&'static str),
    /// The filter is invalid.
    #[error("invalid filter `{text}`: {error}")]
    Filter {
        /// The filter.
        text: String,
        /// The error.
        error: Box<FilterError>,
    },
}

impl From<ViewErrorKind> for ViewError {
    fn from(kind: ViewErrorKind) -> Self {
        Self { column: None, kind }
    }
}

impl ViewInfo {
    /// Returns the filter with the depth inserted; `None` if the view has none.
    pub fn filter(&self, options: ViewOptions) -> Option<String> {
        let text = self.filter.as_deref().map(str::trim)?;
        (!text.is_empty()).then(|| with_depth(text, options.depth))
    }

    /// Returns the key column of the drill-down, if there is one.
    fn key_column(&self, options: ViewOptions) -> Option<&ColumnInfo> {
        if self.kind == ViewKind::List {
            return None;
        }
        let shown = || self.columns.iter().filter(|c| c.is_shown(options));
        let group = shown().find(|c| c.is_group_key);
        group.or_else(|| shown().find(|c| c.is_key))
    }

    /// Returns the field of the key column, as written.
    pub(super) fn key_field(&self, options: ViewOptions) -> Option<&str> {
        self.key_column(options).map(|column| &*column.field)
    }

    /// Returns the field by which rows are filtered in the drill-down, if there is one.
    pub fn drill_field(&self, options: ViewOptions) -> Option<String> {
        let key = self.key_column(options)?;
        let field = key.filter_field.as_ref().unwrap_or(&key.field);
        Some(field_name(field, options.depth))
    }

    /// Returns the filter of the drill-down: the filter so far, this view's own filter, and the
    /// condition of the row.
    pub fn drill_filter(&self, outer: Option<&str>, row: &str, options: ViewOptions) -> String {
        let own = self.filter(self.drill_options(options));
        let own = own.filter(|_| self.propagates_filter);
        join(outer, &join(own.as_deref(), row))
    }

    /// Returns the options of the drill-down target.
    pub fn drill_options(&self, options: ViewOptions) -> ViewOptions {
        ViewOptions {
            depth: options
                .depth
                .saturating_add(u32::from(self.increases_depth)),
            ..options
        }
    }

    /// Returns the drill-down target: the view it names, or the first one that can be opened with
    /// its key.
    pub fn target<'v>(&self, views: &'v [Self], options: ViewOptions) -> Option<&'v Self> {
        let field = self.key_field(options)?;
        let named = self.drilldown_target.as_deref();
        let named = named.and_then(|id| views.iter().find(|view| view.id == id));
        named.or_else(|| {
            views
                .iter()
                .find(|view| view.applies_to.iter().any(|f| f == field))
        })
    }
}

/// Joins two filters, each in parentheses.
pub(super) fn join(outer: Option<&str>, inner: &str) -> String {
    match outer.map(str::trim).filter(|o| !o.is_empty()) {
        None => inner.to_owned(),
        // A single condition needs no parentheses, as in sysdig's own templates.
        Some(outer) if inner.starts_with('(') => format!("({outer}) and ({inner})"),
        Some(outer) => format!("({outer}) and {inner}"),
    }
}

impl ColumnInfo {
    /// Returns true if the column is displayed with these options.
    pub fn is_shown(&self, options: ViewOptions) -> bool {
        let wanted = match options.containers {
            true => "containers",
            false => "default",
        };
        self.tags.is_empty() || self.tags.iter().any(|tag| tag == wanted)
    }

    /// Looks up the field.
    pub(super) fn lookup(&self, depth: u32) -> Result<Field, ViewErrorKind> {
        let field = fields::lookup(&field_name(&self.field, depth))?;
        if field.info.flags.contains(FieldFlags::FILTER_ONLY) {
            return Err(ViewErrorKind::FilterOnly(field.info.name));
        }
        Ok(field)
    }
}

/// Returns the field name for the lookup: without spaces, the depth inserted.
fn field_name(text: &str, depth: u32) -> String {
    let text: String = text.chars().filter(|c| !matches!(c, ' ' | '\t')).collect();
    with_depth(&text, depth)
}

/// Replaces `%depth`, `%depth+1` and `%depth-1`.
fn with_depth(text: &str, depth: u32) -> String {
    text.replace("%depth+1", &depth.saturating_add(1).to_string())
        .replace("%depth-1", &depth.saturating_sub(1).to_string())
        .replace("%depth", &depth.to_string())
}
