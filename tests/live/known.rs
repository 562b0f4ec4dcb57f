//! A program that makes known calls: exactly these are in the capture, with these arguments.

use std::collections::HashMap;

use super::{
    capture::{Capture, Event, read},
    tools::{Bench, bench, number},
};
use scap_capture_format::{
    event::EventFlags,
    schema::{syscall, types},
};

/// What the program printed.
struct Facts(HashMap<String, i64>);

impl Facts {
    fn new(text: &str) -> Self {
        let pair = |line: &str| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(text.lines().filter_map(pair).collect())
    }

    fn get(&self, name: &str) -> i64 {
        *self
            .0
            .get(name)
            .unwrap_or_else(|| panic!("the program did not print {name}"))
    }
}

struct Recorded {
    _bench: Bench,
    capture: Capture,
    summary: serde_json::Value,
    facts: Facts,
    pid: i64,
}

fn recorded() -> Option<Recorded> {
    let bench = bench()?;
    let program = bench.compile("known.c");
    let output = bench.record("known.scap", &["--", program.to_str().unwrap()]);
    let facts = Facts::new(&output);
    let capture = read(&bench.path("known.scap"));
    let summary = bench.summary("known.scap");
    let pid = facts.get("pid");
    Some(Recorded {
        _bench: bench,
        capture,
        summary,
        facts,
        pid,
    })
}

impl Recorded {
    fn of<'a>(&'a self, tid: i64, name: &'a str) -> Vec<&'a Event> {
        self.capture
            .events
            .iter()
            .filter(|event| event.tid == tid && event.name == name)
            .collect()
    }

    fn main<'a>(&'a self, name: &'a str) -> Vec<&'a Event> {
        self.of(self.pid, name)
    }

    /// The only event of the main thread with this name for which `is` holds.
    fn one<'a>(&'a self, name: &'a str, is: impl Fn(&Event) -> bool) -> &'a Event {
        let found: Vec<_> = self
            .main(name)
            .into_iter()
            .filter(|event| is(event))
            .collect();
        assert_eq!(found.len(), 1, "{name}: {found:#?}");
        found[0]
    }
}

/// One recording, many checks: each recording takes a second.
#[test]
fn exactly_the_known_calls_are_recorded() {
    let Some(known) = recorded() else { return };
    accounting(&known);
    files(&known);
    memory(&known);
    sockets(&known);
    threads(&known);
    processes(&known);
    compat(&known);
}

fn accounting(known: &Recorded) {
    let summary = &known.summary;
    assert_eq!(number(summary, "lost"), 0, "{summary}");
    assert_eq!(known.capture.lost, 0);
    assert!(known.capture.complete && !known.capture.damaged);
    assert_eq!(known.capture.snapshots, 1);
    assert_eq!(summary["command_status"], 7);
    // Everything the kernel saw is an event of the file, part of one, or more than one.
    let events = known.capture.events.len() as u64;
    assert_eq!(events, number(summary, "events"));
    assert_eq!(
        number(summary, "seen_by_kernel") + number(summary, "expanded"),
        events - number(summary, "in_flight") - number(summary, "described")
            + number(summary, "joined")
            + number(summary, "lost")
            + number(summary, "surplus")
    );
    let mut before = 0;
    for event in &known.capture.events {
        assert!(event.ts >= before, "events are in order of time");
        before = event.ts;
    }
}

fn files(known: &Recorded) {
    let ppid = known.main("getppid");
    assert_eq!(ppid.len(), 1000);
    assert!(ppid.iter().all(|call| call.result() == ppid[0].result()));
    assert!(
        ppid.iter()
            .all(|call| call.latency.is_some_and(|latency| latency < 1_000_000_000))
    );

    let open = known.one("openat", |call| call.text("name") == Some(b"known-file"));
    let fd = open.result().unwrap();
    assert!(fd > 2);
    assert_eq!(open.number("dirfd"), Some(-100));
    // O_CREAT|O_EXCL|O_RDWR, and O_F_CREATED.
    assert_eq!(open.number("flags"), Some(0x4 | 0x20 | 0x3 | 0x4000));
    assert_eq!(open.number("mode"), Some(0o640));
    assert!(open.number("ino").unwrap() > 0);

    let seeks = known.main("lseek");
    assert_eq!(seeks.len(), 10);
    for (at, seek) in (0..).zip(&seeks) {
        assert_eq!((seek.number("offset"), seek.result()), (Some(at), Some(at)));
        assert_eq!(
            (seek.number("fd"), seek.number("whence")),
            (Some(fd), Some(0))
        );
    }
    let reads: Vec<_> = known
        .main("read")
        .into_iter()
        .filter(|read| read.number("size") == Some(3))
        .collect();
    assert_eq!(reads.len(), 10);
    for (at, read) in reads.iter().enumerate() {
        let expected = &b"0123456789"[at..(at + 3).min(10)];
        assert_eq!(read.bytes("data"), Some(expected));
        assert_eq!(read.result(), Some(expected.len() as i64));
    }
    let pread = known.one("pread", |call| call.number("fd") == Some(fd));
    assert_eq!(
        (pread.bytes("data"), pread.number("pos")),
        (Some(&b"2345"[..]), Some(2))
    );
    let pwrite = known.one("pwrite", |_| true);
    assert_eq!(
        (pwrite.bytes("data"), pwrite.number("pos")),
        (Some(&b"ABCD"[..]), Some(6))
    );
    let writev = known.one("writev", |_| true);
    assert_eq!(writev.bytes("data"), Some(&b"hello world"[..]));
    assert_eq!(
        (writev.number("size"), writev.result()),
        (Some(11), Some(11))
    );
    let dup = known.one("dup2", |_| true);
    assert_eq!(
        (dup.number("oldfd"), dup.number("newfd"), dup.result()),
        (Some(fd), Some(77), Some(77))
    );
    let fcntl = known.one("fcntl", |call| call.number("fd") == Some(77));
    assert_eq!(
        (fcntl.number("cmd"), fcntl.number("arg")),
        (Some(3), Some(1))
    );
    let fchmod = known.one("fchmod", |_| true);
    assert_eq!(
        (fchmod.number("fd"), fchmod.number("mode")),
        (Some(fd), Some(0o600))
    );
    // No type of its own: code, number, result and the arguments that it has.
    let truncate = known.one("ftruncate", |_| true);
    assert_eq!(
        (truncate.number("arg0"), truncate.number("arg1")),
        (Some(fd), Some(5))
    );
    assert_eq!((truncate.bytes("arg2"), truncate.result()), (None, Some(0)));

    let missing = known.one("openat", |call| {
        call.text("name") == Some(b"/nonexistent/file")
    });
    assert_eq!((missing.result(), missing.bytes("ino")), (Some(-2), None));
    let fault = known.one("openat", |call| call.result() == Some(-14));
    assert!(fault.flags.contains(EventFlags::FAULT) && fault.bytes("name").is_none());
    known.one("close", |call| {
        call.number("fd") == Some(12345) && call.result() == Some(-9)
    });

    let rename = known.one("rename", |_| true);
    assert_eq!(rename.text("oldpath"), Some(&b"known-dir"[..]));
    assert_eq!(rename.text("newpath"), Some(&b"known-dir2"[..]));
    assert_eq!(known.one("mkdir", |_| true).number("mode"), Some(0o755));
    assert_eq!(
        known.one("rmdir", |_| true).text("path"),
        Some(&b"known-dir2"[..])
    );
    let symlink = known.one("symlink", |_| true);
    assert_eq!(symlink.text("target"), Some(&b"known-file"[..]));
    assert_eq!(symlink.text("linkpath"), Some(&b"known-link"[..]));
    assert_eq!(
        known.one("link", |_| true).text("newpath"),
        Some(&b"known-hard"[..])
    );
    assert_eq!(
        known.one("unlink", |_| true).text("path"),
        Some(&b"known-link"[..])
    );
    assert_eq!(
        known.one("unlinkat", |_| true).text("name"),
        Some(&b"known-hard"[..])
    );

    let large = known.one("write", |call| call.number("size") == Some(4096));
    assert_eq!(large.bytes("data"), Some(&[b'x'; 80][..]));
    assert!(large.flags.contains(EventFlags::TRUNCATED));
    assert_eq!(large.result(), Some(4096));
}

fn memory(known: &Recorded) {
    let address = known.facts.get("mapped");
    let map = known.one("mmap", |call| call.result() == Some(address));
    assert_eq!(
        (map.number("length"), map.number("fd")),
        (Some(8192), Some(-1))
    );
    // PROT_READ|PROT_WRITE; MAP_PRIVATE|MAP_ANONYMOUS in the schema's numbers.
    assert_eq!(
        (map.number("prot"), map.number("flags")),
        (Some(3), Some(2 | 8))
    );
    let protect = known.one("mprotect", |call| call.number("addr") == Some(address));
    assert_eq!(
        (protect.number("length"), protect.number("prot")),
        (Some(4096), Some(1))
    );
    known.one("munmap", |call| call.number("addr") == Some(address));
}

/// An IPv4 tuple of the schema.
fn tuple4(source: u16, dest: u16) -> Vec<u8> {
    let mut tuple = vec![2, 127, 0, 0, 1];
    tuple.extend(source.to_le_bytes());
    tuple.extend([127, 0, 0, 1]);
    tuple.extend(dest.to_le_bytes());
    tuple
}

fn sockets(known: &Recorded) {
    let pipe = known.one("pipe2", |_| true);
    let end = pipe.number("fd1").unwrap();
    assert_eq!(pipe.number("flags"), Some(0x40));
    assert!(pipe.number("ino").unwrap() > 0);
    known.one("read", |call| {
        call.number("fd") == Some(end) && call.result() == Some(-11)
    });

    let pair = known.one("socketpair", |_| true);
    assert_ne!(pair.number("source"), pair.number("peer"));
    assert_eq!(pair.number("domain"), Some(1));
    let sent = known.one("sendto", |call| call.number("fd") == pair.number("fd1"));
    assert_eq!(sent.bytes("data"), Some(&b"over the pair"[..]));
    let received = known.one("recvfrom", |call| call.number("fd") == pair.number("fd2"));
    assert_eq!(received.bytes("data"), Some(&b"over the pair"[..]));

    let port = known.facts.get("port") as u16;
    let listen = known.one("listen", |_| true);
    let listener = listen.number("fd");
    assert_eq!(listen.number("backlog"), Some(5));
    let bind = known.one("bind", |call| call.number("fd") == listener);
    // The program left the port to the kernel.
    let [low, high] = port.to_le_bytes();
    let chosen = [2, 127, 0, 0, 1, low, high];
    assert_eq!(bind.bytes("addr"), Some(&chosen[..]));
    let connect = known.one("connect", |call| {
        call.bytes("addr").is_some_and(|addr| addr[0] == 2)
    });
    let tuple = connect.bytes("tuple").unwrap();
    let own = u16::from_le_bytes([tuple[5], tuple[6]]);
    assert_eq!(tuple, tuple4(own, port));
    let accept = known.one("accept4", |_| true);
    assert_eq!(accept.bytes("tuple"), Some(&tuple4(own, port)[..]));
    assert_eq!(
        (accept.number("flags"), accept.number("queuemax")),
        (Some(0x1000), Some(5))
    );
    let message = known.one("sendmsg", |_| true);
    assert_eq!(message.bytes("data"), Some(&b"hello world"[..]));
    assert_eq!(message.bytes("tuple"), Some(&tuple4(own, port)[..]));
    let answer = known.one("recvfrom", |call| call.number("fd") == accept.result());
    assert_eq!(answer.bytes("data"), Some(&b"hello world"[..]));
    assert_eq!(answer.bytes("tuple"), Some(&tuple4(own, port)[..]));
    let option = known.one("setsockopt", |_| true);
    // SOL_SOCKET, SO_KEEPALIVE, a u32 of 1.
    assert_eq!(
        (option.number("level"), option.number("optname")),
        (Some(1), Some(9))
    );
    assert_eq!(option.bytes("val"), Some(&[2, 1, 0, 0, 0][..]));
    assert_eq!(known.one("shutdown", |_| true).number("how"), Some(2));

    let datagram = known.one("sendto", |call| call.bytes("data") == Some(b"datagram"));
    let to = datagram.bytes("tuple").unwrap();
    assert_eq!(
        (&to[7..11], &to[11..13]),
        (&[127, 0, 0, 1][..], &port.to_le_bytes()[..])
    );
    let many = known.main("sendmmsg");
    let bodies: Vec<_> = many
        .iter()
        .map(|event| event.bytes("data").unwrap())
        .collect();
    assert_eq!(bodies, [&b"first"[..], b"second"]);
    assert!(many.iter().all(|event| event.result() == Some(2)));

    let unix = known.one("bind", |call| {
        call.bytes("addr").is_some_and(|addr| addr[0] == 1)
    });
    assert_eq!(unix.bytes("addr"), Some(&b"\x01known.sock\0"[..]));
    if let Some(result) = known.facts.0.get("six") {
        let six = known.one("connect", |call| {
            call.bytes("addr").is_some_and(|addr| addr[0] == 10)
        });
        assert_eq!(six.result(), Some(*result));
        let address = six.bytes("addr").unwrap();
        assert_eq!((address[16], &address[17..]), (1, &[1, 0][..]));
    }
}

fn threads(known: &Recorded) {
    let mut texts: HashMap<i64, Vec<String>> = HashMap::new();
    for event in &known.capture.events {
        if event.pid == known.pid && event.name == "write" {
            let data = String::from_utf8_lossy(event.bytes("data").unwrap()).into_owned();
            if data.starts_with("thread-") {
                texts.entry(event.tid).or_default().push(data);
            }
        }
    }
    assert_eq!(texts.len(), 4, "four threads wrote");
    for texts in texts.values() {
        let which = texts[0].split('-').nth(1).unwrap().to_owned();
        let expected: Vec<_> = (0..250).map(|i| format!("thread-{which}-{i}")).collect();
        assert_eq!(*texts, expected);
    }
    // Each thread's beginning is there twice: in its creator and in itself.
    for tid in texts.keys() {
        let created: Vec<_> = known
            .capture
            .events
            .iter()
            .filter(|event| event.name == "clone3" || event.name == "clone")
            .filter(|event| event.result() == Some(*tid) || event.tid == *tid)
            .collect();
        assert_eq!(created.len(), 2, "{created:?}");
        // CLONE_THREAD in the schema's numbers.
        assert!(
            created
                .iter()
                .all(|event| event.number("flags").unwrap() & 0x2000 != 0)
        );
        let exits = known.of(*tid, "procexit");
        assert_eq!(exits.len(), 1);
    }
}

fn processes(known: &Recorded) {
    for child in 0..3 {
        let pid = known.facts.get(&format!("child{child}"));
        assert_eq!(known.of(pid, "getuid").len(), 50);
        let exit = known.of(pid, "procexit");
        assert_eq!(exit.len(), 1);
        assert_eq!(
            (exit[0].number("ret"), exit[0].number("sig")),
            (Some(40 + child), Some(0))
        );
        assert_eq!(exit[0].number("status"), Some((40 + child) << 8));
    }
    let victim = known.facts.get("victim");
    let kill = known.one("kill", |_| true);
    assert_eq!(
        (kill.number("pid"), kill.number("sig")),
        (Some(victim), Some(15))
    );
    let exit = known.of(victim, "procexit");
    assert_eq!(
        (exit[0].number("sig"), exit[0].number("status")),
        (Some(15), Some(15))
    );

    let runner = known.facts.get("runner");
    let execs = known.of(runner, "execve");
    assert_eq!(execs.len(), 2);
    let failed = execs[0];
    assert_eq!(failed.result(), Some(-2));
    assert_eq!(failed.text("filename"), Some(&b"/nonexistent/program"[..]));
    for exec in &execs {
        assert_eq!(exec.text("exe"), Some(&b"known-name"[..]));
        assert_eq!(exec.bytes("args"), Some(&b"first argument\0second\0"[..]));
        assert_eq!(exec.bytes("env"), Some(&b"KNOWN=value\0OTHER=\0"[..]));
        assert_eq!(
            (exec.number("pid"), exec.number("ptid")),
            (Some(runner), Some(known.pid))
        );
        assert_eq!((exec.number("uid"), exec.number("gid")), (Some(0), Some(0)));
    }
    let ran = execs[1];
    assert_eq!(ran.result(), Some(0));
    assert_eq!(ran.text("comm"), Some(&b"true"[..]));
    assert_eq!(ran.text("filename"), Some(&b"/bin/true"[..]));
    let path = std::fs::canonicalize("/bin/true").unwrap();
    assert_eq!(
        ran.text("trusted_exepath"),
        Some(path.as_os_str().as_encoded_bytes())
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let caps = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .unwrap();
    let caps = i64::from_str_radix(caps.trim(), 16).unwrap();
    assert_eq!(ran.number("cap_effective"), Some(caps));
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata("/bin/true").unwrap();
    assert_eq!(ran.number("exe_ino"), Some(metadata.ino() as i64));
    let mtime = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
    assert_eq!(ran.number("exe_ino_mtime"), Some(mtime));

    let prctl = known.one("prctl", |call| call.number("option") == Some(15));
    assert_eq!(prctl.text("arg2_str"), Some(&b"renamed"[..]));
    // The program's own end, and its first event: nothing before its execve.
    let first = known
        .capture
        .events
        .iter()
        .find(|event| event.pid == known.pid)
        .unwrap();
    assert_eq!(
        (first.ty, first.result()),
        (types::SYSCALL_EXECVE_19_X, Some(0))
    );
    let exits = known.main("procexit");
    assert_eq!(exits.last().unwrap().number("ret"), Some(7));
}

fn compat(known: &Recorded) {
    let Some(result) = known.facts.0.get("compat") else {
        return;
    };
    if *result != known.pid {
        eprintln!("skipped: the kernel has no 32-bit calls (int 0x80 returned {result})");
        return;
    }
    let call = known.one("ia32 getpid", |_| true);
    // By number it would be writev of the 64-bit table: only the ABI tells.
    assert_eq!(
        (call.number("abi"), call.number("nativeID")),
        (Some(1), Some(20))
    );
    assert_eq!(
        (call.number("ID"), call.result()),
        (
            syscall::by_name("getpid").map(|call| i64::from(call.ppm_sc)),
            Some(known.pid)
        )
    );
}
