//! Finds the sessions of `kubectl exec`, and the processes that call the API server, in a pass over captures and audit
//! logs.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashSet;
use scap_capture_format::native::OriginId;
use scap_capture_format::schema::{EventType, types};

use super::indexed::{self, IndexedCapture, IndexedCaptureError};
use super::{
    EventSink, EventSource, NativeSource, Needs, OriginState, Pipeline, ReplayError, Selection,
};
use crate::audit::sessions::{ApiClient, ExecRoot, ExecSessions, Finder, ProcessKey, api_server};
use crate::audit::{is_audit, plugin_data};
use crate::event::EventExt as _;
use crate::fields::{Context, Session, command_line};
use crate::filter::TypeSet;
use crate::state::{FdInfo, Role, Thread, View};

/// Most containers of which it is remembered that they had processes.
const MAX_CONTAINERS: usize = 1 << 18;
/// Most bytes of a command line that are kept.
const MAX_COMMAND: usize = 1 << 12;

/// Returns a capture with the sessions in it. Reads all of it.
///
/// # Errors
///
/// If the file cannot be read; [`IndexedCaptureError::Stopped`] once `stop` is set.
pub fn with_exec_sessions(
    capture: &IndexedCapture,
    stop: &Arc<AtomicBool>,
) -> Result<IndexedCapture, IndexedCaptureError> {
    let open = || indexed::open(capture.path());
    let mut source = NativeSource::new(open()?)?;
    source.preload_containers(open()?)?;
    let found = find(&mut source, Arc::clone(stop)).map_err(|error| match error {
        ReplayError::Read(error) => error.into(),
        ReplayError::Sink(error) => IndexedCaptureError::Capture(error.into()),
    })?;
    match stop.load(Ordering::Relaxed) {
        true => Err(IndexedCaptureError::Stopped),
        false => capture.with_sessions(Arc::new(found)),
    }
}

/// Replays a source to find the sessions in it.
///
/// # Errors
///
/// As [`Pipeline::run`].
pub fn exec_sessions(source: &mut dyn EventSource) -> Result<ExecSessions, ReplayError> {
    find(source, Arc::default())
}

fn find(source: &mut dyn EventSource, stop: Arc<AtomicBool>) -> Result<ExecSessions, ReplayError> {
    source.set_needs(&Needs {
        types: TypeSet::of(|ty| {
            let others = [
                types::PLUGINEVENT_E,
                types::SOCKET_CONNECT_X,
                types::PROCEXIT_1_E,
            ];
            is_exec(ty) || others.contains(&ty)
        }),
        data: false,
        verifies: true,
    });
    let mut collector = Collector {
        stop,
        ..Collector::default()
    };
    let mut pipeline = Pipeline::new(Session::default(), source.origins(), Selection::default());
    pipeline.run(source, &mut collector)?;
    let mut finder = collector.finder;
    // A runtime may have described a container after its processes began.
    finder
        .locate(|origin, container| place(pipeline.origins().get(usize::from(origin))?, container));
    Ok(finder.join())
}

fn is_exec(ty: EventType) -> bool {
    matches!(ty, types::SYSCALL_EXECVE_19_X | types::SYSCALL_EXECVEAT_X)
}

/// Takes requests and roots.
#[derive(Default)]
struct Collector {
    finder: Finder,
    /// Containers that had a process. The first one is the container's own.
    begun: HashSet<(OriginId, Box<[u8]>)>,
    /// Roots, so that a process is one only once.
    seen: HashSet<ProcessKey>,
    /// The result is no longer wanted.
    stop: Arc<AtomicBool>,
}

impl Collector {
    fn exec(&mut self, cx: &Context<'_>) {
        let origin = cx.session.origin.unwrap_or_default();
        let Some((main, container)) = executed(cx.view) else {
            return;
        };
        if is_runtime(main) {
            return;
        }
        let is_main = self.begin(origin, container);
        let process = key(origin, main);
        let is_root = is_main || is_from_outside(cx.view, main);
        if !is_root || !self.seen.insert(process) {
            return;
        }
        let words = main.exe.as_deref().zip(main.args.as_deref());
        // A command line that was cut lacks its last NUL.
        let words = words.filter(|(_, args)| args.is_empty() || args.ends_with(b"\0"));
        self.finder.root(ExecRoot {
            is_main,
            process,
            time: cx.event.ts.0,
            words: words.map(|(exe, args)| [exe, b"\0", args].concat()),
            container: container.to_vec(),
            place: None,
        });
    }

    /// Takes a process in a container if it is connected to the API server.
    fn connection(&mut self, origin: OriginId, main: &Thread, fd: &FdInfo, from: u64) {
        let container = main.container.as_deref();
        let server = fd.ends.filter(|_| fd.role != Role::Server);
        let (Some(container), Some((_, server))) = (container, server) else {
            return;
        };
        if main.env.as_deref().and_then(api_server) != Some((server.ip(), server.port())) {
            return;
        }
        let texts = [&main.exe, &main.comm, &main.args];
        let [exe, comm, args] = texts.map(|text| text.as_deref());
        let mut command = Vec::new();
        command_line(&mut command, exe, comm, args, MAX_COMMAND);
        self.finder.client(ApiClient {
            process: key(origin, main),
            name: comm.unwrap_or_default().to_vec(),
            command,
            container: container.to_vec(),
            place: None,
            from,
            to: u64::MAX,
        });
    }

    /// Records that a container has a process; returns whether it is the first one.
    fn begin(&mut self, origin: OriginId, container: &[u8]) -> bool {
        let container = (origin, Box::from(container));
        self.begun.len() < MAX_CONTAINERS && self.begun.insert(container)
    }
}

impl EventSink for Collector {
    fn begin(&mut self, origins: &mut [OriginState]) -> io::Result<()> {
        for own in origins {
            let origin = own.session.origin.unwrap_or_default();
            for thread in own.state.threads() {
                let Some(container) = thread.container.as_deref() else {
                    continue;
                };
                self.begin(origin, container);
                for (_, fd) in own.state.fds(thread.tid).filter(|_| thread.is_main()) {
                    self.connection(origin, thread, fd, 0);
                }
                // Input can be sent to it.
                if thread.vpid == 1 && thread.is_main() {
                    self.finder.root(ExecRoot {
                        is_main: true,
                        process: key(origin, thread),
                        container: container.to_vec(),
                        ..ExecRoot::default()
                    });
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        let ty = cx.view.full().ty;
        if is_exec(ty) && cx.event.result() == Some(0) {
            self.exec(cx);
        } else if ty == types::SOCKET_CONNECT_X {
            let main = cx.view.thread().and_then(|thread| cx.view.main(thread));
            if let (Some(main), Some(fd)) = (main, cx.view.fd_info()) {
                let origin = cx.session.origin.unwrap_or_default();
                self.connection(origin, main, fd, cx.event.ts.0);
            }
        } else if ty == types::PROCEXIT_1_E {
            if let Some(main) = cx.view.thread().filter(|thread| thread.is_main()) {
                let origin = cx.session.origin.unwrap_or_default();
                self.finder.ended(&key(origin, main), cx.event.ts.0);
            }
        } else if is_audit(cx.event)
            && let Some(text) = plugin_data(cx.event)
            && let Some(event) = cx.session.document.borrow_mut().of(cx.event, text)
        {
            self.finder.request(event);
        }
        Ok(match self.stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }

    fn hidden(&mut self, cx: &Context<'_>) -> io::Result<()> {
        // A filtered capture keeps it for the state.
        self.event(cx).map(|_| ())
    }
}

/// Returns the process of an event that executed a program in a container, and the container.
fn executed<'s>(view: &View<'s>) -> Option<(&'s Thread, &'s [u8])> {
    let main = view.main(view.thread()?)?;
    Some((main, main.container.as_deref()?))
}

/// Whether a process is still the runtime's: newer ones start in the cgroup of the container, but not in its pid
/// namespace, and execute themselves as `runc init`.
fn is_runtime(main: &Thread) -> bool {
    main.vpid == main.pid.0 && main.args.as_deref() == Some(b"init\0")
}

/// Whether a process of a container was started by one that is not in it, and is not the first of the pid namespace.
fn is_from_outside(view: &View<'_>, main: &Thread) -> bool {
    let parent = view.parent(main);
    let is_init = main.vpid == 1;
    !is_init && parent.is_some_and(|parent| parent.container != main.container)
}

/// Returns what identifies a process.
fn key(origin: OriginId, main: &Thread) -> ProcessKey {
    ProcessKey {
        origin: origin.0,
        pid: main.pid.0,
        start: main.start,
        clone_ts: main.clone_ts,
    }
}

/// Returns namespace, pod and container, as the runtime named them.
fn place(own: &OriginState, container: &[u8]) -> Option<[Vec<u8>; 3]> {
    let labels = own.state.container(container)?.json("labels")?;
    let label = |name: &str| Some(labels.get(name)?.as_str()?.as_bytes().to_vec());
    Some([
        label("io.kubernetes.pod.namespace")?,
        label("io.kubernetes.pod.name")?,
        label("io.kubernetes.container.name")?,
    ])
}
