//! What a view is: the columns of a table, how rows are made of events, and where it leads.

use crate::fields::{self, Field, FieldFlags, LookupError};
use crate::filter::FilterError;

/// Most columns of a view; the largest of sysdig's have fourteen.
pub(super) const MAX_COLUMNS: usize = 64;

/// A view as its script describes it.
#[derive(Clone, Debug, Default)]
pub struct ViewInfo {
    /// By what it is asked for.
    pub id: String,
    /// What it is called in a list.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// Words that file it.
    pub tags: Vec<String>,
    /// Fields of a selection that it can be opened with; an empty one: without a selection.
    pub applies_to: Vec<String>,
    /// What its rows are.
    pub kind: ViewKind,
    /// What its events fulfil, as written.
    pub filter: Option<String>,
    /// Its columns.
    pub columns: Vec<ColumnInfo>,
    /// Whether an event that lacks a column's field counts, with 0 or an empty text in its place.
    pub use_defaults: bool,
    /// The id of the view that a row leads to.
    pub drilldown_target: Option<String>,
    /// Whether that view is one level deeper.
    pub increases_depth: bool,
    /// Whether the view's filter goes on to hold in the view that a row leads to.
    pub propagates_filter: bool,
}

/// What the rows of a view are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViewKind {
    /// One for each value of the key.
    #[default]
    Table,
    /// One for each event.
    List,
    /// One for each interval of latency.
    Spectrogram,
}

/// One column of a view.
#[derive(Clone, Debug, Default)]
pub struct ColumnInfo {
    /// The field that it is made of, as written.
    pub field: String,
    /// Its heading.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// Its width in characters; 0 = what is left of the line.
    pub size: Option<u16>,
    /// Whether its values tell rows apart.
    pub is_key: bool,
    /// Whether its values tell apart what rows are put together to.
    pub is_group_key: bool,
    /// Whether rows are sorted by it at first.
    pub is_sorting: bool,
    /// How the events of a row become one value.
    pub aggregation: Aggregation,
    /// How the rows of a group become one value.
    pub group_aggregation: Aggregation,
    /// Where it is shown: `default`, `containers`; empty = everywhere.
    pub tags: Vec<String>,
    /// For keys: the field that stands for it in the filter of the view that a row leads to.
    pub filter_field: Option<String>,
    /// Whether an event that lacks the value has an empty one, where others are passed over.
    pub can_lack: bool,
}

/// How several values become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregation {
    /// The first one stays.
    #[default]
    First,
    /// Their sum.
    Sum,
    /// Their sum, over their number.
    Average,
    /// Their sum, over the seconds that the table is about.
    TimeAverage,
    /// The smallest.
    Min,
    /// The largest; of texts the last.
    Max,
}

/// For which output a view is, and how deep in others it was opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct ViewOptions {
    /// With the columns about containers.
    pub containers: bool,
    /// How many views deeper than the first (`%depth` in fields and filters).
    pub depth: u32,
}

/// What is wrong with a view, and in which column.
#[derive(Debug, thiserror::Error)]
#[error("{}{kind}", column.as_ref().map(|c| format!("column {c}: ")).unwrap_or_default())]
pub struct ViewError {
    /// The column by number, from 1, and name.
    pub column: Option<String>,
    /// What.
    pub kind: ViewErrorKind,
}

/// Kinds of [`ViewError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewErrorKind {
    /// A member has to be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A member has a value of another type.
    #[error("`{member}` has to be {expected}, not {found}")]
    Type {
        /// The member.
        member: &'static str,
        /// What it has to be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A member has a value that means nothing.
    #[error("`{member}` cannot be `{value}`: {expected}")]
    Value {
        /// The member.
        member: &'static str,
        /// The value.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// The script failed as a member was read.
    #[error("`{member}` cannot be read: {message}")]
    Script {
        /// The member.
        member: &'static str,
        /// What Lua says.
        message: String,
    },
    /// There are too many columns.
    #[error("it has more than {MAX_COLUMNS} columns")]
    TooManyColumns,
    /// A table has one key.
    #[error("it has {0} key columns; a table needs one, a list none")]
    Keys(usize),
    /// A table has at most one key for groups.
    #[error("it has more than one column with `is_groupby_key`")]
    GroupKeys,
    /// A table is sorted by one column.
    #[error("it has more than one column with `is_sorting`")]
    Sortings,
    /// Nothing would be shown.
    #[error("no column is left to show")]
    NothingToShow,
    /// A column's field is none.
    #[error(transparent)]
    Field(#[from] LookupError),
    /// A column's field has no value to show.
    #[error("field `{0}` is for filters only")]
    FilterOnly(&'static str),
    /// The filter is none.
    #[error("its filter `{text}` is wrong: {error}")]
    Filter {
        /// The filter.
        text: String,
        /// Why.
        error: Box<FilterError>,
    },
}

impl From<ViewErrorKind> for ViewError {
    fn from(kind: ViewErrorKind) -> Self {
        Self { column: None, kind }
    }
}

impl ViewInfo {
    /// Returns the filter with the depth put in; `None` where the view has none.
    pub fn filter(&self, options: ViewOptions) -> Option<String> {
        let text = self.filter.as_deref().map(str::trim)?;
        (!text.is_empty()).then(|| with_depth(text, options.depth))
    }

    /// Returns the column that a row of this view is told by, if it leads anywhere.
    fn key_column(&self, options: ViewOptions) -> Option<&ColumnInfo> {
        if self.kind == ViewKind::List {
            return None;
        }
        let shown = || self.columns.iter().filter(|c| c.is_shown(options));
        let group = shown().find(|c| c.is_group_key);
        group.or_else(|| shown().find(|c| c.is_key))
    }

    /// Returns the field of that column, as written.
    pub(super) fn key_field(&self, options: ViewOptions) -> Option<&str> {
        self.key_column(options).map(|column| &*column.field)
    }

    /// Returns the field that a row of this view narrows by, if it leads anywhere.
    pub fn drill_field(&self, options: ViewOptions) -> Option<String> {
        let key = self.key_column(options)?;
        let field = key.filter_field.as_ref().unwrap_or(&key.field);
        Some(field_name(field, options.depth))
    }

    /// Returns the filter of the view that a row of this one leads to: what held so far, this view's own
    /// filter, and the condition that the row makes.
    pub fn drill_filter(&self, outer: Option<&str>, row: &str, options: ViewOptions) -> String {
        let own = self.filter(self.drill_options(options));
        let own = own.filter(|_| self.propagates_filter);
        join(outer, &join(own.as_deref(), row))
    }

    /// Returns the options of the view that a row of this one leads to.
    pub fn drill_options(&self, options: ViewOptions) -> ViewOptions {
        ViewOptions {
            depth: options
                .depth
                .saturating_add(u32::from(self.increases_depth)),
            ..options
        }
    }

    /// Finds the view that a row of this one leads to: the one it names, or the first that can be opened with
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

/// Puts two filters together, each in brackets.
pub(super) fn join(outer: Option<&str>, inner: &str) -> String {
    match outer.map(str::trim).filter(|o| !o.is_empty()) {
        None => inner.to_owned(),
        // A condition alone needs no brackets, as sysdig's own templates have it.
        Some(outer) if inner.starts_with('(') => format!("({outer}) and ({inner})"),
        Some(outer) => format!("({outer}) and {inner}"),
    }
}

impl ColumnInfo {
    /// Whether the column is one of the table with these options.
    pub fn is_shown(&self, options: ViewOptions) -> bool {
        let wanted = match options.containers {
            true => "containers",
            false => "default",
        };
        self.tags.is_empty() || self.tags.iter().any(|tag| tag == wanted)
    }

    /// Looks the field up.
    pub(super) fn lookup(&self, depth: u32) -> Result<Field, ViewErrorKind> {
        let field = fields::lookup(&field_name(&self.field, depth))?;
        if field.info.flags.contains(FieldFlags::FILTER_ONLY) {
            return Err(ViewErrorKind::FilterOnly(field.info.name));
        }
        Ok(field)
    }
}

/// A field as it is looked up: without blanks, the depth put in.
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
