//! Open files and sockets.

use super::super::peers::Peers;
use super::{Chosen, Machine, columns, name, table};
use crate::event::net::Endpoint;
use crate::state::{Connection, FdInfo, FdKind, L4, Role, Thread};
use crate::stats::table::{Cell, Row, Subject, Table};

impl<'m> Machine<'m> {
    /// Iterates over the fds of all processes.
    fn fds(&self) -> impl Iterator<Item = (&'m Thread, i64, &'m FdInfo)> {
        let state = self.state;
        self.mains()
            .into_iter()
            .flat_map(move |main| state.fds(main.tid).map(move |(fd, info)| (main, fd, info)))
    }

    /// Iterates over the chosen fds.
    fn chosen_fds(
        &self,
        chosen: &mut Chosen,
    ) -> impl Iterator<Item = (&'m Thread, i64, &'m FdInfo)> {
        let family = self.family(chosen);
        self.fds().filter(move |(main, fd, _)| {
            family.as_ref().is_none_or(|all| all.contains(&main.pid.0))
                && self.is_of_session(main, chosen)
                && chosen.filter.as_mut().is_none_or(|filter| {
                    filter.matches_thread(self.state, self.session, main, Some(*fd))
                })
        })
    }

    pub(super) fn files(&self, chosen: &mut Chosen) -> Table {
        let rows = self.chosen_fds(chosen).map(|(main, fd, info)| Row {
            cells: vec![
                Cell::Id(main.pid.0),
                name(main),
                self.user(main),
                Cell::Id(fd),
                info.kind.word().map_or(Cell::Empty, Cell::Word),
                mode(info.open_flags),
                Cell::Text(info.name.clone()),
            ],
            subject: self.subject(main, info),
            depth: 0,
            life: None,
        });
        table(columns::FILES, Some((0, false)), rows)
    }

    pub(super) fn sockets(&self, chosen: &mut Chosen) -> Table {
        let is_socket = |kind| {
            matches!(
                kind,
                FdKind::Ipv4 | FdKind::Ipv6 | FdKind::Unix | FdKind::Netlink
            )
        };
        let peers = Peers::new(self.fds());
        let sockets = self.chosen_fds(chosen);
        let sockets = sockets.filter(|(.., info)| is_socket(info.kind));
        let rows = sockets.map(|(main, fd, info)| {
            let (local, remote) = ends(info);
            Row {
                cells: vec![
                    Cell::Word(protocol(info)),
                    local,
                    remote,
                    Cell::Word(match info.connection {
                        Connection::Established => "connected",
                        Connection::Pending => "connecting",
                        Connection::None if info.bound.is_some() => "bound",
                        Connection::None => "open",
                    }),
                    match info.role {
                        Role::Unknown => Cell::Empty,
                        Role::Client => Cell::Word("client"),
                        Role::Server => Cell::Word("server"),
                    },
                    Cell::Id(main.pid.0),
                    name(main),
                    Cell::Id(fd),
                    peers.of_socket(main, info),
                ],
                subject: self.subject(main, info),
                depth: 0,
                life: None,
            }
        });
        table(columns::SOCKETS, Some((5, false)), rows)
    }

    /// Returns the subject of a row about an fd: the file or connection, if it has a name.
    fn subject(&self, main: &Thread, info: &FdInfo) -> Subject {
        match info.kind {
            _ if info.name.is_empty() => Subject::Process(self.key(main)),
            FdKind::Ipv4 | FdKind::Ipv6 => Subject::Connection(info.name.clone()),
            FdKind::File | FdKind::Directory | FdKind::Memfd => {
                Subject::File(info.name.clone(), None)
            }
            _ => Subject::Process(self.key(main)),
        }
    }
}

/// Returns the open mode of an fd, from flags in the field's encoding.
fn mode(flags: u32) -> Cell {
    match flags & 3 {
        1 => Cell::Word("r"),
        2 => Cell::Word("w"),
        3 => Cell::Word("rw"),
        _ => Cell::Empty,
    }
}

fn protocol(info: &FdInfo) -> &'static str {
    match (info.kind, info.l4) {
        (FdKind::Unix, _) => "unix",
        (FdKind::Netlink, _) => "netlink",
        (_, L4::Tcp) => "tcp",
        (_, L4::Udp) => "udp",
        (_, L4::Icmp) => "icmp",
        (_, L4::Raw) => "raw",
        (FdKind::Ipv6, L4::Unknown) => "ipv6",
        (_, L4::Unknown) => "ipv4",
    }
}

/// Returns the local and the remote end of a socket.
fn ends(info: &FdInfo) -> (Cell, Cell) {
    let end = |end: Option<Endpoint>| {
        end.map_or(Cell::Empty, |end| {
            let mut text = Vec::new();
            end.render(&mut text);
            Cell::Text(text.into())
        })
    };
    let ends = match (info.ends, info.role) {
        (Some((client, server)), Role::Server) => (Some(server), Some(client)),
        (Some((client, server)), _) => (Some(client), Some(server)),
        (None, _) => (info.bound, None),
    };
    match ends {
        (None, None) if !info.name.is_empty() => (Cell::Empty, Cell::Text(info.name.clone())),
        (local, remote) => (end(local), end(remote)),
    }
}
