//! Described containers by id.
//!
//! Recent descriptions are the most useful: at the limit, the containers described longest ago are dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::description::ContainerInfo;
use super::limits;

/// Descriptions of containers by id.
#[derive(Clone, Debug, Default)]
pub(in crate::state) struct Known {
    by_id: HashMap<Arc<str>, Entry>,
    /// Ids in the order of their last description.
    order: BTreeMap<u64, Arc<str>>,
    next: u64,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    info: ContainerInfo,
    /// Its key in `order`.
    place: u64,
    weight: usize,
}

impl Known {
    pub(in crate::state) fn get(&self, id: &[u8]) -> Option<&ContainerInfo> {
        let entry = self.by_id.get(std::str::from_utf8(id).ok()?)?;
        Some(&entry.info)
    }

    /// Iterates over descriptions, from the oldest to the newest.
    pub(in crate::state) fn iter(&self) -> impl Iterator<Item = &ContainerInfo> {
        let entries = self.order.values().filter_map(|id| self.by_id.get(id));
        entries.map(|entry| &entry.info)
    }

    /// Adds a description, replacing an older one of the same container.
    pub(in crate::state) fn add(&mut self, info: ContainerInfo) {
        self.remove(&info.id);
        let weight = info.weight();
        self.bytes = self.bytes.saturating_add(weight);
        let id: Arc<str> = info.id.as_str().into();
        let place = self.next;
        self.next += 1;
        self.order.insert(place, Arc::clone(&id));
        let entry = Entry {
            info,
            place,
            weight,
        };
        self.by_id.insert(id, entry);
        while self.is_too_much() {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            self.remove(&oldest);
        }
    }

    /// Whether another container would replace the oldest one.
    pub(in crate::state) fn is_full(&self) -> bool {
        self.by_id.len() >= limits::CONTAINERS || self.bytes >= limits::CONTAINERS_BYTES
    }

    fn is_too_much(&self) -> bool {
        self.by_id.len() > limits::CONTAINERS || self.bytes > limits::CONTAINERS_BYTES
    }

    fn remove(&mut self, id: &str) {
        if let Some(old) = self.by_id.remove(id) {
            self.order.remove(&old.place);
            self.bytes = self.bytes.saturating_sub(old.weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: &str, name: &str) -> ContainerInfo {
        let text = format!(r#"{{"container":{{"id":"{id}","name":"{name}"}}}}"#);
        ContainerInfo::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_last_description_counts_once() {
        let mut known = Known::default();
        known.add(info("a", "first"));
        let once = known.bytes;
        for name in ["other", "third"] {
            known.add(info("a", name));
        }
        assert_eq!(known.bytes, once);
        assert_eq!(known.get(b"a").unwrap().text("name"), Some("third"));
        assert_eq!(known.iter().count(), 1);
        assert_eq!((known.get(b"b"), known.get(b"\xff")), (None, None));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut known = Known::default();
        for n in 0..limits::CONTAINERS {
            known.add(info(&format!("c{n}"), "x"));
        }
        assert!(known.is_full() && known.get(b"c0").is_some());
        // Described again it is not the oldest any more.
        known.add(info("c0", "y"));
        known.add(info("new", "z"));
        assert!(known.get(b"c0").is_some() && known.get(b"new").is_some());
        assert_eq!(known.get(b"c1"), None);
        assert_eq!(known.by_id.len(), limits::CONTAINERS);
        assert_eq!(known.order.len(), limits::CONTAINERS);
    }

    #[test]
    fn large_ones_put_out_many() {
        let mut known = Known::default();
        for n in 0..1000 {
            known.add(info(&format!("c{n}"), &"x".repeat(100_000)));
        }
        assert!(known.bytes <= limits::CONTAINERS_BYTES);
        assert!(known.get(b"c999").is_some() && known.get(b"c0").is_none());
        let weights: usize = known.by_id.values().map(|e| e.weight).sum();
        assert_eq!(known.bytes, weights);
    }
}
