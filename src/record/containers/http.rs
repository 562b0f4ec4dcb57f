//! HTTP over a Unix socket, with limited size and duration of answers.

use std::{
    io::{self, ErrorKind},
    path::Path,
    time::Duration,
};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, task::JoinSet, time};

use super::source::Failure;

/// Longest line of a stream in bytes.
const LINE: usize = 256 << 10;

/// A complete answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Requests `path`. Accepts at most `limit` bytes, within `timeout`.
pub(super) async fn get(
    socket: &Path,
    path: &str,
    limit: usize,
    timeout: Duration,
) -> Result<Answer, Failure> {
    let exchange = async {
        let (response, _connection) = send(socket, path).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), limit).collect().await;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => Failure::from(*error),
            Err(_limit) => Failure::TooLarge(limit),
        })?;
        Ok(Answer {
            status,
            body: body.to_bytes(),
        })
    };
    within(timeout, exchange).await
}

/// Waits for a future for a limited time.
pub(super) async fn within<T>(
    timeout: Duration,
    what: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let result = time::timeout(timeout, what).await;
    result.unwrap_or(Err(Failure::Silent(timeout)))
}

/// Drives a connection until it is dropped.
type Connection = JoinSet<()>;

async fn send(socket: &Path, path: &str) -> Result<(Response<Incoming>, Connection), Failure> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut driver = JoinSet::new();
    driver.spawn_local(async {
        // The waiting request returns the connection's error.
        let _failure = connection.await;
    });
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::Invalid(error.to_string()))?;
    Ok((sender.send_request(request).await?, driver))
}

/// A streaming answer, read line by line.
#[derive(Debug)]
pub(super) struct Lines {
    status: StatusCode,
    body: Incoming,
    _connection: Connection,
    buffer: Vec<u8>,
    /// Start of the next line in `buffer`.
    start: usize,
}

impl Lines {
    /// Requests `path`; the head of the answer has to arrive within `timeout`.
    pub(super) async fn open(
        socket: &Path,
        path: &str,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let (response, connection) = within(timeout, send(socket, path)).await?;
        Ok(Self {
            status: response.status(),
            body: response.into_body(),
            _connection: connection,
            buffer: Vec::new(),
            start: 0,
        })
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the next line. May wait for any time.
    pub(super) async fn next(&mut self) -> Result<&[u8], Failure> {
        let mut looked_at = self.start;
        let end = loop {
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[looked_at..]) {
                break looked_at + length;
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            looked_at = self.buffer.len();
            if looked_at > LINE {
                return Err(Failure::TooLarge(LINE));
            }
            let frame = self.body.frame().await.ok_or(Failure::Closed)??;
            if let Some(data) = frame.data_ref() {
                self.buffer.extend_from_slice(data);
            }
        };
        let line = self.start..end;
        self.start = end + 1;
        Ok(&self.buffer[line])
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        let cause = std::error::Error::source(&error);
        if let Some(cause) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
            return match cause.kind() {
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => {
                    Self::Closed
                }
                _ => Self::Invalid(cause.to_string()),
            };
        }
        if error.is_parse() {
            Self::Invalid("not an HTTP server".to_owned())
        } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            Self::Closed
        } else {
            Self::Invalid(error.to_string())
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
