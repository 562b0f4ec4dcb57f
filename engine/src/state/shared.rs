//! Reference-counted values that several threads can share.

/// Identifies a shared value; valid while it has references.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot(u32);

/// A set of shared values.
#[derive(Debug)]
pub(super) struct Shared<T> {
    slots: Vec<Option<(u32, T)>>,
    free: Vec<u32>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Shared<T> {
    /// Adds a value with one reference.
    ///
    /// There are at most as many as threads, whose limit is far below the range of a slot.
    pub(super) fn add(&mut self, value: T) -> Slot {
        let entry = Some((1, value));
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            *slot = entry;
            return Slot(index);
        }
        let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(entry);
        Slot(index)
    }

    /// Adds a reference.
    pub(super) fn hold(&mut self, slot: Slot) -> Slot {
        if let Some(Some((holders, _))) = self.slots.get_mut(slot.0 as usize) {
            *holders = holders.saturating_add(1);
        }
        slot
    }

    /// Removes a reference; returns the value if it was the last one.
    pub(super) fn release(&mut self, slot: Slot) -> Option<T> {
        let entry = self.slots.get_mut(slot.0 as usize)?;
        let (holders, _) = entry.as_mut()?;
        *holders = holders.saturating_sub(1);
        if *holders > 0 {
            return None;
        }
        self.free.push(slot.0);
        entry.take().map(|(_, value)| value)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        let (_, value) = self.slots.get(slot.0 as usize)?.as_ref()?;
        Some(value)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let (_, value) = self.slots.get_mut(slot.0 as usize)?.as_mut()?;
        Some(value)
    }

    /// Whether the value has several references.
    pub(super) fn is_shared(&self, slot: Slot) -> bool {
        matches!(self.slots.get(slot.0 as usize), Some(Some((holders, _))) if *holders > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_holder_gets_it_back() {
        let mut shared = Shared::default();
        let a = shared.add("a");
        let b = shared.add("b");
        assert_eq!(shared.hold(a), a);
        assert!(shared.is_shared(a) && !shared.is_shared(b));
        assert_eq!(shared.release(a), None);
        assert_eq!(shared.get(a), Some(&"a"));
        assert_eq!(shared.release(a), Some("a"));
        assert_eq!((shared.get(a), shared.get(b)), (None, Some(&"b")));
        assert_eq!(shared.add("c"), a);
        assert_eq!(shared.release(a), Some("c"));
        assert_eq!(shared.release(a), None);
    }
}
