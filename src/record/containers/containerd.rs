//! containerd's own API, for containers of `ctr`, `nerdctl` and others, and its events.

use tokio::sync::mpsc::Sender;

use super::{
    Description,
    containerd_json::describe,
    grpc::{CallError, Channel, next},
    messages::containerd::{All, Any, Containers, Envelope, Filters, Id, Ids, Images, Namespaces},
    source::{Failure, RuntimeEvent, send},
};

/// Docker's namespace in containerd. Docker's own API has more about these containers.
const DOCKERS: &str = "moby";
/// Most namespaces that are read.
const NAMESPACES: usize = 64;
/// Characters of a displayed id.
const SHORT_ID: usize = 12;

/// A container's description, and its namespace.
pub(super) struct Found {
    pub(super) namespace: String,
    pub(super) description: Description,
}

/// A connection to containerd.
pub(super) struct Containerd {
    channel: Channel,
    env: bool,
}

impl Containerd {
    /// Connects; `None` if the server is not containerd.
    pub(super) async fn connect(channel: Channel, env: bool) -> Result<Option<Self>, Failure> {
        let this = Self { channel, env };
        match this.call_namespaces().await {
            Ok(_) => Ok(Some(this)),
            Err(CallError::Unimplemented) => Ok(None),
            Err(error) => Err(error.into_failure()),
        }
    }

    /// Reports containers' events until the stream fails.
    pub(super) async fn follow(&self, seen: &Sender<RuntimeEvent>) -> Failure {
        let method = "/containerd.services.events.v1.Events/Subscribe";
        let filters = [
            r#"topic=="/containers/create""#,
            r#"topic=="/containers/update""#,
            r#"topic=="/tasks/start""#,
            r#"topic=="/tasks/exit""#,
        ];
        let request = Filters {
            filters: filters.map(str::to_owned).to_vec(),
        };
        let mut events = match self.channel.stream(method, request).await {
            Ok(events) => events,
            Err(error) => return error.into_failure(),
        };
        loop {
            let envelope: Envelope = match next(&mut events).await {
                Ok(envelope) => envelope,
                Err(failure) => return failure,
            };
            let bytes = envelope.event.map(|Any { value }| value);
            let id = bytes.and_then(|bytes| <Id as prost::Message>::decode(&*bytes).ok());
            let Some(Id { id }) = id.filter(|_| envelope.namespace != DOCKERS) else {
                continue;
            };
            if envelope.topic == "/tasks/exit" {
                send(seen, RuntimeEvent::Ended(id)).await;
            } else {
                send(seen, RuntimeEvent::Changed(id)).await;
            }
        }
    }

    /// Returns the ids of all containers, except in the namespaces `but`, which another interface covers.
    pub(super) async fn list(&self, but: &[&str]) -> Result<Vec<String>, Failure> {
        let mut ids = Vec::new();
        for namespace in self.namespaces().await? {
            if but.contains(&namespace.as_str()) {
                continue;
            }
            let all = Filters { filters: vec![] };
            let found: Ids = self.containers(all, &namespace).await?;
            ids.extend(found.containers.into_iter().map(|container| container.id));
        }
        Ok(ids)
    }

    /// Describes a container in any namespace; `None` if there is none with this id.
    pub(super) async fn look_up(&self, id: &str) -> Result<Option<Found>, Failure> {
        // containerd pkg/identifiers: nothing else can be an id.
        let is_id = id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !is_id {
            return Ok(None);
        }
        let filter = if id.len() == SHORT_ID {
            // The id can be a prefix.
            format!(r#"id~="^{}""#, id.replace('.', "[.]"))
        } else {
            format!(r#"id=="{id}""#)
        };
        for namespace in self.namespaces().await? {
            let filters = Filters {
                filters: vec![filter.clone()],
            };
            let found: Containers = self.containers(filters, &namespace).await?;
            if let Some(container) = found.containers.first() {
                let digest = self.digest(&container.image, &namespace).await?;
                let description = describe(container, &digest, self.env);
                return Ok(Some(Found {
                    namespace,
                    description,
                }));
            }
        }
        Ok(None)
    }

    /// Returns the digest of an image; empty if it is not known.
    async fn digest(&self, image: &str, namespace: &str) -> Result<String, Failure> {
        if image.is_empty() || image.contains(['"', '\\']) {
            return Ok(String::new());
        }
        let method = "/containerd.services.images.v1.Images/List";
        let request = Filters {
            filters: vec![format!(r#"name=="{image}""#)],
        };
        let images = self.channel.call(method, request, Some(namespace)).await;
        let images: Images = images.map_err(CallError::into_failure)?;
        let image = images.images.into_iter().next();
        Ok(image
            .and_then(|image| image.target)
            .unwrap_or_default()
            .digest)
    }

    async fn containers<A>(&self, request: Filters, namespace: &str) -> Result<A, Failure>
    where
        A: prost::Message + Default + 'static,
    {
        let method = "/containerd.services.containers.v1.Containers/List";
        let answer = self.channel.call(method, request, Some(namespace)).await;
        answer.map_err(CallError::into_failure)
    }

    async fn namespaces(&self) -> Result<Vec<String>, Failure> {
        let namespaces = self.call_namespaces().await;
        let namespaces = namespaces.map_err(CallError::into_failure)?.namespaces;
        let names = namespaces.into_iter().map(|namespace| namespace.name);
        Ok(names
            .filter(|name| name != DOCKERS)
            .take(NAMESPACES)
            .collect())
    }

    async fn call_namespaces(&self) -> Result<Namespaces, CallError> {
        let method = "/containerd.services.namespaces.v1.Namespaces/List";
        self.channel.call(method, All {}, None).await
    }
}
