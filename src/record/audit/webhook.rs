//! The webhook of an API server: HTTP requests, each with a list of audit events.
//!
//! A request is answered with 200 only when all of its events are in the queue, so that the API server sends again what
//! was not taken. Clients can be anybody who reaches the address: everything that they can make the recorder hold, and
//! for how long, is limited.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::LocalSet,
    time,
};
use tokio_rustls::TlsAcceptor;

use super::{
    LEAVING, WebhookOptions,
    inbox::{Batch, Inbox},
    tls,
};
use crate::audit::event::Reader;
use crate::audit::limits::MAX_TEXT;
use crate::record::RecordError;

/// Most connections at a time; further ones wait in the kernel.
const CONNECTIONS: usize = 64;
/// Most bodies that are received at a time.
const BODIES: usize = 4;
/// Longest head of a request.
const HEAD_BYTES: usize = 64 << 10;
/// Longest time for the TLS handshake, and for the head of a request, the wait for one included.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Longest time for a body, and for the wait for a place to receive it.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Longest time that a connection is kept.
const LIFETIME: Duration = Duration::from_secs(600);
/// Time between two looks whether the recording has ended.
const INTERVAL: Duration = Duration::from_millis(20);

/// Listens for the webhook.
pub(super) struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    inbox: Arc<Inbox>,
    runtime: tokio::runtime::Runtime,
}

/// What all connections share.
struct Shared {
    inbox: Arc<Inbox>,
    /// For messages.
    name: String,
    acceptor: Option<TlsAcceptor>,
    bodies: Semaphore,
    reader: RefCell<Reader>,
    /// The user was told of a client whose TLS failed.
    has_warned: Cell<bool>,
}

impl Shared {
    /// Warns of the first client whose TLS failed. It has sent no events.
    fn warn_of_tls(&self, why: &str) {
        if !self.has_warned.replace(true) {
            let text = format!("{}: TLS with a client failed: {why}", self.name);
            self.inbox.warn(text);
        }
    }
}

impl Server {
    /// Binds the address.
    pub(super) fn bind(options: &WebhookOptions, inbox: Arc<Inbox>) -> Result<Self, RecordError> {
        let acceptor = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let failed = |source: io::Error| RecordError::Audit {
            what: format!("listen on {}", options.address),
            source,
        };
        let listener = std::net::TcpListener::bind(options.address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed)?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            acceptor,
            inbox,
            runtime,
        })
    }

    /// Returns the address, with the port that the system chose if it was 0.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes requests until the recording ends.
    pub(super) fn run(self) {
        let Self {
            listener,
            address,
            acceptor,
            inbox,
            runtime,
        } = self;
        let shared = Rc::new(Shared {
            name: format!("webhook at {address}"),
            inbox,
            acceptor,
            bodies: Semaphore::new(BODIES),
            reader: RefCell::default(),
            has_warned: Cell::new(false),
        });
        let local = LocalSet::new();
        let over = Rc::clone(&shared);
        local.block_on(&runtime, async {
            let ended = async {
                while !over.inbox.stops() {
                    time::sleep(INTERVAL).await;
                }
            };
            // Those that have connected are served to their end, for some time.
            let connections = Rc::new(Semaphore::new(CONNECTIONS));
            tokio::select! {
                () = ended => {}
                () = accept(listener, shared, Rc::clone(&connections)) => {}
            }
            let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
            // Some may be idle, which nobody waits for.
            let _in_time = time::timeout(LEAVING, connections.acquire_many(all)).await;
        });
    }
}

async fn accept(listener: std::net::TcpListener, shared: Rc<Shared>, connections: Rc<Semaphore>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            let text = format!("{} cannot be listened for: {error}", shared.name);
            return shared.inbox.warn(text);
        }
    };
    loop {
        let Ok(permit) = connections.acquire().await else {
            return;
        };
        // An error: out of file descriptors, or the client is gone already.
        let Ok((stream, _)) = listener.accept().await else {
            time::sleep(INTERVAL).await;
            continue;
        };
        permit.forget();
        let (shared, connections) = (Rc::clone(&shared), Rc::clone(&connections));
        tokio::task::spawn_local(async move {
            let _in_time = time::timeout(LIFETIME, connection(stream, shared)).await;
            connections.add_permits(1);
        });
    }
}

/// Serves a connection.
async fn connection(stream: TcpStream, shared: Rc<Shared>) {
    let Some(acceptor) = &shared.acceptor else {
        return serve(stream, &shared).await;
    };
    match time::timeout(HEAD_TIME, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, &shared).await,
        // Not TLS, or not a client that may send.
        Ok(Err(error)) => shared.warn_of_tls(&error.to_string()),
        Err(_) => shared.warn_of_tls("it took too long"),
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) {
    let answer = |request| async move { Ok::<_, Infallible>(answer(request, shared).await) };
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES);
    let served = builder
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
    // A client that goes away, or sends something else than HTTP, has sent no events.
    drop(served);
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Response<Empty<Bytes>> {
    let status = match take(request, shared).await {
        Ok(status) => status,
        Err((status, why)) => {
            shared.inbox.reject(why, &shared.name);
            status
        }
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let value = header::HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// Takes the events of a request. An error is the status and why.
async fn take(
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<StatusCode, (StatusCode, &'static str)> {
    if request.method() != Method::POST {
        return Ok(StatusCode::METHOD_NOT_ALLOWED);
    }
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "it is compressed"));
    }
    let full = (
        StatusCode::SERVICE_UNAVAILABLE,
        "there is no room for its events",
    );
    let place = time::timeout(BODY_TIME, shared.bodies.acquire()).await;
    let Ok(Ok(_place)) = place else {
        return Err(full);
    };
    let body = Limited::new(request.into_body(), MAX_TEXT).collect();
    let body = match time::timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "it has more than 16 MiB"));
        }
        Ok(Err(_)) => return Err((StatusCode::BAD_REQUEST, "it was cut off")),
        Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "it took too long")),
    };
    let mut batch = Batch::read(&mut shared.reader.borrow_mut(), &body);
    let is_none = batch.events.is_empty() && !batch.refused.is_empty();
    match shared.inbox.put(&mut batch, &shared.name) {
        true if is_none => Ok(StatusCode::BAD_REQUEST),
        true => Ok(StatusCode::OK),
        false => Err(full),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::event::Refusal;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    struct Hook {
        inbox: Arc<Inbox>,
        address: SocketAddr,
        thread: Option<std::thread::JoinHandle<()>>,
    }

    impl Hook {
        fn new() -> Self {
            let inbox = Arc::new(Inbox::default());
            let options = WebhookOptions {
                address: "127.0.0.1:0".parse().unwrap(),
                tls: None,
            };
            let server = Server::bind(&options, Arc::clone(&inbox)).unwrap();
            Self {
                inbox,
                address: server.address(),
                thread: Some(std::thread::spawn(move || server.run())),
            }
        }

        /// Sends bytes and no more, and returns the status of the answer; `None` if there is none.
        fn send(&self, bytes: &[u8]) -> Option<u16> {
            self.exchange(bytes, true)
        }

        fn exchange(&self, bytes: &[u8], is_cut: bool) -> Option<u16> {
            let mut stream = TcpStream::connect(self.address).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            // The server may have answered before the end.
            let _cut = stream.write_all(bytes);
            if is_cut {
                let _closed = stream.shutdown(std::net::Shutdown::Write);
            }
            let mut answer = Vec::new();
            let _reset = stream.read_to_end(&mut answer);
            let text = String::from_utf8_lossy(&answer).into_owned();
            text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
        }

        fn post(&self, body: &str) -> Option<u16> {
            let head = format!(
                "POST /audit HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            self.exchange(&[head.as_bytes(), body.as_bytes()].concat(), false)
        }

        fn taken(&self) -> usize {
            let mut events = Vec::new();
            self.inbox.take(&mut events);
            events.len()
        }
    }

    impl Drop for Hook {
        fn drop(&mut self) {
            self.inbox.stop();
            if let Some(thread) = self.thread.take() {
                thread.join().unwrap();
            }
        }
    }

    const EVENT: &str =
        r#"{"kind":"Event","auditID":"a","stageTimestamp":"2026-07-21T15:25:11.901891Z"}"#;

    #[test]
    fn events_are_taken_and_what_is_none_is_counted() {
        let hook = Hook::new();
        let list = |items: &str| format!(r#"{{"kind":"EventList","items":[{items}]}}"#);
        assert_eq!(hook.post(&list(EVENT)), Some(200));
        assert_eq!(hook.taken(), 1);
        // Sent again.
        assert_eq!(hook.post(&list(EVENT)), Some(200));
        assert_eq!(hook.taken(), 0);
        assert_eq!(hook.post(&list("")), Some(200));
        let other = EVENT.replace("\"a\"", "\"b\"");
        assert_eq!(
            hook.post(&list(&format!("{other},{{\"kind\":3}}"))),
            Some(200)
        );
        assert_eq!(hook.taken(), 1);
        for body in ["", "hello", "{", "{}", &list("3")] {
            assert_eq!(hook.post(body), Some(400), "{body}");
        }
        assert_eq!(hook.taken(), 0);
        let counts = hook.inbox.counts();
        assert_eq!(
            (counts.events, counts.duplicates, counts.rejected),
            (2, 1, 0)
        );
        assert_eq!(counts.refused[&Refusal::NotAnEvent], 3);
        assert_eq!(counts.refused[&Refusal::Broken], 3);
    }

    #[test]
    fn hostile_requests_are_refused() {
        let hook = Hook::new();
        let get = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        assert_eq!(hook.exchange(get, false), Some(405));
        assert!(matches!(
            hook.send(b"\x16\x03\x01\x02\x00"),
            None | Some(400)
        ));
        let gzip =
            b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(hook.exchange(gzip, false), Some(415));
        let long = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
            "x".repeat(2 * HEAD_BYTES)
        );
        assert!(matches!(hook.send(long.as_bytes()), None | Some(431)));
        let cut = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{";
        assert!(matches!(hook.send(cut), None | Some(400)));
        let large = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{";
        assert!(matches!(hook.send(large), None | Some(413 | 400)));
        let body = "[1,".repeat(6 << 20);
        assert!(matches!(hook.post(&body), None | Some(413)));
        assert_eq!(hook.taken(), 0);
        assert!(hook.inbox.counts().rejected >= 2);
        // The server is there.
        assert_eq!(hook.post(EVENT), Some(200));
        assert_eq!(hook.taken(), 1);
    }

    #[test]
    fn many_silent_clients_keep_no_request_out() {
        let hook = Hook::new();
        let _silent: Vec<TcpStream> = (0..CONNECTIONS - 1)
            .map(|_| TcpStream::connect(hook.address).unwrap())
            .collect();
        assert_eq!(hook.post(EVENT), Some(200));
    }

    #[test]
    fn a_queue_without_room_refuses_until_there_is_some() {
        let hook = Hook::new();
        let large = |id: u32| {
            let long = "x".repeat(15 << 20);
            format!(
                r#"{{"kind":"Event","auditID":"{id}","x":"{long}","stageTimestamp":"2026-07-21T15:25:11Z"}}"#
            )
        };
        for id in 0..4 {
            assert_eq!(hook.post(&large(id)), Some(200));
        }
        assert_eq!(hook.post(&large(4)), Some(503));
        assert_eq!(hook.inbox.counts().rejected, 1);
        let mut events = Vec::new();
        hook.inbox.take(&mut events);
        let bytes = events
            .iter()
            .map(crate::record::audit::inbox::AuditEvent::bytes);
        hook.inbox.release(bytes.sum());
        assert_eq!(hook.post(&large(4)), Some(200));
    }
}
