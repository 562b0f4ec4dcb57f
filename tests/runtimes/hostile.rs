//! Runtimes that hang, hang up, or talk nonsense.

use std::{
    io::Write as _,
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use scap::record::containers::Origin;

use crate::fake::{
    Machine, PATIENCE, TIMEOUT, VERSION, chunk, described, full_id, head, json, reply, request,
    wait, wait_for_end,
};

/// Lets `serve` be the only runtime, and returns what the resolver has to say about it. Meanwhile
/// nothing waits, and the end comes when it has to.
fn complaint(serve: impl Fn(UnixStream) + Clone + Send + 'static) -> String {
    let machine = Machine::new();
    machine.listen("run/docker.sock", serve);
    let mut resolver = machine.resolver();
    let began = Instant::now();
    for n in 0..2000 {
        resolver.ask(format!("{n:012x}").as_bytes(), b"", Origin::of("docker"));
        assert_eq!(resolver.poll(), None);
    }
    assert!(began.elapsed() < Duration::from_millis(200), "asking waits");
    let warning = wait(|| resolver.warning());
    let began = Instant::now();
    resolver.finish(Duration::from_millis(100));
    assert!(began.elapsed() < Duration::from_millis(250), "ending waits");
    let (path, what) = warning.split_once(": ").unwrap();
    assert!(path.ends_with("/run/docker.sock"));
    what.to_owned()
}

#[test]
fn one_that_never_answers() {
    let what = complaint(|mut stream| wait_for_end(&mut stream));
    assert_eq!(what, "no answer within 300 ms");
}

#[test]
fn one_that_hangs_up() {
    assert_eq!(complaint(drop), "connection closed");
}

#[test]
fn one_that_speaks_something_else() {
    let what = complaint(|mut stream| {
        request(&mut stream);
        let _gone = stream.write_all(b"220 mail ready\r\n\0\xff\xfe garbage\r\n\r\n");
        wait_for_end(&mut stream);
    });
    assert_eq!(what, "not an HTTP server");
}

#[test]
fn one_that_is_no_docker() {
    let what = complaint(|mut stream| {
        request(&mut stream);
        reply(&mut stream, 200, "<html>");
    });
    assert_eq!(what, "the answer is not JSON");
    let what = complaint(|mut stream| {
        request(&mut stream);
        reply(&mut stream, 403, "{}");
    });
    assert_eq!(what, "status 403");
}

#[test]
fn one_whose_answer_has_no_end() {
    let what = complaint(|mut stream| {
        request(&mut stream);
        head(&mut stream, 200);
        let part = " ".repeat(64 << 10);
        while chunk(&mut stream, &part).is_ok() {}
    });
    assert_eq!(what, "answer larger than 2048 KiB");
}

/// A Docker that is all right but for its events.
fn with_events(events: impl Fn(&mut UnixStream) + Clone + Send + 'static) -> String {
    complaint(move |mut stream| {
        let path = request(&mut stream);
        if path.starts_with("/events") {
            head(&mut stream, 200);
            events(&mut stream);
        } else if path == "/containers/json" {
            reply(&mut stream, 200, "[]");
        } else if path == "/version" {
            reply(&mut stream, 200, VERSION);
        } else {
            reply(&mut stream, 404, "{}");
        }
    })
}

#[test]
fn events_without_an_end_or_a_meaning() {
    let what = with_events(|stream| while chunk(stream, &"x".repeat(64 << 10)).is_ok() {});
    assert_eq!(what, "answer larger than 256 KiB");
    let what = with_events(|stream| while chunk(stream, "no event\n").is_ok() {});
    assert_eq!(what, "the events are not JSON");
    let what = with_events(|stream| while chunk(stream, "\n").is_ok() {});
    assert_eq!(what, "the events are not JSON");
}

#[test]
fn one_whose_list_is_none() {
    let what = complaint(|mut stream| {
        let path = request(&mut stream);
        match path.as_str() {
            "/version" => reply(&mut stream, 200, VERSION),
            "/containers/json" => reply(&mut stream, 200, r#"{"Id":7}"#),
            _ => {
                head(&mut stream, 200);
                wait_for_end(&mut stream);
            }
        }
    });
    assert_eq!(what, "the list of containers is invalid");
}

#[test]
fn a_socket_without_a_server() {
    let machine = Machine::new();
    drop(UnixListener::bind(machine.path("run/docker.sock")).unwrap());
    let mut resolver = machine.resolver();
    let warning = wait(|| resolver.warning());
    assert!(warning.contains("Connection refused"), "{warning}");
    // Said once, however often it is tried.
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(resolver.warning(), None);
}

#[test]
fn a_socket_that_was_named_and_is_not_there() {
    let machine = Machine::new();
    let mut resolver = machine.resolver_of("run/mine.sock");
    let warning = wait(|| resolver.warning());
    assert!(warning.ends_with("mine.sock: the socket does not exist yet"));
}

#[test]
fn one_that_hangs_does_not_keep_another_from_answering() {
    let machine = Machine::new();
    for name in ["run/podman/podman.sock", "run/crio/crio.sock"] {
        machine.listen(name, |mut stream| wait_for_end(&mut stream));
    }
    let id = full_id("abc");
    let container = format!(r#"{{"Id":"{id}","Name":"/web"}}"#);
    machine.docker(move |path| {
        path.starts_with("/containers/abc")
            .then(|| container.clone())
    });
    let mut resolver = machine.resolver();
    let began = Instant::now();
    resolver.ask(&id.as_bytes()[..12], id.as_bytes(), Origin::default());
    let description = described(&mut resolver);
    assert!(began.elapsed() < Duration::from_millis(250));
    assert_eq!(json(&description)["name"], "web");
}

#[test]
fn members_of_other_types_are_not_known() {
    let machine = Machine::new();
    let id = full_id("abc");
    let container = format!(
        r#"{{"Id":"{id}","Name":7,"Created":[],"Image":{{}},"HostConfig":"no","Mounts":[3,{{"Source":1}}],
            "Config":{{"Labels":[1],"Image":null,"Env":{{}},"Healthcheck":"x"}},
            "NetworkSettings":{{"Networks":7,"Ports":{{"80":[1,{{"HostPort":{{}}}}],"x":0}}}}}}"#
    );
    machine.docker(move |path| {
        path.starts_with("/containers/abc")
            .then(|| container.clone())
    });
    let mut resolver = machine.resolver();
    resolver.ask(b"abc000000000", b"", Origin::default());
    let container = json(&described(&mut resolver));
    assert_eq!(container["full_id"], id.as_str());
    let keys: Vec<_> = container.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["Mounts", "full_id", "id", "type"]);
    assert_eq!(container["Mounts"][1]["Source"], "");
}

#[test]
fn a_description_is_cut_to_64_kib() {
    let machine = Machine::new();
    let id = full_id("abc");
    let label = "\\u0001".repeat(100_000);
    let container =
        format!(r#"{{"Id":"{id}","Config":{{"Labels":{{"a":"{label}","b":"small"}}}}}}"#);
    machine.docker(move |path| {
        path.starts_with("/containers/abc")
            .then(|| container.clone())
    });
    let mut resolver = machine.resolver();
    resolver.ask(b"abc000000000", b"", Origin::default());
    let description = described(&mut resolver);
    assert!(description.json.len() <= 64 << 10);
    let container = json(&description);
    assert_eq!(container["labels"], serde_json::json!({ "b": "small" }));
    assert_eq!(container["cut"], serde_json::json!(["labels"]));
}

#[test]
fn a_description_that_is_too_large_is_not_read() {
    let machine = Machine::new();
    machine.docker(|path| {
        path.starts_with("/containers/abc")
            .then(|| " ".repeat(3 << 20))
    });
    let mut resolver = machine.resolver();
    let id = full_id("abc");
    resolver.ask(&id.as_bytes()[..12], id.as_bytes(), Origin::default());
    let container = json(&described(&mut resolver));
    assert_eq!(container["cut"], serde_json::json!(["all"]));
    assert_eq!(container["full_id"], id.as_str());
}

#[test]
fn a_name_is_not_taken_for_an_id() {
    let machine = Machine::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    machine.docker(move |path| {
        if !path.starts_with("/containers/") || path == "/containers/json" {
            return None;
        }
        counter.fetch_add(1, Ordering::Relaxed);
        // What Docker does when a container has this name.
        Some(format!(r#"{{"Id":"{}"}}"#, full_id("123")))
    });
    let mut resolver = machine.resolver();
    // Not asked for at all: these are names, or worse.
    for id in ["web", "../version", "abc/json?x=", "abcabcabcabc/x"] {
        resolver.ask(id.as_bytes(), b"", Origin::default());
    }
    resolver.ask(b"\xff\xfe", b"", Origin::default());
    resolver.ask(b"abcabcabcabc", b"", Origin::default());
    wait(|| (asked.load(Ordering::Relaxed) > 0).then_some(()));
    resolver.finish(PATIENCE);
    assert_eq!(resolver.poll(), None);
}

/// A user may run whatever answers as Docker does, and say anything of any container.
#[test]
fn a_users_runtime_speaks_of_its_own_containers_only() {
    let machine = Machine::new();
    std::fs::create_dir_all(machine.path("run/user/1000")).unwrap();
    let [system, own, others] = ["aaa", "bbb", "ccc"].map(full_id);
    let (listed, unlisted) = ([&system, &own], full_id("ddd"));
    let list = listed.map(|id| format!(r#"{{"Id":"{id}"}}"#)).join(",");
    machine.docker_at("run/user/1000/docker.sock", move |path| {
        let id = path.strip_prefix("/containers/")?.strip_suffix("/json");
        match id {
            None => Some(format!("[{list}]")),
            Some(id) => Some(format!(r#"{{"Id":"{id}","Name":"/innocent"}}"#)),
        }
    });
    let mut resolver = machine.resolver();
    let of = |user| Origin {
        runtime: Some("docker"),
        user,
    };
    resolver.ask(&system.as_bytes()[..12], system.as_bytes(), of(None));
    resolver.ask(&others.as_bytes()[..12], others.as_bytes(), of(Some(1001)));
    resolver.ask(&own.as_bytes()[..12], own.as_bytes(), of(Some(1000)));
    let told = wait(|| resolver.poll());
    assert_eq!(told.id, own[..12]);
    // Time enough for the others, and for the one that nobody asked for.
    std::thread::sleep(TIMEOUT);
    assert_eq!(resolver.poll(), None);

    // The machine's own runtime may speak of all.
    machine.docker(move |path| {
        let id = path.strip_prefix("/containers/")?.strip_suffix("/json")?;
        (id != unlisted).then(|| format!(r#"{{"Id":"{id}","Name":"/true"}}"#))
    });
    let mut names: Vec<_> = (0..2)
        .map(|_| wait(|| resolver.poll()))
        .map(|told| (told.id.clone(), told.json.contains("\"true\"")))
        .collect();
    names.sort();
    let wanted = [&system, &others].map(|id| (id[..12].to_owned(), true));
    assert_eq!(names, wanted);
}
