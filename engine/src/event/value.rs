//! Decodes the values of parameters.

use scap_capture_format::schema::{FlagTable, ParamDetail, ParamInfo, ParamType, PrintFormat};

use super::net::{SockAddr, SockTuple};

/// An absent interval or timestamp.
const NO_TIME: u64 = u64::MAX;

/// A decoded parameter value, borrowed from the event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing was recorded.
    Absent,
    /// The bytes do not fit the type, in a damaged or foreign file.
    Invalid(&'a [u8]),
    /// A signed number of `len` bytes.
    Int {
        /// Sign-extended.
        value: i64,
        /// Bytes of the stored form.
        len: usize,
    },
    /// An unsigned number of `len` bytes.
    Uint {
        /// Zero-extended.
        value: u64,
        /// Bytes of the stored form.
        len: usize,
    },
    /// Text without its terminator; any bytes.
    Text(&'a [u8]),
    /// A path as the program passed it, and the index of the parameter with the directory fd that it is relative to.
    Path(&'a [u8], Option<u8>),
    /// A buffer.
    Bytes(&'a [u8]),
    /// A result; negative values are error numbers.
    Errno(i64),
    /// A socket address.
    SockAddr(SockAddr<'a>),
    /// Both ends of a connection.
    SockTuple(SockTuple<'a>),
    /// An fd or, negative, an error number.
    Fd(i64),
    /// A thread id.
    Pid(i64),
    /// A poll list.
    FdList(FdList<'a>),
    /// The schema's code of a syscall.
    SyscallId(u16),
    /// A signal.
    Signal(u8),
    /// An interval in nanoseconds; `None` = absent.
    RelTime(Option<u64>),
    /// Nanoseconds since the epoch; `None` = absent.
    AbsTime(Option<u64>),
    /// A truth value.
    Bool(bool),
    /// An IPv4 address.
    Ipv4([u8; 4]),
    /// An IPv6 address.
    Ipv6([u8; 16]),
    /// A bit mask.
    Flags(u64, Option<&'static FlagTable>, usize),
    /// One of a list of numbers.
    Enum(u64, Option<&'static FlagTable>, usize),
    /// File permission bits.
    Mode(u32, Option<&'static FlagTable>),
    /// A user; `None` = none.
    Uid(Option<u32>),
    /// A group; `None` = none.
    Gid(Option<u32>),
    /// A floating point number.
    Double(f64),
    /// The first 32 signals of a set.
    SigSet(u32),
    /// NUL-separated texts.
    List(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Decodes a parameter, and returns the print format of its number: a dynamic parameter has a format of its own.
    pub fn decode(info: &ParamInfo, bytes: &'a [u8]) -> (Self, PrintFormat) {
        if let (ParamType::Dyn, ParamDetail::Dyn(table)) = (info.ty, info.info) {
            let Some((index, rest)) = bytes.split_first() else {
                return (Self::Absent, info.format);
            };
            return match table.variants.get(usize::from(*index)) {
                Some(variant) => (
                    Self::of_type(variant.ty, ParamDetail::None, rest),
                    variant.format,
                ),
                None => (Self::Invalid(bytes), info.format),
            };
        }
        (Self::of_type(info.ty, info.info, bytes), info.format)
    }

    fn of_type(ty: ParamType, detail: ParamDetail, bytes: &'a [u8]) -> Self {
        if bytes.is_empty() {
            return match ty {
                // A call that transferred nothing has an empty buffer, which is a value.
                ParamType::ByteBuf => Self::Bytes(bytes),
                _ => Self::Absent,
            };
        }
        if ty.fixed_len().is_some_and(|len| len != bytes.len()) {
            return Self::Invalid(bytes);
        }
        let table = match detail {
            ParamDetail::Flags(table) => Some(table),
            _ => None,
        };
        Self::of_present(ty, detail, table, bytes).unwrap_or(Self::Invalid(bytes))
    }

    fn of_present(
        ty: ParamType,
        detail: ParamDetail,
        table: Option<&'static FlagTable>,
        bytes: &'a [u8],
    ) -> Option<Self> {
        let len = bytes.len();
        Some(match ty {
            ParamType::None => return None,
            ParamType::Int8 | ParamType::Int16 | ParamType::Int32 | ParamType::Int64 => Self::Int {
                value: signed(bytes)?,
                len,
            },
            ParamType::Uint8
            | ParamType::Uint16
            | ParamType::Uint32
            | ParamType::Uint64
            | ParamType::Port
            | ParamType::L4Proto
            | ParamType::SockFamily => Self::Uint {
                value: unsigned(bytes)?,
                len,
            },
            ParamType::CharBuf => Self::Text(text(bytes)),
            ParamType::FsPath => Self::Path(text(bytes), None),
            // Without a detail it is the first parameter, which upstream writes like no detail.
            ParamType::FsRelPath => match detail {
                ParamDetail::DirFd(index) => Self::Path(text(bytes), Some(index)),
                _ => Self::Path(text(bytes), Some(0)),
            },
            ParamType::ByteBuf => Self::Bytes(bytes),
            ParamType::Errno => Self::Errno(signed(bytes)?),
            ParamType::SockAddr => Self::SockAddr(SockAddr::parse(bytes)?),
            ParamType::SockTuple => Self::SockTuple(SockTuple::parse(bytes)?),
            ParamType::Fd | ParamType::Fd32 => Self::Fd(signed(bytes)?),
            ParamType::Pid | ParamType::Pid32 => Self::Pid(signed(bytes)?),
            ParamType::FdList => Self::FdList(FdList::parse(bytes)?),
            ParamType::SyscallId => Self::SyscallId(u16::try_from(unsigned(bytes)?).ok()?),
            ParamType::SigType => Self::Signal(u8::try_from(unsigned(bytes)?).ok()?),
            ParamType::RelTime => Self::RelTime(Some(unsigned(bytes)?).filter(|t| *t != NO_TIME)),
            ParamType::AbsTime => Self::AbsTime(Some(unsigned(bytes)?).filter(|t| *t != NO_TIME)),
            ParamType::Bool => Self::Bool(unsigned(bytes)? != 0),
            ParamType::Ipv4Addr => Self::Ipv4(bytes.try_into().ok()?),
            ParamType::Ipv6Addr => Self::Ipv6(bytes.try_into().ok()?),
            ParamType::Flags8 | ParamType::Flags16 | ParamType::Flags32 => {
                Self::Flags(unsigned(bytes)?, table, len)
            }
            ParamType::EnumFlags8 | ParamType::EnumFlags16 | ParamType::EnumFlags32 => {
                Self::Enum(unsigned(bytes)?, table, len)
            }
            ParamType::Mode => Self::Mode(u32::try_from(unsigned(bytes)?).ok()?, table),
            ParamType::Uid => Self::Uid(id(bytes)?),
            ParamType::Gid => Self::Gid(id(bytes)?),
            ParamType::Double => Self::Double(f64::from_le_bytes(bytes.try_into().ok()?)),
            ParamType::SigSet => Self::SigSet(u32::try_from(unsigned(bytes)?).ok()?),
            ParamType::CharBufArray => Self::List(bytes),
            // Pointers of the recorded process, and types that only fields have.
            ParamType::Dyn
            | ParamType::CharBufPairArray
            | ParamType::Ipv4Net
            | ParamType::Ipv6Net
            | ParamType::IpAddr
            | ParamType::IpNet => return None,
        })
    }
}

fn id(bytes: &[u8]) -> Option<Option<u32>> {
    let id = u32::try_from(unsigned(bytes)?).ok()?;
    Some(Some(id).filter(|id| *id != u32::MAX))
}

/// Reads a little-endian unsigned number of 1, 2, 4 or 8 bytes.
pub fn unsigned(bytes: &[u8]) -> Option<u64> {
    Some(match bytes.len() {
        1 => u64::from(bytes[0]),
        2 => u64::from(u16::from_le_bytes(bytes.try_into().ok()?)),
        4 => u64::from(u32::from_le_bytes(bytes.try_into().ok()?)),
        8 => u64::from_le_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

/// Reads a little-endian signed number of 1, 2, 4 or 8 bytes.
pub fn signed(bytes: &[u8]) -> Option<i64> {
    Some(match bytes.len() {
        1 => i64::from(bytes[0].cast_signed()),
        2 => i64::from(i16::from_le_bytes(bytes.try_into().ok()?)),
        4 => i64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        8 => i64::from_le_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

/// Strips the terminator of a text parameter and everything after it.
pub fn text(bytes: &[u8]) -> &[u8] {
    match memchr::memchr(0, bytes) {
        Some(end) => &bytes[..end],
        None => bytes,
    }
}

/// A list of fds with poll flags: `u16` count, then per entry `i64` fd and `i16` flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdList<'a> {
    entries: &'a [u8],
    /// Entries of the call that are missing here.
    missing: usize,
}

impl<'a> FdList<'a> {
    /// Bytes of one entry.
    const ENTRY: usize = 10;

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (count, entries) = bytes.split_at_checked(2)?;
        let count = usize::from(u16::from_le_bytes(count.try_into().ok()?));
        // A list truncated by the recorder's size limit has fewer entries than its count.
        let whole = count.min(entries.len() / Self::ENTRY);
        Some(Self {
            entries: &entries[..whole * Self::ENTRY],
            missing: count - whole,
        })
    }

    /// Whether the call had more fds.
    pub fn is_cut(self) -> bool {
        self.missing > 0
    }

    /// Iterates over fd and flags.
    pub fn iter(self) -> impl Iterator<Item = (i64, u16)> + use<'a> {
        self.entries.chunks_exact(Self::ENTRY).map(|entry| {
            let (fd, flags) = entry.split_at(8);
            let flags = unsigned(flags).and_then(|f| u16::try_from(f).ok());
            (signed(fd).unwrap_or(-1), flags.unwrap_or(0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(ty: ParamType) -> ParamInfo {
        ParamInfo {
            name: "x",
            ty,
            format: PrintFormat::Dec,
            info: ParamDetail::None,
        }
    }

    #[test]
    fn paths_are_relative_to_the_fd_that_is_given_with_them() {
        for (ty, detail, dirfd) in [
            (ParamType::FsPath, ParamDetail::None, None),
            (ParamType::FsRelPath, ParamDetail::DirFd(3), Some(3)),
            // As in the enter event of openat, whose directory comes first.
            (ParamType::FsRelPath, ParamDetail::None, Some(0)),
        ] {
            let info = ParamInfo {
                info: detail,
                ..info(ty)
            };
            let (value, _) = Value::decode(&info, b"x\0");
            assert_eq!(value, Value::Path(b"x", dirfd));
        }
    }

    #[test]
    fn every_type_survives_every_short_length() {
        let bytes = [0xff_u8; 40];
        for ty in ParamType::ALL {
            for len in 0..=40 {
                let (value, _) = Value::decode(&info(ty), &bytes[..len]);
                if let Some(fixed) = ty.fixed_len() {
                    let invalid = matches!(value, Value::Invalid(_));
                    assert_eq!(len != 0 && len != fixed, invalid, "{ty:?} {len}");
                }
                if len == 0 && ty != ParamType::ByteBuf {
                    assert_eq!(value, Value::Absent);
                }
            }
        }
    }

    #[test]
    fn numbers_have_their_sign() {
        let v = |ty, bytes: &'static [u8]| Value::decode(&info(ty), bytes).0;
        assert_eq!(
            v(ParamType::Int8, &[0xff]),
            Value::Int { value: -1, len: 1 }
        );
        assert_eq!(
            v(ParamType::Uint8, &[0xff]),
            Value::Uint { value: 255, len: 1 }
        );
        const CWD: [u8; 8] = (-100_i64).to_le_bytes();
        assert_eq!(v(ParamType::Fd, &CWD), Value::Fd(-100));
        assert_eq!(
            v(ParamType::Fd32, &[0x9c, 0xff, 0xff, 0xff]),
            Value::Fd(-100)
        );
        assert_eq!(v(ParamType::Uid, &[0xff; 4]), Value::Uid(None));
        assert_eq!(v(ParamType::RelTime, &[0xff; 8]), Value::RelTime(None));
    }

    #[test]
    fn text_ends_at_its_terminator() {
        assert_eq!(text(b"abc\0"), b"abc");
        assert_eq!(text(b"abc"), b"abc");
        assert_eq!(text(b"\0junk"), b"");
    }

    #[test]
    fn a_poll_list_cut_short_keeps_its_whole_entries() {
        let mut bytes = vec![3, 0];
        bytes.extend_from_slice(&5_i64.to_le_bytes());
        bytes.extend_from_slice(&[1, 0, 9, 9]);
        let list = FdList::parse(&bytes).unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), [(5, 1)]);
        assert!(list.is_cut());
        assert_eq!(FdList::parse(&[1]), None);
    }
}
