//! The containers section: descriptions of containers from runtimes.
//!
//! Each description is also an event, at the time of its arrival. A runtime is asked about a container only after the
//! container's first events; a reader that can seek reads all of these sections before the first event, so that
//! every event has the name of its container.

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::event::Timestamp;

/// Body of a containers section: the descriptions since the previous one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerReport {
    /// The descriptions, in order of arrival.
    pub descriptions: Vec<ContainerDescription>,
    /// Room for later versions.
    pub extra: Extra,
}

/// A description of a container at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerDescription {
    /// Time of arrival.
    pub time: Timestamp,
    /// The displayed id of the container.
    #[serde(with = "serde_bytes")]
    pub id: Vec<u8>,
    /// The text of a `container` event: JSON, without a NUL.
    #[serde(with = "serde_bytes")]
    pub json: Vec<u8>,
}
