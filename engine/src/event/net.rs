//! Socket addresses and tuples: their encoding and how they print.
//!
//! | family | address | tuple |
//! | --- | --- | --- |
//! | 2 (inet) | 4 bytes, `u16` port | source and destination address |
//! | 10 (inet6) | 16 bytes, `u16` port | source and destination address |
//! | 1 (unix) | path, NUL | `u64` source, `u64` destination (kernel addresses), path, NUL |
//!
//! The first byte is the family; ports are in host order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::text::Put;
use super::{number, text, value};

/// Family number of unix sockets.
pub const UNIX: u8 = 1;
/// Family number of IPv4.
pub const INET: u8 = 2;
/// Family number of IPv6.
pub const INET6: u8 = 10;

/// One end of an internet connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// IPv4.
    V4(Ipv4Addr, u16),
    /// IPv6.
    V6(Ipv6Addr, u16),
}

impl Endpoint {
    /// Returns the unspecified end of the same family.
    fn unspecified(self) -> Self {
        match self {
            Self::V4(..) => Self::V4(Ipv4Addr::UNSPECIFIED, 0),
            Self::V6(..) => Self::V6(Ipv6Addr::UNSPECIFIED, 0),
        }
    }

    /// Returns the address.
    pub fn ip(self) -> IpAddr {
        match self {
            Self::V4(ip, _) => ip.into(),
            Self::V6(ip, _) => ip.into(),
        }
    }

    /// Returns the port.
    pub fn port(self) -> u16 {
        match self {
            Self::V4(_, port) | Self::V6(_, port) => port,
        }
    }

    /// Whether the address is all zeros.
    pub fn is_unspecified(self) -> bool {
        match self {
            Self::V4(ip, _) => ip.is_unspecified(),
            Self::V6(ip, _) => ip.is_unspecified(),
        }
    }

    /// Returns the IPv4 form of an IPv4-mapped IPv6 address.
    pub fn unmapped(self) -> Self {
        match self {
            Self::V6(ip, port) => ip.to_ipv4_mapped().map_or(self, |v4| Self::V4(v4, port)),
            Self::V4(..) => self,
        }
    }

    /// Appends `address:port`.
    pub fn render(self, out: &mut Vec<u8>) {
        match self {
            Self::V4(ip, _) => ipv4(out, ip.octets()),
            Self::V6(ip, _) => ipv6(out, ip),
        }
        out.push(b':');
        number::udec(out, u64::from(self.port()));
    }
}

fn v4(bytes: &[u8]) -> Option<Endpoint> {
    let (ip, port) = bytes.split_at_checked(4)?;
    let ip: [u8; 4] = ip.try_into().ok()?;
    Some(Endpoint::V4(ip.into(), port_of(port)?))
}

fn v6(bytes: &[u8]) -> Option<Endpoint> {
    let (ip, port) = bytes.split_at_checked(16)?;
    let ip: [u8; 16] = ip.try_into().ok()?;
    Some(Endpoint::V6(ip.into(), port_of(port)?))
}

fn port_of(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?))
}

/// A socket address parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockAddr<'a> {
    /// An internet address.
    Inet(Endpoint),
    /// The path of a unix socket. Captures of scap have `@` for each NUL of an abstract name, as `ss` shows it, and `./@x` for
    /// the relative path `@x`; those of sysdig and Falco have abstract names without their first NUL.
    Unix(&'a [u8]),
    /// Another family.
    Other(u8),
    /// Too short for its family.
    Invalid(u8),
}

impl<'a> SockAddr<'a> {
    /// Decodes an address; `None` if the family is missing. An IPv4-mapped address is one of IPv4.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&family, rest) = bytes.split_first()?;
        Some(match family {
            INET if rest.len() >= 6 => v4(rest).map_or(Self::Invalid(family), Self::Inet),
            INET6 if rest.len() >= 18 => match v6(rest) {
                Some(end) => Self::Inet(end.unmapped()),
                None => Self::Invalid(family),
            },
            INET | INET6 => Self::Invalid(family),
            UNIX => Self::Unix(value::text(rest)),
            _ => Self::Other(family),
        })
    }

    /// Appends the address as sysdig prints it.
    pub fn render(self, out: &mut Vec<u8>, put: Put) {
        match self {
            Self::Inet(end) => end.render(out),
            Self::Unix(path) => put(out, path),
            Self::Other(family) => other(out, family),
            Self::Invalid(family) => invalid(out, family),
        }
    }
}

/// A connection's two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockTuple<'a> {
    /// Source and destination of an internet socket.
    Inet(Endpoint, Endpoint),
    /// Kernel addresses of both sockets, and the path.
    Unix(u64, u64, &'a [u8]),
    /// Another family.
    Other(u8),
    /// Too short for its family.
    Invalid(u8),
}

impl<'a> SockTuple<'a> {
    /// Returns the ends of a `connect`: the socket's, and the address that the program passed in place of what the socket lacks.
    /// After a refusal it has kept the peer's address without the port.
    pub fn of_connect(socket: Option<Self>, passed: Option<SockAddr<'a>>) -> Option<Self> {
        match (socket, passed) {
            (Some(Self::Inet(own, peer)), Some(SockAddr::Inet(passed)))
                if peer.port() == 0 && passed.port() != 0 =>
            {
                let passed = passed.unmapped();
                let own = match (own, passed) {
                    (Endpoint::V4(..), Endpoint::V4(..)) | (Endpoint::V6(..), Endpoint::V6(..)) => {
                        own
                    }
                    _ => passed.unspecified(),
                };
                Some(Self::Inet(own, passed))
            }
            (Some(tuple), _) => Some(tuple),
            (None, Some(SockAddr::Inet(passed))) => Some(Self::Inet(passed.unspecified(), passed)),
            (None, Some(SockAddr::Unix(path))) => Some(Self::Unix(0, 0, path)),
            (None, _) => None,
        }
    }

    /// Decodes a tuple; `None` if the family is missing. IPv4-mapped addresses are those of IPv4.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&family, rest) = bytes.split_first()?;
        let parsed = match family {
            INET => rest
                .split_at_checked(6)
                .and_then(|(s, d)| Some(Self::Inet(v4(s)?, v4(d)?))),
            INET6 => rest
                .split_at_checked(18)
                .and_then(|(s, d)| Some(unmap(v6(s)?, v6(d)?)))
                .map(|(source, destination)| Self::Inet(source, destination)),
            UNIX => Self::parse_unix(rest),
            _ => Some(Self::Other(family)),
        };
        Some(parsed.unwrap_or(Self::Invalid(family)))
    }

    fn parse_unix(rest: &'a [u8]) -> Option<Self> {
        let (source, rest) = rest.split_at_checked(8)?;
        let (peer, path) = rest.split_at_checked(8)?;
        Some(Self::Unix(
            value::unsigned(source)?,
            value::unsigned(peer)?,
            value::text(path),
        ))
    }

    /// Appends the tuple with the path unescaped, for storing.
    pub fn name(self, out: &mut Vec<u8>) {
        self.write(out, text::raw);
    }

    /// Appends the tuple as sysdig prints it.
    pub fn write(self, out: &mut Vec<u8>, write_path: Put) {
        match self {
            Self::Inet(source, destination) => {
                source.render(out);
                out.extend_from_slice(b"->");
                destination.render(out);
            }
            Self::Unix(source, peer, path) => {
                number::hex_lower(out, source);
                out.extend_from_slice(b"->");
                number::hex_lower(out, peer);
                out.push(b' ');
                write_path(out, path);
            }
            Self::Other(family) => other(out, family),
            Self::Invalid(family) => invalid(out, family),
        }
    }
}

/// Returns both ends as IPv4 if they are IPv4-mapped. The end that is not known, or bound to all addresses, is
/// unspecified instead.
pub fn unmap(source: Endpoint, destination: Endpoint) -> (Endpoint, Endpoint) {
    let like_the_other = |end: Endpoint| match end {
        Endpoint::V6(ip, port) if ip.is_unspecified() => Endpoint::V4(Ipv4Addr::UNSPECIFIED, port),
        end => end.unmapped(),
    };
    match (source.unmapped(), destination.unmapped()) {
        (Endpoint::V6(..), Endpoint::V6(..)) => (source, destination),
        _ => match (like_the_other(source), like_the_other(destination)) {
            (s @ Endpoint::V4(..), d @ Endpoint::V4(..)) => (s, d),
            _ => (source, destination),
        },
    }
}

/// Appends dotted decimal.
pub fn ipv4(out: &mut Vec<u8>, octets: [u8; 4]) {
    for (i, octet) in octets.iter().enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        number::udec(out, u64::from(*octet));
    }
}

/// Appends an IPv6 address as `inet_ntop` writes it.
///
/// That is the standard library's form, except that an address with six leading zero words ends in
/// dotted decimal.
pub fn ipv6(out: &mut Vec<u8>, ip: Ipv6Addr) {
    let words = ip.segments();
    if words[..6] == [0; 6] && words[6] != 0 {
        out.extend_from_slice(b"::");
        let octets = ip.octets();
        ipv4(out, [octets[12], octets[13], octets[14], octets[15]]);
    } else {
        number::display(out, ip);
    }
}

fn other(out: &mut Vec<u8>, family: u8) {
    out.extend_from_slice(b"family ");
    number::udec(out, u64::from(family));
}

fn invalid(out: &mut Vec<u8>, family: u8) {
    out.extend_from_slice(match family {
        INET => b"INVALID IPv4",
        INET6 => b"INVALID IPv6",
        _ => b"INVALID UNIX",
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4_bytes(ip: [u8; 4], port: u16) -> Vec<u8> {
        [&ip[..], &port.to_le_bytes()].concat()
    }

    fn v6_bytes(ip: &str, port: u16) -> Vec<u8> {
        let ip: Ipv6Addr = ip.parse().unwrap();
        [&ip.octets()[..], &port.to_le_bytes()].concat()
    }

    fn addr(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        SockAddr::parse(bytes)
            .unwrap()
            .render(&mut out, text::escape_exact);
        String::from_utf8(out).unwrap()
    }

    fn tuple(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        SockTuple::parse(bytes)
            .unwrap()
            .write(&mut out, text::escape_exact);
        String::from_utf8(out).unwrap()
    }

    // The expected texts of both tests are what sysdig 0.29.3 prints for these bytes, except that it prints an IPv4-mapped
    // address as IPv4 only where both ends are mapped.

    #[test]
    fn a_refused_connect_was_to_the_port_that_was_passed() {
        let end = |ip: [u8; 4], port| Endpoint::V4(Ipv4Addr::from(ip), port);
        let (own, local) = (end([0; 4], 0), [127, 0, 0, 1]);
        let passed = Some(SockAddr::Inet(end(local, 9)));
        for (socket, expected) in [
            // What the socket has kept of its peer, all of it, and nothing.
            (Some((own, end(local, 0))), Some((own, end(local, 9)))),
            (
                Some((end(local, 4000), end(local, 9))),
                Some((end(local, 4000), end(local, 9))),
            ),
            (None, Some((own, end(local, 9)))),
        ] {
            let socket = socket.map(|(own, peer)| SockTuple::Inet(own, peer));
            let expected = expected.map(|(own, peer)| SockTuple::Inet(own, peer));
            assert_eq!(SockTuple::of_connect(socket, passed), expected);
        }
        let kept = Some(SockTuple::Inet(own, end(local, 0)));
        assert_eq!(SockTuple::of_connect(kept, None), kept);
        // IPv6 sockets with an IPv4 address, and the other way round.
        let v6 = Endpoint::V6(Ipv6Addr::UNSPECIFIED, 0);
        let kept = Some(SockTuple::Inet(v6, v6));
        assert_eq!(
            SockTuple::of_connect(kept, passed),
            Some(SockTuple::Inet(own, end(local, 9)))
        );
        let path = SockAddr::Unix(b"/run/x");
        assert_eq!(
            SockTuple::of_connect(None, Some(path)),
            Some(SockTuple::Unix(0, 0, b"/run/x"))
        );
    }

    #[test]
    fn addresses() {
        let inet6 = |ip, port| addr(&[&[INET6][..], &v6_bytes(ip, port)].concat());
        assert_eq!(
            addr(&[&[INET][..], &v4_bytes([1, 2, 3, 4], 80)].concat()),
            "1.2.3.4:80"
        );
        assert_eq!(inet6("::1", 80), "::1:80");
        assert_eq!(inet6("::ffff:1.2.3.4", 81), "1.2.3.4:81");
        assert_eq!(inet6("2001:db8::", 0), "2001:db8:::0");
        assert_eq!(inet6("::", 0), ":::0");
        assert_eq!(inet6("::1.2.3.4", 0), "::1.2.3.4:0");
        assert_eq!(inet6("2001:0:0:1:0:0:0:1", 0), "2001:0:0:1::1:0");
        assert_eq!(inet6("1:0:2:3:4:5:6:7", 9), "1:0:2:3:4:5:6:7:9");
        assert_eq!(addr(b"\x01/run/x.sock\0"), "/run/x.sock");
        assert_eq!(addr(b"\x01\0"), "");
        assert_eq!(addr(b"\x01/run/\x1b[2J\0"), "/run/\\x1b[2J");
        assert_eq!(addr(b"\x10abc"), "family 16");
        assert_eq!(addr(b"\x02\x01\x02"), "INVALID IPv4");
        assert_eq!(addr(b"\x0aabc"), "INVALID IPv6");
        assert_eq!(SockAddr::parse(b""), None);
    }

    #[test]
    fn tuples() {
        let inet4 = [v4_bytes([10, 0, 0, 5], 40_000), v4_bytes([8, 8, 8, 8], 53)].concat();
        assert_eq!(
            tuple(&[&[INET][..], &inet4].concat()),
            "10.0.0.5:40000->8.8.8.8:53"
        );
        let inet6 = |s, d| tuple(&[&[INET6][..], &v6_bytes(s, 1), &v6_bytes(d, 2)].concat());
        assert_eq!(inet6("::1", "2001:db8::1"), "::1:1->2001:db8::1:2");
        assert_eq!(
            inet6("::ffff:1.2.3.4", "::ffff:5.6.7.8"),
            "1.2.3.4:1->5.6.7.8:2"
        );
        assert_eq!(inet6("::ffff:1.2.3.4", "::"), "1.2.3.4:1->0.0.0.0:2");
        assert_eq!(inet6("::", "::ffff:1.2.3.4"), "0.0.0.0:1->1.2.3.4:2");
        assert_eq!(inet6("::ffff:1.2.3.4", "::1"), "::ffff:1.2.3.4:1->::1:2");
        let unix = |s: u64, d: u64, path: &[u8]| {
            tuple(&[&[UNIX][..], &s.to_le_bytes(), &d.to_le_bytes(), path].concat())
        };
        assert_eq!(
            unix(0, 0xffff_8800_3c42_0800, b"/var/run/s\0"),
            "0->ffff88003c420800 /var/run/s"
        );
        assert_eq!(unix(0, 0, b"\0"), "0->0 ");
        assert_eq!(tuple(b"\x10abc"), "family 16");
        assert_eq!(tuple(b"\x02\x01\x02"), "INVALID IPv4");
        assert_eq!(tuple(b"\x0a12"), "INVALID IPv6");
        assert_eq!(tuple(b"\x01abc"), "INVALID UNIX");
    }
}
