//! Which `kubectl exec` started which processes: requests in the audit log joined to processes in containers.
//!
//! A runtime starts the command of an exec from outside of the container; the first program of such a process is an
//! *exec root*. The audit log knows pod, container and command of the request. The two are one session if all of them
//! are equal and the times fit, after correction for the difference between the clocks of API server and node, which
//! is estimated from the pairs themselves. An ephemeral container (`kubectl debug`) is joined by its name. A root
//! without a request is a finding of its own: an exec on the node, a
//! probe, or a way around the API server.
//!
//! The other way, requests that processes in pods made are joined to these processes.

mod callers;
mod pairs;
mod request;
#[cfg(test)]
mod tests;

use hashbrown::HashMap;

use super::json::Json;
use callers::Callers;
pub use callers::{ApiClient, api_server, key as pod_key};
use pairs::{Pairs, pair};
pub use request::ExecRequest;
use request::Kind;

/// Most requests, and most roots, that are kept.
const MAX: usize = 1 << 18;
/// Most containers of one pod that are looked at for an attach.
const MAX_MAINS: usize = 1 << 10;
/// Most memory for their texts.
const MAX_BYTES: usize = if cfg!(test) { 1 << 20 } else { 256 << 20 };

/// What tells a process from others with its pid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProcessKey {
    /// The recording.
    pub origin: u16,
    /// The pid.
    pub pid: i64,
    /// Its start time.
    pub start: u64,
    /// The time of its creation in the capture.
    pub clone_ts: u64,
}

/// The first program of a process that was started in a container from outside of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRoot {
    /// It is the first process of its container.
    pub is_main: bool,
    /// The process.
    pub process: ProcessKey,
    /// When it executed the program.
    pub time: u64,
    /// Its command line, each word followed by a NUL; `None` if it is not known.
    pub words: Option<Vec<u8>>,
    /// The id of its container.
    pub container: Vec<u8>,
    /// The namespace of its pod, the pod and the container, as the runtime names them.
    pub place: Option<[Vec<u8>; 3]>,
}

/// How sure it is that a process and a request belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Pod and time are the same, and nothing that is known differs.
    Likely,
    /// Pod, container, command and time are the same.
    Certain,
}

/// The processes of one exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecSession {
    /// The first process.
    pub root: ExecRoot,
    /// The request, if there is one in the audit log.
    pub request: Option<(ExecRequest, Confidence)>,
}

/// What the stages of a request have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RequestKey {
    id: Vec<u8>,
    user: Vec<u8>,
    /// One of the containers of a request for ephemeral ones.
    container: Option<Vec<u8>>,
    received: u64,
}

/// Finds the requests and roots of sessions.
#[derive(Debug, Default)]
pub struct Finder {
    requests: HashMap<RequestKey, ExecRequest>,
    roots: Vec<ExecRoot>,
    clients: Vec<ApiClient>,
    /// The place of each client.
    client_of: HashMap<ProcessKey, usize>,
    /// The memory of their texts.
    bytes: usize,
    left_out: u64,
}

impl Finder {
    /// Takes an audit event.
    pub fn request(&mut self, event: Json<'_, '_>) {
        let Some(stage) = ExecRequest::of(event) else {
            return;
        };
        if stage.kind != Kind::Container {
            return self.stage(stage);
        }
        // Old clients send another object.
        let lists = [
            event.path(&["requestObject", "spec", "ephemeralContainers"]),
            event.path(&["requestObject", "ephemeralContainers"]),
        ];
        for container in lists.into_iter().flatten().flat_map(Json::items) {
            let mut name = Vec::new();
            if let Some(text) = container.get("name") {
                text.write(&mut name);
            }
            self.stage(ExecRequest {
                container: Some(name),
                ..stage.clone()
            });
        }
    }

    fn stage(&mut self, stage: ExecRequest) {
        // A client can choose the id.
        let key = RequestKey {
            id: stage.id.clone(),
            user: stage.user.clone(),
            container: stage
                .container
                .clone()
                .filter(|_| stage.kind == Kind::Container),
            received: stage.received,
        };
        if !self.requests.contains_key(&key)
            && (self.requests.len() >= MAX || !self.has_room(2 * stage.bytes()))
        {
            self.left_out += 1;
            return;
        }
        let (started, completed, code) = (stage.started, stage.completed, stage.code);
        let known = self.requests.entry(key).or_insert(stage);
        known.started = known.started.or(started);
        known.completed = known.completed.or(completed);
        known.code = known.code.or(code);
    }

    /// Takes a root.
    pub fn root(&mut self, root: ExecRoot) {
        let bytes = root.words.as_ref().map_or(0, Vec::len);
        match self.roots.len() < MAX && self.has_room(bytes) {
            true => self.roots.push(root),
            false => self.left_out += 1,
        }
    }

    /// Takes a process that connected to the API server, for the first time.
    pub fn client(&mut self, client: ApiClient) {
        if self.client_of.contains_key(&client.process) {
            return;
        }
        match self.clients.len() < MAX && self.has_room(client.bytes()) {
            true => {
                self.client_of.insert(client.process, self.clients.len());
                self.clients.push(client);
            }
            false => self.left_out += 1,
        }
    }

    /// Takes the end of a process.
    pub fn ended(&mut self, process: &ProcessKey, time: u64) {
        if let Some(index) = self.client_of.get(process) {
            self.clients[*index].to = time;
        }
    }

    /// Takes some memory, if there is as much.
    fn has_room(&mut self, bytes: usize) -> bool {
        let all = self.bytes.saturating_add(bytes);
        let has_room = all <= MAX_BYTES;
        if has_room {
            self.bytes = all;
        }
        has_room
    }

    /// Completes the places of roots and clients, from the recording and the container of each.
    pub fn locate(&mut self, place: impl Fn(u16, &[u8]) -> Option<[Vec<u8>; 3]>) {
        for root in &mut self.roots {
            root.place = place(root.process.origin, &root.container);
        }
        for client in &mut self.clients {
            client.place = place(client.process.origin, &client.container);
        }
    }

    /// Joins requests and roots.
    pub fn join(self) -> ExecSessions {
        let mut requests: Vec<ExecRequest> = self.requests.into_values().collect();
        requests.retain(ExecRequest::may_have_run);
        requests.sort_by(|a, b| (a.begun(), &a.id).cmp(&(b.begun(), &b.id)));
        let roots = self.roots;
        let Pairs {
            of_root,
            skew,
            left_out,
        } = pair(&requests, &roots);
        let attached = attach(&requests, &roots, skew.unwrap_or(0));
        let sessions = roots
            .into_iter()
            .zip(of_root)
            .map(|(root, request)| ExecSession {
                root,
                request: request
                    .map(|(request, confidence)| (requests[request].clone(), confidence)),
            });
        // A container's own process needs no request.
        let is_one = |session: &ExecSession| !session.root.is_main || session.request.is_some();
        let list: Vec<ExecSession> = sessions.filter(is_one).collect();
        let by_root = list.iter().enumerate();
        let by_root = by_root.map(|(index, session)| (session.root.process, index));
        let (callers, more_left_out) = Callers::new(self.clients);
        ExecSessions {
            callers,
            by_root: by_root.collect(),
            attached,
            list,
            skew,
            left_out: self.left_out + (left_out + more_left_out) as u64,
        }
    }
}

/// Input that was sent to the process of a container.
#[derive(Debug)]
struct Attachment {
    from: u64,
    to: u64,
    request: ExecRequest,
}

/// Finds the processes that input was sent to. Without the name of a container there has to be only one in the pod.
fn attach(
    requests: &[ExecRequest],
    roots: &[ExecRoot],
    skew: i64,
) -> HashMap<ProcessKey, Vec<Attachment>> {
    let mut by_pod: HashMap<(&[u8], &[u8]), Vec<&ExecRoot>> = HashMap::new();
    for root in roots.iter().filter(|root| root.is_main) {
        if let Some([namespace, pod, _]) = &root.place {
            by_pod.entry((namespace, pod)).or_default().push(root);
        }
    }
    let mut found: HashMap<ProcessKey, Vec<Attachment>> = HashMap::new();
    for request in requests.iter().filter(|r| r.kind == Kind::Attach) {
        let pod = (&*request.namespace, &*request.pod);
        let mains = by_pod.get(&pod).map_or(&[][..], Vec::as_slice);
        let to = request
            .completed
            .map_or(u64::MAX, |end| end.saturating_add_signed(skew));
        let is_meant = |root: &&&ExecRoot| {
            let name = root.place.as_ref().map(|[_, _, container]| container);
            root.time <= to
                && match &request.container {
                    Some(wanted) => name == Some(wanted),
                    None => mains.len() == 1,
                }
        };
        // Of a container that was started again, the latest.
        if let Some(root) = mains
            .iter()
            .take(MAX_MAINS)
            .filter(is_meant)
            .max_by_key(|r| r.time)
        {
            found.entry(root.process).or_default().push(Attachment {
                from: request.begun().saturating_add_signed(skew),
                to,
                request: request.clone(),
            });
        }
    }
    found
}

/// The sessions of captures and audit logs.
#[derive(Debug, Default)]
pub struct ExecSessions {
    list: Vec<ExecSession>,
    by_root: HashMap<ProcessKey, usize>,
    attached: HashMap<ProcessKey, Vec<Attachment>>,
    callers: Callers,
    skew: Option<i64>,
    left_out: u64,
}

impl ExecSessions {
    /// Returns the sessions, in the order of their roots.
    pub fn list(&self) -> &[ExecSession] {
        &self.list
    }

    /// Returns the session whose first process this is.
    pub fn of(&self, process: &ProcessKey) -> Option<&ExecSession> {
        self.list.get(*self.by_root.get(process)?)
    }

    /// Returns the request that sends input to a process at a time.
    pub fn attached(&self, process: &ProcessKey, time: u64) -> Option<&ExecRequest> {
        let all = self.attached.get(process)?;
        let found = all.iter().find(|one| (one.from..=one.to).contains(&time))?;
        Some(&found.request)
    }

    /// Returns the process in a pod ([`pod_key`]) that made a request at a time by the API server's clock, as a program
    /// that called itself `agent`.
    pub fn caller(&self, pod: &[u8], time: u64, agent: &[u8]) -> Option<(&ApiClient, Confidence)> {
        let time = time.saturating_add_signed(self.skew.unwrap_or(0));
        self.callers.find(pod, time, agent)
    }

    /// Returns by how many nanoseconds the nodes' clock is ahead of the API server's; `None` without any certain pair.
    pub fn skew(&self) -> Option<i64> {
        self.skew
    }

    /// Returns how many requests and processes were left out, for lack of memory.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}
