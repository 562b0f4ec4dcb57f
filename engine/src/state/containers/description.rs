//! A container's description, in the format of falcosecurity's `container` events.

use serde_json::Value as Json;

use scap_capture_format::schema::types;

use super::limits;
use crate::event::{Event, EventExt as _, async_event};

/// The description of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerInfo {
    /// The displayed id.
    pub id: String,
    /// The object of the `container` event, unchanged.
    json: Json,
}

impl ContainerInfo {
    /// Parses the description in an event; `None` if the event has none.
    ///
    /// The end of a container (`container_removed`) is not a description: it is visible in the container's threads, and the
    /// description is still needed for later events.
    pub fn of(event: &Event<'_>) -> Option<Self> {
        Self::parse(description(event)?)
    }

    /// Whether an event describes a container.
    pub fn is_description(event: &Event<'_>) -> bool {
        description(event).is_some()
    }

    /// Parses the text of a `container` event, `{"container":{"id":…}}`; `None` if it is invalid.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > limits::CONTAINER_JSON {
            return None;
        }
        let mut outer: serde_json::Map<String, Json> = serde_json::from_slice(text).ok()?;
        let json = outer.remove("container")?;
        let id = json.get("id")?.as_str()?.to_owned();
        Some(Self { id, json })
    }

    /// Whether it only announces a pending look-up, as Falco's recorders do.
    pub fn is_incomplete(&self) -> bool {
        self.text("name") == Some("incomplete")
    }

    /// Returns the member with this name (`name`, `image`, `ip`), if it is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.json.get(key)?.as_str()
    }

    /// Returns the member with this name, if it is a boolean.
    pub fn truth(&self, key: &str) -> Option<bool> {
        self.json.get(key)?.as_bool()
    }

    /// Returns the member with this name.
    pub fn json(&self, key: &str) -> Option<&Json> {
        self.json.get(key)
    }

    /// Returns all members.
    pub fn all(&self) -> &Json {
        &self.json
    }

    /// Adds the members that are missing here from another description of the container: a runtime does not report
    /// everything at once. Returns whether there were any.
    pub(in crate::state) fn complete(&mut self, other: &Self) -> bool {
        let (Json::Object(own), Json::Object(others)) = (&mut self.json, &other.json) else {
            return false;
        };
        let lacks = |own: &serde_json::Map<String, Json>, key: &String| {
            own.get(key).is_none_or(Json::is_null)
        };
        let mut found = false;
        for (key, value) in others {
            if lacks(own, key) && !value.is_null() {
                own.insert(key.clone(), value.clone());
                found = true;
            }
        }
        found
    }

    /// Returns the name of the runtime, from falcosecurity's number.
    pub fn runtime(&self) -> Option<&'static str> {
        Some(match self.json.get("type")?.as_u64()? {
            0 => "docker",
            1 => "lxc",
            2 => "libvirt-lxc",
            3 => "mesos",
            4 => "rkt",
            5 => "custom",
            6 => "cri",
            7 => "containerd",
            8 => "cri-o",
            9 => "bpm",
            10 => "static",
            11 => "podman",
            0xfffe => "host",
            _ => "unknown",
        })
    }

    /// Returns the whole description as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::json!({ "container": self.json }).to_string()
    }

    /// Returns an upper bound of its memory use in bytes: a text of a few bytes can become a table of hundreds.
    pub(super) fn weight(&self) -> usize {
        self.id.len().saturating_add(weight(&self.json))
    }
}

/// Returns the text of an event that describes a container.
fn description<'a>(event: &Event<'a>) -> Option<&'a [u8]> {
    match event.ty {
        types::CONTAINER_JSON_E | types::CONTAINER_JSON_2_E => event.text(0),
        types::ASYNCEVENT_E if event.text(1) == Some(async_event::CONTAINER) => event.text(2),
        _ => None,
    }
}

/// The recursion is as deep as the parser allows, 128.
fn weight(json: &Json) -> usize {
    /// A node of a B-tree, with room for eleven members, of which at least five are used.
    const NODE: usize = 11 * (size_of::<String>() + size_of::<Json>()) + 128;
    const PER_NODE: usize = 5;
    // A list grows by doubling.
    let inside = match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => 2 * text.len(),
        Json::Array(list) => {
            let items: usize = list.iter().map(weight).sum();
            items + (list.len() + 4) * size_of::<Json>()
        }
        Json::Object(map) => {
            let members: usize = map
                .iter()
                .map(|(key, value)| 2 * key.len() + weight(value))
                .sum();
            members + map.len().div_ceil(PER_NODE) * NODE
        }
    };
    inside.saturating_add(size_of::<Json>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_by_their_kind() {
        let info = ContainerInfo::parse(
            br#"{"container":{"id":"abc","name":"web","type":0,"privileged":true}}"#,
        )
        .unwrap();
        assert_eq!(
            (info.text("name"), info.runtime()),
            (Some("web"), Some("docker"))
        );
        assert_eq!(
            (info.truth("privileged"), info.text("type")),
            (Some(true), None)
        );
        let again = ContainerInfo::parse(info.to_json().as_bytes());
        assert_eq!(again.as_ref(), Some(&info));
    }

    #[test]
    fn nonsense_is_passed_over() {
        let deep = format!(
            r#"{{"container":{{"id":"a","x":{}{}}}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let long = format!(
            r#"{{"container":{{"id":"{}"}}}}"#,
            "x".repeat(limits::CONTAINER_JSON)
        );
        for bad in [
            "{",
            "[]",
            "{}",
            "null",
            "",
            "\u{0}",
            r#"{"container":[]}"#,
            r#"{"container":{"id":7}}"#,
            r#"{"container":{"name":"x"}}"#,
            &deep,
            &long,
        ] {
            assert_eq!(ContainerInfo::parse(bad.as_bytes()), None);
        }
        assert_eq!(ContainerInfo::parse(b"\xff"), None);
    }

    #[test]
    fn small_texts_that_become_large_are_heavy() {
        let many = |item: &str| {
            let text = format!(
                r#"{{"container":{{"id":"a","x":[{}0]}}}}"#,
                item.repeat(1000)
            );
            ContainerInfo::parse(text.as_bytes()).unwrap().weight()
        };
        assert!(many("0,") >= 1000 * size_of::<Json>());
        assert!(many(r#"{"a":0},"#) >= 1000 * 11 * size_of::<Json>());
    }
}
