//! Connections and ports.

use hashbrown::HashMap;

use super::processes::{container, ids, names, text};
use super::{Cell, Row, Subject};
use crate::event::net::Endpoint;
use crate::state::{L4, Role, Text};
use crate::stats::tally::{ConnectionKey, ConnectionTally, Few, Io, Tally};

pub(super) fn connections(tally: &Tally) -> Vec<Row> {
    let row = |(key, it): (&ConnectionKey, &ConnectionTally)| {
        let (client, server) = match it.ends {
            Some((client, server)) => (address(client), address(server)),
            None => match it.bound {
                Some(bound) => (Cell::Empty, address(bound)),
                None => (Cell::Empty, text(&key.name)),
            },
        };
        Row {
            cells: vec![
                names(&it.users),
                ids(&it.pids),
                client,
                server,
                Cell::Bytes(it.io.bytes_in),
                Cell::Bytes(it.io.bytes_out),
                protocol(it.l4).map_or(Cell::Empty, Cell::Word),
                match it.role {
                    Role::Unknown => Cell::Empty,
                    Role::Client => Cell::Word("client"),
                    Role::Server => Cell::Word("server"),
                },
                Cell::Count(it.events),
                Cell::Count(it.failed),
                container(tally, it.container.as_ref()),
            ],
            subject: Subject::Connection(Text::clone(&key.name)),
            depth: 0,
            life: Some((it.seen, false, false)),
        }
    };
    tally.connections.iter().map(row).collect()
}

fn address(end: Endpoint) -> Cell {
    let mut out = Vec::new();
    end.render(&mut out);
    Cell::Text(out.as_slice().into())
}

fn protocol(l4: L4) -> Option<&'static str> {
    Some(match l4 {
        L4::Unknown => return None,
        L4::Tcp => "tcp",
        L4::Udp => "udp",
        L4::Icmp => "icmp",
        L4::Raw => "raw",
    })
}

/// The sums of the connections to a port.
#[derive(Default)]
struct Sum {
    tcp: bool,
    udp: bool,
    connections: u64,
    io: Io,
    events: u64,
    failed: u64,
    /// The processes of the servers, and of the clients.
    servers: Few<Text>,
    clients: Few<Text>,
}

pub(super) fn ports(tally: &Tally) -> Vec<Row> {
    let mut sums: HashMap<u16, Sum> = HashMap::new();
    for it in tally.connections.values() {
        let server = it.ends.map(|(_, server)| server).or(it.bound);
        let Some(server) = server.filter(|_| it.role != Role::Unknown) else {
            continue;
        };
        let sum = sums.entry(server.port()).or_default();
        sum.tcp |= it.l4 == L4::Tcp;
        sum.udp |= it.l4 == L4::Udp;
        sum.connections += 1;
        sum.io.add(it.io);
        sum.events += it.events;
        sum.failed += it.failed;
        match it.role {
            Role::Server => sum.servers.join(&it.users),
            _ => sum.clients.join(&it.users),
        }
    }
    let row = |(port, sum): (u16, Sum)| Row {
        cells: vec![
            Cell::Id(i64::from(port)),
            match (sum.tcp, sum.udp) {
                (true, true) => Cell::Word("tcp,udp"),
                (true, false) => Cell::Word("tcp"),
                (false, true) => Cell::Word("udp"),
                (false, false) => Cell::Empty,
            },
            Cell::Count(sum.connections),
            Cell::Bytes(sum.io.bytes_in),
            Cell::Bytes(sum.io.bytes_out),
            Cell::Count(sum.events),
            Cell::Count(sum.failed),
            match sum.servers.values() {
                [] => names(&sum.clients),
                _ => names(&sum.servers),
            },
        ],
        subject: Subject::Port(port),
        depth: 0,
        life: None,
    };
    sums.into_iter().map(row).collect()
}
