//! Sockets by inode, from the tables of each network namespace.

use std::collections::{HashMap, HashSet};

use scap_capture_format::native::snapshot::SocketEntry;

use super::{bytes, fds::kind, hex, link, number};

/// Most bytes read of one table.
const MAX_TABLE: usize = 64 << 20;
/// State of a listening TCP socket.
const LISTEN: u64 = 0x0a;
/// l4 protocols as .scap files number them.
const TCP: u8 = 2;
const TABLES: [(&str, u8); 7] = [
    ("tcp", TCP),
    ("udp", 3),
    ("icmp", 4),
    ("raw", 5),
    ("tcp6", TCP),
    ("udp6", 3),
    ("raw6", 5),
];

/// One socket.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) kind: u8,
    pub(super) ends: SocketEntry,
    /// Path of a unix socket.
    pub(super) name: Vec<u8>,
}

/// All sockets of the network namespaces that were seen.
#[derive(Default)]
pub(super) struct Sockets {
    known: HashSet<Vec<u8>>,
    by_inode: HashMap<u64, Socket>,
}

impl Sockets {
    /// Returns the socket with this inode, which the process at `base` has open.
    pub(super) fn find(&mut self, base: &str, inode: u64) -> Option<&Socket> {
        let namespace = link(&format!("{base}/ns/net"));
        if !namespace.is_empty() && self.known.insert(namespace) {
            self.read(base);
        }
        self.by_inode.get(&inode)
    }

    fn read(&mut self, base: &str) {
        for (table, l4proto) in TABLES {
            self.lines(base, table, |line| inet(line, l4proto));
        }
        self.lines(base, "unix", unix);
        self.lines(base, "netlink", netlink);
    }

    fn lines(&mut self, base: &str, table: &str, parse: impl Fn(&[u8]) -> Option<(u64, Socket)>) {
        let text = bytes(&format!("{base}/net/{table}"), MAX_TABLE);
        let lines = text.split(|byte| *byte == b'\n').skip(1);
        self.by_inode.extend(lines.filter_map(parse));
    }
}

fn words(line: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

/// `sl local remote state queues timer retransmits uid timeout inode …`.
fn inet(line: &[u8], l4proto: u8) -> Option<(u64, Socket)> {
    let mut words = words(line);
    let (source, source_port) = address(words.nth(1)?)?;
    let (dest, dest_port) = address(words.next()?)?;
    let server = hex(words.next()?)? == LISTEN && l4proto == TCP;
    let inode = number(words.nth(5)?)?;
    let (kind, ends) = match (source.as_slice().try_into(), dest.as_slice().try_into()) {
        (Ok(source), Ok(dest)) => (
            if server {
                kind::IPV4_SERVER
            } else {
                kind::IPV4
            },
            SocketEntry::Inet {
                source,
                dest,
                source_port,
                dest_port,
                l4proto,
            },
        ),
        _ => (
            if server {
                kind::IPV6_SERVER
            } else {
                kind::IPV6
            },
            SocketEntry::Inet6 {
                source: source.try_into().ok()?,
                dest: dest.try_into().ok()?,
                source_port,
                dest_port,
                l4proto,
            },
        ),
    };
    let name = Vec::new();
    Some((inode, Socket { kind, ends, name }))
}

/// `0100007F:1F90`: 32-bit words of the address in the machine's order, and the port.
fn address(text: &[u8]) -> Option<(Vec<u8>, u16)> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let mut out = Vec::with_capacity(16);
    for word in text[..colon].chunks(8) {
        out.extend_from_slice(&u32::try_from(hex(word)?).ok()?.to_ne_bytes());
    }
    Some((out, u16::try_from(hex(&text[colon + 1..])?).ok()?))
}

/// `address: references protocol flags type state inode path`.
fn unix(line: &[u8]) -> Option<(u64, Socket)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let source = hex(&line[..colon])?;
    let mut words = words(&line[colon + 1..]);
    let inode = number(words.nth(5)?)?;
    let name = words.next().unwrap_or_default();
    // The path may hold blanks: it is the rest of the line.
    let name = line
        .windows(name.len().max(1))
        .position(|window| window == name)
        .map_or(&[][..], |at| {
            if name.is_empty() {
                &[][..]
            } else {
                &line[at..]
            }
        });
    // An abstract name begins with an @ in this table, and without it in sysdig and Falco.
    let name = name.strip_prefix(b"@").unwrap_or(name).to_vec();
    let ends = SocketEntry::Unix { source, dest: 0 };
    let kind = kind::UNIX;
    Some((inode, Socket { kind, ends, name }))
}

/// `sk protocol pid groups rmem wmem dump locks drops inode`.
fn netlink(line: &[u8]) -> Option<(u64, Socket)> {
    let inode = number(words(line).next_back()?)?;
    let socket = Socket {
        kind: kind::NETLINK,
        ends: SocketEntry::None,
        name: Vec::new(),
    };
    Some((inode, socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tables_are_parsed() {
        let line = b"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  \
                     1000        0 22091 1 0000000000000000 100 0 0 10 0";
        let (inode, socket) = inet(line, TCP).unwrap();
        assert_eq!((inode, socket.kind), (22091, kind::IPV4_SERVER));
        let SocketEntry::Inet {
            source,
            source_port,
            ..
        } = socket.ends
        else {
            panic!("an IPv4 socket");
        };
        assert_eq!((source, source_port), ([127, 0, 0, 1], 8080));
        assert!(inet(b"garbage", TCP).is_none());

        let line = b"0000000000000000: 00000002 00000000 00010000 0001 01 1234 /run/a b.sock";
        let (inode, socket) = unix(line).unwrap();
        assert_eq!((inode, socket.kind), (1234, kind::UNIX));
        assert_eq!(socket.name, b"/run/a b.sock");
        let line = b"0000000000000000: 00000002 00000000 00000000 0001 03 1235";
        assert!(unix(line).unwrap().1.name.is_empty());
    }
}
