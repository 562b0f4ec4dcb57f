//! Container runtimes that are not there: servers on Unix sockets that say what a test wants.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use scap::record::containers::{ContainerOptions, Description, Resolver};
use tempfile::TempDir;

/// Time that the resolver gives a runtime in these tests.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(300);
/// Time in which whatever is to happen has happened.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A machine's root directory with places for sockets.
pub(crate) struct Machine(TempDir);

impl Machine {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        for place in ["run/podman", "run/crio", "run/containerd"] {
            std::fs::create_dir_all(dir.path().join(place)).unwrap();
        }
        Self(dir)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Lets `serve` answer whoever connects to the socket of this name.
    pub(crate) fn listen(&self, name: &str, serve: impl Fn(UnixStream) + Clone + Send + 'static) {
        let listener = UnixListener::bind(self.path(name)).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serve = serve.clone();
                thread::spawn(move || serve(stream));
            }
        });
    }

    /// A Docker that answers paths as `answer` says, and never has an event.
    pub(crate) fn docker(&self, answer: impl Fn(&str) -> Option<String> + Clone + Send + 'static) {
        self.docker_at("run/docker.sock", answer);
    }

    /// One that listens somewhere else.
    pub(crate) fn docker_at(
        &self,
        name: &str,
        answer: impl Fn(&str) -> Option<String> + Clone + Send + 'static,
    ) {
        self.listen(name, move |mut stream| {
            let path = request(&mut stream);
            if path.starts_with("/events") {
                head(&mut stream, 200);
                wait_for_end(&mut stream);
            } else if path == "/version" {
                reply(&mut stream, 200, VERSION);
            } else if let Some(body) = answer(&path) {
                reply(&mut stream, 200, &body);
            } else if path == "/containers/json" {
                reply(&mut stream, 200, "[]");
            } else {
                reply(&mut stream, 404, r#"{"message":"no such thing"}"#);
            }
        });
    }

    pub(crate) fn resolver(&self) -> Resolver {
        start(self.0.path(), Vec::new())
    }

    /// A resolver that is told of this socket.
    pub(crate) fn resolver_of(&self, name: &str) -> Resolver {
        start(&self.path("nothing"), vec![self.path(name)])
    }
}

fn start(root: &Path, sockets: Vec<PathBuf>) -> Resolver {
    Resolver::start(ContainerOptions {
        sockets,
        host_root: root.to_owned(),
        timeout: TIMEOUT,
        ..ContainerOptions::default()
    })
    .unwrap()
}

/// What Docker says to `/version`, as recorded.
pub(crate) const VERSION: &str = include_str!("../../testdata/containers/docker-version.json");

/// Reads a request and returns its path; empty if the other side hung up.
pub(crate) fn request(stream: &mut UnixStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => text.push(byte[0]),
            _ => return String::new(),
        }
    }
    let text = String::from_utf8_lossy(&text);
    text.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Begins an answer without an end.
pub(crate) fn head(stream: &mut UnixStream, status: u16) {
    let head = format!("HTTP/1.1 {status} x\r\nTransfer-Encoding: chunked\r\n\r\n");
    // The other side may have seen enough, here and below.
    let _gone = stream.write_all(head.as_bytes());
}

/// Sends a part of an answer without an end.
pub(crate) fn chunk(stream: &mut UnixStream, text: &str) -> std::io::Result<()> {
    write!(stream, "{:x}\r\n{text}\r\n", text.len())
}

pub(crate) fn reply(stream: &mut UnixStream, status: u16, body: &str) {
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _gone = stream.write_all(head.as_bytes());
    let _gone = stream.write_all(body.as_bytes());
}

pub(crate) fn wait_for_end(stream: &mut UnixStream) {
    let mut rest = [0; 256];
    while stream.read(&mut rest).is_ok_and(|n| n > 0) {}
}

/// A full id that begins with `prefix`.
pub(crate) fn full_id(prefix: &str) -> String {
    format!("{prefix:0<64}")
}

/// Waits for something.
pub(crate) fn wait<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(result) = what() {
            return result;
        }
        assert!(Instant::now() < end, "it does not happen");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for a description.
pub(crate) fn described(resolver: &mut Resolver) -> Description {
    wait(|| resolver.poll())
}

/// The `container` of a description.
pub(crate) fn json(description: &Description) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&description.json).unwrap();
    let container = json["container"].clone();
    assert_eq!(container["id"], description.id.as_str());
    container
}
