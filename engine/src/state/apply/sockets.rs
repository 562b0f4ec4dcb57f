//! Sockets: their addresses and roles.

use scap_capture_format::schema::{EventTypeFlags, ParamType, types};

use super::super::fd::{Connection, EPHEMERAL, FdInfo, FdKind, L4, Role};
use super::super::{State, limits, restore};
use super::O_CLOEXEC;
use super::files::made;
use crate::event::async_event::OpenFd;
use crate::event::net::{Endpoint, SockAddr, SockTuple};
use crate::event::value::Value;
use crate::event::{Event, EventExt as _, Tid};

/// `SOCK_CLOEXEC`, in the type of `socket` and the flags of `accept4`.
const SOCK_CLOEXEC: u64 = 0o2_000_000;

/// Direction of a transfer, seen from the recorded thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The thread sends.
    Out,
    /// The thread receives.
    In,
}

pub(super) fn socket(state: &mut State, event: &Event<'_>) {
    const AF_UNIX: u64 = 1;
    const AF_INET: u64 = 2;
    const AF_INET6: u64 = 10;
    const AF_NETLINK: u64 = 16;
    let Some(fd) = made(event) else {
        return;
    };
    let kind = match event.uint(1) {
        Some(AF_UNIX) => FdKind::Unix,
        Some(AF_INET) => FdKind::Ipv4,
        Some(AF_INET6) => FdKind::Ipv6,
        Some(AF_NETLINK) => FdKind::Netlink,
        _ => FdKind::Unknown,
    };
    let mut info = FdInfo::new(kind);
    let ty = event.uint(2).unwrap_or(0);
    if kind.is_inet() {
        info.l4 = protocol(ty, event.uint(3).unwrap_or(0));
    }
    let flags = event.uint(4).unwrap_or(0);
    info.cloexec = ty & SOCK_CLOEXEC != 0 || flags & O_CLOEXEC != 0;
    state.add_fd(event.tid, fd, info);
}

fn protocol(ty: u64, proto: u64) -> L4 {
    const SOCK_STREAM: u64 = 1;
    const SOCK_DGRAM: u64 = 2;
    const SOCK_RAW: u64 = 3;
    match (ty & 0xff, proto) {
        (SOCK_RAW, _) | (_, 255) => L4::Raw,
        (_, 6) | (SOCK_STREAM, 0) => L4::Tcp,
        (_, 17) | (SOCK_DGRAM, 0) => L4::Udp,
        // Of IPv4 and of IPv6.
        (_, 1 | 58) => L4::Icmp,
        _ => L4::Unknown,
    }
}

pub(super) fn bind(state: &mut State, event: &Event<'_>) {
    let (Some(0), Some(fd)) = (event.result(), event.int(2)) else {
        return;
    };
    let Some(address) = event.params.get(1).and_then(SockAddr::parse) else {
        return;
    };
    let mut name = std::mem::take(&mut state.scratch);
    name.clear();
    let end = match address {
        SockAddr::Inet(end) => {
            let end = end.unmapped();
            end.render(&mut name);
            Some(end)
        }
        SockAddr::Unix(path) => {
            name.extend_from_slice(path);
            None
        }
        SockAddr::Other(_) | SockAddr::Invalid(_) => None,
    };
    let text = if !name.is_empty() {
        state.keep(&name, limits::NAME)
    } else {
        None
    };
    state.scratch = name;
    state.update_fd(event.tid, fd, |info| {
        // Port 0 means that the kernel chose one, which events of other recorders lack.
        if let Some(end) = end.filter(|end| end.port() > 0) {
            info.bound = Some(end);
            info.role = Role::Server;
            info.kind = FdKind::of_end(end);
        }
        if let Some(text) = text {
            info.name = text;
        }
    });
}

pub(super) fn connect(state: &mut State, event: &Event<'_>) {
    const AF_UNSPEC: u8 = 0;
    const EINTR: i64 = -4;
    const EISCONN: i64 = -106;
    const EALREADY: i64 = -114;
    const EINPROGRESS: i64 = -115;
    let (Some(result), Some(fd)) = (event.result(), event.int(2)) else {
        return;
    };
    let connection = match result {
        EISCONN => Connection::Established,
        EINTR | EALREADY | EINPROGRESS => {
            state.has_attempts = true;
            Connection::Pending
        }
        result if result < 0 => {
            // An attempt that had not finished has failed now.
            return state.update_fd(event.tid, fd, |info| {
                if info.connection == Connection::Pending {
                    info.connection = Connection::None;
                }
            });
        }
        _ => Connection::Established,
    };
    let address = event.params.get(3).and_then(SockAddr::parse);
    if result >= 0 && address == Some(SockAddr::Other(AF_UNSPEC)) {
        return disconnect(state, event, fd);
    }
    state.update_fd(event.tid, fd, |info| info.connection = connection);
    if result == EISCONN {
        return;
    }
    let socket = event.params.get(1).and_then(SockTuple::parse);
    let tuple = SockTuple::of_connect(socket, address);
    let Some(tuple) = tuple else {
        return;
    };
    // The server of datagrams can connect to a client of its own.
    let was_server = state
        .fd(event.tid, fd)
        .is_some_and(|i| i.l4 == L4::Udp && i.role == Role::Server && i.ends.is_some());
    match tuple {
        SockTuple::Inet(here, there)
            if was_server && by_port(here, there) != Some(Role::Client) =>
        {
            set_tuple(state, event.tid, fd, SockTuple::Inet(there, here), |_| {
                Role::Server
            });
        }
        _ => set_tuple(state, event.tid, fd, tuple, |_| Role::Client),
    }
}

/// A `connect` to no address ends the association of a datagram socket.
fn disconnect(state: &mut State, event: &Event<'_>, fd: i64) {
    let mut name = std::mem::take(&mut state.scratch);
    name.clear();
    if let Some(bound) = state.fd(event.tid, fd).and_then(|info| info.bound) {
        bound.render(&mut name);
    }
    let text = state.keep(&name, limits::NAME);
    state.scratch = name;
    state.update_fd(event.tid, fd, |info| {
        info.connection = Connection::None;
        info.ends = None;
        info.name = text.unwrap_or_default();
        info.role = match info.bound {
            Some(_) => Role::Server,
            None => Role::Unknown,
        };
    });
}

/// Takes what the kernel says of an fd, unless it is what is known already.
pub(super) fn open_fd(state: &mut State, tid: Tid, found: &OpenFd<'_>) {
    if found.kind == 0 {
        return state.end_fds(tid, found.fd, found.fd);
    }
    let mut info = FdInfo::new(restore::kind(found.kind));
    info.name = state.keep(found.name, limits::NAME).unwrap_or(info.name);
    info.cloexec = found.cloexec;
    info.open_flags = found.open_flags;
    info.dev = found.dev;
    // Of a pidfd it is the process, which the kernel's file does not tell.
    info.ino = if info.kind == FdKind::Pidfd {
        0
    } else {
        found.ino
    };
    info.l4 = restore::l4(found.l4);
    let mut tuple = SockTuple::parse(found.tuple);
    if let Some(SockTuple::Inet(own, peer)) = tuple {
        info.kind = match own {
            Endpoint::V4(..) => FdKind::Ipv4,
            Endpoint::V6(..) => FdKind::Ipv6,
        };
        tuple = (!peer.is_unspecified()).then_some(SockTuple::Inet(own, peer));
        if tuple.is_some() {
            info.connection = Connection::Established;
            let lower = if own.port() < peer.port() {
                Role::Server
            } else {
                Role::Client
            };
            info.role = by_port(own, peer).unwrap_or(lower);
        } else if found.is_listening {
            info.bound = Some(own);
            info.role = Role::Server;
            let mut name = Vec::new();
            own.render(&mut name);
            info.name = state.keep(&name, limits::NAME).unwrap_or(info.name);
        }
        if info.role == Role::Server && tuple.is_some() {
            tuple = Some(SockTuple::Inet(peer, own));
        }
    }
    let known = state.fd(tid, found.fd);
    if known.is_some_and(|known| is_same(known, &info, tuple)) {
        return state.update_fd(tid, found.fd, |known| known.cloexec = found.cloexec);
    }
    let role = info.role;
    state.add_fd(tid, found.fd, info);
    if let Some(tuple) = tuple {
        set_tuple(state, tid, found.fd, tuple, |_| role);
    }
}

/// Whether what is known of an fd fits what the kernel says, so that its name is right.
fn is_same(known: &FdInfo, found: &FdInfo, tuple: Option<SockTuple<'_>>) -> bool {
    let is_news = known.name.is_empty() && !found.name.is_empty();
    if known.kind != found.kind || is_news {
        return false;
    }
    match tuple {
        Some(SockTuple::Inet(one, other)) => {
            known.ends == Some((one, other)) || known.ends == Some((other, one))
        }
        Some(SockTuple::Unix(own, peer, _)) => known.unix_ends == (own, peer),
        _ if found.bound.is_some() => known.bound == found.bound,
        // Sockets without addresses are alike.
        _ if found.kind.is_inet() => known.ends.is_none() && known.bound.is_none(),
        _ => (known.dev, known.ino) == (found.dev, found.ino) && found.ino != 0,
    }
}

/// Sets the ends of a connection, source first.
fn set_tuple(
    state: &mut State,
    tid: Tid,
    fd: i64,
    tuple: SockTuple<'_>,
    role: impl FnOnce(Role) -> Role,
) {
    let ends = match tuple {
        SockTuple::Inet(source, destination) => Some((source, destination)),
        _ => None,
    };
    let mut name = std::mem::take(&mut state.scratch);
    name.clear();
    tuple.name(&mut name);
    let text = state.keep(&name, limits::NAME);
    state.scratch = name;
    let Some(text) = text else {
        return;
    };
    state.update_fd(tid, fd, |info| {
        info.name = text;
        info.ends = ends;
        info.role = role(info.role);
        match (tuple, ends) {
            (_, Some((source, _))) => info.kind = FdKind::of_end(source),
            (SockTuple::Unix(source, peer, _), _) => {
                info.kind = FdKind::Unix;
                info.unix_ends = (source, peer);
            }
            _ => {}
        }
    });
}

pub(super) fn accept(state: &mut State, event: &Event<'_>, flags: u64) {
    let Some(fd) = made(event) else {
        return;
    };
    let tuple = event.params.get(1).and_then(SockTuple::parse);
    let mut info = FdInfo::new(match tuple {
        Some(SockTuple::Inet(source, _)) => FdKind::of_end(source),
        Some(SockTuple::Unix(..)) => FdKind::Unix,
        _ => FdKind::Unknown,
    });
    info.l4 = if info.kind.is_inet() {
        L4::Tcp
    } else {
        L4::Unknown
    };
    info.role = Role::Server;
    info.connection = Connection::Established;
    // The encoding differs between recorders.
    info.cloexec = flags & (SOCK_CLOEXEC | O_CLOEXEC) != 0;
    state.add_fd(event.tid, fd, info);
    if let Some(tuple) = tuple {
        set_tuple(state, event.tid, fd, tuple, |role| role);
    }
}

/// A program read the result of its connection attempt.
pub(super) fn getsockopt(state: &mut State, event: &Event<'_>) {
    const SOL_SOCKET: u64 = 1;
    const SO_ERROR: u64 = 4;
    /// The variant of the value that is an error number.
    const VARIANT_ERRNO: u8 = 1;
    let (Some(0), Some(fd), Some(SOL_SOCKET), Some(SO_ERROR), Some(value)) = (
        event.result(),
        event.int(1),
        event.uint(2),
        event.uint(3),
        event.params.get(4),
    ) else {
        return;
    };
    if let Some((&VARIANT_ERRNO, number)) = value.split_first() {
        let failed = number.iter().any(|b| *b != 0);
        attempt_ended(state, event.tid, fd, !failed);
    }
}

/// A call on a socket whose `connect` had not finished when it returned can show how the attempt ended.
pub(super) fn attempt(state: &mut State, event: &Event<'_>, flags: EventTypeFlags) {
    let Some(result) = event.result() else {
        return;
    };
    if matches!(event.ty, types::SYSCALL_POLL_X | types::SYSCALL_PPOLL_X) {
        return polled(state, event);
    }
    let moves_data = flags.intersects(EventTypeFlags::READS_FROM_FD | EventTypeFlags::WRITES_TO_FD)
        || matches!(
            event.ty,
            types::SYSCALL_SENDFILE_X | types::SYSCALL_SPLICE_X
        );
    let has_succeeded = match result {
        // A read of nothing follows a failure as well as the end of a connection.
        1.. => true,
        failed if is_connection_error(failed) => false,
        _ => return,
    };
    if moves_data {
        for (index, info, _) in event.params_with_info() {
            if info.ty == ParamType::Fd
                && let Some(fd) = event.int(index)
            {
                attempt_ended(state, event.tid, fd, has_succeeded);
            }
        }
    }
}

/// Whether a transfer fails like this after an attempt to connect that failed. Before the end of an attempt it fails with
/// EAGAIN.
fn is_connection_error(result: i64) -> bool {
    const EPIPE: i64 = -32;
    const ENETDOWN: i64 = -100;
    const ENETUNREACH: i64 = -101;
    const ECONNABORTED: i64 = -103;
    const ECONNRESET: i64 = -104;
    const ENOTCONN: i64 = -107;
    const ETIMEDOUT: i64 = -110;
    const ECONNREFUSED: i64 = -111;
    const EHOSTDOWN: i64 = -112;
    const EHOSTUNREACH: i64 = -113;
    matches!(
        result,
        EPIPE
            | ENETDOWN
            | ENETUNREACH
            | ECONNABORTED
            | ECONNRESET
            | ENOTCONN
            | ETIMEDOUT
            | ECONNREFUSED
            | EHOSTDOWN
            | EHOSTUNREACH
    )
}

/// A socket is ready when the attempt has ended: with an error, or hung up, if it failed.
fn polled(state: &mut State, event: &Event<'_>) {
    // As the schema encodes them.
    const POLLERR: u16 = 1 << 4;
    const POLLHUP: u16 = 1 << 5;
    const POLLNVAL: u16 = 1 << 6;
    let Some((Value::FdList(list), _)) = event
        .info()
        .and_then(|info| info.params.get(1))
        .zip(event.params.get(1))
        .map(|(info, bytes)| Value::decode(info, bytes))
    else {
        return;
    };
    for (fd, ready) in list.iter() {
        if ready != 0 && ready & POLLNVAL == 0 {
            let has_succeeded = ready & (POLLERR | POLLHUP) == 0;
            attempt_ended(state, event.tid, fd, has_succeeded);
        }
    }
}

fn attempt_ended(state: &mut State, tid: Tid, fd: i64, has_succeeded: bool) {
    let is_pending = |info: &FdInfo| info.connection == Connection::Pending;
    if state.fd(tid, fd).is_some_and(is_pending) {
        state.update_fd(tid, fd, |info| {
            info.connection = if has_succeeded {
                Connection::Established
            } else {
                Connection::None
            };
        });
    }
}

/// The kernel has a peer for a connected socket only.
pub(super) fn getpeername(state: &mut State, event: &Event<'_>) {
    const ENOTCONN: i64 = -107;
    let (Some(fd), Some(result)) = (event.int(1), event.result()) else {
        return;
    };
    let Some(info) = state.fd(event.tid, fd) else {
        return;
    };
    let connection = match (result, info.connection) {
        (0, _) => Connection::Established,
        // It was closed or reset by its peer.
        (ENOTCONN, Connection::Established) => Connection::None,
        _ => return,
    };
    if info.connection != connection {
        state.update_fd(event.tid, fd, |info| info.connection = connection);
    }
}

pub(super) fn socketpair(state: &mut State, event: &Event<'_>) {
    if event.result() != Some(0) {
        return;
    }
    let cloexec = event.uint(6).is_some_and(|ty| ty & SOCK_CLOEXEC != 0);
    for fd in [event.int(1), event.int(2)].into_iter().flatten() {
        let mut info = FdInfo::new(FdKind::Unix);
        info.cloexec = cloexec;
        state.add_fd(event.tid, fd, info);
    }
}

/// A transfer whose event has both ends, source first.
///
/// They matter if the connection was not recorded: a datagram socket has many peers, and a connection can be
/// older than the capture.
pub(super) fn transfer(state: &mut State, event: &Event<'_>, tuple: usize, way: Way) {
    if event.result().is_none_or(|r| r < 0) {
        return;
    }
    let Some(SockTuple::Inet(source, destination)) =
        event.params.get(tuple).and_then(SockTuple::parse)
    else {
        return;
    };
    let fd = event
        .info()
        .and_then(|i| i.fd_param)
        .and_then(|i| event.int(usize::from(i)));
    let Some(fd) = fd.filter(|fd| *fd >= 0) else {
        return;
    };
    let (here, there) = match way {
        Way::Out => (source, destination),
        Way::In => (destination, source),
    };
    // A program that did not request the sender of a datagram does not get it.
    if there.is_unspecified() && there.port() == 0 {
        return;
    }
    let is_new = state.fd(event.tid, fd).is_none();
    if is_new {
        let mut info = FdInfo::new(FdKind::of_end(source));
        info.l4 = L4::Udp;
        state.add_fd(event.tid, fd, info);
    }
    let Some(info) = state.fd(event.tid, fd) else {
        return;
    };
    let here = with_own_address(state, with_known_port(info, here), there);
    if info.l4 == L4::Tcp && !info.name.is_empty() {
        return;
    }
    let role = role_in_transfer(info, here, there, way, is_new);
    let (client, server) = if role == Role::Client {
        (here, there)
    } else {
        (there, here)
    };
    if info.ends == Some((client, server)) && info.role == role {
        return;
    }
    let l4 = if info.l4 == L4::Unknown {
        L4::Udp
    } else {
        info.l4
    };
    let tuple = SockTuple::Inet(client, server);
    set_tuple(state, event.tid, fd, tuple, |_| role);
    state.update_fd(event.tid, fd, |info| info.l4 = l4);
}

/// Completes an own end whose port is not in the event: recorders that read it when the call begins do not know the port
/// that the kernel chooses.
fn with_known_port(info: &FdInfo, here: Endpoint) -> Endpoint {
    let own = match (info.role, info.ends) {
        (Role::Client, Some((client, _))) => Some(client),
        (Role::Server, Some((_, server))) => Some(server),
        _ => info.bound,
    };
    match (here, own) {
        (Endpoint::V4(ip, 0), Some(own)) => Endpoint::V4(ip, own.port()),
        (Endpoint::V6(ip, 0), Some(own)) => Endpoint::V6(ip, own.port()),
        _ => here,
    }
}

/// Completes the own end of a socket that is not bound: packets to an address of the machine itself are sent from that
/// address. In other cases the source address depends on routes, which are not recorded.
fn with_own_address(state: &State, here: Endpoint, there: Endpoint) -> Endpoint {
    let is_own = || state.interfaces().iter().any(|i| i.address == there.ip());
    match (here, there) {
        _ if !here.is_unspecified() || !is_own() => here,
        (Endpoint::V4(_, port), Endpoint::V4(address, _)) => Endpoint::V4(address, port),
        (Endpoint::V6(_, port), Endpoint::V6(address, _)) => Endpoint::V6(address, port),
        _ => here,
    }
}

/// Ports that only privileged programs can bind: services.
const SERVICES: u16 = 1024;

/// Returns the role that ports tell: only one of both ends has the port of a service.
fn by_port(here: Endpoint, there: Endpoint) -> Option<Role> {
    let is_service = |end: Endpoint| (1..SERVICES).contains(&end.port());
    match (is_service(here), is_service(there)) {
        (true, false) => Some(Role::Server),
        (false, true) => Some(Role::Client),
        _ => None,
    }
}

/// Returns the role of a socket in a transfer. It depends on the ports rather than on who sent: each side both sends and
/// receives.
fn role_in_transfer(
    info: &FdInfo,
    here: Endpoint,
    there: Endpoint,
    way: Way,
    is_new: bool,
) -> Role {
    // The numbers of raw sockets are not ports: they are a protocol, or an identifier.
    let has_ports = !matches!(info.l4, L4::Raw | L4::Icmp);
    if let Some(role) = by_port(here, there).filter(|_| has_ports) {
        return role;
    }
    // Whether a bound socket is a server's shows with its first datagram.
    if info.ends.is_some() && info.role != Role::Unknown {
        return info.role;
    }
    let is_bound = info.bound.is_some_and(|bound| bound.port() == here.port());
    match way {
        // Nobody knows the port of a client that has sent nothing.
        Way::In if is_bound => Role::Server,
        Way::Out if is_bound && here.port() >= EPHEMERAL => Role::Client,
        Way::Out if !is_bound && !is_new => Role::Client,
        _ if has_ports && here.port() != 0 && here.port() < there.port() => Role::Server,
        _ => Role::Client,
    }
}

/// Fds received through a unix socket (`SCM_RIGHTS`, unix(7)): they are open, but their kind is unknown. Of scap's
/// recorder, events follow that have it.
pub(super) fn received_fds(state: &mut State, event: &Event<'_>, control: usize) {
    /// `struct cmsghdr` of a 64-bit program: length with the header, level, type.
    const HEADER: usize = 16;
    const SOL_SOCKET: i32 = 1;
    const SCM_RIGHTS: i32 = 1;
    if event.result().is_none_or(|r| r < 0) {
        return;
    }
    let mut rest = event.params.get(control).unwrap_or_default();
    while let Some((len, tail)) = rest.split_first_chunk::<8>() {
        let int = |at: usize| Some(i32::from_le_bytes(*tail.get(at..)?.first_chunk()?));
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let (Some(level), Some(kind), Some(data)) =
            (int(0), int(4), rest.get(HEADER..len.min(rest.len())))
        else {
            return;
        };
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS) {
            for fd in data.as_chunks().0 {
                let fd = i64::from(i32::from_le_bytes(*fd));
                state.add_fd(event.tid, fd, FdInfo::new(FdKind::Unknown));
            }
        }
        // The next one begins at a multiple of a word.
        rest = rest.get(len.saturating_add(7) & !7..).unwrap_or_default();
    }
}
