//! strace beside scap on the same processes: per thread the same calls with the same results,
//! arguments and data.
//!
//! strace runs twice for each load, once with raw argument registers and once with decoded
//! strings. Compared are: the sequence of calls of each thread, every result, every integer
//! argument that the event has under the name in [`INTEGERS`] (all six of a generic one), and the
//! strings and data in [`STRINGS`], up to the snaplen. Not compared: calls that never return
//! (exit, exit_group: scap has procexit for them), a new task's own return from clone (strace does
//! not show it), flags that the schema renumbers, and structures (their content is checked in
//! `known.rs`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use scap_capture_format::schema::{errno, types};

use super::{
    capture::{Event, read},
    cases::IA32,
    tools::{Bench, bench, need},
};

/// Integer parameters: event, and its parameters with the argument that each is.
const INTEGERS: &[(&str, &[(&str, usize)])] = &[
    ("read", &[("fd", 0), ("size", 2)]),
    ("write", &[("fd", 0), ("size", 2)]),
    ("pread64", &[("fd", 0), ("size", 2), ("pos", 3)]),
    ("pwrite64", &[("fd", 0), ("size", 2), ("pos", 3)]),
    ("openat", &[("dirfd", 0)]),
    ("close", &[("fd", 0)]),
    ("lseek", &[("fd", 0), ("offset", 1), ("whence", 2)]),
    ("fstat", &[("fd", 0)]),
    ("newfstatat", &[("dirfd", 0), ("flags", 3)]),
    ("access", &[("mode", 1)]),
    ("getdents64", &[("fd", 0), ("count", 2)]),
    ("getsockname", &[("fd", 0)]),
    ("ioctl", &[("fd", 0), ("request", 1), ("argument", 2)]),
    ("fcntl", &[("fd", 0), ("arg", 2)]),
    ("dup", &[("oldfd", 0)]),
    ("dup2", &[("oldfd", 0), ("newfd", 1)]),
    (
        "mmap",
        &[("addr", 0), ("length", 1), ("fd", 4), ("offset", 5)],
    ),
    ("mprotect", &[("addr", 0), ("length", 1), ("prot", 2)]),
    ("munmap", &[("addr", 0), ("length", 1)]),
    ("brk", &[("addr", 0)]),
    (
        "futex",
        &[("addr", 0), ("op", 1), ("timeout", 3), ("val3", 5)],
    ),
    ("poll", &[("timeout", 2)]),
    ("socket", &[("domain", 0), ("type", 1), ("proto", 2)]),
    ("bind", &[("fd", 0)]),
    ("connect", &[("fd", 0)]),
    ("listen", &[("fd", 0), ("backlog", 1)]),
    ("sendto", &[("fd", 0), ("size", 2)]),
    ("recvfrom", &[("fd", 0), ("size", 2)]),
    ("kill", &[("pid", 0), ("sig", 1)]),
    ("setpgid", &[("pid", 0), ("pgid", 1)]),
    ("prlimit64", &[("pid", 0), ("resource", 1)]),
    ("unlinkat", &[("dirfd", 0), ("flags", 2)]),
    ("fchmodat", &[("dirfd", 0), ("mode", 2)]),
    ("chmod", &[("mode", 1)]),
    ("fchmod", &[("fd", 0), ("mode", 1)]),
    ("mkdir", &[("mode", 1)]),
];

/// Parameters that strace shows as strings, in the order in which it does.
const STRINGS: &[(&str, &[&str])] = &[
    ("read", &["data"]),
    ("write", &["data"]),
    ("pread64", &["data"]),
    ("pwrite64", &["data"]),
    ("sendto", &["data"]),
    ("recvfrom", &["data"]),
    ("openat", &["name"]),
    ("newfstatat", &["path"]),
    ("access", &["name"]),
    ("chdir", &["path"]),
    ("mkdir", &["path"]),
    ("chmod", &["filename"]),
    ("fchmodat", &["filename"]),
    ("unlink", &["path"]),
    ("unlinkat", &["name"]),
    ("rename", &["oldpath", "newpath"]),
    ("getcwd", &["path"]),
];

/// Bytes of a string that strace is told to show, and scap keeps.
const SNAPLEN: usize = 80;

/// One line of strace.
#[derive(Debug)]
struct Call {
    name: String,
    args: String,
    result: i64,
}

/// The calls of each thread that returned.
fn parse(directory: &Path) -> BTreeMap<i64, Vec<Call>> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let Some(tid) = name.strip_prefix("trace.") else {
            continue;
        };
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let calls = text.lines().filter_map(parse_line).collect();
        threads.insert(tid.parse().unwrap(), calls);
    }
    threads
}

/// `name(arguments) = result …`. Signals and exits are other lines.
fn parse_line(line: &str) -> Option<Call> {
    if ["+++", "---", "strace:"]
        .iter()
        .any(|it| line.starts_with(it))
    {
        return None;
    }
    let (name, rest) = line.split_once('(')?;
    let (args, result) = rest.rsplit_once(" = ")?;
    let mut words = result.split_ascii_whitespace();
    let first = words.next()?;
    let result = match first {
        // Interrupted, to be restarted; without a name it never returned.
        "?" => -i64::from(errno::number(words.next()?)?),
        "-1" => -i64::from(errno::number(words.next()?)?),
        hex if hex.starts_with("0x") => u64::from_str_radix(&hex[2..], 16).ok()? as i64,
        // umask prints octal, whatever it is told.
        octal if octal.len() > 1 && octal.starts_with('0') => i64::from_str_radix(octal, 8).ok()?,
        number => number.parse().ok()?,
    };
    Some(Call {
        name: name.to_owned(),
        args: args.trim_end().strip_suffix(')')?.to_owned(),
        result,
    })
}

/// The name that strace has for an event.
fn strace_name(event: &Event) -> &str {
    match event.name.as_str() {
        "pread" => "pread64",
        "pwrite" => "pwrite64",
        "prlimit" => "prlimit64",
        other => other,
    }
}

/// The events of a thread that strace also shows.
fn shown(events: &[Event], tid: i64) -> Vec<&Event> {
    let mut own: Vec<&Event> = events.iter().filter(|event| event.tid == tid).collect();
    // Only calls.
    let others = [
        types::PROCEXIT_1_E,
        types::SIGNALDELIVER_E,
        types::ASYNCEVENT_E,
    ];
    own.retain(|event| !others.contains(&event.ty));
    let clone = |event: &Event| {
        matches!(event.name.as_str(), "clone" | "clone3" | "fork" | "vfork")
            && event.result() == Some(0)
    };
    if own.first().is_some_and(|event| clone(event)) {
        own.remove(0);
    }
    own
}

/// What was compared and what differed.
#[derive(Default)]
struct Tally {
    calls: usize,
    integers: usize,
    strings: usize,
    /// By the name that strace has for the call.
    differences: Vec<(String, String)>,
}

impl Tally {
    fn differ(&mut self, tid: i64, index: usize, event: &Event, call: &Call, what: &str) {
        let result = event.result();
        let text = format!(
            "thread {tid} call {index}: {what}: scap {} = {result:?}, strace {}({}) = {}",
            event.name, call.name, call.args, call.result
        );
        self.differences.push((call.name.clone(), text));
    }

    fn integers(&mut self, tid: i64, index: usize, event: &Event, call: &Call) {
        let args: Vec<u64> = call
            .args
            .split(", ")
            .filter_map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok())
            .collect();
        let generic = [
            ("arg0", 0),
            ("arg1", 1),
            ("arg2", 2),
            ("arg3", 3),
            ("arg4", 4),
            ("arg5", 5),
        ];
        let pairs: &[(&str, usize)] = if event.ty == types::GENERIC_X {
            &generic
        } else {
            INTEGERS
                .iter()
                .find(|(name, _)| *name == call.name)
                .map_or(&[], |(_, pairs)| pairs)
        };
        for (param, arg) in pairs {
            let (Some(bytes), Some(seen)) = (event.bytes(param), args.get(*arg)) else {
                continue;
            };
            // A descriptor is a C int in the register and 64 bits in the event.
            let value = event.number(param).unwrap();
            let same = if matches!(*param, "fd" | "dirfd" | "oldfd" | "newfd" | "pid" | "pgid")
                || (*param == "timeout" && call.name == "poll")
            {
                value == i64::from(*seen as i32)
            } else {
                let mask = u64::MAX >> (64 - 8 * bytes.len());
                (value as u64) & mask == *seen & mask
            };
            self.integers += 1;
            if !same {
                self.differ(tid, index, event, call, &format!("{param}={value:#x}"));
            }
        }
    }

    fn strings(&mut self, tid: i64, index: usize, event: &Event, call: &Call) {
        let shown = quoted(&call.args);
        let mut expected: Vec<&[u8]> = Vec::new();
        if call.name == "execve" {
            // Name, argv, and as much of the environment as both keep.
            expected.extend(event.text("filename"));
            expected.extend(event.text("exe"));
            let args = event.bytes("args").unwrap_or_default();
            expected.extend(
                args.split_inclusive(|byte| *byte == 0)
                    .map(|arg| &arg[..arg.len() - 1]),
            );
        } else if let Some((_, params)) = STRINGS.iter().find(|(name, _)| *name == call.name) {
            for param in *params {
                let bytes = event.bytes(param).unwrap_or_default();
                let text = if *param == "data" {
                    bytes
                } else {
                    bytes.strip_suffix(&[0]).unwrap_or(bytes)
                };
                expected.push(text);
            }
            if shown.len() != expected.len() {
                // A NULL or an address that could not be read is not quoted.
                return;
            }
        }
        for (value, seen) in expected.iter().zip(&shown) {
            self.strings += 1;
            // Paths are shown whole, everything else up to the limit.
            let cut = seen.len() == SNAPLEN && value.starts_with(seen);
            if *value != seen.as_slice() && !cut {
                let text = String::from_utf8_lossy(value).into_owned();
                self.differ(tid, index, event, call, &format!("string {text:?}"));
            }
        }
    }
}

/// The strings of a line, written by strace as `"\x41\x42"`.
fn quoted(args: &str) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (index, part) in args.split('"').enumerate() {
        if index % 2 == 1 {
            let bytes = part.split("\\x").skip(1);
            out.push(
                bytes
                    .map(|hex| u8::from_str_radix(hex, 16).unwrap())
                    .collect(),
            );
        }
    }
    out
}

/// Records `command` under strace with these options and compares.
fn compare(bench: &Bench, label: &str, options: &[&str], command: &[&str]) -> Tally {
    let directory = bench.path(label);
    std::fs::create_dir(&directory).unwrap();
    let output = directory.join("trace");
    let capture = format!("{label}.scap");
    let mut args = vec!["--", "strace", "-ff", "-o", output.to_str().unwrap()];
    args.extend(options);
    args.extend(command);
    bench.record(&capture, &args);
    let threads = parse(&directory);
    let events = read(&bench.path(&capture)).events;
    let raw = options.contains(&"raw=all");
    let mut tally = Tally::default();
    assert!(!threads.is_empty());
    for (tid, calls) in &threads {
        let mut own = shown(&events, *tid);
        if calls.first().is_some_and(|call| call.name == "execve") {
            // What strace's own child does before it becomes the command is not shown by strace.
            let first = calls[0].result;
            let start = own
                .iter()
                .position(|event| event.name == "execve" && event.result() == Some(first));
            own.drain(..start.unwrap_or(0));
        }
        for index in 0..calls.len().max(own.len()) {
            tally.calls += 1;
            let (Some(call), Some(event)) = (calls.get(index), own.get(index)) else {
                let text = format!(
                    "thread {tid} call {index}: only one has it: scap {:?}, strace {:?}",
                    own.get(index).map(|event| (&event.name, event.result())),
                    calls.get(index)
                );
                tally.differences.push((String::new(), text));
                continue;
            };
            // What stands where the result of rt_sigreturn would be is a register of the interrupted program.
            let result = (call.name != "rt_sigreturn").then_some(call.result);
            if strace_name(event) != call.name || event.result() != result {
                tally.differ(*tid, index, event, call, "call");
                continue;
            }
            if raw {
                tally.integers(*tid, index, event, call);
            } else {
                tally.strings(*tid, index, event, call);
            }
        }
    }
    tally
}

/// Both comparisons of one load; at least 99.9 % have to agree.
fn agree(bench: &Bench, label: &str, command: &[&str]) {
    let [raw, decoded] = both(bench, label, command);
    assert!(raw.calls > 100 && raw.integers > 100 && decoded.strings > 50);
    let compared = raw.calls + raw.integers + decoded.calls + decoded.strings;
    let differing = raw.differences.len() + decoded.differences.len();
    assert!(
        differing * 1000 <= compared,
        "{differing} of {compared} differ, more than 0.1 %"
    );
}

/// Both comparisons of one load: registers, strings.
fn both(bench: &Bench, label: &str, command: &[&str]) -> [Tally; 2] {
    let raw = compare(bench, &format!("{label}-raw"), &["-e", "raw=all"], command);
    let snaplen = SNAPLEN.to_string();
    let decoded = compare(
        bench,
        &format!("{label}-text"),
        &["-xx", "-s", &snaplen, "-e", "abbrev=none"],
        command,
    );
    println!(
        "{label}: {} calls, {} integers, {} strings compared, {} differ",
        raw.calls + decoded.calls,
        raw.integers,
        decoded.strings,
        raw.differences.len() + decoded.differences.len()
    );
    for (what, tally) in [("registers", &raw), ("strings", &decoded)] {
        for (_, line) in tally.differences.iter().take(10) {
            println!("  {what}: {line}");
        }
    }
    [raw, decoded]
}

#[test]
fn a_shell_pipeline_as_strace_sees_it() {
    let (Some(bench), Some(())) = (bench(), need("strace")) else {
        return;
    };
    let script = "ls -l /etc | sort -r | head -3; for i in 1 2 3; do echo $i | sed s/1/x/; done; \
                  cat /etc/passwd > copy; wc -l < copy; cat /nonexistent; mkdir d; chmod 700 d; \
                  mv copy d/moved; rm -r d; (sleep 0.01 & wait); true";
    agree(&bench, "pipeline", &["/bin/sh", "-c", script]);
}

#[test]
fn a_client_and_a_server_as_strace_sees_them() {
    let (Some(bench), Some(())) = (bench(), need("strace")) else {
        return;
    };
    let program = bench.compile("echo.c");
    agree(&bench, "network", &[program.to_str().unwrap()]);
}

#[test]
fn a_compiler_as_strace_sees_it() {
    let (Some(bench), Some(())) = (bench(), need("strace")) else {
        return;
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/echo.c");
    agree(
        &bench,
        "compile",
        &["cc", "-O1", "-o", "echo", source.to_str().unwrap()],
    );
}

/// A program of the cases, the flags that it is compiled with, and the calls in which strace says something else, with the
/// reason.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);

/// 32-bit calls, io_uring, calls that seccomp stops, fds by message, lists of messages, arguments that change.
const CASES: &[Case] = &[
    (
        "ia32",
        IA32,
        &[
            "_llseek",
            "fcntl64",
            "getuid32",
            "lseek",
            "mmap",
            "mmap2",
            "pread64",
            "recv",
            "send",
            "setresuid32",
            "umount",
        ],
        "calls have the names of their 64-bit twins, offsets in two registers are one, signed ones are signed, and the \
         structure of the old mmap is its arguments",
    ),
    ("int80", &["-w"], &[], ""),
    ("io_uring", &["-w", "-pthread"], &[], ""),
    ("cloexec", &["-w"], &[], ""),
    ("fd_makers", &["-w"], &[], ""),
    ("flags", &["-w"], &[], ""),
    ("inputs", &["-w", "-pthread"], &[], ""),
    ("messages", &["-w"], &[], ""),
    ("received", &["-w"], &[], ""),
    (
        "seccomp",
        &["-w"],
        &["close", "dup2", "mkdir", "openat", "unlink"],
        "a call that was stopped never ran: what stands for its result is not its result",
    ),
    (
        "user_namespace",
        &["-w"],
        &["geteuid", "setfsgid", "setfsuid"],
        "ids that calls return in a user namespace are the machine's",
    ),
];

#[test]
fn the_cases_as_strace_sees_them() {
    let (Some(bench), Some(())) = (bench(), need("strace")) else {
        return;
    };
    for (name, flags, expected, why) in CASES {
        let program = bench.compile_with(&format!("cases/{name}.c"), flags);
        let tallies = both(&bench, name, &[program.to_str().unwrap()]);
        assert!(tallies[0].calls > 50 && tallies[0].integers > 50 && tallies[1].strings > 20);
        let differing = tallies.iter().flat_map(|tally| &tally.differences);
        let differing: BTreeSet<&str> = differing.map(|(call, _)| call.as_str()).collect();
        assert_eq!(
            differing,
            expected.iter().copied().collect(),
            "{name}: {why}"
        );
    }
}
