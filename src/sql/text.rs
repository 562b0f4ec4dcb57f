//! Fields in the text of a query: `"fd.sip"` and `field('proc.aname[2]')`.

use crate::fields::{self, Field, FieldFlags, FieldInfo, FieldType as T};

/// Longest query in bytes.
pub const MAX_LEN: usize = 1 << 20;

/// A query whose fields are named as columns.
#[derive(Debug)]
pub(super) struct Query {
    /// The text, with each `field('…')` replaced by a quoted column.
    pub(super) text: String,
    /// The fields, once each, by the name of their column.
    pub(super) fields: Vec<(String, Field)>,
    /// All unquoted and quoted names, in lower case.
    pub(super) names: Vec<String>,
}

/// Why the fields of a query cannot be found.
#[derive(Debug)]
pub(super) struct UnknownField(pub(super) String);

impl Query {
    /// Finds the fields of a query.
    pub(super) fn new(sql: &str) -> Result<Self, UnknownField> {
        let mut query = Self {
            text: String::with_capacity(sql.len()),
            fields: Vec::new(),
            names: Vec::new(),
        };
        let mut rest = sql;
        while let Some((token, after)) = next(rest) {
            match token {
                Token::Quoted(name) => {
                    if name.contains('.')
                        && let Ok(field) = fields::lookup(&name)
                    {
                        query.add(name.clone(), field);
                    }
                    query.names.push(name.to_lowercase());
                }
                Token::Name(name) if name.eq_ignore_ascii_case("field") => {
                    if let Some((argument, end)) = call(after) {
                        let field = fields::lookup(&argument)
                            .map_err(|_| UnknownField(argument.clone()))?;
                        query.text.push('"');
                        query.text.push_str(&argument.replace('"', "\"\""));
                        query.text.push('"');
                        query.add(argument, field);
                        rest = end;
                        continue;
                    }
                }
                Token::Name(name) => query.names.push(name.to_lowercase()),
                Token::Other => {}
            }
            let taken = rest.len() - after.len();
            query.text.push_str(rest.get(..taken).unwrap_or_default());
            rest = after;
        }
        Ok(query)
    }

    fn add(&mut self, name: String, field: Field) {
        let is_same = |(other, _): &(String, Field)| other.eq_ignore_ascii_case(&name);
        if !self.fields.iter().any(is_same) {
            self.fields.push((name, field));
        }
    }
}

/// Returns true if a filter can say something about the field without a difference in meaning.
pub(super) fn is_plain(info: &FieldInfo) -> bool {
    matches!(
        info.ty,
        T::Text | T::Int | T::Uint | T::Bool | T::Time | T::Interval | T::Port
    ) && !info.flags.contains(FieldFlags::ANY)
}

enum Token<'a> {
    /// A quoted name, unquoted.
    Quoted(String),
    /// A word.
    Name(&'a str),
    /// Anything else: a string, a comment, a sign.
    Other,
}

/// Takes the next token from a text.
fn next(text: &str) -> Option<(Token<'_>, &str)> {
    let first = text.chars().next()?;
    let split = |len: usize| text.split_at_checked(len).unwrap_or((text, ""));
    Some(match first {
        '\'' => (Token::Other, split(quoted_len(text, b'\'')).1),
        '"' | '`' => {
            let (quoted, rest) = split(quoted_len(text, first as u8));
            (Token::Quoted(unquoted(quoted, first)), rest)
        }
        '[' => {
            let len = text.find(']').map_or(text.len(), |end| end + 1);
            let (quoted, rest) = split(len);
            let name = quoted.trim_matches(['[', ']']).to_owned();
            (Token::Quoted(name), rest)
        }
        '-' if text.starts_with("--") => {
            let len = text.find('\n').unwrap_or(text.len());
            (Token::Other, split(len).1)
        }
        '/' if text.starts_with("/*") => {
            let len = text.find("*/").map_or(text.len(), |end| end + 2);
            (Token::Other, split(len).1)
        }
        first if is_name(first) => {
            let len = text.find(|c| !is_name(c)).unwrap_or(text.len());
            let (name, rest) = split(len);
            (Token::Name(name), rest)
        }
        first => (Token::Other, split(first.len_utf8()).1),
    })
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Returns the length of a quoted text with its quotes; two quotes within stand for one.
fn quoted_len(text: &str, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        if *byte == quote {
            if bytes.get(at) != Some(&quote) {
                return at;
            }
            at += 1;
        }
    }
    text.len()
}

fn unquoted(text: &str, quote: char) -> String {
    let inner = text.strip_prefix(quote).unwrap_or(text);
    let inner = inner.strip_suffix(quote).unwrap_or(inner);
    inner.replace(&format!("{quote}{quote}"), &quote.to_string())
}

/// Returns the argument of a call with one string, and what follows it.
fn call(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start().strip_prefix('(')?.trim_start();
    text.strip_prefix('\'')?;
    let (argument, rest) = text.split_at_checked(quoted_len(text, b'\''))?;
    let rest = rest.trim_start().strip_prefix(')')?;
    Some((unquoted(argument, '\''), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let query = Query::new(
            "SELECT \"fd.sip\", field ( 'proc.aname[2]' ), \"x y\", 'field(''fd.num'')', FD_NAME -- \"fd.cip\"\n\
             FROM events /* field('x') */ WHERE \"fd.sip\" = '1'",
        )
        .unwrap();
        let names: Vec<&str> = query.fields.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["fd.sip", "proc.aname[2]"]);
        assert!(
            query
                .text
                .contains("\"fd.sip\", \"proc.aname[2]\", \"x y\", 'field(''fd.num'')'")
        );
        assert!(query.names.contains(&"fd_name".to_owned()));
        assert!(!query.names.contains(&"fd".to_owned()));
        assert!(Query::new("select field('no.such')").is_err());
        // What SQLite refuses stays as it is.
        for odd in [
            "'",
            "\"a.b",
            "field(",
            "field('fd.num'",
            "/*",
            "[",
            "--",
            "é'\"",
        ] {
            assert_eq!(Query::new(odd).unwrap().text, odd);
        }
    }
}
