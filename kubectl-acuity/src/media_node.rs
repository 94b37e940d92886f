//! What a stream's media-node knows: its status as events, its checkpoints. Over any connection to its internal port.

use std::io;

use anyhow::{Context, anyhow, bail};
use futures::{Stream, StreamExt, TryStreamExt};
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use proto::{
    MAX_GRPC_MESSAGE_BYTES, StreamName,
    v1::{
        Checkpoint, GetRequest, ListRequest, ListResponse, PinRequest,
        checkpoint_service_client::CheckpointServiceClient,
    },
};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::{
    Code, Status,
    body::Body,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};
use tower::{ServiceExt, service_fn};

use crate::sse::{Event, Parser};

/// One HTTP/2 connection; what it loses stays lost.
#[derive(Clone)]
pub(crate) struct MediaNode {
    channel: Channel,
    authorization: MetadataValue<Ascii>,
    stream: StreamName,
}

impl MediaNode {
    pub(crate) async fn over<S>(connection: S, stream: StreamName, token: &str) -> anyhow::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut authorization: MetadataValue<Ascii> =
            format!("Bearer {token}").parse().context("the internal token holds characters that no header may")?;
        authorization.set_sensitive(true);
        let mut connection = Some(connection);
        let connect = service_fn(move |_| {
            let taken = connection.take().map(TokioIo::new);
            async move { taken.ok_or_else(|| io::Error::other("the connection to the media-node is over")) }
        });
        let channel = Endpoint::from_static("http://media-node").connect_with_connector(connect).await;
        let channel = channel.context("the media-node does not answer")?;
        let media_node = Self { channel, authorization, stream };
        // gRPC does not tell a refused token from a broken answer.
        media_node.get("/api/status").await?;
        Ok(media_node)
    }

    /// Its server-sent events: `status` once a second, and everything else as it happens.
    pub(crate) async fn events(&self) -> anyhow::Result<impl Stream<Item = anyhow::Result<Event>> + Send + use<>> {
        let answer = self.get("/api/events").await?;
        let mut parser = Parser::default();
        let events =
            answer.into_body().into_data_stream().map_ok(move |bytes| futures::stream::iter(parser.handle(&bytes)));
        Ok(events.map_ok(|events| events.map(anyhow::Ok)).map_err(anyhow::Error::from).try_flatten().boxed())
    }

    /// What is kept.
    pub(crate) async fn checkpoints(&self) -> anyhow::Result<ListResponse> {
        let asked = self.registry().list(ListRequest { stream: Some(self.stream.to_id()) }).await;
        Ok(asked.map_err(explain)?.into_inner())
    }

    /// One version with its weights; 0: what is live.
    pub(crate) async fn checkpoint(&self, version: u64) -> anyhow::Result<Checkpoint> {
        let asked = self.registry().get(GetRequest { stream: Some(self.stream.to_id()), version }).await;
        asked.map_err(explain)?.into_inner().checkpoint.context("the media-node sent no checkpoint")
    }

    /// Holds a version against newer ones; 0 lets go.
    pub(crate) async fn pin(&self, version: u64) -> anyhow::Result<()> {
        let asked = self.registry().pin(PinRequest { stream: Some(self.stream.to_id()), version }).await;
        asked.map(drop).map_err(explain)
    }

    fn registry(
        &self,
    ) -> CheckpointServiceClient<
        tonic::service::interceptor::InterceptedService<Channel, impl tonic::service::Interceptor + use<>>,
    > {
        let authorization = self.authorization.clone();
        let authorize = move |mut request: tonic::Request<()>| {
            request.metadata_mut().insert("authorization", authorization.clone());
            Ok::<_, Status>(request)
        };
        CheckpointServiceClient::with_interceptor(self.channel.clone(), authorize)
            .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
    }

    async fn get(&self, path: &str) -> anyhow::Result<Response<Body>> {
        let request = Request::get(path).header(AUTHORIZATION, self.authorization.as_bytes()).body(Body::empty());
        let answer = self.channel.clone().oneshot(request.context("a path makes a request")?).await;
        let answer = answer.with_context(|| format!("asking the media-node for {path}"))?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::NOT_FOUND => bail!("this media-node is too old to be asked for {path}: restart it"),
            StatusCode::UNAUTHORIZED => bail!("{REFUSED}"),
            status => bail!("the media-node answers {status} when it is asked for {path}"),
        }
    }
}

const REFUSED: &str = "the media-node refuses the token of the stream's secret: if the secret was made anew, restart it \
                       (kubectl acuity restart NAME --role media-node)";

fn explain(status: Status) -> anyhow::Error {
    match status.code() {
        Code::Unimplemented => anyhow!(
            "the media-node is older than this command: upgrade Acuity, or restart the stream with its new image"
        ),
        Code::Unavailable => anyhow!("{}: try again when NATS is back", status.message()),
        Code::NotFound => anyhow!("{}: `kubectl acuity checkpoint list NAME` shows what is kept", status.message()),
        _ => anyhow!("{}", status.message()),
    }
}

#[cfg(test)]
mod tests;
