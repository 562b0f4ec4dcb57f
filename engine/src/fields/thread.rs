//! Fields of the event's thread.

use scap_capture_format::schema::{capability, types};

use scap_capture_format::schema::PrintFormat;

use super::attributes::{Needs, Role, Unit};
use super::info::{ArgForm, FieldFlags, FieldInfo, boolean, double, int, interval, text, uint};
use super::process::comm;
use super::{Context, Field, FieldArg, Scratch, Value, items};
use crate::event::{EventExt as _, number};
use crate::state::{self, Thread};

pub(super) const FIELDS: &[FieldInfo] = &[
    text(
        "thread.cap_effective",
        "effective capabilities, in the thread's user namespace",
        cap_effective,
    )
    .of_thread(),
    text(
        "thread.cap_inheritable",
        "inheritable capabilities, in the thread's user namespace",
        cap_inheritable,
    )
    .of_thread(),
    text(
        "thread.cap_permitted",
        "permitted capabilities, in the thread's user namespace",
        cap_permitted,
    )
    .of_thread(),
    text(
        "thread.cgroup",
        "path of one subsystem: thread.cgroup.cpuset",
        cgroup,
    )
    .arg(ArgForm::Key)
    .of_thread(),
    text("thread.cgroups", "all cgroups as subsys=path list", cgroups).of_thread(),
    double("thread.cpu", "CPU percent in last second (procinfo)", cpu)
        .format(PrintFormat::Na)
        .of_thread()
        .needs(Needs::HISTORY),
    double("thread.cpu.system", "system CPU percent", cpu_system)
        .format(PrintFormat::Na)
        .of_thread()
        .needs(Needs::HISTORY),
    double("thread.cpu.user", "user CPU percent", cpu_user)
        .format(PrintFormat::Na)
        .of_thread()
        .needs(Needs::HISTORY),
    interval(
        "thread.exectime",
        "CPU ns of last slice (switch events)",
        exectime,
    )
    .of_thread()
    .needs(Needs::HISTORY),
    boolean("thread.ismain", "thread is the main one", ismain).of_thread(),
    text("thread.nametid", "comm + tid, table key", nametid)
        .flag(FieldFlags::TABLE_ONLY)
        .of_thread(),
    uint("thread.pfmajor", "major page faults", pfmajor)
        .of_thread()
        .needs(Needs::ALL_EVENTS),
    uint("thread.pfminor", "minor page faults", pfminor)
        .of_thread()
        .needs(Needs::ALL_EVENTS),
    int("thread.tid", "thread id", tid)
        .format(PrintFormat::Id)
        .of_thread()
        .role(Role::ThreadId),
    interval(
        "thread.totexectime",
        "accumulated CPU ns (switch events)",
        totexectime,
    )
    .of_thread()
    .needs(Needs::HISTORY),
    uint(
        "thread.vmrss",
        "process RSS KB on main thread else 0",
        vmrss,
    )
    .of_thread()
    .needs(Needs::ALL_EVENTS)
    .unit(Unit::Kibibytes),
    uint("thread.vmrss.b", "thread.vmrss in bytes", vmrss_bytes)
        .flag(FieldFlags::TABLE_ONLY)
        .of_thread()
        .needs(Needs::ALL_EVENTS)
        .unit(Unit::Bytes),
    uint(
        "thread.vmsize",
        "process VM size KB on main thread else 0",
        vmsize,
    )
    .of_thread()
    .needs(Needs::ALL_EVENTS)
    .unit(Unit::Kibibytes),
    uint("thread.vmsize.b", "thread.vmsize in bytes", vmsize_bytes)
        .flag(FieldFlags::TABLE_ONLY)
        .of_thread()
        .needs(Needs::ALL_EVENTS)
        .unit(Unit::Bytes),
    int("thread.vtid", "tid in own namespace", vtid)
        .format(PrintFormat::Id)
        .of_thread(),
];

/// Bytes in the unit of the memory counters.
const KIB: u64 = 1024;

extract! {
    tid = |_, cx, _| Some(Value::Int(cx.event.tid.0));
    vtid = |_, cx, _| {
        let vtid = cx.view.thread()?.vtid;
        (vtid != -1).then_some(Value::Int(vtid))
    };
    ismain = |_, cx, _| Some(Value::Bool(cx.view.thread()?.is_main()));
    nametid = |_, cx, scratch| {
        let name = comm(cx.view.thread()?);
        scratch.text(|out| {
            out.extend_from_slice(name);
            number::dec(out, cx.event.tid.0);
        })
    };
    pfmajor = |_, cx, _| Some(Value::Uint(cx.view.thread()?.faults[0]));
    pfminor = |_, cx, _| Some(Value::Uint(cx.view.thread()?.faults[1]));
    vmsize = |_, cx, _| Some(Value::Uint(memory(cx, 0)?));
    vmrss = |_, cx, _| Some(Value::Uint(memory(cx, 1)?));
    vmsize_bytes = |_, cx, _| Some(Value::Uint(memory(cx, 0)? * KIB));
    vmrss_bytes = |_, cx, _| Some(Value::Uint(memory(cx, 1)? * KIB));
    cap_inheritable = |_, cx, scratch| capabilities(cx, scratch, 0);
    cap_permitted = |_, cx, scratch| capabilities(cx, scratch, 1);
    cap_effective = |_, cx, scratch| capabilities(cx, scratch, 2);
    cgroups = |_, cx, scratch| {
        let cgroups = cx.view.thread()?.cgroups.as_deref()?;
        scratch.text(|out| super::join(out, items(cgroups)))
    };
    cgroup = |field, cx, _| {
        let FieldArg::Name(subsystem) = &field.arg else {
            return None;
        };
        let cgroups = cx.view.thread()?.cgroups.as_deref()?;
        let path = items(cgroups)
            .find_map(|entry| entry.strip_prefix(subsystem.as_bytes())?.strip_prefix(b"="));
        path.map(Value::Text)
    };
    exectime = |field, cx, _| Some(Value::Uint(slice(field, cx)));
    totexectime = |field, cx, _| {
        let slice = slice(field, cx);
        cx.view.thread()?;
        // CPUs have small numbers, threads are mapped below zero.
        let key = -1 - cx.event.tid.0.max(0);
        let before = field.memories.borrow().get(&key).copied().unwrap_or(0);
        let total = before.saturating_add(slice);
        field.remember(key, total);
        Some(Value::Uint(total))
    };
    cpu = |field, cx, _| usage(field, cx, true, true);
    cpu_user = |field, cx, _| usage(field, cx, true, false);
    cpu_system = |field, cx, _| usage(field, cx, false, true);
}

/// Memory belongs to the process: the main thread has its value and the others have 0, so that sums
/// are right.
fn memory(cx: &Context<'_>, index: usize) -> Option<u64> {
    let thread = cx.view.thread()?;
    if !thread.is_main() {
        return Some(0);
    }
    memory_kb(cx, thread, index)
}

/// Returns a thread's use of memory as it is known after the event: a capture that was filtered lacks most calls that
/// change it, and what was last said before them is no longer so.
pub(super) fn memory_kb(cx: &Context<'_>, thread: &Thread, index: usize) -> Option<u64> {
    if cx.session.is_filtered && !state::tells_memory(cx.event.ty) {
        return None;
    }
    thread.memory_kb.get(index).map(|kb| u64::from(*kb))
}

fn capabilities<'a>(cx: &Context<'a>, scratch: &'a mut Scratch, which: usize) -> Option<Value<'a>> {
    let set = *cx.view.thread()?.caps?.get(which)?;
    scratch.text(|out| {
        for (index, name) in capability::names(set).enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(name.as_bytes());
        }
    })
}

/// The time that a thread spent on its CPU before a switch event: the time since the previous
/// switch.
fn slice(field: &Field, cx: &Context<'_>) -> u64 {
    let is_switch = matches!(cx.event.ty, types::SCHEDSWITCH_1_E | types::SCHEDSWITCH_6_E);
    if !is_switch {
        return 0;
    }
    let now = cx.event.ts.0;
    match field.remember(i64::from(cx.event.cpu), now) {
        Some(before) => now.saturating_sub(before),
        None => 0,
    }
}

/// Percentage of a CPU since the thread's previous `procinfo` event; there is one per second.
fn usage<'a>(field: &Field, cx: &Context<'a>, user: bool, system: bool) -> Option<Value<'a>> {
    const MOST: u64 = 100;
    if cx.event.ty != types::PROCINFO_E {
        return None;
    }
    let ticks = |wanted: bool, index| match wanted {
        true => cx.event.uint(index),
        false => Some(0),
    };
    let now = ticks(user, 0)?.saturating_add(ticks(system, 1)?);
    let used = match field.remember(cx.event.tid.0, now) {
        Some(before) if before != 0 => now.saturating_sub(before).min(MOST),
        _ => 0,
    };
    #[expect(clippy::cast_precision_loss, reason = "at most 100")]
    Some(Value::Double(used as f64))
}
