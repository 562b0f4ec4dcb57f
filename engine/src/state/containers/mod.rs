//! Containers: the container of a thread, and the descriptions of containers.
//!
//! The id is in the paths of the cgroups ([`cgroups`]). Descriptions come from runtimes as JSON ([`description`]) and
//! are stored up to a limit ([`known`]).

mod cgroups;
mod description;
mod known;

pub(super) use cgroups::normalised;
pub use cgroups::{Found, container_of, runtime_of, user_of};
pub use description::ContainerInfo;
pub(super) use known::Known;

use super::limits;
use super::thread::Text;

/// Returns the id of the container of a thread with these cgroups; `None` = the host.
pub(super) fn id_of(cgroups: Option<&[u8]>) -> Option<Text> {
    let found = container_of(cgroups)?;
    let id = found.id();
    Some(id[..id.len().min(limits::NAME)].into())
}
