//! State against sequences of events, as a recorder writes them.

mod bounds;
mod containers;
mod exec;
mod files;
mod moves;
mod order;
mod owners;
mod processes;
mod snapshots;
mod sockets;

use std::fmt::Write as _;

use scap_capture_format::schema::{EventType, types};

use super::*;
use crate::event::bytes::BufferFormat;
use crate::event::render::Renderer;
use crate::event::{Event, EventFlags, EventNum, Params, Pid, Tid, Timestamp};

/// Flags of `clone` in `pthread_create`, in the schema's encoding.
const THREAD: u32 = 0x2000 | 0x1 | 0x2 | 0x8000;

/// A machine being replayed; every event returns its text, printed with the state.
struct Machine {
    state: State,
    now: u64,
    /// Duration of the next event's call in microseconds; events are one apart.
    took: Option<u64>,
}

impl Machine {
    fn new() -> Self {
        let mut state = State::new();
        let mut thread = Thread::unknown(Tid(100));
        thread.pid = Pid(100);
        thread.comm = Some(b"bash".as_slice().into());
        state.insert_thread(thread);
        state.set_dirs(Tid(100), Some(b"/home/alice"), None);
        let alice = User {
            name: b"alice".as_slice().into(),
            ..User::default()
        };
        state.users.add(None, 1000, alice);
        Self {
            state,
            now: 1_000_000_000_000,
            took: None,
        }
    }

    /// Applies an event and returns its arguments as printed.
    fn event(&mut self, tid: i64, ty: EventType, params: &[&[u8]]) -> String {
        self.event_of(tid, tid, ty, params)
    }

    fn event_of(&mut self, tid: i64, pid: i64, ty: EventType, params: &[&[u8]]) -> String {
        self.now += 1000;
        let lens: Vec<u32> = params.iter().map(|p| p.len() as u32).collect();
        let bytes = params.concat();
        let event = Event {
            num: EventNum(1),
            ts: Timestamp(self.now),
            tid: Tid(tid),
            pid: Pid(pid),
            cpu: 0,
            ty,
            latency: self.took.take().map(|micros| micros * 1000),
            flags: EventFlags::empty(),
            params: Params::new(&lens, &bytes).unwrap(),
        };
        self.state.apply(&event);
        let mut out = Vec::new();
        Renderer::new(BufferFormat::Dots, Some(Arch::X86_64)).info(
            &mut out,
            &event,
            &self.state.view(&event),
        );
        String::from_utf8(out).unwrap()
    }

    fn open(&mut self, tid: i64, fd: i64, path: &str, flags: u32) -> String {
        let path = [path.as_bytes(), b"\0"].concat();
        self.event(
            tid,
            types::SYSCALL_OPENAT_2_X,
            &[&i(fd), &i(-100), &path, &u(flags), &u(0)],
        )
    }

    fn close(&mut self, tid: i64, fd: i64) -> String {
        self.event(tid, types::SYSCALL_CLOSE_X, &[&i(0), &i(fd)])
    }

    /// A clone, in the event of the parent.
    fn clone(&mut self, parent: i64, child: i64, flags: u32) {
        let params = clone_params(child, parent, parent, 1, flags);
        self.event(parent, types::SYSCALL_CLONE_20_X, &refs(&params));
    }

    fn exec(&mut self, tid: i64, comm: &str) -> String {
        let comm = [comm.as_bytes(), b"\0"].concat();
        let (zero, tid_) = (i(0), i(tid));
        let mut params: Vec<&[u8]> = vec![b""; 31];
        params[0] = &zero;
        params[1] = &comm;
        params[3] = &tid_;
        params[4] = &tid_;
        params[13] = &comm;
        params[27] = b"/usr/bin/x\0";
        self.event(tid, types::SYSCALL_EXECVE_19_X, &params)
    }

    /// Checks that ended threads have released everything, including their charges.
    fn nothing_is_left(&mut self) {
        self.state.remove_ended();
        assert_eq!(self.state.thread_count(), 0);
        assert!(self.state.threads.counts_are_zero());
        assert_eq!((self.state.used.fds, self.state.used.text), (0, 0));
    }

    fn fds(&self, tid: i64) -> String {
        let mut text = String::new();
        for fd in 0..64 {
            if let Some(info) = self.state.fd(Tid(tid), fd) {
                let name = String::from_utf8_lossy(&info.name);
                write!(text, "{fd}:{}{name} ", char::from(info.kind.typechar())).unwrap();
            }
        }
        text
    }
}

fn i(v: i64) -> [u8; 8] {
    v.to_le_bytes()
}

fn u(v: u32) -> [u8; 4] {
    v.to_le_bytes()
}

fn refs(params: &[Vec<u8>]) -> Vec<&[u8]> {
    params.iter().map(Vec::as_slice).collect()
}

fn clone_params(res: i64, tid: i64, pid: i64, ptid: i64, flags: u32) -> Vec<Vec<u8>> {
    let mut params = vec![Vec::new(); 21];
    params[0] = i(res).to_vec();
    params[1] = b"bash\0".to_vec();
    params[3] = i(tid).to_vec();
    params[4] = i(pid).to_vec();
    params[5] = i(ptid).to_vec();
    params[13] = b"bash\0".to_vec();
    params[15] = u(flags).to_vec();
    params[16] = u(1000).to_vec();
    params[17] = u(1000).to_vec();
    params[18] = i(tid).to_vec();
    params[19] = i(pid).to_vec();
    params
}
