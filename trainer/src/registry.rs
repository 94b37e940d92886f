//! The media-node's checkpoint service, with the internal token.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use proto::{
    StreamName,
    v1::{Checkpoint, GetRequest, PublishRequest, PublishResponse, checkpoint_service_client::CheckpointServiceClient},
};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The judge measures before it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Cheap to clone; connects when it is used, and again after a failure.
#[derive(Clone)]
pub(crate) struct Registry {
    client: CheckpointServiceClient<InterceptedService<Channel, Token>>,
    stream: StreamName,
}

impl Registry {
    pub(crate) fn new(url: &str, token_file: Option<PathBuf>, stream: StreamName) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(url.to_owned())
            .with_context(|| format!("the media-node's address {url:?} is no URL"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        let client = CheckpointServiceClient::with_interceptor(endpoint.connect_lazy(), Token(token_file))
            .max_decoding_message_size(proto::MAX_GRPC_MESSAGE_BYTES)
            .max_encoding_message_size(proto::MAX_GRPC_MESSAGE_BYTES);
        Ok(Self { client, stream })
    }

    pub(crate) async fn publish(&self, checkpoint: Checkpoint) -> Result<PublishResponse, Status> {
        let request = PublishRequest { checkpoint: Some(checkpoint) };
        self.client.clone().publish(request).await.map(tonic::Response::into_inner)
    }

    /// The live checkpoint; `None`: bicubic is live.
    pub(crate) async fn live(&self) -> Result<Option<Checkpoint>, Status> {
        let request = GetRequest { stream: Some(self.stream.to_id()), version: 0 };
        match self.client.clone().get(request).await {
            Ok(response) => Ok(response.into_inner().checkpoint),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }
}

/// The file with the internal token, read at each call: it may change.
#[derive(Clone)]
struct Token(Option<PathBuf>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(path) = &self.0 {
            let token = std::fs::read_to_string(path)
                .map_err(|error| Status::unauthenticated(format!("reading {}: {error}", path.display())))?;
            let value: MetadataValue<Ascii> = format!("Bearer {}", token.trim())
                .parse()
                .map_err(|_| Status::unauthenticated(format!("{} holds no token", path.display())))?;
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}
