//! Snapshots of some processes only, in which there is nothing about the others.

use hashbrown::HashSet;
use scap_capture_format::native::Snapshot;
use scap_capture_format::native::snapshot::{StringId, ThreadEntry};

use super::extra::{EmptyTexts, FdExtra, THREAD_EXTRA, ThreadExtra, change};
use super::lineage::stored;
use super::rewrite::{Unchanged, rewrite};
use super::snapshot::O_CLOEXEC;
use super::thread::NO_ID;
use super::{State, Thread};
use crate::event::{Pid, Tid};

/// Most ancestors of a process that an excerpt names.
const ANCESTORS: usize = 256;

/// A process, distinguished from others that had the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessKey {
    /// The process id.
    pub pid: Pid,
    /// Its start, see [`Thread::start`].
    pub start: u64,
    /// When it was created, see [`Thread::clone_ts`].
    pub clone_ts: u64,
}

impl ProcessKey {
    fn of_main(main: &Thread) -> Self {
        Self {
            pid: main.pid,
            start: main.start,
            clone_ts: main.clone_ts,
        }
    }
}

/// What an excerpt has.
pub trait Choice {
    /// Whether a process is in the excerpt.
    fn has_process(&self, process: ProcessKey) -> bool;

    /// Whether a user of a container is in it; those of the threads are in any case.
    fn has_user(&self, container: &[u8], uid: u32) -> bool;

    /// Whether a group of a container is in it, likewise.
    fn has_group(&self, container: &[u8], gid: u32) -> bool;
}

/// Shifts the times of a snapshot at which processes were created and programs executed, in nanoseconds.
pub fn shift_times(snapshot: &mut Snapshot, by: i64) {
    let shift = |time: &mut u64| {
        if *time != 0 {
            *time = time.saturating_add_signed(by);
        }
    };
    for thread in &mut snapshot.threads {
        change(thread, |extra| {
            shift(&mut extra.clone_ts);
            shift(&mut extra.exec_ts);
        });
    }
    stored::each(&mut snapshot.extra, |starter| {
        shift(&mut starter.process.clone_ts);
    });
}

impl State {
    /// Returns the process of a thread.
    pub fn process_of(&self, thread: &Thread) -> ProcessKey {
        let main = self.thread(Tid(thread.pid.0)).unwrap_or(thread);
        ProcessKey::of_main(main)
    }

    /// Returns a snapshot with only some of the processes. Of their ancestors, of the leaders of their sessions and process
    /// groups, and of the ancestors of the threads in `named`, it has ids and names, no more. The process `executes` is
    /// about to execute a program: what that replaces is not in the excerpt, since the process has it from its creator.
    pub fn excerpt(
        &mut self,
        choice: &dyn Choice,
        executes: Option<ProcessKey>,
        named: &[Tid],
    ) -> Snapshot {
        let mut chosen = HashSet::new();
        let mut known = HashSet::new();
        let mut names = Vec::new();
        for thread in self.threads() {
            if choice.has_process(self.process_of(thread)) {
                chosen.insert(thread.tid.0);
                names.extend([thread.ptid, Tid(thread.sid), Tid(thread.pgid)]);
            }
        }
        names.extend_from_slice(named);
        let mut snapshot = self.snapshot_of(&|thread| chosen.contains(&thread.tid.0));
        let of_executing = |tid: Tid| {
            let thread = self.thread(tid);
            executes.is_some() && thread.map(|t| self.process_of(t)) == executes
        };
        for entry in &mut snapshot.threads {
            if of_executing(entry.tid) {
                let texts = [
                    &mut entry.exe,
                    &mut entry.exepath,
                    &mut entry.args,
                    &mut entry.env,
                ];
                texts.into_iter().for_each(|text| *text = StringId(0));
                change(entry, |extra| extra.empty.forget_program());
            }
        }
        snapshot.fds.retain(|fd| {
            let cloexec = match FdExtra::read(&fd.extra) {
                Some(extra) => extra.cloexec,
                None => fd.open_flags & O_CLOEXEC != 0,
            };
            !cloexec || !of_executing(fd.owner)
        });
        for first in names {
            let mut next = Some(first);
            for _ in 0..ANCESTORS {
                let Some(thread) = next.and_then(|tid| self.thread(tid)) else {
                    break;
                };
                let main = self.thread(Tid(thread.pid.0)).unwrap_or(thread);
                if chosen.contains(&main.tid.0) || !known.insert(main.tid.0) {
                    break;
                }
                let entry = name_only(&mut snapshot, main);
                snapshot.threads.push(entry);
                next = Some(main.ptid);
            }
        }
        stored::each(&mut snapshot.extra, |starter| {
            if !choice.has_process(starter.process) {
                let [_, others @ ..] = &mut starter.texts;
                others.fill(StringId(0));
            }
        });
        self.only_names_in_use(&mut snapshot, choice);
        // The texts of what was left out are still there.
        rewrite(&mut snapshot, &mut Unchanged);
        snapshot
    }

    /// Removes users, groups and containers of others.
    fn only_names_in_use(&self, snapshot: &mut Snapshot, choice: &dyn Choice) {
        let mut users = HashSet::new();
        let mut groups = HashSet::new();
        let mut containers = HashSet::new();
        for thread in &snapshot.threads {
            users.extend([
                (thread.container, thread.uid),
                (thread.container, thread.loginuid),
            ]);
            // The login user is one of the host.
            users.insert((StringId(0), thread.loginuid));
            groups.insert((thread.container, thread.gid));
            containers.insert(thread.container);
        }
        let strings = &snapshot.strings;
        snapshot.users.retain(|user| {
            users.contains(&(user.container, user.uid))
                || choice.has_user(strings.get(user.container), user.uid)
        });
        snapshot.groups.retain(|group| {
            groups.contains(&(group.container, group.gid))
                || choice.has_group(strings.get(group.container), group.gid)
        });
        snapshot
            .containers
            .retain(|container| containers.contains(&container.id));
    }
}

/// Returns the entry of a process of which only ids and name are known.
fn name_only(snapshot: &mut Snapshot, main: &Thread) -> ThreadEntry {
    let extra = ThreadExtra {
        is_ours: true,
        clone_ts: main.clone_ts,
        empty: EmptyTexts::of_name(main.comm.as_deref()),
        ..ThreadExtra::default()
    };
    ThreadEntry {
        tid: main.tid,
        pid: main.pid,
        ptid: Pid(main.ptid.0),
        sid: main.sid,
        pgid: main.pgid,
        vpgid: main.vpgid,
        vtid: main.vtid,
        vpid: main.vpid,
        pidns_init_start: main.pidns_start,
        start_time: main.start,
        comm: snapshot
            .strings
            .intern(main.comm.as_deref().unwrap_or_default()),
        uid: NO_ID,
        gid: NO_ID,
        loginuid: NO_ID,
        fdlimit: -1,
        extra: vec![(THREAD_EXTRA, extra.write())],
        ..ThreadEntry::default()
    }
}
