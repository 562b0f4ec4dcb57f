//! Indicators of compromise, and the conditions that find them in captures.

use std::net::IpAddr;

use crate::filter::ast::{Op, condition};

/// Longest value of an indicator, in bytes.
pub(super) const MAX_VALUE: usize = 4096;
/// The kernel's names of programs are cut to this length.
const COMM: usize = 15;

/// What an indicator names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Ip,
    Network,
    Path,
    /// The last component of a path.
    FileName,
    Program,
    Domain,
    /// A part of a command line.
    Text,
    /// Bytes in payload, as hexadecimal digits.
    Bytes,
    /// The hash of a file.
    Hash,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Ip,
        Self::Network,
        Self::Path,
        Self::FileName,
        Self::Program,
        Self::Domain,
        Self::Text,
        Self::Bytes,
        Self::Hash,
    ];

    /// Returns the name, which is also the prefix of a word of this kind.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Network => "net",
            Self::Path => "path",
            Self::FileName => "file",
            Self::Program => "name",
            Self::Domain => "domain",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Hash => "hash",
        }
    }
}

/// An indicator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ioc {
    pub(super) kind: Kind,
    pub(super) value: String,
}

/// A condition, and one that it is joined with by `and`: many indicators have the latter in common, and it is decided first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Condition {
    pub(super) gate: &'static str,
    pub(super) text: String,
}

impl Ioc {
    /// Makes an indicator of a kind; `None` if the value is not one.
    pub(super) fn new(kind: Kind, value: &str) -> Option<Self> {
        let value = value.trim();
        if value.is_empty() || value.len() > MAX_VALUE || value.contains('\0') {
            return None;
        }
        let value = match kind {
            Kind::Ip => value.parse::<IpAddr>().ok()?.to_canonical().to_string(),
            Kind::Network => network(value)?,
            Kind::Path => value.starts_with('/').then(|| value.to_owned())?,
            Kind::FileName | Kind::Program => (!value.contains('/')).then(|| value.to_owned())?,
            Kind::Domain => domain(value)?,
            Kind::Text => value.to_owned(),
            Kind::Bytes => bytes(value)?,
            Kind::Hash => hash(value)?,
        };
        Some(Self { kind, value })
    }

    /// Recognizes what a word is: one or, if it can be the name of a program and a domain, two indicators.
    pub(super) fn recognize(word: &str) -> Vec<Self> {
        let word = word.trim();
        for kind in Kind::ALL {
            let value = word.strip_prefix(kind.name());
            if let Some(value) = value.and_then(|rest| rest.strip_prefix(':')) {
                return Self::new(kind, value).into_iter().collect();
            }
        }
        for kind in [Kind::Ip, Kind::Network, Kind::Path, Kind::Hash] {
            if let Some(ioc) = Self::new(kind, word) {
                return vec![ioc];
            }
        }
        // `stage.sh` is a program or a domain of Saint Helena.
        let both = [Kind::Domain, Kind::Program];
        both.iter()
            .filter_map(|kind| Self::new(*kind, word))
            .collect()
    }

    /// Returns the conditions, any of which finds the indicator; none if captures do not have it.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let value = self.value.as_bytes();
        let of = |gate, field, op| Condition {
            gate,
            text: condition(field, op, value),
        };
        let with = |gate, field, op, value: &str| Condition {
            gate,
            text: condition(field, op, value.as_bytes()),
        };
        match self.kind {
            Kind::Ip => {
                // A connection that failed. The address of IPv6 has no brackets around it.
                let (op, to) = match self.value.contains(':') {
                    true => (Op::Regex, format!("{}:[0-9]+", self.value)),
                    false => (Op::StartsWith, format!("{}:", self.value)),
                };
                vec![
                    of("", "fd.ip", Op::Eq),
                    with("evt.type = connect", "evt.arg.addr", op, &to),
                ]
            }
            Kind::Network => vec![of("", "fd.net", Op::Eq)],
            Kind::Path => {
                let op = match self.value.contains('*') {
                    true => Op::Glob,
                    false => Op::Eq,
                };
                paths(|gate, field| of(gate, field, op))
            }
            Kind::FileName => {
                let end = format!("/{}", self.value);
                let mut found = paths(|gate, field| with(gate, field, Op::EndsWith, &end));
                found.push(of("", "proc.name", Op::Eq));
                found
            }
            Kind::Program => {
                let mut found = vec![of("", "proc.name", Op::Eq)];
                if let Some(short) = self.value.get(..COMM).filter(|short| *short != self.value) {
                    let short = condition("proc.name", Op::Eq, short.as_bytes());
                    let whole = condition(
                        "proc.exepath",
                        Op::EndsWith,
                        format!("/{}", self.value).as_bytes(),
                    );
                    let text = format!("({short} and {whole})");
                    found.push(Condition { gate: "", text });
                }
                found
            }
            Kind::Domain => {
                let hex =
                    |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
                let mut dns = Vec::new();
                for label in self.value.split('.') {
                    dns.push(label.len() as u8);
                    dns.extend_from_slice(label.as_bytes());
                }
                dns.push(0);
                // The extension has a type, the length of the name, and the name; what follows begins with a 0 again.
                let length = (self.value.len() as u16).to_be_bytes();
                let name = [&[0], &length[..], value].concat();
                let below = [b".", value, &[0]].concat();
                let payload =
                    |gate, bytes: &[u8]| with(gate, "evt.buffer", Op::BContains, &hex(bytes));
                vec![
                    payload("fd.port = 53", &dns),
                    payload(TLS, &name),
                    payload(TLS, &below),
                ]
            }
            Kind::Text => vec![of("", "proc.cmdline", Op::Contains)],
            Kind::Bytes => vec![of("", "evt.buffer", Op::BContains)],
            Kind::Hash => Vec::new(),
        }
    }
}

/// Data that begins like the first message of TLS.
const TLS: &str = "evt.buffer bstartswith 1603";

/// Conditions on all the paths that an event can have.
fn paths(of: impl Fn(&'static str, &'static str) -> Condition) -> Vec<Condition> {
    let mut found = vec![of("evt.type in (execve, execveat)", "evt.arg.filename")];
    let fields = [
        "fd.name",
        "fs.path.name",
        "fs.path.source",
        "fs.path.target",
        "proc.exepath",
    ];
    found.extend(fields.map(|field| of("", field)));
    found
}

/// Joins conditions by `or`: those with the same gate, and of the same field, become neighbours.
pub(super) fn any_of(mut conditions: Vec<Condition>) -> String {
    conditions.sort();
    conditions.dedup();
    let groups = conditions.chunk_by(|a, b| a.gate == b.gate);
    let groups = groups.map(|group| {
        let texts: Vec<&str> = group.iter().map(|c| &*c.text).collect();
        let any = texts.join(" or ");
        match group.first().map_or("", |first| first.gate) {
            "" => any,
            gate => format!("({gate} and ({any}))"),
        }
    });
    groups.collect::<Vec<_>>().join(" or ")
}

fn network(text: &str) -> Option<String> {
    let (address, bits) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    (bits <= most).then(|| format!("{address}/{bits}"))
}

/// Returns a name in lower case, if it has the form of a domain with at least two labels.
fn domain(text: &str) -> Option<String> {
    let name = text
        .trim_end_matches('.')
        .trim_start_matches("*.")
        .to_ascii_lowercase();
    let is_label = |label: &str| {
        let is_of = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_of)
    };
    let (_, last) = name.rsplit_once('.')?;
    let is_top = last.len() > 1 && last.starts_with(|c: char| c.is_ascii_alphabetic());
    (name.len() < 254 && is_top && name.split('.').all(is_label)).then_some(name)
}

/// Returns digits without what separates them.
fn bytes(text: &str) -> Option<String> {
    let digits: String = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace() && *c != ':')
        .collect();
    let digits = digits
        .strip_prefix("0x")
        .unwrap_or(&digits)
        .to_ascii_lowercase();
    let is_whole = !digits.is_empty() && digits.len().is_multiple_of(2);
    (is_whole && digits.bytes().all(|b| b.is_ascii_hexdigit())).then_some(digits)
}

/// Returns the digits of an MD5, SHA-1 or SHA-2.
fn hash(text: &str) -> Option<String> {
    let is_of_length = matches!(text.len(), 32 | 40 | 56 | 64 | 96 | 128);
    (is_of_length && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;

    fn kinds(word: &str) -> Vec<(Kind, String)> {
        let found = Ioc::recognize(word);
        found.into_iter().map(|ioc| (ioc.kind, ioc.value)).collect()
    }

    #[test]
    fn a_word_is_recognized_by_its_form() {
        let one = |kind, value: &str| vec![(kind, value.to_owned())];
        for (word, kind, value) in [
            ("192.0.2.1", Kind::Ip, "192.0.2.1"),
            ("2001:DB8::1", Kind::Ip, "2001:db8::1"),
            ("::ffff:192.0.2.1", Kind::Ip, "192.0.2.1"),
            ("10.0.0.0/8", Kind::Network, "10.0.0.0/8"),
            ("/tmp/.x", Kind::Path, "/tmp/.x"),
            ("/tmp/*/x", Kind::Path, "/tmp/*/x"),
            ("xmrig", Kind::Program, "xmrig"),
            ("text:curl | sh", Kind::Text, "curl | sh"),
            ("bytes:DE AD", Kind::Bytes, "dead"),
            ("name:a.b.com", Kind::Program, "a.b.com"),
            ("domain:Evil.Example.", Kind::Domain, "evil.example"),
            ("file:x.sh", Kind::FileName, "x.sh"),
        ] {
            assert_eq!(kinds(word), one(kind, value), "{word}");
        }
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(kinds(hash), one(Kind::Hash, hash));
        let two = |name: &str| {
            vec![
                (Kind::Domain, name.to_owned()),
                (Kind::Program, name.to_owned()),
            ]
        };
        assert_eq!(kinds("stage.sh"), two("stage.sh"));
        for nothing in [
            "",
            " ",
            "ip:x",
            "bytes:abc",
            "bytes:",
            "10.0.0.0/33",
            "path:x",
            "a/b",
        ] {
            assert_eq!(kinds(nothing), [], "{nothing}");
        }
    }

    #[test]
    fn every_indicator_has_a_filter_whatever_is_in_it() {
        for word in [
            "192.0.2.1",
            "::1",
            "2001:db8::/32",
            "/tmp/a\"b\\'\n\u{1b}",
            "/tmp/*.so",
            "a name (of) 'things'",
            "a-program-with-a-long-name",
            "evil.example",
            "file:x y.sh",
            "text:\" or evt.num > 0 or \"",
            "bytes:00ff",
        ] {
            let found = Ioc::recognize(word);
            let conditions = found.iter().flat_map(Ioc::conditions).collect();
            let text = any_of(conditions);
            let filter = Filter::parse(&text);
            let filter = filter.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(filter.pushdown().depends_on_all, None, "{text}");
        }
    }
}
