//! CRI and containerd, as recorded.

use std::{
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Request, Response},
};
use serde_json::json;

use crate::fake::{Machine, described, json, wait};
use scap::record::containers::Origin;

const CONTAINER: &[u8] = include_bytes!("../../testdata/containers/cri-container.pb");
const SANDBOX: &[u8] = include_bytes!("../../testdata/containers/cri-sandbox.pb");
const BY_HAND: &[u8] = include_bytes!("../../testdata/containers/containerd-containers.pb");
const IMAGES: &[u8] = include_bytes!("../../testdata/containers/containerd-images.pb");
/// The ids in these.
const CONTAINER_ID: &str = "1427fb3d8fe02e7a137cb379a3de535ee7b250ac0ce0eb83679a3eef995aa26d";
const SANDBOX_ID: &str = "766df289b9522fbaee494d33c24091ff6fc4ff19ab3ba6a69341a1ab884b62fd";

const NOT_FOUND: &str = "5";
const UNIMPLEMENTED: &str = "12";

/// What a call is answered with: a message, a status, or nothing at all.
enum Reply {
    Message(Vec<u8>),
    Status(&'static str),
    Silence,
}

/// A field of a message: its number, and bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    assert!(length < 0x80, "one byte of length");
    [&[number << 3 | 2, length], bytes].concat()
}

/// Answers calls, given by name and message, as `answer` says.
fn serve(stream: UnixStream, answer: impl Fn(&str, &[u8]) -> Reply + Clone + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    stream.set_nonblocking(true).unwrap();
    let serve = async {
        let stream = tokio::net::UnixStream::from_std(stream).unwrap();
        let Ok(mut connection) = h2::server::handshake(stream).await else {
            return;
        };
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::task::spawn_local(call(request, respond, answer.clone()));
        }
    };
    tokio::task::LocalSet::new().block_on(&runtime, serve);
}

async fn call(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    answer: impl Fn(&str, &[u8]) -> Reply,
) {
    let path = request.uri().path().rsplit('/').next().unwrap().to_owned();
    let mut body = request.into_body();
    let mut message = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        message.extend_from_slice(&data);
    }
    let (bytes, status) = match answer(&path, message.get(5..).unwrap_or_default()) {
        Reply::Message(bytes) => (Some(bytes), "0"),
        Reply::Status(status) => (None, status),
        Reply::Silence => return std::future::pending().await,
    };
    let head = Response::builder().header("content-type", "application/grpc");
    let mut send = respond
        .send_response(head.body(()).unwrap(), false)
        .unwrap();
    if let Some(bytes) = bytes {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        let frame = [&[0], &length[..], &bytes].concat();
        send.send_data(Bytes::from(frame), false).unwrap();
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    send.send_trailers(trailers).unwrap();
}

/// A CRI runtime of this name with the recorded pod, as far as `is_there` says so by then. It has no
/// events, and is not containerd.
fn cri(name: &'static str, is_there: Arc<AtomicBool>) -> impl Fn(&str, &[u8]) -> Reply + Clone {
    move |call, message| {
        let is_there = is_there.load(Ordering::Relaxed);
        let asks_for = |id: &str| message.windows(id.len()).any(|part| part == id.as_bytes());
        match call {
            "Version" => Reply::Message(field(2, name.as_bytes())),
            "ListContainers" if is_there => {
                Reply::Message(field(1, &field(1, CONTAINER_ID.as_bytes())))
            }
            "ListPodSandbox" | "ListContainers" => Reply::Message(Vec::new()),
            "ContainerStatus" if is_there && asks_for(&CONTAINER_ID[..12]) => {
                Reply::Message(CONTAINER.to_vec())
            }
            "PodSandboxStatus" if is_there && asks_for(&SANDBOX_ID[..12]) => {
                Reply::Message(SANDBOX.to_vec())
            }
            "ContainerStatus" | "PodSandboxStatus" => Reply::Status(NOT_FOUND),
            _ => Reply::Status(UNIMPLEMENTED),
        }
    }
}

#[test]
fn what_a_cri_runtime_says_in_our_form() {
    let machine = Machine::new();
    let runtime = cri("cri-o", Arc::new(AtomicBool::new(true)));
    machine.listen("run/crio/crio.sock", move |stream| {
        serve(stream, runtime.clone());
    });
    let mut resolver = machine.resolver();
    // The container was listed; the sandbox has to be asked for.
    let container = json(&described(&mut resolver));
    let pod_labels = json!({
        "app": "shop",
        "io.kubernetes.pod.name": "web-0",
        "io.kubernetes.pod.namespace": "shop",
        "io.kubernetes.pod.uid": "0a1b2c3d-1111-2222-3333-444455556666",
    });
    let created = container["created_time"].clone();
    assert!(
        created
            .as_i64()
            .is_some_and(|seconds| seconds > 1_700_000_000)
    );
    let expected = json!({
        "Mounts": [{
            "Source": "/dev/shm",
            "Destination": "/shm",
            "Mode": "",
            "RW": false,
            "Propagation": "private",
        }],
        "User": "0",
        "created_time": created,
        "full_id": CONTAINER_ID,
        "host_ipc": false,
        "host_network": true,
        "host_pid": false,
        "id": &CONTAINER_ID[..12],
        "image": "localhost:5000/team/busybox:local",
        "imageid": "6a1f88082e2dc649fd4bced6eeba423b4b4e72fd7516391a661e07af18e22e23",
        "imagerepo": "localhost:5000/team/busybox",
        "imagetag": "local",
        "is_pod_sandbox": false,
        "labels": {
            "tier": "front",
            "io.kubernetes.container.name": "nginx",
            "io.kubernetes.pod.name": "web-0",
            "io.kubernetes.pod.namespace": "shop",
            "io.kubernetes.pod.uid": "0a1b2c3d-1111-2222-3333-444455556666",
        },
        "name": "nginx",
        "pod_sandbox_id": SANDBOX_ID,
        "pod_sandbox_labels": pod_labels,
        "privileged": false,
        "type": 8,
    });
    assert_eq!(container, expected);

    resolver.ask(&SANDBOX_ID.as_bytes()[..12], b"", Origin::of("cri-o"));
    let sandbox = json(&described(&mut resolver));
    assert_eq!(sandbox["is_pod_sandbox"], true);
    assert_eq!(
        (&sandbox["name"], &sandbox["type"]),
        (&"web-0".into(), &8.into())
    );
    assert_eq!(
        (&sandbox["labels"], &sandbox["pod_sandbox_labels"]),
        (&pod_labels, &pod_labels)
    );
    assert_eq!(
        (&sandbox["cpu_shares"], &sandbox["image"]),
        (&2.into(), &"localhost/pause:local".into())
    );
    assert_eq!(resolver.warning(), None);
}

#[test]
fn without_events_the_list_tells_what_is_new() {
    let machine = Machine::new();
    let is_there = Arc::new(AtomicBool::new(false));
    let runtime = cri("other", Arc::clone(&is_there));
    machine.listen("run/crio/crio.sock", move |stream| {
        serve(stream, runtime.clone());
    });
    let mut resolver = machine.resolver();
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(resolver.poll(), None);
    is_there.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let container = json(&described(&mut resolver));
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(
        (&container["name"], &container["type"]),
        (&"nginx".into(), &6.into())
    );
}

#[test]
fn what_containerd_says_in_our_form() {
    let machine = Machine::new();
    // Under a name that says nothing about what is spoken there.
    machine.listen("run/mine.sock", |stream| {
        serve(stream, |call, message| {
            // A filter follows two bytes of tag and length.
            let filter = message.get(2..).unwrap_or_default();
            match call {
                // CRI, and its namespace, are not there.
                "Version" => Reply::Status(UNIMPLEMENTED),
                "Subscribe" => Reply::Silence,
                "List" if filter.starts_with(b"name==") => Reply::Message(IMAGES.to_vec()),
                "List" if !filter.is_empty() => Reply::Message(BY_HAND.to_vec()),
                // Of namespaces, and of the containers in the one there is.
                "List" => Reply::Message(field(1, &field(1, b"default"))),
                _ => Reply::Status(UNIMPLEMENTED),
            }
        });
    });
    let mut resolver = machine.resolver_of("run/mine.sock");
    resolver.ask(b"by-hand", b"", Origin::default());
    let container = json(&wait(|| {
        resolver
            .poll()
            .filter(|description| description.id == "by-hand")
    }));
    assert_eq!(
        (&container["full_id"], &container["name"]),
        (&"by-hand".into(), &"by-hand".into())
    );
    assert_eq!(
        (&container["type"], &container["cpu_shares"]),
        (&7.into(), &1024.into())
    );
    assert_eq!(container["image"], "localhost:5000/team/busybox:local");
    assert!(
        container["imagedigest"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    assert_eq!(container["labels"]["app"], "tool");
    assert_eq!(
        [
            &container["privileged"],
            &container["host_pid"],
            &container["host_network"]
        ],
        [false, false, false]
    );
    assert!(container.get("env").is_none() && container.get("Mounts").is_none());
    assert_eq!(resolver.warning(), None);
}

#[test]
fn one_that_speaks_neither() {
    let machine = Machine::new();
    machine.listen("run/crio/crio.sock", |stream| {
        serve(stream, |_, _| Reply::Status(UNIMPLEMENTED));
    });
    let mut resolver = machine.resolver();
    let warning = wait(|| resolver.warning());
    assert!(warning.ends_with("crio.sock: neither a CRI runtime nor containerd"));
}

#[test]
fn one_that_takes_calls_and_never_answers() {
    let machine = Machine::new();
    machine.listen("run/crio/crio.sock", |stream| {
        serve(stream, |_, _| Reply::Silence);
    });
    let mut resolver = machine.resolver();
    let warning = wait(|| resolver.warning());
    assert!(
        warning.ends_with("crio.sock: no answer within 300 ms"),
        "{warning}"
    );
    let began = Instant::now();
    resolver.finish(Duration::from_millis(100));
    assert!(began.elapsed() < Duration::from_millis(250));
}

#[test]
fn messages_that_are_none() {
    for (what, bytes) in [
        ("no message", b"\xff\xff\xff\xff".to_vec()),
        ("another type", [b"\x10\x05".to_vec()].concat()),
        ("no text", field(2, b"\xff\xfe")),
    ] {
        let machine = Machine::new();
        machine.listen("run/crio/crio.sock", move |stream| {
            let bytes = bytes.clone();
            serve(stream, move |_, _| Reply::Message(bytes.clone()));
        });
        let mut resolver = machine.resolver();
        let warning = wait(|| resolver.warning());
        assert!(warning.contains("crio.sock: "), "{what}: {warning}");
    }
}
