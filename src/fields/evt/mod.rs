//! Fields of the event itself.

mod args;
mod io;
mod result;
mod time;

pub(crate) use io::of_type;

use args::{abspath, arg, args, buffer, rawarg};
use io::{
    buflen, buflen_file, buflen_file_in, buflen_file_out, buflen_in, buflen_net, buflen_net_in,
    buflen_net_out, buflen_out, category, error_file, error_memory, error_net, error_other, io_dir,
    is_io, is_io_read, is_io_write, is_open_create, is_open_exec, is_open_read, is_open_write,
    is_syslog, is_wait,
};
use result::{error, failed, rawres, res};
use time::{
    around, datetime, datetime_s, delta, delta_ns, delta_s, iso8601, latency, latency_human,
    latency_ns, latency_quantized, latency_s, outputtime, rawtime, rawtime_ns, rawtime_s, reltime,
    reltime_ns, reltime_s, time_of_day, time_of_day_s, wait_latency,
};

use scap_capture_format::schema::{PrintFormat, SourceCategory, types};

use super::info::{
    ArgForm, FieldFlags, FieldInfo, boolean, bytes, dynamic, int, interval, na, text,
    time as instant, uint,
};
use super::{Context, Field, FieldArg, Scratch, Value};
use crate::event::{EventExt as _, syscall};

pub(super) const FIELDS: &[FieldInfo] = &[
    text(
        "evt.abspath",
        "absolute path built from dirfd and name (.src/.dst for two-path calls)",
        abspath,
    )
    .arg(ArgForm::OptKey),
    text(
        "evt.arg",
        "one param as text, by name or index, resolved form preferred",
        arg,
    )
    .arg(ArgForm::Key),
    text("evt.args", "all params as name=value text", args),
    uint(
        "evt.around",
        "events within D ms of timestamp T: evt.around[T]=D",
        around,
    )
    .arg(ArgForm::Index)
    .flag(FieldFlags::FILTER_ONLY)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER),
    text("evt.asynctype", "name of an async/meta event", asynctype),
    bytes("evt.buffer", "the data parameter (bytes)", buffer),
    uint(
        "evt.buflen",
        "return value of an I/O exit event (bytes transferred)",
        buflen,
    ),
    uint("evt.buflen.file", "buflen for files only", buflen_file).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.file.in", "buflen, file reads", buflen_file_in).flag(FieldFlags::TABLE_ONLY),
    uint(
        "evt.buflen.file.out",
        "buflen, file writes",
        buflen_file_out,
    )
    .flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.in", "buflen for reads only", buflen_in).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.net", "buflen for inet sockets", buflen_net).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.net.in", "buflen, inet reads", buflen_net_in).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.net.out", "buflen, inet writes", buflen_net_out).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.out", "buflen for writes only", buflen_out).flag(FieldFlags::TABLE_ONLY),
    text(
        "evt.category",
        "file, net, ipc, process, memory, ... (I/O resolved through fd kind)",
        category,
    ),
    uint("evt.count", "constant 1", count),
    uint("evt.count.error", "1 if event failed", error),
    uint(
        "evt.count.error.file",
        "1 if failed and file related",
        error_file,
    ),
    uint(
        "evt.count.error.memory",
        "1 if failed and memory related",
        error_memory,
    ),
    uint(
        "evt.count.error.net",
        "1 if failed and network related",
        error_net,
    ),
    uint(
        "evt.count.error.other",
        "1 if failed and none of the above",
        error_other,
    ),
    uint("evt.count.exit", "1 for exit events", count_exit),
    uint(
        "evt.count.procinfo",
        "1 for procinfo of main threads",
        procinfo,
    )
    .flag(FieldFlags::TABLE_ONLY),
    uint("evt.count.threadinfo", "1 for procinfo events", threadinfo).flag(FieldFlags::TABLE_ONLY),
    int("evt.cpu", "CPU number", cpu).format(PrintFormat::Id),
    text("evt.datetime", "date and time with ns (local)", datetime),
    text("evt.datetime.s", "date and time, whole seconds", datetime_s),
    interval(
        "evt.deltatime",
        "ns since previous event seen by this field",
        delta,
    )
    .flag(FieldFlags::STATEFUL),
    interval("evt.deltatime.ns", "ns remainder of deltatime", delta_ns)
        .flag(FieldFlags::STATEFUL)
        .format(PrintFormat::PaddedDec10),
    interval("evt.deltatime.s", "seconds part of deltatime", delta_s).flag(FieldFlags::STATEFUL),
    text("evt.dir", "'>' enter or '<' exit", dir).flag(FieldFlags::DEPRECATED),
    boolean("evt.failed", "true when return value < 0", failed),
    text(
        "evt.hostname",
        "host name of the capture (MI block; env override live)",
        hostname,
    ),
    text("evt.info", "same as evt.args (old: extra text)", args),
    text(
        "evt.infra.docker.container.id",
        "docker infra event container id",
        na,
    )
    .flag(FieldFlags::TABLE_ONLY),
    text(
        "evt.infra.docker.container.image",
        "docker infra event image",
        na,
    )
    .flag(FieldFlags::TABLE_ONLY),
    text(
        "evt.infra.docker.container.name",
        "docker infra event container name",
        na,
    )
    .flag(FieldFlags::TABLE_ONLY)
    .never("events of a Docker daemon, which no recorder writes any more"),
    text("evt.infra.docker.name", "docker infra event name", na).flag(FieldFlags::TABLE_ONLY),
    text("evt.io_dir", "text read or write", io_dir),
    boolean("evt.is_async", "true for meta/async events", is_async),
    boolean("evt.is_io", "true for reads and writes on fds", is_io),
    boolean("evt.is_io_read", "true for reads", is_io_read),
    boolean("evt.is_io_write", "true for writes", is_io_write),
    boolean(
        "evt.is_open_create",
        "open-type exit that created a file",
        is_open_create,
    ),
    boolean(
        "evt.is_open_exec",
        "file created with any exec permission bit",
        is_open_exec,
    ),
    boolean(
        "evt.is_open_read",
        "open-type exit with read flag",
        is_open_read,
    ),
    boolean(
        "evt.is_open_write",
        "open-type exit with write flag",
        is_open_write,
    ),
    boolean("evt.is_syslog", "true for writes to /dev/log", is_syslog),
    boolean("evt.is_wait", "true for sleeping/polling calls", is_wait),
    interval(
        "evt.latency",
        "ns between enter and exit (newest: always 0; 0.29.3: real)",
        latency,
    )
    .flag(FieldFlags::DEPRECATED),
    text(
        "evt.latency.human",
        "latency as text such as 10.3ms",
        latency_human,
    )
    .flag(FieldFlags::DEPRECATED),
    interval("evt.latency.ns", "ns remainder of latency", latency_ns)
        .format(PrintFormat::PaddedDec10)
        .flag(FieldFlags::DEPRECATED),
    uint(
        "evt.latency.quantized",
        "log10 bucket of latency for spectrograms",
        latency_quantized,
    )
    .flag(FieldFlags::TABLE_ONLY)
    .flag(FieldFlags::DEPRECATED),
    interval("evt.latency.s", "seconds of latency", latency_s).flag(FieldFlags::DEPRECATED),
    uint("evt.num", "event ordinal, starts at 1", num).format(PrintFormat::Id),
    text(
        "evt.outputtime",
        "timestamp in the format chosen by -t",
        outputtime,
    )
    .flag(FieldFlags::STATEFUL)
    .flag(FieldFlags::PRINT_ONLY),
    text("evt.plugininfo", "plugin's own text summary", na).never("plugins are not supported"),
    text("evt.pluginname", "plugin that produced a plugin event", na)
        .never("plugins are not supported"),
    dynamic(
        "evt.rawarg",
        "one param by name with its native type",
        rawarg,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER),
    int("evt.rawres", "return value as number", rawres),
    instant("evt.rawtime", "ns since epoch", rawtime),
    instant(
        "evt.rawtime.ns",
        "ns remainder of rawtime (padded print)",
        rawtime_ns,
    )
    .format(PrintFormat::PaddedDec10),
    instant("evt.rawtime.s", "seconds part of rawtime", rawtime_s),
    interval("evt.reltime", "ns since first event of capture", reltime)
        .format(PrintFormat::PaddedDec10),
    interval("evt.reltime.ns", "ns remainder of reltime", reltime_ns)
        .format(PrintFormat::PaddedDec10),
    interval("evt.reltime.s", "seconds part of reltime", reltime_s),
    text("evt.res", "SUCCESS or errno name", res),
    text(
        "evt.source",
        "event source name (syscall or plugin source)",
        source,
    ),
    text(
        "evt.time",
        "time of day with 9 fractional digits (local zone)",
        time_of_day,
    ),
    text("evt.time.iso8601", "UTC ISO-8601 with ns", iso8601),
    text("evt.time.s", "time of day, whole seconds", time_of_day_s),
    text(
        "evt.type",
        "event name; real syscall name for generic syscalls; async name for async events",
        name,
    ),
    uint(
        "evt.type.is",
        "1 if event is of the type given after the dot (name or number)",
        type_is,
    )
    .format(PrintFormat::Na)
    .arg(ArgForm::Key),
    interval(
        "evt.wait_latency",
        "wait time in ns (newest: 0)",
        wait_latency,
    )
    .flag(FieldFlags::DEPRECATED),
];

pub(super) const SYSCALL: &[FieldInfo] = &[text(
    "syscall.type",
    "as evt.type but only for syscalls",
    syscall_name,
)];

pub(super) const UTIL: &[FieldInfo] = &[uint(
    "util.cnt",
    "counter incremented at each extraction (hidden)",
    counter,
)
.format(PrintFormat::Id)
.flag(FieldFlags::STATEFUL)];

fn num<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    Some(Value::Uint(cx.event.num.0))
}

fn cpu<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    Some(Value::Int(i64::from(cx.event.cpu)))
}

fn dir<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let arrow: &[u8] = if cx.event.ty.is_enter() { b">" } else { b"<" };
    Some(Value::Text(arrow))
}

fn name<'a>(_: &'a Field, cx: &Context<'a>, scratch: &'a mut Scratch) -> Option<Value<'a>> {
    scratch.bytes.clear();
    syscall::event_name(&mut scratch.bytes, cx.event, cx.session.arch);
    Some(Value::Text(&scratch.bytes))
}

fn syscall_name<'a>(
    field: &'a Field,
    cx: &Context<'a>,
    scratch: &'a mut Scratch,
) -> Option<Value<'a>> {
    let source = cx.event.info()?.source_category;
    let no_call = SourceCategory::INTERNAL
        | SourceCategory::TRACEPOINT
        | SourceCategory::SCHEDULER
        | SourceCategory::METAEVENT
        | SourceCategory::PLUGIN;
    // A type that is not in use has none.
    if source.is_empty() || source.intersects(no_call) {
        return None;
    }
    name(field, cx, scratch)
}

fn type_is<'a>(field: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let is = match &field.arg {
        FieldArg::Index(number) => i64::from(cx.event.ty.0) == *number,
        FieldArg::Name(name) => match name.parse::<u16>() {
            Ok(number) => cx.event.ty.0 == number,
            Err(_) => cx.event.info().is_some_and(|i| i.name == &**name),
        },
        FieldArg::None => return None,
    };
    Some(Value::Uint(u64::from(is)))
}

fn count<'a>(_: &'a Field, _: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    Some(Value::Uint(1))
}

fn count_exit<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    cx.event.ty.is_exit().then_some(Value::Uint(1))
}

fn threadinfo<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    (cx.event.ty == types::PROCINFO_E).then_some(Value::Uint(1))
}

fn procinfo<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let is_main = cx.view.thread().is_some_and(crate::state::Thread::is_main);
    (cx.event.ty == types::PROCINFO_E && is_main).then_some(Value::Uint(1))
}

fn hostname<'a>(_: &'a Field, cx: &Context<'a>, scratch: &'a mut Scratch) -> Option<Value<'a>> {
    scratch.bytes.clear();
    scratch
        .bytes
        .extend_from_slice(cx.session.machine.host_name.as_bytes());
    (!scratch.bytes.is_empty()).then_some(Value::Text(&scratch.bytes))
}

fn source<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let source = cx.event.info()?.source_category;
    (!source.intersects(SourceCategory::PLUGIN | SourceCategory::METAEVENT))
        .then_some(Value::Text(b"syscall"))
}

fn is_async<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let source = cx.event.info()?.source_category;
    Some(Value::Bool(source.contains(SourceCategory::METAEVENT)))
}

fn asynctype<'a>(_: &'a Field, cx: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    if cx.event.ty != types::ASYNCEVENT_E {
        return None;
    }
    cx.event.text(1).map(Value::Text)
}

fn counter<'a>(field: &'a Field, _: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    let next = field.memory.get().saturating_add(1);
    field.memory.set(next);
    Some(Value::Uint(next))
}
