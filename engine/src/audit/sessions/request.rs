//! Requests that start processes in containers, as the audit log has them.

use super::super::event::timestamp;
use super::super::json::{self, Json};
use super::super::{summary, uri};

/// How long after the API server's answer the command begins at the latest.
const LATE_NS: u64 = 5_000_000_000;
/// How long after that an ephemeral container begins at the latest: its image may have to be fetched.
const LATE_CONTAINER_NS: u64 = 300_000_000_000;
/// What a request does in a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Starts a process.
    #[default]
    Exec,
    /// Adds a container.
    Container,
    /// Sends input to the process of a container.
    Attach,
}

/// An exec, an ephemeral container or an attach in the audit log, from all stages of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRequest {
    pub(super) kind: Kind,
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
    /// The namespace of the pod.
    pub namespace: Vec<u8>,
    /// The pod.
    pub pod: Vec<u8>,
    /// The container that it names.
    pub container: Option<Vec<u8>>,
    /// The words of the command, each followed by a NUL.
    pub words: Vec<u8>,
    pub(super) received: u64,
    pub(super) started: Option<u64>,
    /// When it was over, by the clock of the API server.
    pub completed: Option<u64>,
    pub(super) code: Option<u64>,
}

impl ExecRequest {
    /// Reads one stage of such a request; `None` for all other events. Of a request for ephemeral containers, all but
    /// the container.
    pub(super) fn of(event: Json<'_, '_>) -> Option<Self> {
        let is_of = |name: &str| summary::is_of_subresource(event, &[name]);
        let kind = if is_of("exec") {
            Kind::Exec
        } else if is_of("ephemeralcontainers") {
            Kind::Container
        } else if is_of("attach") && summary::is_set(event, "stdin")? {
            Kind::Attach
        } else {
            return None;
        };
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
        let stage = event.get("stage").and_then(Json::text);
        let is_at = |name: &str| stage.is_some_and(|stage| stage.is(name));
        let credential = [
            "user",
            "extra",
            "authentication.kubernetes.io/credential-id",
        ];
        let credential = event
            .path(&credential)
            .and_then(|values| values.items().next());
        let code = event.path(&["responseStatus", "code"]);
        let code = code.filter(|code| code.kind() == json::Kind::Scalar);
        let time = event.get("stageTimestamp").and_then(timestamp)?;
        Some(Self {
            kind,
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
            started: is_at("ResponseStarted").then_some(time),
            completed: is_at("ResponseComplete").then_some(time),
            code: code.and_then(|code| std::str::from_utf8(code.raw()).ok()?.parse().ok()),
        })
    }

    /// Returns the memory of its texts.
    pub(super) fn bytes(&self) -> usize {
        let texts = [
            &self.id,
            &self.user,
            &self.groups,
            &self.namespace,
            &self.pod,
            &self.words,
        ];
        let others = [
            &self.source_ip,
            &self.impersonated_user,
            &self.credential,
            &self.container,
        ];
        let texts = texts.into_iter().chain(others.into_iter().flatten());
        texts.map(Vec::len).sum()
    }

    /// When the command began, by the clock of the API server, as far as it is known.
    pub(super) fn begun(&self) -> u64 {
        self.started.unwrap_or(self.received)
    }

    /// Whether the API server did not refuse it.
    pub(super) fn may_have_run(&self) -> bool {
        matches!(self.code, None | Some(101 | 200 | 201))
    }

    /// When the command begins at the latest.
    pub(super) fn latest(&self) -> u64 {
        let late = match self.kind {
            Kind::Container => LATE_CONTAINER_NS,
            Kind::Exec | Kind::Attach => LATE_NS,
        };
        self.begun().saturating_add(late)
    }
}
