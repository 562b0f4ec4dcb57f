//! Values of fields, and buffers to build them.

use std::net::IpAddr;

/// The value of a field, borrowed from the event, the state or the caller's scratch space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text made of several values, escaped already: the arguments of an event, the form of a buffer.
    Rendered(&'a [u8]),
    /// Text; any bytes, no NUL.
    Text(&'a [u8]),
    /// A buffer.
    Bytes(&'a [u8]),
    /// A signed number.
    Int(i64),
    /// An unsigned number: also times, intervals and ports.
    Uint(u64),
    /// A truth value.
    Bool(bool),
    /// A floating point number.
    Double(f64),
    /// An address.
    Ip(IpAddr),
    /// Both ends of a connection, client first (`fd.ip`, `fd.net`): `=` and `in` match if either
    /// end does, `!=` only if both do.
    Ips(IpAddr, IpAddr),
    /// Both ports (`fd.port`), with the same rules.
    Ports(u16, u16),
    /// Texts, each followed by a NUL: a list, or the values of ancestors of which any may match a
    /// condition.
    Texts(&'a [u8]),
    /// Numbers of ancestors, of which any may match a condition.
    Ints(&'a [i64]),
}

/// Buffers for a value that is built from parts.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// Text or bytes.
    pub bytes: Vec<u8>,
    /// Numbers.
    pub ints: Vec<i64>,
}

impl Scratch {
    /// Builds a text.
    pub(super) fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Option<Value<'_>> {
        self.bytes.clear();
        write(&mut self.bytes);
        Some(Value::Text(&self.bytes))
    }
}

/// Appends NUL-terminated strings, separated by spaces.
pub(super) fn join<'a>(out: &mut Vec<u8>, items: impl Iterator<Item = &'a [u8]>) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(item);
    }
}

/// Appends a list of NUL-terminated strings, separated by spaces, with a mark if it was cut.
pub(super) fn list(out: &mut Vec<u8>, list: &[u8]) {
    join(out, items(list));
    mark_cut(out, list);
}

/// Appends an environment likewise; nothing if the program overwrote all of it.
pub(super) fn environment(out: &mut Vec<u8>, env: &[u8]) {
    join(out, variables(env));
    mark_cut(out, env);
}

/// Appends a mark if a list was cut: its last string lacks its NUL.
fn mark_cut(out: &mut Vec<u8>, list: &[u8]) {
    if !list.is_empty() && !list.ends_with(b"\0") {
        out.extend_from_slice(b"...");
    }
}

/// Iterates over NUL-terminated strings.
pub fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = if list.is_empty() { 0 } else { usize::MAX };
    let list = list.strip_suffix(b"\0").unwrap_or(list);
    list.split(|b| *b == 0).take(count)
}

/// Iterates over an environment; empty if the program overwrote all of it.
pub(super) fn variables(env: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_gone = env.iter().all(|b| *b == 0);
    items(if is_gone { &[] } else { env })
}
