//! Which process is at the other end of a socket, on the same machine.

use hashbrown::HashMap;

use crate::event::net::Endpoint;
use crate::event::number;
use crate::state::{FdInfo, FdKind, L4, Role, Text, Thread};
use crate::stats::table::Cell;

/// The sockets of a machine by their own end, to find the process at the other one.
pub(super) struct Peers<'m> {
    holders: HashMap<SocketEnd<'m>, Vec<&'m Thread>>,
}

/// What tells one end of a connection from others.
#[derive(PartialEq, Eq, Hash)]
enum SocketEnd<'m> {
    /// The kernel's address of a unix socket.
    Unix(u64),
    /// Own and remote address. Loopback addresses are of a network namespace, which is taken to be a container's.
    Internet(L4, Endpoint, Endpoint, Option<&'m [u8]>),
}

impl<'m> Peers<'m> {
    /// Most processes that are named as the peer of one socket.
    const MAX_NAMED: usize = 3;

    /// Takes all fds of a machine.
    pub(super) fn new(fds: impl Iterator<Item = (&'m Thread, i64, &'m FdInfo)>) -> Self {
        let mut holders: HashMap<_, Vec<&Thread>> = HashMap::new();
        for (main, _, info) in fds {
            if let Some((own, _)) = Self::ends(main, info) {
                let all = holders.entry(own).or_default();
                if all.last().is_none_or(|last| last.pid != main.pid)
                    && all.len() <= Self::MAX_NAMED
                {
                    all.push(main);
                }
            }
        }
        Self { holders }
    }

    /// Returns the own end of a connection and the other one.
    fn ends(main: &'m Thread, info: &FdInfo) -> Option<(SocketEnd<'m>, SocketEnd<'m>)> {
        if info.kind == FdKind::Unix {
            let (own, peer) = info.unix_ends;
            return (own != 0 && peer != 0)
                .then_some((SocketEnd::Unix(own), SocketEnd::Unix(peer)));
        }
        let (client, server) = info.ends?;
        let (own, other) = match info.role {
            Role::Client => (client, server),
            Role::Server => (server, client),
            Role::Unknown => return None,
        };
        let is_local = own.ip().is_loopback() || other.ip().is_loopback();
        let of = main.container.as_deref().filter(|_| is_local);
        Some((
            SocketEnd::Internet(info.l4, own, other, of),
            SocketEnd::Internet(info.l4, other, own, of),
        ))
    }

    /// Returns the processes at the other end of a socket.
    pub(super) fn of_socket(&self, main: &'m Thread, info: &FdInfo) -> Cell {
        let peers = Self::ends(main, info).and_then(|(_, other)| self.holders.get(&other));
        let Some(peers) = peers else {
            return Cell::Empty;
        };
        let names = peers.iter().take(Self::MAX_NAMED).map(|peer| {
            let mut text = peer.comm.as_deref().unwrap_or(b"<NA>").to_vec();
            text.push(b' ');
            number::dec(&mut text, peer.pid.0);
            Text::from(text)
        });
        Cell::List(names.collect(), peers.len() > Self::MAX_NAMED)
    }
}
