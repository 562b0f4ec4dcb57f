//! Calls that wait, and what they wait for.

use scap_capture_format::schema::{Arch, EventTypeFlags};

use super::fds::FdValue;
use super::value::Value;
use super::{Event, EventExt as _, Names, number, render, syscall, text};

/// Calls that wait for time to pass, for other processes or for their data, whatever they are about.
#[rustfmt::skip]
pub const CALLS: &[&str] = &[
    "poll", "ppoll", "select", "pselect6", "_newselect", "epoll_wait", "epoll_pwait", "epoll_pwait2",
    "epoll_wait_old", "nanosleep", "clock_nanosleep", "futex", "futex_wait", "futex_waitv",
    "wait4", "waitid", "waitpid", "pause", "rt_sigtimedwait", "rt_sigsuspend", "sigsuspend",
    "accept", "accept4", "vfork", "semop", "semtimedop", "msgrcv", "msgsnd", "mq_timedreceive",
    "mq_timedsend", "io_getevents", "io_pgetevents", "io_uring_enter", "restart_syscall", "sched_yield",
];

/// Waits below this duration, in nanoseconds, are not worth a word.
pub const LEAST_NS: u64 = 1_000_000;

/// Number of fds that are named.
const FDS: usize = 4;

const ETIMEDOUT: i64 = -110;
const EAGAIN: i64 = -11;

/// Whether a call with this name that waited ended because its time was over: nothing happened, or a
/// blocking call came back without data.
pub fn is_timeout(name: &[u8], result: Option<i64>) -> bool {
    match result {
        Some(0) => name.ends_with(b"poll") || name.starts_with(b"epoll_") || is_select(name),
        Some(ETIMEDOUT) => true,
        Some(EAGAIN) => !CALLS.iter().any(|call| call.as_bytes() == name),
        _ => false,
    }
}

/// Whether a call with this name waits for time, a child or a signal, not for data or a lock.
pub fn is_for_time_or_child(name: &[u8]) -> bool {
    let prefixes: [&[u8]; 7] = [
        b"nanosleep",
        b"clock_",
        b"wait",
        b"vfork",
        b"clone",
        b"pause",
        b"sched_",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            b"rt_sigtimedwait" | b"rt_sigsuspend" | b"sigsuspend" | b"restart_syscall"
        )
}

fn is_select(name: &[u8]) -> bool {
    matches!(name, b"select" | b"pselect6" | b"_newselect")
}

/// Appends what a call waits for, as far as its event says: fds with their names, a lock by its address,
/// a process. Appends nothing if that is not known or is only time. `event` is the event in the newest
/// schema; `name` is that of the call.
pub fn target<N: Names + ?Sized>(
    out: &mut Vec<u8>,
    event: &Event<'_>,
    name: &[u8],
    arch: Option<Arch>,
    names: &N,
) {
    let argument = |wanted: &str| match syscall::is_generic(event.ty) {
        true => syscall::argument_number(event, arch, wanted),
        false => event.int(event.info()?.param(wanted)?.0),
    };
    match name {
        b"poll" | b"ppoll" => of_list(out, event, names),
        name if is_select(name) => {
            if let Some(n) = argument("n").filter(|n| *n > 0) {
                number::display(out, format_args!("fds below {n}"));
            }
        }
        name if name.starts_with(b"epoll_") => {
            if let Some(fd) = argument("epfd") {
                out.extend_from_slice(b"epoll ");
                number::dec(out, fd);
            }
        }
        b"futex" | b"futex_wait" => {
            if let Some(address) = argument("addr").or_else(|| argument("uaddr")) {
                out.extend_from_slice(b"futex 0x");
                number::hex_lower(out, address.cast_unsigned());
            }
        }
        b"wait4" | b"waitpid" => match argument("upid").or_else(|| argument("pid")) {
            Some(pid @ 1..) => number::display(out, format_args!("process {pid}")),
            Some(-1) => out.extend_from_slice(b"any child"),
            _ => {}
        },
        b"pause" | b"rt_sigtimedwait" | b"rt_sigsuspend" | b"sigsuspend" => {
            out.extend_from_slice(b"a signal");
        }
        b"nanosleep" | b"clock_nanosleep" | b"sched_yield" | b"restart_syscall" => {}
        _ => {
            // The fd of a call that makes one is not what it waits for.
            let is_new = event
                .info()
                .is_some_and(|info| info.flags.contains(EventTypeFlags::CREATES_FD));
            let own = || event.int(usize::from(event.info()?.fd_param?));
            let fd = own().or_else(|| syscall::file_argument(event, arch));
            if let Some(fd) = fd.filter(|fd| *fd >= 0 && !is_new) {
                render::fd(out, FdValue::Fd(fd), names, text::escape_exact);
            }
        }
    }
}

/// Appends the fds of a `poll`.
fn of_list<N: Names + ?Sized>(out: &mut Vec<u8>, event: &Event<'_>, names: &N) {
    let lists = event.params_with_info().filter_map(|(_, info, bytes)| {
        match Value::decode(info, bytes).0 {
            Value::FdList(list) => Some(list),
            _ => None,
        }
    });
    let fds = lists.flat_map(super::value::FdList::iter);
    for (index, (fd, _)) in fds.enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        if index == FDS {
            out.extend_from_slice(b"...");
            break;
        }
        render::fd(out, FdValue::Fd(fd), names, text::escape_exact);
    }
}

#[cfg(test)]
mod tests {
    use scap_capture_format::event::{EventFlags, EventNum, Params, Pid, Tid, Timestamp};
    use scap_capture_format::schema::{EventType, syscall, types};

    use super::*;
    use crate::event::FdLabel;

    /// Fd 4 is a connection.
    struct Fds;

    impl Names for Fds {
        fn comm(&self, _: i64) -> Option<&[u8]> {
            None
        }

        fn fd(&self, fd: i64) -> Option<FdLabel<'_>> {
            let label = FdLabel {
                typechar: b'4',
                l4: Some(b't'),
                name: b"10.0.0.1:5->8.8.8.8:53\x1b",
            };
            (fd == 4).then_some(label)
        }

        fn user(&self, _: u32) -> Option<&[u8]> {
            None
        }

        fn group(&self, _: u32) -> Option<&[u8]> {
            None
        }

        fn resolve_path(&self, _: Option<i64>, _: &[u8], _: &mut Vec<u8>) -> bool {
            false
        }
    }

    fn shown(ty: EventType, name: &str, params: &[&[u8]]) -> String {
        let lens: Vec<u32> = params.iter().map(|p| p.len() as u32).collect();
        let bytes = params.concat();
        let event = Event {
            num: EventNum(1),
            ts: Timestamp(5),
            tid: Tid(1),
            pid: Pid(1),
            cpu: 0,
            ty,
            latency: Some(1),
            flags: EventFlags::empty(),
            params: Params::new(&lens, &bytes).unwrap(),
        };
        let mut out = Vec::new();
        target(&mut out, &event, name.as_bytes(), None, &Fds);
        String::from_utf8(out).unwrap()
    }

    fn raw(name: &str, args: [u64; 2]) -> String {
        let code = syscall::by_name(name).unwrap().ppm_sc.to_le_bytes();
        let args = args.map(u64::to_le_bytes);
        let params: [&[u8]; 9] = [
            &code, &[0; 2], &[0; 8], &args[0], &args[1], &[0; 8], &[0; 8], &[0; 8], &[0; 8],
        ];
        shown(types::GENERIC_X, name, &params)
    }

    fn poll(fds: &[i64]) -> String {
        let mut list = (fds.len() as u16).to_le_bytes().to_vec();
        for fd in fds {
            list.extend_from_slice(&fd.to_le_bytes());
            list.extend_from_slice(&[1, 0]);
        }
        shown(types::SYSCALL_POLL_X, "poll", &[&[0; 8], &list, &[0; 8]])
    }

    #[test]
    fn what_is_waited_for_is_named() {
        let connection = "4(<4t>10.0.0.1:5->8.8.8.8:53\\x1b)";
        assert_eq!(poll(&[4]), connection);
        assert_eq!(poll(&[4, 5]), format!("{connection}, 5"));
        assert_eq!(poll(&[5, 6, 7, 8, 9, 10]), "5, 6, 7, 8, ...");
        assert_eq!(poll(&[]), "");
        let address = 0x7f00_1234_u64.to_le_bytes();
        let futex = shown(
            types::SYSCALL_FUTEX_X,
            "futex",
            &[&[0; 8], &address, &[0; 2], &[0; 8]],
        );
        assert_eq!(futex, "futex 0x7f001234");
        assert_eq!(raw("wait4", [55, 0]), "process 55");
        assert_eq!(raw("wait4", [u64::from(u32::MAX), 0]), "any child");
        assert_eq!(raw("pselect6", [5, 0]), "fds below 5");
        assert_eq!(raw("pause", [0, 0]), "a signal");
        assert_eq!(raw("clock_nanosleep", [0, 0]), "");
        let fd = 4_i64.to_le_bytes();
        let read = shown(types::SYSCALL_READ_X, "read", &[&[0; 8], b"", &fd, &[0; 4]]);
        assert_eq!(read, connection);
        // Of a call in flight the list is not known.
        let unknown = shown(types::SYSCALL_POLL_X, "poll", &[b"", b"", &[0; 8]]);
        assert_eq!(unknown, "");
    }

    #[test]
    fn a_timeout_is_told_from_a_result() {
        let is = |name: &str, result| is_timeout(name.as_bytes(), result);
        assert!(is("poll", Some(0)) && is("epoll_wait", Some(0)) && is("pselect6", Some(0)));
        assert!(is("futex", Some(-110)) && is("recvfrom", Some(-11)));
        assert!(!is("poll", Some(1)) && !is("read", Some(0)) && !is("futex", Some(-11)));
        assert!(!is("poll", None));
    }
}
