//! The arguments of an event as sysdig prints them: `name=value ` for each, in schema order.
//!
//! A value is printed raw, followed by its meaning in parentheses: `fd=3(<f>/etc/passwd)`,
//! `res=-2(ENOENT)`, `flags=4097(O_RDONLY|O_CLOEXEC)`. A relative path has its absolute form in
//! parentheses. Intended differences from sysdig: text is escaped ([`text`]), an unreadable argument and a call
//! that had not returned are marked as such, and values with a wrong length are reported as invalid instead of being
//! read from whatever bytes follow.

#[cfg(test)]
mod tests;

use scap_capture_format::schema::{
    Arch, FlagTable, ParamInfo, ParamType, PrintFormat, errno, signal, syscall as syscalls,
};

use super::alert::Alert;
use super::bytes::{self, BufferFormat};
use super::fds::{self, FdValue};
use super::text::Put;
use super::time::{self, LocalClock};
use super::value::Value;
use super::{Event, EventExt as _, EventFlags, Names, flags, net, number, syscall, text};

/// Renders arguments into a buffer that the caller reuses. Only scratch space is kept between events.
#[derive(Clone, Debug)]
pub struct Renderer {
    buffers: BufferFormat,
    arch: Option<Arch>,
    scratch: Vec<u8>,
    clock: LocalClock,
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new(BufferFormat::default(), None)
    }
}

impl Renderer {
    /// Makes a renderer with this format of buffers, for events of a machine with this architecture.
    pub fn new(buffers: BufferFormat, arch: Option<Arch>) -> Self {
        Self {
            buffers,
            arch,
            scratch: Vec::new(),
            clock: LocalClock::default(),
        }
    }

    /// Sets the architecture of the recorded machine.
    pub fn set_arch(&mut self, arch: Arch) {
        self.arch = Some(arch);
    }

    /// Appends all arguments of an event (`evt.info`), each followed by a space.
    pub fn info<N: Names + ?Sized>(&mut self, out: &mut Vec<u8>, event: &Event<'_>, names: &N) {
        if syscall::is_generic(event.ty) {
            self.generic(out, event, names);
            return;
        }
        if let Some(alert) = Alert::of(event) {
            alert.write(out);
            return;
        }
        for (index, info, bytes) in event.params_with_info() {
            out.extend_from_slice(info.name.as_bytes());
            out.push(b'=');
            self.param(out, event, index, info, bytes, names);
            out.push(b' ');
        }
    }

    fn generic<N: Names + ?Sized>(&mut self, out: &mut Vec<u8>, event: &Event<'_>, names: &N) {
        // sysdig prints neither the code nor the number; the event's name has them already.
        let result = syscall::result_param(event.ty);
        let Some((index, info, bytes)) = event.params_with_info().nth(result) else {
            return;
        };
        if event.ty.is_enter() {
            return;
        }
        out.extend_from_slice(b"res=");
        self.param(out, event, index, info, bytes, names);
        out.push(b' ');
        syscall::arguments(out, event, self.arch, names, text::escape_exact);
    }

    fn param<N: Names + ?Sized>(
        &mut self,
        out: &mut Vec<u8>,
        event: &Event<'_>,
        index: usize,
        info: &ParamInfo,
        bytes: &[u8],
        names: &N,
    ) {
        if bytes.is_empty() && self.missing(out, event, index, info) {
            return;
        }
        let (value, format) = Value::decode(info, bytes);
        match value {
            Value::Path(path, relative_to) => {
                let dirfd = relative_to.and_then(|i| event.int(usize::from(i)));
                self.path(out, path, dirfd, names);
            }
            Value::Fd(number) => {
                fd(
                    out,
                    fds::meaning(event, index, number),
                    names,
                    text::escape_exact,
                );
            }
            Value::AbsTime(Some(ns)) => self.clock.date_time(out, ns),
            // The number of another namespace can be that of another process here.
            Value::Pid(number) if is_of_namespace(event, info) => number::dec(out, number),
            Value::Bytes(data) => {
                bytes::render(out, data, self.buffers);
                // Arguments are a list, whose last string lacks its NUL if it was cut.
                let is_cut = match info.name {
                    "args" => data.last().is_some_and(|last| *last != 0),
                    "data" => event.flags.contains(EventFlags::TRUNCATED),
                    _ => false,
                };
                let is_on_a_line = matches!(
                    self.buffers,
                    BufferFormat::Dots | BufferFormat::AllDots | BufferFormat::Ascii
                );
                if is_cut && is_on_a_line && !bytes::is_shortened(data, self.buffers) {
                    out.extend_from_slice(b"...");
                }
            }
            Value::Absent if matches!(info.ty, ParamType::SockTuple | ParamType::Dyn) => {
                out.extend_from_slice(b"NULL");
            }
            Value::Invalid(_) if info.ty == ParamType::Dyn => {
                out.extend_from_slice(b"INVALID DYNAMIC PARAMETER");
            }
            other => {
                simple(out, other, format, names, text::escape_exact);
            }
        }
        if is_cut_text(event, info, bytes) {
            out.extend_from_slice(b"...");
        }
    }

    /// Appends one argument as filters see it, with unescaped text: the meaning of its number if it is known, otherwise the number.
    pub fn argument<N: Names + ?Sized>(
        &self,
        out: &mut Vec<u8>,
        info: &ParamInfo,
        bytes: &[u8],
        names: &N,
    ) {
        let start = out.len();
        let (value, format) = Value::decode(info, bytes);
        match value {
            Value::Bytes(data) => bytes::render(out, data, self.buffers),
            other => {
                if let Some(at) = simple(out, other, format, names, text::raw) {
                    // Keeps only the part in parentheses.
                    out.pop();
                    out.drain(start..=at);
                }
            }
        }
    }

    /// Appends the reason why a parameter is absent, if it is known; returns whether it is.
    fn missing(
        &self,
        out: &mut Vec<u8>,
        event: &Event<'_>,
        index: usize,
        info: &ParamInfo,
    ) -> bool {
        let in_flight = event.flags.contains(EventFlags::IN_FLIGHT);
        if in_flight && index == syscall::result_param(event.ty) {
            out.extend_from_slice(b"<in flight>");
            return true;
        }
        if event.flags.contains(EventFlags::FAULT) && is_memory(info.ty) {
            out.extend_from_slice(b"<unreadable>");
            return true;
        }
        false
    }

    fn path<N: Names + ?Sized>(
        &mut self,
        out: &mut Vec<u8>,
        path: &[u8],
        dirfd: Option<i64>,
        names: &N,
    ) {
        text::escape_exact(out, path);
        self.scratch.clear();
        if names.resolve_path(dirfd, path, &mut self.scratch) {
            out.push(b'(');
            text::escape_exact(out, &self.scratch);
            out.push(b')');
        }
    }
}

/// Whether a parameter of this type is read from the memory of the recorded process.
fn is_memory(ty: ParamType) -> bool {
    matches!(
        ty,
        ParamType::CharBuf
            | ParamType::ByteBuf
            | ParamType::FsPath
            | ParamType::FsRelPath
            | ParamType::SockAddr
            | ParamType::SockTuple
            | ParamType::FdList
            | ParamType::Dyn
            | ParamType::RelTime
            | ParamType::SigSet
            | ParamType::CharBufArray
    )
}

/// Start of the part in parentheses, which ends the text, if there is one.
type Resolved = Option<usize>;

/// Appends a value that needs no state of the renderer.
fn simple<N: Names + ?Sized>(
    out: &mut Vec<u8>,
    value: Value<'_>,
    format: PrintFormat,
    names: &N,
    put: Put,
) -> Resolved {
    match value {
        Value::Absent => out.extend_from_slice(b"<NA>"),
        Value::Invalid(bytes) => {
            out.extend_from_slice(b"<invalid: ");
            number::udec(out, bytes.len() as u64);
            out.extend_from_slice(b" bytes>");
        }
        Value::Int { value, len } => number::formatted(out, value, true, len, format),
        Value::Uint { value, len } => {
            number::formatted(out, value.cast_signed(), false, len, format);
        }
        Value::Errno(result) => return errno_value(out, result, format),
        // The renderer handles it, since its meaning depends on the event.
        Value::Fd(number) => number::dec(out, number),
        Value::Pid(tid) => {
            number::dec(out, tid);
            return named(out, names.comm(tid).filter(|c| !c.is_empty()), put);
        }
        Value::Text(t) => put(out, t),
        Value::SockAddr(address) => address.render(out, put),
        Value::SockTuple(tuple) => tuple.write(out, put),
        Value::FdList(list) => {
            for (i, (number, flags)) in list.iter().enumerate() {
                if i > 0 {
                    out.push(b' ');
                }
                number::dec(out, number);
                out.push(b':');
                out.push(names.fd(number).map_or(b'?', |label| label.typechar));
                number::hex_lower(out, u64::from(flags));
            }
            if list.is_cut() {
                out.extend_from_slice(b"...");
            }
        }
        Value::SyscallId(code) => {
            number::udec(out, u64::from(code));
            return named(
                out,
                syscalls::by_ppm_sc(code).map(|s| s.name.as_bytes()),
                put,
            );
        }
        Value::Signal(number) => {
            number::udec(out, u64::from(number));
            return named(out, signal::name(number).map(str::as_bytes), put);
        }
        Value::RelTime(Some(ns)) => {
            number::udec(out, ns);
            let at = out.len();
            out.push(b'(');
            #[expect(clippy::cast_precision_loss, reason = "six digits are shown")]
            number::general(out, ns as f64 / time::NS_PER_S as f64);
            out.extend_from_slice(b"s)");
            return Some(at);
        }
        Value::RelTime(None) | Value::AbsTime(_) => out.extend_from_slice(b"none"),
        Value::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        Value::Ipv4(octets) => net::ipv4(out, octets),
        Value::Ipv6(octets) => net::ipv6(out, octets.into()),
        Value::Flags(bits, table, _) => {
            number::udec(out, bits);
            return with_table(out, table, |out, table| flags::mask(out, bits, table));
        }
        Value::Enum(number, table, _) => {
            number::udec(out, number);
            return with_table(out, table, |out, table| {
                flags::enumeration(out, number, table);
            });
        }
        Value::Mode(bits, table) => {
            number::oct(out, u64::from(bits));
            return with_table(out, table, |out, table| flags::mode(out, bits, table));
        }
        Value::Uid(id) => return owner(out, id, |id| names.user(id), put),
        Value::Gid(id) => return owner(out, id, |id| names.group(id), put),
        Value::Double(number) => number::general(out, number),
        Value::SigSet(set) => signals(out, set),
        Value::List(items) => list(out, items, put),
        // The renderer handles these, as they need its scratch space.
        Value::Path(t, _) => put(out, t),
        Value::Bytes(data) => bytes::render(out, data, BufferFormat::Dots),
    }
    None
}

/// Appends the value of an fd parameter with its name.
pub(super) fn fd<N: Names + ?Sized>(out: &mut Vec<u8>, value: FdValue, names: &N, put: Put) {
    match value {
        FdValue::WorkingDirectory => {
            number::dec(out, fds::AT_FDCWD);
            out.extend_from_slice(b"(AT_FDCWD)");
        }
        FdValue::Error(error) => {
            number::dec(out, error);
            named(out, errno_name(error), put);
        }
        FdValue::Number(number) => number::dec(out, number),
        FdValue::Fd(fd) => {
            number::dec(out, fd);
            if let Some(label) = names.fd(fd) {
                out.extend_from_slice(b"(<");
                out.push(label.typechar);
                out.extend(label.l4);
                out.push(b'>');
                put(out, label.name);
                out.push(b')');
            }
        }
    }
}

fn errno_value(out: &mut Vec<u8>, result: i64, format: PrintFormat) -> Resolved {
    if result < 0 {
        number::dec(out, result);
        named(out, errno_name(result), text::raw)
    } else {
        // `mmap` returns an address, which only hexadecimal makes readable.
        number::formatted(out, result, true, 8, format);
        None
    }
}

/// Returns the name of an error from a call's negative result.
pub fn errno_name(negative: i64) -> Option<&'static [u8]> {
    let number = i32::try_from(negative).ok()?;
    errno::name(number).map(str::as_bytes)
}

fn named(out: &mut Vec<u8>, name: Option<&[u8]>, put: Put) -> Resolved {
    let name = name?;
    let at = out.len();
    out.push(b'(');
    put(out, name);
    out.push(b')');
    Some(at)
}

fn owner<'n>(
    out: &mut Vec<u8>,
    id: Option<u32>,
    name: impl Fn(u32) -> Option<&'n [u8]>,
    put: Put,
) -> Resolved {
    match id {
        Some(id) => {
            number::udec(out, u64::from(id));
            named(out, Some(name(id).unwrap_or(b"<NA>")), put)
        }
        None => {
            out.extend_from_slice(b"-1");
            named(out, Some(b"<NONE>"), put)
        }
    }
}

fn with_table(
    out: &mut Vec<u8>,
    table: Option<&'static FlagTable>,
    names: impl Fn(&mut Vec<u8>, &FlagTable),
) -> Resolved {
    let at = out.len();
    names(out, table?);
    (out.len() > at).then_some(at)
}

fn signals(out: &mut Vec<u8>, set: u32) {
    let mut first = true;
    for number in 1..=31_u8 {
        if set >> (number - 1) & 1 == 1
            && let Some(name) = signal::name(number)
        {
            if !first {
                out.push(b' ');
            }
            out.extend_from_slice(name.as_bytes());
            first = false;
        }
    }
}

/// Whether a text of an event was cut: it lacks its NUL.
pub fn is_cut_text(event: &Event<'_>, info: &ParamInfo, bytes: &[u8]) -> bool {
    event.flags.intersects(EventFlags::CUT)
        && matches!(
            info.ty,
            ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath
        )
        && bytes.last().is_some_and(|last| *last != 0)
}

fn list(out: &mut Vec<u8>, items: &[u8], put: Put) {
    let (items, is_cut) = match items.strip_suffix(b"\0") {
        Some(items) => (items, false),
        None => (items, !items.is_empty()),
    };
    for (i, item) in items.split(|b| *b == 0).enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        put(out, item);
    }
    if is_cut {
        out.extend_from_slice(b"...");
    }
}

/// Whether a parameter is the number that a process has in a pid namespace of its own.
fn is_of_namespace(event: &Event<'_>, info: &ParamInfo) -> bool {
    if !matches!(info.name, "vtid" | "vpid" | "vpgid") {
        return false;
    }
    let number = |name| {
        let (index, _) = event.info()?.param(name)?;
        event.int(index)
    };
    number("vtid") != number("tid")
}
