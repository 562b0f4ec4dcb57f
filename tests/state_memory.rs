//! What a hostile capture can make the state hold, counted by the allocator.
//!
//! One test, since the counter is for the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that panics fails, and tells numbers"
)]

#[path = "../capture-format/tests/counting/mod.rs"]
mod counting;

use scap::state::{State, limits};
use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::native::Snapshot;
use scap_capture_format::native::snapshot::{FdEntry, ThreadEntry};
use scap_capture_format::schema::{EventType, types};

const MIB: usize = 1 << 20;

/// Returns what `fill` makes of an empty state, and the most memory, in MiB, held meanwhile.
fn measure(what: &str, fill: impl FnOnce(&mut State)) -> (State, usize) {
    let (state, most) = counting::peak(|| {
        let mut state = State::new();
        fill(&mut state);
        state
    });
    let most = most / MIB;
    let threads = state.thread_count();
    println!("{what}: {most} MiB, {threads} threads");
    (state, most)
}

fn apply(state: &mut State, now: u64, tid: i64, ty: EventType, params: &[&[u8]]) {
    let lens: Vec<u32> = params.iter().map(|p| p.len() as u32).collect();
    let bytes = params.concat();
    let event = EventRef {
        num: EventNum(1),
        ts: Timestamp(now),
        tid: Tid(tid),
        pid: Pid(tid),
        cpu: 0,
        ty,
        latency: None,
        flags: EventFlags::empty(),
        params: Params::new(&lens, &bytes).unwrap(),
    };
    state.apply(&event);
}

fn open(state: &mut State, now: u64, tid: i64, fd: i64, path: &[u8]) {
    let fd = fd.to_le_bytes();
    let cwd = (-100_i64).to_le_bytes();
    let params: &[&[u8]] = &[&fd, &cwd, path, &[0; 4], &[0; 4]];
    apply(state, now, tid, types::SYSCALL_OPENAT_2_X, params);
}

/// A clone that made a process, told by itself.
fn clone(state: &mut State, now: u64, child: i64, parent: i64) {
    let (id, parent) = (child.to_le_bytes(), parent.to_le_bytes());
    let mut params: [&[u8]; 21] = [b""; 21];
    params[0] = &[0; 8];
    (params[3], params[4], params[5]) = (&id, &id, &parent);
    (params[1], params[13]) = (b"sh\0", b"sh\0");
    params[15] = &[0; 4];
    (params[18], params[19]) = (&id, &id);
    apply(state, now, child, types::SYSCALL_CLONE_20_X, &params);
}

fn fds(state: &State) -> usize {
    state.threads().map(|t| state.fd_count(t.tid)).sum()
}

/// A million descriptions of containers, of every shape that takes much for little.
fn containers() {
    let describe = |state: &mut State, text: &str| {
        let text = [text.as_bytes(), b"\0"].concat();
        apply(state, 1, -1, types::CONTAINER_JSON_2_E, &[&text]);
    };
    let container = |id: &str, more: &str| format!(r#"{{"container":{{"id":"{id}"{more}}}}}"#);
    let most_of = |what: &str, count: usize, text: &dyn Fn(usize) -> String| {
        let (state, most) = measure(what, |state| {
            for n in 0..count {
                let text = text(n);
                describe(state, &text);
                state.preload_container(text.as_bytes());
            }
        });
        assert!(most <= limits::MEMORY / MIB, "{what}: {most} MiB");
        let known = state.containers().count();
        println!("{what}: {known} containers");
        state
    };
    let id = |n: usize| format!("{n:012x}");
    // The newest are described, the first ones foreknown.
    let state = most_of("a million containers", 1_000_000, &|n| {
        container(&id(n), "")
    });
    assert!(state.container(id(999_999).as_bytes()).is_some());
    assert!(state.container(id(0).as_bytes()).is_some());
    assert_eq!(state.containers().count(), 2 * limits::CONTAINERS);
    let state = most_of("one container, a million times", 1_000_000, &|n| {
        container("same", &format!(r#","name":"{n}""#))
    });
    let info = state.container(b"same").unwrap();
    assert_eq!(info.text("name"), Some("999999"));
    assert_eq!(state.containers().count(), 1);
    let large = |item: &str| item.repeat((limits::CONTAINER_JSON - 200) / item.len());
    for (what, item) in [("long texts", "x"), ("control bytes", "\\u001b[2J")] {
        let text = large(item);
        let state = most_of(what, 400, &|n| {
            container(
                &format!("\\u0007{}", id(n)),
                &format!(r#","name":"{text}""#),
            )
        });
        let last = format!("\u{7}{}", id(399));
        assert!(state.container(last.as_bytes()).is_some());
    }
    for (what, item) in [
        ("lists of numbers", "0,"),
        ("lists of lists", "[],"),
        ("lists of objects", r#"{"":0},"#),
        ("lists of texts", r#""","#),
    ] {
        let list = large(item);
        let state = most_of(what, 50, &|n| {
            container(&id(n), &format!(r#","x":[{list}0]"#))
        });
        assert!(state.container(id(49).as_bytes()).is_some(), "{what}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{}0{}", "[".repeat(100), "]".repeat(100));
    let state = most_of("deep ones", 100, &|n| {
        container(&id(n), &format!(r#","x":{deep}"#))
    });
    assert_eq!(state.containers().count(), 0);
    let state = most_of("less deep ones", 20_000, &|n| {
        container(&id(n), &format!(r#","x":{nested}"#))
    });
    assert!(state.containers().count() > 1000);
    // Too large for any.
    let huge = "x".repeat(2 * limits::CONTAINER_JSON);
    let state = most_of("huge ones", 100, &|n| {
        container(&id(n), &format!(r#","x":"{huge}""#))
    });
    assert_eq!(state.containers().count(), 0);
}

#[test]
fn memory_is_bounded() {
    // A million threads of which only the number is known, also numbers that no kernel gives.
    let (state, most) = measure("a million threads", |state| {
        for tid in (0..1_000_000).map(|n: i64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)) {
            apply(state, 1, tid, types::SYSCALL_CHDIR_X, &[&[0; 8], b"/a\0"]);
        }
    });
    assert_eq!(state.thread_count(), limits::THREADS);
    assert!(most <= limits::MEMORY / MIB, "{most} MiB");
    drop(state);

    // A million processes, each the child of the one before.
    let (state, most) = measure("a million descendants", |state| {
        for pid in 1..1_000_000 {
            clone(state, pid as u64, pid + 1, pid);
        }
    });
    assert_eq!(state.thread_count(), limits::THREADS);
    assert!(most <= limits::MEMORY / MIB, "{most} MiB");
    drop(state);

    // Fds in one table, and text without end.
    let (state, most) = measure("fds beyond the cap", |state| {
        let name = [
            b"/".as_slice(),
            &[b'x'; limits::TEXT / limits::FDS - 2],
            b"\0",
        ]
        .concat();
        for fd in 0..limits::FDS as i64 + 100_000 {
            open(state, 1, 100, fd, &name);
        }
    });
    assert_eq!(fds(&state), limits::FDS);
    assert!(most <= limits::MEMORY / MIB, "{most} MiB");
    drop(state);
    let (state, most) = measure("long names", |state| {
        let name = |len| [b"/".as_slice(), &vec![b'x'; len], b"\0"].concat();
        let (longest, long) = (name(60_000), name(2 * limits::NAME));
        for fd in 0..100_000 {
            open(state, 1, 100, fd, if fd < 1000 { &longest } else { &long });
        }
    });
    let longest = state.fds(Tid(100)).map(|(_, f)| f.name.len()).max();
    assert_eq!(longest, Some(limits::NAME));
    assert!(most <= limits::MEMORY / MIB, "{most} MiB");
    drop(state);

    // Every child of one with many fds changes its copy of them.
    let (state, most) = measure("forks that copy", |state| {
        for fd in 0..10_000 {
            open(state, 1, 1, fd, b"/a\0");
        }
        for child in 2..500 {
            clone(state, child as u64, child, 1);
            open(state, child as u64, child, 1, b"/b\0");
        }
    });
    assert!(fds(&state) <= limits::FDS);
    assert!(most <= limits::MEMORY / MIB, "{most} MiB");
    drop(state);

    containers();

    // A snapshot of all that, which is as hostile.
    let mut snapshot = Snapshot::default();
    let name = snapshot.strings.intern(b"/of/a/snapshot");
    for tid in 0..1_000_000 {
        snapshot.threads.push(ThreadEntry {
            tid: Tid(tid),
            pid: Pid(tid),
            ptid: Pid((tid + 1) % 1_000_000),
            comm: name,
            ..ThreadEntry::default()
        });
    }
    for n in 0..3_000_000 {
        snapshot.fds.push(FdEntry {
            owner: Tid(n % 1_000_000),
            fd: n,
            kind: 16,
            name,
            ..FdEntry::default()
        });
    }
    let (mut state, most) = measure("a snapshot", |state| state.restore(&snapshot));
    assert_eq!(state.thread_count(), limits::THREADS);
    assert!(fds(&state) <= limits::FDS);
    assert!(most <= limits::MEMORY / MIB, "{most} MiB");
    // It goes as it came: all at once, and nothing is left.
    let before = counting::now();
    state.restore(&Snapshot::default());
    assert_eq!(state.thread_count(), 0);
    assert!(before - counting::now() > 50 * MIB);
}
