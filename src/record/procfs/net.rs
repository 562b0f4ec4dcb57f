//! Sockets by inode, from the tables of each network namespace.

use std::collections::{HashMap, HashSet, hash_map::Entry};

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
    /// Path of a unix socket, or its abstract name with `@` for NUL.
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
        let table = |name| bytes(&format!("{base}/net/{name}"), MAX_TABLE);
        for (name, l4proto) in TABLES {
            self.inet(&table(name), l4proto);
        }
        self.unix(&table("unix"));
        self.netlink(&table("netlink"));
    }

    /// Adds the sockets of a table of IPv4 or IPv6.
    pub(super) fn inet(&mut self, text: &[u8], l4proto: u8) {
        self.lines(text, |line| inet(line, l4proto));
    }

    /// Adds the sockets of the table of netlink.
    pub(super) fn netlink(&mut self, text: &[u8]) {
        self.lines(text, netlink);
    }

    /// Adds the unix sockets of a table. The kernel does not escape their names, so a name with a newline can look like the
    /// line of another socket: one with two names has none.
    pub(super) fn unix(&mut self, text: &[u8]) {
        for (inode, socket) in text.split(|byte| *byte == b'\n').skip(1).filter_map(unix) {
            match self.by_inode.entry(inode) {
                Entry::Vacant(entry) => drop(entry.insert(socket)),
                Entry::Occupied(mut entry) if entry.get().name != socket.name => {
                    entry.get_mut().name.clear();
                }
                Entry::Occupied(_) => {}
            }
        }
    }

    fn lines(&mut self, text: &[u8], parse: impl Fn(&[u8]) -> Option<(u64, Socket)>) {
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
    let inode = words(&line[colon + 1..]).nth(5)?;
    // The name is what follows the inode and one blank: it may begin with blanks, or hold them. An abstract name has an @
    // for each NUL, the first one included.
    let after = inode.as_ptr_range().end.addr() - line.as_ptr().addr();
    let name = line.get(after + 1..).unwrap_or_default().to_vec();
    let inode = number(inode)?;
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

    #[test]
    fn names_of_unix_sockets() {
        let name = |text: &str| {
            let line = format!("0000000000000000: 00000002 00000000 00010000 0001 01 1234 {text}");
            let (inode, socket) = unix(line.as_bytes()).unwrap();
            assert_eq!(inode, 1234);
            String::from_utf8(socket.name).unwrap()
        };
        // Also names that look like another column, or begin and end with blanks.
        for text in [
            "@abstract",
            "@",
            "@a@b@@",
            "relative",
            "01",
            "1234",
            " /a ",
            "/a  b",
        ] {
            assert_eq!(name(text), text);
        }
    }

    #[test]
    fn a_name_that_looks_like_a_line_names_nothing() {
        let header = "Num RefCount Protocol Flags Type St Inode Path";
        let line = |inode: u32, name: &str| {
            format!("0000000000000000: 00000002 00000000 00010000 0001 01 {inode:5} {name}")
        };
        let forged = format!("@x\n{}", line(1, "/run/forged"));
        let own = line(1, "/run/own");
        let other = line(2, "/run/other");
        for lines in [[&line(3, &forged), &own], [&own, &line(3, &forged)]] {
            let mut sockets = Sockets::default();
            let text = format!("{header}\n{}\n{}\n{other}\n", lines[0], lines[1]);
            sockets.unix(text.as_bytes());
            let name = |inode| sockets.by_inode[&inode].name.as_slice();
            assert_eq!(name(1), b"");
            assert_eq!(name(2), b"/run/other");
            // What is before the newline.
            assert_eq!(name(3), b"@x");
        }
    }
}
