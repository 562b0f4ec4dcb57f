//! Docker's API, which podman implements too.
//!
//! Answers are read tolerantly: a member that is missing or has another type is unknown, not an error, since
//! compatible runtimes deviate in details.

use std::{
    cell::RefCell,
    convert::Infallible,
    path::{Path, PathBuf},
    rc::Rc,
};

use hashbrown::HashMap;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::sync::mpsc::Sender;

use super::{
    describe::{Draft, Kind},
    docker_json::{self, Container, Image},
    http, image,
    source::{Failure, LookupOptions, LookupResult, RuntimeEvent, send},
};

/// Largest list of containers in bytes: some 20,000 containers.
const LIST: usize = 32 << 20;
/// Largest description of a container or an image, in bytes.
const ONE: usize = 2 << 20;
/// Images whose description is cached.
const IMAGES: usize = 256;
/// Consecutive lines without a container event after which the stream counts as invalid.
const STRANGE_LINES: u32 = 100;
/// Shortest id that is looked up; shorter ones can be names.
const SHORTEST_ID: usize = 12;

/// A connection to a runtime.
pub(super) struct Docker {
    socket: PathBuf,
    kind: Kind,
    manner: LookupOptions,
    images: RefCell<HashMap<String, Rc<Image>>>,
}

/// An entry of the list.
#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Id", default)]
    id: Json,
}

/// One line of the event stream.
#[derive(Deserialize)]
pub(super) struct Event {
    #[serde(rename = "Action", default)]
    action: Json,
    #[serde(rename = "Actor", default)]
    actor: Json,
    // Versions of the API before 1.22.
    #[serde(default)]
    id: Json,
}

impl Docker {
    pub(super) async fn connect(socket: &Path, manner: LookupOptions) -> Result<Self, Failure> {
        let answer = http::get(socket, "/version", ONE, manner.timeout).await?;
        let version = json_of(&answer)?;
        Ok(Self {
            socket: socket.to_owned(),
            kind: docker_json::kind(&version),
            manner,
            images: RefCell::default(),
        })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Reports existing containers and their events.
    pub(super) async fn follow(&self, seen: &Sender<RuntimeEvent>) -> Failure {
        match self.events(seen).await {
            Ok(never) => match never {},
            Err(failure) => failure,
        }
    }

    async fn events(&self, seen: &Sender<RuntimeEvent>) -> Result<Infallible, Failure> {
        // {"type":["container"]}
        const EVENTS: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D";
        let timeout = self.manner.timeout;
        // First the subscription, then the list, so that no event between them is missed.
        let mut lines = http::Lines::open(&self.socket, EVENTS, timeout).await?;
        self.list(seen).await?;
        if lines.status() != StatusCode::OK {
            let why = format!("no events, status {}", lines.status().as_u16());
            send(seen, RuntimeEvent::Mute(why)).await;
            std::future::pending::<()>().await;
        }
        let mut strange = 0;
        loop {
            let line = lines.next().await?;
            let event = serde_json::from_slice::<Event>(line).ok();
            strange = if event.is_some() { 0 } else { strange + 1 };
            if strange > STRANGE_LINES {
                return Err(Failure::Invalid("the events are not JSON".to_owned()));
            }
            if let Some(event) = event.and_then(Event::meaning) {
                send(seen, event).await;
            }
        }
    }

    async fn list(&self, seen: &Sender<RuntimeEvent>) -> Result<(), Failure> {
        let path = "/containers/json";
        match http::get(&self.socket, path, LIST, self.manner.timeout).await {
            Ok(answer) => {
                check(&answer)?;
                let list: Vec<Listed> = serde_json::from_slice(&answer.body).map_err(|_| {
                    Failure::Invalid("the list of containers is invalid".to_owned())
                })?;
                drop(answer);
                for listed in list {
                    if let Json::String(id) = listed.id {
                        send(seen, RuntimeEvent::There(id)).await;
                    }
                }
            }
            // Containers with recorded events are requested one by one.
            Err(failure @ Failure::TooLarge(_)) => {
                send(
                    seen,
                    RuntimeEvent::Mute(format!("list of containers: {failure}")),
                )
                .await;
            }
            Err(failure) => return Err(failure),
        }
        send(seen, RuntimeEvent::All).await;
        Ok(())
    }

    /// Describes a container.
    pub(super) async fn look_up(&self, id: &str) -> Result<LookupResult, Failure> {
        // A name must not be taken for an id: users choose the names of containers.
        if id.len() < SHORTEST_ID || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(LookupResult::Unknown);
        }
        let path = format!("/containers/{id}/json");
        let answer = match http::get(&self.socket, &path, ONE, self.manner.timeout).await {
            Ok(answer) if answer.status == StatusCode::NOT_FOUND => {
                return Ok(LookupResult::Unknown);
            }
            Ok(answer) => answer,
            Err(Failure::TooLarge(_)) => {
                let mut draft = Draft::new(id, self.kind);
                draft.lacks("all");
                return Ok(LookupResult::Found(draft.finish()));
            }
            Err(failure) => return Err(failure),
        };
        let container = Container::parse(&json_of(&answer)?, self.kind, self.manner.env)
            .ok_or_else(|| Failure::Invalid("a container without an id".to_owned()))?;
        drop(answer);
        if !container.full_id.starts_with(id) {
            return Ok(LookupResult::Unknown);
        }
        let image = self.image(&container.image_id).await;
        Ok(LookupResult::Found(container.describe(image.as_deref())))
    }

    /// Returns the names of an image; `None` if they cannot be determined now.
    async fn image(&self, id: &str) -> Option<Rc<Image>> {
        if !image::is_id(id) {
            return None;
        }
        if let Some(image) = self.images.borrow().get(id) {
            return Some(Rc::clone(image));
        }
        let path = format!("/images/{id}/json");
        let answer = http::get(&self.socket, &path, ONE, self.manner.timeout).await;
        let image = Rc::new(Image::parse(&json_of(&answer.ok()?).ok()?));
        let mut images = self.images.borrow_mut();
        if images.len() >= IMAGES {
            images.clear();
        }
        images.insert(id.to_owned(), Rc::clone(&image));
        Some(image)
    }
}

impl Event {
    pub(super) fn meaning(self) -> Option<RuntimeEvent> {
        let id = match (self.actor.get("ID"), self.id) {
            (Some(Json::String(id)), _) => id.clone(),
            (_, Json::String(id)) => id,
            _ => return None,
        };
        match self.action.as_str()? {
            "create" | "start" | "rename" | "update" => Some(RuntimeEvent::Changed(id)),
            "die" => Some(RuntimeEvent::Ended(id)),
            _ => None,
        }
    }
}

fn check(answer: &http::Answer) -> Result<(), Failure> {
    match answer.status {
        StatusCode::OK => Ok(()),
        other => Err(Failure::Invalid(format!("status {}", other.as_u16()))),
    }
}

fn json_of(answer: &http::Answer) -> Result<Json, Failure> {
    check(answer)?;
    serde_json::from_slice(&answer.body)
        .map_err(|_| Failure::Invalid("the answer is not JSON".to_owned()))
}
