//! The containers section: what runtimes said of containers.
//!
//! The same comes among the events, at the time it was said. A runtime is asked about a container when its
//! first events are past already; a reader that can seek takes all of these sections before the first
//! event and so has a name for every one.

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::event::Timestamp;

/// Body of a containers section: what came since the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerReport {
    /// The descriptions, in the order they came.
    pub descriptions: Vec<ContainerDescription>,
    /// Room for later versions.
    pub extra: Extra,
}

/// What a runtime said of a container at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerDescription {
    /// When.
    pub time: Timestamp,
    /// The container's id as it is shown.
    #[serde(with = "serde_bytes")]
    pub id: Vec<u8>,
    /// The text of a `container` event: JSON, without a NUL.
    #[serde(with = "serde_bytes")]
    pub json: Vec<u8>,
}
