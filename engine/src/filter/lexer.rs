//! The lexer of filters.
//!
//! The meaning of characters depends on the context (`<` is an operator or a value), so there is no
//! list of tokens: the parser asks the lexer for what it expects next.

use super::ast::{Literal, Span};
use super::error::{FilterError, FilterErrorKind};

/// Reads a text from left to right.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

/// Returns true for characters between words.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x08 | b'\r' | b'\n')
}

/// Returns true for characters of an unquoted value.
fn is_bare(byte: u8) -> bool {
    !matches!(
        byte,
        b'(' | b')'
            | b'"'
            | b'\''
            | b'='
            | b','
            | b' '
            | b'\t'
            | b'\r'
            | b'\n'
            | 0x0b
            | 0x0c
            | 0x08
    )
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn is_end(&self) -> bool {
        self.at == self.text.len()
    }

    pub(super) fn skip_blanks(&mut self) {
        self.at += self.run(is_blank).len();
    }

    /// Returns the run of bytes of a character class at the current position.
    fn run(&self, class: impl Fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.bytes().position(|b| !class(b)).unwrap_or(rest.len());
        // Every class contains either all bytes of non-ASCII characters or none.
        &rest[..len]
    }

    /// Consumes `symbol` if it is next.
    pub(super) fn take(&mut self, symbol: &str) -> bool {
        let next = self.rest().starts_with(symbol);
        if next {
            self.at += symbol.len();
        }
        next
    }

    /// Returns the next name: a letter, then letters, digits and `_`.
    pub(super) fn peek_name(&self) -> Option<&'t str> {
        let name = self.run(is_name);
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            .then_some(name)
    }

    /// Consumes `word` if it is next and followed by a space, a bracket or the end.
    pub(super) fn take_keyword(&mut self, word: &str) -> bool {
        let Some(rest) = self.rest().strip_prefix(word) else {
            return false;
        };
        let ends = rest.bytes().next().is_none_or(|b| is_blank(b) || b == b'(');
        if ends {
            self.at += word.len();
        }
        ends
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Consumes the rest of a field after its class: more names and an argument in brackets.
    pub(super) fn take_field(&mut self) -> Result<(&'t str, Span), FilterError> {
        let start = self.at;
        self.at += self.run(is_name).len();
        // Unlike in Falco, a name after the first can start with a digit (`evt.type.is.3`) and
        // contain hyphens (`k8s.pod.label.app-name`).
        while self.peek() == Some(b'.') {
            self.at += 1;
            let name = self.run(|b| is_name(b) || b == b'-');
            if name.is_empty() {
                return Err(self.expected("the rest of the field's name"));
            }
            self.at += name.len();
        }
        if self.peek() == Some(b'[') {
            let open = self.at;
            self.at += 1;
            self.take_index(open)?;
        }
        let span = start..self.at;
        Ok((&self.text[span.clone()], span))
    }

    /// Consumes an index up to its closing bracket; `open` is the position of the opening one.
    pub(super) fn take_index(&mut self, open: usize) -> Result<Literal, FilterError> {
        let index = match self.peek() {
            Some(b'"' | b'\'') => self.take_quoted()?,
            _ => {
                let start = self.at;
                let text = self
                    .run(|b| !matches!(b, b'[' | b']' | b'"' | b'\'') && !b.is_ascii_whitespace());
                if text.is_empty() {
                    return Err(self.expected("an argument"));
                }
                self.at += text.len();
                Literal {
                    bytes: text.as_bytes().into(),
                    quoted: false,
                    span: start..self.at,
                }
            }
        };
        if self.take("]") {
            Ok(index)
        } else if self.is_end() {
            Err(FilterError::new(
                FilterErrorKind::UnclosedBracket,
                open..open + 1,
            ))
        } else {
            Err(self.expected("`]`"))
        }
    }

    /// Returns the next unquoted value; it may be empty.
    pub(super) fn peek_bare(&self) -> &'t str {
        self.run(is_bare)
    }

    /// Consumes a value, quoted or not.
    pub(super) fn take_value(&mut self) -> Result<Literal, FilterError> {
        if matches!(self.peek(), Some(b'"' | b'\'')) {
            return self.take_quoted();
        }
        let start = self.at;
        let text = self.peek_bare();
        if text.is_empty() {
            return Err(self.expected("a value"));
        }
        self.at += text.len();
        let span = start..self.at;
        if let Some(nul) = text.find('\0') {
            let at = span.start + nul;
            return Err(FilterError::new(FilterErrorKind::Nul, at..at + 1));
        }
        Ok(Literal {
            bytes: text.as_bytes().into(),
            quoted: false,
            span,
        })
    }

    /// Consumes a quoted value.
    pub(super) fn take_quoted(&mut self) -> Result<Literal, FilterError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let quote = bytes[start];
        let mut out = Vec::new();
        let mut at = start + 1;
        loop {
            match bytes.get(at) {
                None => {
                    let open = start..start + 1;
                    return Err(FilterError::new(FilterErrorKind::UnclosedQuote, open)
                        .hint(r"a quote inside a value is written with a backslash: `\'`"));
                }
                Some(b) if *b == quote => break,
                Some(b'\\') => at = self.unescape(at, quote, &mut out)?,
                Some(0) => return Err(FilterError::new(FilterErrorKind::Nul, at..at + 1)),
                Some(b) => {
                    out.push(*b);
                    at += 1;
                }
            }
        }
        self.at = at + 1;
        Ok(Literal {
            bytes: out.into(),
            quoted: true,
            span: start..self.at,
        })
    }

    /// Decodes the escape at `at` into `out` and returns where it ends.
    fn unescape(&self, at: usize, quote: u8, out: &mut Vec<u8>) -> Result<usize, FilterError> {
        let rest = &self.text[at + 1..];
        let byte = match rest.bytes().next() {
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b @ (b'\\' | b'/')) => b,
            // As in Falco, `\ ` keeps its backslash, which old filters rely on.
            Some(b' ') => b'\\',
            Some(b) if b == quote => b,
            Some(b'x') => {
                let digits = rest
                    .get(1..3)
                    .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
                let Some(byte) = digits.and_then(|d| u8::from_str_radix(d, 16).ok()) else {
                    return Err(self
                        .bad_escape(at)
                        .hint(r"a byte is written as `\x` and two digits"));
                };
                if byte == 0 {
                    return Err(FilterError::new(FilterErrorKind::Nul, at..at + 4));
                }
                out.push(byte);
                return Ok(at + 4);
            }
            _ => {
                return Err(self
                    .bad_escape(at)
                    .hint(r"a backslash itself is written `\\`"));
            }
        };
        out.push(byte);
        Ok(at + 2)
    }

    fn bad_escape(&self, at: usize) -> FilterError {
        let c = self.text[at + 1..].chars().next();
        let text: String = c.into_iter().collect();
        let end = at + 1 + text.len();
        FilterError::new(FilterErrorKind::Escape(text), at..end)
    }

    /// Makes an error: the next token is not the expected one.
    pub(super) fn expected(&self, expected: &'static str) -> FilterError {
        let (found, span) = self.found();
        FilterError::new(FilterErrorKind::Expected { expected, found }, span)
    }

    /// Describes the next token, with its span.
    fn found(&self) -> (String, Span) {
        /// Longer words are cut in the message.
        const SHOWN: usize = 40;
        let Some(first) = self.rest().chars().next() else {
            return ("the end".to_owned(), self.at..self.at);
        };
        let word = match self.peek_bare() {
            "" => &self.rest()[..first.len_utf8()],
            word => word,
        };
        let shown: String = word.chars().take(SHOWN).collect();
        let more = if shown.len() < word.len() { "…" } else { "" };
        (format!("`{shown}{more}`"), self.at..self.at + word.len())
    }
}
