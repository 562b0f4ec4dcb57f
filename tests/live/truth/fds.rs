//! Tables of fds: what `/proc` says is open, and what the state knows.

use std::{collections::BTreeMap, fs::File, io, ops::ControlFlow, path::Path};

use scap::{
    event::bytes::BufferFormat,
    fields::{Context, Session, TimeFormat},
    replay::{self, EventSink, NativeSource},
    state::{FdInfo, FdKind},
};

use super::{Question, link, proc, sockets};

/// An fd in `/proc`.
#[derive(Debug)]
pub(super) struct FdTruth {
    /// Where its link points.
    pub(super) link: String,
    /// As in `fdinfo`: how it was opened, `O_CLOEXEC` among it.
    flags: u32,
    /// For an internet socket: `FIELD=` as `fd.name` has it, from the end of whoever has the fd.
    socket: Option<sockets::Entry>,
}

/// What the state knows of a thread's fds.
pub(super) type Table = BTreeMap<i64, FdInfo>;

const O_CLOEXEC: u32 = 0o200_0000;

/// The open fds of a thread.
pub(super) fn of(tid: i64) -> BTreeMap<i64, FdTruth> {
    let mut sockets = None;
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{tid}/fd"))
        .unwrap()
        .flatten()
    {
        let name = entry.file_name().into_string().unwrap();
        let Some(link) = link(tid, &format!("fd/{name}")) else {
            continue;
        };
        let info = proc(tid, &format!("fdinfo/{name}"));
        let flags = info.lines().find_map(|l| l.strip_prefix("flags:")).unwrap();
        let inode = link
            .strip_prefix("socket:[")
            .and_then(|l| l.strip_suffix(']'));
        let socket = inode.and_then(|inode| {
            let all = sockets.get_or_insert_with(|| sockets::all(tid));
            all.get(&inode.parse().unwrap()).cloned()
        });
        let truth = FdTruth {
            flags: u32::from_str_radix(flags.trim(), 8).unwrap(),
            socket,
            link,
        };
        found.insert(name.parse().unwrap(), truth);
    }
    found
}

/// The state's tables at the events of the questions, by number of event.
pub(super) fn tables(capture: &Path, questions: &[Question]) -> BTreeMap<u64, Table> {
    struct Tables(BTreeMap<u64, Table>);
    impl EventSink for Tables {
        fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
            if let Some(table) = self.0.get_mut(&cx.event.num.0) {
                let fds = cx.view.state().fds(cx.event.tid);
                table.extend(fds.map(|(fd, info)| (fd, info.clone())));
            }
            Ok(ControlFlow::Continue(()))
        }
    }
    let mut sink = Tables(questions.iter().map(|q| (q.number, Table::new())).collect());
    let mut source = NativeSource::new(File::open(capture).unwrap()).unwrap();
    let session = Session::new(None, BufferFormat::Dots, TimeFormat::Human);
    replay::replay_all(&mut source, session, &mut sink).unwrap();
    sink.0
}

/// What the kernel calls the kinds without a path.
const ANONYMOUS: &[(&str, FdKind)] = &[
    ("anon_inode:[eventfd]", FdKind::Event),
    ("anon_inode:[eventpoll]", FdKind::Epoll),
    ("anon_inode:[signalfd]", FdKind::Signal),
    ("anon_inode:[timerfd]", FdKind::Timer),
    ("anon_inode:inotify", FdKind::Inotify),
    ("anon_inode:[pidfd]", FdKind::Pidfd),
    ("anon_inode:[io_uring]", FdKind::IoUring),
    ("anon_inode:[userfaultfd]", FdKind::Userfault),
    ("anon_inode:bpf-map", FdKind::Bpf),
];

/// Where the two differ, `fd N: …` each.
pub(super) fn differences(truth: &BTreeMap<i64, FdTruth>, state: &Table) -> Vec<String> {
    let mut wrong = Vec::new();
    for (fd, truth) in truth {
        let Some(info) = state.get(fd) else {
            wrong.push(format!("fd {fd}: not known, but it is {}", truth.link));
            continue;
        };
        if let Some(what) = difference(truth, info) {
            wrong.push(format!("fd {fd}: {what}, but it is {truth:?}"));
        }
        if info.cloexec != (truth.flags & O_CLOEXEC != 0) {
            wrong.push(format!(
                "fd {fd}: close-on-exec {}, but it is {truth:?}",
                info.cloexec
            ));
        }
    }
    for fd in state.keys().filter(|fd| !truth.contains_key(fd)) {
        wrong.push(format!(
            "fd {fd}: is closed, but the state knows {:?}",
            state[fd]
        ));
    }
    wrong
}

fn difference(truth: &FdTruth, info: &FdInfo) -> Option<String> {
    let link = truth.link.as_str();
    let name = String::from_utf8_lossy(&info.name);
    let is = |kind: &[FdKind]| (!kind.contains(&info.kind)).then(|| format!("{:?}", info.kind));
    if let Some(socket) = &truth.socket {
        return socket.difference(info);
    }
    if link.starts_with("socket:") {
        return is(&[FdKind::Ipv4, FdKind::Ipv6, FdKind::Unix, FdKind::Netlink]);
    }
    if let Some(inode) = link.strip_prefix("pipe:[") {
        let same = inode.strip_suffix(']') == Some(&info.ino.to_string());
        return is(&[FdKind::Pipe]).or_else(|| (!same).then(|| format!("pipe {}", info.ino)));
    }
    if let Some(memfd) = link.strip_prefix("/memfd:") {
        let same = memfd.strip_suffix(" (deleted)") == Some(&name);
        return is(&[FdKind::Memfd]).or_else(|| (!same).then(|| name.into_owned()));
    }
    if link.starts_with("anon_inode:") {
        let known = ANONYMOUS.iter().find(|(start, _)| link.starts_with(start));
        return match known {
            Some((_, kind)) => is(&[*kind]),
            None => is(&[FdKind::Unsupported, FdKind::Unknown]),
        };
    }
    let path = link.strip_suffix(" (deleted)").unwrap_or(link);
    (path != name).then(|| format!("{name:?} ({:?})", info.kind))
}
