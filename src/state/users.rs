//! User and group names by number.

use std::collections::BTreeMap;

use super::limits;
use super::thread::Text;

/// Names by number.
#[derive(Debug, Default)]
pub(super) struct Users(BTreeMap<u32, Text>);

impl Users {
    pub(super) fn add(&mut self, id: u32, name: &[u8]) {
        if self.0.len() < limits::USERS || self.0.contains_key(&id) {
            let name = &name[..name.len().min(limits::NAME)];
            self.0.insert(id, name.into());
        }
    }

    pub(super) fn name(&self, id: u32) -> Option<&[u8]> {
        self.0.get(&id).map(AsRef::as_ref)
    }
}
