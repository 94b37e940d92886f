//! Training patches: stream `ACUITY_PATCHES`, subject `acuity.patches.<ns>.<name>`.

use std::time::{Duration, SystemTime};

use async_nats::{
    HeaderMap,
    jetstream::{
        self,
        consumer::{self, DeliverPolicy, PullConsumer},
        context::GetStreamErrorKind,
        stream::Stream,
    },
};
use futures::{StreamExt, TryStreamExt};
use prost::Message;
use proto::{StreamName, v1::TrainingPatch};

use crate::{
    Bus, BusError,
    connect::unavailable,
    names::{
        MAX_PATCH_BYTES, MAX_PATCHES, PATCHES, patch_consumer, patch_consumer_config, patch_subject, patches_config,
    },
};

/// How long a refill may take before it goes on with what came.
const REFILL_TIMEOUT: Duration = Duration::from_secs(10);
/// What is at hand comes within this.
const AT_HAND_TIMEOUT: Duration = Duration::from_secs(5);

/// The durable pull consumer of a stream's trainers.
pub struct PatchConsumer {
    bus: Bus,
    stream: StreamName,
    /// `None` after an error: it is looked up, or made, again.
    consumer: Option<PullConsumer>,
    malformed: u64,
}

/// A patch with its acknowledgement still owed: ack when it is in the replay buffer.
#[derive(Debug)]
pub struct ReceivedPatch {
    pub patch: TrainingPatch,
    message: jetstream::Message,
}

impl Bus {
    /// # Errors
    /// When NATS is away.
    pub async fn ensure_patches(&self) -> Result<(), BusError> {
        self.patch_stream().await.map(drop)
    }

    /// Returns when JetStream has stored it. `message_id` (`<session>:<sequence>`) makes a second one of it vanish.
    ///
    /// # Errors
    /// When it was not stored; it may be tried again. Malformed when it is too long ever to be.
    pub async fn publish_patch(
        &self,
        stream: &StreamName,
        message_id: &str,
        patch: &TrainingPatch,
    ) -> Result<(), BusError> {
        let bytes = patch.encode_to_vec();
        if bytes.len() > MAX_PATCH_BYTES {
            return Err(BusError::Malformed(format!(
                "a patch of {} bytes: at most {MAX_PATCH_BYTES} are stored",
                bytes.len()
            )));
        }
        self.patch_stream().await?;
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, message_id);
        let stored = async {
            self.context.publish_with_headers(patch_subject(stream), headers, bytes.into()).await?.await.map(drop)
        };
        stored.await.map_err(|error| self.patches.lost("storing a patch", error))
    }

    /// # Errors
    /// When NATS is away.
    pub async fn consume_patches(&self, stream: &StreamName) -> Result<PatchConsumer, BusError> {
        let mut consumer = PatchConsumer { bus: self.clone(), stream: stream.clone(), consumer: None, malformed: 0 };
        consumer.consumer().await?;
        Ok(consumer)
    }

    /// Every patch of the last `window`, oldest first, acknowledged or not.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn recent_patches(&self, stream: &StreamName, window: Duration) -> Result<Vec<TrainingPatch>, BusError> {
        let unique = self.client.new_inbox();
        let suffix = unique.rsplit('.').next().unwrap_or_default();
        let config = consumer::pull::OrderedConfig {
            name: Some(format!("{}-{suffix}", patch_consumer(stream))),
            filter_subject: patch_subject(stream),
            deliver_policy: DeliverPolicy::ByStartTime { start_time: (SystemTime::now() - window).into() },
            ..Default::default()
        };
        let consumer = self
            .patch_stream()
            .await?
            .create_consumer(config)
            .await
            .map_err(|error| unavailable("reading recent patches", error))?;
        let expected = usize::try_from(consumer.cached_info().num_pending).unwrap_or(MAX_PATCHES).min(MAX_PATCHES);
        let messages = consumer.messages().await.map_err(|error| unavailable("reading recent patches", error))?;
        let (mut patches, mut malformed) = (Vec::with_capacity(expected), 0_u64);
        let mut messages = std::pin::pin!(messages.take(expected).take_until(tokio::time::sleep(REFILL_TIMEOUT)));
        while let Some(message) =
            messages.try_next().await.map_err(|error| unavailable("reading recent patches", error))?
        {
            match TrainingPatch::decode(message.payload.clone()) {
                Ok(patch) => patches.push(patch),
                Err(_) => malformed += 1,
            }
        }
        if malformed > 0 {
            tracing::warn!(%stream, malformed, "left out malformed patches");
        }
        Ok(patches)
    }

    /// Patches no trainer has taken yet.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn patch_backlog(&self, stream: &StreamName) -> Result<u64, BusError> {
        let patches = self.patch_stream().await?;
        match patches.consumer_info(patch_consumer(stream)).await {
            Ok(info) => Ok(info.num_pending),
            Err(error) if is_absent(error.kind()) => self.stored_patches(&patches, stream).await,
            Err(error) => Err(self.patches.lost("asking for the backlog", error)),
        }
    }

    /// Without a consumer no trainer has ever taken one.
    async fn stored_patches(&self, patches: &Stream, stream: &StreamName) -> Result<u64, BusError> {
        let subject = patch_subject(stream);
        let mut subjects = patches
            .info_with_subjects(subject.as_str())
            .await
            .map_err(|error| unavailable("asking for the stored patches", error))?;
        match subjects.try_next().await {
            Ok(found) => Ok(found.map_or(0, |(_, count)| count as u64)),
            Err(error) => Err(unavailable("asking for the stored patches", error)),
        }
    }

    pub(crate) async fn patch_stream(&self) -> Result<Stream, BusError> {
        self.connected()?;
        if let Some(stream) = self.patches.known() {
            return Ok(stream);
        }
        let found = match self.context.get_stream(PATCHES).await {
            Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(_)) => self
                .context
                .create_stream(patches_config())
                .await
                .map_err(|error| unavailable("creating ACUITY_PATCHES", error)),
            found => found.map_err(|error| unavailable("looking for ACUITY_PATCHES", error)),
        };
        found.map(|stream| self.patches.remember(stream))
    }
}

impl PatchConsumer {
    /// At most `limit` patches, waiting up to `wait` for the first. A malformed message is acknowledged, counted in
    /// the log and left out.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn fetch(&mut self, limit: usize, wait: Duration) -> Result<Vec<ReceivedPatch>, BusError> {
        let fetched = self.fetch_messages(limit, wait).await;
        if fetched.is_err() {
            self.consumer = None;
            self.bus.patches.forget();
        }
        let mut patches = Vec::new();
        for message in fetched? {
            match TrainingPatch::decode(message.payload.clone()) {
                Ok(patch) => patches.push(ReceivedPatch { patch, message }),
                Err(error) => {
                    self.malformed += 1;
                    tracing::warn!(stream = %self.stream, %error, malformed = self.malformed, "left out a malformed patch");
                    message.ack().await.map_err(|error| unavailable("acknowledging a patch", error))?;
                }
            }
        }
        Ok(patches)
    }

    /// Malformed messages so far.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    async fn fetch_messages(&mut self, limit: usize, wait: Duration) -> Result<Vec<jetstream::Message>, BusError> {
        let consumer = self.consumer().await?;
        let at_hand = fetch_at_hand(consumer, limit).await?;
        if !at_hand.is_empty() || limit == 0 {
            return Ok(at_hand);
        }
        let first = consumer
            .batch()
            .max_messages(1)
            .expires(wait)
            .messages()
            .await
            .map_err(|error| unavailable("fetching patches", error))?;
        let mut messages: Vec<_> = first.try_collect().await.map_err(|error| unavailable("fetching patches", error))?;
        if !messages.is_empty() && limit > 1 {
            messages.extend(fetch_at_hand(consumer, limit - 1).await?);
        }
        Ok(messages)
    }

    async fn consumer(&mut self) -> Result<&PullConsumer, BusError> {
        self.bus.connected()?;
        if self.consumer.is_none() {
            let name = patch_consumer(&self.stream);
            let consumer = self
                .bus
                .patch_stream()
                .await?
                .get_or_create_consumer(&name, patch_consumer_config(&self.stream))
                .await
                .map_err(|error| unavailable("finding the consumer of the patches", error))?;
            self.consumer = Some(consumer);
        }
        Ok(self.consumer.as_ref().expect("filled just above"))
    }
}

impl ReceivedPatch {
    /// # Errors
    /// When NATS is away; the patch then comes again.
    pub async fn ack(&self) -> Result<(), BusError> {
        self.message.ack().await.map_err(|error| unavailable("acknowledging a patch", error))
    }

    /// Another trainer gets it, at once.
    ///
    /// # Errors
    /// When NATS is away; the patch then comes again, later.
    pub async fn give_back(&self) -> Result<(), BusError> {
        let given = self.message.ack_with(jetstream::AckKind::Nak(None)).await;
        given.map_err(|error| unavailable("giving a patch back", error))
    }
}

impl std::fmt::Debug for PatchConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PatchConsumer").field("stream", &self.stream).finish_non_exhaustive()
    }
}

async fn fetch_at_hand(consumer: &PullConsumer, limit: usize) -> Result<Vec<jetstream::Message>, BusError> {
    let batch = consumer
        .fetch()
        .max_messages(limit)
        .expires(AT_HAND_TIMEOUT)
        .messages()
        .await
        .map_err(|error| unavailable("fetching patches", error))?;
    batch.try_collect().await.map_err(|error| unavailable("fetching patches", error))
}

fn is_absent(kind: jetstream::context::ConsumerInfoErrorKind) -> bool {
    use jetstream::context::ConsumerInfoErrorKind::{NotFound, StreamNotFound};
    matches!(kind, NotFound | StreamNotFound)
}
