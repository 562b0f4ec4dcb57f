//! Standard error. Whatever a command prints there passes this module, which escapes it: names of files,
//! arguments, scripts and captures are chosen by strangers, and a terminal obeys what is in them.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal as _, Write as _};

use clap::error::{ContextKind, ContextValue};

use crate::event::text;

/// Clears the progress line.
const WIPED: &[u8] = b"\r\x1b[K";

/// Prints lines. Values in them that may hold line breaks have to be escaped before.
pub(super) fn print(lines: &str) {
    write(&escaped(lines));
}

/// Prints the progress line over the previous one.
pub(super) fn progress(line: &str) {
    let mut out = WIPED.to_vec();
    text::escape(&mut out, line.as_bytes());
    write(&out);
}

/// Clears the progress line.
pub(super) fn clear_progress() {
    write(WIPED);
}

/// Whether it is a terminal.
pub(super) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Returns a text for a line: escaped, line breaks too.
pub(super) fn one_line(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    text::escape(&mut out, text.as_bytes());
    // Escaping UTF-8 yields UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}

/// Prints clap's message about a wrong command line. Its values are escaped before it is laid out, so that
/// a line break in one cannot look like another message.
pub(super) fn print_usage_error(mut error: clap::Error) {
    let escaped: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(one_line(text)))),
            ContextValue::Strings(texts) => {
                let texts = texts.iter().map(|text| one_line(text)).collect();
                Some((kind, ContextValue::Strings(texts)))
            }
            // Styled texts are clap's own.
            _ => None,
        })
        .collect();
    for (kind, value) in escaped {
        error.insert(kind, value);
    }
    print(&error.render().to_string());
}

/// Prints panics like errors; their messages may quote anything.
pub(super) fn handle_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let what = info.payload_as_str().unwrap_or("a panic");
        print(&panic_text(what, &place.unwrap_or_default()));
    }));
}

fn panic_text(what: &str, place: &str) -> String {
    let what = one_line(what);
    let thread = std::thread::current();
    let thread = one_line(thread.name().unwrap_or("unnamed"));
    let backtrace = Backtrace::capture();
    let more = match backtrace.status() {
        BacktraceStatus::Captured => backtrace.to_string(),
        _ => "hint: please report it; RUST_BACKTRACE=1 shows more\n".to_owned(),
    };
    format!("scap: internal error: thread {thread} panicked at {place}: {what}\n{more}")
}

/// Escapes each line.
fn escaped(lines: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(lines.len());
    for line in lines.split_inclusive('\n') {
        let content = line.strip_suffix('\n').unwrap_or(line);
        text::escape(&mut out, content.as_bytes());
        out.extend_from_slice(&line.as_bytes()[content.len()..]);
    }
    out
}

fn write(bytes: &[u8]) {
    // If standard error is not writable, there is no other place to report it.
    let _ignored = io::stderr().write_all(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_escaped_and_stay_lines() {
        assert_eq!(
            escaped("a\x1b[2J\nb\r\u{9b}c\u{202e}\n\n"),
            b"a\\x1b[2J\nb\\r\\u{9b}c\\u{202e}\n\n"
        );
        assert_eq!(one_line("a\nscap: error: b"), "a\\nscap: error: b");
    }

    #[test]
    fn panics_are_one_line_and_say_where() {
        let text = panic_text("no \x1b[2J\nscap: error: forged", "src/x.rs:1:2");
        let first = text.lines().next().unwrap();
        assert!(
            first.ends_with("panicked at src/x.rs:1:2: no \\x1b[2J\\nscap: error: forged"),
            "{first}"
        );
        assert!(!text.contains('\x1b'));
    }
}
