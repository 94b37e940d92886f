//! The media-node's checkpoint service, with the internal token.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use proto::{
    StreamName,
    v1::{Checkpoint, GetRequest, PublishRequest, PublishResponse},
};
use registry_client::{InternalToken, RegistryClient, registry_client};
use tonic::{Code, Status, transport::Endpoint};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The judge measures before it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Cheap to clone; connects when it is used, and again after a failure.
#[derive(Clone)]
pub(crate) struct Registry {
    client: RegistryClient,
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
        Ok(Self { client: registry_client(&endpoint, InternalToken(token_file)), stream })
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
