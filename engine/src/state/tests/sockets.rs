//! Sockets: their addresses and roles.

use super::*;

fn v4(ip: [u8; 4], port: u16) -> Vec<u8> {
    [&ip[..], &port.to_le_bytes()].concat()
}

fn tuple(source: u16, destination: u16) -> Vec<u8> {
    [
        &[2][..],
        &v4([10, 0, 0, 1], source),
        &v4([10, 0, 0, 2], destination),
    ]
    .concat()
}

fn socket(m: &mut Machine, fd: i64, domain: u32, ty: u32) -> String {
    m.event(
        100,
        types::SOCKET_SOCKET_X,
        &[&i(fd), &u(domain), &u(ty), &u(0)],
    )
}

#[test]
fn clients_and_servers() {
    let mut m = Machine::new();
    assert!(socket(&mut m, 3, 2, 1).starts_with("fd=3(<4>) "));
    assert_eq!(
        m.event(
            100,
            types::SOCKET_CONNECT_X,
            &[&i(-115), &tuple(4000, 80), &i(3)]
        ),
        "res=-115(EINPROGRESS) tuple=10.0.0.1:4000->10.0.0.2:80 \
         fd=3(<4t>10.0.0.1:4000->10.0.0.2:80) "
    );
    socket(&mut m, 4, 2, 1);
    m.event(
        100,
        types::SOCKET_CONNECT_X,
        &[&i(-111), &tuple(4001, 80), &i(4)],
    );
    let server = [&[2][..], &v4([0; 4], 8080)].concat();
    socket(&mut m, 5, 2, 1);
    m.event(100, types::SOCKET_BIND_X, &[&i(0), &server, &i(5)]);
    m.event(100, types::SOCKET_ACCEPT_5_X, &[&i(6), &tuple(4002, 8080)]);
    m.event(100, types::SOCKET_SOCKETPAIR_X, &[&i(0), &i(7), &i(8)]);
    assert_eq!(
        m.fds(100),
        "3:410.0.0.1:4000->10.0.0.2:80 4:4 5:40.0.0.0:8080 \
         6:410.0.0.1:4002->10.0.0.2:8080 7:u 8:u "
    );
    assert_eq!(m.state.fd(Tid(100), 6).unwrap().role, Role::Server);
}

#[test]
fn an_unix_path_of_a_connection() {
    let mut m = Machine::new();
    socket(&mut m, 3, 1, 1);
    let path = [&[1][..], &i(0), &i(0xab), b"/run/\x1bx\0"].concat();
    let line = m.event(100, types::SOCKET_CONNECT_X, &[&i(0), &path, &i(3)]);
    assert!(line.ends_with("fd=3(<u>0->ab /run/\\x1bx) "), "{line}");
}

#[test]
fn datagrams_keep_client_and_server_apart() {
    let mut m = Machine::new();
    socket(&mut m, 3, 2, 2);
    m.event(
        100,
        types::SOCKET_SENDTO_X,
        &[&i(5), b"query", &i(3), &u(5), &tuple(40_000, 53)],
    );
    assert_eq!(m.fds(100), "3:410.0.0.1:40000->10.0.0.2:53 ");
    // The answer comes from the server: its source is the server's end.
    let answer = [&[2][..], &v4([10, 0, 0, 2], 53), &v4([10, 0, 0, 1], 40_000)].concat();
    m.event(
        100,
        types::SOCKET_RECVFROM_X,
        &[&i(5), b"reply", &answer, &i(3), &u(5)],
    );
    assert_eq!(m.fds(100), "3:410.0.0.1:40000->10.0.0.2:53 ");
    assert_eq!(m.state.fd(Tid(100), 3).unwrap().role, Role::Client);
}

/// A datagram from this machine's socket to a peer, or back, with the own end first.
fn datagram(m: &mut Machine, fd: i64, way: &str, here: ([u8; 4], u16), there: ([u8; 4], u16)) {
    let (source, destination) = if way == "out" {
        (here, there)
    } else {
        (there, here)
    };
    let tuple = [
        &[2][..],
        &v4(source.0, source.1),
        &v4(destination.0, destination.1),
    ]
    .concat();
    match way {
        "out" => m.event(
            100,
            types::SOCKET_SENDTO_X,
            &[&i(1), b"x", &i(fd), &u(1), &tuple],
        ),
        _ => m.event(
            100,
            types::SOCKET_RECVFROM_X,
            &[&i(1), b"x", &tuple, &i(fd), &u(1)],
        ),
    };
}

fn ends(m: &Machine, fd: i64) -> (Role, String) {
    let info = m.state.fd(Tid(100), fd).unwrap();
    (info.role, String::from_utf8_lossy(&info.name).into_owned())
}

#[test]
fn the_port_of_a_service_is_the_servers_whoever_sends() {
    const ANY: [u8; 4] = [0; 4];
    const PEER: [u8; 4] = [203, 0, 113, 7];
    let client = |port: u16, service: u16| {
        (
            Role::Client,
            format!("0.0.0.0:{port}->203.0.113.7:{service}"),
        )
    };
    // The own address and port are not known, as in captures of recorders that read them on entry.
    for (port, service) in [
        (0, 514),
        (0, 53),
        (45_000, 514),
        (45_000, 40_000),
        (514, 514),
    ] {
        let mut m = Machine::new();
        socket(&mut m, 3, 2, 2);
        datagram(&mut m, 3, "out", (ANY, port), (PEER, service));
        assert_eq!(ends(&m, 3), client(port, service));
        datagram(&mut m, 3, "in", (ANY, port), (PEER, service));
        assert_eq!(ends(&m, 3), client(port, service));
        // Nor is the socket.
        datagram(&mut m, 4, "out", (ANY, port), (PEER, service));
        if (port, service) != (514, 514) {
            assert_eq!(ends(&m, 4), client(port, service));
        }
        datagram(&mut m, 5, "in", (ANY, port), (PEER, service));
        if service < 1024 && port != 514 {
            assert_eq!(ends(&m, 5), client(port, service));
        }
    }
    // A socket that is bound, and answers or asks.
    let bound = |port: u16| {
        let mut m = Machine::new();
        socket(&mut m, 3, 2, 2);
        let address = [&[2][..], &v4(ANY, port)].concat();
        m.event(100, types::SOCKET_BIND_X, &[&i(0), &address, &i(3)]);
        m
    };
    let server =
        |there: u16, port: u16| (Role::Server, format!("203.0.113.7:{there}->0.0.0.0:{port}"));
    for (way, port, there, expected) in [
        ("in", 514, 40_000, server(40_000, 514)),
        ("out", 514, 40_000, server(40_000, 514)),
        ("in", 47_779, 40_009, server(40_009, 47_779)),
        ("in", 5000, 4000, server(4000, 5000)),
        ("out", 45_000, 53, client(45_000, 53)),
        ("in", 45_000, 53, client(45_000, 53)),
        ("out", 45_000, 5060, client(45_000, 5060)),
        ("out", 5060, 45_000, server(45_000, 5060)),
    ] {
        let mut m = bound(port);
        datagram(&mut m, 3, way, (ANY, port), (PEER, there));
        assert_eq!(ends(&m, 3), expected, "{way} {port} {there}");
        let back = if way == "in" { "out" } else { "in" };
        datagram(&mut m, 3, back, (ANY, 0), (PEER, there));
        assert_eq!(ends(&m, 3), expected, "and {back} {port} {there}");
    }
}

#[test]
fn connections_that_take_time() {
    let connect = |m: &mut Machine, res: i64| {
        m.event(
            100,
            types::SOCKET_CONNECT_X,
            &[&i(res), &tuple(4000, 80), &i(3)],
        );
        m.state.fd(Tid(100), 3).unwrap().connection
    };
    let start = || {
        let mut m = Machine::new();
        socket(&mut m, 3, 2, 1);
        assert_eq!(connect(&mut m, -115), Connection::Pending);
        assert_eq!(ends(&m, 3).0, Role::Client);
        m
    };
    let mut m = start();
    assert_eq!(connect(&mut m, -114), Connection::Pending);
    assert_eq!(connect(&mut m, -106), Connection::Established);
    assert_eq!(connect(&mut start(), 0), Connection::Established);
    assert_eq!(connect(&mut start(), -111), Connection::None);
    // A transfer shows that it is there.
    let mut m = start();
    m.event(
        100,
        types::SOCKET_SENDTO_X,
        &[&i(5), b"query", &i(3), &u(5), &tuple(4000, 80)],
    );
    let info = m.state.fd(Tid(100), 3).unwrap();
    assert_eq!(
        (info.connection, info.role),
        (Connection::Established, Role::Client)
    );
    // So do plain reads and writes, also of several fds, and a descriptor that is ready.
    let list =
        |fd: i64, ready: u16| [&1_u16.to_le_bytes()[..], &i(fd), &ready.to_le_bytes()].concat();
    let (pending, yes, no) = (
        Connection::Pending,
        Connection::Established,
        Connection::None,
    );
    let (read, write) = (types::SYSCALL_READ_X, types::SYSCALL_WRITE_X);
    let io = |res: i64| {
        vec![
            i(res).to_vec(),
            b"data".to_vec(),
            i(3).to_vec(),
            u(9).to_vec(),
        ]
    };
    let poll = |res: i64, ready: u16| vec![i(res).to_vec(), list(3, ready), i(100).to_vec()];
    let sendfile = |res: i64| {
        let [res, offset, to, from] = [res, 0, 3, 7].map(|n| i(n).to_vec());
        vec![res, offset, to, from, i(9).to_vec()]
    };
    let option = |error: i64| {
        let value = [&[1][..], &i(error)].concat();
        vec![
            i(0).to_vec(),
            i(3).to_vec(),
            vec![1],
            vec![4],
            value,
            u(4).to_vec(),
        ]
    };
    for (ty, params, expected) in [
        (read, io(5), yes),
        (write, io(5), yes),
        (
            types::SYSCALL_READV_X,
            vec![
                i(5).to_vec(),
                u(9).to_vec(),
                b"data".to_vec(),
                i(3).to_vec(),
            ],
            yes,
        ),
        (types::SYSCALL_SENDFILE_X, sendfile(5), yes),
        (types::SYSCALL_POLL_X, poll(1, 4), yes),
        (types::SYSCALL_PPOLL_X, poll(1, 1), yes),
        (types::SOCKET_GETSOCKOPT_X, option(0), yes),
        // EAGAIN, nothing, time-outs.
        (read, io(-11), pending),
        (read, io(0), pending),
        (types::SYSCALL_SENDFILE_X, sendfile(-11), pending),
        (
            types::SYSCALL_POLL_X,
            vec![i(0).to_vec(), vec![0, 0], i(100).to_vec()],
            pending,
        ),
        // ECONNREFUSED, EPIPE, ETIMEDOUT.
        (read, io(-111), no),
        (write, io(-32), no),
        (types::SYSCALL_SENDFILE_X, sendfile(-110), no),
        (types::SYSCALL_POLL_X, poll(1, 4 | 16 | 32), no),
        (types::SOCKET_GETSOCKOPT_X, option(-111), no),
    ] {
        let mut m = start();
        let params: Vec<&[u8]> = params.iter().map(|param| &param[..]).collect();
        m.event(100, ty, &params);
        let info = m.state.fd(Tid(100), 3).unwrap();
        assert_eq!(info.connection, expected, "{ty:?} {params:?}");
    }
    // A client can choose its port.
    let mut m = Machine::new();
    socket(&mut m, 3, 2, 1);
    let address = [&[2][..], &v4([0; 4], 4000)].concat();
    m.event(100, types::SOCKET_BIND_X, &[&i(0), &address, &i(3)]);
    connect(&mut m, -115);
    assert_eq!(
        ends(&m, 3),
        (Role::Client, "10.0.0.1:4000->10.0.0.2:80".to_owned())
    );
}

#[test]
fn datagram_sockets_are_disconnected() {
    let mut m = Machine::new();
    socket(&mut m, 3, 2, 2);
    m.event(
        100,
        types::SOCKET_CONNECT_X,
        &[&i(0), &tuple(4000, 53), &i(3)],
    );
    assert_eq!(ends(&m, 3).1, "10.0.0.1:4000->10.0.0.2:53");
    m.event(
        100,
        types::SOCKET_CONNECT_X,
        &[&i(0), &tuple(4000, 0), &i(3), &[0]],
    );
    let info = m.state.fd(Tid(100), 3).unwrap();
    assert_eq!(
        (&*info.name, info.ends, info.connection),
        (&b""[..], None, Connection::None)
    );
}

#[test]
fn mapped_addresses_are_of_ipv4() {
    let mapped =
        |ip: [u8; 4], port: u16| [&[0; 10][..], &[0xff, 0xff], &ip, &port.to_le_bytes()].concat();
    let any = |port: u16| [&[0; 16][..], &port.to_le_bytes()].concat();
    let mut m = Machine::new();
    socket(&mut m, 3, 10, 2);
    let address = [&[10][..], &any(514)].concat();
    m.event(100, types::SOCKET_BIND_X, &[&i(0), &address, &i(3)]);
    let tuple = [&[10][..], &mapped([203, 0, 113, 7], 4000), &any(514)].concat();
    let line = m.event(
        100,
        types::SOCKET_RECVFROM_X,
        &[&i(1), b"x", &tuple, &i(3), &u(1)],
    );
    assert!(
        line.contains(
            "tuple=203.0.113.7:4000->0.0.0.0:514 fd=3(<4u>203.0.113.7:4000->0.0.0.0:514)"
        ),
        "{line}"
    );
    let info = m.state.fd(Tid(100), 3).unwrap();
    assert_eq!((info.kind, info.role), (FdKind::Ipv4, Role::Server));
    // In the address that the program passed.
    socket(&mut m, 4, 10, 1);
    let there = [&[10][..], &mapped([10, 0, 0, 2], 80)].concat();
    m.event(
        100,
        types::SOCKET_CONNECT_X,
        &[&i(-115), &[], &i(4), &there],
    );
    assert_eq!(
        ends(&m, 4),
        (Role::Client, "0.0.0.0:0->10.0.0.2:80".to_owned())
    );
}
