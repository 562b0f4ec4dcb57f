//! Processes and their threads.

use scap_capture_format::{
    event::{Pid, Tid, Timestamp},
    native::snapshot::{Snapshot, ThreadEntry},
};

use rustix::fs::{Statx, StatxTimestamp};

use super::{Seen, bytes, fds, hex, link, number, numbers, sharing::Owners};
use crate::{
    record::{encode::may_write, host::CgroupPaths},
    state,
};

/// Most bytes kept of arguments and of the environment, as in the probe.
const MAX_STRINGS: usize = 4096;
/// Most bytes read of a status file.
const MAX_STATUS: usize = 16 << 10;
/// Adds a process of the procfs at `proc`, with its threads and fds. A process that ends meanwhile is omitted, or
/// lacks what could no longer be read.
pub(super) fn add(snapshot: &mut Snapshot, proc: &str, pid: u32, seen: &mut Seen) {
    let tasks = format!("{proc}/{pid}/task");
    let mut tids = numbers(&tasks);
    // The main thread first, even if ids have wrapped around: others share what it has.
    tids.sort_by_key(|tid| *tid != pid);
    // A thread that has ended, such as a main thread before the others, no longer has what is read here.
    let living = tids.iter().find_map(|tid| {
        let base = format!("{tasks}/{tid}");
        let life = life(&base).filter(|life| !life.has_ended)?;
        Some((*tid, base, life))
    });
    let (living, base, was) = match living {
        Some((tid, base, life)) => (tid, base, Some(life)),
        None => (pid, format!("{tasks}/{pid}"), None),
    };
    let in_cgroups = cgroups_of(&base, &seen.cgroups);
    // The kernel shows an ended thread in the root of each v1 hierarchy, wherever it was.
    let is_alive = was.is_some() && life(&base) == was;
    let in_cgroups = if is_alive { in_cgroups } else { Vec::new() };
    let mut strings = |bytes: &[u8]| snapshot.strings.intern(bytes);
    let cmdline = strings_of(&format!("{base}/cmdline"));
    let first = cmdline
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(cmdline.len());
    let files = &mut seen.files;
    let (exe, exepath) = (format!("{base}/exe"), files.path(&format!("{base}/exe")));
    let program = files.stat(&exe);
    let common = ThreadEntry {
        exe: strings(&cmdline[..first]),
        args: strings(cmdline.get(first + 1..).unwrap_or_default()),
        env: strings(&strings_of(&format!("{base}/environ"))),
        exepath: strings(&exepath),
        cwd: strings(&directory(files.path(&format!("{base}/cwd")))),
        root: strings(&files.path(&format!("{base}/root"))),
        cgroups: strings(&in_cgroups),
        loginuid: number(&bytes(&format!("{base}/loginuid"), 16)).unwrap_or(u32::MAX),
        fdlimit: fdlimit(&bytes(&format!("{base}/limits"), MAX_STRINGS)),
        ..ThreadEntry::default()
    };
    let of_process = match was {
        Some(_) => seen.sharing.process(living, pid),
        None => Owners::own(pid),
    };
    let of_mounts = mount_ns(&base);
    // The owners of tables that are read at the end, with the procfs directories to read them from.
    let mut tables = Vec::new();
    for tid in tids {
        let task = format!("{tasks}/{tid}");
        let Some(mut thread) = thread(&task, &common) else {
            continue;
        };
        if let Some(file) = &program {
            set_program(&mut thread, file);
            thread.exe_from_memfd = exepath.starts_with(b"/memfd:");
        }
        let comm = bytes(&format!("{task}/comm"), 64);
        thread.comm = snapshot
            .strings
            .intern(comm.strip_suffix(b"\n").unwrap_or(&comm));
        let owners = match tid == pid {
            true => of_process,
            false => seen.sharing.thread(&tasks, living, of_process, tid),
        };
        let mut mount_ns = of_mounts;
        if tid != pid && owners.directories == tid {
            let files = &mut seen.files;
            let mut path = |name: &str| files.path(&format!("{task}/{name}"));
            let (cwd, root) = (directory(path("cwd")), path("root"));
            thread.cwd = snapshot.strings.intern(&cwd);
            thread.root = snapshot.strings.intern(&root);
            mount_ns = self::mount_ns(&task);
        }
        let (files, directories) = (owners.files.into(), owners.directories.into());
        state::set_sharing(&mut thread, files, directories, mount_ns);
        if owners.files == tid {
            tables.push((tid, if tid == pid { base.clone() } else { task }));
        }
        snapshot.threads.push(thread);
    }
    for (owner, base) in tables {
        let limit = match owner == pid {
            true => usize::MAX,
            false => seen.thread_fds,
        };
        let before = snapshot.fds.len();
        fds::add(snapshot, &base, owner, limit, seen);
        if owner != pid {
            seen.thread_fds = limit.saturating_sub(snapshot.fds.len() - before);
        }
    }
}

/// Reads a list of strings. The last one has its NUL, also if the program has overwritten it, unless the list was cut.
fn strings_of(path: &str) -> Vec<u8> {
    let mut list = bytes(path, MAX_STRINGS + 1);
    if list.len() > MAX_STRINGS {
        list.truncate(MAX_STRINGS);
        while list.last() == Some(&0) {
            list.pop();
        }
    } else if list.last().is_some_and(|last| *last != 0) {
        list.push(0);
    }
    list
}

/// Returns the cgroups of the process or thread at `base`: `controller=path` texts, each followed by a NUL.
pub(super) fn cgroups_of(base: &str, paths: &CgroupPaths) -> Vec<u8> {
    cgroups(&bytes(&format!("{base}/cgroup"), MAX_STRINGS), paths)
}

/// Which task has a thread's number, and whether it has ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    /// In clock ticks since the boot.
    start: u64,
    /// It is a zombie, or is about to be one.
    has_ended: bool,
}

/// Reads the life of the thread at `task`; `None` if there is none.
fn life(task: &str) -> Option<Life> {
    life_in(&bytes(&format!("{task}/stat"), MAX_STATUS))
}

/// Finds a thread's life in its `stat`.
pub(super) fn life_in(stat: &[u8]) -> Option<Life> {
    /// `PF_EXITING` of the kernel.
    const EXITING: u64 = 4;
    let field = stat_fields(stat)?;
    Some(Life {
        start: number(field(22))?,
        has_ended: matches!(field(3), b"Z" | b"X") || number::<u64>(field(9))? & EXITING != 0,
    })
}

/// Fills in the attributes of the program's file.
fn set_program(thread: &mut ThreadEntry, file: &Statx) {
    let time = |t: &StatxTimestamp| {
        let seconds = u64::try_from(t.tv_sec).unwrap_or(0);
        Timestamp(seconds.saturating_mul(1_000_000_000) + u64::from(t.tv_nsec))
    };
    thread.exe_ino = file.stx_ino;
    thread.exe_ctime = time(&file.stx_ctime);
    thread.exe_mtime = time(&file.stx_mtime);
    thread.exe_writable = may_write(
        u32::from(file.stx_mode),
        (file.stx_uid, file.stx_gid),
        (thread.uid, thread.gid),
        thread.cap_effective,
    );
}

/// A directory in the state's format: with a slash at its end.
fn directory(mut path: Vec<u8>) -> Vec<u8> {
    if !path.is_empty() && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path
}

/// Returns the inode number of a thread's mount namespace, which is in the text of the link.
fn mount_ns(base: &str) -> Option<u32> {
    let link = link(&format!("{base}/ns/mnt"));
    let text = link.strip_prefix(b"mnt:[")?.strip_suffix(b"]")?;
    number(text)
}

/// Reads `status` and `stat` of a thread.
fn thread(task: &str, common: &ThreadEntry) -> Option<ThreadEntry> {
    let mut thread = status(&bytes(&format!("{task}/status"), MAX_STATUS), common)?;
    stat(&bytes(&format!("{task}/stat"), MAX_STATUS), &mut thread);
    Some(thread)
}

/// Parses `status` of a thread; `None` if it does not say which thread it is.
pub(super) fn status(text: &[u8], common: &ThreadEntry) -> Option<ThreadEntry> {
    let mut thread = common.clone();
    let (mut seen_pid, mut seen_tid) = (false, false);
    for line in text.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (key, rest) = (&line[..colon], &line[colon + 1..]);
        let words: Vec<&[u8]> = rest
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .collect();
        let first = words.first().copied().unwrap_or_default();
        let last = words.last().copied().unwrap_or_default();
        // Real, effective, saved, file system.
        let effective = words.get(1).copied().unwrap_or_default();
        match key {
            b"Pid" => {
                thread.tid = Tid(number(first)?);
                thread.vtid = thread.tid.0;
                seen_tid = true;
            }
            b"Tgid" => {
                thread.pid = Pid(number(first)?);
                thread.vpid = thread.pid.0;
                seen_pid = true;
            }
            b"PPid" => thread.ptid = Pid(number(first)?),
            b"Uid" => thread.uid = number(effective).unwrap_or(u32::MAX),
            b"Gid" => thread.gid = number(effective).unwrap_or(u32::MAX),
            // From the outermost namespace that /proc shows to the innermost.
            b"NSpid" => thread.vtid = number(last).unwrap_or(thread.vtid),
            b"NStgid" => thread.vpid = number(last).unwrap_or(thread.vpid),
            b"NSpgid" => thread.vpgid = number(last).unwrap_or(-1),
            b"CapInh" => thread.cap_inheritable = hex(first).unwrap_or(0),
            b"CapPrm" => thread.cap_permitted = hex(first).unwrap_or(0),
            b"CapEff" => thread.cap_effective = hex(first).unwrap_or(0),
            b"VmSize" => thread.vm_size_kb = number(first).unwrap_or(0),
            b"VmRSS" => thread.vm_rss_kb = number(first).unwrap_or(0),
            b"VmSwap" => thread.vm_swap_kb = number(first).unwrap_or(0),
            _ => {}
        }
    }
    (seen_pid && seen_tid).then_some(thread)
}

/// Returns the fields of `stat` by the numbers of proc_pid_stat(5), from 3 on. The name in parentheses can contain
/// anything, so fields are found after the last parenthesis.
fn stat_fields<'a>(text: &'a [u8]) -> Option<impl Fn(usize) -> &'a [u8]> {
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let fields: Vec<&[u8]> = text[end + 1..]
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty())
        .collect();
    Some(move |nr: usize| fields.get(nr - 3).copied().unwrap_or_default())
}

/// Parses `stat`.
pub(super) fn stat(text: &[u8], thread: &mut ThreadEntry) {
    let Some(field) = stat_fields(text) else {
        return;
    };
    thread.pgid = number(field(5)).unwrap_or(-1);
    thread.sid = number(field(6)).unwrap_or(-1);
    thread.tty = number::<i32>(field(7)).unwrap_or(0).cast_unsigned();
    thread.pf_minor = number(field(10)).unwrap_or(0);
    thread.pf_major = number(field(12)).unwrap_or(0);
    let ticks: u64 = number(field(22)).unwrap_or(0);
    let hz = rustix::param::clock_ticks_per_second().max(1);
    thread.start_time = ticks.saturating_mul(1_000_000_000 / hz);
}

/// `hierarchy:controllers:path` lines as `controller=path` texts, each with its NUL.
pub(super) fn cgroups(text: &[u8], paths: &CgroupPaths) -> Vec<u8> {
    let mut out = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(3, |byte| *byte == b':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let path = paths.full(path);
        for controller in controllers.split(|byte| *byte == b',') {
            out.extend_from_slice(controller);
            out.push(b'=');
            out.extend_from_slice(&path);
            out.push(0);
        }
    }
    out
}

/// Soft limit of open files in `limits`.
pub(super) fn fdlimit(text: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(text);
    text.lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_ascii_whitespace().next())
        .map_or(-1, |soft| soft.parse().unwrap_or(-1))
}

#[cfg(test)]
mod tests {
    use scap_capture_format::native::snapshot::StringId;

    use super::*;
    use crate::record::host::Host;

    fn seen() -> Seen {
        Seen::new(&Host::new("/".as_ref()), CgroupPaths::default())
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let mut thread = ThreadEntry::default();
        let text = b"7 (a) b (c) S 1 70 71 34816 0 0 11 0 12 0 0 0 0 0 0 0 1 0 250 0";
        stat(text, &mut thread);
        assert_eq!((thread.pgid, thread.sid, thread.tty), (70, 71, 34816));
        assert_eq!((thread.pf_minor, thread.pf_major), (11, 12));
        assert_eq!(thread.start_time, 2_500_000_000);
    }

    #[test]
    fn cgroup_lines_become_pairs() {
        let text = b"3:cpu,cpuacct:/a\n0::/system.slice/x\n";
        let paths = CgroupPaths::default();
        assert_eq!(
            cgroups(text, &paths),
            b"cpu=/a\0cpuacct=/a\0=/system.slice/x\0"
        );
    }

    #[test]
    fn a_zombie_is_in_no_known_cgroup() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let task = format!("/proc/{0}/task/{0}", child.id());
        while life(&task).is_none_or(|life| !life.has_ended) {
            std::thread::yield_now();
        }
        let mut snapshot = Snapshot::default();
        add(&mut snapshot, "/proc", child.id(), &mut seen());
        add(&mut snapshot, "/proc", std::process::id(), &mut seen());
        child.wait().unwrap();
        let cgroups = |pid| {
            let thread = snapshot.threads.iter().find(|t| t.tid.0 == i64::from(pid));
            snapshot.string(thread.unwrap().cgroups)
        };
        assert_eq!(cgroups(child.id()), b"");
        assert_ne!(cgroups(std::process::id()), b"");
    }

    #[test]
    fn lists_of_strings_end_in_a_nul_unless_they_were_cut() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |contents: &[u8]| {
            std::fs::write(file.path(), contents).unwrap();
            strings_of(file.path().to_str().unwrap())
        };
        assert_eq!(read(b""), b"");
        assert_eq!(read(b"a\0b\0"), b"a\0b\0");
        // A program that has written another title over its arguments.
        assert_eq!(read(b"worker: idle"), b"worker: idle\0");
        let full = [&[b'a'; MAX_STRINGS - 1][..], b"\0"].concat();
        assert_eq!(read(&full), full);
        let cut = [&full[..], b"b\0"].concat();
        assert_eq!(read(&cut), full[..MAX_STRINGS - 1]);
        assert_eq!(read(&[b'a'; 2 * MAX_STRINGS]), [b'a'; MAX_STRINGS]);
        let empty = [&b"a\0"[..], &[0; 2 * MAX_STRINGS]].concat();
        assert_eq!(read(&empty), b"a");
    }

    #[test]
    fn the_own_process_is_in_the_snapshot() {
        let mut snapshot = Snapshot::default();
        let own = std::process::id();
        add(&mut snapshot, "/proc", own, &mut seen());
        let main = snapshot
            .threads
            .iter()
            .find(|thread| thread.tid.0 == i64::from(own));
        let main = main.expect("the main thread");
        assert_eq!(main.pid.0, i64::from(own));
        assert_ne!(main.exepath, StringId(0));
        assert!(main.start_time > 0);
        assert!(snapshot.fds.iter().any(|fd| fd.fd == 1));
    }
}
