//! Encoded metadata as a tree that can be changed anywhere.
//!
//! The layouts are those of docs/capture-format.md, written down a second time on purpose: the types of the format's crate cannot
//! express what a hostile file says, such as a false count.

use crate::random::Random;

/// The layout of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    Uint,
    Int,
    /// A `u8` or a `bool`.
    Byte,
    /// A string or bytes.
    Text,
    /// Bytes of a fixed number.
    Bytes(usize),
    List(&'static Self),
    Option(&'static Self),
    /// A structure or a tuple.
    Struct(&'static [Self]),
    /// An enumeration, by the number of the variant.
    Enum(&'static [&'static [Self]]),
}

use Layout::{Byte, Bytes, Enum, Int, List, Option as Opt, Struct, Text, Uint};

const EXTRA: Layout = List(&Struct(&[Uint, Text]));

const MACHINE: Layout = Struct(&[
    Text, Text, Text, Text, Text, Text, Uint, Uint, Uint, Int, Int, Int, Text, Uint, Uint, EXTRA,
]);
const EVENT: Layout = Struct(&[
    Uint,
    Text,
    Uint,
    Uint,
    Opt(&Byte),
    List(&Struct(&[Text, Byte, Byte, Text, Opt(&Byte)])),
]);
const SCHEMA: Layout = Struct(&[
    List(&EVENT),
    List(&Struct(&[Text, List(&Struct(&[Text, Uint]))])),
    List(&Struct(&[Text, List(&Struct(&[Byte, Byte]))])),
    List(&Struct(&[Uint, Text, Opt(&Uint), Opt(&Uint), List(&Text)])),
    EXTRA,
]);
const HEADER: Layout = Struct(&[
    MACHINE,
    Text,
    List(&Struct(&[Text, Text])),
    Uint,
    Uint,
    SCHEMA,
    EXTRA,
]);

const THREAD: Layout = Struct(&[
    Int, Int, Int, Int, Int, Int, Int, Int, // tid pid ptid sid pgid vpgid vtid vpid
    Uint, Uint, // start of the pid namespace, start time
    Uint, Uint, Uint, Uint, Uint, Uint, Uint, Uint, Uint, // comm … container
    Uint, Uint, Uint, Uint, Int, // uid gid loginuid tty fdlimit
    Uint, Uint, Uint, Uint, Uint, Uint, Uint, Uint, Uint, Uint, Uint, Uint, Byte, Byte, Byte, Byte,
    EXTRA,
]);
const SOCKET: Layout = Enum(&[
    &[],
    &[Bytes(4), Bytes(4), Uint, Uint, Byte],
    &[Bytes(16), Bytes(16), Uint, Uint, Byte],
    &[Uint, Uint],
]);
const FD: Layout = Struct(&[Int, Int, Byte, Uint, Uint, Uint, Uint, SOCKET, EXTRA]);
const SNAPSHOT: Layout = Struct(&[
    Uint,
    Uint,
    List(&Text),
    List(&THREAD),
    List(&FD),
    List(&Struct(&[Uint, Text, Text, Text, Uint])),
    List(&Struct(&[Uint, Uint, Uint, Uint, Uint, Uint])),
    List(&Struct(&[Uint, Uint, Uint])),
    List(&Struct(&[Uint, Uint])),
    EXTRA,
]);

const LOSS: Layout = Struct(&[List(&Struct(&[Uint, Uint, Uint, Uint, Uint])), Uint, EXTRA]);
const CONTAINERS: Layout = Struct(&[List(&Struct(&[Uint, Text, Text])), EXTRA]);

const SUMMARY: Layout = Struct(&[
    Uint,
    Uint,
    Uint,
    Uint,
    List(&Struct(&[Uint, Uint])),
    Enum(&[
        &[List(&Struct(&[Int, Int]))],
        &[Uint, List(&Uint), List(&Uint)],
    ]),
    List(&Text),
    Uint,
    Uint,
    Uint,
    Uint,
    Uint,
    Uint,
    Uint,
    Uint,
    Uint,
    EXTRA,
]);
/// The head of a chunk: summary, base time, frames, streams.
pub(crate) const HEAD: Layout = Struct(&[
    SUMMARY,
    Uint,
    List(&Struct(&[Byte, Uint, Uint])),
    List(&Struct(&[Byte, Uint, Uint, Uint])),
]);
const INDEX: Layout = Struct(&[
    List(&Struct(&[Uint, Uint, SUMMARY])),
    List(&Struct(&[Uint, Uint, Uint, Uint])),
    List(&Struct(&[Uint, Uint, Uint])),
    Uint,
    EXTRA,
]);

/// Returns the layout of a section's metadata, by its kind.
pub(crate) const fn of_kind(kind: u16) -> Option<Layout> {
    Some(match kind {
        1 => HEADER,
        2 => SNAPSHOT,
        4 => LOSS,
        5 => INDEX,
        7 => CONTAINERS,
        _ => return None,
    })
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Uint(u64),
    Int(i64),
    Byte(u8),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Option(Option<Box<Self>>),
    Struct(Vec<Self>),
    Enum(u64, Vec<Self>),
}

fn split<'b>(bytes: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
    let (front, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(front)
}

fn uint(bytes: &mut &[u8]) -> Option<u64> {
    let len = match split(bytes, 1)?[0] {
        251 => 2,
        252 => 4,
        253 => 8,
        small => return (small < 251).then_some(small.into()),
    };
    let mut le = [0; 8];
    le[..len].copy_from_slice(split(bytes, len)?);
    Some(u64::from_le_bytes(le))
}

fn push_uint(out: &mut Vec<u8>, value: u64) {
    let le = value.to_le_bytes();
    let (mark, len) = match value {
        0..251 => (None, 1),
        _ if value <= u16::MAX.into() => (Some(251), 2),
        _ if value <= u32::MAX.into() => (Some(252), 4),
        _ => (Some(253), 8),
    };
    out.extend(mark);
    out.extend_from_slice(&le[..len]);
}

impl Value {
    /// Decodes a value from the front of `bytes`.
    pub(crate) fn decode(layout: Layout, bytes: &mut &[u8]) -> Option<Self> {
        let fields = |layouts: &[Layout], bytes: &mut &[u8]| {
            let fields = layouts.iter().map(|l| Self::decode(*l, bytes));
            fields.collect::<Option<Vec<_>>>()
        };
        Some(match layout {
            Uint => Self::Uint(uint(bytes)?),
            Int => {
                let value = uint(bytes)?;
                Self::Int((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
            }
            Byte => Self::Byte(split(bytes, 1)?[0]),
            Text => {
                let len = usize::try_from(uint(bytes)?).ok()?;
                Self::Text(split(bytes, len)?.to_vec())
            }
            Bytes(len) => Self::Bytes(split(bytes, len)?.to_vec()),
            List(item) => {
                let len = uint(bytes)?;
                Self::List(
                    (0..len)
                        .map(|_| Self::decode(*item, bytes))
                        .collect::<Option<_>>()?,
                )
            }
            Opt(item) => Self::Option(match split(bytes, 1)?[0] {
                0 => None,
                _ => Some(Box::new(Self::decode(*item, bytes)?)),
            }),
            Struct(layouts) => Self::Struct(fields(layouts, bytes)?),
            Enum(variants) => {
                let variant = uint(bytes)?;
                let layouts = variants.get(usize::try_from(variant).ok()?)?;
                Self::Enum(variant, fields(layouts, bytes)?)
            }
        })
    }

    /// Encodes the value.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Uint(value) => push_uint(out, *value),
            Self::Int(value) => push_uint(out, ((value << 1) ^ (value >> 63)).cast_unsigned()),
            Self::Byte(byte) => out.push(*byte),
            Self::Text(bytes) => {
                push_uint(out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::List(items) => {
                push_uint(out, items.len() as u64);
                items.iter().for_each(|item| item.encode(out));
            }
            Self::Option(None) => out.push(0),
            Self::Option(Some(item)) => {
                out.push(1);
                item.encode(out);
            }
            Self::Struct(items) => items.iter().for_each(|item| item.encode(out)),
            Self::Enum(variant, items) => {
                push_uint(out, *variant);
                items.iter().for_each(|item| item.encode(out));
            }
        }
    }

    /// Returns a part, by the position of fields and items.
    pub(crate) fn at(&mut self, path: &[usize]) -> &mut Self {
        let Some((first, rest)) = path.split_first() else {
            return self;
        };
        match self {
            Self::List(items) | Self::Struct(items) | Self::Enum(_, items) => {
                items[*first].at(rest)
            }
            other => panic!("{other:?} has no parts"),
        }
    }

    /// Returns the items of a list.
    pub(crate) fn items(&mut self) -> &mut Vec<Self> {
        match self {
            Self::List(items) => items,
            other => panic!("{other:?} is not a list"),
        }
    }

    /// Changes one random part.
    pub(crate) fn mutate(&mut self, random: &mut Random) {
        match self {
            Self::Uint(value) => *value = random.number(*value),
            Self::Int(value) => *value = random.number(value.cast_unsigned()).cast_signed(),
            Self::Byte(byte) => *byte = random.next().to_le_bytes()[0],
            Self::Text(bytes) => random.change_bytes(bytes),
            Self::Bytes(bytes) => {
                let at = random.below(bytes.len());
                bytes[at] = random.next().to_le_bytes()[0];
            }
            Self::Option(item) => match item {
                Some(item) if random.chance(2) => item.mutate(random),
                _ => *item = None,
            },
            Self::List(items) if items.is_empty() || random.chance(3) => random.change_list(items),
            Self::List(items) | Self::Struct(items) | Self::Enum(_, items) if !items.is_empty() => {
                let at = random.below(items.len());
                items[at].mutate(random);
            }
            Self::List(_) | Self::Struct(_) => {}
            Self::Enum(variant, _) => *variant = random.number(*variant),
        }
    }
}
