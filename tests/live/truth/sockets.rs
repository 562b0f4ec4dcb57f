//! Sockets as `/proc/net` has them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use scap::{
    event::net::Endpoint,
    state::{FdInfo, FdKind, L4},
};

use super::proc;

/// One socket.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// TCP or UDP: own and other end.
    Inet {
        l4: L4,
        local: (IpAddr, u16),
        remote: (IpAddr, u16),
        listens: bool,
    },
    /// A unix socket, of which only that is compared.
    Unix,
}

impl Entry {
    /// What the state has wrong about it.
    pub(super) fn difference(&self, info: &FdInfo) -> Option<String> {
        match self {
            Self::Unix => (info.kind != FdKind::Unix).then(|| format!("{info:?}")),
            Self::Inet {
                l4,
                local,
                remote,
                listens,
            } => {
                let (local, remote) = (mapped(*local), mapped(*remote));
                let is_v4 = local.0.is_ipv4() && remote.0.is_ipv4();
                let connected = remote.1 != 0;
                let end = |e: Endpoint| (e.ip(), e.port());
                let right = match info.ends {
                    Some((a, b)) => {
                        let ends = [end(a), end(b)];
                        let is = ends == [local, remote] || ends == [remote, local];
                        // Without a connection the other end is whoever was talked with last.
                        let talked = *l4 == L4::Udp && !connected && ends.contains(&local);
                        info.l4 == *l4 && (is || talked)
                    }
                    None => !connected && info.bound.is_none_or(|b| b.port() == local.1),
                };
                let bound = !listens || info.bound.is_some_and(|b| end(b) == local);
                let kind = if is_v4 && connected {
                    FdKind::Ipv4
                } else {
                    info.kind
                };
                let is_inet = info.kind.is_inet() && info.kind == kind;
                (!(right && bound && is_inet)).then(|| format!("{info:?}"))
            }
        }
    }
}

/// An IPv4 address that is written as an IPv6 one.
fn mapped((addr, port): (IpAddr, u16)) -> (IpAddr, u16) {
    (addr.to_canonical(), port)
}

/// All sockets of a thread's network namespace, by inode.
pub(super) fn all(tid: i64) -> BTreeMap<u64, Entry> {
    let mut found = BTreeMap::new();
    for (file, l4) in [
        ("tcp", L4::Tcp),
        ("tcp6", L4::Tcp),
        ("udp", L4::Udp),
        ("udp6", L4::Udp),
    ] {
        let text = proc(tid, &format!("net/{file}"));
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let entry = Entry::Inet {
                l4,
                local: endpoint(words[1]),
                remote: endpoint(words[2]),
                listens: l4 == L4::Tcp && words[3] == "0A",
            };
            found.insert(words[9].parse().unwrap(), entry);
        }
    }
    for line in proc(tid, "net/unix").lines().skip(1) {
        let mut words = line.split_whitespace();
        let inode = words.nth(6).unwrap().parse().unwrap();
        found.insert(inode, Entry::Unix);
    }
    found
}

/// `0100007F:1F90`, in words of the machine's order.
fn endpoint(text: &str) -> (IpAddr, u16) {
    let (addr, port) = text.split_once(':').unwrap();
    let bytes: Vec<u8> = addr
        .as_bytes()
        .chunks(8)
        .flat_map(|w| {
            u32::from_str_radix(std::str::from_utf8(w).unwrap(), 16)
                .unwrap()
                .to_ne_bytes()
        })
        .collect();
    let addr = <[u8; 4]>::try_from(&bytes[..]).map_or_else(
        |_| IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).unwrap())),
        |four| IpAddr::from(Ipv4Addr::from(four)),
    );
    (addr, u16::from_str_radix(port, 16).unwrap())
}
