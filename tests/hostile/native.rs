//! Native captures that lie: any change, with all checksums right.

use crate::random::Random;
use crate::value::{self, HEAD, Value};

pub(crate) const PREAMBLE: usize = 16;
pub(crate) const HEADER: usize = 32;
const MARKER: [u8; 8] = [0xd5, 0x1e, 0xa7, 0x9c, 0x42, 0xf0, 0x6b, 0x83];

pub(crate) const HEADER_KIND: u16 = 1;
pub(crate) const SNAPSHOT: u16 = 2;
pub(crate) const CHUNK: u16 = 3;
pub(crate) const INDEX: u16 = 5;
pub(crate) const FOOTER: u16 = 6;

fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = flate2::Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum()
}

/// A section.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) body: Vec<u8>,
    /// Instead of the position in the file.
    pub(crate) sequence: Option<u32>,
    /// Instead of the length of the body.
    pub(crate) len: Option<u64>,
}

impl Section {
    pub(crate) fn new(kind: u16, body: Vec<u8>) -> Self {
        Self {
            kind,
            flags: u16::from(matches!(kind, HEADER_KIND | SNAPSHOT | CHUNK)),
            body,
            sequence: None,
            len: None,
        }
    }

    /// Returns the metadata; `None` for chunks, the footer and unknown kinds.
    pub(crate) fn value(&self) -> Option<Value> {
        let layout = value::of_kind(self.kind)?;
        let raw = match self.body.first()? {
            0 => self.body.get(5..)?.to_vec(),
            _ => zstd::stream::decode_all(self.body.get(5..)?).ok()?,
        };
        Value::decode(layout, &mut &*raw)
    }

    /// Sets the metadata.
    pub(crate) fn set(&mut self, value: &Value) {
        let mut raw = Vec::new();
        value.encode(&mut raw);
        self.body = pack(&raw);
    }
}

/// Encodes the body of a metadata section.
pub(crate) fn pack(raw: &[u8]) -> Vec<u8> {
    let packed = zstd::bulk::compress(raw, 3).unwrap();
    let how = u8::from(packed.len() < raw.len());
    let mut body = vec![how];
    body.extend_from_slice(&u32::try_from(raw.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend_from_slice(if how == 1 { &packed } else { raw });
    body
}

/// A chunk: its head, and its streams before compression.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) head: Value,
    /// Class, id, bytes.
    pub(crate) streams: Vec<(u8, u64, Vec<u8>)>,
}

impl Chunk {
    pub(crate) fn of(section: &Section) -> Option<Self> {
        let body = &section.body;
        let len = u32::from_le_bytes(body.get(..4)?.try_into().ok()?) as usize;
        let mut head = Value::decode(HEAD, &mut body.get(8..8 + len)?)?;
        let mut at = 8 + len;
        let mut frames = Vec::new();
        for frame in head.at(&[2]).items() {
            let Value::Struct(fields) = frame else {
                return None;
            };
            let [Value::Byte(codec), _, Value::Uint(stored)] = fields[..] else {
                return None;
            };
            let stored = usize::try_from(stored).ok()?;
            let bytes = body.get(at..at.checked_add(stored)?)?;
            at += stored;
            frames.push(match codec {
                0 => bytes.to_vec(),
                _ => zstd::stream::decode_all(bytes).ok()?,
            });
        }
        let mut streams = Vec::new();
        let mut used = vec![0; frames.len()];
        for stream in head.at(&[3]).items() {
            let Value::Struct(fields) = stream else {
                return None;
            };
            let [
                Value::Byte(class),
                Value::Uint(id),
                Value::Uint(frame),
                Value::Uint(len),
            ] = fields[..]
            else {
                return None;
            };
            let frame = usize::try_from(frame).ok()?;
            let from: usize = *used.get(frame)?;
            let to = from.checked_add(usize::try_from(len).ok()?)?;
            streams.push((class, id, frames.get(frame)?.get(from..to)?.to_vec()));
            used[frame] = to;
        }
        Some(Self { head, streams })
    }

    /// Encodes the chunk with a frame for each stream. The summary's sizes are made right, so that only what was changed is
    /// wrong.
    pub(crate) fn body(&self) -> Vec<u8> {
        self.encode(true)
    }

    /// Encodes the chunk with the sizes that its summary says.
    pub(crate) fn body_with_sizes(&self) -> Vec<u8> {
        self.encode(false)
    }

    fn encode(&self, repair_sizes: bool) -> Vec<u8> {
        let mut head = self.head.clone();
        let (mut frames, mut streams, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        let mut sizes = [0_u64; 6];
        for (at, (class, id, raw)) in self.streams.iter().enumerate() {
            let packed = zstd::bulk::compress(raw, 1).unwrap();
            let codec = u8::from(packed.len() < raw.len());
            let stored = if codec == 1 { &packed } else { raw };
            let of_class = 2 * usize::from((*class).min(2));
            sizes[of_class] += stored.len() as u64;
            sizes[of_class + 1] += raw.len() as u64;
            let uint = |n: usize| Value::Uint(n as u64);
            frames.push(Value::Struct(vec![
                Value::Byte(codec),
                uint(raw.len()),
                uint(stored.len()),
            ]));
            let stream = vec![
                Value::Byte(*class),
                Value::Uint(*id),
                uint(at),
                uint(raw.len()),
            ];
            streams.push(Value::Struct(stream));
            bytes.extend_from_slice(stored);
        }
        for (at, size) in sizes.into_iter().enumerate().filter(|_| repair_sizes) {
            *head.at(&[0, 10 + at]) = Value::Uint(size);
        }
        *head.at(&[2]) = Value::List(frames);
        *head.at(&[3]) = Value::List(streams);
        with_head(&head, &bytes)
    }
}

/// Encodes the body of a chunk from its head and its frames.
fn with_head(head: &Value, frames: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    head.encode(&mut encoded);
    let len = u32::try_from(encoded.len()).unwrap();
    let crc = crc(&[&encoded]).to_le_bytes();
    [&len.to_le_bytes()[..], &crc, &encoded, frames].concat()
}

/// A capture as its sections.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) preamble: Vec<u8>,
    pub(crate) sections: Vec<Section>,
}

impl File {
    /// Splits an intact capture.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut sections = Vec::new();
        let mut rest = &bytes[PREAMBLE..];
        while !rest.is_empty() {
            let number = |at: usize, len: usize| {
                let mut le = [0; 8];
                le[..len].copy_from_slice(&rest[at..at + len]);
                u64::from_le_bytes(le)
            };
            let len = usize::try_from(number(16, 8)).unwrap();
            sections.push(Section {
                kind: u16::try_from(number(8, 2)).unwrap(),
                flags: u16::try_from(number(10, 2)).unwrap(),
                body: rest[HEADER..HEADER + len].to_vec(),
                sequence: None,
                len: None,
            });
            rest = &rest[HEADER + len..];
        }
        Self {
            preamble: bytes[..PREAMBLE].to_vec(),
            sections,
        }
    }

    /// Returns the bytes, with right checksums.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.preamble.clone();
        for (at, section) in self.sections.iter().enumerate() {
            out.extend(header(&self.preamble[12..16], section, at));
            out.extend_from_slice(&section.body);
        }
        out
    }

    /// Removes the schema from the header, which is most of a small capture, and of the time to read it.
    pub(crate) fn without_schema(mut self) -> Self {
        let header = &mut self.sections[0];
        let mut value = header.value().unwrap();
        for list in 0..4 {
            *value.at(&[5, list]) = Value::List(Vec::new());
        }
        header.set(&value);
        self.repair_index();
        self
    }

    /// Returns the positions of sections of a kind.
    pub(crate) fn all(&self, kind: u16) -> Vec<usize> {
        let all = self.sections.iter().enumerate();
        all.filter(|(_, s)| s.kind == kind)
            .map(|(at, _)| at)
            .collect()
    }

    /// Makes index and footer those of the sections.
    pub(crate) fn repair_index(&mut self) {
        let Some(index) = self.all(INDEX).first().copied() else {
            return;
        };
        let Some(mut value) = self.sections[index].value() else {
            return;
        };
        let mut offset = self.preamble.len() as u64;
        let (mut chunks, mut snapshots, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let mut index_at = 0;
        for (at, section) in self.sections.iter().enumerate() {
            let len = section.body.len() as u64;
            let place = vec![Value::Uint(offset), Value::Uint(len)];
            match section.kind {
                CHUNK => {
                    let head_len = section
                        .body
                        .first_chunk()
                        .map_or(0, |b| u32::from_le_bytes(*b));
                    let head = section.body.get(8..8 + head_len as usize).unwrap_or(&[]);
                    if let Some(mut head) = Value::decode(HEAD, &mut &*head) {
                        chunks.push(Value::Struct([place, vec![head.at(&[0]).clone()]].concat()));
                    }
                }
                SNAPSHOT => {
                    if let Some(mut value) = section.value() {
                        let when = vec![value.at(&[0]).clone(), value.at(&[1]).clone()];
                        snapshots.push(Value::Struct([place, when].concat()));
                    }
                }
                INDEX if at == index => index_at = offset,
                INDEX | FOOTER => {}
                kind => others.push(Value::Struct(
                    [vec![Value::Uint(kind.into())], place].concat(),
                )),
            }
            offset += HEADER as u64 + len;
        }
        *value.at(&[0]) = Value::List(chunks);
        *value.at(&[1]) = Value::List(snapshots);
        *value.at(&[2]) = Value::List(others);
        self.sections[index].set(&value);
        let len = (HEADER + self.sections[index].body.len()) as u64;
        for footer in self.all(FOOTER) {
            self.sections[footer].body = [index_at.to_le_bytes(), len.to_le_bytes()].concat();
        }
    }

    /// Makes one random change.
    pub(crate) fn mutate(&mut self, random: &mut Random) {
        let at = random.below(self.sections.len());
        if self.sections.is_empty() {
            return;
        }
        match random.below(8) {
            0 => random.change_parts(&mut self.sections),
            1 => {
                let section = &mut self.sections[at];
                match random.below(4) {
                    0 => section.kind = u16::try_from(random.below(9)).unwrap(),
                    1 => section.flags ^= 1,
                    2 => section.sequence = u32::try_from(random.number(at as u64) >> 32).ok(),
                    _ => {
                        section.len =
                            Some(random.number(section.body.len() as u64) >> random.below(64));
                    }
                }
            }
            2 => random.change_bytes(&mut self.sections[at].body),
            3..6 => {
                if let Some(at) = pick(random, &self.all(CHUNK)) {
                    let section = &mut self.sections[at];
                    if let Some(mut chunk) = Chunk::of(section) {
                        change_chunk(random, section, &mut chunk);
                    }
                }
            }
            _ => {
                let section = &mut self.sections[at];
                if let Some(mut value) = section.value() {
                    value.mutate(random);
                    section.set(&value);
                }
            }
        }
    }
}

fn pick(random: &mut Random, all: &[usize]) -> Option<usize> {
    all.get(random.below(all.len())).copied()
}

fn change_chunk(random: &mut Random, section: &mut Section, chunk: &mut Chunk) {
    match random.below(4) {
        // The streams.
        0 | 1 => {
            let at = random.below(chunk.streams.len());
            if let Some((_, _, bytes)) = chunk.streams.get_mut(at) {
                random.change_bytes(bytes);
            }
            section.body = chunk.body();
        }
        2 => {
            random.change_list(&mut chunk.streams);
            section.body = chunk.body();
        }
        // The head only.
        _ => {
            let len = u32::from_le_bytes(section.body[..4].try_into().unwrap()) as usize;
            let frames = section.body[8 + len..].to_vec();
            chunk.head.mutate(random);
            section.body = with_head(&chunk.head, &frames);
        }
    }
}

/// Returns a section's header, with right checksums of what it says.
pub(crate) fn header(tag: &[u8], section: &Section, at: usize) -> Vec<u8> {
    let mut out = MARKER.to_vec();
    out.extend(section.kind.to_le_bytes());
    out.extend(section.flags.to_le_bytes());
    let sequence = section.sequence.unwrap_or(u32::try_from(at).unwrap());
    out.extend(sequence.to_le_bytes());
    let len = section.len.unwrap_or(section.body.len() as u64);
    out.extend(len.to_le_bytes());
    out.extend(crc(&[&section.body]).to_le_bytes());
    let crc = crc(&[tag, &out]);
    out.extend(crc.to_le_bytes());
    out
}
