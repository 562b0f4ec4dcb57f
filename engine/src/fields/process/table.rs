//! The fields of the process.

use scap_capture_format::native::NameKind;
use scap_capture_format::schema::PrintFormat;

use super::{
    args, cmdlenargs, cmdline, cmdnargs, ctime_after_pidns, ctime_before_start, cwd, duration, env,
    exe, exe_ctime, exe_ino, exe_mtime, exeline, exepath, fdlimit, fdopencount, fdusage,
    is_exe_from_memfd, is_exe_lower_layer, is_exe_upper_layer, is_exe_writable, is_healthcheck,
    is_in_host_mntns, is_liveness_probe, is_pgid_leader, is_readiness_probe, is_sid_leader,
    is_vpgid_leader, loginshellid, mntns, name, nchilds, nthreads, parent_duration, parent_start,
    pcmdline, pexe, pexepath, pgid, pgid_exe, pgid_exepath, pgid_name, pid, pidns_init_start_ts,
    pname, ppid, pvpid, root, sid, sid_exe, sid_exepath, sname, start, stderr_name, stderr_type,
    stdin_name, stdin_type, stdout_name, stdout_type, tty, vmrss, vmsize, vmswap, vpgid, vpgid_exe,
    vpgid_exepath, vpgid_name, vpid,
};
use crate::fields::ancestors::{aargs, acmdline, aenv, aexe, aexepath, aname, apid};
use crate::fields::attributes::{Listing, Narrow, Needs, Role, Unit};
use crate::fields::info::{
    ArgForm, FieldFlags, FieldInfo, FieldType, boolean, double, int, interval, text, time, uint,
};
use crate::fields::lineage;

pub(in crate::fields) const FIELDS: &[FieldInfo] = &[
    text("proc.aargs", "arguments of n-th ancestor", aargs)
        .arg(ArgForm::OptIndex)
        .flag(FieldFlags::ANY)
        .of_thread(),
    text(
        "proc.acmdline",
        "cmdline of n-th ancestor; no index: any",
        acmdline,
    )
    .arg(ArgForm::OptIndex)
    .flag(ANCESTOR)
    .of_thread(),
    text(
        "proc.aenv",
        "env of ancestors; [n], [NAME] or none (any)",
        aenv,
    )
    .arg(ArgForm::OptKey)
    .flag(ANCESTOR)
    .of_thread(),
    text(
        "proc.aexe",
        "argv[0] of n-th ancestor; no index: any ancestor",
        aexe,
    )
    .arg(ArgForm::OptIndex)
    .flag(ANCESTOR)
    .of_thread(),
    text(
        "proc.aexepath",
        "executable path of n-th ancestor; no index: any",
        aexepath,
    )
    .arg(ArgForm::OptIndex)
    .flag(ANCESTOR)
    .of_thread(),
    text(
        "proc.aname",
        "comm of n-th ancestor; no index: any ancestor",
        aname,
    )
    .arg(ArgForm::OptIndex)
    .flag(ANCESTOR)
    .of_thread(),
    int("proc.apid", "pid of n-th ancestor; no index: any", apid)
        .format(PrintFormat::Id)
        .arg(ArgForm::OptIndex)
        .flag(ANCESTOR)
        .of_thread(),
    text(
        "proc.args",
        "arguments joined by blanks; [i] one argument",
        args,
    )
    .arg(ArgForm::OptIndex)
    .of_thread(),
    uint("proc.cmdlenargs", "summed length of args", cmdlenargs).of_thread(),
    text("proc.cmdline", "comm + args", cmdline).of_thread(),
    uint("proc.cmdnargs", "number of args", cmdnargs).of_thread(),
    text("proc.cwd", "working directory with trailing slash", cwd)
        .of_thread()
        .listing(Listing::First(13)),
    interval(
        "proc.duration",
        "ns since process start (absent if start unseen)",
        duration,
    )
    .of_thread(),
    text(
        "proc.env",
        "environment joined by blanks; [NAME] one value",
        env,
    )
    .arg(ArgForm::OptKey)
    .of_thread(),
    text("proc.exe", "argv[0]", exe).of_thread(),
    int("proc.exe_ino", "inode of exe", exe_ino).of_thread(),
    time("proc.exe_ino.ctime", "ctime of exe, epoch ns", exe_ctime).of_thread(),
    time(
        "proc.exe_ino.ctime_duration_pidns_start",
        "exe ctime minus pid namespace start",
        ctime_after_pidns,
    )
    .of_thread()
    .compared_as(FieldType::Interval),
    time(
        "proc.exe_ino.ctime_duration_proc_start",
        "clone time minus exe ctime",
        ctime_before_start,
    )
    .of_thread()
    .compared_as(FieldType::Interval),
    time("proc.exe_ino.mtime", "mtime of exe, epoch ns", exe_mtime).of_thread(),
    text("proc.exeline", "exe + args", exeline)
        .of_thread()
        .listing(Listing::First(11))
        .narrow(Narrow::CommandLine),
    text("proc.exepath", "full executable path", exepath)
        .of_thread()
        .role(Role::Name(NameKind::Executable))
        .listing(Listing::First(12)),
    int("proc.fdlimit", "fd limit", fdlimit).of_thread(),
    uint("proc.fdopencount", "open fds", fdopencount).of_thread(),
    double("proc.fdusage", "open fds as percent of limit", fdusage).of_thread(),
    boolean(
        "proc.is_container_healthcheck",
        "process belongs to a health check",
        is_healthcheck,
    )
    .flag(FieldFlags::DEPRECATED)
    .of_thread()
    .needs(Needs::RUNTIME),
    boolean(
        "proc.is_container_liveness_probe",
        "process belongs to a liveness probe",
        is_liveness_probe,
    )
    .flag(FieldFlags::DEPRECATED)
    .of_thread()
    .needs(Needs::RUNTIME),
    boolean(
        "proc.is_container_readiness_probe",
        "process belongs to a readiness probe",
        is_readiness_probe,
    )
    .flag(FieldFlags::DEPRECATED)
    .of_thread()
    .needs(Needs::RUNTIME),
    boolean(
        "proc.is_exe_from_memfd",
        "exe is a memfd",
        is_exe_from_memfd,
    )
    .of_thread(),
    boolean(
        "proc.is_exe_lower_layer",
        "exe in overlayfs lower layer",
        is_exe_lower_layer,
    )
    .of_thread(),
    boolean(
        "proc.is_exe_upper_layer",
        "exe in overlayfs upper layer",
        is_exe_upper_layer,
    )
    .of_thread(),
    boolean(
        "proc.is_exe_writable",
        "exe file writable by the spawning user",
        is_exe_writable,
    )
    .of_thread(),
    boolean(
        "proc.is_in_host_mntns",
        "the mount namespace is that of the machine's first process",
        is_in_host_mntns,
    )
    .flag(FieldFlags::OURS)
    .of_thread(),
    boolean("proc.is_pgid_leader", "pgid == pid", is_pgid_leader).of_thread(),
    boolean("proc.is_sid_leader", "sid == vpid", is_sid_leader).of_thread(),
    boolean("proc.is_vpgid_leader", "vpgid == vpid", is_vpgid_leader).of_thread(),
    text(
        "proc.lineage",
        "comm of the starting process, n steps back; no index: any",
        lineage::name,
    )
    .arg(ArgForm::OptIndex)
    .flag(LINEAGE)
    .of_thread(),
    text("proc.lineage.cmdline", "cmdline likewise", lineage::cmdline)
        .arg(ArgForm::OptIndex)
        .flag(LINEAGE)
        .of_thread(),
    text("proc.lineage.exe", "argv[0] likewise", lineage::exe)
        .arg(ArgForm::OptIndex)
        .flag(LINEAGE)
        .of_thread(),
    text(
        "proc.lineage.exepath",
        "executable path likewise",
        lineage::exepath,
    )
    .arg(ArgForm::OptIndex)
    .flag(LINEAGE)
    .of_thread(),
    int("proc.lineage.pid", "pid likewise", lineage::pid)
        .arg(ArgForm::OptIndex)
        .flag(LINEAGE)
        .of_thread(),
    int(
        "proc.loginshellid",
        "pid of oldest ancestor whose comm ends in sh",
        loginshellid,
    )
    .format(PrintFormat::Id)
    .of_thread(),
    uint(
        "proc.mntns",
        "inode number of the mount namespace, which paths are of",
        mntns,
    )
    .format(PrintFormat::Id)
    .flag(FieldFlags::OURS)
    .of_thread(),
    text("proc.name", "comm (max 15 chars)", name)
        .of_thread()
        .role(Role::Name(NameKind::Thread))
        .listing(Listing::First(9)),
    uint("proc.nchilds", "live non-leader threads", nchilds).of_thread(),
    uint("proc.nthreads", "live threads of the process", nthreads).of_thread(),
    text("proc.pcmdline", "cmdline of parent", pcmdline)
        .of_thread()
        .listing(Listing::First(16)),
    text("proc.pexe", "argv[0] of parent", pexe).of_thread(),
    text("proc.pexepath", "executable path of parent", pexepath).of_thread(),
    int("proc.pgid", "process group id on host", pgid)
        .format(PrintFormat::Id)
        .of_thread(),
    text("proc.pgid.exe", "exe of pgid leader", pgid_exe).of_thread(),
    text("proc.pgid.exepath", "exepath of pgid leader", pgid_exepath).of_thread(),
    text("proc.pgid.name", "comm of pgid leader", pgid_name).of_thread(),
    int("proc.pid", "process id", pid)
        .format(PrintFormat::Id)
        .of_thread()
        .role(Role::ProcessId)
        .listing(Listing::First(10)),
    interval("proc.pid.ts", "process start, epoch ns", start)
        .of_thread()
        .compared_as(FieldType::Time),
    uint(
        "proc.pidns_init_start_ts",
        "start of the pid namespace, epoch ns",
        pidns_init_start_ts,
    )
    .of_thread(),
    text("proc.pname", "comm of parent", pname)
        .of_thread()
        .listing(Listing::First(15)),
    int("proc.ppid", "parent process id", ppid)
        .format(PrintFormat::Id)
        .of_thread()
        .listing(Listing::First(14)),
    interval("proc.ppid.duration", "same for parent", parent_duration).of_thread(),
    interval("proc.ppid.ts", "parent start, epoch ns", parent_start)
        .of_thread()
        .compared_as(FieldType::Time),
    int("proc.pvpid", "parent's vpid", pvpid)
        .format(PrintFormat::Id)
        .of_thread(),
    text(
        "proc.root",
        "root directory in the mount namespace: not / after chroot",
        root,
    )
    .flag(FieldFlags::OURS)
    .of_thread(),
    int("proc.sid", "session id", sid)
        .format(PrintFormat::Id)
        .of_thread(),
    text("proc.sid.exe", "exe of session leader", sid_exe).of_thread(),
    text("proc.sid.exepath", "exepath of session leader", sid_exepath).of_thread(),
    text("proc.sname", "comm of session leader", sname).of_thread(),
    text("proc.stderr.name", "name of fd 2", stderr_name).of_thread(),
    text("proc.stderr.type", "type of fd 2", stderr_type).of_thread(),
    text("proc.stdin.name", "name of fd 0", stdin_name).of_thread(),
    text("proc.stdin.type", "type of fd 0", stdin_type).of_thread(),
    text("proc.stdout.name", "name of fd 1", stdout_name).of_thread(),
    text("proc.stdout.type", "type of fd 1", stdout_type).of_thread(),
    uint("proc.tty", "controlling terminal number, 0 none", tty)
        .format(PrintFormat::Id)
        .of_thread(),
    uint("proc.vmrss", "resident memory KB", vmrss)
        .of_thread()
        .needs(Needs::ALL_EVENTS)
        .unit(Unit::Kibibytes),
    uint("proc.vmsize", "virtual memory KB", vmsize)
        .of_thread()
        .needs(Needs::ALL_EVENTS)
        .unit(Unit::Kibibytes),
    uint("proc.vmswap", "swapped memory KB", vmswap)
        .of_thread()
        .needs(Needs::ALL_EVENTS)
        .unit(Unit::Kibibytes),
    int("proc.vpgid", "process group id in own namespace", vpgid)
        .format(PrintFormat::Id)
        .of_thread(),
    text("proc.vpgid.exe", "exe of vpgid leader", vpgid_exe).of_thread(),
    text(
        "proc.vpgid.exepath",
        "exepath of vpgid leader",
        vpgid_exepath,
    )
    .of_thread(),
    text("proc.vpgid.name", "comm of vpgid leader", vpgid_name).of_thread(),
    int("proc.vpid", "pid in its own namespace", vpid)
        .format(PrintFormat::Id)
        .of_thread(),
];

/// Flags of the fields of ancestors.
const ANCESTOR: FieldFlags = FieldFlags::ANY
    .union(FieldFlags::NO_RHS)
    .union(FieldFlags::NO_TRANSFORMER);
/// Flags of the fields of the lineage.
const LINEAGE: FieldFlags = ANCESTOR.union(FieldFlags::OURS);
