//! What is wrong with a filter, and where.

use super::ast::Span;
use crate::event::suggest::{did_you_mean, similar};
use crate::event::text::short;
use crate::fields::LookupError;

/// Why a text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct FilterError {
    /// What is wrong.
    #[source]
    pub kind: FilterErrorKind,
    /// Which bytes of the text are.
    pub span: Span,
    /// What may have been meant.
    pub hint: Option<String>,
}

/// Kinds of errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterErrorKind {
    /// The text is empty or blank.
    #[error("the filter is empty")]
    Empty,
    /// Something else has to stand there.
    #[error("expected {expected}, found {}", short(.found))]
    Expected {
        /// What has to.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A quote has no end.
    #[error("the quote is not closed")]
    UnclosedQuote,
    /// A bracket has no end.
    #[error("the bracket is not closed")]
    UnclosedBracket,
    /// A backslash stands before something that has no meaning with it.
    #[error("`\\{0}` is not an escape sequence")]
    Escape(String),
    /// A value has a NUL in it, which no text in an event has.
    #[error("a value cannot hold a NUL")]
    Nul,
    /// Brackets, negations or transformers are too many levels deep.
    #[error("nested more than {0} levels deep")]
    TooDeep(usize),
    /// The filter is too large once its macros and lists are expanded.
    #[error("the filter has more than {limit} {what}")]
    TooLarge {
        /// How many there may be.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// No operator is written like that.
    #[error("unknown operator `{}`", short(.0))]
    UnknownOperator(String),
    /// A name without a class stands where a field should.
    #[error("`{}` is not a field; write CLASS.NAME, e.g. `proc.name`", short(.0))]
    NoClass(String),
    /// The field does not exist or its argument makes no sense.
    #[error(transparent)]
    Field(#[from] LookupError),
    /// No macro has that name.
    #[error("unknown macro `{}`", short(.0))]
    UnknownMacro(String),
    /// No list has that name.
    #[error("unknown list `{}`", short(.0))]
    UnknownList(String),
    /// A macro or list mentions itself, maybe through others.
    #[error("{what} `{}` refers to itself", short(.name))]
    Recursive {
        /// Macro or list.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A list that is not one value stands where one value should.
    #[error("list `{}` has {count} values where one is needed", short(.name))]
    ListAsValue {
        /// The list.
        name: String,
        /// How many values it has.
        count: usize,
    },
    /// The error is inside a macro; its span belongs to the macro's text.
    #[error("in macro `{}`: {error}", short(.name))]
    InMacro {
        /// The macro.
        name: String,
        /// Its text.
        text: String,
        /// What is wrong with it.
        error: Box<FilterError>,
    },
    /// No transformer has that name.
    #[error("unknown transformer `{}`", short(.0))]
    UnknownTransformer(String),
    /// A transformer is applied to the wrong number or kind of things.
    #[error("`{name}` {problem}")]
    TransformerArguments {
        /// The transformer.
        name: &'static str,
        /// What it needs.
        problem: &'static str,
    },
    /// The field has no value that a transformer could change.
    #[error("transformers do not apply to `{0}`")]
    NoTransformer(&'static str),
    /// The field cannot be compared with.
    #[error("`{0}` cannot stand on the right-hand side")]
    NoRightHandSide(&'static str),
    /// The field has only a printed form.
    #[error("`{0}` can only be printed, not compared")]
    PrintOnly(&'static str),
    /// The operator has no meaning for what it is applied to.
    #[error("`{op}` does not apply to {what}")]
    OperatorNotAllowed {
        /// The operator.
        op: &'static str,
        /// What it is applied to: a type.
        what: &'static str,
    },
    /// The operator cannot compare with another field.
    #[error("`{0}` cannot compare with another field")]
    OperatorNeedsValues(&'static str),
    /// The two sides have nothing in common.
    #[error("{left} cannot be compared with {right}")]
    TypesDiffer {
        /// Type of the left-hand side.
        left: &'static str,
        /// Type of the right-hand side.
        right: &'static str,
    },
    /// The value is not of the field's type.
    #[error("`{}` is not a valid {expected}", short(.value))]
    InvalidValue {
        /// The value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// No event and no syscall has that name.
    #[error("unknown event type `{}`", short(.0))]
    UnknownEventType(String),
    /// The regular expression is wrong or too large.
    #[error("bad regular expression: {}", short(.0))]
    Regex(String),
}

impl FilterError {
    pub(super) fn new(kind: FilterErrorKind, span: Span) -> Self {
        Self {
            kind,
            span,
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds "did you mean" if any of the candidates looks like the name.
    pub(super) fn suggest<'a>(
        mut self,
        name: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        if let Some(hint) = did_you_mean(&similar(name, candidates)) {
            self.hint = Some(hint);
        }
        self
    }
}
