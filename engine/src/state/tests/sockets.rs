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
