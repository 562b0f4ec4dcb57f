//! Fields of the class evt.

use scap_capture_format::schema::PrintFormat;

use super::info::{
    ArgForm, FieldFlags, FieldInfo, boolean, bytes, dynamic, int, interval, na, text, time, uint,
};

pub(super) const FIELDS: &[FieldInfo] = &[
    text(
        "evt.abspath",
        "absolute path built from dirfd and name (.src/.dst for two-path calls)",
        na,
    )
    .arg(ArgForm::OptKey),
    text(
        "evt.arg",
        "one param as text, by name or index, resolved form preferred",
        na,
    )
    .arg(ArgForm::Key),
    text("evt.args", "all params as name=value text", na),
    uint(
        "evt.around",
        "events within D ms of timestamp T: evt.around[T]=D",
        na,
    )
    .arg(ArgForm::Index)
    .flag(FieldFlags::FILTER_ONLY)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER),
    text("evt.asynctype", "name of an async/meta event", na),
    bytes("evt.buffer", "the data parameter (bytes)", na),
    uint(
        "evt.buflen",
        "return value of an I/O exit event (bytes transferred)",
        na,
    ),
    uint("evt.buflen.file", "buflen for files only", na).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.file.in", "buflen, file reads", na).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.file.out", "buflen, file writes", na).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.in", "buflen for reads only", na).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.net", "buflen for inet sockets", na).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.net.in", "buflen, inet reads", na).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.net.out", "buflen, inet writes", na).flag(FieldFlags::TABLE_ONLY),
    uint("evt.buflen.out", "buflen for writes only", na).flag(FieldFlags::TABLE_ONLY),
    text(
        "evt.category",
        "file, net, ipc, process, memory, ... (I/O resolved through fd kind)",
        na,
    ),
    uint("evt.count", "constant 1", na),
    uint("evt.count.error", "1 if event failed", na),
    uint("evt.count.error.file", "1 if failed and file related", na),
    uint(
        "evt.count.error.memory",
        "1 if failed and memory related",
        na,
    ),
    uint("evt.count.error.net", "1 if failed and network related", na),
    uint(
        "evt.count.error.other",
        "1 if failed and none of the above",
        na,
    ),
    uint("evt.count.exit", "1 for exit events", na),
    uint("evt.count.procinfo", "1 for procinfo of main threads", na).flag(FieldFlags::TABLE_ONLY),
    uint("evt.count.threadinfo", "1 for procinfo events", na).flag(FieldFlags::TABLE_ONLY),
    int("evt.cpu", "CPU number", na),
    text("evt.datetime", "date and time with ns (local)", na),
    text("evt.datetime.s", "date and time, whole seconds", na),
    interval(
        "evt.deltatime",
        "ns since previous event seen by this field",
        na,
    ),
    interval("evt.deltatime.ns", "ns remainder of deltatime", na).format(PrintFormat::PaddedDec10),
    interval("evt.deltatime.s", "seconds part of deltatime", na),
    text("evt.dir", "'>' enter or '<' exit", na).flag(FieldFlags::DEPRECATED),
    boolean("evt.failed", "true when return value < 0", na),
    text(
        "evt.hostname",
        "host name of the capture (MI block; env override live)",
        na,
    ),
    text("evt.info", "same as evt.args (old: extra text)", na),
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
    .flag(FieldFlags::TABLE_ONLY),
    text("evt.infra.docker.name", "docker infra event name", na).flag(FieldFlags::TABLE_ONLY),
    text("evt.io_dir", "text read or write", na),
    boolean("evt.is_async", "true for meta/async events", na),
    boolean("evt.is_io", "true for reads and writes on fds", na),
    boolean("evt.is_io_read", "true for reads", na),
    boolean("evt.is_io_write", "true for writes", na),
    boolean(
        "evt.is_open_create",
        "open-type exit that created a file",
        na,
    ),
    boolean(
        "evt.is_open_exec",
        "file created with any exec permission bit",
        na,
    ),
    boolean("evt.is_open_read", "open-type exit with read flag", na),
    boolean("evt.is_open_write", "open-type exit with write flag", na),
    boolean("evt.is_syslog", "true for writes to /dev/log", na),
    boolean("evt.is_wait", "true for sleeping/polling calls", na),
    interval(
        "evt.latency",
        "ns between enter and exit (newest: always 0; 0.29.3: real)",
        na,
    )
    .flag(FieldFlags::DEPRECATED),
    text("evt.latency.human", "latency as text such as 10.3ms", na).flag(FieldFlags::DEPRECATED),
    interval("evt.latency.ns", "ns remainder of latency", na)
        .format(PrintFormat::PaddedDec10)
        .flag(FieldFlags::DEPRECATED),
    uint(
        "evt.latency.quantized",
        "log10 bucket of latency for spectrograms",
        na,
    )
    .flag(FieldFlags::TABLE_ONLY)
    .flag(FieldFlags::DEPRECATED),
    interval("evt.latency.s", "seconds of latency", na).flag(FieldFlags::DEPRECATED),
    uint("evt.num", "event ordinal, starts at 1", na),
    text("evt.outputtime", "timestamp in the format chosen by -t", na).flag(FieldFlags::PRINT_ONLY),
    text("evt.plugininfo", "plugin's own text summary", na).never("plugins are not supported"),
    text("evt.pluginname", "plugin that produced a plugin event", na)
        .never("plugins are not supported"),
    dynamic("evt.rawarg", "one param by name with its native type", na)
        .arg(ArgForm::Key)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    int("evt.rawres", "return value as number", na),
    time("evt.rawtime", "ns since epoch", na),
    time(
        "evt.rawtime.ns",
        "ns remainder of rawtime (padded print)",
        na,
    )
    .format(PrintFormat::PaddedDec10),
    time("evt.rawtime.s", "seconds part of rawtime", na),
    interval("evt.reltime", "ns since first event of capture", na).format(PrintFormat::PaddedDec10),
    interval("evt.reltime.ns", "ns remainder of reltime", na).format(PrintFormat::PaddedDec10),
    interval("evt.reltime.s", "seconds part of reltime", na),
    text("evt.res", "SUCCESS or errno name", na),
    text(
        "evt.source",
        "event source name (syscall or plugin source)",
        na,
    ),
    text(
        "evt.time",
        "time of day with 9 fractional digits (local zone)",
        na,
    ),
    text("evt.time.iso8601", "UTC ISO-8601 with ns", na),
    text("evt.time.s", "time of day, whole seconds", na),
    text(
        "evt.type",
        "event name; real syscall name for generic syscalls; async name for async events",
        na,
    ),
    uint(
        "evt.type.is",
        "1 if event is of the type given after the dot (name or number)",
        na,
    )
    .arg(ArgForm::Key),
    interval("evt.wait_latency", "wait time in ns (newest: 0)", na).flag(FieldFlags::DEPRECATED),
];

pub(super) const SYSCALL: &[FieldInfo] = &[text(
    "syscall.type",
    "as evt.type but only for syscalls",
    na,
)];

pub(super) const UTIL: &[FieldInfo] = &[uint(
    "util.cnt",
    "counter incremented at each extraction (hidden)",
    na,
)];
