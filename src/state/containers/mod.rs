//! Containers: which one a thread is in, and what is known about them.
//!
//! The id is in the paths of the cgroups ([`cgroups`]). What a runtime says of a container comes as JSON
//! ([`description`]) and is kept within bounds ([`known`]).

mod cgroups;
mod description;
mod known;

pub(super) use cgroups::normalised;
pub use cgroups::{Found, container_of, runtime_of, user_of};
pub use description::ContainerInfo;
pub(super) use known::Known;

use super::limits;
use super::thread::Text;

/// Finds the id of the container that a thread with these cgroups is in; `None` = the host.
pub(super) fn id_of(cgroups: Option<&[u8]>) -> Option<Text> {
    let found = container_of(cgroups)?;
    let id = found.id();
    Some(id[..id.len().min(limits::NAME)].into())
}
