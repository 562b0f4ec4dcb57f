//! Output formats of sysdig and Falco: text with `%field` in it.
//!
//! A width after the `%` pads or truncates (`%16proc.name`). With a leading `*` absent fields print
//! `<NA>`; without it an event that lacks a field is not printed.

use std::ops::Range;

use super::{json, value};
use crate::event::bytes::BufferFormat;
use crate::event::number;
use crate::fields::attributes::Role;
use crate::fields::{self, Context, Field, FieldFlags, LookupError, Scratch};
use crate::filter::{FilterErrorKind, Transform};

/// Length limit of a format, in bytes.
const MAX_LEN: usize = 64 << 10;
/// Limit of a width.
const MAX_WIDTH: usize = 1024;

/// Formats by sysdig's names.
pub mod standard {
    /// The default.
    pub const DEFAULT: &str =
        "*%evt.num %evt.outputtime %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.info";
    /// `-pc`: with containers.
    pub const CONTAINER: &str = "*%evt.num %evt.outputtime %evt.cpu %container.name (%container.id) %proc.name (%thread.tid:%thread.vtid) %evt.dir %evt.type %evt.info";
    /// `-pk`: with pods.
    pub const KUBERNETES: &str = "*%evt.num %evt.outputtime %evt.cpu %k8s.pod.name (%container.id) %proc.name (%thread.tid:%thread.vtid) %evt.dir %evt.type %evt.info";
}

/// An error in an output format, with its position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct TemplateError {
    /// The kind of error.
    pub kind: TemplateErrorKind,
    /// Its span in the text, in bytes.
    pub span: Range<usize>,
}

/// Kinds of [`TemplateError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateErrorKind {
    /// No field follows a `%`.
    #[error("no field after `%`")]
    NoField,
    /// No valid field follows a `%`.
    #[error(transparent)]
    Field(#[from] LookupError),
    /// The field has no text form.
    #[error("field `{0}` is for filters only")]
    FilterOnly(&'static str),
    /// No valid transformer follows a `%`.
    #[error("{0}")]
    Transform(FilterErrorKind),
    /// The width is too large.
    #[error("the width is over {MAX_WIDTH}")]
    Width,
    /// The text is too long.
    #[error("the format is longer than {MAX_LEN} bytes")]
    TooLong,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Vec<u8>),
    Field {
        field: Field,
        width: usize,
    },
    Transform {
        transform: Box<Transform>,
        width: usize,
    },
}

/// An output format, compiled.
#[derive(Clone, Debug)]
pub struct Template {
    parts: Vec<Part>,
    /// True if events with absent fields are printed.
    lenient: bool,
    /// JSON has nanoseconds for every time.
    numeric_times: bool,
    /// For JSON: the members by name, each as the text `"name":` and the index of its part.
    members: Vec<(Vec<u8>, usize)>,
    scratch: Scratch,
    buffer: Vec<u8>,
}

impl Template {
    /// Compiles a format.
    ///
    /// # Errors
    ///
    /// [`TemplateError`].
    pub fn new(text: &str) -> Result<Self, TemplateError> {
        let fail = |kind, span| TemplateError { kind, span };
        if text.len() > MAX_LEN {
            return Err(fail(TemplateErrorKind::TooLong, 0..MAX_LEN));
        }
        let (lenient, mut at) = match text.strip_prefix('*') {
            Some(_) => (true, 1),
            None => (false, 0),
        };
        // Fields and transformers as written, with their index in `parts`.
        let mut names: Vec<(String, usize)> = Vec::new();
        let mut parts = Vec::new();
        while at < text.len() {
            let rest = &text[at..];
            let Some(percent) = rest.find('%') else {
                parts.push(Part::Text(rest.as_bytes().to_vec()));
                break;
            };
            if percent > 0 {
                parts.push(Part::Text(rest.as_bytes()[..percent].to_vec()));
            }
            let start = at + percent;
            let after = &text[start + 1..];
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let width = match &after[..digits] {
                "" => 0,
                digits => digits.parse().unwrap_or(usize::MAX),
            };
            if width > MAX_WIDTH {
                let span = start..start + 1 + digits;
                return Err(fail(TemplateErrorKind::Width, span));
            }
            let name = &after[digits..];
            let word = name
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
                .unwrap_or(name.len());
            if word == 0 {
                let span = start..start + 1 + digits;
                return Err(fail(TemplateErrorKind::NoField, span));
            }
            let name_at = start + 1 + digits;
            if name[word..].starts_with('(') && !name[..word].contains('.') {
                let (transform, len) = Transform::parse_prefix(name).map_err(|error| {
                    let span = name_at + error.span.start..name_at + error.span.end;
                    fail(TemplateErrorKind::Transform(error.kind), span)
                })?;
                names.push((name[..len].to_owned(), parts.len()));
                parts.push(Part::Transform {
                    transform: Box::new(transform),
                    width,
                });
                at = name_at + len;
                continue;
            }
            let (field, len) = fields::lookup_prefix(name)
                .map_err(|error| fail(error.into(), name_at..name_at + word))?;
            if field.info.flags.contains(FieldFlags::FILTER_ONLY) {
                let span = name_at..name_at + len;
                return Err(fail(TemplateErrorKind::FilterOnly(field.info.name), span));
            }
            names.push((field.to_string(), parts.len()));
            parts.push(Part::Field { field, width });
            at = name_at + len;
        }
        names.sort();
        names.dedup_by(|a, b| a.0 == b.0);
        let member = |(name, part): (String, usize)| {
            let mut text = Vec::new();
            json::string(&mut text, name.as_bytes());
            text.push(b':');
            (text, part)
        };
        Ok(Self {
            parts,
            lenient,
            numeric_times: false,
            members: names.into_iter().map(member).collect(),
            scratch: Scratch::default(),
            buffer: Vec::new(),
        })
    }

    /// Returns the fields as they were written, sorted; without transformers.
    pub fn field_names(&self) -> Vec<String> {
        let names = self.parts.iter().filter_map(|part| match part {
            Part::Field { field, .. } => Some(field.to_string()),
            _ => None,
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names.dedup();
        names
    }

    /// Lets JSON have nanoseconds since the epoch for times that are text otherwise, as Falco does.
    #[must_use]
    pub fn with_numeric_times(mut self) -> Self {
        self.numeric_times = true;
        self
    }

    /// Leaves transformers out of JSON, as Falco does.
    #[must_use]
    pub fn without_transformers(mut self) -> Self {
        let Self { parts, members, .. } = &mut self;
        members.retain(|(_, part)| !matches!(parts.get(*part), Some(Part::Transform { .. })));
        self
    }

    /// Returns true if the format may use the sessions of `kubectl exec`, which have to be found first.
    pub fn needs_sessions(&self) -> bool {
        self.any_field(Field::needs_sessions)
    }

    /// Returns true if this is true for a field of the format.
    pub fn any_field(&self, test: impl Fn(&Field) -> bool) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Text(_) => false,
            Part::Field { field, .. } => test(field),
            Part::Transform { transform, .. } => transform.any_field(&test),
        })
    }

    /// Appends an event, without a line break. Returns false if a field is absent; nothing is
    /// appended then.
    pub fn write(&mut self, out: &mut Vec<u8>, cx: &Context<'_>, buffers: BufferFormat) -> bool {
        let start = out.len();
        for part in &mut self.parts {
            let from = out.len();
            let (value, width, info) = match part {
                Part::Text(text) => {
                    out.extend_from_slice(text);
                    continue;
                }
                Part::Field { field, width } => {
                    (field.extract(cx, &mut self.scratch), *width, field.info)
                }
                Part::Transform {
                    transform, width, ..
                } => (transform.value(*cx), *width, fields::plain()),
            };
            match value {
                Some(value) => value::write(out, value, info, buffers),
                None if self.lenient => out.extend_from_slice(b"<NA>"),
                None => {
                    out.truncate(start);
                    return false;
                }
            }
            if width > 0 {
                fit(out, from, width);
            }
        }
        true
    }

    /// Appends an event as a JSON object of its fields. Returns false if a field is absent and
    /// required; absent fields of a lenient format are `null`.
    pub fn write_json(
        &mut self,
        out: &mut Vec<u8>,
        cx: &Context<'_>,
        buffers: BufferFormat,
    ) -> bool {
        let start = out.len();
        out.push(b'{');
        for (count, (member, part)) in self.members.iter().enumerate() {
            if count > 0 {
                out.push(b',');
            }
            out.extend_from_slice(member);
            let (value, info) = match self.parts.get_mut(*part) {
                Some(Part::Field { field, .. }) => {
                    // Text has the time in the chosen format, JSON always has nanoseconds.
                    let is_time = self.numeric_times && field.is_textual_time();
                    if field.role() == Role::OutputTime || is_time {
                        match cx.event.ts.known() {
                            Some(ns) => number::udec(out, ns),
                            None => out.extend_from_slice(b"null"),
                        }
                        continue;
                    }
                    (field.extract(cx, &mut self.scratch), field.info)
                }
                Some(Part::Transform { transform, .. }) => (transform.value(*cx), fields::plain()),
                Some(Part::Text(_)) | None => continue,
            };
            match value {
                Some(value) => value::write_json(out, value, info, buffers, &mut self.buffer),
                None if self.lenient => out.extend_from_slice(b"null"),
                None => {
                    out.truncate(start);
                    return false;
                }
            }
        }
        out.push(b'}');
        true
    }
}

/// Pads or truncates the appended text to a width in bytes; a character is never split.
fn fit(out: &mut Vec<u8>, from: usize, width: usize) {
    let len = out.len() - from;
    if len < width {
        out.resize(from + width, b' ');
        return;
    }
    let mut end = from + width;
    while end > from && out.get(end).is_some_and(|b| b & 0xc0 == 0x80) {
        end -= 1;
    }
    out.truncate(end);
    out.resize(from + width, b' ');
}
