//! What is questionable about conditions, and which fields events of a source have.

use super::collection::Source;
use super::report::Code;
use super::syntax;
use crate::fields::attributes::Source as AttributeSource;
use crate::fields::{self, FieldFlags};
use crate::filter::ast::{Check, Literal};
use crate::filter::{self, FilterErrorKind};

/// Returns what is questionable about a comparison.
pub(super) fn condition_warnings(check: &Check) -> Vec<(Code, String)> {
    let mut found = Vec::new();
    let mut names = Vec::new();
    syntax::each_field(check, &mut |field| names.push(field));
    for field in names {
        let known = fields::lookup(field).ok().map(|field| field.info);
        if known.is_some_and(|info| info.flags.contains(FieldFlags::DEPRECATED)) {
            found.push((Code::DeprecatedItem, format!("'{field}' is deprecated")));
        }
        if known.is_some_and(|info| info.attributes.source == AttributeSource::Audit) {
            let is_na = |literal: &Literal| &*literal.bytes == b"<NA>";
            if syntax::literals(check).iter().any(is_na) {
                let message =
                    format!("comparing '{field}' with <NA> is unsafe: an absent value is not <NA>");
                found.push((Code::UnsafeNaCheck, message));
            }
        }
    }
    for literal in syntax::literals(check) {
        let Ok(text) = std::str::from_utf8(&literal.bytes) else {
            continue;
        };
        if text.contains('.') && !text.contains(['/', ' ']) && fields::lookup(text).is_ok() {
            let message = format!("'{text}' may be a valid field misused as a const string value");
            found.push((Code::ConditionWarning, message));
        } else if text.ends_with(')')
            && text.contains('(')
            && filter::Transform::parse_prefix(text).is_ok_and(|(_, end)| end == text.len())
        {
            let message =
                format!("'{text}' may be a valid transformer misused as a const string value");
            found.push((Code::ConditionWarning, message));
        }
    }
    found
}

/// Returns true if events of a source can have a field. Unknown fields are found when the condition is compiled.
pub(super) fn is_of_source(field: &str, source: Source) -> bool {
    let Ok(field) = fields::lookup(field) else {
        return true;
    };
    match field.info.attributes.source {
        AttributeSource::Every => true,
        // Requests have them, and the processes that they started.
        _ if field.needs_sessions() => true,
        AttributeSource::Syscalls => source == Source::Syscall,
        AttributeSource::Audit => source == Source::K8sAudit,
    }
}

/// Returns true for errors that `skip-if-unknown-filter` skips.
pub(super) fn is_unknown(kind: &FilterErrorKind) -> bool {
    match kind {
        FilterErrorKind::Field(_)
        | FilterErrorKind::NoClass(_)
        | FilterErrorKind::UnknownEventType(_) => true,
        FilterErrorKind::InMacro { error, .. } => is_unknown(&error.kind),
        _ => false,
    }
}
