//! Programs that make calls about which a recorder easily says what was not so.

use rustix::process::Signal;

use super::{
    recorder::Recorder,
    tools::{Bench, bench, number, scap},
};

/// A program of `cases/` and what was recorded of it.
pub(crate) struct Case {
    pub(crate) bench: Bench,
    lines: Vec<String>,
}

impl Case {
    /// Compiles and records a program. Its lines are the process, the call and its parameters, without the
    /// loader's part.
    pub(crate) fn new(name: &str, flags: &[&str], args: &[&str]) -> Option<Self> {
        let bench = bench()?;
        let program = bench.compile_with(&format!("cases/{name}.c"), flags);
        let program = program.to_str().unwrap();
        bench.record("case.scap", &[&["--", program], args].concat());
        let lines = bench.printed("case.scap", "*%proc.name %evt.type %evt.args", &[]);
        Some(Self { bench, lines })
    }

    /// Checks that the events which begin with each of the texts are these, in this order: the texts have
    /// everything up to where they end, and `*` stands for anything within one parameter.
    #[track_caller]
    fn shows(&self, expected: &[&str]) {
        let mut lines = self.lines.iter();
        for text in expected {
            assert!(
                lines.any(|line| begins(line, text)),
                "no event `{text}` (in this order) in\n{}",
                self.lines.join("\n")
            );
        }
    }

    /// Checks that no event has the text.
    #[track_caller]
    fn never(&self, text: &str) {
        for line in &self.lines {
            assert!(!line.contains(text), "`{text}` in `{line}`");
        }
    }
}

/// Whether a line begins with a text, in which `*` stands for anything within one word.
fn begins(line: &str, text: &str) -> bool {
    let mut rest = line;
    for (nth, piece) in text.split('*').enumerate() {
        let found = if nth == 0 {
            rest.starts_with(piece).then_some(0)
        } else {
            let word = rest.find(' ').unwrap_or(rest.len());
            rest.find(piece).filter(|at| *at <= word)
        };
        let Some(at) = found else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

/// How a 32-bit program is made without its C library.
pub(crate) const IA32: &[&str] = &[
    "-m32",
    "-nostdlib",
    "-static",
    "-fno-pie",
    "-no-pie",
    "-fno-stack-protector",
    "-fno-builtin",
];

#[test]
fn calls_of_a_32_bit_program_are_shown_like_those_of_others() {
    let Some(case) = Case::new("ia32", IA32, &[]) else {
        return;
    };
    case.shows(&[
        "ia32 execve res=0 exe=",
        "ia32 openat fd=3(<f>/tmp/ia32-file) dirfd=-100(AT_FDCWD) name=/tmp/ia32-file flags=16391(O_CREAT|O_RDWR|O_F_CREATED) mode=0600",
        "ia32 write res=10 data=0123456789 fd=3(<f>/tmp/ia32-file) size=10",
        "ia32 pread res=4 data=3456 fd=3(<f>/tmp/ia32-file) size=4 pos=3",
        "ia32 pread res=0 data= fd=3(<f>/tmp/ia32-file) size=4 pos=8589934595",
        "ia32 lseek res=4294967303 fd=3(<f>/tmp/ia32-file) offset=4294967303 whence=0(SEEK_SET)",
        "ia32 lseek res=8 fd=3(<f>/tmp/ia32-file) offset=8",
        "ia32 lseek res=5 fd=3(<f>/tmp/ia32-file) offset=",
        "ia32 writev res=5 data=abcde fd=3(<f>/tmp/ia32-file) size=5",
        "ia32 dup2 res=20(<f>/tmp/ia32-file) oldfd=3(<f>/tmp/ia32-file) newfd=20(<f>/tmp/ia32-file)",
        "ia32 close res=0 fd=3(<f>/tmp/ia32-file)",
        "ia32 fcntl res=0",
        "ia32 rename res=0 oldpath=/tmp/ia32-file newpath=/tmp/ia32-moved",
        "ia32 unlink res=0 path=/tmp/ia32-moved",
        "ia32 pipe res=0 fd1=3(<p>) fd2=4(<p>)",
        "ia32 write res=4 data=pipe fd=4(<p>) size=4",
        "ia32 read res=4 data=pipe fd=3(<p>) size=4",
        "ia32 socketpair res=0 fd1=*(<u>) fd2=*(<u>) source=* peer=* domain=1(AF_LOCAL|AF_UNIX) type=1 proto=0",
        "ia32 sendto res=4 data=sent fd=*(<u>) size=4",
        "ia32 recvfrom res=4 data=sent",
        "ia32 sendmsg res=5 data=abcde fd=*(<u>) size=5",
        "ia32 recvmsg res=5 size=53 data=abcde",
        "ia32 socket fd=*(<4>) domain=2(AF_INET) type=2 proto=0",
        "ia32 bind res=0 addr=127.0.0.1:4660 fd=*(<4u>127.0.0.1:4660)",
        "ia32 sendto res=8 data=datagram fd=*(<4u>*) size=8 tuple=127.0.0.1:4660->127.0.0.1:4660",
        "ia32 recvfrom res=8 data=datagram",
        "ia32 mmap res=* vm_size=* vm_rss=* vm_swap=* addr=0 length=8192 prot=3(PROT_READ|PROT_WRITE) flags=10(MAP_PRIVATE|MAP_ANONYMOUS) fd=-1",
        "ia32 mmap res=* vm_size=* vm_rss=* vm_swap=* addr=0 length=4096 prot=1(PROT_READ) flags=2(MAP_PRIVATE) fd=20(<f>/tmp/ia32-file) offset=4096",
        "ia32 nanosleep res=0 interval=1000(",
        "ia32 getrlimit res=0 cur=* max=* resource=7(RLIMIT_NOFILE)",
        "ia32 chdir res=0 path=/usr",
        "ia32 open fd=*(<d>/usr/share) name=share(/usr/share) flags=1025(O_DIRECTORY|O_RDONLY)",
        "ia32 setresuid res=0 ruid=-1(<NONE>) euid=1234",
        "ia32 getuid uid=0(root)",
        "ia32 setreuid res=0 ruid=-1(<NONE>) euid=0(root)",
        "ia32 umount2 res=-2(ENOENT) name=/tmp/no-mount flags=0",
        "ia32 execve res=-2(ENOENT) exe=inner args=first.second.",
        "true execve res=0 exe=inner args=first.second.",
    ]);
    // The names of calls select them, whichever entry they come through.
    let program = case.bench.path("ia32");
    let record = |names: &str| {
        let names = format!("{names},execve");
        let args = ["--syscall", &names, "--", program.to_str().unwrap()];
        case.bench.record("some.scap", &args);
        let of_program = ["proc.name=ia32 and not evt.type in (execve, procexit)"];
        case.bench.printed("some.scap", "%evt.type", &of_program)
    };
    assert_eq!(record("pread64"), ["pread", "pread"]);
    assert_eq!(record("recvmsg"), ["recvmsg"]);
    assert_eq!(record("mmap2"), ["mmap"]);
}

#[test]
fn calls_through_the_32_bit_entry_are_told_from_those_with_the_same_number() {
    let Some(case) = Case::new("int80", &[], &[]) else {
        return;
    };
    case.shows(&[
        "int80 open fd=3(<f>/etc/hosts) name=/etc/hosts flags=1(O_RDONLY)",
        "int80 read res=9 data=127.0.0.1 fd=3(<f>/etc/hosts) size=9",
        "int80 close res=0 fd=3(<f>/etc/hosts)",
        "int80 read res=-9(EBADF) data= fd=3 size=1",
    ]);
}

#[test]
fn a_call_that_seccomp_stops_has_no_result_and_no_effect() {
    let Some(case) = Case::new("seccomp", &[], &[]) else {
        return;
    };
    case.shows(&[
        "seccomp open fd=3(<f>/etc/hosts)",
        "seccomp openat fd=<NA> dirfd=-100(AT_FDCWD) name=/etc/shadow",
        "seccomp rt_sigreturn res=<NA>",
        "seccomp dup2 res=<NA> oldfd=3(<f>/etc/hosts) newfd=33 ",
        "seccomp read res=-9(EBADF) data= fd=257 ",
        "seccomp read res=-9(EBADF) data= fd=77 ",
        "seccomp read res=-9(EBADF) data= fd=33 ",
        "seccomp mkdir res=<NA> path=/tmp/never",
        "seccomp close res=<NA> fd=3(<f>/etc/hosts)",
        "seccomp read res=1 data=* fd=3(<f>/etc/hosts)",
        // An error is what the program gets.
        "seccomp rmdir res=-18(EXDEV) path=/tmp/never",
        "seccomp chdir res=-38(ENOSYS) path=/tmp",
        "seccomp unlink res=<NA> path=/tmp/never",
        "seccomp openat fd=<NA> dirfd=-100(AT_FDCWD) name=/etc/shadow",
        "seccomp read res=-9(EBADF) data= fd=50 ",
        "seccomp read res=1 data=* fd=60(<f>/etc/group)",
        "seccomp read res=1 data=* fd=61(<f>/etc/group)",
    ]);
    let succeeded = case.bench.printed(
        "case.scap",
        "%evt.args",
        &["evt.failed=false and (fs.path.name startswith /tmp/never or fd.name = /etc/shadow)"],
    );
    assert_eq!(succeeded, [""; 0]);
}

#[test]
fn nothing_behind_the_buffer_is_taken_for_received() {
    let Some(case) = Case::new("received", &[], &[]) else {
        return;
    };
    case.shows(&[
        "received recvfrom res=60 data=dddd tuple=",
        "received recvfrom res=60 data=dddd tuple=",
        "received recvmsg res=60 size=4 data=dddd tuple=",
        "received recvfrom res=60 data= tuple=",
    ]);
    case.never("PRIVATE-MEMORY");
}

#[test]
fn fds_that_come_by_message_ioctl_or_number_have_names() {
    let Some(case) = Case::new("fd_makers", &["-lutil", "-lrt"], &[]) else {
        return;
    };
    case.shows(&[
        "fd_makers recvmsg res=1 size=1",
        "fd_makers read res=1 data=* fd=*(<f>/etc/group) size=1",
        "fd_makers fchdir res=0 fd=*(<d>/usr)",
        "fd_makers write res=1 data=x fd=*(<4t>127.0.0.1:*->127.0.0.1:19999) size=1",
        "fd_makers recvmmsg res=1",
        "fd_makers read res=1 data=* fd=*(<f>/etc/hostname) size=1",
        "fd_makers write res=1 data=t fd=*(<f>/dev/pts/*) size=1",
        "fd_makers read res=1 data=Q fd=*(<f>/made-by-test) size=1",
        "fd_makers read res=-22(EINVAL) data= fd=*(<P>) size=1",
        "fd_makers read res=1 data=* fd=*(<f>/etc/group) size=1",
        "fd_makers open_by_handle_at fd=",
        "fd_makers read res=1 data=* fd=*(<f>/etc/shells) size=1",
        "fd_makers getsockopt res=0",
        "fd_makers read res=-22(EINVAL) data= fd=*(<P>) size=1",
    ]);
    // What the recorder found out is no event of the program.
    case.never("asyncevent");
}

#[test]
fn what_a_ring_opened_and_closed_is_not_taken_for_what_was_there_before() {
    let Some(case) = Case::new("io_uring", &["-pthread"], &[]) else {
        return;
    };
    if case.bench.summary("case.scap")["command_status"] == 3 {
        eprintln!("skipped: no io_uring here");
        return;
    }
    case.shows(&[
        "io_uring openat fd=*(<f>/etc/passwd)",
        "io_uring read res=1 data=* fd=*(<f>/etc/group) size=1",
        "io_uring read res=-9(EBADF) data= fd=4 size=1",
        "io_uring openat fd=*(<f>/etc/hosts)",
        "io_uring newfstatat res=0 dirfd=*(<f>/etc/shells)",
        "io_uring lseek res=0 fd=*(<f>/etc/shells)",
        "io_uring dup2 res=40(<f>/etc/shells) oldfd=*(<f>/etc/shells) newfd=40(<f>/etc/shells)",
        "io_uring read res=1 data=* fd=40(<f>/etc/shells) size=1",
        "io_uring close res=0 fd=*(<f>/etc/shells)",
    ]);
}

#[test]
fn close_on_exec_is_followed_however_it_is_set() {
    let Some(case) = Case::new("cloexec", &[], &[]) else {
        return;
    };
    case.shows(&[
        "exe read res=1 data=* fd=20(<f>/etc/hosts)",
        "exe read res=-9(EBADF) data= fd=21 ",
        "exe read res=-9(EBADF) data= fd=22 ",
        "exe read res=1 data=* fd=23(<f>/etc/hosts)",
        "exe read res=-9(EBADF) data= fd=24 ",
        "exe read res=1 data=* fd=25(<f>/etc/hosts)",
    ]);
}

#[test]
fn names_written_to_proc_are_followed() {
    let Some(bench) = bench() else { return };
    let script = "printf kworker/0:1 >/proc/$$/comm; read -r line </etc/hosts; \
                  printf long-long-long-name >/proc/self/comm; exec 2>/dev/null";
    bench.record("comm.scap", &["--", "/bin/sh", "-c", script]);
    let opens = ["evt.type=openat and fd.name=/etc/hosts"];
    assert_eq!(
        bench.printed("comm.scap", "%proc.name", &opens),
        ["kworker/0:1"]
    );
    let ends = ["evt.type=procexit"];
    assert_eq!(
        bench.printed("comm.scap", "%proc.name", &ends),
        ["long-long-long-"]
    );
}

#[test]
fn threads_that_share_fds_are_each_shown_with_their_own_files() {
    let Some(bench) = bench() else { return };
    let program = bench.compile("cases/shared_fds.c");
    let dir = bench.dir.path().to_str().unwrap();
    let args = ["--buffer-size", "256", "--", program.to_str().unwrap(), dir];
    bench.record("shared.scap", &args);
    // The thread's own file is the one that its openat names.
    let calls = bench.printed(
        "shared.scap",
        "*%thread.tid %evt.type %fd.name",
        &["fd.num > 2 and evt.type in (openat, write, pread, lseek, close)"],
    );
    let mut own: std::collections::HashMap<&str, &str> = std::collections::HashMap::new();
    let mut compared = 0;
    for call in &calls {
        let mut words = call.split(' ');
        let (Some(tid), Some(call_name), Some(name)) = (words.next(), words.next(), words.next())
        else {
            panic!("{call}");
        };
        if call_name == "openat" && name.contains("/file-") {
            own.insert(tid, name);
        } else if let Some(file) = own.get(tid) {
            compared += 1;
            assert_eq!(name, *file, "{call}");
        }
    }
    assert!(compared > 20_000, "{compared}");
}

#[test]
fn flags_that_the_schema_lacks_are_shown() {
    let Some(case) = Case::new("flags", &["-w"], &[]) else {
        return;
    };
    case.shows(&[
        "flags openat fd=*(<f>/etc/shadow) dirfd=-100(AT_FDCWD) name=/etc/shadow flags=16777216(O_PATH) ",
        "flags openat fd=*(<f>/etc/passwd) dirfd=-100(AT_FDCWD) name=/etc/passwd flags=33554433(O_RDONLY|O_NOATIME) ",
        "flags openat fd=*(<f>/etc/passwd) dirfd=-100(AT_FDCWD) name=/etc/passwd flags=335544322(O_WRONLY|O_NOFOLLOW|O_NOCTTY) ",
        "flags openat fd=*(<f>/etc/passwd) dirfd=-100(AT_FDCWD) name=/etc/passwd flags=134218257(O_DIRECT|O_DSYNC|O_RDONLY|O_ASYNC) ",
        "flags openat2 fd=*(<f>/etc/passwd) dirfd=-100(AT_FDCWD) name=/etc/passwd flags=83886080(O_PATH|O_NOFOLLOW) mode=0 \
         resolve=40(RESOLVE_NO_SYMLINKS|RESOLVE_CACHED) ",
        "flags mmap res=* vm_size=* vm_rss=* vm_swap=* addr=7000000000 length=4096 prot=1(PROT_READ) \
         flags=1179658(MAP_PRIVATE|MAP_ANONYMOUS|MAP_STACK|MAP_FIXED_NOREPLACE) ",
        "flags mount res=-2(ENOENT) dev=none dir=/tmp/no-such type=tmpfs flags=258(NOSUID|NOSYMFOLLOW) ",
        "flags unshare res=0 flags=1073741824(CLONE_NEWTIME) ",
        "flags fcntl res=0 fd=* cmd=137(F_ADD_SEALS) arg=8 ",
        "flags fcntl res=8 fd=* cmd=138(F_GET_SEALS) arg=0 ",
    ]);
    let show = |filter: &str| case.bench.printed("case.scap", "*%evt.args", &[filter]);
    let clones = show("evt.type=clone3");
    assert_eq!(clones.len(), 2);
    for clone in clones {
        assert!(
            clone.contains("(CLONE_PIDFD|CLONE_CLEAR_SIGHAND)"),
            "{clone}"
        );
    }
    // The bit without a name is in the number.
    let unnamed = show(
        "evt.type=openat and evt.rawarg.flags >= 67108864 and proc.name=flags and fd.name=/etc/passwd",
    );
    assert_eq!(unnamed.len(), 3, "{unnamed:#?}");
    let reads = show("evt.is_open_read=true and fd.name=/etc/shadow");
    assert_eq!(reads, [""; 0]);
}

#[test]
fn arguments_in_memory_are_what_the_kernel_was_given() {
    let Some(case) = Case::new("inputs", &["-pthread", "-w"], &[]) else {
        return;
    };
    case.shows(&[
        "inputs openat fd=*(<f>/tmp/inputs-real) dirfd=-100(AT_FDCWD) name=/tmp/inputs-real flags=1(O_RDONLY)",
        "inputs read res=0 data= fd=*(<f>/tmp/inputs-real)",
        "inputs openat fd=*(<f>/tmp/inputs-real) dirfd=-100(AT_FDCWD) name=/tmp/inputs-real flags=1(O_RDONLY)",
        "inputs read res=0 data= fd=*(<f>/tmp/inputs-real)",
        "inputs stat res=0 path=/etc/hosts",
        "inputs sendfile res=10 offset=7 ",
        "inputs openat fd=*(<f>/etc/group)",
    ]);
    case.never("<unreadable>");
    // What they were afterwards follows, apart. The result of the stat that lies over its path is no text.
    let afterwards = case
        .bench
        .printed("case.scap", "%evt.arg.data", &["evt.asynctype=argument"]);
    assert_eq!(
        &afterwards[..2],
        ["filename=/tmp/inputs-fake", "uservaddr=/tmp/inputs-fake"]
    );
    let changed = case
        .bench
        .printed("case.scap", "%evt.type", &["evt.args_changed=true"]);
    assert_eq!(changed, ["openat", "connect", "stat"]);
    let never = ["evt.type!=asyncevent and evt.args contains inputs-fake"];
    assert!(
        case.bench
            .printed("case.scap", "%evt.num", &never)
            .is_empty()
    );
    let sleeps = ["evt.type in (nanosleep, clock_nanosleep) and evt.arg.interval exists"];
    let intervals = case
        .bench
        .printed("case.scap", "*%evt.rawarg.interval", &sleeps);
    assert!(intervals.iter().all(|ns| ns == "1000000"), "{intervals:?}");
    let peers = ["evt.type=connect and evt.arg.addr contains inputs-socket"];
    assert_eq!(case.bench.printed("case.scap", "%evt.res", &peers).len(), 2);
}

#[test]
fn what_is_cut_says_so() {
    let Some(bench) = bench() else { return };
    let script =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/cases/long_args.sh");
    // A shell that executes programs by the paths that it is given.
    bench.record("args.scap", &["--", "/bin/sh", script.to_str().unwrap()]);
    let commands = bench.printed(
        "args.scap",
        "%proc.cmdline",
        &["evt.type=execve and proc.name=printf"],
    );
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert!(commands[0].ends_with("AAAA..."), "{commands:?}");
    assert_eq!(commands[1], "printf %s few");
    let failed = bench.printed(
        "args.scap",
        "%evt.args",
        &["evt.type=execve and evt.failed=true"],
    );
    assert!(
        failed.iter().any(|args| args.contains(".19... tid=")),
        "{failed:?}"
    );
}

#[test]
fn everything_that_is_cut_is_marked_and_counted() {
    let Some(bench) = bench() else { return };
    let program = bench.compile("cases/cut.c");
    let calls = "rename,symlink,mkdir,bind,poll,write,writev,sendmmsg,execve";
    let args = ["--syscall", calls, "--", program.to_str().unwrap()];
    bench.record("cut.scap", &args);
    let calls = ["not evt.type in (execve, procexit, sendmmsg, bind)"];
    let lines = bench.printed("cut.scap", "%evt.type %evt.args", &calls);
    // Where parameters end.
    for (nth, (begin, end)) in [
        ("rename res=-36", "dddd... "),
        ("symlink res=-36", "dddd... linkpath=/tmp/none/none "),
        ("mkdir res=-2(ENOENT)", "dddd mode=1C0 "),
        ("poll res=600 ", "20... timeout=0 "),
        ("poll res=512 ", "20 timeout=0 "),
        ("write res=80 ", "pppp fd=4 size=80 "),
        ("write res=81 ", "pppp... fd=4 size=81 "),
        ("writev res=80 ", "pppp fd=4 size=80 "),
        ("writev res=1000 ", "pppp... fd=4 size=<NA> "),
    ]
    .into_iter()
    .enumerate()
    {
        let line = &lines[nth];
        assert!(line.starts_with(begin) && line.ends_with(end), "{line}");
    }
    let commands = |format: &str| {
        let programs = ["evt.type=execve and evt.arg.exe=again"];
        bench.printed("cut.scap", format, &programs)
    };
    let lines = commands("*%evt.arg.args");
    assert_eq!(lines[0], "few.");
    assert_eq!(lines.len(), 7);
    // Also a list whose last strings are empty.
    let lines = commands("*%proc.args");
    for (nth, end) in ["few", "pppp...", "arg...", "pppp...", "few"]
        .iter()
        .enumerate()
    {
        let line = lines[nth].replace("argument", "arg");
        assert!(
            line.ends_with(end) || nth == 2 && line.ends_with("..."),
            "{nth} {line}"
        );
    }
    assert!(commands("*%proc.env")[4].ends_with("pppp..."));
    // A string of a failed call is marked where it was cut.
    let capture = bench.path("cut.scap");
    let failed = ["-A", "evt.type=execve and evt.failed=true"];
    let failed = bench.printed("cut.scap", "%evt.args", &failed);
    assert!(failed[0].contains("pppp...after tid="), "{failed:?}");
    let info = scap()
        .args(["info", "--json"])
        .arg(&capture)
        .output()
        .unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    let cut = &info["events"]["cut"];
    let counts = [
        "data",
        "paths",
        "lists",
        "command_lines",
        "environments",
        "others",
    ];
    let counts = counts.map(|kind| number(cut, kind));
    assert_eq!(counts, [2, 2, 3, 5, 2, 0], "{cut}");
    assert_eq!(number(&bench.summary("cut.scap"), "cut"), 11);
    let text = scap().arg("info").arg(&capture).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("paths of 2 events"), "{text}");
}

#[test]
fn all_messages_of_one_call_are_kept_whatever_the_snaplen() {
    let Some(bench) = bench() else { return };
    let program = bench.compile("cases/messages.c");
    for (count, snaplen) in [("3", "80"), ("64", "80"), ("64", "65000"), ("128", "4096")] {
        let args = ["-s", snaplen, "--", program.to_str().unwrap(), count];
        bench.record("messages.scap", &args);
        let data = |call: &str| {
            let filter = format!("evt.type={call}");
            bench.printed("messages.scap", "%evt.arg.data", &[&filter])
        };
        let expected: Vec<_> = (0..count.parse().unwrap())
            .map(|nth: u32| format!("message {nth:03}"))
            .collect();
        assert_eq!(data("sendmmsg"), expected, "{count} with {snaplen}");
        assert_eq!(data("recvmmsg"), expected, "{count} with {snaplen}");
        // Vectors longer than before, gathered from one byte each.
        assert_eq!(data("writev"), ["abcdefghijklmnopqrstuvwxyz".repeat(3)]);
    }
}

#[test]
fn abstract_unix_names_are_told_from_paths() {
    use std::os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    };
    let Some(bench) = bench() else { return };
    let own = std::process::id().to_string();
    let label = format!("scap-{own}");
    let names = [label.clone(), format!("{label}\0b"), format!("{label} 01")];
    let shown = names
        .each_ref()
        .map(|name| format!("@{}", name.replace('\0', "@")));
    let address = |name: &String| SocketAddr::from_abstract_name(name).unwrap();
    let path = bench.path(&label);
    // Before the recording, and within.
    let before = names
        .each_ref()
        .map(|name| UnixDatagram::bind_addr(&address(name)).unwrap());
    let at_path = UnixDatagram::bind(&path).unwrap();
    let recorder = Recorder::start(&bench, "names.scap", &["--pid", &own]);
    for socket in before.iter().chain([&at_path]) {
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv(&mut [0]).is_err());
    }
    drop((before, at_path));
    for name in &names {
        let socket = UnixDatagram::bind_addr(&address(name)).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.connect_addr(&address(name)).unwrap();
        client.send(b"x").unwrap();
        socket.recv(&mut [0]).unwrap();
    }
    recorder.signal(Signal::INT);
    let (code, printed) = recorder.end();
    assert_eq!(code, Some(0), "{printed}");
    let filter = format!("fd.name contains {label} or evt.arg.addr contains {label}");
    let lines = |call: &str, format: &str| {
        let filter = format!("evt.type={call} and ({filter})");
        bench.printed("names.scap", format, &[&filter])
    };
    let mut received = shown.to_vec();
    received.push(path.to_str().unwrap().to_owned());
    received.extend_from_slice(&shown);
    assert_eq!(lines("recvfrom", "%fd.name"), received);
    assert_eq!(lines("bind", "%evt.arg.addr"), shown);
    assert_eq!(lines("connect", "%evt.arg.addr"), shown);
    let connections = lines("write", "%fd.name");
    let ends = |(name, shown): (&String, &String)| name.ends_with(&format!(" {shown}"));
    assert!(connections.iter().zip(&shown).all(ends), "{connections:?}");
    assert_eq!(connections.len(), shown.len());
}

#[test]
fn what_a_call_shows_of_an_unfinished_connection_is_known() {
    let Some(case) = Case::new("connecting", &["-D_GNU_SOURCE"], &[]) else {
        return;
    };
    let marks = case.bench.printed(
        "case.scap",
        "%evt.arg.val %fd.connected",
        &["evt.type=setsockopt and evt.arg.optname contains SO_RCVLOWAT"],
    );
    // The values that the program set by what it knows.
    let expected = [["1 true"; 11].as_slice(), &["2 false"; 11]].concat();
    assert_eq!(marks, expected);
}

#[test]
fn paths_begin_where_the_kernel_begins() {
    let Some(case) = Case::new("paths", &[], &[]) else {
        return;
    };
    case.shows(&[
        "paths openat2 fd=5(<f>/tmp/paths-case/jail/file) dirfd=3(<d>/tmp/paths-case/jail) name=/file(/tmp/paths-case/jail/file) ",
        "paths openat2 fd=5(<f>/tmp/paths-case/jail/file) dirfd=3(<d>/tmp/paths-case/jail) name=../../file(/tmp/paths-case/jail/file) ",
        "paths openat2 fd=-2(ENOENT) dirfd=3(<d>/tmp/paths-case/jail) name=/nothing(/tmp/paths-case/jail/nothing) ",
        "paths fchownat res=-2(ENOENT) dirfd=4(<f>/tmp/paths-case/jail/file) pathname= ",
        "paths newfstatat res=0 dirfd=4(<f>/tmp/paths-case/jail/file) path=(/tmp/paths-case/jail/file) ",
        "paths newfstatat res=-2(ENOENT) dirfd=3(<d>/tmp/paths-case/jail) path= ",
        "paths chroot res=0 path=jail(/tmp/paths-case/jail)",
        "paths openat fd=5(<f>/tmp/paths-case/jail/file) dirfd=-100(AT_FDCWD) name=jail/file(",
        "paths openat fd=5(<f>/tmp/paths-case/jail/file) dirfd=-100(AT_FDCWD) name=file(/tmp/paths-case/jail/file) ",
    ]);
    let paths = case.bench.printed(
        "case.scap",
        "*%evt.type %fs.path.name %fs.path.source %fs.path.target",
        &["proc.name=paths and evt.failed=false and (fs.path.name startswith /tmp/paths-case/jail/ or fs.path.source exists)"],
    );
    let jail = "/tmp/paths-case/jail/";
    let expected = [
        "openat {}file <NA> <NA>",
        "openat2 {}file <NA> <NA>",
        "openat2 {}file <NA> <NA>",
        "linkat <NA> {}hard {}file",
        "linkat <NA> {}hard2 {}file",
        "symlinkat <NA> {}soft {}file",
        "renameat <NA> {}hard {}hard3",
        "fchmodat {}file <NA> <NA>",
        "fchownat {}file <NA> <NA>",
        "fchownat {}file <NA> <NA>",
        "mkdirat {}sub <NA> <NA>",
        "mknodat {}node <NA> <NA>",
        "unlinkat {}hard3 <NA> <NA>",
        "unlinkat {}hard2 <NA> <NA>",
        "unlinkat {}soft <NA> <NA>",
        "unlinkat {}node <NA> <NA>",
        "unlinkat {}sub <NA> <NA>",
        // In the root.
        "openat {}file <NA> <NA>",
        "openat {}file <NA> <NA>",
        "openat {}file <NA> <NA>",
        "chmod {}file <NA> <NA>",
        "openat {}file <NA> <NA>",
        "unlink {}file <NA> <NA>",
    ];
    assert_eq!(paths, expected.map(|line| line.replace("{}", jail)));
}
