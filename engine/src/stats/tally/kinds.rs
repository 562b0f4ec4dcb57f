//! How the type of an event is counted.

use std::sync::LazyLock;

use bitflags::bitflags;
use scap_capture_format::schema::{
    EVENTS, EventInfo, EventType, EventTypeFlags, ParamType, SourceCategory, types,
};

use crate::event::syscall;
use crate::state::has_fd;

bitflags! {
    /// Properties of a type.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct Kind: u16 {
        /// A call that returned, or was in flight at the end of the capture.
        const CALL = 1;
        /// The event has a result.
        const RESULT = 1 << 1;
        /// The result is the number of bytes read from the fd.
        const READS = 1 << 2;
        /// The result is the number of bytes written to the fd.
        const WRITES = 1 << 3;
        /// The call opens a file.
        const OPENS = 1 << 4;
        /// The call has paths: `fs.path.*` fields.
        const PATHS = 1 << 5;
        /// The event has the name of its fd, if the fd is not known.
        const NAMES = 1 << 6;
        /// The call executes a program.
        const EXECUTES = 1 << 7;
        /// The call creates processes or threads.
        const FORKS = 1 << 8;
        /// A thread ended.
        const ENDS = 1 << 9;
        /// The description of the process may have changed.
        const CHANGES_PROCESS = 1 << 10;
        /// The name depends on the event.
        const GENERIC = 1 << 11;
        /// The call connects a socket.
        const CONNECTS = 1 << 12;
    }
}

impl Kind {
    pub(super) fn of(ty: EventType) -> Self {
        static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| EVENTS.iter().map(kind).collect());
        KINDS.get(usize::from(ty.0)).copied().unwrap_or_default()
    }
}

fn kind(info: &EventInfo) -> Kind {
    let mut kind = Kind::empty();
    let is_call = info.source_category.contains(SourceCategory::SYSCALL) && info.ty.is_exit();
    kind.set(Kind::CALL, is_call);
    kind.set(Kind::ENDS, info.name == "procexit");
    kind.set(Kind::GENERIC, syscall::is_generic(info.ty));
    if !is_call {
        return kind;
    }
    let result = info.params.get(syscall::result_param(info.ty));
    let has_result =
        result.is_some_and(|p| p.name == "res" || p.name == "fd" && p.ty == ParamType::Fd);
    kind.set(Kind::RESULT, has_result);
    // For several messages the result is their number.
    // Bytes that go from one fd to another are counted for both.
    let counts_bytes = !matches!(info.name, "sendmmsg" | "recvmmsg" | "finit_module")
        && transfer(info.ty).is_none();
    let has = |flag| info.flags.contains(flag);
    let writes = has(EventTypeFlags::WRITES_TO_FD);
    kind.set(Kind::WRITES, writes && counts_bytes);
    let reads = has(EventTypeFlags::READS_FROM_FD) && !writes;
    kind.set(Kind::READS, reads && counts_bytes);
    let names = info.params.iter().any(|p| {
        matches!(
            p.ty,
            ParamType::FsPath | ParamType::FsRelPath | ParamType::SockTuple
        )
    });
    kind.set(Kind::NAMES, names && has_fd(info.ty));
    kind.set(Kind::OPENS, OPENS.contains(&info.name));
    kind.set(Kind::PATHS, PATHS.contains(&info.name));
    kind.set(Kind::EXECUTES, matches!(info.name, "execve" | "execveat"));
    kind.set(Kind::FORKS, FORKS.contains(&info.name));
    kind.set(Kind::CONNECTS, info.name == "connect");
    let changes = kind.intersects(Kind::EXECUTES | Kind::FORKS)
        || USERS.contains(&info.name)
        || info.ty == types::SYSCALL_PRCTL_X;
    kind.set(Kind::CHANGES_PROCESS, changes);
    kind
}

/// Returns the parameters with the fds from which and to which a call transfers data, if it is one that
/// does both; its result is the number of bytes.
pub(super) fn transfer(ty: EventType) -> Option<(usize, usize)> {
    match ty {
        types::SYSCALL_SENDFILE_X => Some((3, 2)),
        types::SYSCALL_SPLICE_X => Some((1, 2)),
        types::SYSCALL_COPY_FILE_RANGE_X => Some((3, 1)),
        _ => None,
    }
}

const OPENS: &[&str] = &["open", "openat", "openat2", "creat", "open_by_handle_at"];

const FORKS: &[&str] = &["clone", "clone3", "fork", "vfork"];

/// Calls with a value for `fs.path.name`, `fs.path.source` and `fs.path.target`; checked by a test.
#[rustfmt::skip]
const PATHS: &[&str] = &[
    "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "chown", "lchown", "fchown", "fchownat",
    "chmod", "fchmod", "fchmodat", "open", "openat", "openat2", "umount", "umount2", "quotactl",
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "mount", "creat",
    "mknod", "mknodat",
];

const USERS: &[&str] = &["setuid", "setreuid", "setresuid"];

#[cfg(test)]
mod tests {
    use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
    use scap_capture_format::schema::Status;

    use super::*;
    use crate::fields::{self, Context, Scratch, Session, Value};
    use crate::state::State;

    /// Returns true if a field has the path of a successful call.
    fn has_path(info: &EventInfo, field: &str) -> bool {
        let params = info.params.iter().map(|p| match p.ty.fixed_len() {
            Some(len) => vec![0; len],
            None => b"/x\0".to_vec(),
        });
        let params: Vec<_> = params.collect();
        let lens: Vec<_> = params.iter().map(|p| p.len() as u32).collect();
        let bytes = params.concat();
        let event = EventRef {
            num: EventNum(1),
            ts: Timestamp(1),
            tid: Tid(1),
            pid: Pid(1),
            cpu: 0,
            ty: info.ty,
            latency: None,
            flags: EventFlags::empty(),
            params: Params::new(&lens, &bytes).unwrap(),
        };
        let mut state = State::new();
        state.apply(&event);
        let (view, session) = (state.view(&event), Session::default());
        let cx = Context {
            event: &event,
            view: &view,
            session: &session,
        };
        let field = fields::lookup(field).unwrap();
        let mut scratch = Scratch::default();
        matches!(field.extract(&cx, &mut scratch), Some(Value::Text(path)) if !path.is_empty())
    }

    #[test]
    fn what_is_transferred_goes_from_one_fd_to_another() {
        let transfers = EVENTS.iter().filter_map(|info| {
            let (from, to) = transfer(info.ty)?;
            Some([info.name, info.params[from].name, info.params[to].name])
        });
        assert_eq!(
            transfers.collect::<Vec<_>>(),
            [
                ["splice", "fd_in", "fd_out"],
                ["sendfile", "in_fd", "out_fd"],
                ["copy_file_range", "fdin", "fdout"],
            ]
        );
    }

    #[test]
    fn calls_on_paths_are_those_that_the_fields_know() {
        let fields = ["fs.path.name", "fs.path.source", "fs.path.target"];
        for info in EVENTS.iter().filter(|i| kind(i).contains(Kind::CALL)) {
            let has = fields.iter().any(|field| has_path(info, field));
            let is_known = kind(info).contains(Kind::PATHS);
            // `fchmod` and `fchown` have their path from the fd; `open` returning 0 creates none;
            // old types have fewer parameters.
            let by_fd = matches!(info.name, "fchmod" | "fchown");
            let can_lack = by_fd || info.name.starts_with("open") || info.status == Status::Old;
            assert!(
                has == is_known || is_known && can_lack,
                "{}",
                info.enum_name
            );
        }
    }

    #[test]
    fn bytes_are_what_the_results_of_reads_and_writes_are() {
        let of = |ty: EventType| Kind::of(ty);
        assert!(of(types::SYSCALL_READ_X).contains(Kind::CALL | Kind::RESULT | Kind::READS));
        assert!(of(types::SYSCALL_WRITEV_X).contains(Kind::WRITES));
        assert!(!of(types::SOCKET_SENDMMSG_X).intersects(Kind::READS | Kind::WRITES));
        assert!(!of(types::SYSCALL_READ_E).contains(Kind::CALL));
        assert_eq!(of(types::PROCEXIT_1_E), Kind::ENDS);
        assert_eq!(of(EventType(u16::MAX)), Kind::empty());
    }
}
