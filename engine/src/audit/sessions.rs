//! Which `kubectl exec` started which processes: requests in the audit log joined to processes in containers.
//!
//! A runtime starts the command of an exec from outside of the container; the first program of such a process is an
//! *exec root*. The audit log knows pod, container and command of the request. The two are one session if all of them
//! are equal and the times fit, after correction for the difference between the clocks of API server and node, which
//! is estimated from the pairs themselves. A root without a request is a finding of its own: an exec on the node, a
//! probe, or a way around the API server.

use hashbrown::HashMap;

use super::event::timestamp;
use super::json::{Json, Kind};
use super::{summary, uri};

/// Most requests, and most roots, that are kept.
const MAX: usize = 1 << 18;
/// Most pairs of a request and a root that are compared: where all are of one pod, each fits to each.
const MAX_COMPARED: usize = 1 << 22;
/// The largest difference between clocks that is looked for.
const MAX_SKEW_NS: u64 = 60_000_000_000;
/// How long after the API server's answer the command begins at the latest.
const LATE_NS: u64 = 5_000_000_000;
/// How long before the request was received it can begin: the estimate of the clocks is not exact.
const EARLY_NS: u64 = 1_000_000_000;

/// An exec in the audit log, from all of its stages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// Its audit id.
    pub id: Vec<u8>,
    /// The user.
    pub user: Vec<u8>,
    /// The user's groups, each followed by a NUL.
    pub groups: Vec<u8>,
    /// The last of the source addresses.
    pub source_ip: Option<Vec<u8>>,
    /// Whom the user acted as.
    pub impersonated_user: Option<Vec<u8>>,
    /// The id of the user's token or certificate.
    pub credential: Option<Vec<u8>>,
    namespace: Vec<u8>,
    pod: Vec<u8>,
    container: Option<Vec<u8>>,
    /// The words of the command, each followed by a NUL.
    words: Vec<u8>,
    received: u64,
    started: Option<u64>,
    code: Option<u64>,
}

impl ExecRequest {
    /// Reads one stage of an exec; `None` for all other events.
    fn of(event: Json<'_, '_>) -> Option<Self> {
        if !summary::is_of_subresource(event, &["exec"]) {
            return None;
        }
        let bytes = |value: Json<'_, '_>| {
            let mut out = Vec::new();
            value.write(&mut out);
            out
        };
        let at = |keys: &[&str]| event.path(keys).map(bytes);
        let mut groups = Vec::new();
        for group in event
            .path(&["user", "groups"])
            .into_iter()
            .flat_map(Json::items)
        {
            group.write(&mut groups);
            groups.push(0);
        }
        let mut words = Vec::new();
        summary::each_word(event, |word| {
            uri::decode(&mut words, word);
            words.push(0);
        });
        let container = summary::with_uri(event, |uri| {
            let value = uri::values(uri, "container").next()?;
            let mut out = Vec::new();
            uri::decode(&mut out, value);
            Some(out)
        });
        let is_started = event.get("stage").and_then(Json::text);
        let is_started = is_started.is_some_and(|stage| stage.is("ResponseStarted"));
        let credential = [
            "user",
            "extra",
            "authentication.kubernetes.io/credential-id",
        ];
        let credential = event
            .path(&credential)
            .and_then(|values| values.items().next());
        let code = event.path(&["responseStatus", "code"]);
        let code = code.filter(|code| code.kind() == Kind::Scalar);
        let time = event.get("stageTimestamp").and_then(timestamp)?;
        Some(Self {
            id: at(&["auditID"])?,
            user: at(&["user", "username"]).unwrap_or_default(),
            groups,
            source_ip: event
                .get("sourceIPs")
                .and_then(|ips| ips.items().last())
                .map(bytes),
            impersonated_user: at(&["impersonatedUser", "username"]),
            credential: credential.map(bytes),
            namespace: at(&["objectRef", "namespace"])?,
            pod: at(&["objectRef", "name"])?,
            container: container.flatten().filter(|name| !name.is_empty()),
            words,
            received: event
                .get("requestReceivedTimestamp")
                .and_then(timestamp)
                .unwrap_or(time),
            started: is_started.then_some(time),
            code: code.and_then(|code| std::str::from_utf8(code.raw()).ok()?.parse().ok()),
        })
    }

    /// When the command began, by the clock of the API server, as far as it is known.
    fn begun(&self) -> u64 {
        self.started.unwrap_or(self.received)
    }

    /// Whether the API server did not refuse it.
    fn may_have_run(&self) -> bool {
        matches!(self.code, None | Some(101 | 200))
    }
}

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
    /// The process.
    pub process: ProcessKey,
    /// When it executed the program.
    pub time: u64,
    /// Its command line, each word followed by a NUL; `None` if it is not known.
    pub words: Option<Vec<u8>>,
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

/// Finds the requests and roots of sessions.
#[derive(Debug, Default)]
pub struct Finder {
    requests: HashMap<(Vec<u8>, Vec<u8>, u64), ExecRequest>,
    roots: Vec<ExecRoot>,
    left_out: u64,
}

impl Finder {
    /// Takes an audit event.
    pub fn request(&mut self, event: Json<'_, '_>) {
        let Some(stage) = ExecRequest::of(event) else {
            return;
        };
        // A client can choose the id.
        let key = (stage.id.clone(), stage.user.clone(), stage.received);
        if self.requests.len() >= MAX && !self.requests.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        let known = self.requests.entry(key).or_insert_with(|| stage.clone());
        known.started = known.started.or(stage.started);
        known.code = known.code.or(stage.code);
    }

    /// Takes a root.
    pub fn root(&mut self, root: ExecRoot) {
        match self.roots.len() < MAX {
            true => self.roots.push(root),
            false => self.left_out += 1,
        }
    }

    /// Returns the roots, whose places can be completed.
    pub fn roots_mut(&mut self) -> &mut [ExecRoot] {
        &mut self.roots
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
        let sessions = roots
            .into_iter()
            .zip(of_root)
            .map(|(root, request)| ExecSession {
                root,
                request: request
                    .map(|(request, confidence)| (requests[request].clone(), confidence)),
            });
        let list: Vec<ExecSession> = sessions.collect();
        let by_root = list.iter().enumerate();
        let by_root = by_root.map(|(index, session)| (session.root.process, index));
        ExecSessions {
            by_root: by_root.collect(),
            list,
            skew,
            left_out: self.left_out + left_out as u64,
        }
    }
}

/// Requests of roots.
struct Pairs {
    /// The request of each root.
    of_root: Vec<Option<(usize, Confidence)>>,
    /// The estimate of the clocks.
    skew: Option<i64>,
    /// Requests that were not looked at.
    left_out: usize,
}

/// Finds the requests of roots.
fn pair(requests: &[ExecRequest], roots: &[ExecRoot]) -> Pairs {
    let mut by_pod: HashMap<(&[u8], &[u8]), Vec<usize>> = HashMap::new();
    for (index, root) in roots.iter().enumerate() {
        if let Some([namespace, pod, _]) = &root.place {
            by_pod.entry((namespace, pod)).or_default().push(index);
        }
    }
    let pairs = |accept: &dyn Fn(&ExecRequest, &ExecRoot) -> bool| {
        let mut pairs = Vec::new();
        let mut compared = 0;
        for (at, request) in requests.iter().enumerate() {
            let pod = (&*request.namespace, &*request.pod);
            let candidates = by_pod.get(&pod).map_or(&[][..], Vec::as_slice);
            compared += candidates.len();
            if compared > MAX_COMPARED {
                return (pairs, requests.len() - at);
            }
            for root in candidates.iter().copied() {
                if accept(request, &roots[root])
                    && let Some(confidence) = confidence(request, &roots[root])
                {
                    pairs.push((confidence, at, root));
                }
            }
        }
        (pairs, 0)
    };
    let is_near =
        |request: &ExecRequest, root: &ExecRoot| request.begun().abs_diff(root.time) <= MAX_SKEW_NS;
    let skew = skew(requests, roots, &pairs(&is_near).0);
    let corrected = |root: &ExecRoot| root.time.saturating_add_signed(-skew.unwrap_or(0));
    let (mut fitting, left_out) = pairs(&|request, root| {
        let time = corrected(root);
        time.saturating_add(EARLY_NS) >= request.received && time <= request.begun() + LATE_NS
    });
    fitting.sort_by_key(|(confidence, request, root)| {
        let distance = requests[*request]
            .begun()
            .abs_diff(corrected(&roots[*root]));
        (std::cmp::Reverse(*confidence), distance, *request, *root)
    });
    let mut of_root: Vec<Option<(usize, Confidence)>> = vec![None; roots.len()];
    let mut is_used = vec![false; requests.len()];
    for (confidence, request, root) in fitting {
        if of_root[root].is_none() && !is_used[request] {
            of_root[root] = Some((request, confidence));
            is_used[request] = true;
        }
    }
    Pairs {
        of_root,
        skew,
        left_out,
    }
}

/// Says how well a request and a root of the same pod fit, apart from their times; `None` if not at all.
fn confidence(request: &ExecRequest, root: &ExecRoot) -> Option<Confidence> {
    let [_, _, container] = root.place.as_ref()?;
    if request
        .container
        .as_ref()
        .is_some_and(|wanted| wanted != container)
    {
        return None;
    }
    let Some(words) = &root.words else {
        return Some(Confidence::Likely);
    };
    // A runtime can have resolved a symbolic link.
    let rest = |words: &[u8]| memchr::memchr(0, words).map(|at| words[at..].to_vec());
    let is_same = *words == request.words;
    if !is_same && (rest(words) != rest(&request.words) || rest(words).is_none_or(|r| r == b"\0")) {
        return None;
    }
    Some(match is_same && request.container.is_some() {
        true => Confidence::Certain,
        false => Confidence::Likely,
    })
}

/// Estimates by how much the clock of the nodes is ahead of that of the API server: the median of the certain pairs of
/// which neither fits to anything else, or, without such, of the nearest ones.
fn skew(
    requests: &[ExecRequest],
    roots: &[ExecRoot],
    pairs: &[(Confidence, usize, usize)],
) -> Option<i64> {
    let certain = pairs.iter().filter(|(c, ..)| *c == Confidence::Certain);
    let certain: Vec<(usize, usize)> = certain.map(|(_, q, r)| (*q, *r)).collect();
    let mut of_request = vec![0_u32; requests.len()];
    let mut of_root = vec![0_u32; roots.len()];
    for (request, root) in &certain {
        of_request[*request] += 1;
        of_root[*root] += 1;
    }
    let ahead = |(request, root): &(usize, usize)| {
        roots[*root].time.cast_signed() - requests[*request].begun().cast_signed()
    };
    let is_alone =
        |(request, root): &&(usize, usize)| of_request[*request] == 1 && of_root[*root] == 1;
    let mut differences: Vec<i64> = certain.iter().filter(is_alone).map(ahead).collect();
    if differences.is_empty() {
        let mut nearest: HashMap<usize, i64> = HashMap::new();
        for pair in &certain {
            let ahead = ahead(pair);
            let best = nearest.entry(pair.0).or_insert(ahead);
            if ahead.unsigned_abs() < best.unsigned_abs() {
                *best = ahead;
            }
        }
        differences = nearest.into_values().collect();
    }
    differences.sort_unstable();
    differences.get(differences.len() / 2).copied()
}

/// The sessions of captures and audit logs.
#[derive(Debug, Default)]
pub struct ExecSessions {
    list: Vec<ExecSession>,
    by_root: HashMap<ProcessKey, usize>,
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

    /// Returns by how many nanoseconds the nodes' clock is ahead of the API server's; `None` without any certain pair.
    pub fn skew(&self) -> Option<i64> {
        self.skew
    }

    /// Returns how many requests and roots were left out, for lack of memory.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::Document;
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    /// 2026-07-21T15:25:11Z
    const START: u64 = 1_784_647_511 * SECOND;

    /// One stage of an exec.
    fn stage(finder: &mut Finder, id: &str, stage: &str, ms: u64, code: u64, query: &str) {
        let time = |ms: u64| {
            format!(
                "2026-07-21T15:{:02}:{:02}.{:03}Z",
                25 + (11 + ms / 1000) / 60,
                (11 + ms / 1000) % 60,
                ms % 1000
            )
        };
        let text = format!(
            r#"{{"auditID":"{id}","stage":"{stage}","user":{{"username":"user-{id}","groups":["a","b"]}},
            "sourceIPs":["x","192.0.2.1"],"requestURI":"/exec?{query}","responseStatus":{{"code":{code}}},
            "objectRef":{{"namespace":"shop","name":"web","subresource":"exec"}},
            "requestReceivedTimestamp":"{}","stageTimestamp":"{}"}}"#,
            time(ms),
            time(ms + 50),
        );
        let mut document = Document::default();
        document.parse(text.as_bytes()).unwrap();
        finder.request(document.root(text.as_bytes()).unwrap());
    }

    fn started(finder: &mut Finder, id: &str, ms: u64, query: &str) {
        stage(finder, id, "ResponseStarted", ms, 101, query);
    }

    fn root(finder: &mut Finder, pid: i64, ms: u64, container: &str, words: &str) {
        finder.root(ExecRoot {
            process: ProcessKey {
                pid,
                ..ProcessKey::default()
            },
            time: START + ms * (SECOND / 1000),
            words: Some(
                words
                    .split(' ')
                    .flat_map(|w| [w.as_bytes(), b"\0"].concat())
                    .collect(),
            ),
            place: Some([
                b"shop".to_vec(),
                b"web".to_vec(),
                container.as_bytes().to_vec(),
            ]),
        });
    }

    /// Pid, audit id and confidence of each session; `-` without a request.
    fn joined(finder: Finder) -> (String, Option<i64>) {
        let sessions = finder.join();
        let shown = sessions.list().iter().map(|session| {
            let pid = session.root.process.pid;
            match &session.request {
                None => format!("{pid}:-"),
                Some((request, confidence)) => {
                    format!(
                        "{pid}:{}:{confidence:?}",
                        String::from_utf8_lossy(&request.id)
                    )
                }
            }
        });
        let shown: Vec<String> = shown.collect();
        (shown.join(" "), sessions.skew())
    }

    #[test]
    fn equal_commands_are_told_apart_by_time() {
        let mut finder = Finder::default();
        for (id, ms) in [("a", 0), ("b", 10_000), ("c", 20_000)] {
            started(
                &mut finder,
                id,
                ms,
                "command=sh&command=-c&command=id&container=app",
            );
        }
        for (pid, ms) in [(3, 20_160), (1, 150), (2, 10_150)] {
            root(&mut finder, pid, ms, "app", "sh -c id");
        }
        let (found, skew) = joined(finder);
        assert_eq!(found, "3:c:Certain 1:a:Certain 2:b:Certain");
        assert_eq!(skew, Some(100_000_000));
    }

    #[test]
    fn clocks_may_differ() {
        for skew_ms in [3000_i64, -3000, 45_000] {
            let mut finder = Finder::default();
            for (id, ms) in [("a", 60_000), ("b", 62_000)] {
                started(&mut finder, id, ms, &format!("command={id}&container=app"));
            }
            for (pid, ms, word) in [(1, 60_050, "a"), (2, 62_050, "b")] {
                root(
                    &mut finder,
                    pid,
                    (ms + skew_ms).cast_unsigned(),
                    "app",
                    word,
                );
            }
            let (found, skew) = joined(finder);
            assert_eq!(found, "1:a:Certain 2:b:Certain", "{skew_ms}");
            assert_eq!(skew, Some(skew_ms * 1_000_000));
        }
    }

    #[test]
    fn what_does_not_fit_has_no_partner() {
        let mut finder = Finder::default();
        started(&mut finder, "a", 0, "command=sh&container=app");
        // Refused, for another container, another command, much later, and a probe.
        stage(
            &mut finder,
            "no",
            "ResponseStarted",
            30_000,
            403,
            "command=ls&container=app",
        );
        root(&mut finder, 1, 100, "app", "sh");
        root(&mut finder, 2, 120, "sidecar", "sh");
        root(&mut finder, 3, 130, "app", "cat /healthy");
        root(&mut finder, 4, 30_060, "app", "ls");
        root(&mut finder, 5, 50_000, "app", "sh");
        assert_eq!(joined(finder).0, "1:a:Certain 2:- 3:- 4:- 5:-");
    }

    #[test]
    fn less_is_known_of_some() {
        let mut finder = Finder::default();
        started(&mut finder, "a", 0, "command=sh");
        started(
            &mut finder,
            "b",
            5000,
            "command=/bin/awk&command=x&container=app",
        );
        // All stages of one request are one, whatever their order.
        stage(
            &mut finder,
            "c",
            "ResponseComplete",
            10_000,
            101,
            "command=ls&container=app",
        );
        started(&mut finder, "c", 10_000, "command=ls&container=app");
        root(&mut finder, 1, 60, "app", "sh");
        root(&mut finder, 2, 5060, "app", "/usr/bin/mawk x");
        root(&mut finder, 3, 10_060, "app", "ls");
        root(&mut finder, 4, 10_070, "app", "ls");
        finder.root(ExecRoot::default());
        assert_eq!(
            joined(finder).0,
            "1:a:Likely 2:b:Likely 3:c:Certain 4:- 0:-"
        );
    }

    #[test]
    fn who_it_was() {
        let mut finder = Finder::default();
        started(&mut finder, "a", 0, "command=sh&container=app");
        root(&mut finder, 1, 60, "app", "sh");
        let sessions = finder.join();
        let (request, _) = sessions.list()[0].request.clone().unwrap();
        assert_eq!(request.user, b"user-a");
        assert_eq!(request.groups, b"a\0b\0");
        assert_eq!(request.source_ip.as_deref(), Some(&b"192.0.2.1"[..]));
        assert!(
            sessions
                .of(&ProcessKey {
                    pid: 1,
                    ..ProcessKey::default()
                })
                .is_some()
        );
        assert!(sessions.of(&ProcessKey::default()).is_none());
    }
}
