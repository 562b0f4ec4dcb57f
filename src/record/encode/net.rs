//! Sockets: addresses, tuples, messages.

use std::net::Ipv4Addr;

use scap_probe_common::wire::{ARG_RET, SocketFacts, tag};

use super::{Out, Raw, flags};
use crate::{
    event::{net::SockAddr, text},
    record::procfs::kind,
};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOL_SOCKET: u64 = 1;

/// One end of a connection.
#[derive(Clone, Copy)]
enum End<'a> {
    Inet([u8; 4], u16),
    Inet6([u8; 16], u16),
    Unix(u64, &'a [u8]),
}

/// The address in a `struct sockaddr` of the caller.
fn sockaddr(bytes: &[u8]) -> Option<End<'_>> {
    let family = u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?]);
    let port = || Some(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    match family {
        AF_INET => Some(End::Inet(bytes.get(4..8)?.try_into().ok()?, port()?)),
        AF_INET6 => Some(End::Inet6(bytes.get(8..24)?.try_into().ok()?, port()?)),
        AF_UNIX => Some(End::Unix(0, unix_path(bytes))),
        _ => None,
    }
}

/// Returns the path in a `struct sockaddr_un`, which a NUL ends, or the abstract name, which begins with one and can have
/// more.
fn unix_path(bytes: &[u8]) -> &[u8] {
    let path = bytes.get(2..).unwrap_or_default();
    if path.first() == Some(&0) {
        return path;
    }
    let end = path
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(path.len());
    &path[..end]
}

/// Appends the path or name of a unix socket with a NUL. An abstract name has `@` for its NULs, as the kernel and `ss` print
/// it; a path that begins with `@` is written so that it differs.
fn write_unix_path(path: &[u8], out: &mut Vec<u8>) {
    match path.first() {
        Some(0) => out.extend(
            path.iter()
                .map(|byte| if *byte == 0 { b'@' } else { *byte }),
        ),
        Some(b'@') => {
            out.extend_from_slice(b"./");
            out.extend_from_slice(path);
        }
        _ => out.extend_from_slice(path),
    }
    out.push(0);
}

/// Adds a SOCKADDR parameter. `chosen` is the port that the kernel chose for a `bind` to port 0.
fn put_sockaddr(bytes: Option<&[u8]>, chosen: u16, out: &mut Out) {
    let start = out.begin();
    write_sockaddr(bytes.unwrap_or_default(), chosen, &mut out.data);
    out.end(start);
}

/// Appends the text of a `struct sockaddr`.
pub(super) fn address_text(bytes: &[u8], out: &mut Vec<u8>) {
    let mut address = Vec::new();
    write_sockaddr(bytes, 0, &mut address);
    if let Some(address) = SockAddr::parse(&address) {
        address.render(out, text::raw);
    }
}

/// Appends a `struct sockaddr` in the encoding of SOCKADDR parameters.
fn write_sockaddr(bytes: &[u8], chosen: u16, out: &mut Vec<u8>) {
    let address = match sockaddr(bytes) {
        Some(End::Inet(address, 0)) => Some(End::Inet(address, chosen)),
        Some(End::Inet6(address, 0)) => Some(End::Inet6(address, chosen)),
        address => address,
    };
    match address {
        Some(End::Inet(address, port)) => {
            out.push(AF_INET as u8);
            out.extend_from_slice(&address);
            out.extend_from_slice(&port.to_le_bytes());
        }
        Some(End::Inet6(address, port)) => {
            out.push(AF_INET6 as u8);
            out.extend_from_slice(&address);
            out.extend_from_slice(&port.to_le_bytes());
        }
        Some(End::Unix(_, path)) => {
            out.push(AF_UNIX as u8);
            write_unix_path(path, out);
        }
        None => out.extend(bytes.first()),
    }
}

/// Returns the two ends of a socket in the kernel: own, peer.
fn ends<'a>(raw: &Raw<'a>, arg: u8, socket: &SocketFacts) -> Option<(End<'a>, End<'a>)> {
    let four = |address: [u8; 16]| [address[0], address[1], address[2], address[3]];
    match socket.family {
        AF_INET => Some((
            End::Inet(four(socket.local), socket.local_port),
            End::Inet(four(socket.remote), socket.remote_port),
        )),
        AF_INET6 => Some((
            End::Inet6(socket.local, socket.local_port),
            End::Inet6(socket.remote, socket.remote_port),
        )),
        AF_UNIX => {
            let path = |tag| {
                raw.find(tag, arg)
                    .map_or(&[][..], |item| unix_path(item.bytes))
            };
            Some((
                End::Unix(socket.sk, path(tag::UNIX_LOCAL)),
                End::Unix(socket.peer, path(tag::UNIX_PEER)),
            ))
        }
        _ => None,
    }
}

/// Kind of a socket's fd, numbered as in snapshots.
pub(super) fn snapshot_kind(socket: &SocketFacts) -> u8 {
    const AF_NETLINK: u16 = 16;
    match socket.family {
        AF_INET => kind::IPV4,
        AF_INET6 => kind::IPV6,
        AF_UNIX => kind::UNIX,
        AF_NETLINK => kind::NETLINK,
        _ => kind::UNSUPPORTED,
    }
}

/// Transport protocol of a socket, numbered as in snapshots.
pub(super) fn snapshot_l4(socket: &SocketFacts) -> u8 {
    const SOCK_RAW: u16 = 3;
    match (socket.kind, socket.protocol) {
        (SOCK_RAW, _) => 5,
        (_, 6) => 2,
        (_, 17) => 3,
        (_, 1) => 4,
        _ => 0,
    }
}

/// Whether it is a TCP socket that accepts connections.
pub(super) fn is_listening(socket: &SocketFacts) -> bool {
    /// `TCP_LISTEN`; a unix socket has it, too.
    const LISTEN: u16 = 10;
    socket.state == LISTEN
}

/// Appends own end and peer of a socket as a SOCKTUPLE; nothing if it has no addresses.
pub(super) fn ends_of(raw: &Raw<'_>, arg: u8, socket: &SocketFacts, out: &mut Vec<u8>) {
    if let Some((own, peer)) = ends(raw, arg, socket) {
        write_tuple(own, peer, own, peer, out);
    }
}

/// The end that is the source of a tuple.
#[derive(Clone, Copy, PartialEq)]
enum From {
    Own,
    Peer,
}

/// Adds a SOCKTUPLE parameter for the socket of argument `arg`. `other` is an address that the call passed or
/// received; it is used as the peer if the socket has none.
fn put_tuple(raw: &Raw<'_>, arg: u8, from: From, other: Option<&[u8]>, out: &mut Out) {
    let Some(socket) = raw.socket(arg) else {
        return out.absent();
    };
    let Some((own, mut peer)) = ends(raw, arg, &socket) else {
        return out.absent();
    };
    // After a refusal, the socket has the address that it was to be connected to, but no longer the port.
    let unknown = match peer {
        End::Inet(_, port) | End::Inet6(_, port) => port == 0,
        End::Unix(peer, path) => peer == 0 && path.is_empty(),
    };
    if let Some(named) = other.and_then(sockaddr)
        && unknown
    {
        peer = match (peer, named) {
            (End::Unix(pointer, _), End::Unix(_, path)) => End::Unix(pointer, path),
            (End::Unix(..), _) | (_, End::Unix(..)) => peer,
            _ => named,
        };
    }
    let (source, dest) = if from == From::Own {
        (own, peer)
    } else {
        (peer, own)
    };
    let start = out.begin();
    if write_tuple(source, dest, own, peer, &mut out.data) {
        out.end(start);
    } else {
        out.absent();
    }
}

/// Returns an address of IPv4 as the IPv6 address that it is mapped to.
fn mapped(end: End<'_>) -> End<'_> {
    match end {
        End::Inet([a, b, c, d], port) => {
            let address = Ipv4Addr::new(a, b, c, d).to_ipv6_mapped();
            End::Inet6(address.octets(), port)
        }
        other => other,
    }
}

/// Appends a SOCKTUPLE, whose ends `own` and `peer` are as well; returns whether there is one.
fn write_tuple(
    source: End<'_>,
    dest: End<'_>,
    own: End<'_>,
    peer: End<'_>,
    out: &mut Vec<u8>,
) -> bool {
    match (source, dest) {
        // An IPv6 socket takes addresses of IPv4, too.
        (End::Inet(..), End::Inet6(..)) => {
            return write_tuple(mapped(source), dest, own, peer, out);
        }
        (End::Inet6(..), End::Inet(..)) => {
            return write_tuple(source, mapped(dest), own, peer, out);
        }
        (End::Inet(source, sport), End::Inet(dest, dport)) => {
            out.push(AF_INET as u8);
            out.extend_from_slice(&source);
            out.extend_from_slice(&sport.to_le_bytes());
            out.extend_from_slice(&dest);
            out.extend_from_slice(&dport.to_le_bytes());
        }
        (End::Inet6(source, sport), End::Inet6(dest, dport)) => {
            out.push(AF_INET6 as u8);
            out.extend_from_slice(&source);
            out.extend_from_slice(&sport.to_le_bytes());
            out.extend_from_slice(&dest);
            out.extend_from_slice(&dport.to_le_bytes());
        }
        (End::Unix(source, _), End::Unix(dest, dest_path)) => {
            out.push(AF_UNIX as u8);
            out.extend_from_slice(&source.to_le_bytes());
            out.extend_from_slice(&dest.to_le_bytes());
            // The path is that of the listener, the only end with a path.
            let path = match (own, peer) {
                (End::Unix(_, own), End::Unix(..)) if dest_path.is_empty() => own,
                _ => dest_path,
            };
            write_unix_path(path, out);
        }
        _ => return false,
    }
    true
}

pub(super) fn bind(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    let chosen = raw.socket(0).map_or(0, |socket| socket.local_port);
    put_sockaddr(raw.memory(1), chosen, out);
    out.i64(i64::from(raw.header.args[0] as i32));
}

pub(super) fn connect(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    put_tuple(raw, 0, From::Own, raw.memory(1), out);
    out.i64(i64::from(raw.header.args[0] as i32));
    put_sockaddr(raw.memory(1), 0, out);
}

pub(super) fn accept(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    put_tuple(raw, ARG_RET, From::Peer, None, out);
    match raw.socket(0) {
        Some(listener) => {
            let percent = if listener.backlog_max == 0 {
                0
            } else {
                u64::from(listener.backlog) * 100 / u64::from(listener.backlog_max)
            };
            out.u8(percent.min(255) as u8);
            out.u32(listener.backlog);
            out.u32(listener.backlog_max);
        }
        None => {
            out.absent();
            out.absent();
            out.absent();
        }
    }
}

pub(super) fn accept4(raw: &Raw<'_>, out: &mut Out) {
    accept(raw, out);
    // SOCK_NONBLOCK and SOCK_CLOEXEC have the values of O_NONBLOCK and O_CLOEXEC.
    out.u32(flags::descriptor(raw.header.args[3]));
}

pub(super) fn socket(raw: &Raw<'_>, out: &mut Out) {
    let args = &raw.header.args;
    out.ret(raw);
    out.u32(args[0] as u32);
    out.u32(args[1] as u32);
    out.u32(args[2] as u32);
    out.u32(flags::descriptor(args[1] & 0x8_0800));
}

pub(super) fn sendto(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.opt_bytes(raw.data());
    out.i64(i64::from(raw.header.args[0] as i32));
    out.u32(raw.header.args[2] as u32);
    put_tuple(raw, 0, From::Own, raw.memory(4), out);
}

pub(super) fn recvfrom(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.opt_bytes(raw.data());
    put_tuple(raw, 0, From::Peer, raw.memory(4), out);
    out.i64(i64::from(raw.header.args[0] as i32));
    out.u32(raw.header.args[2] as u32);
}

/// Adds the total size of the message's buffers.
fn message_size(raw: &Raw<'_>, out: &mut Out) {
    match raw.vector_bytes(raw.part) {
        Some(bytes) => out.u32(bytes as u32),
        None => out.absent(),
    }
}

fn message_name<'a>(raw: &Raw<'a>) -> Option<&'a [u8]> {
    raw.find(tag::MESSAGE_NAME, raw.part).map(|item| item.bytes)
}

fn control<'a>(raw: &Raw<'a>) -> Option<&'a [u8]> {
    raw.find(tag::CONTROL, raw.part).map(|item| item.bytes)
}

pub(super) fn sendmsg(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.opt_bytes(raw.data());
    out.i64(i64::from(raw.header.args[0] as i32));
    message_size(raw, out);
    put_tuple(raw, 0, From::Own, message_name(raw), out);
}

pub(super) fn recvmsg(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    message_size(raw, out);
    out.opt_bytes(raw.data());
    put_tuple(raw, 0, From::Peer, message_name(raw), out);
    out.opt_bytes(control(raw));
    out.i64(i64::from(raw.header.args[0] as i32));
}

pub(super) fn sendmmsg(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.i64(i64::from(raw.header.args[0] as i32));
    message_size(raw, out);
    out.opt_bytes(raw.data());
    put_tuple(raw, 0, From::Own, message_name(raw), out);
}

pub(super) fn recvmmsg(raw: &Raw<'_>, out: &mut Out) {
    out.ret(raw);
    out.i64(i64::from(raw.header.args[0] as i32));
    message_size(raw, out);
    out.opt_bytes(raw.data());
    put_tuple(raw, 0, From::Peer, message_name(raw), out);
    out.opt_bytes(control(raw));
}

/// Value of a socket option: variant and its bytes (dynamic-params.csv: sockopt_dynamic_param).
fn option_value(raw: &Raw<'_>, out: &mut Out) {
    const SO_ERROR: u64 = 4;
    const TIMEOUTS: [u64; 4] = [20, 21, 66, 67];
    /// SOL_SOCKET options whose value is a C int.
    const INTEGERS: [u64; 31] = [
        1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 18, 19, 29, 30, 33, 35, 36, 37, 38, 39, 40, 41,
        42, 43, 44, 45, 46, 49,
    ];
    let Some(value) = raw.memory(3) else {
        return out.absent();
    };
    let [_, level, name, ..] = raw.header.args;
    let word = value
        .get(..4)
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let start = out.begin();
    match word {
        Some(word) if level == SOL_SOCKET && name == SO_ERROR => {
            out.data.push(1);
            out.data
                .extend_from_slice(&(-i64::from(word)).to_le_bytes());
        }
        Some(_) if level == SOL_SOCKET && TIMEOUTS.contains(&name) && value.len() >= 16 => {
            let seconds = raw.memory_u64(3, 0).unwrap_or(0);
            let micros = raw.memory_u64(3, 1).unwrap_or(0);
            let total = seconds
                .wrapping_mul(1_000_000_000)
                .wrapping_add(micros.wrapping_mul(1000));
            out.data.push(4);
            out.data.extend_from_slice(&total.to_le_bytes());
        }
        Some(word) if level == SOL_SOCKET && INTEGERS.contains(&name) => {
            out.data.push(2);
            out.data.extend_from_slice(&word.to_le_bytes());
        }
        _ => {
            out.data.push(0);
            out.data.extend_from_slice(value);
        }
    }
    out.end(start);
}

fn sockopt(raw: &Raw<'_>, len: Option<u32>, out: &mut Out) {
    let [fd, level, name, ..] = raw.header.args;
    out.ret(raw);
    out.i64(i64::from(fd as i32));
    const SOL_TCP: u64 = 6;
    out.u8(match level {
        SOL_SOCKET => 1,
        SOL_TCP => 2,
        _ => 0,
    });
    out.u8(if level == SOL_SOCKET {
        flags::one(name, flags::SOCKET_OPTION, name as u32) as u8
    } else {
        0
    });
    option_value(raw, out);
    match len {
        Some(len) => out.u32(len),
        None => out.absent(),
    }
}

pub(super) fn setsockopt(raw: &Raw<'_>, out: &mut Out) {
    sockopt(raw, Some(raw.header.args[4] as u32), out);
}

pub(super) fn getsockopt(raw: &Raw<'_>, out: &mut Out) {
    sockopt(raw, raw.memory(3).map(|value| value.len() as u32), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abstract_names_are_told_from_paths() {
        for (address, written) in [
            (&b"\x01\0/run/x\0rest"[..], &b"/run/x\0"[..]),
            (b"\x01\0/run/x", b"/run/x\0"),
            (b"\x01\0\0/run/x", b"@/run/x\0"),
            (b"\x01\0\0a\0b\0", b"@a@b@\0"),
            (b"\x01\0\0", b"@\0"),
            (b"\x01\0@a", b"./@a\0"),
            // A socket without a name.
            (b"\x01\0", b"\0"),
            (b"", b"\0"),
        ] {
            let mut out = Vec::new();
            write_unix_path(unix_path(address), &mut out);
            assert_eq!(out, written);
        }
    }
}
