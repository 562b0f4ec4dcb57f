//! Fields of the class thread.

use super::info::{ArgForm, FieldFlags, FieldInfo, boolean, double, int, interval, na, text, uint};

pub(super) const FIELDS: &[FieldInfo] = &[
    text("thread.cap_effective", "effective capabilities", na),
    text("thread.cap_inheritable", "inheritable capabilities", na),
    text("thread.cap_permitted", "permitted capabilities, names", na),
    text(
        "thread.cgroup",
        "path of one subsystem: thread.cgroup.cpuset",
        na,
    )
    .arg(ArgForm::Key),
    text("thread.cgroups", "all cgroups as subsys=path list", na),
    double("thread.cpu", "CPU percent in last second (procinfo)", na),
    double("thread.cpu.system", "system CPU percent", na),
    double("thread.cpu.user", "user CPU percent", na),
    interval(
        "thread.exectime",
        "CPU ns of last slice (switch events)",
        na,
    ),
    boolean("thread.ismain", "thread is the main one", na),
    text("thread.nametid", "comm + tid, table key", na).flag(FieldFlags::TABLE_ONLY),
    uint("thread.pfmajor", "major page faults", na),
    uint("thread.pfminor", "minor page faults", na),
    int("thread.tid", "thread id", na),
    interval(
        "thread.totexectime",
        "accumulated CPU ns (switch events)",
        na,
    ),
    uint("thread.vmrss", "process RSS KB on main thread else 0", na),
    uint("thread.vmrss.b", "thread.vmrss in bytes", na).flag(FieldFlags::TABLE_ONLY),
    uint(
        "thread.vmsize",
        "process VM size KB on main thread else 0",
        na,
    ),
    uint("thread.vmsize.b", "thread.vmsize in bytes", na).flag(FieldFlags::TABLE_ONLY),
    int("thread.vtid", "tid in own namespace", na),
];
