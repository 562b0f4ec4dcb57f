//! gRPC over a Unix socket, with limited size and duration of answers.

use std::{path::Path, time::Duration};

use hyper::http::uri::PathAndQuery;
use prost::Message;
use tonic::{
    Code, Request, Status, Streaming,
    client::Grpc,
    metadata::{Ascii, MetadataValue},
    transport::Endpoint,
};
use tonic_prost::ProstCodec;

use super::http::within;
use super::source::Failure;

/// Largest answer in bytes: lists of some 10,000 containers. The kubelet has the same limit.
const ANSWER: usize = 16 << 20;
/// Longest error message of a runtime that is passed on, in characters.
const MESSAGE: usize = 200;

/// A connection.
#[derive(Clone)]
pub(super) struct Channel {
    grpc: Grpc<tonic::transport::Channel>,
    timeout: Duration,
}

/// Why a call failed.
pub(super) enum CallError {
    /// The requested object does not exist.
    NotFound,
    /// The runtime does not implement the call.
    Unimplemented,
    /// The runtime rejected the request; the text is the runtime's.
    Refused(String),
    Failed(Failure),
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Channel {
    pub(super) async fn connect(socket: &Path, timeout: Duration) -> Result<Self, Failure> {
        let path = socket
            .to_str()
            .ok_or_else(|| Failure::Invalid("the path of the socket is not UTF-8".to_owned()))?;
        let endpoint = Endpoint::from_shared(format!("unix:{path}"))
            .map_err(|error| Failure::Invalid(error.to_string()))?;
        let connect = async {
            let connected = endpoint.connect().await;
            connected.map_err(|error| Failure::Invalid(root_cause(&error)))
        };
        let channel = within(timeout, connect).await?;
        Ok(Self {
            grpc: Grpc::new(channel).max_decoding_message_size(ANSWER),
            timeout,
        })
    }

    /// Calls `method`, in one of containerd's namespaces if it is given.
    pub(super) async fn call<Q, A>(
        &self,
        method: &'static str,
        question: Q,
        namespace: Option<&str>,
    ) -> Result<A, CallError>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut grpc = self.grpc.clone();
        let call = async {
            grpc.ready().await.map_err(|error| not_ready(&error))?;
            let request = request(question, namespace)?;
            let path = PathAndQuery::from_static(method);
            let codec = ProstCodec::default();
            Ok(grpc.unary(request, path, codec).await)
        };
        match within(self.timeout, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(status.into()),
            Err(failure) => Err(CallError::Failed(failure)),
        }
    }

    /// Calls `method`, which returns a stream. Waits for its first message, or an error: servers send nothing earlier.
    pub(super) async fn stream<Q, A>(
        &self,
        method: &'static str,
        question: Q,
    ) -> Result<Streaming<A>, CallError>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| not_ready(&error))?;
        let path = PathAndQuery::from_static(method);
        let codec = ProstCodec::default();
        let request = request(question, None)?;
        let answers = grpc.server_streaming(request, path, codec).await?;
        Ok(answers.into_inner())
    }
}

/// Returns the next message of a stream. May wait for any time.
pub(super) async fn next<A>(stream: &mut Streaming<A>) -> Result<A, Failure> {
    match stream.message().await {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(Failure::Closed),
        Err(status) => Err(failure(&status)),
    }
}

fn request<Q>(question: Q, namespace: Option<&str>) -> Result<Request<Q>, Failure> {
    let mut request = Request::new(question);
    if let Some(namespace) = namespace {
        let value: MetadataValue<Ascii> = namespace
            .parse()
            .map_err(|_| Failure::Invalid("invalid namespace name".to_owned()))?;
        request.metadata_mut().insert("containerd-namespace", value);
    }
    Ok(request)
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::NotFound => Self::NotFound,
            Code::Unimplemented => Self::Unimplemented,
            Code::OutOfRange => Self::Failed(Failure::TooLarge(ANSWER)),
            // Errors of the transport have a cause, those of the runtime do not.
            _ if std::error::Error::source(&status).is_some() => Self::Failed(failure(&status)),
            code => Self::Refused(format!("{code}: {}", shortened(status.message()))),
        }
    }
}

impl CallError {
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::NotFound => Failure::Invalid("not found".to_owned()),
            Self::Unimplemented => Failure::Invalid("call not implemented".to_owned()),
            Self::Refused(why) => Failure::Invalid(why),
            Self::Failed(failure) => failure,
        }
    }
}

fn not_ready(error: &tonic::transport::Error) -> Failure {
    Failure::Invalid(root_cause(error))
}

fn failure(status: &Status) -> Failure {
    match std::error::Error::source(status) {
        Some(_) if status.code() == Code::Unavailable => Failure::Closed,
        Some(error) => Failure::Invalid(root_cause(error)),
        None => Failure::Invalid(shortened(status.message())),
    }
}

/// Returns the root cause of an error: the outermost error only says that the connection failed.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    shortened(&cause.to_string())
}

fn shortened(text: &str) -> String {
    text.chars().take(MESSAGE).collect()
}
