//! Fields of sysdig 0.29.3 that later versions removed: accepted for old filters and chisels, and
//! always absent.

use scap_capture_format::schema::PrintFormat;

use super::info::{ArgForm, FieldFlags, FieldInfo, int, interval, na, text, uint};

pub(super) const SPAN: &[FieldInfo] = &[
    text("span.arg", "one arg by name or offset", na)
        .arg(ArgForm::Key)
        .never("sysdig's tracers, dropped after 0.29"),
    text("span.args", "args as text", na).never("sysdig's tracers, dropped after 0.29"),
    uint(
        "span.childcount.fortag",
        "1 for a child of the span with the tag at an offset",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::TABLE_ONLY)
    .never("sysdig's tracers, dropped after 0.29"),
    uint("span.count", "1 on span exit", na)
        .flag(FieldFlags::TABLE_ONLY)
        .never("sysdig's tracers, dropped after 0.29"),
    uint(
        "span.count.fortag",
        "1 on exit of the span with the tag at an offset",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::TABLE_ONLY)
    .never("sysdig's tracers, dropped after 0.29"),
    interval("span.duration", "exit minus enter time of the span", na)
        .never("sysdig's tracers, dropped after 0.29"),
    interval(
        "span.duration.fortag",
        "duration of the span with the tag at an offset",
        na,
    )
    .arg(ArgForm::Key)
    .flag(FieldFlags::TABLE_ONLY)
    .never("sysdig's tracers, dropped after 0.29"),
    text("span.duration.human", "duration as text", na)
        .never("sysdig's tracers, dropped after 0.29"),
    uint("span.duration.quantized", "log10 bucket of duration", na)
        .flag(FieldFlags::TABLE_ONLY)
        .never("sysdig's tracers, dropped after 0.29"),
    text("span.enterarg", "one arg of the enter tracer", na)
        .arg(ArgForm::Key)
        .never("sysdig's tracers, dropped after 0.29"),
    text("span.enterargs", "args of the enter tracer", na)
        .never("sysdig's tracers, dropped after 0.29"),
    int("span.id", "id of the tracer span", na)
        .format(PrintFormat::Id)
        .never("sysdig's tracers, dropped after 0.29"),
    uint("span.nargs", "number of args of the tracer event", na)
        .never("sysdig's tracers, dropped after 0.29"),
    uint("span.ntags", "number of tags", na).never("sysdig's tracers, dropped after 0.29"),
    text("span.rawparenttime", "internal id of parent span", na)
        .flag(FieldFlags::TABLE_ONLY)
        .never("sysdig's tracers, dropped after 0.29"),
    text("span.rawtime", "internal id for span lists", na)
        .flag(FieldFlags::TABLE_ONLY)
        .never("sysdig's tracers, dropped after 0.29"),
    text("span.tag", "one tag by offset, negative from end", na)
        .arg(ArgForm::Key)
        .never("sysdig's tracers, dropped after 0.29"),
    text("span.tags", "tags joined by dots", na).never("sysdig's tracers, dropped after 0.29"),
    text("span.time", "time of span enter", na).never("sysdig's tracers, dropped after 0.29"),
];

pub(super) const EVTIN: &[FieldInfo] = &[
    text(
        "evtin.span.arg",
        "events inside a span selected by one arg, same thread",
        na,
    )
    .arg(ArgForm::Key)
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.args",
        "events inside a span selected by args, same thread",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    int(
        "evtin.span.id",
        "events inside a span selected by span id, same thread",
        na,
    )
    .format(PrintFormat::Id)
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.m.arg",
        "events inside a span selected by one arg, whole machine",
        na,
    )
    .arg(ArgForm::Key)
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.m.args",
        "events inside a span selected by args, whole machine",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    int(
        "evtin.span.m.id",
        "events inside a span selected by span id, whole machine",
        na,
    )
    .format(PrintFormat::Id)
    .never("sysdig's tracers, dropped after 0.29"),
    uint(
        "evtin.span.m.nargs",
        "events inside a span selected by number of args, whole machine",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    uint(
        "evtin.span.m.ntags",
        "events inside a span selected by number of tags, whole machine",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.m.tag",
        "events inside a span selected by one tag, whole machine",
        na,
    )
    .arg(ArgForm::Key)
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.m.tags",
        "events inside a span selected by tags, whole machine",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    uint(
        "evtin.span.nargs",
        "events inside a span selected by number of args, same thread",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    uint(
        "evtin.span.ntags",
        "events inside a span selected by number of tags, same thread",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.p.arg",
        "events inside a span selected by one arg, same process",
        na,
    )
    .arg(ArgForm::Key)
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.p.args",
        "events inside a span selected by args, same process",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    int(
        "evtin.span.p.id",
        "events inside a span selected by span id, same process",
        na,
    )
    .format(PrintFormat::Id)
    .never("sysdig's tracers, dropped after 0.29"),
    uint(
        "evtin.span.p.nargs",
        "events inside a span selected by number of args, same process",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    uint(
        "evtin.span.p.ntags",
        "events inside a span selected by number of tags, same process",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.p.tag",
        "events inside a span selected by one tag, same process",
        na,
    )
    .arg(ArgForm::Key)
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.p.tags",
        "events inside a span selected by tags, same process",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.s.arg",
        "events inside a span selected by one arg, same script (shared parent)",
        na,
    )
    .arg(ArgForm::Key)
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.s.args",
        "events inside a span selected by args, same script (shared parent)",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    int(
        "evtin.span.s.id",
        "events inside a span selected by span id, same script (shared parent)",
        na,
    )
    .format(PrintFormat::Id)
    .never("sysdig's tracers, dropped after 0.29"),
    uint(
        "evtin.span.s.nargs",
        "events inside a span selected by number of args, same script (shared parent)",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    uint(
        "evtin.span.s.ntags",
        "events inside a span selected by number of tags, same script (shared parent)",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.s.tag",
        "events inside a span selected by one tag, same script (shared parent)",
        na,
    )
    .arg(ArgForm::Key)
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.s.tags",
        "events inside a span selected by tags, same script (shared parent)",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.tag",
        "events inside a span selected by one tag, same thread",
        na,
    )
    .arg(ArgForm::Key)
    .never("sysdig's tracers, dropped after 0.29"),
    text(
        "evtin.span.tags",
        "events inside a span selected by tags, same thread",
        na,
    )
    .never("sysdig's tracers, dropped after 0.29"),
];

pub(super) const MESOS: &[FieldInfo] = &[
    text(
        "mesos.framework.id",
        "mesos framework id (dropped after 0.29)",
        na,
    )
    .never("dropped after sysdig 0.29")
    .of_thread(),
    text(
        "mesos.framework.name",
        "mesos framework name (dropped after 0.29)",
        na,
    )
    .never("dropped after sysdig 0.29")
    .of_thread(),
    text("mesos.task.id", "mesos task id (dropped after 0.29)", na)
        .never("dropped after sysdig 0.29")
        .of_thread(),
    text(
        "mesos.task.label",
        "mesos task one label (dropped after 0.29)",
        na,
    )
    .arg(ArgForm::Key)
    .never("dropped after sysdig 0.29")
    .of_thread(),
    text(
        "mesos.task.labels",
        "mesos task all labels (dropped after 0.29)",
        na,
    )
    .never("dropped after sysdig 0.29")
    .of_thread(),
    text(
        "mesos.task.name",
        "mesos task name (dropped after 0.29)",
        na,
    )
    .never("dropped after sysdig 0.29")
    .of_thread(),
];

pub(super) const MARATHON: &[FieldInfo] = &[
    text(
        "marathon.app.id",
        "marathon app id (dropped after 0.29)",
        na,
    )
    .never("dropped after sysdig 0.29"),
    text(
        "marathon.app.label",
        "marathon app one label (dropped after 0.29)",
        na,
    )
    .arg(ArgForm::Key)
    .never("dropped after sysdig 0.29"),
    text(
        "marathon.app.labels",
        "marathon app all labels (dropped after 0.29)",
        na,
    )
    .never("dropped after sysdig 0.29"),
    text(
        "marathon.app.name",
        "marathon app name (dropped after 0.29)",
        na,
    )
    .never("dropped after sysdig 0.29"),
    text(
        "marathon.group.id",
        "marathon group id (dropped after 0.29)",
        na,
    )
    .never("dropped after sysdig 0.29"),
    text(
        "marathon.group.name",
        "marathon group name (dropped after 0.29)",
        na,
    )
    .never("dropped after sysdig 0.29"),
];
