//! JSON texts that are looked into without copying them.
//!
//! A [`Document`] is a list of the values of a text, by position. It is filled once per text and reuses its memory;
//! values stay in the text and are decoded only when they are asked for. Numbers keep the digits that were sent, and
//! of equal keys in an object the last one counts, as in Go's decoder, which the API server uses.

use super::limits::{MAX_DEPTH, MAX_TEXT, MAX_VALUES};

/// Why a text is not JSON, or not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A byte that cannot stand where it stands.
    #[error("not JSON")]
    Syntax,
    /// The text ends within a value.
    #[error("cut off")]
    End,
    /// Not UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// Nested more deeply than [`MAX_DEPTH`].
    #[error("nested more than {MAX_DEPTH} levels deep")]
    Depth,
    /// More than [`MAX_VALUES`] values, or more bytes than [`MAX_TEXT`].
    #[error("too large")]
    Size,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`, `true`, `false` or a number.
    Scalar,
    /// A text.
    Text,
    /// A list.
    Array,
    /// Values by key.
    Object,
}

/// A value or a key, by its position in the text.
#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    start: u32,
    end: u32,
    /// The first node after this one and all that is in it.
    next: u32,
}

/// The values of one text.
#[derive(Clone, Debug, Default)]
pub struct Document {
    nodes: Vec<Node>,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// A value, or the end of the list.
    FirstItem,
    /// A key, or the end of the object.
    FirstKey,
    Key,
    /// A comma, or the end of the list or object.
    Comma,
}

impl Document {
    /// Reads one text, which must be one value.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; the document is empty then.
    pub fn parse(&mut self, text: &[u8]) -> Result<(), Invalid> {
        self.nodes.clear();
        let parsed = self.fill(text);
        if parsed.is_err() {
            self.nodes.clear();
        }
        parsed
    }

    /// Returns the value of the text that was parsed last, which has to be passed again; `None` if it was invalid.
    pub fn root<'d, 't>(&'d self, text: &'t [u8]) -> Option<Json<'d, 't>> {
        let nodes = &self.nodes[..];
        (!nodes.is_empty()).then_some(Json { nodes, text, at: 0 })
    }

    fn fill(&mut self, text: &[u8]) -> Result<(), Invalid> {
        if text.len() > MAX_TEXT {
            return Err(Invalid::Size);
        }
        if std::str::from_utf8(text).is_err() {
            return Err(Invalid::Encoding);
        }
        let mut open = [0_u32; MAX_DEPTH];
        let mut depth = 0;
        let mut at = 0;
        let mut expect = Expect::Value;
        loop {
            while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                at += 1;
            }
            let byte = *text.get(at).ok_or(Invalid::End)?;
            let is_closing = match byte {
                b'}' => matches!(expect, Expect::FirstKey | Expect::Comma),
                b']' => matches!(expect, Expect::FirstItem | Expect::Comma),
                _ => false,
            };
            if is_closing {
                depth -= 1;
                at += 1;
                let kind = if byte == b'}' {
                    Kind::Object
                } else {
                    Kind::Array
                };
                self.close(open[depth], kind, at)?;
            } else {
                match expect {
                    Expect::Comma if byte == b',' => {
                        at += 1;
                        expect = match self.kind_at(open[depth - 1]) {
                            Kind::Object => Expect::Key,
                            _ => Expect::Value,
                        };
                        continue;
                    }
                    Expect::FirstKey | Expect::Key if byte == b'"' => {
                        let end = string_end(text, at)?;
                        self.add(Kind::Text, at, end)?;
                        at = end;
                        while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                            at += 1;
                        }
                        match text.get(at) {
                            Some(b':') => at += 1,
                            Some(_) => return Err(Invalid::Syntax),
                            None => return Err(Invalid::End),
                        }
                        expect = Expect::Value;
                        continue;
                    }
                    Expect::Value | Expect::FirstItem => match byte {
                        b'{' | b'[' => {
                            let kind = if byte == b'{' {
                                Kind::Object
                            } else {
                                Kind::Array
                            };
                            *open.get_mut(depth).ok_or(Invalid::Depth)? = self.add(kind, at, at)?;
                            depth += 1;
                            at += 1;
                            expect = match kind {
                                Kind::Object => Expect::FirstKey,
                                _ => Expect::FirstItem,
                            };
                            continue;
                        }
                        b'"' => {
                            let end = string_end(text, at)?;
                            self.add(Kind::Text, at, end)?;
                            at = end;
                        }
                        _ => {
                            let end = scalar_end(text, at)?;
                            self.add(Kind::Scalar, at, end)?;
                            at = end;
                        }
                    },
                    _ => return Err(Invalid::Syntax),
                }
            }
            // A value is complete.
            if depth == 0 {
                let rest = text.get(at..).unwrap_or_default();
                let is_blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
                return match rest.iter().all(is_blank) {
                    true => Ok(()),
                    false => Err(Invalid::Syntax),
                };
            }
            expect = Expect::Comma;
        }
    }

    fn add(&mut self, kind: Kind, start: usize, end: usize) -> Result<u32, Invalid> {
        if self.nodes.len() >= MAX_VALUES {
            return Err(Invalid::Size);
        }
        let number = |n: usize| u32::try_from(n).map_err(|_| Invalid::Size);
        let index = number(self.nodes.len())?;
        self.nodes.push(Node {
            kind,
            start: number(start)?,
            end: number(end)?,
            next: index + 1,
        });
        Ok(index)
    }

    fn close(&mut self, index: u32, kind: Kind, end: usize) -> Result<(), Invalid> {
        let next = self.nodes.len();
        let node = self.nodes.get_mut(index as usize);
        let node = node.filter(|node| node.kind == kind);
        let node = node.ok_or(Invalid::Syntax)?;
        node.end = u32::try_from(end).map_err(|_| Invalid::Size)?;
        node.next = u32::try_from(next).map_err(|_| Invalid::Size)?;
        Ok(())
    }

    fn kind_at(&self, index: u32) -> Kind {
        self.nodes
            .get(index as usize)
            .map_or(Kind::Scalar, |n| n.kind)
    }
}

/// Returns the end of a text that begins at `start` with a quote, after its closing quote.
fn string_end(text: &[u8], start: usize) -> Result<usize, Invalid> {
    let mut at = start + 1;
    loop {
        let byte = *text.get(at).ok_or(Invalid::End)?;
        match byte {
            b'"' => return Ok(at + 1),
            b'\\' => {
                at += match text.get(at + 1).ok_or(Invalid::End)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                    b'u' => {
                        let digits = text.get(at + 2..at + 6).ok_or(Invalid::End)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return Err(Invalid::Syntax);
                        }
                        6
                    }
                    _ => return Err(Invalid::Syntax),
                };
            }
            ..0x20 => return Err(Invalid::Syntax),
            _ => at += 1,
        }
    }
}

/// Returns the end of a number, `true`, `false` or `null` that begins at `start`.
fn scalar_end(text: &[u8], start: usize) -> Result<usize, Invalid> {
    let rest = text.get(start..).unwrap_or_default();
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let len = rest.iter().take_while(|b| is_part(b)).count();
    let word = &rest[..len];
    match matches!(word, b"true" | b"false" | b"null") || is_number(word) {
        true => Ok(start + len),
        false => Err(Invalid::Syntax),
    }
}

fn is_number(word: &[u8]) -> bool {
    fn digits(text: &[u8]) -> &[u8] {
        let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
        &text[len..]
    }
    let text = word.strip_prefix(b"-").unwrap_or(word);
    let mut rest = digits(text);
    if rest.len() == text.len() || (text.starts_with(b"0") && text.len() - rest.len() > 1) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = digits(fraction);
        if rest.len() == fraction.len() {
            return false;
        }
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let signed = matches!(exponent, [b'+' | b'-', ..]);
        let exponent = &exponent[usize::from(signed)..];
        rest = digits(exponent);
        return rest.is_empty() && !exponent.is_empty();
    }
    rest.is_empty()
}

/// A value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Json<'d, 't> {
    nodes: &'d [Node],
    text: &'t [u8],
    at: u32,
}

impl<'d, 't> Json<'d, 't> {
    fn node(self) -> Node {
        // Positions come from the document itself.
        self.nodes.get(self.at as usize).copied().unwrap_or(Node {
            kind: Kind::Scalar,
            start: 0,
            end: 0,
            next: u32::MAX,
        })
    }

    /// Returns the type.
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// Returns the value as it stands in the text.
    pub fn raw(self) -> &'t [u8] {
        let node = self.node();
        let range = node.start as usize..node.end as usize;
        self.text.get(range).unwrap_or_default()
    }

    /// Returns where the value begins in the text.
    pub fn start(self) -> usize {
        self.node().start as usize
    }

    /// Returns the content of a text; `None` for all other values.
    pub fn text(self) -> Option<Text<'t>> {
        if self.kind() != Kind::Text {
            return None;
        }
        let raw = self.raw();
        Some(Text(raw.get(1..raw.len().saturating_sub(1))?))
    }

    /// Returns the value of a key of an object.
    pub fn get(self, key: &str) -> Option<Self> {
        let found = self.members().filter(|(name, _)| name.is(key));
        found.last().map(|(_, value)| value)
    }

    /// Returns the value that a chain of keys leads to, through objects only.
    pub fn path(self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// Iterates over the elements of a list; nothing for all other values.
    pub fn items(self) -> impl Iterator<Item = Self> + use<'d, 't> {
        self.children(Kind::Array)
    }

    /// Iterates over the keys and values of an object; nothing for all other values.
    pub fn members(self) -> impl Iterator<Item = (Text<'t>, Self)> + use<'d, 't> {
        let mut children = self.children(Kind::Object);
        std::iter::from_fn(move || {
            let key = children.next()?.text()?;
            Some((key, children.next()?))
        })
    }

    fn children(self, of: Kind) -> impl Iterator<Item = Self> + use<'d, 't> {
        let node = self.node();
        let (mut at, end) = match node.kind == of {
            true => (self.at + 1, node.next),
            false => (0, 0),
        };
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let child = Self { at, ..self };
            at = child.node().next;
            Some(child)
        })
    }

    /// Appends the content of a text, or any other value as [`Self::write_compact`] does.
    pub fn write(self, out: &mut Vec<u8>) {
        match self.text() {
            Some(text) => text.write(out),
            None => self.write_compact(out),
        }
    }

    /// Appends the value as JSON without blanks, and with the least escapes: one form for all texts that mean the same
    /// and have their keys in the same order.
    pub fn write_compact(self, out: &mut Vec<u8>) {
        match self.kind() {
            Kind::Scalar => out.extend_from_slice(self.raw()),
            Kind::Text => self.text().unwrap_or_default().write_quoted(out),
            Kind::Array => {
                out.push(b'[');
                separated(out, self.items(), |out, item| item.write_compact(out));
                out.push(b']');
            }
            Kind::Object => {
                out.push(b'{');
                separated(out, self.members(), |out, (key, value)| {
                    key.write_quoted(out);
                    out.push(b':');
                    value.write_compact(out);
                });
                out.push(b'}');
            }
        }
    }

    /// Appends the value as JSON, indented by two blanks a level.
    pub fn write_indented(self, out: &mut Vec<u8>, level: usize) {
        let line = |out: &mut Vec<u8>, level: usize| {
            out.push(b'\n');
            out.extend(std::iter::repeat_n(b' ', 2 * level));
        };
        let (open, close) = match self.kind() {
            Kind::Array => (b'[', b']'),
            Kind::Object => (b'{', b'}'),
            Kind::Scalar | Kind::Text => return self.write_compact(out),
        };
        let is_empty = self.node().next == self.at + 1;
        if is_empty {
            return out.extend([open, close]);
        }
        out.push(open);
        separated(out, self.items(), |out, item| {
            line(out, level + 1);
            item.write_indented(out, level + 1);
        });
        separated(out, self.members(), |out, (key, value)| {
            line(out, level + 1);
            key.write_quoted(out);
            out.extend_from_slice(b": ");
            value.write_indented(out, level + 1);
        });
        line(out, level);
        out.push(close);
    }
}

fn separated<T>(
    out: &mut Vec<u8>,
    parts: impl Iterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    for (index, part) in parts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, part);
    }
}

/// The content of a JSON text, with its escapes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text<'t>(&'t [u8]);

impl<'t> Text<'t> {
    /// Returns the content, if it has no escapes.
    pub fn plain(self) -> Option<&'t [u8]> {
        memchr::memchr(b'\\', self.0).is_none().then_some(self.0)
    }

    /// Whether the content is `other`.
    pub fn is(self, other: &str) -> bool {
        match self.plain() {
            Some(plain) => plain == other.as_bytes(),
            None => self.chars().eq(other.chars()),
        }
    }

    /// Appends the content. A NUL, which texts of fields cannot have, stays escaped.
    pub fn write(self, out: &mut Vec<u8>) {
        if let Some(plain) = self.plain() {
            return out.extend_from_slice(plain);
        }
        for c in self.chars() {
            match c {
                '\0' => out.extend_from_slice(b"\\u0000"),
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn write_quoted(self, out: &mut Vec<u8>) {
        out.push(b'"');
        match self.plain() {
            Some(plain) => out.extend_from_slice(plain),
            None => self.chars().for_each(|c| escape(out, c)),
        }
        out.push(b'"');
    }

    /// Iterates over the characters of the content. Half of a surrogate pair is U+FFFD, as in Go.
    fn chars(self) -> impl Iterator<Item = char> + use<'t> {
        // The document has checked it.
        let mut rest = std::str::from_utf8(self.0).unwrap_or_default();
        std::iter::from_fn(move || {
            let mut chars = rest.chars();
            let c = chars.next()?;
            if c != '\\' {
                rest = chars.as_str();
                return Some(c);
            }
            let escaped = chars.next()?;
            rest = chars.as_str();
            Some(match escaped {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let unit = take_unit(&mut rest)?;
                    let low = rest.strip_prefix("\\u").and_then(|mut low| {
                        let unit = take_unit(&mut low)?;
                        Some((unit, low))
                    });
                    match (char::from_u32(unit), low) {
                        (Some(c), _) => c,
                        (None, Some((low @ 0xdc00..=0xdfff, after))) if unit < 0xdc00 => {
                            rest = after;
                            let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                        }
                        _ => char::REPLACEMENT_CHARACTER,
                    }
                }
                other => other,
            })
        })
    }
}

/// Takes four hexadecimal digits.
fn take_unit(text: &mut &str) -> Option<u32> {
    let (digits, rest) = text.split_at_checked(4)?;
    *text = rest;
    u32::from_str_radix(digits, 16).ok()
}

fn escape(out: &mut Vec<u8>, c: char) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\0'..='\u{1f}' => {
            let code = c as usize;
            out.extend_from_slice(b"\\u00");
            out.extend([DIGITS[code >> 4], DIGITS[code & 15]]);
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compact(text: &str) -> Result<String, Invalid> {
        let mut document = Document::default();
        document.parse(text.as_bytes())?;
        let mut out = Vec::new();
        document
            .root(text.as_bytes())
            .unwrap()
            .write_compact(&mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_is_valid_and_what_is_not() {
        for text in [
            "{}",
            "[]",
            "0",
            "-0.5e+3",
            "1E5",
            "null",
            "true",
            "\"\"",
            "[[],{}]",
            "{\"a\":1,\"b\":[2,\"x\"]}",
            "12345678901234567890123",
        ] {
            assert_eq!(compact(text).as_deref(), Ok(text));
        }
        assert_eq!(
            compact(" { \"a\" :\n[ 1 , 2 ]\t} \r\n").unwrap(),
            "{\"a\":[1,2]}"
        );
        for (text, invalid) in [
            ("", Invalid::End),
            ("{", Invalid::End),
            ("{\"a\"", Invalid::End),
            ("{\"a\":", Invalid::End),
            ("[1,", Invalid::End),
            ("\"abc", Invalid::End),
            ("\"\\u12", Invalid::End),
            ("{]", Invalid::Syntax),
            ("[}", Invalid::Syntax),
            ("[1}", Invalid::Syntax),
            ("{\"a\":1]", Invalid::Syntax),
            ("[1 2]", Invalid::Syntax),
            ("[1,]", Invalid::Syntax),
            ("{\"a\":1,}", Invalid::Syntax),
            ("{a:1}", Invalid::Syntax),
            ("01", Invalid::Syntax),
            ("1.", Invalid::Syntax),
            ("-", Invalid::Syntax),
            ("1e", Invalid::Syntax),
            ("nul", Invalid::Syntax),
            ("NaN", Invalid::Syntax),
            ("\"\\x41\"", Invalid::Syntax),
            ("\"\\u12g4\"", Invalid::Syntax),
            ("\"a\nb\"", Invalid::Syntax),
            ("{} {}", Invalid::Syntax),
            ("]", Invalid::Syntax),
            (",", Invalid::Syntax),
        ] {
            assert_eq!(compact(text), Err(invalid), "{text}");
        }
        let mut document = Document::default();
        assert_eq!(document.parse(b"\"\xff\""), Err(Invalid::Encoding));
        assert!(document.root(b"\"\xff\"").is_none());
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(compact(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(compact(&nested(MAX_DEPTH + 1)), Err(Invalid::Depth));
        assert_eq!(compact(&"[".repeat(1 << 20)), Err(Invalid::Depth));
        let many = format!("[{}1]", "1,".repeat(MAX_VALUES));
        assert_eq!(compact(&many), Err(Invalid::Size));
    }

    #[test]
    fn escapes_have_one_form() {
        let cases = [
            (r#""\u003ca\u0026b\u003e""#, r#""<a&b>""#),
            (r#""\/\"\\""#, r#""/\"\\""#),
            (r#""\u0000\u0008\u001f""#, r#""\u0000\b\u001f""#),
            (r#""\ud83d\ude00""#, "\"\u{1f600}\""),
            (r#""\ud83d""#, "\"\u{fffd}\""),
            (r#""\ud83dx""#, "\"\u{fffd}x\""),
            (r#""\ud83d\u0041""#, "\"\u{fffd}A\""),
            (r#""\ude00\ud83d""#, "\"\u{fffd}\u{fffd}\""),
            (r#"{"a\u002fb":1}"#, r#"{"a/b":1}"#),
        ];
        for (text, expected) in cases {
            assert_eq!(compact(text).unwrap(), expected);
        }
    }

    #[test]
    fn values_are_found_by_key_and_place() {
        let text = br#"{"a":{"b":[10,{"c":"x\ny"},null]},"d":"1","d":"2","e\u0066":true}"#;
        let mut document = Document::default();
        document.parse(text).unwrap();
        let root = document.root(text).unwrap();
        let list = root.path(&["a", "b"]).unwrap();
        let shown = |json: Json<'_, '_>| {
            let mut out = Vec::new();
            json.write(&mut out);
            String::from_utf8(out).unwrap()
        };
        let items: Vec<String> = list.items().map(shown).collect();
        assert_eq!(items, ["10", r#"{"c":"x\ny"}"#, "null"]);
        assert_eq!(
            shown(list.items().nth(1).unwrap().get("c").unwrap()),
            "x\ny"
        );
        // The last one counts.
        assert_eq!(shown(root.get("d").unwrap()), "2");
        assert_eq!(shown(root.get("ef").unwrap()), "true");
        assert!(root.get("f").is_none() && list.get("a").is_none());
        assert_eq!(root.items().count(), 0);
        let mut out = Vec::new();
        root.get("a").unwrap().write_indented(&mut out, 0);
        let expected =
            "{\n  \"b\": [\n    10,\n    {\n      \"c\": \"x\\ny\"\n    },\n    null\n  ]\n}";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
