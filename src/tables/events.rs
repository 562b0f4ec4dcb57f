//! The table `events`: one row for each event.

use hashbrown::HashMap;
use scap_capture_format::schema::EventType;

use super::{ColumnType, cell, own};
use crate::event::bytes::BufferFormat;
use crate::event::{syscall, time};
use crate::fields::{self, Context, Field, Scratch, Value, items};
use crate::format;

/// A column of `events`.
#[derive(Debug)]
pub struct EventColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: ColumnType,
    /// Where its values come from.
    pub source: Source,
    /// What it is, in a line.
    pub about: &'static str,
}

impl EventColumn {
    /// Returns true if many events have the same value, so that it is worth counting them.
    pub fn has_few_values(&self) -> bool {
        let has_many = [
            "num",
            "time_us",
            "time_ns",
            "latency_ns",
            "args",
            "arg",
            "data",
            "bytes",
            "res",
        ];
        !has_many.contains(&self.name)
    }
}

/// Where the values of a column come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A field of the filter language, by its name.
    Field(&'static str),
    /// The name of the capture.
    Capture,
    /// The time of the event.
    Time,
    /// The name of the error, if the call failed.
    Errno,
    /// The duration of the call.
    Latency,
    /// The number of the call.
    Number,
    /// The id of the process.
    Process,
    /// The arguments of the program, without `argv[0]`.
    Args,
    /// All parameters of the event.
    Parameters,
}

const fn column(
    name: &'static str,
    ty: ColumnType,
    source: Source,
    about: &'static str,
) -> EventColumn {
    EventColumn {
        name,
        ty,
        source,
        about,
    }
}

use ColumnType::{Blob, Boolean, Integer, List, Map, Text, Time};
use Source::Field as F;

/// The columns, in order.
#[rustfmt::skip]
pub const EVENTS: &[EventColumn] = &[
    column("capture", Text, Source::Capture, "name of the capture"),
    column("host", Text, F("evt.hostname"), "name of the machine"),
    column("num", Integer, F("evt.num"), "number of the event in the capture, from 1"),
    column("time_us", Time, Source::Time, "time, to the microsecond"),
    column("time_ns", Integer, F("evt.rawtime"), "time in nanoseconds since the epoch; of a call, when it returned"),
    column("latency_ns", Integer, Source::Latency, "duration of the call in nanoseconds"),
    column("cpu", Integer, F("evt.cpu"), "CPU"),
    column("evt_type", Text, F("evt.type"), "name of the call or event"),
    column("syscall", Integer, Source::Number, "number of the call on the recorded machine"),
    column("category", Text, F("evt.category"), "file, net, ipc, process, memory …"),
    column("dir", Text, F("evt.dir"), "`<` for an event with the result, `>` for one without"),
    column("res", Integer, F("evt.rawres"), "result of the call"),
    column("errno", Text, Source::Errno, "name of the error of a call that failed"),
    column("failed", Boolean, F("evt.failed"), "the call returned an error"),
    column("tid", Integer, F("thread.tid"), "thread"),
    column("pid", Integer, F("proc.pid"), "process"),
    column("ppid", Integer, F("proc.ppid"), "parent of the process"),
    column("proc_id", Text, Source::Process, "id of the process that no other has, on any machine"),
    column("proc_name", Text, F("proc.name"), "name of the process"),
    column("exe", Text, F("proc.exe"), "`argv[0]`"),
    column("exepath", Text, F("proc.exepath"), "path of the executable"),
    column("cmdline", Text, F("proc.cmdline"), "command line"),
    column("args", List, Source::Args, "arguments, without `argv[0]`"),
    column("cwd", Text, F("proc.cwd"), "working directory"),
    column("tty", Integer, F("proc.tty"), "number of the controlling terminal, 0 without one"),
    column("sid", Integer, F("proc.sid"), "session"),
    column("vpid", Integer, F("proc.vpid"), "process, as in its pid namespace"),
    column("anames", List, F("proc.aname"), "names of the ancestors, from the parent on"),
    column("aexepaths", List, F("proc.aexepath"), "paths of the executables of the ancestors"),
    column("apids", List, F("proc.apid"), "process ids of the ancestors"),
    column("pname", Text, F("proc.pname"), "name of the parent"),
    column("pcmdline", Text, F("proc.pcmdline"), "command line of the parent"),
    column("uid", Integer, F("user.uid"), "effective user id"),
    column("user", Text, F("user.name"), "name of the user"),
    column("gid", Integer, F("group.gid"), "effective group id"),
    column("loginuid", Integer, F("user.loginuid"), "user id of the login, -1 without one"),
    column("cap_effective", Text, F("thread.cap_effective"), "effective capabilities"),
    column("is_exe_upper_layer", Boolean, F("proc.is_exe_upper_layer"), "the executable is in the upper layer of an overlay"),
    column("is_exe_writable", Boolean, F("proc.is_exe_writable"), "its user may write the executable"),
    column("is_exe_from_memfd", Boolean, F("proc.is_exe_from_memfd"), "the executable is no file, but memory"),
    column("fd", Integer, F("fd.num"), "fd that the call uses"),
    column("fd_type", Text, F("fd.type"), "file, directory, ipv4, ipv6, unix, pipe …"),
    column("fd_name", Text, F("fd.name"), "path, or both ends of the connection"),
    column("path", Text, F("fs.path.name"), "path that the call is about"),
    column("path2", Text, F("fs.path.target"), "second path, of renames and links"),
    column("is_open_read", Boolean, F("evt.is_open_read"), "opened for reading"),
    column("is_open_write", Boolean, F("evt.is_open_write"), "opened for writing"),
    column("is_open_create", Boolean, F("evt.is_open_create"), "opened and created"),
    column("flags", Text, F("evt.arg.flags"), "parameter `flags`"),
    column("proto", Text, F("fd.l4proto"), "tcp, udp, icmp, raw"),
    column("cip", Text, F("fd.cip"), "address of the client"),
    column("sip", Text, F("fd.sip"), "address of the server"),
    column("cport", Integer, F("fd.cport"), "port of the client"),
    column("sport", Integer, F("fd.sport"), "port of the server"),
    column("is_server", Boolean, F("fd.is_server"), "the process is the server"),
    column("bytes", Integer, F("evt.buflen"), "bytes read or written"),
    column("container_id", Text, F("container.id"), "container, or `host`"),
    column("container_name", Text, F("container.name"), "name of the container"),
    column("image", Text, F("container.image"), "image of the container"),
    column("image_tag", Text, F("container.image.tag"), "tag of the image"),
    column("image_digest", Text, F("container.image.digest"), "digest of the image"),
    column("pod_ns", Text, F("k8s.ns.name"), "Kubernetes namespace"),
    column("pod_name", Text, F("k8s.pod.name"), "Kubernetes pod"),
    column("pod_uid", Text, F("k8s.pod.uid"), "UID of the pod"),
    column("arg", Map, Source::Parameters, "all parameters, as text"),
    column("data", Blob, F("evt.buffer"), "data that was read or written, as far as it was recorded"),
    column("source", Text, F("evt.source"), "`syscall`, `k8s_audit`"),
];

/// Longest text of a cell in bytes; longer ones are cut.
const MAX_TEXT: usize = 1 << 20;

/// How a cell is found.
#[derive(Clone, Debug)]
enum Reader {
    Field(ColumnType, Field),
    /// With its natural type.
    Plain(Field),
    Capture,
    Time,
    Errno(Field, Field),
    Own(fn(&mut Vec<u8>, &Context<'_>)),
    Args,
    Parameters(ParameterFields),
}

/// The fields of the parameters of each type, and of each call without a type of its own.
type ParameterFields = HashMap<(EventType, u16), Vec<(&'static str, Field)>>;

/// Makes rows of events.
#[derive(Clone, Debug)]
pub struct EventRows {
    readers: Vec<Reader>,
    captures: Vec<String>,
    scratch: Scratch,
    text: Vec<u8>,
}

impl EventRows {
    /// Makes rows of some columns, by position in [`EVENTS`], and fields after them. `captures` are the names of the captures,
    /// in the order of their origins.
    pub fn new(columns: &[usize], fields: &[Field], captures: Vec<String>) -> Self {
        let columns = columns.iter().filter_map(|place| EVENTS.get(*place));
        let field = |name| fields::lookup(name).ok();
        let of_column = |column: &EventColumn| match column.source {
            Source::Field(name) => field(name).map(|field| Reader::Field(column.ty, field)),
            Source::Capture => Some(Reader::Capture),
            Source::Time => Some(Reader::Time),
            Source::Errno => Some(Reader::Errno(field("evt.failed")?, field("evt.res")?)),
            Source::Latency => Some(Reader::Own(own::latency)),
            Source::Number => Some(Reader::Own(own::number)),
            Source::Process => Some(Reader::Own(own::process)),
            Source::Args => Some(Reader::Args),
            Source::Parameters => Some(Reader::Parameters(HashMap::new())),
        };
        let readers = columns.filter_map(of_column);
        Self {
            readers: readers
                .chain(fields.iter().cloned().map(Reader::Plain))
                .collect(),
            captures,
            scratch: Scratch::default(),
            text: Vec::new(),
        }
    }

    /// Returns the number of cells of a row.
    pub fn width(&self) -> usize {
        self.readers.len()
    }

    /// Returns true if the test holds for a field that is used.
    pub fn any_field(&self, test: impl Fn(&Field) -> bool) -> bool {
        self.readers.iter().any(|reader| match reader {
            Reader::Field(_, field) | Reader::Plain(field) => test(field),
            Reader::Errno(failed, res) => test(failed) || test(res),
            Reader::Parameters(_)
            | Reader::Capture
            | Reader::Own(_)
            | Reader::Time
            | Reader::Args => false,
        })
    }

    /// Appends the row of an event.
    pub fn write(&mut self, out: &mut Vec<u8>, cx: &Context<'_>) {
        let Self {
            readers,
            captures,
            scratch,
            text,
        } = self;
        for reader in readers {
            match reader {
                Reader::Field(ty, field) => {
                    let value = field.extract(cx, scratch);
                    typed(out, *ty, value, field, text);
                }
                Reader::Plain(field) => {
                    let value = field.extract(cx, scratch);
                    plain(out, value, field, text);
                }
                Reader::Own(write) => write(out, cx),
                Reader::Capture => capture(out, captures, cx),
                Reader::Time => match cx.event.ts.known() {
                    Some(ns) => cell::text_of(out, |out| date_time(out, ns)),
                    None => cell::null(out),
                },
                Reader::Errno(failed, res) => {
                    let failed = matches!(failed.extract(cx, scratch), Some(Value::Bool(true)));
                    match res.extract(cx, scratch).filter(|_| failed) {
                        Some(value) => plain(out, Some(value), res, text),
                        None => cell::null(out),
                    }
                }
                Reader::Args => match cx.view.thread().and_then(|thread| thread.args.as_deref()) {
                    Some(args) => cell::text_of(out, |out| texts(out, args)),
                    None => cell::null(out),
                },
                Reader::Parameters(by_type) => parameters(out, by_type, cx, scratch, text),
            }
        }
    }
}

/// Appends the name of the event's capture; NULL if it is not known which of several it is.
fn capture(out: &mut Vec<u8>, captures: &[String], cx: &Context<'_>) {
    let origin = cx.session.origin.map(|origin| usize::from(origin.0));
    let name = match captures {
        [name] => Some(name),
        names => origin.and_then(|origin| names.get(origin)),
    };
    match name {
        Some(name) => cell::text(out, name.as_bytes()),
        None => cell::null(out),
    }
}

/// Appends a time as `2026-12-01 03:12:01.500000`, in UTC.
pub fn date_time(out: &mut Vec<u8>, ns: u64) {
    let iso = time::iso8601(ns, 0);
    let (date, of_day) = iso.split_once('T').unwrap_or((&iso, ""));
    out.extend_from_slice(date.as_bytes());
    out.push(b' ');
    out.extend_from_slice(of_day.get(..8).unwrap_or_default().as_bytes());
    let micros = ns % 1_000_000_000 / 1000;
    out.extend_from_slice(format!(".{micros:06}").as_bytes());
}

/// Appends a value with the type of its column; NULL if it has another one.
fn typed(
    out: &mut Vec<u8>,
    ty: ColumnType,
    value: Option<Value<'_>>,
    field: &Field,
    text: &mut Vec<u8>,
) {
    match (ty, value) {
        (Integer, Some(Value::Int(value))) => cell::integer(out, value),
        (Integer, Some(Value::Uint(value))) => match i64::try_from(value) {
            Ok(value) => cell::integer(out, value),
            Err(_) => cell::null(out),
        },
        (Boolean, Some(Value::Bool(value))) => cell::integer(out, i64::from(value)),
        (Blob, Some(Value::Bytes(value))) => cell::blob(out, value),
        (List, Some(Value::Texts(list))) => cell::text_of(out, |out| texts(out, list)),
        (List, Some(Value::Ints(list))) => cell::text_of(out, |out| {
            let items: Vec<String> = list.iter().map(ToString::to_string).collect();
            out.extend_from_slice(format!("[{}]", items.join(",")).as_bytes());
        }),
        (Text, value @ Some(_)) => match value {
            Some(Value::Text(value)) => cell::text(out, cut(value)),
            value => rendered(out, value, field, text),
        },
        _ => cell::null(out),
    }
}

/// Appends a value of a field.
fn plain(out: &mut Vec<u8>, value: Option<Value<'_>>, field: &Field, text: &mut Vec<u8>) {
    match value {
        None => cell::null(out),
        Some(Value::Int(value)) => cell::integer(out, value),
        Some(Value::Uint(value)) if i64::try_from(value).is_ok() => {
            cell::integer(out, value.cast_signed());
        }
        Some(Value::Bool(value)) => cell::integer(out, i64::from(value)),
        Some(Value::Double(value)) => cell::real(out, value),
        Some(Value::Text(value)) => cell::text(out, cut(value)),
        Some(Value::Bytes(value)) => cell::blob(out, value),
        Some(Value::Texts(list)) => cell::text_of(out, |out| texts(out, list)),
        value => rendered(out, value, field, text),
    }
}

/// Appends a value as other commands print it.
fn rendered(out: &mut Vec<u8>, value: Option<Value<'_>>, field: &Field, text: &mut Vec<u8>) {
    match value {
        Some(value) => {
            text.clear();
            format::write_value(text, value, field.info, BufferFormat::default());
            cell::text(out, cut(text));
        }
        None => cell::null(out),
    }
}

fn cut(text: &[u8]) -> &[u8] {
    text.get(..MAX_TEXT).unwrap_or(text)
}

/// Appends a JSON array of texts that are each followed by a NUL.
fn texts(out: &mut Vec<u8>, list: &[u8]) {
    out.push(b'[');
    for (index, item) in items(cut(list)).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(out, item);
    }
    out.push(b']');
}

/// Appends a JSON string.
fn string(out: &mut Vec<u8>, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    // A string can always be written.
    let json = serde_json::to_string(&text).unwrap_or_default();
    out.extend_from_slice(json.as_bytes());
}

/// Appends a JSON object of all parameters as text.
fn parameters(
    out: &mut Vec<u8>,
    by_type: &mut ParameterFields,
    cx: &Context<'_>,
    scratch: &mut Scratch,
    text: &mut Vec<u8>,
) {
    let ty = cx.event.ty;
    let prototype = match syscall::is_generic(ty) {
        true => syscall::call(cx.event, cx.session.arch).prototype,
        false => None,
    };
    let code = prototype.map_or(0, |prototype| prototype.ppm_sc);
    let fields = by_type.entry((ty, code)).or_insert_with(|| {
        let field = |name: &'static str| {
            let field = fields::lookup(&format!("evt.arg.{name}")).ok()?;
            Some((name, field))
        };
        match prototype {
            Some(prototype) => {
                let names = prototype.args.iter().map(|arg| arg.name);
                std::iter::once("res")
                    .chain(names)
                    .filter_map(field)
                    .collect()
            }
            None => {
                let params = ty.info().map_or(&[][..], |info| info.params);
                let names = params.iter().map(|param| param.name);
                names.filter_map(field).collect()
            }
        }
    });
    cell::text_of(out, |out| {
        out.push(b'{');
        let mut is_first = true;
        for (name, field) in fields {
            let Some(value) = field.extract(cx, scratch) else {
                continue;
            };
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            string(out, name.as_bytes());
            out.push(b':');
            text.clear();
            format::write_value(text, value, field.info, BufferFormat::default());
            string(out, cut(text));
        }
        out.push(b'}');
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_columns_have_a_field() {
        let all: Vec<usize> = (0..EVENTS.len()).collect();
        let rows = EventRows::new(&all, &[], Vec::new());
        assert_eq!(rows.width(), EVENTS.len());
    }

    #[test]
    fn times_are_texts_in_utc() {
        let mut out = Vec::new();
        date_time(&mut out, 1_764_557_521_500_000_999);
        assert_eq!(out, b"2025-12-01 02:52:01.500000");
    }
}
