//! The task that hears from the registry which weights are live.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context;
use proto::{
    StreamName,
    v1::{Checkpoint, GetRequest, WatchRequest, watch_response::Event},
};
use registry_client::{InternalToken, RegistryClient, registry_client};
use telemetry::Shutdown;
use tokio::sync::mpsc;
use tonic::transport::Endpoint;
use webrtc_client::Backoff;

use crate::TIMEOUT;

pub(crate) struct Checkpoints {
    /// gRPC address of the registry.
    pub(crate) url: String,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) stream: StreamName,
    pub(crate) events: mpsc::Sender<(Instant, Event)>,
}

/// A registry that says nothing for so long is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

impl Checkpoints {
    /// Watch after watch, until the end is asked for: what is in use stays while the registry is away.
    ///
    /// # Errors
    /// When the address is none.
    pub(crate) async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let endpoint = Endpoint::from_shared(self.url.clone())
            .with_context(|| format!("{} is no address", self.url))?
            .connect_timeout(TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        let mut backoff = Backoff::default();
        while !shutdown.is_requested() {
            let client = registry_client(&endpoint, InternalToken(self.token_file.clone()));
            let ended = tokio::select! {
                ended = self.watch(client, &mut backoff) => ended,
                () = shutdown.requested() => return Ok(()),
            };
            if let Err(status) = ended {
                tracing::debug!(%status, "the registry is away");
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay(rand::random())) => {}
                () = shutdown.requested() => return Ok(()),
            }
        }
        Ok(())
    }

    /// Until the registry ends the watch.
    async fn watch(&self, mut client: RegistryClient, backoff: &mut Backoff) -> Result<(), tonic::Status> {
        let request = WatchRequest { stream: Some(self.stream.to_id()) };
        let mut responses = client.watch(request).await?.into_inner();
        tracing::info!(url = self.url, "watching checkpoints");
        let mut known = 0;
        while let Some(response) = responses.message().await? {
            backoff.reset();
            let received = Instant::now();
            let Some(event) = response.event else { continue };
            match &event {
                Event::Checkpoint(checkpoint) => known = checkpoint.version,
                Event::Restored(restored) if restored.version != known => {
                    let checkpoint = self.fetch(&mut client, restored.version).await?;
                    known = checkpoint.version;
                    self.send(received, Event::Checkpoint(checkpoint)).await;
                }
                Event::Restored(_) | Event::Withdrawn(_) => {}
            }
            self.send(received, event).await;
        }
        Ok(())
    }

    async fn fetch(&self, client: &mut RegistryClient, version: u64) -> Result<Checkpoint, tonic::Status> {
        let request = GetRequest { stream: Some(self.stream.to_id()), version };
        let response = client.get(request).await?.into_inner();
        response.checkpoint.ok_or_else(|| tonic::Status::not_found("the registry has no such checkpoint"))
    }

    async fn send(&self, received: Instant, event: Event) {
        // an error means that the enhancer is ending
        let _ = self.events.send((received, event)).await;
    }
}

#[cfg(test)]
mod tests;
