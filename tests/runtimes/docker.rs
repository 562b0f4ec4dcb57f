//! Docker, as recorded and as it changes.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use scap::record::containers::{ContainerOptions, Origin, Resolver};
use serde_json::json;

use crate::fake::{
    Machine, PATIENCE, VERSION, chunk, described, full_id, head, json, reply, request, wait,
    wait_for_end,
};

const CONTAINER: &str = include_str!("../../testdata/containers/docker-container.json");
/// What podman says to `/version`, as far as that matters.
const PODMAN: &str = r#"{"Components":[{"Name":"Podman Engine"},{"Name":"Conmon"}]}"#;
const IMAGE: &str = include_str!("../../testdata/containers/docker-image.json");

#[test]
fn what_docker_says_in_our_form() {
    let machine = Machine::new();
    machine.docker(|path| {
        let answers = [("/containers/", CONTAINER), ("/images/sha256:", IMAGE)];
        let answer = answers.iter().find(|(start, _)| path.starts_with(start));
        let answer = answer.filter(|_| path != "/containers/json");
        answer.map(|(_, text)| (*text).to_owned())
    });
    let mut resolver = Resolver::start(ContainerOptions {
        host_root: machine.path(""),
        env: true,
        ..ContainerOptions::default()
    })
    .unwrap();
    resolver.ask(b"08470b0ce08d", b"", Origin::of("docker"));
    let container = json(&described(&mut resolver));
    let expected = json!({
        "Healthcheck": { "exe": "/bin/sh", "args": ["-c", "true"] },
        "Mounts": [{
            "Source": "/srv/img",
            "Destination": "/mnt",
            "Mode": "ro",
            "RW": false,
            "Propagation": "rprivate",
        }],
        "cpu_shares": 512,
        "created_time": 1_795_536_953,
        "env": ["SECRET=1"],
        "full_id": "08470b0ce08d6ddbb73075d4de1c72e6607b631667affbf76b3e847bf8603608",
        "host_ipc": false,
        "host_network": false,
        "host_pid": false,
        "id": "08470b0ce08d",
        "image": "localhost:5000/team/busybox:local",
        "imageid": "5f64b6d108f2d873961b5d85a6b03c95e8ce1691f9b92c7eca63b23d5ad1f134",
        "imagerepo": "localhost:5000/team/busybox",
        "imagetag": "local",
        "ip": "172.17.0.2",
        "labels": { "odd": "\"q\"", "tier": "front" },
        "memory_limit": 67_108_864,
        "name": "web",
        "port_mappings": [
            { "HostIp": "0.0.0.0", "HostPort": 8080, "ContainerPort": 80 },
            { "HostIp": "::", "HostPort": 8080, "ContainerPort": 80 },
        ],
        "privileged": false,
        "swap_limit": 134_217_728,
        "type": 0,
    });
    assert_eq!(container, expected);
}

/// Says what an image is called in the description of a container that was made from `image`.
fn image(image: &str, described_as: &'static str) -> serde_json::Value {
    let machine = Machine::new();
    let id = full_id("abc");
    let hash = full_id("5");
    let container =
        format!(r#"{{"Id":"{id}","Image":"sha256:{hash}","Config":{{"Image":"{image}"}}}}"#);
    machine.docker(move |path| {
        if path.starts_with("/containers/abc") {
            Some(container.clone())
        } else {
            path.starts_with("/images/")
                .then(|| described_as.to_owned())
        }
    });
    let mut resolver = machine.resolver();
    resolver.ask(b"abc000000000", b"", Origin::default());
    let told = json(&described(&mut resolver));
    json!([
        told["image"],
        told["imagerepo"],
        told["imagetag"],
        told["imagedigest"]
    ])
}

#[test]
fn names_of_images() {
    const NAMES: &str =
        r#"{"RepoTags":["r:5000/a:1"],"RepoDigests":["b@sha256:2","r:5000/a@sha256:1"]}"#;
    assert_eq!(image("a", "{}"), json!(["a", "a", "latest", null]));
    assert_eq!(
        image("r:5000/a:1", NAMES),
        json!(["r:5000/a:1", "r:5000/a", "1", "sha256:1"])
    );
    // Made from an id: the image's own name is told.
    assert_eq!(
        image("5000000000000", NAMES),
        json!(["r:5000/a:1", "r:5000/a", "1", "sha256:1"])
    );
    assert_eq!(
        image("b@sha256:9", "nonsense"),
        json!(["b@sha256:9", "b", null, "sha256:9"])
    );
}

#[test]
fn podman_is_distinguished_from_docker() {
    let machine = Machine::new();
    machine.listen("run/podman/podman.sock", |mut stream| {
        let path = request(&mut stream);
        match path.as_str() {
            "/version" => reply(&mut stream, 200, PODMAN),
            "/containers/json" => {
                reply(
                    &mut stream,
                    200,
                    &format!(r#"[{{"Id":"{}"}}]"#, full_id("d")),
                );
            }
            _ if path.starts_with("/containers/") => {
                let name = format!(r#"{{"Id":"{}","Name":"web"}}"#, full_id("d"));
                reply(&mut stream, 200, &name);
            }
            _ => {
                head(&mut stream, 200);
                wait_for_end(&mut stream);
            }
        }
    });
    let mut resolver = machine.resolver();
    let container = json(&described(&mut resolver));
    assert_eq!(
        (&container["type"], &container["name"]),
        (&11.into(), &"web".into())
    );
}

/// A Docker with one container, whose events the test sends.
fn eventful(machine: &Machine) -> (mpsc::Sender<String>, Arc<Mutex<String>>) {
    let (send, events) = mpsc::channel::<String>();
    let events = Arc::new(Mutex::new(events));
    let name = Arc::new(Mutex::new(String::new()));
    let known_as = Arc::clone(&name);
    machine.listen("run/docker.sock", move |mut stream| {
        let path = request(&mut stream);
        let name = || known_as.lock().unwrap().clone();
        if path.starts_with("/events") {
            head(&mut stream, 200);
            let events = events.lock().unwrap();
            while let Ok(event) = events.recv()
                && chunk(&mut stream, &event).is_ok()
            {}
        } else if path == "/version" {
            reply(&mut stream, 200, VERSION);
        } else if path.starts_with("/containers/abc") && !name().is_empty() {
            let body = format!(r#"{{"Id":"{}","Name":"/{}"}}"#, full_id("abc"), name());
            reply(&mut stream, 200, &body);
        } else if path == "/containers/json" {
            reply(&mut stream, 200, "[]");
        } else {
            reply(&mut stream, 404, "{}");
        }
    });
    (send, name)
}

fn event(action: &str) -> String {
    let id = full_id("abc");
    format!("{{\"Type\":\"container\",\"Action\":\"{action}\",\"Actor\":{{\"ID\":\"{id}\"}}}}\n")
}

#[test]
fn events_bring_descriptions_and_only_changes_are_reported() {
    let machine = Machine::new();
    let (events, name) = eventful(&machine);
    let mut resolver = machine.resolver();
    "early".clone_into(&mut name.lock().unwrap());
    events.send(event("create")).unwrap();
    assert_eq!(json(&described(&mut resolver))["name"], "early");

    // Nothing new; and an event in two parts.
    events.send(event("start")).unwrap();
    "late".clone_into(&mut name.lock().unwrap());
    let rename = event("rename");
    events.send(rename[..30].to_owned()).unwrap();
    events.send(rename[30..].to_owned()).unwrap();
    assert_eq!(json(&described(&mut resolver))["name"], "late");

    // What is known is not asked for again, when nothing is under way any more.
    std::thread::sleep(Duration::from_millis(200));
    "later".clone_into(&mut name.lock().unwrap());
    events.send(event("die")).unwrap();
    resolver.ask(b"abc000000000", b"", Origin::default());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(resolver.poll(), None);
    assert_eq!(resolver.warning(), None);
}

#[test]
fn a_question_is_repeated_until_the_runtime_knows() {
    let machine = Machine::new();
    let (_events, name) = eventful(&machine);
    let mut resolver = machine.resolver();
    resolver.ask(b"abc000000000", b"", Origin::of("podman"));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(resolver.poll(), None);
    "web".clone_into(&mut name.lock().unwrap());
    assert_eq!(json(&described(&mut resolver))["name"], "web");
}

#[test]
fn a_runtime_that_comes_later_is_found() {
    let machine = Machine::new();
    let mut resolver = machine.resolver();
    resolver.ask(b"abc000000000", b"", Origin::default());
    std::thread::sleep(Duration::from_millis(100));
    let (_events, name) = eventful(&machine);
    "web".clone_into(&mut name.lock().unwrap());
    assert_eq!(json(&described(&mut resolver))["name"], "web");
    assert_eq!(resolver.warning(), None);
}

#[test]
fn pending_lookups_are_completed_at_the_end() {
    let machine = Machine::new();
    let (_events, name) = eventful(&machine);
    "web".clone_into(&mut name.lock().unwrap());
    let mut resolver = machine.resolver();
    resolver.ask(b"abc000000000", b"", Origin::default());
    resolver.finish(PATIENCE);
    let description = resolver.poll().expect("it had time");
    assert_eq!(json(&description)["name"], "web");
    assert_eq!(resolver.poll(), None);
}

#[test]
fn nobody_is_asked_unless_wanted() {
    let machine = Machine::new();
    machine.docker(|path| {
        (path == "/containers/json").then(|| format!(r#"[{{"Id":"{}"}}]"#, full_id("a")))
    });
    let mut resolver = Resolver::start(ContainerOptions {
        enabled: false,
        host_root: machine.path(""),
        ..ContainerOptions::default()
    })
    .unwrap();
    resolver.ask(b"abc000000000", b"", Origin::default());
    resolver.finish(PATIENCE);
    assert_eq!((resolver.poll(), resolver.warning()), (None, None));
}

#[test]
fn environment_is_kept_on_demand_only() {
    let machine = Machine::new();
    machine.docker(|path| (path.starts_with("/containers/084")).then(|| CONTAINER.to_owned()));
    let mut resolver = machine.resolver();
    resolver.ask(b"08470b0ce08d", b"", Origin::default());
    let description = wait(|| resolver.poll());
    assert!(!description.json.contains("SECRET"));
}

#[test]
fn the_runtime_that_the_cgroups_look_like_is_asked_first() {
    let machine = Machine::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    machine.docker(move |path| {
        let is_look_up = path.starts_with("/containers/abc");
        counter.fetch_add(usize::from(is_look_up), Ordering::Relaxed);
        None
    });
    machine.listen("run/podman/podman.sock", |mut stream| {
        let path = request(&mut stream);
        match path.as_str() {
            "/version" => reply(&mut stream, 200, PODMAN),
            "/containers/json" => reply(&mut stream, 200, "[]"),
            _ if path.starts_with("/containers/abc") => {
                reply(
                    &mut stream,
                    200,
                    &format!(r#"{{"Id":"{}"}}"#, full_id("abc")),
                );
            }
            _ => {
                head(&mut stream, 200);
                wait_for_end(&mut stream);
            }
        }
    });
    let mut resolver = machine.resolver();
    // Both are there by then.
    std::thread::sleep(Duration::from_millis(300));
    resolver.ask(b"abc000000000", b"", Origin::of("podman"));
    assert_eq!(json(&described(&mut resolver))["type"], 11);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[test]
fn a_runtime_that_restarts_is_listened_to_again() {
    let machine = Machine::new();
    let lists = Arc::new(AtomicUsize::new(0));
    machine.listen("run/docker.sock", move |mut stream| {
        let path = request(&mut stream);
        match path.as_str() {
            "/version" => reply(&mut stream, 200, VERSION),
            "/containers/json" => {
                let nth = lists.fetch_add(1, Ordering::Relaxed);
                let id = full_id(["a", "b"][nth.min(1)]);
                reply(&mut stream, 200, &format!(r#"[{{"Id":"{id}"}}]"#));
            }
            _ if path.starts_with("/containers/") => {
                let id = &path["/containers/".len()..][..64];
                reply(&mut stream, 200, &format!(r#"{{"Id":"{id}"}}"#));
            }
            _ => {
                // It goes away soon, every time.
                head(&mut stream, 200);
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    });
    let mut resolver = machine.resolver();
    assert_eq!(json(&described(&mut resolver))["full_id"], full_id("a"));
    assert_eq!(json(&described(&mut resolver))["full_id"], full_id("b"));
    // That is no reason to worry anybody.
    assert_eq!(resolver.warning(), None);
}
