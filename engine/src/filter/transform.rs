//! Operands: fields, and transformers applied to them.

use super::types::{Count, Kind, Ty};
use crate::fields::{Context, Field, Scratch, Value};

/// A field or transformer, with its value in an event or none.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) kind: OperandKind,
    pub(super) ty: Ty,
    /// The buffer that the value borrows from, unless it borrows from event or state.
    scratch: Scratch,
}

#[derive(Clone, Debug)]
pub(super) enum OperandKind {
    Field(Field),
    Map(Map, Box<Operand>),
    Len(Box<Operand>),
    Join(Box<[u8]>, Vec<Item>),
    Concat(Vec<Item>),
    Getopt(Box<Getopt>),
}

/// Transformers from text to text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Map {
    ToLower,
    ToUpper,
    B64,
    Basename,
}

/// An item of a join.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Literal(Box<[u8]>),
    Operand(Operand),
}

/// `getopt`: options of a command line.
#[derive(Clone, Debug)]
pub(super) struct Getopt {
    pub(super) args: Vec<Item>,
    /// Option letters; one followed by a colon has a value, one followed by two colons has an
    /// optional value.
    pub(super) options: Box<[u8]>,
    /// The option to return.
    pub(super) letter: Option<u8>,
    /// The arguments, each followed by a NUL.
    pub(super) list: Vec<u8>,
}

impl Operand {
    pub(super) fn new(kind: OperandKind, ty: Ty) -> Self {
        Self {
            kind,
            ty,
            scratch: Scratch::default(),
        }
    }

    /// Returns the field of an operand without transformers.
    pub(super) fn field(&self) -> Option<&Field> {
        match &self.kind {
            OperandKind::Field(field) => Some(field),
            _ => None,
        }
    }

    /// Calls `see` with every field of the operand.
    pub(super) fn each_field(&self, see: &mut dyn FnMut(&Field)) {
        let mut items = |items: &[Item]| {
            for item in items {
                if let Item::Operand(operand) = item {
                    operand.each_field(see);
                }
            }
        };
        match &self.kind {
            OperandKind::Field(field) => see(field),
            OperandKind::Map(_, inner) | OperandKind::Len(inner) => inner.each_field(see),
            OperandKind::Join(_, parts) | OperandKind::Concat(parts) => items(parts),
            OperandKind::Getopt(getopt) => items(&getopt.args),
        }
    }

    /// Returns the value for an event; `None` = absent.
    pub(super) fn value<'a>(&'a mut self, cx: Context<'a>) -> Option<Value<'a>> {
        let Self { kind, scratch, .. } = self;
        match kind {
            OperandKind::Field(field) => field.extract(&cx, scratch),
            OperandKind::Map(map, inner) => {
                let bytes = &mut scratch.bytes;
                bytes.clear();
                match inner.value(cx)? {
                    Value::Text(text) | Value::Rendered(text) => {
                        map.apply(text, bytes).then_some(Value::Text(bytes))
                    }
                    Value::Bytes(data) => map.apply(data, bytes).then_some(Value::Bytes(bytes)),
                    Value::Texts(texts) => {
                        for text in items(texts) {
                            let before = bytes.len();
                            if map.apply(text, bytes) {
                                bytes.push(0);
                            } else {
                                bytes.truncate(before);
                            }
                        }
                        Some(Value::Texts(bytes))
                    }
                    _ => None,
                }
            }
            OperandKind::Len(inner) => {
                let ints = &mut scratch.ints;
                let per_item = inner.ty.count == Count::Any;
                let len = match inner.value(cx)? {
                    Value::Text(bytes) | Value::Rendered(bytes) | Value::Bytes(bytes) => {
                        bytes.len()
                    }
                    Value::Texts(texts) if per_item => {
                        ints.clear();
                        let lens = items(texts).map(|t| i64::try_from(t.len()).unwrap_or(i64::MAX));
                        ints.extend(lens);
                        return Some(Value::Ints(ints));
                    }
                    Value::Texts(texts) => items(texts).count(),
                    Value::Ints(ints) => ints.len(),
                    _ => return None,
                };
                Some(Value::Uint(u64::try_from(len).ok()?))
            }
            OperandKind::Join(separator, parts) => {
                let bytes = &mut scratch.bytes;
                bytes.clear();
                put_together(parts, separator, cx, bytes)?;
                Some(Value::Text(bytes))
            }
            OperandKind::Concat(parts) => {
                let bytes = &mut scratch.bytes;
                bytes.clear();
                put_together(parts, b"", cx, bytes)?;
                Some(Value::Text(bytes))
            }
            OperandKind::Getopt(getopt) => {
                let bytes = &mut scratch.bytes;
                bytes.clear();
                getopt.run(cx, bytes)
            }
        }
    }
}

/// Iterates over texts that are each followed by a NUL.
pub(super) fn items(texts: &[u8]) -> impl Iterator<Item = &[u8]> {
    texts
        .split_inclusive(|b| *b == 0)
        .map(|t| t.strip_suffix(&[0]).unwrap_or(t))
}

impl Map {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ToLower => "tolower",
            Self::ToUpper => "toupper",
            Self::B64 => "b64",
            Self::Basename => "basename",
        }
    }

    pub(super) fn applies_to(self, kind: Kind) -> bool {
        kind == Kind::Text || self == Self::B64 && kind == Kind::Bytes
    }

    /// Appends the result; returns false if there is none.
    fn apply(self, text: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            Self::ToLower => out.extend(text.iter().map(u8::to_ascii_lowercase)),
            Self::ToUpper => out.extend(text.iter().map(u8::to_ascii_uppercase)),
            Self::Basename => {
                let after = memchr::memrchr(b'/', text).map_or(0, |at| at + 1);
                out.extend_from_slice(&text[after..]);
            }
            Self::B64 => return decode_base64(text, out),
        }
        true
    }
}

/// Appends the decoded bytes of a base64 text; padding is optional, other characters are an error.
fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> bool {
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    let digits = &text[..text.len() - padding];
    if padding > 2 || padding > 0 && !text.len().is_multiple_of(4) || digits.len() % 4 == 1 {
        return false;
    }
    let mut word = 0_u32;
    let mut bits = 0_u32;
    for byte in digits {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return false,
        };
        word = word << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(word >> bits & 0xff).unwrap_or(0));
        }
    }
    true
}

/// Appends the items with the separator between them; `None` = an item is absent.
fn put_together(
    parts: &mut [Item],
    separator: &[u8],
    cx: Context<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut first = true;
    let mut add = |text: &[u8]| {
        if !first {
            out.extend_from_slice(separator);
        }
        first = false;
        out.extend_from_slice(text);
    };
    for part in parts {
        match part {
            Item::Literal(text) => add(text),
            Item::Operand(operand) => match operand.value(cx)? {
                Value::Text(text) | Value::Rendered(text) | Value::Bytes(text) => add(text),
                Value::Texts(texts) => items(texts).for_each(&mut add),
                _ => return None,
            },
        }
    }
    Some(())
}

impl Getopt {
    /// Appends the options found to `out`, each followed by a NUL, or returns the value of the
    /// selected one.
    fn run<'a>(&mut self, cx: Context<'_>, out: &'a mut Vec<u8>) -> Option<Value<'a>> {
        self.list.clear();
        for arg in &mut self.args {
            match arg {
                Item::Literal(text) => push(&mut self.list, text),
                Item::Operand(operand) => match operand.value(cx)? {
                    Value::Texts(texts) => self.list.extend_from_slice(texts),
                    // The arguments of a process are one text, separated by spaces.
                    Value::Text(text) | Value::Rendered(text) => text
                        .split(|b| *b == b' ')
                        .filter(|t| !t.is_empty())
                        .for_each(|t| push(&mut self.list, t)),
                    _ => return None,
                },
            }
        }
        let mut found = false;
        let (options, letter) = (&self.options, self.letter);
        let mut args = items(&self.list).peekable();
        while let Some(arg) = args.next() {
            let Some(letters) = arg.strip_prefix(b"-").filter(|l| !l.is_empty()) else {
                break;
            };
            if letters == b"-" {
                break;
            }
            if letters.starts_with(b"-") {
                continue;
            }
            let mut at = 0;
            while let Some(option) = letters.get(at) {
                at += 1;
                let form = form(options, *option);
                let mut value: Option<&[u8]> = None;
                if form == Form::Value || form == Form::OptionalValue {
                    let attached = &letters[at..];
                    at = letters.len();
                    value = Some(match attached {
                        [] if form == Form::Value => args.next().unwrap_or_default(),
                        attached => attached,
                    });
                }
                let name = [if form == Form::Unknown { b'?' } else { *option }];
                match letter {
                    Some(wanted) if wanted == name[0] => {
                        out.clear();
                        out.extend_from_slice(value.unwrap_or(&name));
                        found = true;
                    }
                    Some(_) => {}
                    None => {
                        push(out, &name);
                        if let Some(value) = value {
                            push(out, value);
                        }
                    }
                }
            }
        }
        match letter {
            Some(_) => found.then_some(Value::Text(out)),
            None => Some(Value::Texts(out)),
        }
    }
}

fn push(list: &mut Vec<u8>, text: &[u8]) {
    list.extend_from_slice(text);
    list.push(0);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Unknown,
    Flag,
    Value,
    OptionalValue,
}

fn form(options: &[u8], letter: u8) -> Form {
    if letter == b':' {
        return Form::Unknown;
    }
    let Some(at) = options.iter().position(|b| *b == letter) else {
        return Form::Unknown;
    };
    match options[at + 1..] {
        [b':', b':', ..] => Form::OptionalValue,
        [b':', ..] => Form::Value,
        _ => Form::Flag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        let decode = |text: &str| {
            let mut out = Vec::new();
            decode_base64(text.as_bytes(), &mut out).then(|| String::from_utf8(out).unwrap())
        };
        assert_eq!(decode("aGVsbG8="), Some("hello".to_owned()));
        assert_eq!(decode("aGVsbG8"), Some("hello".to_owned()));
        assert_eq!(decode(""), Some(String::new()));
        for wrong in ["a", "aGVsbG8==", "=", "a b=", "aGVs\n"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn last_part_of_a_path() {
        let base = |text: &str| {
            let mut out = Vec::new();
            assert!(Map::Basename.apply(text.as_bytes(), &mut out));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(base("/usr/bin/sh"), "sh");
        assert_eq!(base("sh"), "sh");
        assert_eq!(base("/usr/"), "");
    }
}
