//! Texts of conditions and outputs, with the places of the files that they were written in.

use std::ops::Range;

/// The file and the bytes of it that a part of a text was parsed from.
#[derive(Clone, Debug)]
struct Part {
    /// Where the part begins in the text.
    start: usize,
    file: usize,
    span: Range<usize>,
}

/// A text that was written in one or more places.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub(super) text: String,
    parts: Vec<Part>,
}

impl Text {
    pub(super) fn new(text: &str, file: usize, span: Range<usize>) -> Self {
        Self {
            text: text.to_owned(),
            parts: vec![Part {
                start: 0,
                file,
                span,
            }],
        }
    }

    /// Appends a text after a blank.
    pub(super) fn append(&mut self, other: &Self) {
        self.text.push(' ');
        let shift = self.text.len();
        self.text.push_str(&other.text);
        self.parts.extend(other.parts.iter().map(|part| Part {
            start: part.start + shift,
            ..part.clone()
        }));
    }

    /// Returns the file and the offset in it where the character at an offset was written. `files` are the texts of the
    /// files.
    ///
    /// YAML changes only blanks and, in quotes, escapes: the n-th character that is not a blank is the n-th of the file.
    pub(super) fn place(&self, offset: usize, files: &[&str]) -> Option<(usize, usize)> {
        let part = self.parts.iter().rfind(|part| part.start <= offset)?;
        let end = self
            .parts
            .iter()
            .map(|p| p.start)
            .find(|start| *start > part.start);
        let own = self.text.get(part.start..end.unwrap_or(self.text.len()))?;
        let before = self.text.get(part.start..offset)?;
        let source = files.get(part.file)?.get(part.span.clone())?;
        let is_mark = |c: char| !c.is_whitespace();
        let nth = before.chars().filter(|c| is_mark(*c)).count();
        // Quotes and the header of a block come before the first character.
        let first = own.chars().find(|c| is_mark(*c))?;
        let header = match source.chars().next() {
            Some('|' | '>') => source.find('\n').unwrap_or(0),
            Some('"' | '\'') if first != '"' && first != '\'' => 1,
            _ => 0,
        };
        let mut marks = source
            .get(header..)?
            .char_indices()
            .filter(|(_, c)| is_mark(*c));
        let at = marks.nth(nth).map_or(source.len(), |(at, _)| at + header);
        Some((part.file, part.span.start + at))
    }
}

/// A text after lists were put in, with the offset in the original for each of its bytes.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    pub(super) text: String,
    origins: Vec<u32>,
}

impl Mapped {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            origins: (0..text.len() as u32).collect(),
        }
    }

    /// Puts a text around this one.
    pub(super) fn wrap(&mut self, before: &str, after: &str) {
        let end = self.origins.last().copied().unwrap_or(0);
        self.text = format!("{before}{}{after}", self.text);
        let mut origins = vec![0; before.len()];
        origins.append(&mut self.origins);
        origins.resize(self.text.len(), end);
        self.origins = origins;
    }

    /// Returns the offset in the original.
    pub(super) fn origin(&self, offset: usize) -> usize {
        let last = self.origins.last().map_or(0, |last| *last as usize);
        self.origins
            .get(offset)
            .map_or(last, |origin| *origin as usize)
    }

    /// Replaces a list's name by its items, wherever it stands as a word, with the blanks around it.
    ///
    /// An empty list takes one comma beside it away, the one on the left if there is one. Returns whether the name was
    /// found.
    ///
    /// # Errors
    ///
    /// The offset where the text becomes longer than `limit`.
    pub(super) fn substitute(
        &mut self,
        name: &str,
        items: &str,
        limit: usize,
    ) -> Result<bool, usize> {
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
        let edge =
            |b: Option<&u8>| b.is_none_or(|b| blank(b) || matches!(b, b'(' | b')' | b',' | b'='));
        let old = self.text.as_bytes();
        let mut out = String::new();
        let mut origins = Vec::new();
        // What was copied so far of the old text.
        let mut copied = 0;
        let mut from = 0;
        for at in memchr::memmem::find_iter(old, name.as_bytes()) {
            let end = at + name.len();
            let before = at.checked_sub(1).and_then(|i| old.get(i));
            if at < from || !edge(before) || !edge(old.get(end)) {
                continue;
            }
            let mut start = at - old[..at].iter().rev().take_while(|b| blank(b)).count();
            let mut stop = end + old[end..].iter().take_while(|b| blank(b)).count();
            if items.is_empty() {
                let left = start
                    .checked_sub(1)
                    .filter(|i| *i >= copied && old[*i] == b',');
                match left {
                    Some(comma) => start = comma,
                    None if old.get(stop) == Some(&b',') => stop += 1,
                    None => {}
                }
            }
            let start = start.max(copied);
            out.push_str(self.text.get(copied..start).unwrap_or_default());
            origins.extend_from_slice(self.origins.get(copied..start).unwrap_or_default());
            out.push(' ');
            out.push_str(items);
            out.push(' ');
            let origin = self.origins.get(at).copied().unwrap_or(0);
            origins.resize(out.len(), origin);
            copied = stop;
            from = stop;
            if out.len() > limit {
                return Err(at);
            }
        }
        if copied == 0 {
            return Ok(false);
        }
        out.push_str(self.text.get(copied..).unwrap_or_default());
        origins.extend_from_slice(self.origins.get(copied..).unwrap_or_default());
        self.text = out;
        self.origins = origins;
        Ok(true)
    }
}

/// Returns a value of a list or an exception as it is written in a condition: in quotes if it has a blank.
pub(super) fn quoted(value: &str) -> String {
    match value.contains(' ') && !value.starts_with(['"', '\'']) {
        true => format!("\"{value}\""),
        false => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn substituted(text: &str, name: &str, items: &str) -> String {
        let mut mapped = Mapped::new(text);
        mapped.substitute(name, items, 1000).unwrap();
        assert_eq!(mapped.text.len(), mapped.origins.len());
        mapped.text
    }

    #[test]
    fn lists_are_put_in_wherever_their_name_stands_as_a_word() {
        for (text, name, items, expected) in [
            (
                "proc.name in (shells)",
                "shells",
                "a, b",
                "proc.name in ( a, b )",
            ),
            (
                "x in (a, shells, b)",
                "shells",
                "c, d",
                "x in (a, c, d , b)",
            ),
            ("x=one and y", "one", "v", "x= v and y"),
            ("x = ones or one_more", "one", "v", "x = ones or one_more"),
            ("x in (a, none)", "none", "", "x in (a  )"),
            ("x in (none, a)", "none", "", "x in (   a)"),
            ("x in (none)", "none", "", "x in (  )"),
            ("(l,l, l)", "l", "v", "( v , v , v )"),
        ] {
            assert_eq!(substituted(text, name, items), expected);
        }
    }

    #[test]
    fn places_are_those_of_the_file() {
        let file = "- macro: m\n  condition: >\n    a.b = c\n    and d.e = f\n";
        let start = file.find('>').unwrap();
        let text = Text::new("a.b = c and d.e = f\n", 0, start..file.len());
        let at = text.text.find("d.e").unwrap();
        assert_eq!(
            text.place(at, &[file]),
            Some((0, file.find("d.e").unwrap()))
        );
        let mut mapped = Mapped::new(&text.text);
        mapped.substitute("c", "longer, values", 1000).unwrap();
        let at = mapped.origin(mapped.text.find("d.e").unwrap());
        assert_eq!(
            text.place(at, &[file]),
            Some((0, file.find("d.e").unwrap()))
        );
    }
}
