//! The value of a field as text and as JSON.

use scap_capture_format::schema::PrintFormat;

use super::json;
use crate::event::bytes::{self, BufferFormat};
use crate::event::{net, number, text};
use crate::fields::{FieldFlags, FieldInfo, Value, items};

/// Appends a value as text, escaped.
pub fn write(out: &mut Vec<u8>, value: Value<'_>, info: &FieldInfo, buffers: BufferFormat) {
    match value {
        Value::Text(value) => text::escape_exact(out, value),
        // Nothing can remain to be escaped but the line breaks of a buffer.
        Value::Rendered(value) => text::escape(out, value),
        Value::Bytes(value) => bytes::render(out, value, buffers),
        Value::Int(value) => integer(out, value, true, info),
        Value::Uint(value) => integer(out, value.cast_signed(), false, info),
        Value::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Double(value) => number::display(out, format_args!("{value:.1}")),
        Value::Ip(ip) => address(out, ip),
        Value::Ips(client, server) => {
            address(out, client);
            out.push(b' ');
            address(out, server);
        }
        Value::Ports(client, server) => {
            number::udec(out, u64::from(client));
            out.push(b' ');
            number::udec(out, u64::from(server));
        }
        Value::Texts(list) => {
            let (open, between, close): (&[u8], _, &[u8]) = list_form(info);
            out.extend_from_slice(open);
            for (index, item) in items(list).enumerate() {
                if index > 0 {
                    out.push(between);
                }
                text::escape_exact(out, item);
            }
            out.extend_from_slice(close);
        }
        Value::Ints(list) => {
            let (open, between, close): (&[u8], _, &[u8]) = list_form(info);
            out.extend_from_slice(open);
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push(between);
                }
                number::dec(out, *item);
            }
            out.extend_from_slice(close);
        }
    }
}

/// Lists are in parentheses; ancestors are joined as in the falcosecurity libraries.
fn list_form(info: &FieldInfo) -> (&'static [u8], u8, &'static [u8]) {
    if info.flags.contains(FieldFlags::ANY) {
        (b"", b' ', b"")
    } else {
        (b"(", b',', b")")
    }
}

fn integer(out: &mut Vec<u8>, value: i64, signed: bool, info: &FieldInfo) {
    number::formatted(out, value, signed, 8, info.format);
}

fn address(out: &mut Vec<u8>, ip: std::net::IpAddr) {
    match ip {
        std::net::IpAddr::V4(ip) => net::ipv4(out, ip.octets()),
        std::net::IpAddr::V6(ip) => net::ipv6(out, ip),
    }
}

/// Appends a value as JSON. Numbers are numbers unless their print format is not decimal.
pub(super) fn write_json(
    out: &mut Vec<u8>,
    value: Value<'_>,
    info: &FieldInfo,
    buffers: BufferFormat,
    scratch: &mut Vec<u8>,
) {
    match value {
        Value::Text(value) => json::string(out, value),
        Value::Rendered(value) => json::rendered(out, value),
        Value::Bytes(value) => {
            scratch.clear();
            bytes::render(scratch, value, buffers);
            json::rendered(out, scratch);
        }
        Value::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Int(_) | Value::Uint(_) if info.format == PrintFormat::Hex => {
            out.push(b'"');
            write(out, value, info, buffers);
            out.push(b'"');
        }
        Value::Int(value) => number::dec(out, value),
        Value::Uint(value) => number::udec(out, value),
        Value::Double(value) if value.is_finite() => number::display(out, value),
        Value::Double(_) => out.extend_from_slice(b"null"),
        Value::Texts(list) => {
            out.push(b'[');
            for (index, item) in items(list).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json::string(out, item);
            }
            out.push(b']');
        }
        Value::Ints(list) => {
            out.push(b'[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                number::dec(out, *item);
            }
            out.push(b']');
        }
        Value::Ip(_) | Value::Ips(..) | Value::Ports(..) => {
            out.push(b'"');
            write(out, value, info, buffers);
            out.push(b'"');
        }
    }
}
