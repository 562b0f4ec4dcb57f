//! Documents in JSON: descriptions of containers, alerts, audit events.

use serde_json::{Map, Value};

use super::secrets::{self, REDACTED};
use super::{Class, Kind, Redaction};
use crate::event::alert;

/// Members of alerts and audit events that say what happened, not to whom.
const KEPT: &[&str] = &[
    "rule",
    "priority",
    "source",
    "tags",
    "time",
    "left_out",
    alert::TYPE_MEMBER,
    "kind",
    "apiVersion",
    "level",
    "stage",
    "verb",
    "resource",
    "subresource",
    "apiGroup",
    "code",
    "requestReceivedTimestamp",
    "stageTimestamp",
    "auditID",
];

/// Members that have a life of their own: objects that were sent, and what users have written.
const LEFT_OUT: &[&str] = &[
    "requestObject",
    "responseObject",
    "annotations",
    "labels",
    "managedFields",
];

/// How the texts of a document are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// The description of a container.
    Container,
    /// Texts that can have anything in them.
    Free,
}

impl Redaction {
    /// Returns a document as it is written; nothing if it is not JSON.
    pub(super) fn document(&mut self, document: Document, text: &[u8]) -> Vec<u8> {
        let Ok(mut value) = serde_json::from_slice::<Value>(text) else {
            return self.text(Kind::Data, text);
        };
        self.json_value(document, "", &mut value);
        serde_json::to_vec(&value).unwrap_or_default()
    }

    fn json_value(&mut self, document: Document, key: &str, value: &mut Value) {
        match value {
            Value::String(text) => {
                let new = self.json_text(document, key, text);
                *text = String::from_utf8_lossy(&new).into_owned();
            }
            Value::Array(list) => list
                .iter_mut()
                .for_each(|v| self.json_value(document, key, v)),
            Value::Object(object) => self.object(document, key, object),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn object(&mut self, document: Document, key: &str, object: &mut Map<String, Value>) {
        let named = object.get("name").and_then(Value::as_str);
        let is_named_secret = named.is_some_and(|name| secrets::is_name(name.as_bytes()));
        let old = std::mem::take(object);
        for (name, mut value) in old {
            let is_env = name.eq_ignore_ascii_case("env");
            if is_env && self.drops && !value.is_null() {
                self.counts.environments += 1;
                continue;
            }
            if document == Document::Free && self.is_strict() && LEFT_OUT.contains(&&*name) {
                *self.counts.left_out.entry("JSON member").or_default() += 1;
                continue;
            }
            let is_secret = secrets::is_name(name.as_bytes()) || is_named_secret && name == "value";
            match &mut value {
                Value::String(text) if is_secret && !text.is_empty() => {
                    *self.counts.secrets.entry("named secret").or_default() += 1;
                    *text = String::from_utf8_lossy(REDACTED).into_owned();
                }
                value => self.json_value(document, &name, value),
            }
            // Names of labels are chosen by users.
            let is_label =
                matches!(key, "labels" | "annotations") && self.hashes(Class::CONTAINERS);
            let kind = if is_label {
                Kind::Container
            } else {
                Kind::Text
            };
            let name = match KEPT.contains(&&*name) {
                true => name,
                false => String::from_utf8_lossy(&self.text(kind, name.as_bytes())).into_owned(),
            };
            object.insert(name, value);
        }
    }

    fn json_text(&mut self, document: Document, key: &str, text: &str) -> Vec<u8> {
        let bytes = text.as_bytes();
        if document == Document::Free && self.is_strict() {
            return match KEPT.contains(&key) {
                true => self.text(Kind::Text, bytes),
                false if bytes.is_empty() => Vec::new(),
                false => REDACTED.to_vec(),
            };
        }
        if document == Document::Free {
            return self.text(Kind::Text, bytes);
        }
        let kind = match text {
            _ if text.starts_with('/') => Kind::Path,
            _ if text.parse::<std::net::IpAddr>().is_ok() => Kind::Text,
            _ => Kind::Container,
        };
        self.text(kind, bytes)
    }
}
