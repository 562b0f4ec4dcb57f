//! CRI: `runtime.v1`, implemented by containerd, CRI-O and cri-dockerd for Kubernetes.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use hashbrown::HashSet;
use serde_json::Value as Json;
use tokio::{sync::mpsc::Sender, time::sleep};

use super::{
    Description,
    cri_json::{self, Sandbox},
    describe::Kind,
    grpc::{CallError, Channel, next},
    known::CONTAINERS,
    messages::cri::{
        All, ContainerEvent, ContainerStatusResponse, Containers, EXITED, PodSandboxStatusResponse,
        PodSandboxes, STOPPED, StatusRequest, Version, VersionRequest,
    },
    source::{Failure, RuntimeEvent, send},
};

/// Interval at which the list is fetched if there are no events.
const POLL: Duration = Duration::from_millis(200);

/// A connection to a CRI runtime.
pub(super) struct Cri {
    channel: Channel,
    kind: Kind,
    env: bool,
}

impl Cri {
    /// Connects; `None` if the server is not a CRI runtime.
    pub(super) async fn connect(channel: Channel, env: bool) -> Result<Option<Self>, Failure> {
        let method = "/runtime.v1.RuntimeService/Version";
        let version: Version = match channel.call(method, VersionRequest {}, None).await {
            Ok(version) => version,
            Err(CallError::Unimplemented) => return Ok(None),
            Err(error) => return Err(error.into_failure()),
        };
        let kind = match version.runtime_name.as_str() {
            "containerd" => Kind::Containerd,
            "cri-o" => Kind::CriO,
            _ => Kind::Cri,
        };
        Ok(Some(Self { channel, kind, env }))
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the full ids of containers and sandboxes that have not ended.
    pub(super) async fn list(&self) -> Result<Vec<String>, Failure> {
        let method = "/runtime.v1.RuntimeService/ListPodSandbox";
        let pods = self.channel.call(method, All {}, None).await;
        let pods: PodSandboxes = pods.map_err(CallError::into_failure)?;
        let method = "/runtime.v1.RuntimeService/ListContainers";
        let containers = self.channel.call(method, All {}, None).await;
        let containers: Containers = containers.map_err(CallError::into_failure)?;
        let pods = pods.items.into_iter().filter(|pod| pod.state == 0);
        let containers = containers.containers.into_iter();
        let containers = containers.filter(|container| container.state < EXITED);
        Ok(pods
            .map(|pod| pod.id)
            .chain(containers.map(|container| container.id))
            .collect())
    }

    /// Reports existing containers and their events.
    pub(super) async fn follow(&self, seen: &Sender<RuntimeEvent>) -> Failure {
        let mut known = HashSet::new();
        let mut events = pin!(self.events(seen));
        let mut has_events = true;
        let mut is_first = true;
        loop {
            if let Err(failure) = self.report_new(&mut known, is_first, seen).await {
                return failure;
            }
            is_first = false;
            // While there are events, the list is not fetched again.
            let pause = if has_events { Duration::MAX } else { POLL };
            tokio::select! {
                () = &mut events, if has_events => has_events = false,
                () = sleep(pause) => {}
            }
        }
    }

    /// Reports events until the stream ends. A runtime with disabled events ends it at once.
    async fn events(&self, seen: &Sender<RuntimeEvent>) {
        let method = "/runtime.v1.RuntimeService/GetContainerEvents";
        let Ok(mut events) = self.channel.stream(method, All {}).await else {
            return;
        };
        while let Ok(event) = next::<ContainerEvent>(&mut events).await {
            let id = event.container_id;
            let what = if event.kind < STOPPED {
                RuntimeEvent::Changed(id)
            } else {
                RuntimeEvent::Ended(id)
            };
            send(seen, what).await;
        }
    }

    /// Reports containers that were not reported before.
    async fn report_new(
        &self,
        known: &mut HashSet<String>,
        is_first: bool,
        seen: &Sender<RuntimeEvent>,
    ) -> Result<(), Failure> {
        let now = self.list().await?;
        for id in now.iter().filter(|id| !known.contains(*id)) {
            let what = if is_first {
                RuntimeEvent::There(id.clone())
            } else {
                RuntimeEvent::Changed(id.clone())
            };
            send(seen, what).await;
        }
        if is_first {
            send(seen, RuntimeEvent::All).await;
        }
        known.clear();
        known.extend(now.into_iter().take(CONTAINERS));
        Ok(())
    }

    /// Describes a container or sandbox; `None` if there is none with this id.
    pub(super) async fn look_up(&self, id: &str) -> Result<Option<Description>, Failure> {
        let method = "/runtime.v1.RuntimeService/ContainerStatus";
        let Some(answer) = self.status::<ContainerStatusResponse>(method, id).await? else {
            let sandbox = self.sandbox(id).await?;
            return Ok(sandbox.map(|sandbox| sandbox.describe(self.kind)));
        };
        let Some(status) = answer.status.filter(|status| status.id.starts_with(id)) else {
            return Ok(None);
        };
        let info = info(&answer.info);
        let sandbox = match cri_json::sandbox_id(&info) {
            Some(sandbox) => self.sandbox(sandbox).await?,
            None => None,
        };
        Ok(Some(cri_json::container(
            &status,
            &info,
            sandbox.as_ref(),
            self.kind,
            self.env,
        )))
    }

    async fn sandbox(&self, id: &str) -> Result<Option<Sandbox>, Failure> {
        let method = "/runtime.v1.RuntimeService/PodSandboxStatus";
        let answer = self.status::<PodSandboxStatusResponse>(method, id).await?;
        let sandbox = answer.and_then(|answer| {
            Some(Sandbox {
                status: answer.status.filter(|status| status.id.starts_with(id))?,
                info: info(&answer.info),
            })
        });
        Ok(sandbox)
    }

    async fn status<A>(&self, method: &'static str, id: &str) -> Result<Option<A>, Failure>
    where
        A: prost::Message + Default + 'static,
    {
        let request = StatusRequest {
            id: id.to_owned(),
            verbose: true,
        };
        match self.channel.call(method, request, None).await {
            Ok(answer) => Ok(Some(answer)),
            // Some runtimes report this with an error of their own; any answer is enough.
            Err(CallError::NotFound | CallError::Refused(_)) => Ok(None),
            Err(error) => Err(error.into_failure()),
        }
    }
}

/// Reads the runtime's additional data: JSON under `info`.
pub(super) fn info(info: &BTreeMap<String, String>) -> Json {
    let text = info.get("info").map_or("null", String::as_str);
    serde_json::from_str(text).unwrap_or_default()
}
