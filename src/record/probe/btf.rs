//! Reads the running kernel's type information: where it keeps the fields that the probe needs.
//!
//! Layout: linux v6.12 Documentation/bpf/btf.rst. Only structures, unions, typedefs, modifiers and
//! enumerations are understood, the rest is skipped by size. The bytes come from the kernel, but
//! are still checked: a wrong offset would make the probe lie.

use std::collections::HashMap;

/// What is wrong with type information.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes do not follow the format.
    #[error("the kernel's type information is malformed: {0}")]
    Malformed(&'static str),
}

const MAGIC: u16 = 0xeb9f;
/// Members and modifiers that are followed to find a field.
const MAX_DEPTH: u32 = 16;

const KIND_INT: u32 = 1;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;

/// The kernel's types, indexed by name.
pub(crate) struct Btf {
    data: Vec<u8>,
    strings: usize,
    strings_end: usize,
    /// Byte position of each type; index = type id, 0 = void.
    types: Vec<usize>,
    /// Structures and unions by name.
    named: HashMap<Vec<u8>, u32>,
}

struct Type {
    name: u32,
    kind: u32,
    count: u32,
    bit_offsets: bool,
    /// Size in bytes, or the type it refers to.
    size_or_type: u32,
    /// Where what follows the fixed part begins.
    body: usize,
}

impl Btf {
    /// Reads the running kernel's types.
    pub(crate) fn from_kernel(path: &str) -> Result<Self, BtfError> {
        let data = std::fs::read(path).map_err(|source| BtfError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(data)
    }

    /// Takes type information apart.
    pub(crate) fn parse(data: Vec<u8>) -> Result<Self, BtfError> {
        let short = BtfError::Malformed("it is cut short");
        let magic = data.get(..2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        if magic != Some(MAGIC) {
            return Err(BtfError::Malformed("wrong magic number"));
        }
        let word = |at: usize| read_u32(&data, at);
        let (Some(header), Some(type_off), Some(type_len), Some(str_off), Some(str_len)) =
            (word(4), word(8), word(12), word(16), word(20))
        else {
            return Err(short);
        };
        let start = header as usize + type_off as usize;
        let end = start + type_len as usize;
        let strings = header as usize + str_off as usize;
        let strings_end = strings + str_len as usize;
        if end > data.len() || strings_end > data.len() {
            return Err(short);
        }
        let mut btf = Self {
            data,
            strings,
            strings_end,
            types: vec![0],
            named: HashMap::new(),
        };
        let mut at = start;
        while at < end {
            let entry = btf
                .type_at(at)
                .ok_or(BtfError::Malformed("a type is cut short"))?;
            let count = entry.count as usize;
            let body = match entry.kind {
                KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
                KIND_ARRAY => 12,
                KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => 12 * count,
                KIND_ENUM | KIND_FUNC_PROTO => 8 * count,
                KIND_TYPE_TAG | 2 | KIND_TYPEDEF..=12 | 7 | 16 => 0,
                _ => return Err(BtfError::Malformed("an unknown kind of type")),
            };
            let id = btf.types.len() as u32;
            if matches!(entry.kind, KIND_STRUCT | KIND_UNION) && entry.name != 0 {
                let name = btf.string(entry.name).to_vec();
                btf.named.entry(name).or_insert(id);
            }
            btf.types.push(at);
            at = entry.body + body;
        }
        Ok(btf)
    }

    /// Byte offset of `structure.member.member`; anonymous members are looked through.
    pub(crate) fn offset(&self, path: &str) -> Option<u32> {
        let mut parts = path.split('.');
        let mut id = *self.named.get(parts.next()?.as_bytes())?;
        let mut bits = 0u32;
        for part in parts {
            let (offset, member) = self.member(id, part.as_bytes(), 0)?;
            bits = bits.checked_add(offset)?;
            id = member;
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// Whether programs can be attached to a tracepoint: the kernel names its type after it.
    pub(crate) fn has_tracepoint(&self, name: &str) -> bool {
        let is_its = |entry: Type| {
            entry.kind == KIND_TYPEDEF
                && self.string(entry.name).strip_prefix(b"btf_trace_") == Some(name.as_bytes())
        };
        (1..self.types.len() as u32).any(|id| self.get(id).is_some_and(is_its))
    }

    /// Size in bytes of a structure.
    pub(crate) fn size(&self, name: &str) -> Option<u32> {
        let id = *self.named.get(name.as_bytes())?;
        Some(self.get(id)?.size_or_type)
    }

    /// Whether the field is an array.
    pub(crate) fn is_array(&self, path: &str) -> bool {
        let mut parts = path.split('.');
        let Some(first) = parts.next() else {
            return false;
        };
        let mut id = self.named.get(first.as_bytes()).copied();
        for part in parts {
            id = id
                .and_then(|id| self.member(id, part.as_bytes(), 0))
                .map(|(_, member)| member);
        }
        id.and_then(|id| self.resolve(id))
            .and_then(|id| self.get(id))
            .is_some_and(|entry| entry.kind == KIND_ARRAY)
    }

    /// Value of a constant of any enumeration.
    pub(crate) fn enumerator(&self, name: &str) -> Option<u32> {
        for id in 1..self.types.len() as u32 {
            let entry = self.get(id)?;
            if entry.kind != KIND_ENUM {
                continue;
            }
            for index in 0..entry.count as usize {
                let at = entry.body + 8 * index;
                if self.string(read_u32(&self.data, at)?) == name.as_bytes() {
                    return read_u32(&self.data, at + 4);
                }
            }
        }
        None
    }

    fn member(&self, id: u32, name: &[u8], depth: u32) -> Option<(u32, u32)> {
        if depth > MAX_DEPTH {
            return None;
        }
        let entry = self.get(self.resolve(id)?)?;
        if !matches!(entry.kind, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        for index in 0..entry.count as usize {
            let at = entry.body + 12 * index;
            let member_name = read_u32(&self.data, at)?;
            let member_type = read_u32(&self.data, at + 4)?;
            let mut offset = read_u32(&self.data, at + 8)?;
            if entry.bit_offsets {
                // The rest is the width of a bit field: it is found if it begins a byte.
                offset &= 0xff_ffff;
            }
            if member_name == 0 {
                if let Some((inner, found)) = self.member(member_type, name, depth + 1) {
                    return Some((offset.checked_add(inner)?, found));
                }
            } else if self.string(member_name) == name {
                return Some((offset, member_type));
            }
        }
        None
    }

    /// Follows typedefs and modifiers.
    fn resolve(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            let entry = self.get(id)?;
            match entry.kind {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => {
                    id = entry.size_or_type;
                }
                _ => return Some(id),
            }
        }
        None
    }

    fn get(&self, id: u32) -> Option<Type> {
        if id == 0 {
            return None;
        }
        self.type_at(*self.types.get(id as usize)?)
    }

    fn type_at(&self, at: usize) -> Option<Type> {
        let info = read_u32(&self.data, at + 4)?;
        Some(Type {
            name: read_u32(&self.data, at)?,
            kind: (info >> 24) & 0x1f,
            count: info & 0xffff,
            bit_offsets: info >> 31 != 0,
            size_or_type: read_u32(&self.data, at + 8)?,
            body: at + 12,
        })
    }

    fn string(&self, offset: u32) -> &[u8] {
        let start = (self.strings + offset as usize).min(self.strings_end);
        let rest = &self.data[start..self.strings_end];
        let end = rest
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(rest.len());
        &rest[..end]
    }
}

fn read_u32(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}
