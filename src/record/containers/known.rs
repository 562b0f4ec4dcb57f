//! A map by container id that drops the oldest entries.

use std::collections::VecDeque;

use hashbrown::HashMap;

/// Most containers in the map.
pub(super) const CONTAINERS: usize = 10_000;
/// Longest id that is stored; runtimes allow 64 to 76 characters.
const ID: usize = 128;

/// A value for each of the last [`CONTAINERS`] containers.
#[derive(Debug)]
pub(super) struct Known<T> {
    by_id: HashMap<Box<str>, T>,
    /// Oldest first; exactly the keys of `by_id`.
    order: VecDeque<Box<str>>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self {
            by_id: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> Known<T> {
    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.by_id.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.by_id.get_mut(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.by_id.iter().map(|(id, value)| (&**id, value))
    }

    /// Inserts or replaces a value. An id of an impossible length is ignored.
    pub(super) fn insert(&mut self, id: &str, value: T) {
        if let Some(old) = self.by_id.get_mut(id) {
            *old = value;
            return;
        }
        if id.is_empty() || id.len() > ID {
            return;
        }
        if self.order.len() >= CONTAINERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        self.by_id.insert(id.into(), value);
        self.order.push_back(id.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut known = Known::default();
        for n in 0..CONTAINERS + 5 {
            known.insert(&n.to_string(), n);
        }
        known.insert("7", 70);
        assert_eq!((known.get("4"), known.get("5")), (None, Some(&5)));
        assert_eq!(known.get("7"), Some(&70));
        assert_eq!(known.iter().count(), CONTAINERS);
        assert_eq!(known.order.len(), CONTAINERS);
        known.insert("", 1);
        known.insert(&"x".repeat(ID + 1), 1);
        assert_eq!(known.iter().count(), CONTAINERS);
    }
}
