//! Seals: signatures over all bytes of a capture before them.
//!
//! A seal names *extents*, consecutive ranges of bytes that end where its section begins, each with its hash; scap makes one for
//! each section. The hashes are the leaves of a tree (that of RFC 9162), whose root is signed together with the section of the seal.
//! So any change, move, removal or addition is found, and the extent with it is known. The meaning of the bytes
//! does not matter: a damaged capture can be sealed as it is.
//!
//! The first seal of a recording begins at the beginning of the file, and each further one at the seal before it, whose
//! tree it continues. This module knows no kind of key: see [`Signer`] and [`check_seals`].

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

use super::indexed::IndexedReader;
use super::reader::{Damages, Item};
use super::section::{HEADER_LEN, PREAMBLE_LEN, SectionHeader, SectionKind};
use super::time_stamp::TimeStamp;
use super::walk::Walk;
use super::{Extra, codec};
use crate::error::check_limit;
use crate::event::Timestamp;
use crate::{Error, Result, limits};

/// A hash, or a public key.
pub type Hash = [u8; 32];

/// A signature.
pub type Signature = [u8; 64];

const EXTENT: &str = "scap seal 1 extent";
const SECTION: &str = "scap seal 1 section";
const NODE: &str = "scap seal 1 node";
const MESSAGE: &[u8] = b"scap seal 1\n";

/// Bytes that are read at once of a file that is hashed.
const STEP: usize = 128 << 10;

/// Most extents of one seal; the last one then is the rest.
const EXTENTS: usize = 1 << 20;

/// Maximum number of keys whose seals are reported separately.
const KEYS: usize = 64;

/// Most time stamps that are looked at.
const TIME_STAMPS: usize = 64;

/// Makes signatures with an Ed25519 key.
pub trait Signer: Send {
    /// Returns the public key.
    fn key(&self) -> Hash;

    /// Signs a message.
    fn sign(&self, message: &[u8]) -> Signature;
}

/// A range of bytes and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// How many bytes.
    pub len: u64,
    /// The hash of the range: of its offset and its bytes.
    pub hash: Hash,
}

/// Body of a seal section, without the signature behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The public key, Ed25519.
    pub key: Hash,
    /// The time of sealing, by the clock of the machine that did it.
    pub time: Timestamp,
    /// What is known of the recording and of the sealing, as name and value.
    pub facts: Vec<(String, String)>,
    /// Where the first of the extents begins: 0, or the offset of the seal that this one continues.
    pub start: u64,
    /// The tree of the extents before.
    pub tree: HashTree,
    /// The extents from there to the section of the seal.
    pub extents: Vec<Extent>,
    /// Room for later versions.
    pub extra: Extra,
}

/// The hashes of extents so far, as the roots of the full trees that they form, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashTree {
    leaves: u64,
    peaks: Vec<Hash>,
}

impl HashTree {
    /// Adds a leaf.
    fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.leaves.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.leaves = self.leaves.saturating_add(1);
    }

    /// Whether there are as many trees as the number of leaves has.
    fn is_valid(&self) -> bool {
        self.peaks.len() == self.leaves.count_ones() as usize && self.leaves < 1 << 60
    }

    /// Returns the root of the whole.
    fn root(&self) -> Hash {
        let smaller = self.peaks.iter().rev().copied();
        let root = smaller.reduce(|right, left| node(&left, &right));
        root.unwrap_or_default()
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(NODE);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

fn hasher_at(context: &str, offset: u64) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(&offset.to_le_bytes());
    hasher
}

impl Seal {
    /// Decodes the body of a seal section, with the signature.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if it is none.
    pub(crate) fn parse(body: &[u8], offset: u64) -> Result<(Self, Signature)> {
        let Some((body, signature)) = body.split_last_chunk() else {
            return Err(Error::damaged(offset, "a seal without a signature"));
        };
        // Never compressed, so that a small file cannot claim millions of extents.
        Ok((codec::decode_plain(body, offset)?, *signature))
    }

    /// Returns the tree with the extents of this seal, and where these end; `None` if the seal contradicts itself.
    fn whole(&self) -> Option<(HashTree, u64)> {
        let mut tree = self.tree.clone();
        let is_empty = self.extents.iter().any(|extent| extent.len == 0);
        if is_empty || !tree.is_valid() || (tree.leaves == 0) != (self.start == 0) {
            return None;
        }
        let mut end = self.start;
        for extent in &self.extents {
            end = end.checked_add(extent.len)?;
            tree.push(extent.hash);
        }
        Some((tree, end))
    }
}

/// Returns what is signed: all of the section except its checksums and the signature, and the root of the tree.
fn message(root: &Hash, offset: u64, header: &SectionHeader, body: &[u8]) -> Vec<u8> {
    let mut hasher = hasher_at(SECTION, offset);
    hasher.update(&header.kind.0.to_le_bytes());
    hasher.update(&header.flags.to_le_bytes());
    hasher.update(&header.sequence.to_le_bytes());
    hasher.update(&header.body_len.to_le_bytes());
    hasher.update(body);
    [MESSAGE, root, hasher.finalize().as_bytes()].concat()
}

/// Signs a seal for a section at `offset`; returns the body of the section and the root.
fn signed(seal: &Seal, offset: u64, sequence: u32, signer: &dyn Signer) -> Result<(Vec<u8>, Hash)> {
    let mut body = codec::encode_plain(seal)?;
    let (tree, _) = seal.whole().unwrap_or_default();
    let root = tree.root();
    let body_len = (body.len() as u64).saturating_add(size_of::<Signature>() as u64);
    let header = seal_header(sequence, body_len, 0);
    let signature = signer.sign(&message(&root, offset, &header, &body));
    body.extend_from_slice(&signature);
    Ok((body, root))
}

const fn seal_header(sequence: u32, body_len: u64, body_crc: u32) -> SectionHeader {
    SectionHeader {
        kind: SectionKind::SEAL,
        flags: SectionKind::SEAL.flags(),
        sequence,
        body_len,
        body_crc,
    }
}

/// Hashes a capture as it is written, for the next seal.
#[derive(Debug, Default)]
pub(crate) struct Unsealed {
    start: u64,
    tree: HashTree,
    extents: Vec<Extent>,
    has_seal: bool,
}

impl Unsealed {
    /// Adds an extent, which begins at `offset`, in parts.
    pub(crate) fn add(&mut self, offset: u64, parts: &[&[u8]]) {
        let mut hasher = hasher_at(EXTENT, offset);
        let mut len = 0u64;
        for part in parts {
            hasher.update(part);
            len = len.saturating_add(part.len() as u64);
        }
        let hash = hasher.finalize().into();
        self.extents.push(Extent { len, hash });
    }

    /// Whether anything but a seal follows the last seal.
    pub(crate) fn is_any(&self) -> bool {
        self.extents.len() > usize::from(self.has_seal)
    }

    /// Returns the body of a seal section at `offset` over what was added, and the root. The section is to be
    /// added next.
    pub(crate) fn seal(
        &mut self,
        (offset, sequence): (u64, u32),
        (time, facts): (Timestamp, &[(String, String)]),
        signer: &dyn Signer,
    ) -> Result<(Vec<u8>, Hash)> {
        let seal = Seal {
            key: signer.key(),
            time,
            facts: facts.to_vec(),
            start: self.start,
            tree: std::mem::take(&mut self.tree),
            extents: std::mem::take(&mut self.extents),
            extra: Extra::new(),
        };
        self.tree = seal.whole().unwrap_or_default().0;
        self.start = offset;
        self.has_seal = true;
        signed(&seal, offset, sequence, signer)
    }
}

/// A section to be appended to a file: a seal over all of it, or a time stamp.
#[derive(Debug)]
pub struct NewSection {
    /// The section.
    pub bytes: Vec<u8>,
    /// The root of the tree.
    pub root: Hash,
    /// Length of the file that it is for.
    pub offset: u64,
}

/// Seals a capture as it is, also a damaged one.
///
/// # Errors
///
/// Those of [`super::section::parse_preamble`]; [`Error::Io`].
pub fn seal_file<R: Read + Seek>(
    input: R,
    (time, facts): (Timestamp, &[(String, String)]),
    signer: &dyn Signer,
) -> Result<NewSection> {
    let mut reader = IndexedReader::unopened(input)?;
    let Behind {
        places,
        sequence,
        cut_end,
    } = Behind::find(&mut reader)?;
    let (offset, tag) = (reader.file_len(), reader.tag());
    let mut seal = Seal {
        key: signer.key(),
        time,
        facts: facts.to_vec(),
        ..Seal::default()
    };
    let mut at = 0;
    for next in places.into_iter().skip(1) {
        let len = next.saturating_sub(at);
        let hash = reader.hash(at, len)?;
        seal.extents.push(Extent { len, hash });
        at = next;
    }
    loop {
        let (body, root) = signed(&seal, offset, sequence, signer)?;
        let header = seal_header(sequence, body.len() as u64, crc32fast::hash(&body));
        let bytes = [header.encode(tag).as_slice(), &body].concat();
        // A reader takes a section whose end is that of the file as a whole one, and does not search it for others.
        if cut_end == Some(offset.saturating_add(bytes.len() as u64)) {
            seal.facts.push(("padding".to_owned(), String::new()));
            continue;
        }
        return Ok(NewSection {
            bytes,
            root,
            offset,
        });
    }
}

/// Returns a section with a time stamp, to be appended to a file.
///
/// # Errors
///
/// As [`seal_file`]; [`Error::Limit`] for a token that no reader accepts.
pub fn append_time_stamp<R: Read + Seek>(input: R, stamp: &TimeStamp) -> Result<NewSection> {
    let mut reader = IndexedReader::unopened(input)?;
    let sequence = Behind::find(&mut reader)?.sequence;
    let body = stamp.encode()?;
    let header = SectionHeader {
        kind: SectionKind::TIME_STAMP,
        flags: SectionKind::TIME_STAMP.flags(),
        sequence,
        body_len: body.len() as u64,
        body_crc: crc32fast::hash(&body),
    };
    Ok(NewSection {
        bytes: [header.encode(reader.tag()).as_slice(), &body].concat(),
        root: stamp.root,
        offset: reader.file_len(),
    })
}

/// What has to be known of a file to append to it.
struct Behind {
    /// Where extents of a seal begin and end.
    places: Vec<u64>,
    /// The number of the next section.
    sequence: u32,
    /// Where the last section, which is cut off, would end.
    cut_end: Option<u64>,
}

impl Behind {
    fn find<R: Read + Seek>(reader: &mut IndexedReader<R>) -> Result<Self> {
        let len = reader.file_len();
        let mut places = vec![0, PREAMBLE_LEN as u64];
        let mut sequence = 0;
        let mut end = PREAMBLE_LEN as u64;
        reader.walk(&mut Walk::default(), &mut |_, _, place| {
            end = place.end();
            for at in [place.offset, end] {
                if places.last() != Some(&at) && places.len() < EXTENTS {
                    places.push(at);
                }
            }
            sequence = place.header.sequence.wrapping_add(1);
            Ok(())
        })?;
        let cut_end = match end < len {
            true => reader.end_of_section(end)?,
            false => None,
        };
        places.retain(|at| *at < len);
        places.push(len);
        Ok(Self {
            places,
            sequence,
            cut_end,
        })
    }
}

/// What the seals by one key prove.
#[derive(Clone, Debug)]
pub struct SealedBy {
    /// The public key.
    pub key: Hash,
    /// How many seals there are with a valid signature.
    pub seals: u64,
    /// The bytes from the beginning of the file to here are sealed.
    pub sealed_to: u64,
    /// The last of the seals, without its extents.
    pub last: Seal,
    /// The root of its tree.
    pub root: Hash,
    /// Where its section is.
    pub offset: u64,
    /// The tree so far.
    tree: HashTree,
}

/// What is known from the seals of a capture.
#[derive(Clone, Debug, Default)]
pub struct SealCheck {
    /// The keys, in the order of their first seals.
    pub keys: Vec<SealedBy>,
    /// The time stamps of valid seals; what they say is not looked at.
    pub time_stamps: Vec<TimeStamp>,
    /// What contradicts the seals.
    pub damages: Damages,
}

/// Compares all sealed bytes of a capture with its seals. `is_signature` says whether a signature by a key is that of a message.
///
/// # Errors
///
/// [`Error::Io`]. Damage is not an error.
pub fn check_seals<R: Read + Seek>(
    reader: &mut IndexedReader<R>,
    is_signature: &dyn Fn(&Hash, &[u8], &Signature) -> bool,
) -> Result<SealCheck> {
    let others = reader.index().others.iter();
    let offsets = others.filter(|s| s.kind() == SectionKind::SEAL);
    let offsets: Vec<u64> = offsets.map(|s| s.offset).collect();
    let others = reader.index().others.iter();
    let stamps = others.filter(|s| s.kind() == SectionKind::TIME_STAMP);
    let stamps: Vec<u64> = stamps.map(|s| s.offset).take(TIME_STAMPS).collect();
    let mut check = SealCheck::default();
    let mut hashes = Hashes {
        left: reader.file_len().saturating_mul(limits::RESCANS),
        ..Hashes::default()
    };
    for offset in offsets {
        if let Err(error) = check_seal(reader, offset, is_signature, &mut check, &mut hashes) {
            check.damages.note(error, offset)?;
        }
    }
    for offset in stamps {
        match reader.item(offset, SectionKind::TIME_STAMP) {
            Ok(Item::TimeStamp(stamp)) if hashes.roots.contains(&stamp.root) => {
                check.time_stamps.push(*stamp);
            }
            Ok(_) => check.damages.add(offset, "a time stamp of no seal"),
            Err(error) => check.damages.note(error, offset)?,
        }
    }
    for offset in hashes.wrong {
        let what = "these bytes were changed after sealing";
        check.damages.add(offset, what);
    }
    Ok(check)
}

/// Hashes of extents by offset and length: seals by several keys are mostly over the same ones.
#[derive(Default)]
struct Hashes {
    known: HashMap<(u64, u64), Hash>,
    /// How many bytes may still be hashed: seals can overlap as often as there are seals.
    left: u64,
    /// Where extents begin that are not what was sealed.
    wrong: BTreeSet<u64>,
    /// The roots of valid seals.
    roots: HashSet<Hash>,
}

fn check_seal<R: Read + Seek>(
    reader: &mut IndexedReader<R>,
    offset: u64,
    is_signature: &dyn Fn(&Hash, &[u8], &Signature) -> bool,
    check: &mut SealCheck,
    hashes: &mut Hashes,
) -> Result<()> {
    let wrong = |what| Error::damaged(offset, what);
    let (header, body) = reader.section_at(offset, SectionKind::SEAL)?;
    let (seal, signature) = Seal::parse(&body, offset)?;
    let signed = body.len().saturating_sub(signature.len());
    let Some((tree, end)) = seal.whole() else {
        return Err(wrong("a seal contradicts itself"));
    };
    let root = tree.root();
    let signed = message(&root, offset, &header, body.get(..signed).unwrap_or(&[]));
    if !is_signature(&seal.key, &signed, &signature) {
        return Err(wrong("the signature of a seal is wrong"));
    }
    if end != offset {
        return Err(wrong("a seal is of another place"));
    }
    hashes.roots.insert(root);
    let mut at = seal.start;
    for Extent { len, hash } in &seal.extents {
        let known = hashes.known.get(&(at, *len)).copied();
        let found = match known {
            Some(found) => found,
            None => {
                hashes.left = hashes.left.checked_sub(*len).ok_or(wrong(
                    "there are more seals over the same bytes than are checked",
                ))?;
                let found = reader.hash(at, *len)?;
                hashes.known.insert((at, *len), found);
                found
            }
        };
        if found != *hash {
            hashes.wrong.insert(at);
        }
        at = at.saturating_add(*len);
    }
    let sealed_to = offset
        .saturating_add(HEADER_LEN as u64)
        .saturating_add(body.len() as u64);
    let place = check.keys.iter().position(|by| by.key == seal.key);
    let mut last = seal;
    last.extents = Vec::new();
    let Some(by) = place.and_then(|place| check.keys.get_mut(place)) else {
        check_limit(
            "the number of keys of seals",
            check.keys.len() as u64,
            (KEYS as u64).saturating_sub(1),
        )?;
        let is_first = last.start == 0;
        check.keys.push(SealedBy {
            key: last.key,
            seals: 1,
            sealed_to: if is_first { sealed_to } else { 0 },
            last,
            root,
            offset,
            tree,
        });
        return match is_first {
            true => Ok(()),
            false => Err(wrong(
                "no intact seal covers what is before this seal's part",
            )),
        };
    };
    let is_next = last.start == by.offset && last.tree == by.tree;
    let continues = last.start == 0 || (is_next && by.sealed_to > by.offset);
    if continues {
        by.sealed_to = by.sealed_to.max(sealed_to);
    }
    by.seals = by.seals.saturating_add(1);
    (by.last, by.root, by.offset, by.tree) = (last, root, offset, tree);
    match continues {
        true => Ok(()),
        false => Err(wrong(
            "no intact seal covers what is before this seal's part",
        )),
    }
}

impl<R: Read + Seek> IndexedReader<R> {
    /// Hashes a range of bytes; what is beyond the end of the file is missing.
    fn hash(&mut self, offset: u64, len: u64) -> Result<Hash> {
        let mut hasher = hasher_at(EXTENT, offset);
        let input = self.input();
        input.seek(SeekFrom::Start(offset))?;
        let step = usize::try_from(len).unwrap_or(STEP).min(STEP);
        let mut buffer = vec![0; step];
        let mut rest = input.take(len);
        loop {
            match rest.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finalize().into()),
                Ok(read) => {
                    hasher.update(buffer.get(..read).unwrap_or(&[]));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root by the definition of RFC 9162, section 2.1.1.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::default(),
            [leaf] => *leaf,
            _ => {
                let half = leaves.len().next_power_of_two() / 2;
                node(&defined(&leaves[..half]), &defined(&leaves[half..]))
            }
        }
    }

    #[test]
    fn the_tree_is_that_of_the_rfc() {
        let mut tree = HashTree::default();
        let mut leaves = Vec::new();
        for nr in 0..70u8 {
            assert!(tree.is_valid());
            assert_eq!(tree.root(), defined(&leaves));
            let leaf = [nr; 32];
            leaves.push(leaf);
            tree.push(leaf);
        }
    }
}
