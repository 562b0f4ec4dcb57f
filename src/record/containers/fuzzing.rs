//! The parsers of what container runtimes answer, for the fuzzer; see [`crate::fuzzing`].

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use prost::Message as _;
use serde_json::Value as Json;
use signal_hook::consts::SIGPIPE;
use tokio::sync::mpsc::channel;

use super::{
    Description, containerd_json,
    cri::{self, Cri},
    cri_json::{self, Sandbox},
    describe::Kind,
    docker::{Docker, Event},
    docker_json::{self, Container, Image},
    grpc::Channel,
    messages::containerd::{Containers, Envelope, Id, Images},
    messages::cri::{ContainerStatusResponse, PodSandboxStatusResponse},
    source::LookupOptions,
};
use crate::state::ContainerInfo;

/// Divides the answers in one text.
const NEXT: u8 = 0xff;
/// The id that is looked up.
const ID: &str = "0123456789ab";

/// A description is as short as it is to be, and is read again.
fn check(description: &Description) {
    assert!(
        description.json.len() <= 64 << 10,
        "{} bytes",
        description.json.len()
    );
    assert!(ContainerInfo::parse(description.json.as_bytes()).is_some());
    assert!(!description.json.bytes().any(|byte| byte.is_ascii_control()));
}

fn json(bytes: Option<&[u8]>) -> Json {
    serde_json::from_slice(bytes.unwrap_or_default()).unwrap_or_default()
}

/// Docker's JSON: the version, a container, its image, and an event.
pub(in crate::record) fn docker(bytes: &[u8]) {
    let mut answers = bytes.split(|byte| *byte == NEXT);
    let kind = docker_json::kind(&json(answers.next()));
    let container = Container::parse(&json(answers.next()), kind, true);
    let image = Image::parse(&json(answers.next()));
    if let Some(container) = container {
        check(&container.describe(Some(&image)));
    }
    let event = serde_json::from_slice::<Event>(answers.next().unwrap_or_default());
    let _event = event.ok().and_then(Event::meaning);
}

/// Splits bytes where the length in the first two says.
fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((len, rest)) = bytes.split_first_chunk() else {
        return (bytes, &[]);
    };
    rest.split_at(usize::from(u16::from_le_bytes(*len)).min(rest.len()))
}

/// CRI's messages, with the JSON in them.
pub(in crate::record) fn cri(bytes: &[u8]) {
    let (container, sandbox) = halves(bytes);
    let sandbox = PodSandboxStatusResponse::decode(sandbox).ok();
    let sandbox = sandbox.and_then(|answer| {
        Some(Sandbox {
            status: answer.status?,
            info: cri::info(&answer.info),
        })
    });
    if let Some(sandbox) = &sandbox {
        check(&sandbox.describe(Kind::Cri));
    }
    if let Ok(answer) = ContainerStatusResponse::decode(container)
        && let Some(status) = answer.status
    {
        let info = cri::info(&answer.info);
        let _id = cri_json::sandbox_id(&info);
        check(&cri_json::container(
            &status,
            &info,
            sandbox.as_ref(),
            Kind::CriO,
            true,
        ));
    }
}

/// containerd's messages, with the OCI specifications in them.
pub(in crate::record) fn containerd(bytes: &[u8]) {
    let (containers, rest) = halves(bytes);
    let (images, event) = halves(rest);
    let images = Images::decode(images)
        .unwrap_or_default()
        .images
        .into_iter();
    let digests: Vec<_> = images
        .filter_map(|image| Some(image.target?.digest))
        .collect();
    let digest = digests.first().map_or("", String::as_str);
    for container in &Containers::decode(containers)
        .unwrap_or_default()
        .containers
    {
        check(&containerd_json::describe(container, digest, true));
    }
    let event = Envelope::decode(event)
        .ok()
        .and_then(|envelope| envelope.event);
    let _id = event.and_then(|event| Id::decode(&*event.value).ok());
}

const LOOKUP: LookupOptions = LookupOptions {
    timeout: Duration::from_millis(10),
    env: true,
};

/// Answers every connection to a socket with the next of some answers, and runs a client until it has failed or is done.
fn ask<F: Future<Output = ()>>(answers: &[u8], client: impl FnOnce(std::path::PathBuf) -> F) {
    // The fuzzer's main function, unlike that of Rust, lets the signal end the program.
    static HAS_HANDLER: Once = Once::new();
    HAS_HANDLER.call_once(|| drop(signal_hook::flag::register(SIGPIPE, Arc::default())));
    let Ok(dir) = tempfile::tempdir() else { return };
    let path = dir.path().join("s");
    let Ok(listener) = UnixListener::bind(&path) else {
        return;
    };
    let answers: Vec<Vec<u8>> = answers
        .split(|byte| *byte == NEXT)
        .map(<[u8]>::to_vec)
        .collect();
    let server = std::thread::spawn(move || serve(&listener, &answers));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    if let Ok(runtime) = runtime {
        tokio::task::LocalSet::new().block_on(&runtime, client(path.clone()));
    }
    // The last connection, so that the server ends.
    drop(std::os::unix::net::UnixStream::connect(&path).map(|mut end| end.write_all(b"\0")));
    assert!(server.join().is_ok());
}

fn serve(listener: &UnixListener, answers: &[Vec<u8>]) {
    let mut answers = answers.iter();
    while let Ok((mut stream, _)) = listener.accept() {
        let mut request = [0; 4096];
        let len = stream.read(&mut request).unwrap_or(0);
        if request[..len].starts_with(b"\0") {
            return;
        }
        // A client that has gone has failed as it should.
        let _gone = stream.write_all(answers.next().map_or(&[], Vec::as_slice));
    }
}

/// Bytes instead of answers of Docker: HTTP.
pub(in crate::record) fn http(bytes: &[u8]) {
    ask(bytes, |path| async move {
        let Ok(docker) = Docker::connect(&path, LOOKUP).await else {
            return;
        };
        let _description = docker.look_up(ID).await;
        let (seen, mut events) = channel(1);
        let read = async { while events.recv().await.is_some() {} };
        let follow = async {
            let _failure = tokio::time::timeout(LOOKUP.timeout, docker.follow(&seen)).await;
            drop(seen);
        };
        tokio::join!(follow, read);
    });
}

/// Bytes instead of answers of CRI: HTTP/2.
pub(in crate::record) fn grpc(bytes: &[u8]) {
    ask(bytes, |path| async move {
        connect_cri(&path).await;
    });
}

async fn connect_cri(path: &Path) {
    let Ok(channel) = Channel::connect(path, LOOKUP.timeout).await else {
        return;
    };
    if let Ok(Some(cri)) = Cri::connect(channel, true).await {
        let _description = cri.look_up(ID).await;
    }
}
