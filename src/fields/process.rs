//! Fields of the event's process.

use super::ancestors::{aargs, acmdline, aenv, aexe, aexepath, aname, apid};
use scap_capture_format::schema::PrintFormat;

use super::info::{
    ArgForm, FieldFlags, FieldInfo, boolean, double, int, interval, text, time, uint,
};
use super::lineage;
use super::{Context, Field, FieldArg, Scratch, Value, items, join, variables};
use crate::event::Tid;
use crate::state::{FdInfo, ProgramFlags, Thread, View};

pub(super) const FIELDS: &[FieldInfo] = &[
    text("proc.aargs", "arguments of n-th ancestor", aargs)
        .arg(ArgForm::OptIndex)
        .flag(FieldFlags::ANY),
    text(
        "proc.acmdline",
        "cmdline of n-th ancestor; no index: any",
        acmdline,
    )
    .arg(ArgForm::OptIndex)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .flag(FieldFlags::ANY),
    text(
        "proc.aenv",
        "env of ancestors; [n], [NAME] or none (any)",
        aenv,
    )
    .arg(ArgForm::OptKey)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .flag(FieldFlags::ANY),
    text(
        "proc.aexe",
        "argv[0] of n-th ancestor; no index: any ancestor",
        aexe,
    )
    .arg(ArgForm::OptIndex)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .flag(FieldFlags::ANY),
    text(
        "proc.aexepath",
        "executable path of n-th ancestor; no index: any",
        aexepath,
    )
    .arg(ArgForm::OptIndex)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .flag(FieldFlags::ANY),
    text(
        "proc.aname",
        "comm of n-th ancestor; no index: any ancestor",
        aname,
    )
    .arg(ArgForm::OptIndex)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .flag(FieldFlags::ANY),
    int("proc.apid", "pid of n-th ancestor; no index: any", apid)
        .format(PrintFormat::Id)
        .arg(ArgForm::OptIndex)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER)
        .flag(FieldFlags::ANY),
    text(
        "proc.args",
        "arguments joined by blanks; [i] one argument",
        args,
    )
    .arg(ArgForm::OptIndex),
    uint("proc.cmdlenargs", "summed length of args", cmdlenargs),
    text("proc.cmdline", "comm + args", cmdline),
    uint("proc.cmdnargs", "number of args", cmdnargs),
    text("proc.cwd", "working directory with trailing slash", cwd),
    interval(
        "proc.duration",
        "ns since process start (absent if start unseen)",
        duration,
    ),
    text(
        "proc.env",
        "environment joined by blanks; [NAME] one value",
        env,
    )
    .arg(ArgForm::OptKey),
    text("proc.exe", "argv[0]", exe),
    int("proc.exe_ino", "inode of exe", exe_ino),
    time("proc.exe_ino.ctime", "ctime of exe, epoch ns", exe_ctime),
    time(
        "proc.exe_ino.ctime_duration_pidns_start",
        "exe ctime minus pid namespace start",
        ctime_after_pidns,
    ),
    time(
        "proc.exe_ino.ctime_duration_proc_start",
        "clone time minus exe ctime",
        ctime_before_start,
    ),
    time("proc.exe_ino.mtime", "mtime of exe, epoch ns", exe_mtime),
    text("proc.exeline", "exe + args", exeline),
    text("proc.exepath", "full executable path", exepath),
    int("proc.fdlimit", "fd limit", fdlimit),
    uint("proc.fdopencount", "open fds", fdopencount),
    double("proc.fdusage", "open fds as percent of limit", fdusage),
    boolean(
        "proc.is_container_healthcheck",
        "process belongs to a health check",
        is_healthcheck,
    )
    .flag(FieldFlags::DEPRECATED),
    boolean(
        "proc.is_container_liveness_probe",
        "process belongs to a liveness probe",
        is_liveness_probe,
    )
    .flag(FieldFlags::DEPRECATED),
    boolean(
        "proc.is_container_readiness_probe",
        "process belongs to a readiness probe",
        is_readiness_probe,
    )
    .flag(FieldFlags::DEPRECATED),
    boolean(
        "proc.is_exe_from_memfd",
        "exe is a memfd",
        is_exe_from_memfd,
    ),
    boolean(
        "proc.is_exe_lower_layer",
        "exe in overlayfs lower layer",
        is_exe_lower_layer,
    ),
    boolean(
        "proc.is_exe_upper_layer",
        "exe in overlayfs upper layer",
        is_exe_upper_layer,
    ),
    boolean(
        "proc.is_exe_writable",
        "exe file writable by the spawning user",
        is_exe_writable,
    ),
    boolean("proc.is_pgid_leader", "pgid == pid", is_pgid_leader),
    boolean("proc.is_sid_leader", "sid == vpid", is_sid_leader),
    boolean("proc.is_vpgid_leader", "vpgid == vpid", is_vpgid_leader),
    text(
        "proc.lineage",
        "comm of who started it, n steps back; no index: any",
        lineage::name,
    )
    .arg(ArgForm::OptIndex)
    .flag(LINEAGE),
    text("proc.lineage.cmdline", "cmdline likewise", lineage::cmdline)
        .arg(ArgForm::OptIndex)
        .flag(LINEAGE),
    text("proc.lineage.exe", "argv[0] likewise", lineage::exe)
        .arg(ArgForm::OptIndex)
        .flag(LINEAGE),
    text(
        "proc.lineage.exepath",
        "executable path likewise",
        lineage::exepath,
    )
    .arg(ArgForm::OptIndex)
    .flag(LINEAGE),
    int("proc.lineage.pid", "pid likewise", lineage::pid)
        .arg(ArgForm::OptIndex)
        .flag(LINEAGE),
    int(
        "proc.loginshellid",
        "pid of oldest ancestor whose comm ends in sh",
        loginshellid,
    )
    .format(PrintFormat::Id),
    text("proc.name", "comm (max 15 chars)", name),
    uint("proc.nchilds", "live non-leader threads", nchilds),
    uint("proc.nthreads", "live threads of the process", nthreads),
    text("proc.pcmdline", "cmdline of parent", pcmdline),
    text("proc.pexe", "argv[0] of parent", pexe),
    text("proc.pexepath", "executable path of parent", pexepath),
    int("proc.pgid", "process group id on host", pgid).format(PrintFormat::Id),
    text("proc.pgid.exe", "exe of pgid leader", pgid_exe),
    text("proc.pgid.exepath", "exepath of pgid leader", pgid_exepath),
    text("proc.pgid.name", "comm of pgid leader", pgid_name),
    int("proc.pid", "process id", pid).format(PrintFormat::Id),
    interval("proc.pid.ts", "process start, epoch ns", start),
    uint(
        "proc.pidns_init_start_ts",
        "start of the pid namespace, epoch ns",
        pidns_init_start_ts,
    ),
    text("proc.pname", "comm of parent", pname),
    int("proc.ppid", "parent process id", ppid).format(PrintFormat::Id),
    interval("proc.ppid.duration", "same for parent", parent_duration),
    interval("proc.ppid.ts", "parent start, epoch ns", parent_start),
    int("proc.pvpid", "parent's vpid", pvpid).format(PrintFormat::Id),
    int("proc.sid", "session id", sid).format(PrintFormat::Id),
    text("proc.sid.exe", "exe of session leader", sid_exe),
    text("proc.sid.exepath", "exepath of session leader", sid_exepath),
    text("proc.sname", "comm of session leader", sname),
    text("proc.stderr.name", "name of fd 2", stderr_name),
    text("proc.stderr.type", "type of fd 2", stderr_type),
    text("proc.stdin.name", "name of fd 0", stdin_name),
    text("proc.stdin.type", "type of fd 0", stdin_type),
    text("proc.stdout.name", "name of fd 1", stdout_name),
    text("proc.stdout.type", "type of fd 1", stdout_type),
    uint("proc.tty", "controlling terminal number, 0 none", tty).format(PrintFormat::Id),
    uint("proc.vmrss", "resident memory KB", vmrss),
    uint("proc.vmsize", "virtual memory KB", vmsize),
    uint("proc.vmswap", "swapped memory KB", vmswap),
    int("proc.vpgid", "process group id in own namespace", vpgid).format(PrintFormat::Id),
    text("proc.vpgid.exe", "exe of vpgid leader", vpgid_exe),
    text(
        "proc.vpgid.exepath",
        "exepath of vpgid leader",
        vpgid_exepath,
    ),
    text("proc.vpgid.name", "comm of vpgid leader", vpgid_name),
    int("proc.vpid", "pid in its own namespace", vpid).format(PrintFormat::Id),
];

/// What is common to the fields of the lineage.
const LINEAGE: FieldFlags = FieldFlags::OURS
    .union(FieldFlags::ANY)
    .union(FieldFlags::NO_RHS)
    .union(FieldFlags::NO_TRANSFORMER);

/// What sysdig shows of a thread that was never introduced.
pub(super) const UNKNOWN: &[u8] = b"<NA>";

/// Returns the name of a thread.
pub(super) fn comm(thread: &Thread) -> &[u8] {
    thread.comm.as_deref().unwrap_or(UNKNOWN)
}

/// Returns `argv[0]` of a thread.
pub(super) fn exe_of(thread: &Thread) -> &[u8] {
    exe_or_none(thread.exe.as_deref(), thread.comm.as_deref())
}

/// Returns `argv[0]` of a thread that has this name; kernel threads have none.
pub(super) fn exe_or_none<'a>(exe: Option<&'a [u8]>, comm: Option<&[u8]>) -> &'a [u8] {
    match exe {
        Some(exe) => exe,
        None if comm.is_some() => b"",
        None => UNKNOWN,
    }
}

/// Returns the path of a thread's program.
pub(super) fn exepath_of(thread: &Thread) -> &[u8] {
    thread.exepath.as_deref().unwrap_or_default()
}

/// Appends a name and the arguments after it.
pub(super) fn with_args(out: &mut Vec<u8>, name: &[u8], args: Option<&[u8]>) {
    out.extend_from_slice(name);
    if let Some(args) = args.filter(|a| !a.is_empty()) {
        out.push(b' ');
        join(out, items(args));
    }
}

fn main<'a>(cx: &Context<'a>) -> Option<&'a Thread> {
    cx.view.main(cx.view.thread()?)
}

/// The parent's first thread, whichever of its threads made this one.
fn parent<'a>(cx: &Context<'a>) -> Option<&'a Thread> {
    let parent = cx.view.parent(main(cx)?)?;
    Some(cx.view.main(parent).unwrap_or(parent))
}

/// When a thread began, in nanoseconds since the epoch.
fn began(cx: &Context<'_>, thread: &Thread) -> Option<u64> {
    thread.began(cx.session.boot_time())
}

extract! {
    name = |_, cx, _| Some(Value::Text(comm(cx.view.thread()?)));
    exe = |_, cx, _| Some(Value::Text(exe_of(cx.view.thread()?)));
    exepath = |_, cx, _| Some(Value::Text(exepath_of(cx.view.thread()?)));
    cwd = |_, cx, scratch| {
        cx.view.thread()?;
        let Some(cwd) = cx.view.cwd() else {
            // Not absent: a line is not to be dropped since a directory is not known.
            return Some(Value::Text(b""));
        };
        scratch.text(|out| {
            out.extend_from_slice(cwd);
            if !cwd.ends_with(b"/") {
                out.push(b'/');
            }
        })
    };
    args = |field, cx, scratch| {
        let args = cx.view.thread()?.args.as_deref().unwrap_or_default();
        if let FieldArg::Index(index) = field.arg {
            let index = usize::try_from(index).ok()?;
            return Some(Value::Text(items(args).nth(index).unwrap_or_default()));
        }
        scratch.text(|out| join(out, items(args)))
    };
    env = |field, cx, scratch| {
        let env = main(cx)?.env.as_deref().unwrap_or_default();
        if let FieldArg::Name(name) = &field.arg {
            return Some(Value::Text(variable(env, name.as_bytes()).unwrap_or_default()));
        }
        scratch.text(|out| join(out, variables(env)))
    };
    cmdline = |_, cx, scratch| {
        let thread = cx.view.thread()?;
        scratch.text(|out| with_args(out, comm(thread), thread.args.as_deref()))
    };
    exeline = |_, cx, scratch| {
        let thread = cx.view.thread()?;
        scratch.text(|out| with_args(out, exe_of(thread), thread.args.as_deref()))
    };
    cmdnargs = |_, cx, _| {
        let args = cx.view.thread()?.args.as_deref().unwrap_or_default();
        Some(Value::Uint(items(args).count() as u64))
    };
    cmdlenargs = |_, cx, _| {
        let args = cx.view.thread()?.args.as_deref().unwrap_or_default();
        Some(Value::Uint(items(args).map(|a| a.len() as u64).sum()))
    };
    pid = |_, cx, _| Some(Value::Int(cx.view.thread()?.pid.0));
    ppid = |_, cx, _| {
        let known = parent(cx).map(|p| p.pid.0).filter(|pid| *pid >= 0);
        Some(Value::Int(known.unwrap_or(main(cx)?.ptid.0)))
    };
    vpid = |_, cx, _| known(cx.view.thread()?.vpid);
    sid = |_, cx, _| Some(Value::Int(cx.view.thread()?.sid));
    pgid = |_, cx, _| known(cx.view.thread()?.pgid);
    vpgid = |_, cx, _| Some(Value::Int(cx.view.thread()?.vpgid));
    pvpid = |_, cx, _| known(parent(cx)?.vpid);
    tty = |_, cx, _| Some(Value::Uint(u64::from(cx.view.thread()?.tty)));
    pname = |_, cx, _| Some(Value::Text(comm(parent(cx)?)));
    pexe = |_, cx, _| Some(Value::Text(exe_of(parent(cx)?)));
    pexepath = |_, cx, _| Some(Value::Text(exepath_of(parent(cx)?)));
    pcmdline = |_, cx, scratch| {
        let parent = parent(cx)?;
        scratch.text(|out| with_args(out, comm(parent), parent.args.as_deref()))
    };
    duration = |_, cx, _| since(cx, cx.view.thread()?);
    parent_duration = |_, cx, _| since(cx, parent(cx)?);
    start = |_, cx, _| began(cx, main(cx)?).map(Value::Uint);
    parent_start = |_, cx, _| began(cx, parent(cx)?).map(Value::Uint);
    fdlimit = |_, cx, _| Some(Value::Int(main(cx)?.fdlimit));
    fdopencount = |_, cx, _| {
        let thread = cx.view.thread()?;
        Some(Value::Uint(cx.view.state().fd_count(thread.tid) as u64))
    };
    fdusage = |_, cx, _| {
        let thread = main(cx)?;
        let count = cx.view.state().fd_count(thread.tid);
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let percent = match thread.fdlimit {
            limit if limit > 0 => count as f64 * 100.0 / limit as f64,
            _ => 0.0,
        };
        Some(Value::Double(percent))
    };
    nthreads = |_, cx, _| Some(Value::Uint(threads(cx)?));
    nchilds = |_, cx, _| Some(Value::Uint(threads(cx)?.saturating_sub(1)));
    loginshellid = |_, cx, _| {
        let shells = cx.view.ancestors().filter(|t| comm(t).ends_with(b"sh"));
        shells.last().map(|t| Value::Int(t.pid.0))
    };
    vmsize = |_, cx, _| Some(Value::Uint(u64::from(main(cx)?.memory_kb[0])));
    vmrss = |_, cx, _| Some(Value::Uint(u64::from(main(cx)?.memory_kb[1])));
    vmswap = |_, cx, _| Some(Value::Uint(u64::from(main(cx)?.memory_kb[2])));
    exe_ino = |_, cx, _| nonzero(cx.view.thread()?.program.ino).map(|i| Value::Int(i.cast_signed()));
    exe_ctime = |_, cx, _| nonzero(cx.view.thread()?.program.ctime).map(Value::Uint);
    exe_mtime = |_, cx, _| nonzero(cx.view.thread()?.program.mtime).map(Value::Uint);
    ctime_before_start = |_, cx, _| {
        let thread = cx.view.thread()?;
        let ctime = nonzero(thread.program.ctime)?;
        began(cx, thread)?.checked_sub(ctime).map(Value::Uint)
    };
    ctime_after_pidns = |_, cx, _| {
        let thread = cx.view.thread()?;
        let ctime = nonzero(thread.program.ctime)?;
        let pidns = pidns_start(cx, thread)?;
        ctime.checked_sub(pidns).map(Value::Uint)
    };
    pidns_init_start_ts = |_, cx, _| pidns_start(cx, cx.view.thread()?).map(Value::Uint);
    is_exe_writable = |_, cx, _| program_is(cx, ProgramFlags::WRITABLE);
    is_exe_upper_layer = |_, cx, _| program_is(cx, ProgramFlags::UPPER_LAYER);
    is_exe_lower_layer = |_, cx, _| program_is(cx, ProgramFlags::LOWER_LAYER);
    is_exe_from_memfd = |_, cx, _| program_is(cx, ProgramFlags::FROM_MEMFD);
    is_pgid_leader = |_, cx, _| {
        let thread = cx.view.thread()?;
        Some(Value::Bool(thread.pgid == thread.pid.0))
    };
    is_sid_leader = |_, cx, _| {
        let thread = cx.view.thread()?;
        Some(Value::Bool(thread.sid == thread.vpid))
    };
    is_vpgid_leader = |_, cx, _| {
        let thread = cx.view.thread()?;
        Some(Value::Bool(thread.vpgid == thread.vpid))
    };
    is_healthcheck = |_, cx, _| is_probe(cx, "Healthcheck");
    is_liveness_probe = |_, cx, _| is_probe(cx, "LivenessProbe");
    is_readiness_probe = |_, cx, _| is_probe(cx, "ReadinessProbe");
    sname = |_, cx, _| Some(Value::Text(comm(leader(cx, |t| t.sid)?)));
    sid_exe = |_, cx, _| Some(Value::Text(exe_of(leader(cx, |t| t.sid)?)));
    sid_exepath = |_, cx, _| Some(Value::Text(exepath_of(leader(cx, |t| t.sid)?)));
    pgid_name = |_, cx, _| Some(Value::Text(comm(leader(cx, |t| t.pgid)?)));
    pgid_exe = |_, cx, _| Some(Value::Text(exe_of(leader(cx, |t| t.pgid)?)));
    pgid_exepath = |_, cx, _| Some(Value::Text(exepath_of(leader(cx, |t| t.pgid)?)));
    vpgid_name = |_, cx, _| Some(Value::Text(comm(leader(cx, |t| t.vpgid)?)));
    vpgid_exe = |_, cx, _| Some(Value::Text(exe_of(leader(cx, |t| t.vpgid)?)));
    vpgid_exepath = |_, cx, _| Some(Value::Text(exepath_of(leader(cx, |t| t.vpgid)?)));
    stdin_name = |_, cx, _| Some(Value::Text(&cx.view.fd_of(0)?.name));
    stdout_name = |_, cx, _| Some(Value::Text(&cx.view.fd_of(1)?.name));
    stderr_name = |_, cx, _| Some(Value::Text(&cx.view.fd_of(2)?.name));
    stdin_type = |_, cx, _| kind(cx.view, 0);
    stdout_type = |_, cx, _| kind(cx.view, 1);
    stderr_type = |_, cx, _| kind(cx.view, 2);
}

/// An id that is -1 if it is not known.
fn known<'a>(id: i64) -> Option<Value<'a>> {
    (id != -1).then_some(Value::Int(id))
}

fn nonzero(number: u64) -> Option<u64> {
    (number != 0).then_some(number)
}

/// Returns the value of a variable of an environment.
pub(super) fn variable<'a>(env: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    items(env).find_map(|entry| entry.strip_prefix(name)?.strip_prefix(b"="))
}

fn since<'a>(cx: &Context<'a>, thread: &Thread) -> Option<Value<'a>> {
    let began = began(cx, thread)?;
    Some(Value::Uint(cx.event.ts.0.saturating_sub(began)))
}

fn pidns_start(cx: &Context<'_>, thread: &Thread) -> Option<u64> {
    nonzero(thread.pidns_start)?.checked_add(cx.session.boot_time())
}

fn threads(cx: &Context<'_>) -> Option<u64> {
    let thread = cx.view.thread()?;
    Some(u64::from(cx.view.state().threads_of(thread.pid).max(1)))
}

fn program_is<'a>(cx: &Context<'a>, flag: ProgramFlags) -> Option<Value<'a>> {
    Some(Value::Bool(cx.view.thread()?.program.flags.contains(flag)))
}

fn kind<'a>(view: &View<'a>, fd: i64) -> Option<Value<'a>> {
    let info: &FdInfo = view.fd_of(fd)?;
    info.kind.word().map(|w| Value::Text(w.as_bytes()))
}

/// Whether the process is a check that the runtime makes in its container, or was started by one.
fn is_probe<'a>(cx: &Context<'a>, which: &str) -> Option<Value<'a>> {
    let thread = cx.view.thread()?;
    if thread.container.is_none() {
        return Some(Value::Bool(false));
    }
    let Some(probe) = cx.view.container()?.json(which) else {
        return Some(Value::Bool(false));
    };
    let exe = probe.get("exe").and_then(serde_json::Value::as_str);
    let args = probe.get("args").and_then(serde_json::Value::as_array);
    let args = || {
        args.into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_str)
    };
    let is = |t: &Thread| {
        let own = items(t.args.as_deref().unwrap_or_default());
        exe.map(str::as_bytes) == Some(exe_of(t)) && own.eq(args().map(str::as_bytes))
    };
    let found = cx
        .view
        .ancestors()
        .take_while(|t| t.container == thread.container)
        .any(is);
    Some(Value::Bool(found))
}

/// Returns the leader of the session or group that `id` tells: the process of that number, or if it is
/// gone, the oldest of the ancestors in a row that are in it.
fn leader<'a>(cx: &Context<'a>, id: impl Fn(&Thread) -> i64) -> Option<&'a Thread> {
    let own = main(cx)?;
    let wanted = id(own);
    if wanted < 0 {
        return None;
    }
    let in_namespace = own.vpid >= 0 && own.vpid != own.pid.0;
    let by_number = cx.view.state().thread(Tid(wanted));
    if let Some(leader) = by_number.filter(|_| !in_namespace) {
        return Some(leader);
    }
    cx.view.ancestors().take_while(|t| id(t) == wanted).last()
}
