//! Fields of the class process.

use super::info::{
    ArgForm, FieldFlags, FieldInfo, boolean, double, int, interval, na, text, time, uint,
};

pub(super) const FIELDS: &[FieldInfo] = &[
    text("proc.aargs", "arguments of n-th ancestor", na)
        .arg(ArgForm::OptIndex)
        .flag(FieldFlags::ANY),
    text(
        "proc.acmdline",
        "cmdline of n-th ancestor; no index: any",
        na,
    )
    .arg(ArgForm::OptIndex)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .flag(FieldFlags::ANY),
    text(
        "proc.aenv",
        "env of ancestors; [n], [NAME] or none (any)",
        na,
    )
    .arg(ArgForm::OptKey)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .flag(FieldFlags::ANY),
    text(
        "proc.aexe",
        "argv[0] of n-th ancestor; no index: any ancestor",
        na,
    )
    .arg(ArgForm::OptIndex)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .flag(FieldFlags::ANY),
    text(
        "proc.aexepath",
        "executable path of n-th ancestor; no index: any",
        na,
    )
    .arg(ArgForm::OptIndex)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .flag(FieldFlags::ANY),
    text(
        "proc.aname",
        "comm of n-th ancestor; no index: any ancestor",
        na,
    )
    .arg(ArgForm::OptIndex)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER)
    .flag(FieldFlags::ANY),
    int("proc.apid", "pid of n-th ancestor; no index: any", na)
        .arg(ArgForm::OptIndex)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER)
        .flag(FieldFlags::ANY),
    text(
        "proc.args",
        "arguments joined by blanks; [i] one argument",
        na,
    )
    .arg(ArgForm::OptIndex),
    uint("proc.cmdlenargs", "summed length of args", na),
    text("proc.cmdline", "comm + args", na),
    uint("proc.cmdnargs", "number of args", na),
    text("proc.cwd", "working directory with trailing slash", na),
    interval(
        "proc.duration",
        "ns since process start (absent if start unseen)",
        na,
    ),
    text(
        "proc.env",
        "environment joined by blanks; [NAME] one value",
        na,
    )
    .arg(ArgForm::OptKey),
    text("proc.exe", "argv[0]", na),
    int("proc.exe_ino", "inode of exe", na),
    time("proc.exe_ino.ctime", "ctime of exe, epoch ns", na),
    time(
        "proc.exe_ino.ctime_duration_pidns_start",
        "exe ctime minus pid namespace start",
        na,
    ),
    time(
        "proc.exe_ino.ctime_duration_proc_start",
        "clone time minus exe ctime",
        na,
    ),
    time("proc.exe_ino.mtime", "mtime of exe, epoch ns", na),
    text("proc.exeline", "exe + args", na),
    text("proc.exepath", "full executable path", na),
    int("proc.fdlimit", "fd limit", na),
    uint("proc.fdopencount", "open fds", na),
    double("proc.fdusage", "open fds as percent of limit", na),
    boolean(
        "proc.is_container_healthcheck",
        "process belongs to a health check (newest: never set)",
        na,
    )
    .flag(FieldFlags::DEPRECATED),
    boolean(
        "proc.is_container_liveness_probe",
        "process belongs to a liveness probe (newest: never set)",
        na,
    )
    .flag(FieldFlags::DEPRECATED),
    boolean(
        "proc.is_container_readiness_probe",
        "process belongs to a readiness probe (newest: never set)",
        na,
    )
    .flag(FieldFlags::DEPRECATED),
    boolean("proc.is_exe_from_memfd", "exe is a memfd", na),
    boolean(
        "proc.is_exe_lower_layer",
        "exe in overlayfs lower layer",
        na,
    ),
    boolean(
        "proc.is_exe_upper_layer",
        "exe in overlayfs upper layer",
        na,
    ),
    boolean(
        "proc.is_exe_writable",
        "exe file writable by the spawning user",
        na,
    ),
    boolean("proc.is_pgid_leader", "pgid == pid", na),
    boolean("proc.is_sid_leader", "sid == vpid", na),
    boolean("proc.is_vpgid_leader", "vpgid == vpid", na),
    int(
        "proc.loginshellid",
        "pid of oldest ancestor whose comm ends in sh",
        na,
    ),
    text("proc.name", "comm (max 15 chars)", na),
    uint("proc.nchilds", "live non-leader threads", na),
    uint("proc.nthreads", "live threads of the process", na),
    text("proc.pcmdline", "cmdline of parent", na),
    text("proc.pexe", "argv[0] of parent", na),
    text("proc.pexepath", "executable path of parent", na),
    int("proc.pgid", "process group id on host", na),
    text("proc.pgid.exe", "exe of pgid leader", na),
    text("proc.pgid.exepath", "exepath of pgid leader", na),
    text("proc.pgid.name", "comm of pgid leader", na),
    int("proc.pid", "process id", na),
    interval("proc.pid.ts", "process start, epoch ns", na),
    uint(
        "proc.pidns_init_start_ts",
        "start of the pid namespace, epoch ns",
        na,
    ),
    text("proc.pname", "comm of parent", na),
    int("proc.ppid", "parent process id", na),
    interval("proc.ppid.duration", "same for parent", na),
    interval("proc.ppid.ts", "parent start, epoch ns", na),
    int("proc.pvpid", "parent's vpid", na),
    int("proc.sid", "session id", na),
    text("proc.sid.exe", "exe of session leader", na),
    text("proc.sid.exepath", "exepath of session leader", na),
    text("proc.sname", "comm of session leader", na),
    text("proc.stderr.name", "name of fd 2", na),
    text("proc.stderr.type", "type of fd 2", na),
    text("proc.stdin.name", "name of fd 0", na),
    text("proc.stdin.type", "type of fd 0", na),
    text("proc.stdout.name", "name of fd 1", na),
    text("proc.stdout.type", "type of fd 1", na),
    uint("proc.tty", "controlling terminal number, 0 none", na),
    uint("proc.vmrss", "resident memory KB", na),
    uint("proc.vmsize", "virtual memory KB", na),
    uint("proc.vmswap", "swapped memory KB", na),
    int("proc.vpgid", "process group id in own namespace", na),
    text("proc.vpgid.exe", "exe of vpgid leader", na),
    text("proc.vpgid.exepath", "exepath of vpgid leader", na),
    text("proc.vpgid.name", "comm of vpgid leader", na),
    int("proc.vpid", "pid in its own namespace", na),
];
