//! Fields of the event's fd.

mod table;

pub(super) use table::FIELDS;

use std::net::IpAddr;

use scap_capture_format::schema::EventInfo;

use super::{Context, Field, FieldArg, Scratch, Value};
use crate::event::net::{Endpoint, SockTuple};
use crate::event::value::Value as Param;
use crate::event::{Event, EventExt as _, number};
use crate::state::{Connection, FdInfo, FdKind, L4, Role, View};

/// `O_F_*` bits of the open flags in events: the layer of an overlay file system.
const UPPER_LAYER: u32 = 0x8000;
const LOWER_LAYER: u32 = 0x1_0000;

/// Text for unknown values.
const UNKNOWN: &[u8] = b"<NA>";

/// The event's fd, if it has one that is known.
fn fd<'a>(cx: &Context<'a>) -> Option<&'a FdInfo> {
    cx.view.fd_info()
}

extract! {
    num = |_, cx, _| number_of(cx).map(Value::Int);
    uid = |_, cx, scratch| {
        let fd = number_of(cx)?;
        scratch.text(|out| {
            number::dec(out, cx.event.tid.0);
            number::dec(out, fd);
        })
    };
    name = |_, cx, scratch| name_of(cx.event, cx.view, &mut scratch.bytes).map(Value::Text);
    nameraw = |_, cx, scratch| {
        let Some(info) = fd(cx) else {
            return name_of(cx.event, cx.view, &mut scratch.bytes).map(Value::Text);
        };
        let raw = info.raw_name.as_deref().unwrap_or(&info.name);
        scratch.text(|out| one_slash(out, raw))
    };
    containername = |_, cx, scratch| {
        let id = cx.view.container_id().unwrap_or_default();
        if let Some(info) = fd(cx) {
            return scratch.text(|out| with_container(out, id, &info.name));
        }
        if !cx.view.has_fd() || cx.event.ty.is_enter() {
            return None;
        }
        scratch.text(|out| {
            with_container(out, id, b"");
            name_given(cx.view, out);
        })
    };
    containerdirectory = |_, cx, scratch| {
        let directory = directory_of(fd(cx)?)?;
        let id = cx.view.container_id().unwrap_or_default();
        scratch.text(|out| with_container(out, id, directory))
    };
    directory = |_, cx, scratch| match fd(cx) {
        Some(info) => directory_of(info).map(Value::Text),
        None => {
            let name = name_of(cx.event, cx.view, &mut scratch.bytes)?;
            (!name.is_empty()).then(|| Value::Text(parent_of(name)))
        }
    };
    filename = |_, cx, _| {
        let info = fd(cx)?;
        if info.kind != FdKind::File {
            return None;
        }
        let name: &[u8] = &info.name;
        Some(Value::Text(match memchr::memrchr(b'/', name) {
            Some(slash) if slash + 1 < name.len() => &name[slash + 1..],
            Some(_) => b"/",
            None => name,
        }))
    };
    kind = |_, cx, _| {
        let word = fd(cx)?.kind.word();
        Some(Value::Text(word.map_or(UNKNOWN, str::as_bytes)))
    };
    typechar = |_, cx, _| {
        if !cx.view.has_fd() {
            return None;
        }
        let letter = match fd(cx) {
            Some(info) => info.kind.typechar(),
            None => letter_of_call(cx.event.info()?),
        };
        Some(Value::Text(letter_text(letter)))
    };
    types = |field, cx, scratch| {
        let thread = cx.view.thread()?;
        let out = &mut scratch.bytes;
        out.clear();
        if let FieldArg::Index(number) = field.arg {
            let word = cx.view.fd_of(number)?.kind.word()?;
            out.extend_from_slice(word.as_bytes());
            out.push(0);
            return Some(Value::Texts(out));
        }
        for (_, info) in cx.view.state().fds(thread.tid) {
            let word = info.kind.word().unwrap_or("<NA>").as_bytes();
            if !super::items(out).any(|seen| seen == word) {
                out.extend_from_slice(word);
                out.push(0);
            }
        }
        (!out.is_empty()).then_some(Value::Texts(out))
    };
    dev = |_, cx, _| Some(Value::Int(i64::from(fd(cx)?.dev)));
    dev_major = |_, cx, _| Some(Value::Int(i64::from(fd(cx)?.dev >> 8 & 0xfff)));
    dev_minor = |_, cx, _| {
        let dev = fd(cx)?.dev;
        Some(Value::Int(i64::from(dev & 0xff | dev >> 12 & 0xfff00)))
    };
    ino = |_, cx, _| Some(Value::Int(fd(cx)?.ino.cast_signed()));
    is_upper_layer = |_, cx, _| Some(Value::Bool(fd(cx)?.open_flags & UPPER_LAYER != 0));
    is_lower_layer = |_, cx, _| Some(Value::Bool(fd(cx)?.open_flags & LOWER_LAYER != 0));
    connected = |_, cx, _| match fd(cx)?.connection {
        // The call that shows how the attempt ended can be among those that are missing.
        Connection::Pending if cx.session.is_filtered => None,
        connection => Some(Value::Bool(connection == Connection::Established)),
    };
    name_changed = |_, cx, _| {
        fd(cx)?;
        Some(Value::Bool(cx.view.has_changed_name()))
    };
    l4proto = |_, cx, _| {
        let info = fd(cx)?;
        let known = info.kind.is_inet();
        Some(Value::Text(match info.l4 {
            L4::Tcp if known => b"tcp",
            L4::Udp if known => b"udp",
            L4::Icmp if known => b"icmp",
            L4::Raw if known => b"raw",
            _ => UNKNOWN,
        }))
    };
    sockfamily = |_, cx, _| match fd(cx)?.kind {
        FdKind::Ipv4 | FdKind::Ipv6 => Some(Value::Text(b"ip")),
        FdKind::Unix => Some(Value::Text(b"unix")),
        _ => None,
    };
    is_server = |_, cx, _| {
        let info = fd(cx)?;
        let server = info.role == Role::Server;
        Some(Value::Bool(server))
    };
    cip = |_, cx, _| client(cx).map(|end| Value::Ip(end.ip()));
    sip = |_, cx, _| server(cx).map(|end| Value::Ip(end.ip()));
    cport = |_, cx, _| client(cx).map(port);
    sport = |_, cx, _| server(cx).map(port);
    cproto = |_, cx, scratch| port_text(scratch, client(cx)?);
    sproto = |_, cx, scratch| port_text(scratch, server(cx)?);
    lip = |_, cx, _| local(cx).map(|(here, _)| Value::Ip(here.ip()));
    rip = |_, cx, _| local(cx).map(|(_, there)| Value::Ip(there.ip()));
    lport = |_, cx, _| local(cx).map(|(here, _)| port(here));
    rport = |_, cx, _| local(cx).map(|(_, there)| port(there));
    lproto = |_, cx, scratch| port_text(scratch, local(cx)?.0);
    rproto = |_, cx, scratch| port_text(scratch, local(cx)?.1);
    either_ip = |_, cx, _| {
        let info = fd(cx)?;
        match (info.ends, info.bound) {
            (Some((a, b)), _) => Some(Value::Ips(a.ip(), b.ip())),
            (None, Some(bound)) => Some(Value::Ip(bound.ip())),
            (None, None) => None,
        }
    };
    either_port = |_, cx, _| {
        let info = fd(cx)?;
        match (info.ends, info.bound) {
            (Some((a, b)), _) => Some(Value::Ports(a.port(), b.port())),
            (None, Some(bound)) => Some(port(bound)),
            (None, None) => None,
        }
    };
}

/// The number of the event's fd; -1 if the event has none.
fn number_of(cx: &Context<'_>) -> Option<i64> {
    cx.view.thread()?;
    cx.view
        .has_fd()
        .then(|| cx.view.fd_number().unwrap_or(-1))
        // Some recorders store the fd of `mmap` like the 32-bit register.
        .map(|fd| if fd == i64::from(u32::MAX) { -1 } else { fd })
}

/// Returns the name of the fd; for a call that failed to create one, the name in its arguments, in `out`.
pub(super) fn name_of<'a>(
    event: &Event<'_>,
    view: &View<'a>,
    out: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    if !view.has_fd() {
        return None;
    }
    if let Some(info) = view.fd_info() {
        return Some(&info.name);
    }
    if event.ty.is_enter() {
        return None;
    }
    out.clear();
    name_given(view, out);
    Some(out)
}

/// Appends the name in the arguments of a call that creates fds.
fn name_given(view: &View<'_>, out: &mut Vec<u8>) {
    let full = view.full();
    for (_, info, bytes) in full.params_with_info() {
        match Param::decode(info, bytes).0 {
            Param::Path(path, dirfd) => {
                let dirfd = dirfd.and_then(|i| full.int(usize::from(i)));
                view.absolute_path(dirfd, path, out);
                return;
            }
            Param::SockTuple(tuple @ (SockTuple::Inet(..) | SockTuple::Unix(..))) => {
                tuple.name(out);
                return;
            }
            _ => {}
        }
    }
}

/// Returns the addresses of an fd that conditions are compared with, and the port of its server end.
pub(super) fn addresses_of(info: &FdInfo) -> ([Option<IpAddr>; 2], Option<u16>) {
    let ends = match info.ends {
        Some((a, b)) => [Some(a.ip()), Some(b.ip())],
        None => [info.bound.map(Endpoint::ip), None],
    };
    (ends, server_of(info).map(Endpoint::port))
}

/// Appends a path without repeated slashes.
fn one_slash(out: &mut Vec<u8>, path: &[u8]) {
    for byte in path {
        if *byte != b'/' || out.last() != Some(&b'/') {
            out.push(*byte);
        }
    }
}

fn with_container(out: &mut Vec<u8>, id: &[u8], text: &[u8]) {
    out.extend_from_slice(id);
    out.push(b':');
    out.extend_from_slice(text);
}

/// The directory of a file; for a directory, the directory itself.
fn directory_of(info: &FdInfo) -> Option<&[u8]> {
    match info.kind {
        FdKind::Directory => Some(&info.name),
        FdKind::File => Some(parent_of(&info.name)),
        _ => None,
    }
}

fn parent_of(name: &[u8]) -> &[u8] {
    match memchr::memrchr(b'/', name) {
        Some(0) | None => b"/",
        Some(slash) if slash + 1 < name.len() => &name[..slash],
        Some(_) => name,
    }
}

/// The letter for the kind of fd that a call creates.
fn letter_of_call(info: &EventInfo) -> u8 {
    match info.name {
        "open" | "openat" | "openat2" | "creat" | "open_by_handle_at" => b'f',
        "socket" | "accept" | "accept4" => b'4',
        "pipe" | "pipe2" => b'p',
        "eventfd" | "eventfd2" => b'e',
        "signalfd" | "signalfd4" => b's',
        "timerfd_create" => b't',
        "inotify_init" | "inotify_init1" => b'i',
        _ => b'o',
    }
}

/// A static text of one letter.
fn letter_text(letter: u8) -> &'static [u8] {
    const LETTERS: &[u8] = b"fd46unpeslitbrmPXo";
    let at = LETTERS
        .iter()
        .position(|l| *l == letter)
        .unwrap_or(LETTERS.len() - 1);
    &LETTERS[at..=at]
}

fn port<'a>(end: Endpoint) -> Value<'a> {
    Value::Uint(u64::from(end.port()))
}

fn port_text(scratch: &mut Scratch, end: Endpoint) -> Option<Value<'_>> {
    scratch.text(|out| number::udec(out, u64::from(end.port())))
}

/// The client end of a connection.
fn client(cx: &Context<'_>) -> Option<Endpoint> {
    let info = fd(cx).filter(|f| f.role != Role::Unknown)?;
    info.ends.map(|(client, _)| client)
}

/// The server end of a connection, or the address of a listening socket.
fn server(cx: &Context<'_>) -> Option<Endpoint> {
    server_of(fd(cx)?)
}

fn server_of(info: &FdInfo) -> Option<Endpoint> {
    let server = info.ends.map(|(_, server)| server).or(info.bound);
    server.filter(|_| info.role != Role::Unknown)
}

/// Both ends of a connection, the local one first.
fn local(cx: &Context<'_>) -> Option<(Endpoint, Endpoint)> {
    let info = fd(cx).filter(|f| f.role != Role::Unknown)?;
    let (client, server) = info.ends?;
    Some(match info.role {
        Role::Server => (server, client),
        _ => (client, server),
    })
}
