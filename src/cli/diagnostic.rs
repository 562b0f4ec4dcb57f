//! Shows where in a filter, an output format or a rule an error is.
//!
//! ```text
//!   --> filter:1:5
//!    |
//!  1 | not proc.nmae = nginx
//!    |     ^^^^^^^^^
//! ```
//!
//! The text can come from a file, so it is escaped. Of a long line only the part around the error
//! is shown.

use std::fmt::Write as _;
use std::ops::Range;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::error::CliError;
use crate::event::suggest::did_you_mean;
use crate::event::text;
use crate::fields::LookupError;
use crate::filter::{FilterError, FilterErrorKind};
use crate::format::{TemplateError, TemplateErrorKind};

/// Columns shown before the marked part.
const BEFORE: usize = 40;
/// Columns of the marked part.
const MARKED: usize = 60;
/// Columns shown after the marked part.
const AFTER: usize = 40;
/// Columns shown of a line of a script.
const WIDEST: usize = 100;
/// Stands for text that is left out.
const MORE: char = '…';

/// Makes a usage error of an error in a filter; `name` says where the text comes from (`filter`).
pub(super) fn filter(name: &str, text: &str, error: &FilterError) -> CliError {
    let mut block = String::new();
    snippet(&mut block, name, text, &error.span);
    let mut inner = error;
    while let FilterErrorKind::InMacro { name, text, error } = &inner.kind {
        snippet(&mut block, &format!("macro {name}"), text, &error.span);
        inner = error;
    }
    let failed = CliError::usage(error.kind.to_string()).snippet(block);
    match &inner.hint {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}

/// Makes a usage error of an error in an output format.
pub(super) fn template(name: &str, text: &str, error: &TemplateError) -> CliError {
    let mut block = String::new();
    snippet(&mut block, name, text, &error.span);
    let failed = CliError::usage(error.kind.to_string()).snippet(block);
    match &error.kind {
        TemplateErrorKind::Field(unknown @ LookupError::Unknown { .. }) => {
            match did_you_mean(&unknown.similar()) {
                Some(hint) => failed.hint(format!("{hint} `scap fields` lists them all")),
                None => failed.hint("`scap fields` lists all fields"),
            }
        }
        _ => failed,
    }
}

/// Appends the lines that show a span of a text; safe to print.
pub(super) fn snippet(out: &mut String, name: &str, text: &str, span: &Range<usize>) {
    let start = text.floor_char_boundary(span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let end = text.ceil_char_boundary(span.end).clamp(start, line_end);
    let line = text[..start].matches('\n').count() + 1;
    let column = text[line_start..start].chars().count() + 1;

    let before = last_columns(&shown(&text[line_start..start]), BEFORE);
    let marked = first_columns(&shown(&text[start..end]), MARKED);
    let after = first_columns(&shown(&text[end..line_end]), AFTER);
    let gutter = line.to_string().len() + 1;
    let name = shown(name);
    let (indent, carets) = (before.width(), marked.width().max(1));
    // Writing to a String cannot fail.
    let _always = writeln!(out, "{:>gutter$}--> {name}:{line}:{column}", "")
        .and_then(|()| writeln!(out, "{:>gutter$} |", ""))
        .and_then(|()| writeln!(out, "{line:>gutter$} | {before}{marked}{after}"))
        .and_then(|()| writeln!(out, "{:>gutter$} | {:indent$}{:^<carets$}", "", "", ""));
}

/// Returns the lines that show a line of a script; safe to print.
pub(super) fn line(file: &str, number: usize, text: &str) -> String {
    let gutter = number.to_string().len() + 1;
    let (file, text) = (shown(file), first_columns(&shown(text), WIDEST));
    format!(
        "{0:>gutter$}--> {file}:{number}\n{0:>gutter$} |\n{number:>gutter$} | {text}\n",
        ""
    )
}

/// Returns a text for display: tabs become spaces, other control characters are escaped.
fn shown(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    for (i, part) in text.trim_end_matches('\r').split('\t').enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        text::escape(&mut out, part.as_bytes());
    }
    // Escaping UTF-8 yields UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}

fn first_columns(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut left = columns - 1;
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    let mut head: String = text.chars().take_while(fits).collect();
    head.push(MORE);
    head
}

fn last_columns(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut left = columns - 1;
    let tail_start = text
        .char_indices()
        .rev()
        .take_while(|(_, c)| {
            let width = c.width().unwrap_or(0);
            let fits = width <= left;
            left = left.saturating_sub(width);
            fits
        })
        .last()
        .map_or(text.len(), |(at, _)| at);
    let mut tail = String::from(MORE);
    tail.push_str(&text[tail_start..]);
    tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Definitions, Filter};

    fn message(text: &str) -> String {
        let error = Filter::parse(text).unwrap_err();
        filter("filter", text, &error).text()
    }

    #[test]
    fn an_unknown_field() {
        assert_eq!(
            message("not proc.nmae = nginx"),
            "scap: error: unknown field `proc.nmae`\n  \
               --> filter:1:5\n   \
                |\n \
              1 | not proc.nmae = nginx\n   \
                |     ^^^^^^^^^\n\
             hint: did you mean `proc.name`, `proc.aname` or `proc.pname`?\n"
        );
    }

    #[test]
    fn the_end_of_the_text() {
        assert_eq!(
            message("proc.name ="),
            "scap: error: expected a value, found the end\n  \
               --> filter:1:12\n   \
                |\n \
              1 | proc.name =\n   \
                |            ^\n"
        );
    }

    #[test]
    fn lines_tabs_and_wide_characters() {
        assert_eq!(
            message("proc.name = 日本 and\n\tproc.name = \"é\" bad"),
            "scap: error: expected `and`, `or` or the end, found `bad`\n  \
               --> filter:2:18\n   \
                |\n \
              2 |  proc.name = \"é\" bad\n   \
                |                  ^^^\n\
             hint: a value with blanks in it is quoted: `\"a b\"`\n"
        );
        assert_eq!(
            message("proc.name = 日本 ^"),
            "scap: error: expected `and`, `or` or the end, found `^`\n  \
               --> filter:1:16\n   \
                |\n \
              1 | proc.name = 日本 ^\n   \
                |                  ^\n"
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            message("evt.type = \x1b[31m"),
            "scap: error: unknown event type `\\x1b[31m`\n  \
               --> filter:1:12\n   \
                |\n \
              1 | evt.type = \\x1b[31m\n   \
                |            ^^^^^^^^\n"
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_error() {
        let text = format!(
            "proc.name in ({}) and evt.type = opne and proc.name in ({})",
            "a, ".repeat(200) + "a",
            "b, ".repeat(200) + "b"
        );
        assert_eq!(
            message(&text),
            "scap: error: unknown event type `opne`\n  \
               --> filter:1:633\n   \
                |\n \
              1 | …a, a, a, a, a, a, a, a) and evt.type = opne and proc.name in (b, b, b, b, b, b, b,…\n   \
                |                                         ^^^^\n\
             hint: did you mean `open`, `openat` or `openat2`?\n"
        );
    }

    #[test]
    fn macros_show_both_places() {
        let mut definitions = Definitions::new();
        definitions.add_macro("inner", "fd.num = x").unwrap();
        definitions
            .add_macro("outer", "evt.type = open and inner")
            .unwrap();
        let text = "not outer";
        let error = Filter::with_definitions(text, &definitions).unwrap_err();
        assert_eq!(
            filter("filter", text, &error).text(),
            "scap: error: in macro `outer`: in macro `inner`: `x` is not a valid number\n  \
               --> filter:1:5\n   \
                |\n \
              1 | not outer\n   \
                |     ^^^^^\n  \
               --> macro outer:1:21\n   \
                |\n \
              1 | evt.type = open and inner\n   \
                |                     ^^^^^\n  \
               --> macro inner:1:10\n   \
                |\n \
              1 | fd.num = x\n   \
                |          ^\n"
        );
    }

    #[test]
    fn spans_beyond_the_text_do_no_harm() {
        let mut out = String::new();
        for (start, end) in [(0, 0), (5, 2), (100, 200), (1, 2)] {
            snippet(&mut out, "x", "é", &(start..end));
        }
        assert!(out.contains("x:1:1"));
    }
}
