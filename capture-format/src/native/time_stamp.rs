//! Time stamps of seals: somebody else's word that the sealed bytes existed at a time (RFC 3161).

use serde::{Deserialize, Serialize};

use super::seal::Hash;
use super::{Extra, codec};
use crate::Result;

/// Body of a time stamp section. The token is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeStamp {
    /// The root of the seal that is stamped.
    pub root: Hash,
    /// The answer of the time-stamping authority (`TimeStampResp`, DER).
    #[serde(with = "serde_bytes")]
    pub response: Vec<u8>,
    /// Room for later versions.
    pub extra: Extra,
}

impl TimeStamp {
    /// Decodes the body of a section.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Damaged`] if it is none.
    pub(crate) fn parse(body: &[u8], offset: u64) -> Result<Self> {
        codec::decode_plain(body, offset)
    }

    /// Returns the body of a section. It is never compressed.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Limit`] if it is too large.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        codec::encode_plain(self)
    }
}
