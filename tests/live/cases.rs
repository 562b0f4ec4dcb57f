//! Programs that make calls about which a recorder easily says what was not so.

use super::tools::{Bench, bench};

/// A program of `cases/` and what was recorded of it.
struct Case {
    bench: Bench,
    lines: Vec<String>,
}

impl Case {
    /// Compiles and records a program. Its lines are the process, the call and its parameters, without the
    /// loader's part.
    fn new(name: &str, flags: &[&str], args: &[&str]) -> Option<Self> {
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
const IA32: &[&str] = &[
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
