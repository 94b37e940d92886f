//! The gRPC face of the registry.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use bus::BusError;
use futures::{Stream, StreamExt, stream};
use proto::{
    StreamName,
    v1::{
        Accepted, Checkpoint, GetRequest, GetResponse, ListRequest, ListResponse, PinRequest, PinResponse,
        PublishRequest, PublishResponse, Rejected, Restored, StreamId, WatchRequest, WatchResponse, Withdrawn,
        checkpoint_service_server::CheckpointService, publish_response, watch_response,
    },
};
use sr_net::Network;
use telemetry::Shutdown;
use tokio::sync::{Mutex, Semaphore};
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use crate::moving::Stages;

use super::{
    desk::{Desk, unix_us},
    judge::{self, Refusal},
    registry::{GENERAL_VERSION, Live, LiveState},
    store::{Store, usable},
};

/// Offers that may wait for their turn; each holds its weights in memory.
const MAX_OFFERS: usize = 8;

/// The registry and judge of one stream.
#[derive(Clone, Debug)]
pub struct CheckpointRegistry {
    stream: StreamName,
    network: Network,
    desk: Desk,
    /// `None` without NATS: nothing is accepted, for nothing would be kept.
    store: Option<Store>,
    offers: Arc<Semaphore>,
    turn: Arc<Mutex<()>>,
    stages: Stages,
    shutdown: Shutdown,
}

impl CheckpointRegistry {
    pub(crate) fn new(
        stream: StreamName,
        network: Network,
        desk: Desk,
        store: Option<Store>,
        stages: Stages,
        shutdown: Shutdown,
    ) -> Self {
        let (offers, turn) = (Arc::new(Semaphore::new(MAX_OFFERS)), Arc::default());
        Self { stream, network, desk, store, offers, turn, stages, shutdown }
    }

    /// One offer at a time, from its bytes to its place as the live checkpoint.
    async fn judge_offer(self, offer: Checkpoint) -> Result<PublishResponse, Status> {
        let _turn = self.turn.lock().await;
        if self.stages.is_leaving() {
            return Err(Status::unavailable("this media-node is leaving; another one takes over"));
        }
        let store = self.reachable_store()?;
        // Two media-nodes of a stream live at the same time, for moments: no version is given twice.
        store.catch_up(&self.desk, self.network).await.map_err(status_of)?;
        self.desk.update(|registry, _| registry.count_offer());
        match self.try_accept(store, offer).await? {
            Ok(accepted) => Ok(PublishResponse { result: Some(publish_response::Result::Accepted(accepted)) }),
            Err(refusal) => {
                self.desk.update(|registry, _| registry.count_refusal(&refusal));
                let Refusal { reason, detail, measured } = refusal;
                let rejected = Rejected { reason: reason.into(), detail, measured };
                Ok(PublishResponse { result: Some(publish_response::Result::Rejected(rejected)) })
            }
        }
    }

    async fn try_accept(&self, store: &Store, offer: Checkpoint) -> Result<Result<Accepted, Refusal>, Status> {
        let (stream, network) = (self.stream.clone(), self.network);
        let checked =
            blocking(move || judge::check_offer(&offer, &stream, network).map(|weights| (offer, Arc::new(weights))))
                .await?;
        let (mut checkpoint, weights) = match checked {
            Ok(checked) => checked,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let trained_through = checkpoint.trained_through_stream_time;
        let judgement = match self.desk.update(|registry, now| registry.start_judgement(now, trained_through)) {
            Ok(judgement) => judgement,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (measured_weights, measured_on) = (Arc::clone(&weights), judgement.clone());
        let measure = move || judge::measure(&measured_weights, measured_on.live.as_ref(), &measured_on.pairs);
        let measured = blocking(measure).await?;
        let version = match self.desk.update(|registry, _| registry.next_version(&judgement, &measured)) {
            Ok(version) => version,
            Err(refusal) => return Ok(Err(refusal)),
        };
        checkpoint.version = version;
        checkpoint.measured = Some(measured);
        checkpoint.accepted_at_unix_us = unix_us();
        store.put(&checkpoint).await.map_err(status_of)?;
        self.desk.update(|registry, _| registry.accept(Live { checkpoint: Arc::new(checkpoint), weights }));
        Ok(Ok(Accepted { version, measured: Some(measured) }))
    }

    fn reachable_store(&self) -> Result<&Store, Status> {
        let store = self
            .store
            .as_ref()
            .ok_or_else(|| Status::failed_precondition("this media-node has no NATS to keep checkpoints in"))?;
        let open = self.desk.update(|registry, _| registry.is_open());
        if open && store.is_reachable() { Ok(store) } else { Err(Status::unavailable("the checkpoint store is away")) }
    }

    /// Without NATS a pin lives as long as this process, as its checkpoints do.
    async fn store_pin(&self, version: Option<u64>) -> Result<(), Status> {
        match &self.store {
            Some(store) => store.put_pin(version).await.map_err(status_of),
            None => Ok(()),
        }
    }

    fn check_stream(&self, stream: Option<&StreamId>) -> Result<(), Status> {
        if stream == Some(&self.stream.to_id()) {
            Ok(())
        } else {
            Err(Status::not_found(format!("this is the registry of {}", self.stream)))
        }
    }

    async fn find(&self, version: u64) -> Result<Checkpoint, Status> {
        let absent = || Status::not_found(format!("there is no version {version}"));
        let (found, open) = self.desk.update(|registry, _| {
            (if version == 0 { registry.live() } else { registry.find(version) }, registry.is_open())
        });
        if version == 0 && self.store.is_some() && !open {
            return Err(Status::unavailable("the stored checkpoints are not read yet"));
        }
        match (found, &self.store) {
            (Some(found), _) => Ok((*found.checkpoint).clone()),
            (None, Some(store)) if version > GENERAL_VERSION => {
                store.get(version).await.map_err(status_of)?.ok_or_else(absent)
            }
            (None, _) => Err(absent()),
        }
    }

    /// What is stored, and what can be in use without having been stored; all of it without weights.
    async fn kept(&self) -> Result<BTreeMap<u64, Checkpoint>, Status> {
        let at_hand = self.desk.update(|registry, _| registry.at_hand());
        let mut kept: BTreeMap<_, _> =
            at_hand.iter().map(|live| (live.checkpoint.version, without_weights(&live.checkpoint))).collect();
        let Some(store) = &self.store else { return Ok(kept) };
        for version in store.versions().await.map_err(status_of)? {
            if kept.contains_key(&version) {
                continue;
            }
            match store.get(version).await {
                Ok(found) => kept.extend(found.map(|checkpoint| (version, without_weights(&checkpoint)))),
                Err(error @ BusError::Malformed(_)) => tracing::warn!(version, %error, "not listed"),
                Err(error) => return Err(status_of(error)),
            }
        }
        Ok(kept)
    }
}

#[tonic::async_trait]
impl CheckpointService for CheckpointRegistry {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        let offer = request.into_inner().checkpoint.ok_or_else(|| Status::invalid_argument("no checkpoint"))?;
        let _place = self.offers.try_acquire().map_err(|_| Status::resource_exhausted("too many offers wait"))?;
        // Goes on when the caller hangs up: what is stored is then also accepted.
        let judged = tokio::spawn(self.clone().judge_offer(offer)).await;
        judged.map_err(|error| Status::internal(error.to_string()))?.map(Response::new)
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.check_stream(request.get_ref().stream.as_ref())?;
        let (mut told, shutdown) = (Told::default(), self.shutdown.clone());
        let changes = WatchStream::new(self.desk.state())
            .flat_map(move |state| stream::iter(told.next_responses(&state)))
            .map(Ok)
            .take_until(async move { shutdown.requested().await });
        Ok(Response::new(Box::pin(changes)))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        self.check_stream(request.get_ref().stream.as_ref())?;
        let checkpoint = self.find(request.get_ref().version).await?;
        Ok(Response::new(GetResponse { checkpoint: Some(checkpoint) }))
    }

    async fn pin(&self, request: Request<PinRequest>) -> Result<Response<PinResponse>, Status> {
        self.check_stream(request.get_ref().stream.as_ref())?;
        let version = request.get_ref().version;
        let _turn = self.turn.lock().await;
        if version == 0 {
            self.store_pin(None).await?;
            self.desk.update(|registry, _| registry.unpin());
        } else {
            let found = self.find(version).await?;
            let live = usable(found, self.network)
                .ok_or_else(|| Status::failed_precondition(format!("version {version} is of another network")))?;
            self.store_pin(Some(version)).await?;
            self.desk.update(|registry, _| registry.pin(live));
        }
        Ok(Response::new(PinResponse { version }))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        self.check_stream(request.get_ref().stream.as_ref())?;
        // Nothing is stored or pruned meanwhile.
        let _turn = self.turn.lock().await;
        let kept = self.kept().await?;
        let (live, pinned) = self.desk.update(|registry, _| (registry.live_state(), registry.pinned()));
        let in_use = live.checkpoint.filter(|_| live.withdrawn.is_none());
        Ok(Response::new(ListResponse {
            checkpoints: kept.into_values().rev().collect(),
            live_version: in_use.map_or(0, |checkpoint| checkpoint.version),
            pinned_version: pinned.unwrap_or(0),
        }))
    }
}

/// What one watcher knows. A slow one is told the newest state, not every step to it.
#[derive(Debug, Default)]
struct Told {
    version: u64,
    withdrawn: bool,
}

impl Told {
    fn next_responses(&mut self, state: &LiveState) -> Vec<WatchResponse> {
        let Some(checkpoint) = &state.checkpoint else { return Vec::new() };
        let version = checkpoint.version;
        let mut events = Vec::new();
        if self.version != version {
            *self = Self { version, withdrawn: false };
            events.push(watch_response::Event::Checkpoint((**checkpoint).clone()));
        }
        match &state.withdrawn {
            Some(reason) if !self.withdrawn => {
                events.push(watch_response::Event::Withdrawn(Withdrawn { version, reason: reason.clone() }));
            }
            None if self.withdrawn => events.push(watch_response::Event::Restored(Restored { version })),
            _ => {}
        }
        self.withdrawn = state.withdrawn.is_some();
        events.into_iter().map(|event| WatchResponse { event: Some(event) }).collect()
    }
}

fn without_weights(checkpoint: &Checkpoint) -> Checkpoint {
    Checkpoint { safetensors: Default::default(), ..checkpoint.clone() }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Status::internal(error.to_string()))
}

fn status_of(error: BusError) -> Status {
    match error {
        BusError::Malformed(_) => Status::data_loss(error.to_string()),
        BusError::Configuration(_) | BusError::Unavailable(_) => Status::unavailable(error.to_string()),
    }
}
