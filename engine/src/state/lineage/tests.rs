//! Lineages against sequences of events, as a recorder writes them.

use hashbrown::HashMap;
use scap_capture_format::event::Timestamp;
use scap_capture_format::native::Snapshot;
use scap_capture_format::native::snapshot::ThreadEntry;
use scap_capture_format::schema::{EventType, types};

use super::*;
use crate::event::{Event, EventFlags, EventNum, Params};

const PARENT: u32 = 0x100;
const THREAD: u32 = 0x2000 | 0x1 | 0x2 | 0x8000;

/// A machine being replayed. It begins with init (1), sshd (50) and bash (100), from /proc.
struct Machine {
    state: State,
    now: u64,
}

impl Machine {
    fn new() -> Self {
        let mut snapshot = Snapshot::default();
        for (tid, ptid, comm) in [(1, 0, "init"), (50, 1, "sshd"), (100, 50, "bash")] {
            let entry = process(&mut snapshot, tid, ptid, comm);
            snapshot.threads.push(entry);
        }
        let mut state = State::new();
        state.restore(&snapshot);
        let now = 1_700_000_000_000_000_000;
        Self { state, now }
    }

    fn event(&mut self, tid: i64, pid: i64, ty: EventType, params: &[(usize, &[u8])]) {
        self.now += 1000;
        let count = ty.info().map_or(0, |i| i.params.len());
        let mut all: Vec<&[u8]> = vec![b""; count];
        for (index, bytes) in params {
            all[*index] = bytes;
        }
        let lens: Vec<u32> = all.iter().map(|p| p.len() as u32).collect();
        let bytes = all.concat();
        self.state.apply(&Event {
            num: EventNum(1),
            ts: Timestamp(self.now),
            tid: Tid(tid),
            pid: Pid(pid),
            cpu: 0,
            ty,
            latency: None,
            flags: EventFlags::empty(),
            params: Params::new(&lens, &bytes).unwrap(),
        });
    }

    /// A clone, in the event of the creator.
    fn cloned(&mut self, maker: i64, child: i64, flags: u32) {
        let main = self.state.thread(Tid(maker)).map_or(maker, |t| t.pid.0);
        let ids = [child, maker, main].map(i64::to_le_bytes);
        let params: [(usize, &[u8]); 5] = [
            (0, &ids[0]),
            (15, &flags.to_le_bytes()),
            (18, &ids[1]),
            (19, &ids[2]),
            (4, &ids[2]),
        ];
        self.event(maker, main, types::SYSCALL_CLONE_20_X, &params);
    }

    /// A clone, in the event of the child.
    fn born(&mut self, child: i64, ptid: i64, flags: u32) {
        let [zero, tid, ptid] = [0, child, ptid].map(i64::to_le_bytes);
        let params: [(usize, &[u8]); 7] = [
            (0, &zero),
            (3, &tid),
            (4, &tid),
            (5, &ptid),
            (15, &flags.to_le_bytes()),
            (18, &tid),
            (19, &tid),
        ];
        self.event(child, child, types::SYSCALL_CLONE_20_X, &params);
    }

    fn fork(&mut self, maker: i64, child: i64) {
        self.cloned(maker, child, 0);
        self.born(child, maker, 0);
    }

    fn exec(&mut self, pid: i64, ptid: i64, comm: &str) {
        let path = format!("/bin/{comm}\0");
        let comm = format!("{comm}\0");
        let [zero, tid, ptid] = [0, pid, ptid].map(i64::to_le_bytes);
        let params: [(usize, &[u8]); 8] = [
            (0, &zero),
            (1, comm.as_bytes()),
            (2, b"-x\0y\0"),
            (3, &tid),
            (4, &tid),
            (5, &ptid),
            (13, comm.as_bytes()),
            (27, path.as_bytes()),
        ];
        self.event(pid, pid, types::SYSCALL_EXECVE_19_X, &params);
    }

    fn renamed(&mut self, tid: i64, comm: &str) {
        let comm = format!("{comm}\0");
        let params: [(usize, &[u8]); 3] = [
            (0, &0_i64.to_le_bytes()),
            (1, &15_u32.to_le_bytes()),
            (2, comm.as_bytes()),
        ];
        self.event(tid, tid, types::SYSCALL_PRCTL_X, &params);
    }

    /// A process ends, and `reaper` adopts its children.
    fn exit(&mut self, pid: i64, reaper: i64) {
        let params: [(usize, &[u8]); 1] = [(4, &reaper.to_le_bytes())];
        self.event(pid, pid, types::PROCEXIT_1_E, &params);
    }

    fn lineage(&self, pid: i64) -> String {
        lineage(&self.state, pid)
    }

    /// Returns a state restored from a snapshot of this one.
    fn restored(&mut self) -> State {
        let snapshot = self.state.snapshot();
        let mut state = State::new();
        state.restore(&snapshot);
        assert_eq!(state.snapshot(), snapshot);
        assert_eq!(state.lineage.used(), used_by(&state));
        state
    }
}

fn process(snapshot: &mut Snapshot, tid: i64, ptid: i64, comm: &str) -> ThreadEntry {
    ThreadEntry {
        tid: Tid(tid),
        pid: Pid(tid),
        ptid: Pid(ptid),
        vtid: tid,
        vpid: tid,
        start_time: 10 + tid.unsigned_abs(),
        comm: snapshot.strings.intern(comm.as_bytes()),
        ..ThreadEntry::default()
    }
}

/// Names and pids of a process and its starters.
fn lineage(state: &State, pid: i64) -> String {
    let main = state.thread(Tid(pid)).unwrap();
    let one = |a: Ancestor<'_>| {
        let comm = String::from_utf8_lossy(a.comm.unwrap_or(b"?"));
        format!("{comm}:{}", a.pid.0)
    };
    main.lineage().map(one).collect::<Vec<_>>().join(" ")
}

/// All starters that threads refer to, and the size of each in bytes.
fn starters(state: &State) -> HashMap<*const Starter, usize> {
    let firsts = |t: &Thread| {
        let Lineage { near, far } = t.lineage.clone();
        [near, far, t.portrait.clone()]
    };
    let firsts: Vec<_> = state.threads.iter().flat_map(firsts).collect();
    let all = firsts.iter().flat_map(|s| part(s.as_ref()));
    let bytes = |s: &Starter| size_of::<Starter>() + s.who.text_len();
    all.map(|s| (std::ptr::from_ref(s), bytes(s))).collect()
}

fn used_by(state: &State) -> usize {
    starters(state).values().sum()
}

#[test]
fn the_processes_of_the_first_snapshot_were_started_by_their_parents() {
    let m = Machine::new();
    assert_eq!(m.lineage(100), "bash:100 sshd:50 init:1");
    assert_eq!(m.lineage(1), "init:1");
    let bash = m.state.thread(Tid(100)).unwrap();
    let starts: Vec<u64> = bash.lineage().map(|a| a.start).collect();
    assert_eq!(starts, [110, 60, 11]);
}

#[test]
fn a_double_fork_does_not_hide_who_did_it() {
    let mut m = Machine::new();
    m.fork(100, 200);
    m.exec(200, 100, "dropper");
    m.fork(200, 201);
    m.exit(200, 1);
    m.exec(201, 1, "miner");
    assert_eq!(m.state.thread(Tid(201)).unwrap().ptid, Tid(1));
    let expected = "miner:201 dropper:200 bash:100 sshd:50 init:1";
    assert_eq!(m.lineage(201), expected);
    // All the others may end, too.
    m.exit(100, 1);
    m.exit(50, 1);
    m.fork(201, 202);
    assert_eq!(m.lineage(202), format!("miner:202 {expected}"));
    assert_eq!(lineage(&m.restored(), 201), expected);
    let miner = m.state.thread(Tid(201)).unwrap();
    let dropper = miner.lineage().nth(1).unwrap();
    assert_eq!(dropper.exepath, Some(b"/bin/dropper".as_slice()));
    assert_eq!(dropper.args, Some(b"-x\0y\0".as_slice()));
}

#[test]
fn a_parent_that_did_not_start_a_process_has_adopted_it() {
    let mut m = Machine::new();
    m.fork(100, 200);
    m.fork(200, 201);
    let adopter = |state: &State| {
        let main = state.thread(Tid(201)).unwrap();
        state.adopter(main).map(|adopter| adopter.pid.0)
    };
    // The starter is the parent, whatever program it executes now.
    m.exec(200, 100, "dropper");
    assert_eq!(adopter(&m.state), None);
    m.exit(200, 1);
    assert_eq!(adopter(&m.state), Some(1));
    assert_eq!(adopter(&m.restored()), Some(1));
    // A new process with the number of the starter is not the starter.
    m.fork(100, 200);
    assert_eq!(adopter(&m.state), Some(1));
    m.exit(201, 1);
    m.fork(1, 201);
    assert_eq!(adopter(&m.state), None);
}

#[test]
fn a_starter_is_as_it_was_when_it_forked() {
    let mut m = Machine::new();
    m.fork(100, 200);
    m.fork(100, 201);
    m.renamed(100, "work");
    m.fork(100, 202);
    m.exec(100, 50, "vim");
    m.fork(100, 203);
    assert_eq!(m.lineage(200), "bash:200 bash:100 sshd:50 init:1");
    assert_eq!(m.lineage(202), "work:202 work:100 sshd:50 init:1");
    assert_eq!(m.lineage(203), "vim:203 vim:100 sshd:50 init:1");
    let near = |tid| &m.state.thread(Tid(tid)).unwrap().lineage.near;
    let starter = |tid| near(tid).as_ref().unwrap();
    assert!(Arc::ptr_eq(starter(200), starter(201)));
    assert!(!Arc::ptr_eq(starter(200), starter(202)));
    // A process that executes a program keeps its starters.
    m.exec(200, 100, "ls");
    assert_eq!(m.lineage(200), "ls:200 bash:100 sshd:50 init:1");
}

#[test]
fn threads_start_processes_for_all_of_them() {
    let mut m = Machine::new();
    m.cloned(100, 101, THREAD);
    m.renamed(101, "pool");
    m.fork(101, 200);
    assert_eq!(m.state.thread(Tid(101)).unwrap().pid, Pid(100));
    assert_eq!(m.lineage(200), "pool:200 bash:100 sshd:50 init:1");
}

#[test]
fn whose_child_was_made_for_its_parent_made_it_all_the_same() {
    let mut m = Machine::new();
    let expected = "bash:200 bash:100 sshd:50 init:1";
    m.cloned(100, 200, PARENT);
    m.born(200, 50, PARENT);
    assert_eq!(m.state.thread(Tid(200)).unwrap().ptid, Tid(50));
    assert_eq!(m.lineage(200), expected);
    // The child's event can be the first.
    m.born(201, 50, PARENT);
    assert_eq!(m.lineage(201), "sshd:201 sshd:50 init:1");
    m.cloned(100, 201, PARENT);
    assert_eq!(m.lineage(201), "sshd:201 bash:100 sshd:50 init:1");
    assert_eq!(m.state.thread(Tid(201)).unwrap().ptid, Tid(50));
}

#[test]
fn who_gets_the_number_of_an_ancestor_is_none() {
    let mut m = Machine::new();
    m.fork(100, 200);
    m.exec(200, 100, "evil");
    m.fork(200, 201);
    m.exit(200, 1);
    // Another process is number 200, later.
    m.now += 10_000_000_000;
    m.fork(50, 200);
    m.exec(200, 50, "scp");
    assert_eq!(m.lineage(201), "evil:201 evil:200 bash:100 sshd:50 init:1");
    assert_eq!(m.lineage(200), "scp:200 sshd:50 init:1");
    let state = m.restored();
    assert_eq!(
        lineage(&state, 201),
        "evil:201 evil:200 bash:100 sshd:50 init:1"
    );
}

#[test]
fn who_comes_unseen_was_started_by_the_first_parent_told_of() {
    let mut m = Machine::new();
    m.exec(300, 100, "late");
    assert_eq!(m.lineage(300), "late:300 bash:100 sshd:50 init:1");
    m.exit(100, 1);
    m.exec(300, 1, "later");
    assert_eq!(m.lineage(300), "later:300 bash:100 sshd:50 init:1");
}

#[test]
fn a_chain_of_daemons_takes_bounded_memory() {
    let mut m = Machine::new();
    let mut most = 0;
    let mut halfway = 0;
    for generation in 0..10_000_i64 {
        let (own, child) = match generation {
            0 => (100, 1000),
            _ => (999 + generation, 1000 + generation),
        };
        m.fork(own, child);
        m.exec(child, own, &format!("gen{generation:05}"));
        m.exit(own, 1);
        most = most.max(m.state.lineage.used());
        if generation == 5000 {
            halfway = most;
        }
    }
    assert!(
        most <= (2 * limits::LINEAGE + 2) * (size_of::<Starter>() + 64),
        "{most}"
    );
    assert_eq!(most, halfway, "it does not grow");
    let names = m.lineage(10_999);
    let names: Vec<&str> = names.split(' ').collect();
    assert_eq!(names.len(), 1 + limits::LINEAGE);
    assert_eq!(names[0], "gen09999:10999");
    assert_eq!(names[limits::LINEAGE], "gen09935:10935");
    assert_eq!(lineage(&m.restored(), 10_999), names.join(" "));
    assert_eq!(m.state.lineage.used(), used_by(&m.state));
    m.exit(10_999, 1);
    m.exit(50, 1);
    m.exit(1, 1);
    m.state.snapshot();
    assert_eq!((m.state.thread_count(), m.state.lineage.used()), (0, 0));
}

#[test]
fn living_generations_all_keep_who_counts() {
    let mut m = Machine::new();
    for generation in 0..500_i64 {
        let own = if generation == 0 {
            100
        } else {
            999 + generation
        };
        m.fork(own, 1000 + generation);
    }
    for pid in [1100, 1127, 1128, 1200, 1499] {
        let own = m.lineage(pid);
        assert_eq!(own.split(' ').count(), 1 + limits::LINEAGE, "{pid}");
        assert!(own.ends_with(&format!(":{}", pid - 64)), "{own}");
        assert_eq!(lineage(&m.restored(), pid), own);
    }
    // One starter for each process that has started others.
    assert_eq!(starters(&m.state).len(), 502);
    assert_eq!(m.state.lineage.used(), used_by(&m.state));
}

/// Uses up memory as if other starters had it.
fn use_up(m: &mut Machine, bytes: usize) {
    m.state.lineage.0.fetch_add(bytes, Ordering::Relaxed);
}

#[test]
fn without_room_starters_are_left_out_and_the_older_ones_stay() {
    let mut m = Machine::new();
    m.renamed(100, "full");
    use_up(&mut m, limits::LINEAGE_BYTES);
    m.fork(100, 200);
    m.exec(200, 100, "ls");
    assert_eq!(m.lineage(200), "ls:200 sshd:50 init:1");
    let used = &m.state.lineage.0;
    used.fetch_sub(limits::LINEAGE_BYTES, Ordering::Relaxed);
    m.fork(100, 201);
    assert_eq!(m.lineage(201), "full:201 full:100 sshd:50 init:1");
}

#[test]
fn with_little_room_starters_have_only_their_names() {
    let mut m = Machine::new();
    use_up(&mut m, limits::LINEAGE_BYTES / 2 + 1);
    m.exec(100, 50, "heavy");
    m.fork(100, 200);
    assert_eq!(m.lineage(200), "heavy:200 heavy:100 sshd:50 init:1");
    let own = m.state.thread(Tid(200)).unwrap();
    let heavy = own.lineage().nth(1).unwrap();
    assert_eq!((heavy.exe, heavy.exepath, heavy.args), (None, None, None));
}

#[test]
fn a_child_that_comes_before_its_maker_is_known_gets_it_later() {
    let mut m = Machine::new();
    m.born(301, 300, 0);
    assert_eq!(m.lineage(301), "?:301");
    m.exec(300, 100, "late");
    m.cloned(300, 301, 0);
    assert_eq!(m.lineage(301), "?:301 late:300 bash:100 sshd:50 init:1");
}

#[test]
fn a_capture_without_lineages_takes_parents_for_starters() {
    let mut m = Machine::new();
    m.fork(100, 200);
    m.fork(200, 201);
    m.exit(200, 1);
    let mut snapshot = m.state.snapshot();
    snapshot.extra.clear();
    for thread in &mut snapshot.threads {
        thread.extra.retain(|(number, _)| *number == 1);
    }
    let mut state = State::new();
    state.restore(&snapshot);
    assert_eq!(lineage(&state, 201), "bash:201 init:1");
    assert_eq!(lineage(&state, 100), "bash:100 sshd:50 init:1");
}

#[test]
fn parents_in_a_circle_end_somewhere() {
    let mut snapshot = Snapshot::default();
    for (tid, ptid) in [(1, 2), (2, 3), (3, 1), (4, 4), (5, 3)] {
        let entry = process(&mut snapshot, tid, ptid, "x");
        snapshot.threads.push(entry);
    }
    let mut state = State::new();
    state.restore(&snapshot);
    assert_eq!(lineage(&state, 4), "x:4");
    assert_eq!(lineage(&state, 1), "x:1 x:2 x:3 x:1");
    assert_eq!(lineage(&state, 5), "x:5 x:3 x:1");
    let deep = 100_000;
    for tid in 10..deep {
        let entry = process(&mut snapshot, tid, tid + 1, "y");
        snapshot.threads.push(entry);
    }
    state.restore(&snapshot);
    let own = lineage(&state, 10);
    assert_eq!(own.split(' ').count(), 1 + limits::LINEAGE);
    assert!(own.ends_with("y:74"));
}

/// A snapshot with these starters: the index of the previous one, and of the text of its arguments.
fn hostile(starters: &[(u32, u32)], of: u32) -> State {
    let mut snapshot = Snapshot::default();
    let entry = process(&mut snapshot, 7, 1, "seven");
    snapshot.strings.intern(&b"long\0".repeat(20_000));
    snapshot.threads.push(ThreadEntry {
        extra: vec![(2, of.to_le_bytes().to_vec())],
        ..entry
    });
    let mut list = Vec::new();
    for (pid, (own, args)) in (1_i64..).zip(starters) {
        list.extend_from_slice(&own.to_le_bytes());
        list.extend_from_slice(&pid.to_le_bytes());
        list.extend_from_slice(&[0; 28]);
        list.extend_from_slice(&args.to_le_bytes());
    }
    snapshot.extra.push((1, list));
    let mut state = State::new();
    state.restore(&snapshot);
    state
}

#[test]
fn hostile_lists_are_bounded() {
    // The starter itself, a later one, a missing one.
    let circle = [(1, 0), (3, 0), (2, 0), (900, 0), (4, 0)];
    assert_eq!(lineage(&hostile(&circle, 3), 7), "seven:7 ?:3 ?:2");
    assert_eq!(lineage(&hostile(&circle, 5), 7), "seven:7 ?:5 ?:4");
    assert_eq!(lineage(&hostile(&circle, 1), 7), "seven:7 ?:1");
    assert_eq!(lineage(&hostile(&circle, 6), 7), "seven:7");
    assert_eq!(lineage(&hostile(&circle, u32::MAX), 7), "seven:7");
    assert_eq!(lineage(&hostile(&[], 1), 7), "seven:7");
    // A chain too long to be one of ours.
    let long: Vec<(u32, u32)> = (0..300_000).map(|n| (n, 0)).collect();
    let state = hostile(&long, 300_000);
    assert!(part(state.thread(Tid(7)).unwrap().lineage.near.as_ref()).count() <= limits::LINEAGE);
    // More text than there is room for.
    let heavy: Vec<(u32, u32)> = (0..300_000).map(|n| (n, 2)).collect();
    let state = hostile(&heavy, 300);
    assert!(state.lineage.used() <= limits::LINEAGE_BYTES);
    let args = state.thread(Tid(7)).unwrap().lineage().nth(1).unwrap().args;
    assert_eq!(args.map(<[u8]>::len), Some(limits::LIST));
    assert_eq!(lineage(&hostile(&heavy, 200_000), 7), "seven:7");
}

/// As the kernel has it: the others end first, and the thread gets the number of its process.
#[test]
fn a_thread_that_executes_a_program_keeps_who_started_its_process() {
    let mut m = Machine::new();
    m.fork(100, 200);
    m.cloned(200, 201, THREAD);
    m.fork(201, 300);
    m.event(200, 200, types::PROCEXIT_1_E, &[(4, b"")]);
    m.exec(200, 100, "new");
    m.fork(200, 301);
    assert_eq!(m.lineage(200), "new:200 bash:100 sshd:50 init:1");
    assert_eq!(m.lineage(300), "bash:300 bash:200 bash:100 sshd:50 init:1");
    assert_eq!(m.lineage(301), "new:301 new:200 bash:100 sshd:50 init:1");
}
