//! Fields of the fds of a `poll`.

use super::info::{FieldInfo, text};
use super::{Context, Field, Scratch, Value};
use crate::event::net::{Endpoint, ipv4, ipv6};
use crate::event::value::{FdList, Value as Param};
use crate::event::{EventExt as _, number};
use crate::state::FdInfo;

pub(super) const FIELDS: &[FieldInfo] = &[
    text("fdlist.cips", "poll: client IPs", cips).of_event(),
    text("fdlist.cports", "poll: client ports", cports).of_event(),
    text("fdlist.names", "poll: fd names, comma list", names).of_event(),
    text("fdlist.nums", "poll: fd numbers, comma list", nums).of_event(),
    text("fdlist.sips", "poll: server IPs", sips).of_event(),
    text("fdlist.sports", "poll: server ports", sports).of_event(),
];

/// Returns the event's list of fds.
fn list<'a>(cx: &Context<'a>) -> Option<FdList<'a>> {
    cx.event
        .params_with_info()
        .find_map(|(_, info, bytes)| match Param::decode(info, bytes).0 {
            Param::FdList(list) => Some(list),
            _ => None,
        })
}

/// Writes a property of each fd, separated by commas.
fn each<'a>(
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
    write: impl Fn(&mut Vec<u8>, i64, Option<&FdInfo>) -> bool,
) -> Option<Value<'a>> {
    let out = &mut scratch.bytes;
    out.clear();
    for (fd, _) in list(cx)?.iter() {
        if write(out, fd, cx.view.fd_of(fd)) {
            out.push(b',');
        }
    }
    out.pop();
    (!out.is_empty()).then_some(Value::Text(out))
}

fn address(out: &mut Vec<u8>, end: Option<Endpoint>) -> bool {
    match end {
        Some(Endpoint::V4(ip, _)) => ipv4(out, ip.octets()),
        Some(Endpoint::V6(ip, _)) => ipv6(out, ip),
        None => return false,
    }
    true
}

fn port(out: &mut Vec<u8>, end: Option<Endpoint>) -> bool {
    if let Some(end) = end {
        number::udec(out, u64::from(end.port()));
    }
    end.is_some()
}

fn client(info: Option<&FdInfo>) -> Option<Endpoint> {
    info?.ends.map(|(client, _)| client)
}

fn server(info: Option<&FdInfo>) -> Option<Endpoint> {
    info?.ends.map(|(_, server)| server).or(info?.bound)
}

extract! {
    nums = |_, cx, scratch| each(cx, scratch, |out, fd, _| {
        number::dec(out, fd);
        true
    });
    names = |_, cx, scratch| each(cx, scratch, |out, _, info| {
        let name = info.map_or(&[][..], |f| f.name.as_ref());
        out.extend_from_slice(if name.is_empty() { b"<NA>" } else { name });
        true
    });
    cips = |_, cx, scratch| each(cx, scratch, |out, _, info| address(out, client(info)));
    sips = |_, cx, scratch| each(cx, scratch, |out, _, info| address(out, server(info)));
    cports = |_, cx, scratch| each(cx, scratch, |out, _, info| port(out, client(info)));
    sports = |_, cx, scratch| each(cx, scratch, |out, _, info| port(out, server(info)));
}
