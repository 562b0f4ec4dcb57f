//! The fields of the event.

use scap_capture_format::schema::PrintFormat;

use super::args::{abspath, arg, args, buffer, is_other_parameter, rawarg};
use super::io::{
    IO, IO_DIR, IO_READ, IO_WRITE, WAIT, buflen, buflen_file, buflen_file_in, buflen_file_out,
    buflen_in, buflen_net, buflen_net_in, buflen_net_out, buflen_out, category, error_file,
    error_memory, error_net, error_other, is_open_create, is_open_exec, is_open_read,
    is_open_write, is_syslog,
};
use super::result::{args_changed, error, failed, rawres, res};
use super::time::{
    around, datetime, datetime_s, delta, delta_ns, delta_s, iso8601, latency, latency_human,
    latency_ns, latency_quantized, latency_s, outputtime, rawtime, rawtime_ns, rawtime_s, reltime,
    reltime_ns, reltime_s, time_of_day, time_of_day_s, wait_latency,
};
use super::{
    asynctype, count, count_exit, counter, cpu, dir, hostname, is_async, name, num, origin,
    plugin_info, plugin_name, procinfo, source, syscall_name, threadinfo, type_is,
};
use crate::fields::attributes::{ArgNames, Listing, Narrow, Needs, Role, TimeLiterals, Unit};
use crate::fields::info::{
    ArgForm, FieldFlags, FieldInfo, boolean, by_type, bytes, dynamic, int, interval, na, text,
    time as instant, uint,
};

pub(in crate::fields) const FIELDS: &[FieldInfo] = &[
    text(
        "evt.abspath",
        "absolute path built from dirfd and name (.src/.dst for two-path calls)",
        abspath,
    )
    .arg(ArgForm::OptKey)
    .of_event()
    .arg_names(ArgNames::OneOf {
        names: &["src", "dst"],
        expected: "expected `src` or `dst`",
    }),
    text(
        "evt.arg",
        "one param as text, by name or index, resolved form preferred",
        arg,
    )
    .arg(ArgForm::Key)
    .needs(Needs::PAYLOAD)
    .no_payload_if(is_other_parameter)
    .arg_names(ArgNames::Parameter),
    text("evt.args", "all params as name=value text", args)
        .needs(Needs::PAYLOAD)
        .listing(Listing::Hidden),
    boolean(
        "evt.args_changed",
        "memory of an argument was changed while the call ran; the event has what it was at the beginning",
        args_changed,
    )
    .flag(FieldFlags::OURS)
    .of_event(),
    uint(
        "evt.origin",
        "index of the event's recording in a merged capture, starting at 0",
        origin,
    )
    .flag(FieldFlags::OURS)
    .of_event(),
    uint(
        "evt.around",
        "events within D ms of timestamp T: evt.around[T]=D",
        around,
    )
    .arg(ArgForm::Index)
    .flag(FieldFlags::FILTER_ONLY)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .of_event()
    .role(Role::Around),
    text("evt.asynctype", "name of an async/meta event", asynctype).of_every_source().of_event(),
    bytes("evt.buffer", "the data parameter (bytes)", buffer)
        .needs(Needs::PAYLOAD)
        .listing(Listing::Hidden),
    uint(
        "evt.buflen",
        "return value of an I/O exit event (bytes transferred)",
        buflen,
    )
    .of_event()
    .unit(Unit::Bytes),
    uint("evt.buflen.file", "buflen for files only", buflen_file)
        .flag(FieldFlags::TABLE_ONLY)
        .of_event()
        .listing(Listing::Hidden)
        .unit(Unit::Bytes),
    uint("evt.buflen.file.in", "buflen, file reads", buflen_file_in)
        .flag(FieldFlags::TABLE_ONLY)
        .of_event()
        .listing(Listing::Hidden)
        .unit(Unit::Bytes),
    uint(
        "evt.buflen.file.out",
        "buflen, file writes",
        buflen_file_out,
    )
    .flag(FieldFlags::TABLE_ONLY)
    .of_event()
    .listing(Listing::Hidden)
    .unit(Unit::Bytes),
    uint("evt.buflen.in", "buflen for reads only", buflen_in)
        .flag(FieldFlags::TABLE_ONLY)
        .of_event()
        .listing(Listing::Hidden)
        .unit(Unit::Bytes),
    uint("evt.buflen.net", "buflen for inet sockets", buflen_net)
        .flag(FieldFlags::TABLE_ONLY)
        .of_event()
        .listing(Listing::Hidden)
        .unit(Unit::Bytes),
    uint("evt.buflen.net.in", "buflen, inet reads", buflen_net_in)
        .flag(FieldFlags::TABLE_ONLY)
        .of_event()
        .listing(Listing::Hidden)
        .unit(Unit::Bytes),
    uint("evt.buflen.net.out", "buflen, inet writes", buflen_net_out)
        .flag(FieldFlags::TABLE_ONLY)
        .of_event()
        .listing(Listing::Hidden)
        .unit(Unit::Bytes),
    uint("evt.buflen.out", "buflen for writes only", buflen_out)
        .flag(FieldFlags::TABLE_ONLY)
        .of_event()
        .listing(Listing::Hidden)
        .unit(Unit::Bytes),
    text(
        "evt.category",
        "file, net, ipc, process, memory, ... (I/O resolved through fd kind)",
        category,
    )
    .of_event(),
    uint("evt.count", "constant 1", count)
        .of_event()
        .listing(Listing::Hidden),
    uint("evt.count.error", "1 if event failed", error)
        .of_event()
        .listing(Listing::Hidden),
    uint(
        "evt.count.error.file",
        "1 if failed and file related",
        error_file,
    )
    .of_event()
    .listing(Listing::Hidden),
    uint(
        "evt.count.error.memory",
        "1 if failed and memory related",
        error_memory,
    )
    .of_event()
    .listing(Listing::Hidden),
    uint(
        "evt.count.error.net",
        "1 if failed and network related",
        error_net,
    )
    .of_event()
    .listing(Listing::Hidden),
    uint(
        "evt.count.error.other",
        "1 if failed and none of the above",
        error_other,
    )
    .of_event()
    .listing(Listing::Hidden),
    uint("evt.count.exit", "1 for exit events", count_exit)
        .of_event()
        .listing(Listing::Hidden),
    uint(
        "evt.count.procinfo",
        "1 for procinfo of main threads",
        procinfo,
    )
    .flag(FieldFlags::TABLE_ONLY)
    .of_event()
    .listing(Listing::Hidden),
    uint("evt.count.threadinfo", "1 for procinfo events", threadinfo)
        .flag(FieldFlags::TABLE_ONLY)
        .of_event()
        .listing(Listing::Hidden),
    int("evt.cpu", "CPU number", cpu)
        .format(PrintFormat::Id)
        .of_event()
        .listing(Listing::First(8)),
    text("evt.datetime", "date and time with ns (local)", datetime).of_every_source()
        .of_event()
        .times(TimeLiterals::LOCAL_TEXT)
        .listing(Listing::First(2)),
    text("evt.datetime.s", "date and time, whole seconds", datetime_s).of_every_source()
        .of_event()
        .times(TimeLiterals::LOCAL_TEXT)
        .unit(Unit::Seconds),
    interval(
        "evt.deltatime",
        "ns since previous event seen by this field",
        delta,
    )
    .needs(Needs::HISTORY),
    interval("evt.deltatime.ns", "ns remainder of deltatime", delta_ns)
        .format(PrintFormat::PaddedDec10)
        .needs(Needs::HISTORY)
        .unit(Unit::NanosecondPart),
    interval("evt.deltatime.s", "seconds part of deltatime", delta_s)
        .needs(Needs::HISTORY)
        .unit(Unit::Seconds),
    text("evt.dir", "'>' enter or '<' exit", dir)
        .flag(FieldFlags::DEPRECATED)
        .of_event()
        .flag(FieldFlags::WANTS_ENTER)
        .role(Role::Direction)
        .listing(Listing::First(4)),
    boolean("evt.failed", "true when return value < 0", failed).of_event(),
    text(
        "evt.hostname",
        "host name of the capture (MI block; env override live)",
        hostname,
    ).of_every_source()
    .of_event(),
    text("evt.info", "same as evt.args (old: extra text)", args)
        .needs(Needs::PAYLOAD)
        .listing(Listing::Hidden),
    text(
        "evt.infra.docker.container.id",
        "docker infra event container id",
        na,
    )
    .flag(FieldFlags::TABLE_ONLY)
    .of_event(),
    text(
        "evt.infra.docker.container.image",
        "docker infra event image",
        na,
    )
    .flag(FieldFlags::TABLE_ONLY)
    .of_event(),
    text(
        "evt.infra.docker.container.name",
        "docker infra event container name",
        na,
    )
    .flag(FieldFlags::TABLE_ONLY)
    .never("events of a Docker daemon, which recorders no longer write"),
    text("evt.infra.docker.name", "docker infra event name", na)
        .flag(FieldFlags::TABLE_ONLY)
        .of_event(),
    text("evt.io_dir", "text read or write", by_type).of_type(IO_DIR),
    boolean("evt.is_async", "true for meta/async events", is_async).of_every_source().of_event(),
    boolean("evt.is_io", "true for reads and writes on fds", by_type).of_type(IO),
    boolean("evt.is_io_read", "true for reads", by_type).of_type(IO_READ),
    boolean("evt.is_io_write", "true for writes", by_type).of_type(IO_WRITE),
    boolean(
        "evt.is_open_create",
        "open-type exit that created a file",
        is_open_create,
    )
    .of_event(),
    boolean(
        "evt.is_open_exec",
        "file created with any exec permission bit",
        is_open_exec,
    )
    .of_event(),
    boolean(
        "evt.is_open_read",
        "open-type exit with read flag",
        is_open_read,
    )
    .of_event(),
    boolean(
        "evt.is_open_write",
        "open-type exit with write flag",
        is_open_write,
    )
    .of_event(),
    boolean("evt.is_syslog", "true for writes to /dev/log", is_syslog).of_event(),
    boolean("evt.is_wait", "true for sleeping/polling calls", by_type).of_type(WAIT),
    interval(
        "evt.latency",
        "ns between enter and exit (newest: always 0; 0.29.3: real)",
        latency,
    )
    .flag(FieldFlags::DEPRECATED)
    .of_event()
    .flag(FieldFlags::WANTS_ENTER)
    .listing(Listing::First(7)),
    text(
        "evt.latency.human",
        "latency as text such as 10.3ms",
        latency_human,
    )
    .flag(FieldFlags::DEPRECATED)
    .of_event()
    .listing(Listing::First(6)),
    interval("evt.latency.ns", "ns remainder of latency", latency_ns)
        .format(PrintFormat::PaddedDec10)
        .flag(FieldFlags::DEPRECATED)
        .of_event()
        .unit(Unit::NanosecondPart),
    uint(
        "evt.latency.quantized",
        "log10 bucket of latency for spectrograms",
        latency_quantized,
    )
    .flag(FieldFlags::TABLE_ONLY)
    .flag(FieldFlags::DEPRECATED)
    .of_event(),
    interval("evt.latency.s", "seconds of latency", latency_s)
        .flag(FieldFlags::DEPRECATED)
        .of_event()
        .unit(Unit::Seconds),
    uint("evt.num", "event ordinal, starts at 1", num).of_every_source()
        .format(PrintFormat::Id)
        .needs(Needs::ALL_EVENTS)
        .role(Role::EventNumber)
        .listing(Listing::First(1)),
    text(
        "evt.outputtime",
        "timestamp in the format chosen by -t",
        outputtime,
    ).of_every_source()
    .flag(FieldFlags::PRINT_ONLY)
    .needs(Needs::HISTORY)
    .role(Role::OutputTime)
    .listing(Listing::Hidden),
    text("evt.plugininfo", "the JSON of an event of a plugin", plugin_info)
        .of_plugin()
        .of_every_source()
        .listing(Listing::Hidden),
    text("evt.pluginname", "plugin that produced a plugin event", plugin_name).of_plugin()
        .of_every_source(),
    dynamic(
        "evt.rawarg",
        "one param by name with its native type",
        rawarg,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .needs(Needs::PAYLOAD)
    .no_payload_if(is_other_parameter)
    .arg_names(ArgNames::Parameter),
    int("evt.rawres", "return value as number", rawres).of_event(),
    instant("evt.rawtime", "ns since epoch", rawtime).of_every_source()
        .of_event()
        .times(TimeLiterals::LOCAL_NUMBER)
        .role(Role::EventTime),
    instant(
        "evt.rawtime.ns",
        "ns remainder of rawtime (padded print)",
        rawtime_ns,
    ).of_every_source()
    .format(PrintFormat::PaddedDec10)
    .of_event()
    .unit(Unit::NanosecondPart),
    instant("evt.rawtime.s", "seconds part of rawtime", rawtime_s).of_every_source()
        .of_event()
        .unit(Unit::Seconds),
    interval("evt.reltime", "ns since first event of capture", reltime).of_every_source()
        .format(PrintFormat::PaddedDec10)
        .needs(Needs::ALL_EVENTS),
    interval("evt.reltime.ns", "ns remainder of reltime", reltime_ns).of_every_source()
        .format(PrintFormat::PaddedDec10)
        .needs(Needs::ALL_EVENTS)
        .unit(Unit::NanosecondPart),
    interval("evt.reltime.s", "seconds part of reltime", reltime_s).of_every_source()
        .needs(Needs::ALL_EVENTS)
        .unit(Unit::Seconds),
    text("evt.res", "SUCCESS or errno name", res)
        .of_event()
        .listing(Listing::First(5))
        .narrow(Narrow::OrNumber("evt.rawres")),
    text(
        "evt.source",
        "event source name (syscall or plugin source)",
        source,
    ).of_every_source()
    .of_event(),
    text(
        "evt.time",
        "time of day with 9 fractional digits (local zone)",
        time_of_day,
    ).of_every_source()
    .of_event()
    .times(TimeLiterals::LOCAL_TEXT),
    text("evt.time.iso8601", "UTC ISO-8601 with ns", iso8601).of_every_source()
        .of_event()
        .times(TimeLiterals::UTC_TEXT),
    text("evt.time.s", "time of day, whole seconds", time_of_day_s).of_every_source()
        .of_event()
        .times(TimeLiterals::LOCAL_TEXT)
        .unit(Unit::Seconds),
    text(
        "evt.type",
        "event name; real syscall name for generic syscalls; async name for async events",
        name,
    )
    .of_event()
    .role(Role::EventType)
    .listing(Listing::First(3)),
    uint(
        "evt.type.is",
        "1 if event is of the type given after the dot (name or number)",
        type_is,
    )
    .format(PrintFormat::Na)
    .arg(ArgForm::Key)
    .of_event()
    .arg_names(ArgNames::EventType),
    interval(
        "evt.wait_latency",
        "wait time in ns (newest: 0)",
        wait_latency,
    )
    .flag(FieldFlags::DEPRECATED)
    .of_event(),
];

pub(in crate::fields) const SYSCALL: &[FieldInfo] = &[text(
    "syscall.type",
    "as evt.type but only for syscalls",
    syscall_name,
)
.of_event()
.role(Role::SyscallType)];

pub(in crate::fields) const UTIL: &[FieldInfo] = &[uint(
    "util.cnt",
    "counter incremented at each extraction (hidden)",
    counter,
)
.format(PrintFormat::Id)
.needs(Needs::HISTORY)];
