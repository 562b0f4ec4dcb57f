//! Users and groups by id: those of the host, and those reported for containers.

use hashbrown::HashMap;

use super::limits;
use super::thread::Text;

/// A user, or a group, which only has a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: Text,
    /// Home directory.
    pub home: Text,
    /// Login shell.
    pub shell: Text,
    /// Primary group; all ones if not known.
    pub gid: u32,
}

/// Users, or groups, by container (`None` for the host) and id.
#[derive(Debug, Default)]
pub(super) struct Users {
    host: HashMap<u32, User>,
    containers: HashMap<Text, HashMap<u32, User>>,
    count: usize,
}

impl Users {
    pub(super) fn add(&mut self, container: Option<&[u8]>, id: u32, user: User) {
        if self.count >= limits::USERS && self.get(container, id).is_none() {
            return;
        }
        let table = match container {
            None => &mut self.host,
            Some(container) => self.containers.entry_ref(container).or_default(),
        };
        if table.insert(id, user).is_none() {
            self.count += 1;
        }
    }

    pub(super) fn remove(&mut self, container: Option<&[u8]>, id: u32) {
        let table = match container {
            None => Some(&mut self.host),
            Some(container) => self.containers.get_mut(container),
        };
        if table.and_then(|t| t.remove(&id)).is_some() {
            self.count -= 1;
        }
    }

    pub(super) fn get(&self, container: Option<&[u8]>, id: u32) -> Option<&User> {
        match container {
            None => self.host.get(&id),
            Some(container) => self.containers.get(container)?.get(&id),
        }
    }

    /// Iterates over all entries: container, id, user.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Option<&Text>, u32, &User)> {
        let host = self.host.iter().map(|(id, user)| (None, *id, user));
        let others = self.containers.iter();
        host.chain(others.flat_map(|(container, table)| {
            table
                .iter()
                .map(move |(id, user)| (Some(container), *id, user))
        }))
    }
}

/// Truncates a text of a user to the limit.
pub(super) fn cut(text: &[u8]) -> Text {
    text[..text.len().min(limits::NAME)].into()
}
