//! Values of a filter, parsed as the type they are compared with.

use std::net::IpAddr;

use regex::bytes::Regex;

use super::ast::Literal;
use super::error::{FilterError, FilterErrorKind};
use super::services;
use super::time_literal::{self, TimeLiteral};
use super::types::{Kind, Ty};
use crate::event::time::NS_PER_S;
use crate::fields::FieldInfo;
use crate::fields::attributes::{Unit, Zone};

/// A typed value.
#[derive(Clone, Debug)]
pub(super) enum Datum {
    Bytes(Box<[u8]>),
    Regex(Regex),
    Num(i128),
    Bool(bool),
    Double(f64),
    Ip(IpAddr),
    Net(Net),
    /// A time literal for a field whose printed form is text, or a time of day.
    TimeLiteral(TimeLiteral),
    /// All valid interpretations of a value, for a parameter whose type depends on the event.
    Dynamic(Box<Dynamic>),
}

/// See [`Datum::Dynamic`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dynamic {
    pub(super) bytes: Box<[u8]>,
    pub(super) number: Option<i128>,
    pub(super) double: Option<f64>,
    pub(super) boolean: Option<bool>,
    pub(super) ip: Option<IpAddr>,
}

/// An IP network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Net {
    /// Address and mask.
    V4(u32, u32),
    V6(u128, u128),
}

impl Net {
    /// Parses `address/length`; an address alone is a network of one address.
    fn parse(text: &str) -> Option<Self> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let len = match len {
            Some(len) if len.bytes().all(|b| b.is_ascii_digit()) => Some(len.parse::<u32>().ok()?),
            Some(_) => return None,
            None => None,
        };
        match address.parse().ok()? {
            IpAddr::V4(ip) => {
                let len = len.unwrap_or(32);
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(len)?).unwrap_or(0);
                Some(Self::V4(u32::from(ip) & mask, mask))
            }
            IpAddr::V6(ip) => {
                let len = len.unwrap_or(128);
                let mask = u128::MAX
                    .checked_shl(128_u32.checked_sub(len)?)
                    .unwrap_or(0);
                Some(Self::V6(u128::from(ip) & mask, mask))
            }
        }
    }

    pub(super) fn contains(self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::V4(net, mask), IpAddr::V4(ip)) => u32::from(ip) & mask == net,
            (Self::V6(net, mask), IpAddr::V6(ip)) => u128::from(ip) & mask == net,
            _ => false,
        }
    }
}

/// How the values of a field are parsed, beyond their type.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// Unit of the field in nanoseconds; 0 = the field is a remainder and takes only plain numbers.
    pub(super) unit: u64,
    /// The time zone of times without a zone; `None` = the field is not a time.
    pub(super) zone: Option<Zone>,
    /// True if the field can be compared with a time of day, or an offset from the first event.
    pub(super) time_of_day: bool,
    /// True if the printed form of the field is text.
    pub(super) text: bool,
}

impl Reading {
    /// Returns how values are parsed that are compared with a field, or with the result of a
    /// transformer.
    pub(super) fn new(field: Option<&FieldInfo>, kind: Kind) -> Self {
        let Some(field) = field else {
            return Self {
                unit: 1,
                ..Self::default()
            };
        };
        let unit = match field.attributes.unit {
            Unit::Seconds => NS_PER_S,
            Unit::NanosecondPart => 0,
            _ => 1,
        };
        match field.attributes.times {
            Some(times) => Self {
                unit,
                zone: Some(times.zone),
                time_of_day: times.time_of_day,
                text: times.text,
            },
            None => Self {
                unit,
                zone: (kind == Kind::Time && unit > 0).then_some(Zone::Local),
                ..Self::default()
            },
        }
    }
}

/// Parses a value.
pub(super) fn read(literal: &Literal, ty: Ty, reading: Reading) -> Result<Datum, FilterError> {
    let text = || std::str::from_utf8(&literal.bytes).ok();
    let invalid = |expected| {
        let value = String::from_utf8_lossy(&literal.bytes).into_owned();
        let kind = FilterErrorKind::InvalidValue { value, expected };
        FilterError::new(kind, literal.span.clone())
    };
    if ty.dynamic {
        return dynamic(literal, ty, &invalid);
    }
    if reading.time_of_day
        && let Some(ns) = text().and_then(time_literal::offset_from_first)
    {
        return Ok(Datum::TimeLiteral(TimeLiteral::Offset(ns)));
    }
    if let Some(zone) = reading.zone
        && let Some(found) = text().and_then(|t| time_literal::time_literal(t, zone))
        && (reading.time_of_day || matches!(found, TimeLiteral::Instant(_)))
    {
        return Ok(match found {
            TimeLiteral::Instant(ns) if !reading.text => {
                Datum::Num((ns / reading.unit.max(1)).into())
            }
            time_literal => Datum::TimeLiteral(time_literal),
        });
    }
    Ok(match ty.kind {
        Kind::Text | Kind::Bytes | Kind::Any => Datum::Bytes(literal.bytes.clone()),
        Kind::Int | Kind::Uint => {
            let number = text().and_then(number).ok_or_else(|| invalid("number"))?;
            Datum::Num(number)
        }
        Kind::Interval => {
            let plain = text().and_then(number);
            let with_unit = || {
                let ns = time_literal::interval(text()?)?;
                let unit = i128::from(reading.unit);
                (unit > 0 && ns % unit == 0).then(|| ns / unit)
            };
            let number = plain.or_else(with_unit).ok_or_else(|| {
                let whole_ns = reading.unit == 1;
                let hint = match reading.unit {
                    1 => "nanoseconds, or a number with a unit: `10ms`, `1.5s`, `2m`",
                    0 => "a number of nanoseconds",
                    _ => "whole seconds, or a number with a unit: `10s`, `2m`",
                };
                invalid(if whole_ns { "interval" } else { "number" }).hint(hint)
            })?;
            Datum::Num(number)
        }
        Kind::Time => Datum::Num(text().and_then(number).ok_or_else(|| {
            invalid("time").hint("nanoseconds since 1970, or `2026-11-24 03:12:01.5`")
        })?),
        Kind::Port => Datum::Num(port(text()).ok_or_else(|| {
            let error = invalid("port or service");
            match text() {
                Some(name) => error.suggest(name, services::names()),
                None => error,
            }
        })?),
        Kind::Bool => match &*literal.bytes {
            b"true" => Datum::Bool(true),
            b"false" => Datum::Bool(false),
            _ => return Err(invalid("truth value").hint("`true` or `false`")),
        },
        Kind::Double => Datum::Double(text().and_then(double).ok_or_else(|| invalid("number"))?),
        Kind::Ip => Datum::Ip(text().and_then(|t| t.parse().ok()).ok_or_else(|| {
            let error = invalid("IP address");
            match text().and_then(Net::parse) {
                Some(_) => {
                    error.hint("networks are compared with `fd.net`, `fd.cnet`, `fd.snet`, …")
                }
                None => error,
            }
        })?),
        Kind::Net => {
            Datum::Net(text().and_then(Net::parse).ok_or_else(|| {
                invalid("network").hint("for example `10.0.0.0/8` or `fe80::/10`")
            })?)
        }
    })
}

fn dynamic(
    literal: &Literal,
    ty: Ty,
    invalid: &dyn Fn(&'static str) -> FilterError,
) -> Result<Datum, FilterError> {
    let text = std::str::from_utf8(&literal.bytes).ok();
    let dynamic = Dynamic {
        bytes: literal.bytes.clone(),
        number: text.and_then(|t| number(t).or_else(|| time_literal::interval(t))),
        double: text.and_then(double),
        boolean: match text {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        },
        ip: text.and_then(|t| t.parse().ok()),
    };
    let ok = match ty.kind {
        Kind::Int | Kind::Uint | Kind::Interval | Kind::Time => dynamic.number.is_some(),
        Kind::Port => port(text).is_some(),
        Kind::Bool => dynamic.boolean.is_some(),
        Kind::Double => dynamic.double.is_some(),
        Kind::Ip => dynamic.ip.is_some(),
        Kind::Text | Kind::Bytes | Kind::Net | Kind::Any => true,
    };
    if !ok {
        return Err(invalid(match ty.kind {
            Kind::Bool => "truth value",
            Kind::Ip => "IP address",
            Kind::Port => "port or service",
            _ => "number",
        }));
    }
    Ok(Datum::Dynamic(Box::new(Dynamic {
        number: dynamic.number.or_else(|| port(text)),
        ..dynamic
    })))
}

/// Parses a decimal number, or a hexadecimal one with `0x`, in the range of 64 bits, signed or
/// unsigned.
pub(super) fn number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = match hex {
        Some(rest) => (rest, 16),
        None => (digits, 10),
    };
    if !digits.bytes().next()?.is_ascii_hexdigit() {
        return None;
    }
    let value = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if negative { -value } else { value };
    (value >= i128::from(i64::MIN)).then_some(value)
}

fn double(text: &str) -> Option<f64> {
    // `parse` also accepts `inf` and `nan`, which start with letters.
    let plain = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    text.parse::<f64>().ok().filter(|d| plain && d.is_finite())
}

fn port(text: Option<&str>) -> Option<i128> {
    let text = text?;
    match number(text) {
        Some(n) => u16::try_from(n).ok().map(i128::from),
        None => services::port(text).map(i128::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number("10"), Some(10));
        assert_eq!(number("-0x10"), Some(-16));
        assert_eq!(number("+7"), Some(7));
        assert_eq!(number("18446744073709551615"), Some(u64::MAX.into()));
        assert_eq!(number("-9223372036854775808"), Some(i64::MIN.into()));
        for wrong in [
            "",
            "-",
            "0x",
            "1a",
            "18446744073709551616",
            "-9223372036854775809",
            "--1",
            "+-1",
            "1_0",
        ] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
        assert_eq!(double("1.5"), Some(1.5));
        assert_eq!(double("inf"), None);
        assert_eq!(double("-inf"), None);
    }

    #[test]
    fn nets() {
        let ip = |t: &str| t.parse::<IpAddr>().unwrap();
        let net = |t| Net::parse(t).unwrap();
        assert!(net("10.0.0.0/8").contains(ip("10.1.2.3")));
        assert!(net("10.9.9.9/8").contains(ip("10.1.2.3")));
        assert!(!net("10.0.0.0/8").contains(ip("11.1.2.3")));
        assert!(net("0.0.0.0/0").contains(ip("11.1.2.3")));
        assert!(!net("0.0.0.0/0").contains(ip("::1")));
        assert!(net("fe80::/10").contains(ip("fe80::1")));
        assert!(net("::/0").contains(ip("::1")));
        assert!(net("127.0.0.1").contains(ip("127.0.0.1")));
        for wrong in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0/8",
            "fe80::/129",
            "x/8",
        ] {
            assert_eq!(Net::parse(wrong), None, "{wrong}");
        }
    }
}
