//! Lookup of fields by name.

use std::cell::{Cell, RefCell};

use scap_capture_format::schema;

use super::attributes::ArgNames;
use super::{ArgForm, Field, FieldArg, FieldInfo, classes};
use crate::event::glob::Glob;
use crate::event::suggest::similar;
use crate::event::text::short;

/// Why a text is not a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No field has this name.
    #[error("unknown field `{}`", short(.name))]
    Unknown {
        /// The name.
        name: String,
    },
    /// The field needs an argument.
    #[error("field `{field}` needs an argument")]
    ArgumentMissing {
        /// The field.
        field: &'static str,
        /// The form of the argument.
        form: ArgForm,
    },
    /// The field takes no argument.
    #[error("field `{0}` takes no argument")]
    ArgumentUnexpected(&'static str),
    /// The argument names a parameter that no event has.
    #[error("`{}` is not a valid argument of field `{field}`: no event has a parameter of that name", short(.name))]
    UnknownParameter {
        /// The field.
        field: &'static str,
        /// The parameter.
        name: String,
    },
    /// The argument is invalid for the field.
    #[error("`{}` is not a valid argument of field `{field}`: {reason}", short(.argument))]
    ArgumentInvalid {
        /// The field.
        field: &'static str,
        /// The argument.
        argument: String,
        /// The reason.
        reason: &'static str,
    },
}

impl LookupError {
    /// Returns the names of fields that are similar to an unknown one, best first. This takes a while: lookups fail in
    /// the course of things, where one is tried after another.
    pub fn similar(&self) -> Vec<&'static str> {
        match self {
            Self::Unknown { name } => similar(name, classes::all().map(|f| f.name)),
            _ => Vec::new(),
        }
    }
}

/// Returns the field with exactly this name.
fn by_name(name: &str) -> Option<&'static FieldInfo> {
    let known = classes::all();
    #[cfg(any(test, feature = "test-fields"))]
    let known = known.chain(super::test_fields::FIELDS);
    known.into_iter().find(|f| f.name == name)
}

/// Looks up a field such as `proc.aname[2]` or `evt.arg.fd`.
///
/// # Errors
///
/// [`LookupError`].
pub fn lookup(text: &str) -> Result<Field, LookupError> {
    let (info, rest) = longest(text).ok_or_else(|| unknown(text))?;
    field(info, rest)
}

/// Finds the longest field name that is a prefix of `text` and ends there, or before an argument.
fn longest(text: &str) -> Option<(&'static FieldInfo, &str)> {
    let mut end = text.find('[').unwrap_or(text.len());
    loop {
        if let Some(info) = by_name(&text[..end]) {
            return Some((info, &text[end..]));
        }
        end = text[..end].rfind('.')?;
    }
}

fn unknown(text: &str) -> LookupError {
    let name = &text[..text.find('[').unwrap_or(text.len())];
    LookupError::Unknown {
        name: name.to_owned(),
    }
}

fn field(info: &'static FieldInfo, rest: &str) -> Result<Field, LookupError> {
    let invalid = |argument: &str, reason| LookupError::ArgumentInvalid {
        field: info.name,
        argument: argument.to_owned(),
        reason,
    };
    let (argument, bracketed) = if let Some(inner) = rest.strip_prefix('[') {
        let inner = inner
            .strip_suffix(']')
            .ok_or_else(|| invalid(rest, "no closing bracket"))?;
        let unquoted = ['"', '\'']
            .iter()
            .find_map(|q| inner.strip_prefix(*q)?.strip_suffix(*q));
        (Some(unquoted.unwrap_or(inner)), true)
    } else {
        (rest.strip_prefix('.'), false)
    };
    let arg = match (info.arg, argument) {
        (ArgForm::None, None) => FieldArg::None,
        (ArgForm::None, Some(_)) if bracketed => {
            return Err(LookupError::ArgumentUnexpected(info.name));
        }
        // `fd.name.x` is an unknown name, not `fd.name` with an argument.
        (ArgForm::None, Some(_)) => return Err(unknown(&format!("{}{rest}", info.name))),
        (ArgForm::Index | ArgForm::Key, None) => {
            return Err(LookupError::ArgumentMissing {
                field: info.name,
                form: info.arg,
            });
        }
        (ArgForm::OptIndex | ArgForm::OptKey, None) => FieldArg::None,
        (ArgForm::Index | ArgForm::OptIndex, Some(text)) => match text.parse::<u64>() {
            Ok(n) if bracketed => FieldArg::Index(n.cast_signed()),
            _ => return Err(invalid(text, "expected a number in brackets")),
        },
        (ArgForm::Key | ArgForm::OptKey, Some(""))
            if info.attributes.arg_names != ArgNames::Pointer =>
        {
            return Err(invalid("", "it is empty"));
        }
        (ArgForm::Key | ArgForm::OptKey, Some(text)) => match text.parse::<i64>() {
            Ok(n) if bracketed => FieldArg::Index(n),
            _ => FieldArg::Name(text.into()),
        },
    };
    check(info, &arg)?;
    let pattern = match (info.attributes.arg_names, &arg) {
        (ArgNames::Pattern, FieldArg::Name(name)) => Some(Glob::new(name.as_bytes(), false)),
        _ => None,
    };
    Ok(Field {
        info,
        arg,
        bracketed,
        pattern,
        memory: Cell::new(0),
        memories: RefCell::default(),
    })
}

/// Rejects arguments that can never be valid.
fn check(info: &'static FieldInfo, arg: &FieldArg) -> Result<(), LookupError> {
    let FieldArg::Name(name) = arg else {
        return Ok(());
    };
    let refuse = |reason| LookupError::ArgumentInvalid {
        field: info.name,
        argument: name.to_string(),
        reason,
    };
    let is_type = || name.parse::<u16>().is_ok() || schema::events_by_name(name).next().is_some();
    match info.attributes.arg_names {
        ArgNames::Parameter if !is_param(name) => Err(LookupError::UnknownParameter {
            field: info.name,
            name: name.to_string(),
        }),
        ArgNames::OneOf { names, expected } if !names.contains(&&**name) => Err(refuse(expected)),
        ArgNames::EventType if !is_type() => Err(refuse("no event has that name or number")),
        _ => Ok(()),
    }
}

/// Returns true if any event has a parameter, or any syscall an argument, of this name.
fn is_param(name: &str) -> bool {
    schema::EVENTS
        .iter()
        .any(|e| e.params.iter().any(|p| p.name == name))
        || schema::syscall::all().any(|s| s.args.iter().any(|a| a.name == name))
}

/// Returns the longest field at the start of `text`, with its length in bytes: what follows `%` in
/// an output format.
///
/// # Errors
///
/// [`LookupError`].
pub fn lookup_prefix(text: &str) -> Result<(Field, usize), LookupError> {
    let word = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
        .unwrap_or(text.len());
    let mut first = None;
    let mut end = word;
    if text[word..].starts_with('[')
        && let Some(close) = text[word..].find(']')
    {
        match lookup(&text[..=word + close]) {
            Ok(field) => return Ok((field, word + close + 1)),
            Err(error) => first = Some(error),
        }
    }
    // A name ends at the end of the word at the latest; a trailing dot is punctuation.
    while end > 0 {
        match lookup(&text[..end]) {
            Ok(field) => return Ok((field, end)),
            Err(error) => {
                let needs_argument = matches!(error, LookupError::ArgumentMissing { .. });
                if first.is_none() || needs_argument {
                    first = Some(error);
                }
            }
        }
        end -= text[..end].chars().next_back().map_or(1, char::len_utf8);
    }
    Err(first.unwrap_or_else(|| unknown(&text[..word])))
}
