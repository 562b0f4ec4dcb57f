//! Fields of the event's process.

mod table;

pub(super) use table::FIELDS;

use super::{Context, Field, FieldArg, Scratch, Value, environment, items, list, thread};
use crate::event::Tid;
use crate::state::{FdInfo, ProgramFlags, Thread, View};

/// sysdig's name for a thread whose creation was not seen.
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

/// Appends a name followed by arguments.
pub(super) fn with_args(out: &mut Vec<u8>, name: &[u8], args: Option<&[u8]>) {
    out.extend_from_slice(name);
    if let Some(args) = args.filter(|a| !a.is_empty()) {
        out.push(b' ');
        list(out, args);
    }
}

/// Appends the command line that was executed, `argv` separated by blanks, up to about `most` bytes.
/// A process without `argv[0]`, such as a kernel thread, has its name instead.
///
/// It is not `proc.cmdline`, which begins with the name of the program: for a script
/// `/bin/bash /tmp/x` was executed, but its name is `x`.
pub fn command_line(
    out: &mut Vec<u8>,
    exe: Option<&[u8]>,
    comm: Option<&[u8]>,
    args: Option<&[u8]>,
    most: usize,
) {
    let start = out.len();
    let exe = exe.filter(|exe| !exe.is_empty());
    out.extend_from_slice(exe.or(comm).unwrap_or_default());
    for arg in items(args.unwrap_or_default()) {
        if out.len() - start >= most {
            break;
        }
        out.push(b' ');
        out.extend_from_slice(arg);
    }
    out.truncate(start + most);
}

fn main<'a>(cx: &Context<'a>) -> Option<&'a Thread> {
    cx.view.main(cx.view.thread()?)
}

/// The main thread of the parent process.
fn parent<'a>(cx: &Context<'a>) -> Option<&'a Thread> {
    let parent = cx.view.parent(main(cx)?)?;
    Some(cx.view.main(parent).unwrap_or(parent))
}

/// Returns the start time of a thread, in nanoseconds since the epoch.
fn began(cx: &Context<'_>, thread: &Thread) -> Option<u64> {
    thread.began(cx.session.boot_time())
}

extract! {
    name = |_, cx, _| Some(Value::Text(comm(cx.view.thread()?)));
    exe = |_, cx, _| Some(Value::Text(exe_of(cx.view.thread()?)));
    exepath = |_, cx, _| Some(Value::Text(exepath_of(cx.view.thread()?)));
    root = |_, cx, _| cx.view.root().map(Value::Text);
    mntns = |_, cx, _| cx.view.mount_ns().map(|number| Value::Uint(number.into()));
    is_in_host_mntns = |_, cx, _| {
        let of_host = cx.view.host_mount_ns()?;
        Some(Value::Bool(cx.view.mount_ns()? == of_host))
    };
    cwd = |_, cx, scratch| {
        cx.view.thread()?;
        let Some(cwd) = cx.view.cwd() else {
            // Empty, not absent: a line must not be dropped because a directory is unknown.
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
        scratch.text(|out| list(out, args))
    };
    env = |field, cx, scratch| {
        let env = main(cx)?.env.as_deref().unwrap_or_default();
        if let FieldArg::Name(name) = &field.arg {
            return Some(Value::Text(variable(env, name.as_bytes()).unwrap_or_default()));
        }
        scratch.text(|out| environment(out, env))
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
    vmsize = |_, cx, _| Some(Value::Uint(thread::memory_kb(cx, main(cx)?, 0)?));
    vmrss = |_, cx, _| Some(Value::Uint(thread::memory_kb(cx, main(cx)?, 1)?));
    vmswap = |_, cx, _| Some(Value::Uint(thread::memory_kb(cx, main(cx)?, 2)?));
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
    stdin_name = |_, cx, _| Some(Value::Text(&cx.view.open_fd(0)?.name));
    stdout_name = |_, cx, _| Some(Value::Text(&cx.view.open_fd(1)?.name));
    stderr_name = |_, cx, _| Some(Value::Text(&cx.view.open_fd(2)?.name));
    stdin_type = |_, cx, _| kind(cx.view, 0);
    stdout_type = |_, cx, _| kind(cx.view, 1);
    stderr_type = |_, cx, _| kind(cx.view, 2);
}

/// Returns an id; absent if it is -1, which means unknown.
fn known<'a>(id: i64) -> Option<Value<'a>> {
    (id != -1).then_some(Value::Int(id))
}

fn nonzero(number: u64) -> Option<u64> {
    (number != 0).then_some(number)
}

/// Returns the value of an environment variable.
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
    let info: &FdInfo = view.open_fd(fd)?;
    info.kind.word().map(|w| Value::Text(w.as_bytes()))
}

/// True if the process, or one of its ancestors, is a check that the runtime performs in its
/// container.
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

/// Returns the leader of the session or process group with the id that `id` returns: the process
/// with that number, or if it has exited, the oldest of the consecutive ancestors in the same
/// session or group.
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
