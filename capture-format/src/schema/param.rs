//! Parameter types, print formats and the tables that parameters refer to.

/// The encoding of a parameter (upstream `PT_*`, same numbers). All are little-endian; a length of
/// zero always means that the value is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ParamType {
    /// No value.
    None = 0,
    /// `i8`.
    Int8 = 1,
    /// `i16`.
    Int16 = 2,
    /// `i32`.
    Int32 = 3,
    /// `i64`.
    Int64 = 4,
    /// `u8`.
    Uint8 = 5,
    /// `u16`.
    Uint16 = 6,
    /// `u32`.
    Uint32 = 7,
    /// `u64`.
    Uint64 = 8,
    /// Bytes and a NUL, which counts.
    CharBuf = 9,
    /// Raw bytes; lists of strings are NUL-terminated strings one after the other.
    ByteBuf = 10,
    /// `i64` return value, negative = -errno.
    Errno = 11,
    /// `u8` family, then the address.
    SockAddr = 12,
    /// `u8` family, then source and destination.
    SockTuple = 13,
    /// `i64` fd; -100 = `AT_FDCWD`; negative = -errno.
    Fd = 14,
    /// `i64` process or thread id.
    Pid = 15,
    /// `u16` count, then (`i64` fd, `i16` poll flags) each.
    FdList = 16,
    /// As [`Self::CharBuf`], a path.
    FsPath = 17,
    /// `u16` syscall code ([`super::Syscall::ppm_sc`]).
    SyscallId = 18,
    /// `u8` signal number.
    SigType = 19,
    /// `u64` nanoseconds, all ones = none.
    RelTime = 20,
    /// `u64` nanoseconds since the Unix epoch.
    AbsTime = 21,
    /// `u16` port in host order.
    Port = 22,
    /// `u8` layer-4 protocol.
    L4Proto = 23,
    /// `u8` socket family.
    SockFamily = 24,
    /// `u32` truth value.
    Bool = 25,
    /// 4 bytes in network order.
    Ipv4Addr = 26,
    /// `u8` variant index, then that variant's encoding.
    Dyn = 27,
    /// `u8` bit mask.
    Flags8 = 28,
    /// `u16` bit mask.
    Flags16 = 29,
    /// `u32` bit mask.
    Flags32 = 30,
    /// `u32` user id, all ones = none.
    Uid = 31,
    /// `u32` group id, all ones = none.
    Gid = 32,
    /// `f64`.
    Double = 33,
    /// The low 32 bits of a signal set.
    SigSet = 34,
    /// NUL-separated list (iterator events) or a foreign pointer (tracer events).
    CharBufArray = 35,
    /// A foreign pointer.
    CharBufPairArray = 36,
    /// IPv4 network; filter values only.
    Ipv4Net = 37,
    /// 16 bytes.
    Ipv6Addr = 38,
    /// IPv6 network; filter values only.
    Ipv6Net = 39,
    /// IPv4 or IPv6 address; filter values only.
    IpAddr = 40,
    /// IPv4 or IPv6 network; filter values only.
    IpNet = 41,
    /// `u32` permission and file type bits.
    Mode = 42,
    /// As [`Self::FsPath`], relative to an fd ([`ParamDetail::DirFd`]).
    FsRelPath = 43,
    /// `u8` enumeration.
    EnumFlags8 = 44,
    /// `u16` enumeration.
    EnumFlags16 = 45,
    /// `u32` enumeration.
    EnumFlags32 = 46,
    /// `i32` fd; iterator events only.
    Fd32 = 47,
    /// `i32` process id; iterator events only.
    Pid32 = 48,
}

impl ParamType {
    /// Every type; the index is the number.
    pub const ALL: [Self; 49] = [
        Self::None,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::CharBuf,
        Self::ByteBuf,
        Self::Errno,
        Self::SockAddr,
        Self::SockTuple,
        Self::Fd,
        Self::Pid,
        Self::FdList,
        Self::FsPath,
        Self::SyscallId,
        Self::SigType,
        Self::RelTime,
        Self::AbsTime,
        Self::Port,
        Self::L4Proto,
        Self::SockFamily,
        Self::Bool,
        Self::Ipv4Addr,
        Self::Dyn,
        Self::Flags8,
        Self::Flags16,
        Self::Flags32,
        Self::Uid,
        Self::Gid,
        Self::Double,
        Self::SigSet,
        Self::CharBufArray,
        Self::CharBufPairArray,
        Self::Ipv4Net,
        Self::Ipv6Addr,
        Self::Ipv6Net,
        Self::IpAddr,
        Self::IpNet,
        Self::Mode,
        Self::FsRelPath,
        Self::EnumFlags8,
        Self::EnumFlags16,
        Self::EnumFlags32,
        Self::Fd32,
        Self::Pid32,
    ];

    /// Returns the type with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Returns the type's number (upstream `PT_*` value).
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns the length in bytes of a present value, or `None` if it varies.
    ///
    /// A stored value can still be absent (length zero), and foreign files can hold other lengths.
    pub const fn fixed_len(self) -> Option<usize> {
        Some(match self {
            Self::Int8
            | Self::Uint8
            | Self::SigType
            | Self::L4Proto
            | Self::SockFamily
            | Self::Flags8
            | Self::EnumFlags8 => 1,
            Self::Int16
            | Self::Uint16
            | Self::SyscallId
            | Self::Port
            | Self::Flags16
            | Self::EnumFlags16 => 2,
            Self::Int32
            | Self::Uint32
            | Self::Bool
            | Self::Ipv4Addr
            | Self::Flags32
            | Self::Uid
            | Self::Gid
            | Self::SigSet
            | Self::Mode
            | Self::EnumFlags32
            | Self::Fd32
            | Self::Pid32 => 4,
            Self::Int64
            | Self::Uint64
            | Self::Errno
            | Self::Fd
            | Self::Pid
            | Self::RelTime
            | Self::AbsTime
            | Self::Double => 8,
            Self::Ipv6Addr => 16,
            Self::None
            | Self::CharBuf
            | Self::ByteBuf
            | Self::SockAddr
            | Self::SockTuple
            | Self::FdList
            | Self::FsPath
            | Self::Dyn
            | Self::CharBufArray
            | Self::CharBufPairArray
            | Self::Ipv4Net
            | Self::Ipv6Net
            | Self::IpAddr
            | Self::IpNet
            | Self::FsRelPath => return None,
        })
    }
}

/// How the number part of a numeric parameter is printed (upstream `PF_*`, same numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PrintFormat {
    /// Not a number.
    Na = 0,
    /// Decimal.
    Dec = 1,
    /// Upper-case hexadecimal without prefix.
    Hex = 2,
    /// Decimal padded with zeros to ten digits.
    PaddedDec10 = 3,
    /// An identifier.
    Id = 4,
    /// A direction.
    Dir = 5,
    /// Octal with a leading zero.
    Oct = 6,
}

impl PrintFormat {
    /// Returns the format with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Na,
            1 => Self::Dec,
            2 => Self::Hex,
            3 => Self::PaddedDec10,
            4 => Self::Id,
            5 => Self::Dir,
            6 => Self::Oct,
            _ => return None,
        })
    }

    /// Returns the format's number (upstream `PF_*` value).
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// A table of named bits or values.
#[derive(Debug, PartialEq, Eq)]
pub struct FlagTable {
    /// The upstream name (`file_flags`).
    pub name: &'static str,
    /// Name and value, in upstream order, which decides how combined values print.
    pub entries: &'static [(&'static str, u64)],
}

/// One possible encoding of a dynamic parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynVariant {
    /// Encoding of the bytes after the index.
    pub ty: ParamType,
    /// How to print it.
    pub format: PrintFormat,
}

/// The possible encodings of a [`ParamType::Dyn`] parameter.
#[derive(Debug, PartialEq, Eq)]
pub struct DynTable {
    /// The upstream name (`sockopt_dynamic_param`).
    pub name: &'static str,
    /// The variants; the index is the first byte of the value.
    pub variants: &'static [DynVariant],
}

/// What a parameter refers to besides its own type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamDetail {
    /// Nothing.
    None,
    /// The names of its bits or values.
    Flags(&'static FlagTable),
    /// Its possible encodings.
    Dyn(&'static DynTable),
    /// The index of the parameter with the directory fd it is relative to.
    DirFd(u8),
}

/// Description of one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamInfo {
    /// The name (`evt.arg.<name>`).
    pub name: &'static str,
    /// The encoding.
    pub ty: ParamType,
    /// How numbers print.
    pub format: PrintFormat,
    /// Flag table, variants or directory fd.
    pub info: ParamDetail,
}
