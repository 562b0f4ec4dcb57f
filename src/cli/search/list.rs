//! Lists of indicators: CSV, STIX 2.1 bundles, MISP events.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value as Json;

use super::ioc::{Ioc, Kind};
use crate::cli::archive::shown;
use crate::cli::error::CliError;
use crate::cli::input::reason;

/// Largest list, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// What is in a list.
#[derive(Debug, Default, PartialEq)]
pub(super) struct List {
    pub(super) iocs: Vec<Ioc>,
    /// What is not searched for, by what it is.
    pub(super) others: BTreeMap<String, u64>,
}

impl List {
    /// Reads a list. The format is recognized by the content.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let name = shown(path);
        let fail = |error| CliError::failed(format!("cannot read {name}: {}", reason(&error)));
        let mut bytes = Vec::new();
        let mut file = File::open(path).map_err(fail)?.take(MAX_BYTES + 1);
        file.read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(CliError::failed(format!(
                "{name} is longer than {MAX_BYTES} bytes"
            )));
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_start_matches('\u{feff}');
        Self::parse(text).map_err(|what| CliError::failed(format!("{name}: {what}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        if !text.trim_start().starts_with(['{', '[']) {
            return Ok(Self::csv(text));
        }
        let json: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut list = Self::default();
        if json["type"] == "bundle" {
            list.stix(&json);
        } else if json.get("Event").or(json.get("response")).is_some() {
            list.misp(&json);
        } else {
            return Err("it is neither a STIX bundle nor a MISP event".to_owned());
        }
        Ok(list)
    }

    fn other(&mut self, what: &str) {
        // Types of hostile lists are not all kept.
        let what = match self.others.len() < 100 {
            true => what.chars().take(64).collect(),
            false => "others".to_owned(),
        };
        *self.others.entry(what).or_default() += 1;
    }

    fn add(&mut self, kind: Kind, value: &str, what: &str) {
        match Ioc::new(kind, value) {
            Some(ioc) => self.iocs.push(ioc),
            None => self.other(what),
        }
    }

    /// Reads lines: the first column, or the columns that are called `type` and `value`. `#` begins a comment.
    fn csv(text: &str) -> Self {
        let mut list = Self::default();
        let mut columns = (None, 0);
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        for (number, line) in lines.enumerate() {
            let cells = cells(line);
            let column = |name: &str| {
                cells
                    .iter()
                    .position(|cell| cell.eq_ignore_ascii_case(name))
            };
            if number == 0
                && let Some(value) = column("value")
            {
                columns = (column("type"), value);
                continue;
            }
            let value = cells.get(columns.1).map_or("", |cell| cell.trim());
            let ty = columns
                .0
                .and_then(|at| cells.get(at))
                .map(|cell| cell.trim());
            match ty.filter(|ty| !ty.is_empty()) {
                Some(ty) => list.typed(ty, value),
                None => {
                    let found = Ioc::recognize(value);
                    if found.is_empty() {
                        list.other("of no known form");
                    }
                    list.iocs.extend(found);
                }
            }
        }
        list
    }

    /// Adds a value of a type, as MISP names types; those of this program's own prefixes work, too.
    fn typed(&mut self, ty: &str, value: &str) {
        let first = || value.split('|').next().unwrap_or_default();
        let second = || value.split_once('|').map_or("", |(_, second)| second);
        match ty.to_ascii_lowercase().as_str() {
            "ip" | "ip-src" | "ip-dst" | "ipv4" | "ipv6" | "ipv4-addr" | "ipv6-addr" | "net"
            | "cidr" => {
                self.address(value, ty);
            }
            "ip-src|port" | "ip-dst|port" => self.address(first(), ty),
            "domain" | "hostname" | "domain-name" => self.add(Kind::Domain, value, ty),
            "hostname|port" => self.add(Kind::Domain, first(), ty),
            "domain|ip" => {
                self.add(Kind::Domain, first(), ty);
                self.address(second(), ty);
            }
            "filename" | "file" | "path" => self.file(value, ty),
            "name" | "process" => self.add(Kind::Program, value, ty),
            "text" | "command-line" | "cmdline" => self.add(Kind::Text, value, ty),
            "bytes" => self.add(Kind::Bytes, value, ty),
            "hash" | "md5" | "sha1" | "sha224" | "sha256" | "sha384" | "sha512" => {
                self.add(Kind::Hash, value, ty);
            }
            ty if ty.starts_with("filename|") => {
                self.file(first(), ty);
                self.add(Kind::Hash, second(), ty);
            }
            ty => self.other(ty),
        }
    }

    fn address(&mut self, value: &str, what: &str) {
        let kind = match value.contains('/') {
            true => Kind::Network,
            false => Kind::Ip,
        };
        self.add(kind, value, what);
    }

    fn file(&mut self, value: &str, what: &str) {
        let kind = match value.contains('/') {
            true => Kind::Path,
            false => Kind::FileName,
        };
        self.add(kind, value, what);
    }

    fn stix(&mut self, bundle: &Json) {
        for object in bundle["objects"].as_array().into_iter().flatten() {
            if object["type"] != "indicator" {
                continue;
            }
            let is_stix = matches!(object["pattern_type"].as_str(), None | Some("stix"));
            let pattern = object["pattern"].as_str().filter(|_| is_stix);
            match pattern.and_then(comparisons) {
                Some(found) => {
                    for (path, value) in found {
                        self.compared(&path, &value);
                    }
                }
                None => self.other("patterns that are not one comparison, or several joined by OR"),
            }
        }
    }

    /// Adds what a STIX pattern compares.
    fn compared(&mut self, path: &str, value: &str) {
        match path {
            "ipv4-addr:value" | "ipv6-addr:value" => self.address(value, path),
            "domain-name:value" => self.add(Kind::Domain, value, path),
            "file:name" => self.file(value, path),
            "process:command_line" => self.add(Kind::Text, value, path),
            "process:name" => self.add(Kind::Program, value, path),
            path if path.starts_with("file:hashes.") => self.add(Kind::Hash, value, path),
            path => self.other(path),
        }
    }

    fn misp(&mut self, json: &Json) {
        let events = match json["response"].as_array() {
            Some(events) => events.iter().collect(),
            None => vec![json],
        };
        for event in events {
            let event = event.get("Event").unwrap_or(event);
            let objects = event["Object"].as_array().into_iter().flatten();
            let owners = std::iter::once(event).chain(objects);
            for owner in owners.filter(|owner| owner["deleted"] != true) {
                let attributes = owner["Attribute"].as_array().into_iter().flatten();
                for attribute in attributes.filter(|attribute| attribute["deleted"] != true) {
                    match (attribute["type"].as_str(), attribute["value"].as_str()) {
                        (Some(ty), Some(value)) => self.typed(ty, value),
                        _ => self.other("attributes without type or value"),
                    }
                }
            }
        }
    }
}

/// Splits a line of CSV. Cells can be quoted, with `""` for a quote.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(cell) = cells.last_mut() else {
            break;
        };
        match c {
            '"' if is_quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if is_quoted || cell.trim().is_empty() => is_quoted = !is_quoted,
            ',' | ';' | '\t' if !is_quoted => cells.push(String::new()),
            c => cell.push(c),
        }
    }
    cells
}

/// Returns the paths and values that a STIX pattern compares for equality, if it is only that: any of them is what it means.
fn comparisons(pattern: &str) -> Option<Vec<(String, String)>> {
    #[expect(clippy::unwrap_used, reason = "a constant that a test compiles")]
    static COMPARISON: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"^\s*\[?\s*([a-z0-9-]+:[A-Za-z0-9_.'-]+)\s*=\s*'((?:[^'\\]|\\.)*)'\s*\]?\s*(?:OR\b|$)",
        )
        .unwrap()
    });
    let mut found = Vec::new();
    let mut rest = pattern;
    while !rest.trim().is_empty() {
        let comparison = COMPARISON.captures(rest)?;
        let value = comparison[2].replace("\\'", "'").replace("\\\\", "\\");
        found.push((comparison[1].to_owned(), value));
        rest = &rest[comparison[0].len()..];
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> (Vec<(Kind, String)>, u64) {
        let list = List::parse(text).unwrap();
        let iocs = list.iocs.into_iter().map(|ioc| (ioc.kind, ioc.value));
        (iocs.collect(), list.others.values().sum())
    }

    fn is(kind: Kind, value: &str) -> (Kind, String) {
        (kind, value.to_owned())
    }

    #[test]
    fn csv_has_a_column_of_words_or_types_and_values() {
        let plain = "# a feed\n192.0.2.1,seen twice\n\"/tmp/a,b\"\n\nevil.example.com\n";
        let expected = vec![
            is(Kind::Ip, "192.0.2.1"),
            is(Kind::Path, "/tmp/a,b"),
            is(Kind::Domain, "evil.example.com"),
            is(Kind::Program, "evil.example.com"),
        ];
        assert_eq!(list(plain), (expected, 0));
        let typed = "id,Type,Value\n1,domain,evil.example\n2,ip-dst|port,192.0.2.7|443\n3,url,http://x/\n4,ip,none\n";
        let expected = vec![is(Kind::Domain, "evil.example"), is(Kind::Ip, "192.0.2.7")];
        assert_eq!(list(typed), (expected, 2));
    }

    #[test]
    fn stix_patterns_of_comparisons_are_taken_and_the_others_counted() {
        let patterns = [
            "[ipv4-addr:value = '192.0.2.1']",
            "[domain-name:value='evil.example' OR ipv6-addr:value = '2001:db8::1']",
            "[file:name = 'it\\'s.sh'] OR [process:command_line = 'sh -c \\\\x']",
            "[file:hashes.'SHA-256' = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855']",
            "[ipv4-addr:value = '192.0.2.1' AND network-traffic:dst_port = '4']",
            "[url:value = 'http://x/']",
            "[file:name LIKE '%.sh']",
            "[",
        ];
        let objects: Vec<Json> = patterns
            .iter()
            .map(|pattern| serde_json::json!({"type": "indicator", "pattern": pattern, "pattern_type": "stix"}))
            .collect();
        let bundle = serde_json::json!({"type": "bundle", "objects": objects});
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let expected = vec![
            is(Kind::Ip, "192.0.2.1"),
            is(Kind::Domain, "evil.example"),
            is(Kind::Ip, "2001:db8::1"),
            is(Kind::FileName, "it's.sh"),
            is(Kind::Text, "sh -c \\x"),
            is(Kind::Hash, hash),
        ];
        assert_eq!(list(&bundle.to_string()), (expected, 4));
    }

    #[test]
    fn misp_attributes_are_taken_also_those_of_objects() {
        let event = serde_json::json!({"Event": {
            "Attribute": [
                {"type": "ip-src", "value": "198.51.100.0/24"},
                {"type": "filename|md5", "value": "x.sh|d41d8cd98f00b204e9800998ecf8427e"},
                {"type": "domain", "value": "gone.example", "deleted": true},
                {"type": "yara", "value": "rule x {}"},
            ],
            "Object": [{"Attribute": [{"type": "hostname", "value": "a.evil.example"}]}],
        }});
        let expected = vec![
            is(Kind::Network, "198.51.100.0/24"),
            is(Kind::FileName, "x.sh"),
            is(Kind::Hash, "d41d8cd98f00b204e9800998ecf8427e"),
            is(Kind::Domain, "a.evil.example"),
        ];
        assert_eq!(list(&event.to_string()), (expected.clone(), 1));
        let response = serde_json::json!({"response": [event]});
        assert_eq!(list(&response.to_string()), (expected, 1));
    }

    #[test]
    fn json_that_is_no_list_is_refused() {
        assert!(List::parse("{\"a\": 1}").is_err());
        assert!(List::parse("[1, 2").is_err());
        assert!(List::parse(&"[".repeat(100_000)).is_err());
    }
}
