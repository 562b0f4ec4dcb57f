//! What filters say about events.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use crate::common::{START, TestEvent, event, i64b, snapshot, story, u32b};
use scap::event::bytes::BufferFormat;
use scap::event::{Event, EventNum, Params, Pid, Tid, Timestamp};
use scap::fields::{Context, Session, TimeFormat};
use scap::filter::{Definitions, Filter};
use scap::state::State;
use scap_capture_format::native::snapshot::ThreadEntry;
use scap_capture_format::schema::{Arch, EventType, types};

/// Runs a filter over events and returns the positions of those that pass, from 1 on.
pub(super) fn run(filter: &mut Filter, events: &[TestEvent]) -> Vec<usize> {
    let mut s = snapshot();
    let (init, shell, args) = (
        s.strings.intern(b"systemd"),
        s.strings.intern(b"sshd"),
        s.strings.intern(b"-la\0-n\0\x35\0--color\0/tmp\0"),
    );
    let thread = |tid, ptid, comm, args| ThreadEntry {
        tid: Tid(tid),
        pid: Pid(tid),
        ptid: Pid(ptid),
        comm,
        args,
        uid: 0,
        ..ThreadEntry::default()
    };
    let empty = s.strings.intern(b"");
    s.threads.push(thread(1, 0, init, empty));
    s.threads.push(thread(50, 1, shell, empty));
    s.threads.push(thread(60, 50, shell, args));
    let mut state = State::new();
    state.restore(&s);
    let mut session = Session::new(Some(Arch::X86_64), BufferFormat::Dots, TimeFormat::Human);
    let mut passed = Vec::new();
    for (index, e) in events.iter().enumerate() {
        let lens: Vec<u32> = e.params.iter().map(|p| p.len() as u32).collect();
        let bytes = e.params.concat();
        let event = Event {
            num: EventNum(index as u64 + 1),
            ts: Timestamp(START + e.at),
            tid: Tid(e.tid),
            pid: Pid(e.pid),
            cpu: 1,
            ty: e.ty,
            latency: e.latency,
            flags: e.flags,
            params: Params::new(&lens, &bytes).unwrap(),
        };
        state.apply(&event);
        if session.first_time == 0 {
            session.first_time = event.ts.0;
        }
        let view = state.view(&event);
        let cx = Context {
            event: &event,
            view: &view,
            session: &session,
        };
        if filter.matches(&cx) {
            passed.push(index + 1);
        }
    }
    passed
}

const NONE: [usize; 0] = [];

/// What passes of the usual story: openat, read of 101, close, failed open, setuid, close of a stranger,
/// ftruncate, failed stat, chdir, read in flight.
fn passes(text: &str) -> Vec<usize> {
    match Filter::parse(text) {
        Ok(mut filter) => run(&mut filter, &story()),
        Err(error) => panic!("{text}: {error} {:?}", error.span),
    }
}

/// Whether an event passes: one with a connection, or one of a process with ancestors if the filter
/// starts with its type.
pub(super) fn holds(text: &str) -> bool {
    let mut filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => panic!("{text}: {error} {:?}", error.span),
    };
    let read = [&i64b(5)[..], b"Hello\0World", &i64b(5), &u32b(64)];
    let events = [
        event(0, 100, types::SYSCALL_READ_X, &read),
        event(1000, 60, types::SYSCALL_GETUID_X, &[&u32b(0)]),
    ];
    let which = if text.starts_with("evt.type = getuid") {
        2
    } else {
        1
    };
    run(&mut filter, &events).contains(&which)
}

fn all(texts: &[&str]) {
    for text in texts {
        assert!(holds(text), "does not hold: {text}");
    }
}

fn none(texts: &[&str]) {
    for text in texts {
        assert!(!holds(text), "holds: {text}");
    }
}

#[test]
fn event_types() {
    assert_eq!(passes("evt.type = close"), [3, 6]);
    assert_eq!(passes("evt.type = open"), [4]);
    assert_eq!(passes("evt.type in (open, openat)"), [1, 4]);
    assert_eq!(
        passes("evt.type != close and evt.type != read"),
        [1, 4, 5, 7, 8, 9]
    );
    // A call without a type of its own, by its name.
    assert_eq!(passes("evt.type = ftruncate"), [7]);
    assert_eq!(passes("syscall.type = ftruncate"), [7]);
    assert_eq!(passes("evt.type = truncate"), NONE);
    assert_eq!(passes("evt.type contains trunc"), [7]);
    assert_eq!(passes("evt.type glob '*o*e*'"), [1, 3, 4, 6]);
    assert_eq!(passes("evt.type regex 'open(at)?'"), [1, 4]);
    assert_eq!(passes("evt.type = anyof (open, stat)"), [4, 8]);
    assert_eq!(passes("not evt.type exists"), NONE);
    assert_eq!(passes("evt.type in ()"), NONE);
    assert_eq!(passes("evt.type startswith val(evt.type)").len(), 10);
}

#[test]
fn directions() {
    let events = [
        event(0, 100, types::SYSCALL_CLOSE_E, &[&i64b(3)]),
        event(1, 100, types::SYSCALL_CLOSE_X, &[&i64b(0), &i64b(3)]),
        event(2, 100, EventType(60_000), &[]),
    ];
    let passes = |text: &str| run(&mut Filter::parse(text).unwrap(), &events);
    assert_eq!(passes("evt.dir = >"), [1, 3]);
    assert_eq!(passes("evt.dir=<"), [2]);
    assert_eq!(passes("evt.dir != <"), [1, 3]);
    assert_eq!(passes("evt.dir in (<, >)"), [1, 2, 3]);
    assert_eq!(passes("evt.type = close"), [1, 2]);
    assert_eq!(passes("evt.type != close"), [3]);
    assert_eq!(passes("evt.type = event-type-60000"), [3]);
}

#[test]
fn absent_values_fail_every_check() {
    for text in [
        "fs.path.target = x or fs.path.target != x or fs.path.target exists",
        "fs.path.target != allof (x, y)",
        "len(fs.path.target) >= 0",
        "proc.name = val(fs.path.target) or proc.name != val(fs.path.target)",
        "fs.path.target = val(proc.name) or fs.path.target != val(proc.name)",
        "concat(proc.name, fs.path.target) exists",
        "fd.cport != 1 or fd.cip != ::1",
    ] {
        assert_eq!(
            passes(&format!("evt.type != read and ({text})")),
            NONE,
            "{text}"
        );
    }
    assert_eq!(passes("not fs.path.target != x").len(), 10);
}

#[test]
fn numbers() {
    assert_eq!(passes("evt.num = 3"), [3]);
    assert_eq!(passes("evt.num < 3"), [1, 2]);
    assert_eq!(passes("evt.num <= 0x3 and evt.num > 1"), [2, 3]);
    assert_eq!(
        passes("evt.num in (1, 3, 5, 7, 9, 11, 13, 15, 17, 19)"),
        [1, 3, 5, 7, 9]
    );
    assert_eq!(passes("evt.num != 1 and evt.num < 4"), [2, 3]);
    assert_eq!(passes("thread.tid = 101"), [2]);
    assert_eq!(passes("evt.num < 6 and thread.tid != val(proc.pid)"), [2]);
    assert_eq!(passes("evt.rawres < 0"), [4, 6, 8]);
    assert_eq!(passes("evt.rawres = -2"), [4]);
    assert_eq!(passes("evt.latency > 400ns and evt.latency < 1us").len(), 9);
    assert_eq!(passes("evt.latency >= 500").len(), 9);
    assert_eq!(passes("evt.rawarg.fd = 3"), [1, 2, 3]);
    assert_eq!(passes("evt.rawarg.fd in (3, 7)"), [1, 2, 3, 6]);
    assert_eq!(passes("evt.rawarg.name contains notes"), [1]);
    assert_eq!(passes("evt.rawarg.uid = 1000"), [5]);
}

#[test]
fn truth_values() {
    assert_eq!(passes("evt.failed = true"), [4, 6, 8]);
    assert_eq!(
        passes("evt.num < 10 and evt.failed != true and evt.failed in (true, false)"),
        [1, 2, 3, 5, 7, 9]
    );
}

#[test]
fn texts() {
    all(&[
        "proc.name = bash",
        "proc.name == 'bash'",
        "proc.name != sh and proc.name = bash",
        "proc.name in (a, bash)",
        "proc.name in (a, b, c, d, e, f, g, h, i, bash)",
        "proc.name intersects (a, bash)",
        "proc.name contains as",
        "proc.name icontains AS",
        "proc.name icontains ''",
        "proc.name startswith ba",
        "proc.name startswith ''",
        "proc.name endswith sh",
        "proc.name glob 'b*h'",
        "proc.name iglob 'B?[A-Z]h'",
        "proc.name regex 'ba(s|z)h'",
        "proc.name < c and proc.name > b",
        "proc.name >= bash and proc.name <= bash",
        "proc.name exists",
        "proc.cwd pmatch (/var, /home)",
        "proc.cwd pmatch (/home/al*)",
        "proc.cwd pmatch (/)",
        "proc.name = oneof (bash, sh)",
        "proc.name startswith anyof (x, ba)",
        "proc.name contains allof (a, s)",
        "proc.name != allof (a, b) and evt.type = read",
        "proc.name contains oneof (a, x)",
    ]);
    none(&[
        "proc.name = ba",
        "proc.name = Bash",
        "proc.name in ()",
        "proc.name contains AS",
        "proc.name regex as",
        "proc.name glob 'b*s'",
        "proc.cwd pmatch (/hom, /home/alicea)",
        "proc.cwd pmatch ()",
        "proc.name contains oneof (a, s)",
        "proc.name = oneof ()",
        "proc.name = allof ()",
        "proc.name = anyof ()",
        "proc.name startswith allof (ba, x)",
    ]);
}

#[test]
fn buffers() {
    all(&[
        "evt.buffer contains World",
        "evt.buffer = \"Hello\\x57\" or evt.buffer startswith Hello",
        "evt.buffer endswith World",
        "evt.buffer bcontains 6f00576f",
        "evt.buffer bstartswith 48656C",
        "evt.buffer bstartswith ''",
        "len(evt.buffer) = 11",
    ]);
    none(&[
        "evt.buffer = Hello",
        "evt.buffer contains world",
        "evt.buffer bcontains 00ff",
        "b64(evt.buffer) exists",
    ]);
}

#[test]
fn addresses_and_ports() {
    all(&[
        "fd.cip = 10.0.0.5",
        "fd.sip in (8.8.8.8, ::1)",
        "fd.sip != 10.0.0.5",
        "fd.ip = 8.8.8.8",
        "fd.ip = 10.0.0.5",
        "fd.ip in (1.1.1.1, 10.0.0.5)",
        "fd.ip != 1.1.1.1",
        "fd.ip exists",
        "fd.sip != ::1",
        "fd.net = 8.0.0.0/8",
        "fd.net in (1.0.0.0/8, 8.0.0.0/8)",
        "fd.net != 1.0.0.0/8",
        "fd.snet in (8.8.8.0/24)",
        "fd.cnet = 10.0.0.0/8",
        "fd.port = 53",
        "fd.port = 40000",
        "fd.port in (1, domain)",
        "fd.port != 22",
        "fd.port < 100",
        "fd.port > 30000",
        "fd.proto = domain",
        "fd.sport = domain",
        "fd.sport < 1024",
        "fd.port = oneof (53, 22)",
        "fd.ip != allof (1.1.1.1, 2.2.2.2)",
        "fd.sip != val(fd.cip)",
    ]);
    none(&[
        "fd.cip = 8.8.8.8",
        "fd.sip = ::1",
        "fd.ip != 8.8.8.8",
        "fd.ip != 10.0.0.5",
        "fd.ip = 1.1.1.1",
        "fd.ip in ()",
        "fd.net != 8.0.0.0/8",
        "fd.port != 53",
        "fd.port > 50000",
        "fd.sport = ssh",
        "fd.ip != allof (1.1.1.1, 8.8.8.8)",
    ]);
}

#[test]
fn lists() {
    let five = |text: &str| holds(&format!("evt.type = read and ({text})"));
    // A terminal and a connection.
    assert!(five("fd.types in (ipv4, file, unknown, char)") || five("fd.types exists"));
    assert!(five("fd.types intersects (ipv4, event)"));
    assert!(!five("fd.types intersects (event)"));
    assert!(
        !five("fd.types in (ipv4)"),
        "every type has to be in the list"
    );
    assert!(!five("fd.types in ()"));
    assert!(five("len(fd.types) = 2"));
    assert!(five("toupper(fd.types) intersects (IPV4)"));
    assert!(five("join(',', fd.types) contains ','"));
}

#[test]
fn transformers() {
    all(&[
        "toupper(proc.name) = BASH",
        "tolower(toupper(proc.name)) = bash",
        "len(proc.name) = 4",
        "len(toupper(proc.name)) in (4)",
        "basename(proc.cwd) = '' or basename(proc.cwd) = alice",
        "concat(proc.name, \":\", proc.name) = bash:bash",
        "join(\"-\", (proc.name, \"x\", 7)) = bash-x-7",
        "proc.name = tolower(proc.name)",
        "proc.name != toupper(proc.name)",
        "toupper(proc.name) glob 'B*'",
        "proc.name = val(proc.name)",
        "proc.cwd contains val(user.name)",
        "proc.name startswith val(proc.name)",
        "proc.name glob val(proc.name)",
        "proc.name in val(proc.name)",
        "b64(concat(\"YmFz\", \"aA==\")) = bash",
    ]);
    none(&[
        "b64(concat(proc.name, \"!\")) exists",
        "proc.name = toupper(proc.name)",
        "len(proc.name) > 4",
    ]);
}

#[test]
fn options() {
    let two = |text: &str| holds(&format!("evt.type = getuid and ({text})"));
    assert!(two("proc.args = '-la -n 5 --color /tmp'"));
    assert!(two("getopt(proc.args, \"lan:\") intersects (l)"));
    assert!(two("getopt(proc.args, \"lan:\") in (l, a, n, 5)"));
    assert!(two("getopt(proc.args, \"lan:\")[n] = 5"));
    assert!(two("getopt(proc.args, \"lan:\")[l] = l"));
    assert!(!two("getopt(proc.args, \"lan:\")[x] exists"));
    assert!(two("getopt(proc.args, \"l\")[?] = '?'"));
    assert!(two(
        "getopt((\"-x\", \"-y1\", \"--\", \"-z\"), \"xy:z\") in (x, y, 1)"
    ));
    assert!(two("getopt((\"-y\"), \"y:\")[y] = ''"));
    assert!(two("len(getopt((\"-ab\", \"c\", \"-d\"), \"abd\")) = 2"));
}

#[test]
fn times() {
    // The first event is at 22:13:20.000001 UTC.
    assert_eq!(passes("evt.rawtime = 1700000000000001000"), [1]);
    assert_eq!(passes("evt.rawtime <= 1700000000000002000"), [1, 2]);
    assert_eq!(passes("evt.rawtime < 2023-11-14T22:13:20.000003Z"), [1, 2]);
    assert_eq!(passes("evt.time > 2023-11-14T22:13:20.000008Z"), [9, 10]);
    assert_eq!(passes("evt.time = 2023-11-14T23:13:20.000002+01:00"), [2]);
    assert_eq!(
        passes("evt.time != \"2023-11-14 22:13:20.000002Z\"").len(),
        9
    );
    assert_eq!(passes("evt.time.iso8601 = 22:13:20.000002"), [2]);
    assert_eq!(
        passes("evt.time.iso8601 >= \"2023-11-14 22:13:20.000009\""),
        [9, 10]
    );
    assert_eq!(passes("evt.time.s = 2023-11-14T22:13:20Z").len(), 10);
    assert_eq!(passes("evt.time.s > 2023-11-14T22:13:20Z"), NONE);
    assert_eq!(passes("evt.datetime < 2023-11-14T22:13:20.000002Z"), [1]);
    assert_eq!(
        passes("evt.time = anyof (2023-11-14T22:13:20.000002Z, 2023-11-14T22:13:20.000004Z, x)"),
        [2, 4]
    );
    assert_eq!(
        passes("evt.time != allof (2023-11-14T22:13:20.000002Z, x)").len(),
        9
    );
    assert_eq!(
        passes("evt.time contains .0000"),
        (1..=10).collect::<Vec<_>>()
    );
    assert_eq!(passes("evt.time = nonsense"), NONE);
    assert_eq!(passes("evt.rawtime.s = 1700000000").len(), 10);
    assert_eq!(passes("evt.rawtime.s = 2023-11-14T22:13:20Z").len(), 10);
    assert_eq!(passes("evt.reltime < 2us"), [1, 2]);
    assert_eq!(passes("evt.around[1700000000000000000] = 0"), NONE);
    assert_eq!(passes("evt.around[1700000000000000000] = 1").len(), 10);
    // Whatever the local zone is, the text of its time of day is understood.
    let local = chrono::DateTime::from_timestamp(1_700_000_000, 2000)
        .unwrap()
        .with_timezone(&chrono::Local);
    let day = local.format("%H:%M:%S%.9f").to_string();
    assert_eq!(passes(&format!("evt.time = {day}")), [2]);
    assert_eq!(passes(&format!("evt.rawtime > {day}")).len(), 8);
    let date = local.format("%Y-%m-%d %H:%M:%S%.9f").to_string();
    assert_eq!(passes(&format!("evt.datetime = \"{date}\"")), [2]);
    assert_eq!(
        passes(&format!("evt.time = \"{date} {}\"", local.format("%z"))),
        [2]
    );
}

#[test]
fn logic() {
    assert_eq!(passes("evt.num = 1 or evt.num = 2 and evt.num = 3"), [1]);
    assert_eq!(passes("not evt.num = 1 and evt.num < 3"), [2]);
    assert_eq!(passes("not (evt.num = 1 or evt.num > 2)"), [2]);
    assert_eq!(passes("not not evt.num = 1"), [1]);
}

#[test]
fn macros() {
    let mut definitions = Definitions::new();
    definitions
        .add_macro("early", "evt.num = 1 or evt.num = 2")
        .unwrap();
    definitions.add_list("two_three", ["2", "3"].map(str::to_owned));
    let mut filter =
        Filter::with_definitions("early and evt.num in (two_three)", &definitions).unwrap();
    assert_eq!(run(&mut filter, &story()), [2]);
    let mut copy = filter.clone();
    let from_thread = std::thread::spawn(move || run(&mut copy, &story()))
        .join()
        .unwrap();
    assert_eq!(from_thread, [2]);
}

#[test]
fn deep_filters_are_evaluated() {
    let text =
        "not (evt.num = 3 or evt.num = 1 and not (".repeat(50) + "evt.num = 2" + &"))".repeat(50);
    assert_eq!(
        Filter::parse(&text)
            .map(|mut f| run(&mut f, &story()))
            .unwrap(),
        [2, 4, 5, 6, 7, 8, 9, 10]
    );
}

#[test]
fn what_is_not_utf8_matches_too() {
    // The name of the failed open has a byte that is none.
    assert_eq!(passes("evt.rawarg.name regex '/tmp/.*evil(.|\\n)*'"), [4]);
    assert_eq!(passes("evt.rawarg.name endswith \"\\xff\""), [4]);
    assert_eq!(passes("evt.rawarg.name glob \"*evil*\\xff\""), [4]);
}
