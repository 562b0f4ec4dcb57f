//! YAML as rule files use it: every scalar is the text that was written, whatever type it looks like.
//!
//! `=`, `yes`, `0x1f` and `007` are values in rules; a parser that types scalars changes or refuses them.

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span};
use hashbrown::HashMap;

/// Size limit of a file, in bytes.
pub(super) const MAX_FILE: usize = 64 << 20;
/// Limit of the nodes of a file, aliases expanded.
const MAX_NODES: usize = 4 << 20;
/// Limit of the bytes of all scalars of a file, aliases expanded.
const MAX_BYTES: usize = 256 << 20;

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The line, counted from 0.
    pub line: usize,
    /// The column in characters, counted from 0.
    pub column: usize,
    /// The offset in bytes.
    pub offset: usize,
}

/// A node of a document.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) mark: Mark,
    /// The bytes of the file that the node was parsed from.
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Null,
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// Why a file is not YAML.
#[derive(Debug)]
pub(super) struct YamlError {
    pub(super) message: String,
    pub(super) mark: Mark,
}

impl Node {
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns the value of a key of a mapping; the first one, if it is there twice.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find_map(|(name, value)| {
            matches!(&name.kind, Kind::Scalar(name) if name == key).then_some(value)
        })
    }

    /// Returns the entries of a mapping; none for other nodes.
    pub(super) fn entries(&self) -> &[(Self, Self)] {
        match &self.kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        }
    }
}

/// Parses all documents of a file.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, YamlError> {
    let mut options = Options::default();
    options.block_scalar_eof_without_line_feed = true;
    let mut reader = Reader {
        text,
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes: 0,
        bytes: 0,
        at: Mark::default(),
    };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            Event::StreamEnd => break,
            event => documents.push(reader.node(event, span)?),
        }
    }
    Ok(documents)
}

struct Reader<'t> {
    text: &'t str,
    events: Parser<'t, granit_parser::StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    bytes: usize,
    at: Mark,
}

fn mark(marker: granit_parser::Marker) -> Mark {
    Mark {
        line: marker.line().saturating_sub(1),
        column: marker.col(),
        offset: marker.byte_offset().unwrap_or(0),
    }
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, YamlError> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                self.at = mark(span.start);
                Ok(Some((event, span)))
            }
            Some(Err(error)) => Err(YamlError {
                message: error.info().to_owned(),
                mark: mark(*error.marker()),
            }),
        }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, YamlError> {
        Err(YamlError {
            message: message.into(),
            mark: self.at,
        })
    }

    fn count(&mut self, nodes: usize, bytes: usize) -> Result<(), YamlError> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > MAX_NODES || self.bytes > MAX_BYTES {
            return self.fail(format!(
                "the file has more than {MAX_NODES} values or {MAX_BYTES} bytes of text, aliases included"
            ));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, YamlError> {
        let start = mark(span.start);
        self.count(1, 0)?;
        let (kind, anchor, end) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                // `!=` is a tag of nothing to YAML; here it is an operator.
                let operator = tag.filter(|_| text.is_empty()).and_then(|_| {
                    let token = span.tag_span()?.byte_range()?;
                    Some(Cow::Borrowed(self.text.get(token)?))
                });
                let text = operator.unwrap_or(text);
                self.count(0, text.len())?;
                let is_null = style == ScalarStyle::Plain
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let kind = match is_null {
                    true => Kind::Null,
                    false => Kind::Scalar(text.into_owned()),
                };
                (kind, anchor, mark(span.end))
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        None => return self.fail("the list does not end"),
                        Some((Event::SequenceEnd, end)) => {
                            break (Kind::Sequence(items), anchor, mark(end.end));
                        }
                        Some((event, span)) => items.push(self.node(event, span)?),
                    }
                }
            }
            Event::MappingStart(_, anchor, _) => {
                let mut entries = Vec::new();
                loop {
                    let key = match self.next()? {
                        None => return self.fail("the map does not end"),
                        Some((Event::MappingEnd, end)) => {
                            break (Kind::Mapping(entries), anchor, mark(end.end));
                        }
                        Some((event, span)) => self.node(event, span)?,
                    };
                    let Some((event, span)) = self.next()? else {
                        return self.fail("the map does not end");
                    };
                    entries.push((key, self.node(event, span)?));
                }
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return self.fail("the alias refers to itself");
                };
                let (nodes, bytes) = size(&node);
                self.count(nodes, bytes)?;
                return Ok(node);
            }
            _ => return self.fail("a value is missing"),
        };
        let node = Node {
            kind,
            mark: start,
            span: start.offset..end.offset.max(start.offset),
        };
        if anchor > 0 {
            // The copy that is kept counts as well.
            let (nodes, bytes) = size(&node);
            self.count(nodes, bytes)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }
}

/// Returns the number of nodes and of bytes of scalars.
fn size(node: &Node) -> (usize, usize) {
    let sum = |nodes: &mut dyn Iterator<Item = &Node>| {
        nodes.map(size).fold((1, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    };
    match &node.kind {
        Kind::Null => (1, 0),
        Kind::Scalar(text) => (1, text.len()),
        Kind::Sequence(items) => sum(&mut items.iter()),
        Kind::Mapping(entries) => sum(&mut entries.iter().flat_map(|(key, value)| [key, value])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalars(node: &Node) -> Vec<&str> {
        match &node.kind {
            Kind::Sequence(items) => items.iter().flat_map(scalars).collect(),
            Kind::Scalar(text) => vec![text],
            Kind::Null => vec!["(null)"],
            Kind::Mapping(entries) => entries.iter().flat_map(|(_, v)| scalars(v)).collect(),
        }
    }

    #[test]
    fn scalars_are_the_text_that_was_written() {
        let text = "[=, !=, 80, 0x1f, yes, 007, 1.0, ~, '~', \"a\\tb\", <=]";
        let documents = parse(text).unwrap();
        assert_eq!(
            scalars(&documents[0]),
            [
                "=", "!=", "80", "0x1f", "yes", "007", "1.0", "(null)", "~", "a\tb", "<="
            ]
        );
    }

    #[test]
    fn aliases_are_expanded_within_limits() {
        let documents = parse("- &a [x, y]\n- *a\n---\n- b: 1\n").unwrap();
        assert_eq!(scalars(&documents[0]), ["x", "y", "x", "y"]);
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[1].span, 21..documents[1].span.end);
        let mut bomb = String::from("- &a0 [x]\n");
        for level in 1..40 {
            let before = level - 1;
            bomb.push_str(&format!(
                "- &a{level} [*a{before}, *a{before}, *a{before}, *a{before}]\n"
            ));
        }
        let error = parse(&bomb).unwrap_err();
        assert!(
            error.message.contains("aliases included"),
            "{}",
            error.message
        );
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err());
        assert!(parse("- &a [*a]").is_err());
    }
}
