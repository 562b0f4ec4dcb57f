//! Which process of a pod made a request of the API server.
//!
//! The audit log names the pod of a service account's token; the capture has the processes of the pod that connected
//! to the API server, whose address is in the environment of each container.

use std::net::IpAddr;

use hashbrown::HashMap;

use super::{Confidence, ProcessKey};

/// Most processes of one pod.
const MAX_OF_POD: usize = 1 << 10;
/// By how much a request may be outside of the life of the process, for clocks that are not quite the same.
const SLACK_NS: u64 = 2_000_000_000;

/// A process in a container that connected to the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiClient {
    /// The process.
    pub process: ProcessKey,
    /// Its name.
    pub name: Vec<u8>,
    /// Its command line.
    pub command: Vec<u8>,
    /// The id of its container.
    pub container: Vec<u8>,
    /// The namespace of its pod, the pod and the container, as the runtime names them.
    pub place: Option<[Vec<u8>; 3]>,
    /// When it connected first; 0 = before the recording.
    pub from: u64,
    /// When it ended; `u64::MAX` if that was not recorded.
    pub to: u64,
}

impl ApiClient {
    /// Returns the memory of its texts.
    pub(super) fn bytes(&self) -> usize {
        self.name.len() + self.command.len() + self.container.len()
    }
}

/// Returns the address of the API server from the environment of a process in a pod: texts, each followed by a NUL.
pub fn api_server(env: &[u8]) -> Option<(IpAddr, u16)> {
    let value = |name: &[u8]| {
        let mut all = env.split(|byte| *byte == 0);
        let value = all.find_map(|one| one.strip_prefix(name)?.strip_prefix(b"="))?;
        std::str::from_utf8(value).ok()
    };
    let host = value(b"KUBERNETES_SERVICE_HOST")?.parse().ok()?;
    let port = value(b"KUBERNETES_SERVICE_PORT")?.parse().ok()?;
    Some((host, port))
}

/// The processes of pods that connected to the API server.
#[derive(Debug, Default)]
pub(super) struct Callers {
    of_pod: HashMap<Vec<u8>, Vec<ApiClient>>,
}

impl Callers {
    /// Takes the processes; also returns how many were left out.
    pub(super) fn new(clients: Vec<ApiClient>) -> (Self, usize) {
        let mut of_pod: HashMap<Vec<u8>, Vec<ApiClient>> = HashMap::new();
        let mut left_out = 0;
        for client in clients {
            let Some([namespace, pod, _]) = &client.place else {
                continue;
            };
            let all = of_pod.entry(key(namespace, pod)).or_default();
            match all.len() < MAX_OF_POD {
                true => all.push(client),
                false => left_out += 1,
            }
        }
        (Self { of_pod }, left_out)
    }

    /// Finds the process that made a request at a time by the clock of the capture: the only one that can have been,
    /// or the only one of the program that the client says it is.
    pub(super) fn find(
        &self,
        pod: &[u8],
        time: u64,
        agent: &[u8],
    ) -> Option<(&ApiClient, Confidence)> {
        let all = self.of_pod.get(pod)?;
        let was_there = |client: &&ApiClient| {
            client.from <= time.saturating_add(SLACK_NS)
                && time <= client.to.saturating_add(SLACK_NS)
        };
        let mut candidates = all.iter().filter(was_there);
        let first = candidates.next()?;
        if candidates.next().is_none() {
            return Some((first, Confidence::Certain));
        }
        let product = agent.split(|byte| *byte == b'/').next()?;
        let mut alike = all
            .iter()
            .filter(was_there)
            .filter(|client| client.name == product);
        let first = alike.next()?;
        alike
            .next()
            .is_none()
            .then_some((first, Confidence::Likely))
    }
}

/// Returns the key of a pod.
pub fn key(namespace: &[u8], pod: &[u8]) -> Vec<u8> {
    [namespace, b"\0", pod].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(pid: i64, name: &str, from: u64, to: u64) -> ApiClient {
        let process = ProcessKey {
            pid,
            ..ProcessKey::default()
        };
        let place = Some([b"shop".to_vec(), b"web".to_vec(), b"app".to_vec()]);
        ApiClient {
            process,
            name: name.into(),
            place,
            from,
            to,
            ..ApiClient::default()
        }
    }

    #[test]
    fn the_address_of_the_api_server() {
        let env =
            b"A=1\0KUBERNETES_SERVICE_PORT=443\0KUBERNETES_SERVICE_HOST=10.0.0.1\0XKUBERNETES_SERVICE_HOST=9\0";
        assert_eq!(api_server(env), Some((IpAddr::from([10, 0, 0, 1]), 443)));
        for env in [
            &b"KUBERNETES_SERVICE_HOST=10.0.0.1\0"[..],
            b"KUBERNETES_SERVICE_HOST=name\0KUBERNETES_SERVICE_PORT=443\0",
            b"KUBERNETES_SERVICE_HOST=::1\0KUBERNETES_SERVICE_PORT=70000\0",
            b"\xff=\0",
        ] {
            assert_eq!(api_server(env), None);
        }
    }

    #[test]
    fn a_request_is_of_the_only_process_that_can_have_made_it() {
        const S: u64 = 1_000_000_000;
        let all = vec![
            client(1, "operator", 0, u64::MAX),
            client(2, "curl", 100 * S, 101 * S),
            client(3, "curl", 200 * S, 201 * S),
            client(4, "curl", 201 * S, 202 * S),
            ApiClient {
                place: None,
                ..client(5, "curl", 300 * S, 301 * S)
            },
        ];
        let (callers, left_out) = Callers::new(all);
        assert_eq!(left_out, 0);
        let found = |seconds: u64, agent: &str| {
            let found = callers.find(&key(b"shop", b"web"), seconds * S, agent.as_bytes());
            found.map(|(client, confidence)| (client.process.pid, confidence))
        };
        assert_eq!(found(50, "curl/8"), Some((1, Confidence::Certain)));
        assert_eq!(found(100, "curl/8.5.0"), Some((2, Confidence::Likely)));
        assert_eq!(found(100, "operator"), Some((1, Confidence::Likely)));
        assert_eq!(found(100, "kubectl/v1.30"), None);
        // Two of the same program at the same time.
        assert_eq!(found(201, "curl/8"), None);
        assert_eq!(found(300, "curl/8"), Some((1, Confidence::Certain)));
        assert_eq!(callers.find(&key(b"shop", b"other"), 50 * S, b""), None);
    }

    #[test]
    fn processes_of_a_pod_are_limited() {
        let many = (0..MAX_OF_POD as i64 + 5).map(|pid| client(pid, "curl", 0, 1));
        assert_eq!(Callers::new(many.collect()).1, 5);
    }
}
