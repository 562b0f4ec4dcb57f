//! Names of a chunk's threads: fingerprints in the summary, by which a reader finds out that a name does not occur.

use crate::native::varint;

/// Number of the entry in the summary's `extra`.
pub(crate) const EXTRA: u32 = 2;

/// The first byte of the entry. Another one is needed as soon as a later writer or reader derives other names from the same
/// events: readers ignore entries of other schemes.
const SCHEME: u8 = 1;

/// Most fingerprints of a chunk; with more names there is no entry.
const MOST: usize = 2048;

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A thread.
    Thread = 0,
    /// The executable of its process, with its path.
    Executable = 1,
    /// Its container, as displayed; `host` outside of containers.
    Container = 2,
}

impl NameKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Thread, Self::Executable, Self::Container];

    /// Returns the fingerprint of a name: the CRC-32 of the number of its kind, as one byte, and the name.
    pub fn fingerprint(self, name: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[self as u8]);
        hasher.update(name);
        hasher.finalize()
    }
}

/// The names of an event's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names<'a> {
    /// A reader can know some that the writer does not.
    Unknown,
    /// The event has no thread.
    None,
    /// By [`NameKind`]; `None` = it has none of the kind.
    Some([Option<&'a [u8]>; 3]),
}

/// Collects the fingerprints of a chunk.
#[derive(Debug, Default)]
pub(super) struct NameSet {
    /// Sorted.
    fingerprints: Vec<u32>,
    /// The names of the last event with a thread, which mostly are those of the next one as well.
    last: [Option<Vec<u8>>; 3],
    is_unknown: bool,
}

impl NameSet {
    pub(super) fn clear(&mut self) {
        self.fingerprints.clear();
        self.is_unknown = false;
        self.last = [None, None, None];
    }

    #[inline]
    pub(super) fn add(&mut self, names: Names<'_>) {
        let names = match names {
            Names::Some(names) => names,
            Names::None => return,
            Names::Unknown => {
                self.is_unknown = true;
                return;
            }
        };
        for (kind, (name, last)) in NameKind::ALL.iter().zip(names.iter().zip(&mut self.last)) {
            let Some(name) = *name else {
                continue;
            };
            if last.as_deref() == Some(name) {
                continue;
            }
            let last = last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(name);
            let fingerprint = kind.fingerprint(name);
            if let Err(place) = self.fingerprints.binary_search(&fingerprint) {
                match self.fingerprints.len() < MOST {
                    true => self.fingerprints.insert(place, fingerprint),
                    false => self.is_unknown = true,
                }
            }
        }
    }

    /// Encodes the entry; `None` if a name can be missing.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        if self.is_unknown {
            return None;
        }
        let mut out = vec![SCHEME];
        let mut last = 0;
        for fingerprint in &self.fingerprints {
            varint::push(&mut out, u64::from(fingerprint.wrapping_sub(last)));
            last = *fingerprint;
        }
        Some(out)
    }
}

/// The fingerprints of a chunk's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkNames(Vec<u32>);

impl ChunkNames {
    /// Decodes the entry; `None` if it is of another scheme, or wrong.
    pub(super) fn decode(entry: &[u8]) -> Option<Self> {
        let (&SCHEME, mut rest) = entry.split_first()? else {
            return None;
        };
        let mut fingerprints = Vec::new();
        let mut last = 0_u32;
        while !rest.is_empty() {
            let step = u32::try_from(varint::take(&mut rest)?).ok()?;
            if fingerprints.len() == MOST {
                return None;
            }
            last = last.checked_add(step)?;
            fingerprints.push(last);
        }
        Some(Self(fingerprints))
    }

    /// Returns false if no event of the chunk is of a thread with a name of this fingerprint. The rate of false positives is
    /// 2^-32 for each fingerprint of the chunk.
    pub fn may_contain(&self, fingerprint: u32) -> bool {
        self.0.binary_search(&fingerprint).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(comm: &str) -> Names<'_> {
        Names::Some([Some(comm.as_bytes()), Some(b"/bin/x"), None])
    }

    #[test]
    fn names_come_back() {
        let mut set = NameSet::default();
        for name in [of("a"), of("b"), Names::None, of("a"), of("")] {
            set.add(name);
        }
        let found = ChunkNames::decode(&set.encode().unwrap()).unwrap();
        assert_eq!(found.0.len(), 4);
        for name in ["a", "b", ""] {
            assert!(found.may_contain(NameKind::Thread.fingerprint(name.as_bytes())));
        }
        assert!(found.may_contain(NameKind::Executable.fingerprint(b"/bin/x")));
        assert!(!found.may_contain(NameKind::Thread.fingerprint(b"/bin/x")));
        assert!(!found.may_contain(NameKind::Container.fingerprint(b"host")));
        set.clear();
        set.add(of("c"));
        let found = ChunkNames::decode(&set.encode().unwrap()).unwrap();
        assert!(!found.may_contain(NameKind::Thread.fingerprint(b"a")));
    }

    #[test]
    fn what_is_not_known_has_no_entry() {
        let mut set = NameSet::default();
        set.add(Names::Unknown);
        assert_eq!(set.encode(), None);
        set.clear();
        for number in 0..MOST {
            set.add(of(&number.to_string()));
        }
        assert_eq!(set.encode(), None);
        for wrong in [
            &[][..],
            &[2, 1],
            &[1, 0x80],
            &[1, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ] {
            assert_eq!(ChunkNames::decode(wrong), None, "{wrong:?}");
        }
    }
}
