//! Operand types and the operators that apply to them.

use scap_capture_format::schema::{self, ParamInfo, ParamType};

use super::ast::Op;
use crate::fields::{Field, FieldArg, FieldFlags, FieldType};

/// Type of a single value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bytes,
    Int,
    Uint,
    Bool,
    /// Nanoseconds, or seconds if the field's unit is seconds.
    Interval,
    Time,
    Double,
    Ip,
    Net,
    Port,
    /// Known only with the event; any operator is accepted.
    Any,
}

/// The number of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    One,
    /// A list, which supports only `in` and `intersects`.
    List,
    /// Several values, of which any has to match.
    Any,
}

/// Type of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ty {
    pub(super) kind: Kind,
    pub(super) count: Count,
    /// True if the type of a value depends on the event.
    pub(super) dynamic: bool,
}

impl Ty {
    pub(super) const fn one(kind: Kind) -> Self {
        Self {
            kind,
            count: Count::One,
            dynamic: false,
        }
    }

    pub(super) fn of(field: &Field) -> Self {
        let info = field.info;
        let plain = field.arg == FieldArg::None;
        let is_list = info.flags.contains(FieldFlags::IS_LIST);
        let count = if is_list && (plain || info.flags.contains(FieldFlags::LIST_BY_INDEX)) {
            Count::List
        } else if plain && info.flags.contains(FieldFlags::ANY) {
            Count::Any
        } else {
            Count::One
        };
        let kind = match info.compared_as {
            FieldType::Text => Kind::Text,
            FieldType::Bytes => Kind::Bytes,
            FieldType::Int => Kind::Int,
            FieldType::Uint => Kind::Uint,
            FieldType::Bool => Kind::Bool,
            FieldType::Interval => Kind::Interval,
            FieldType::Time => Kind::Time,
            FieldType::Double => Kind::Double,
            FieldType::Ip => Kind::Ip,
            FieldType::Net => Kind::Net,
            FieldType::Port => Kind::Port,
            FieldType::Dynamic => dynamic(field),
        };
        Self {
            kind,
            count,
            dynamic: info.ty == FieldType::Dynamic,
        }
    }

    /// Describes the type in an error.
    pub(super) fn describe(self) -> &'static str {
        match (self.count, self.kind) {
            (Count::List, Kind::Text | Kind::Bytes) => "a list of texts",
            (Count::List, _) => "a list of numbers",
            (_, Kind::Text) => "text",
            (_, Kind::Bytes) => "a buffer",
            (_, Kind::Int | Kind::Uint | Kind::Double) => "a number",
            (_, Kind::Bool) => "a truth value",
            (_, Kind::Interval) => "an interval",
            (_, Kind::Time) => "a time",
            (_, Kind::Ip) => "an address",
            (_, Kind::Net) => "an address with networks",
            (_, Kind::Port) => "a port",
            (_, Kind::Any) => "a parameter",
        }
    }

    /// Returns the operators that apply to the type.
    pub(super) fn operators(self) -> &'static [Op] {
        const NUMBER: &[Op] = &[
            Op::Eq,
            Op::Ne,
            Op::Lt,
            Op::Le,
            Op::Gt,
            Op::Ge,
            Op::In,
            Op::Intersects,
            Op::Exists,
        ];
        const PLAIN: &[Op] = &[Op::Eq, Op::Ne, Op::In, Op::Intersects, Op::Exists];
        const LIST: &[Op] = &[Op::In, Op::Intersects, Op::Exists];
        const TEXT: &[Op] = &[
            Op::Eq,
            Op::Ne,
            Op::Lt,
            Op::Le,
            Op::Gt,
            Op::Ge,
            Op::In,
            Op::Intersects,
            Op::Exists,
            Op::Contains,
            Op::IContains,
            Op::StartsWith,
            Op::EndsWith,
            Op::Glob,
            Op::IGlob,
            Op::Regex,
            Op::PMatch,
        ];
        const BYTES: &[Op] = &[
            Op::Eq,
            Op::Ne,
            Op::In,
            Op::Intersects,
            Op::Exists,
            Op::Contains,
            Op::StartsWith,
            Op::EndsWith,
            Op::BContains,
            Op::BStartsWith,
        ];
        if self.count == Count::List {
            return LIST;
        }
        match self.kind {
            Kind::Text => TEXT,
            Kind::Bytes => BYTES,
            Kind::Bool | Kind::Ip | Kind::Net => PLAIN,
            Kind::Any => Op::ALL,
            _ => NUMBER,
        }
    }

    /// Returns true if values of the two types are comparable.
    pub(super) fn is_comparable(self, other: Self) -> bool {
        let number = |kind| matches!(kind, Kind::Int | Kind::Uint | Kind::Port);
        self.count == other.count
            && (self.kind == other.kind || number(self.kind) && number(other.kind))
    }
}

/// As in sysdig's libraries, a value for `evt.rawarg.X` is parsed as the type of the first
/// parameter called `X`, and compared as the type of the event's own parameter.
fn dynamic(field: &Field) -> Kind {
    let FieldArg::Name(name) = &field.arg else {
        return Kind::Any;
    };
    let mut params = schema::EVENTS.iter().flat_map(|e| e.params);
    match params.find(|p| p.name == &**name) {
        Some(param) => of_param(param),
        // An argument of a call without an event type: a register.
        None => Kind::Uint,
    }
}

fn of_param(param: &ParamInfo) -> Kind {
    match param.ty {
        ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath => Kind::Text,
        ParamType::ByteBuf => Kind::Bytes,
        ParamType::Int8
        | ParamType::Int16
        | ParamType::Int32
        | ParamType::Int64
        | ParamType::Errno
        | ParamType::Fd
        | ParamType::Fd32
        | ParamType::Pid => Kind::Int,
        ParamType::Port => Kind::Port,
        ParamType::RelTime => Kind::Interval,
        ParamType::AbsTime => Kind::Time,
        ParamType::Bool => Kind::Bool,
        ParamType::Double => Kind::Double,
        ParamType::IpAddr | ParamType::Ipv4Addr | ParamType::Ipv6Addr => Kind::Ip,
        ParamType::IpNet | ParamType::Ipv4Net | ParamType::Ipv6Net => Kind::Net,
        ParamType::SockAddr
        | ParamType::SockTuple
        | ParamType::FdList
        | ParamType::Dyn
        | ParamType::None => Kind::Any,
        _ => Kind::Uint,
    }
}
