//! A gRPC socket: CRI, containerd's own API, or both.

use std::{path::Path, pin::pin};

use tokio::sync::mpsc::Sender;

use super::{
    containerd::Containerd,
    cri::Cri,
    describe::Kind,
    grpc::Channel,
    source::{Failure, LookupOptions, LookupResult, RuntimeEvent, send},
};

/// CRI's namespace in containerd.
const CRIS: &str = "k8s.io";

/// A connection to a runtime.
pub(super) enum GrpcRuntime {
    Cri(Cri),
    Containerd(Containerd),
    Both(Cri, Containerd),
}

impl GrpcRuntime {
    pub(super) async fn connect(socket: &Path, manner: LookupOptions) -> Result<Self, Failure> {
        let channel = Channel::connect(socket, manner.timeout).await?;
        let cri = Cri::connect(channel.clone(), manner.env).await?;
        let containerd = Containerd::connect(channel, manner.env).await?;
        match (cri, containerd) {
            (Some(cri), Some(containerd)) => Ok(Self::Both(cri, containerd)),
            (Some(cri), None) => Ok(Self::Cri(cri)),
            (None, Some(containerd)) => Ok(Self::Containerd(containerd)),
            (None, None) => Err(Failure::Invalid(
                "neither a CRI runtime nor containerd".to_owned(),
            )),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Cri(cri) | Self::Both(cri, _) => cri.kind(),
            Self::Containerd(_) => Kind::Containerd,
        }
    }

    pub(super) async fn follow(&self, seen: &Sender<RuntimeEvent>) -> Failure {
        match self {
            Self::Cri(cri) => cri.follow(seen).await,
            Self::Containerd(containerd) => {
                let list = containerd.list(&[]);
                follow(containerd, list, seen).await
            }
            Self::Both(cri, containerd) => {
                let list = async {
                    let mut ids = cri.list().await?;
                    ids.extend(containerd.list(&[CRIS]).await?);
                    Ok(ids)
                };
                follow(containerd, list, seen).await
            }
        }
    }

    pub(super) async fn look_up(&self, id: &str) -> Result<LookupResult, Failure> {
        let (cri, containerd) = match self {
            Self::Cri(cri) => (Some(cri), None),
            Self::Containerd(containerd) => (None, Some(containerd)),
            Self::Both(cri, containerd) => (Some(cri), Some(containerd)),
        };
        if let Some(cri) = cri
            && let Some(description) = cri.look_up(id).await?
        {
            return Ok(LookupResult::Found(description));
        }
        let Some(containerd) = containerd else {
            return Ok(LookupResult::Unknown);
        };
        Ok(match containerd.look_up(id).await? {
            // CRI lists its containers only once they run, but has more data about them.
            Some(found) if cri.is_some() && found.namespace == CRIS => {
                LookupResult::Partial(found.description)
            }
            Some(found) => LookupResult::Found(found.description),
            None => LookupResult::Unknown,
        })
    }
}

/// Subscribes to containerd's events, which cover all containers. First the subscription, then the list, so that no
/// event between them is missed.
async fn follow(
    containerd: &Containerd,
    list: impl Future<Output = Result<Vec<String>, Failure>>,
    seen: &Sender<RuntimeEvent>,
) -> Failure {
    let list = async {
        for id in list.await? {
            send(seen, RuntimeEvent::There(id)).await;
        }
        send(seen, RuntimeEvent::All).await;
        Ok(())
    };
    let mut events = pin!(containerd.follow(seen));
    tokio::select! {
        biased;
        failure = &mut events => failure,
        listed = list => match listed {
            Ok(()) => events.await,
            Err(failure) => failure,
        }
    }
}
