//! Containers: the container of a thread, and the descriptions of containers.
//!
//! The id is in the paths of the cgroups ([`cgroups`]). Descriptions come from runtimes as JSON ([`description`]) and
//! are stored up to a limit ([`known`]).

mod cgroups;
mod description;
mod known;

pub(super) use cgroups::normalised;
pub use cgroups::{Found, container_of, user_of};
pub use description::ContainerInfo;
pub(super) use known::Known;

use std::sync::Arc;

use super::limits;
use super::thread::Text;

/// The container that a list of cgroups names. It is found once for each list, and not for each event: a list can have
/// thousands of directories.
#[derive(Debug, PartialEq, Eq)]
pub struct Located {
    /// The displayed id.
    pub id: Text,
    /// The whole id, or the name for runtimes that identify containers by name.
    pub full_id: Text,
    /// The runtime with this layout, if it is unique.
    pub runtime: Option<&'static str>,
}

/// Finds the container of threads with these cgroups; `None` = the host.
pub(super) fn locate(cgroups: Option<&[u8]>) -> Option<Arc<Located>> {
    let found = container_of(cgroups)?;
    let kept = |id: &[u8]| id[..id.len().min(limits::NAME)].into();
    let located = Located {
        id: kept(found.id()),
        full_id: kept(&found.full_id),
        runtime: found.runtime,
    };
    Some(Arc::new(located))
}
