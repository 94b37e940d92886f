//! Checkpoints and trainer states: object store `acuity_checkpoints`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_nats::jetstream::{
    context::ObjectStoreErrorKind,
    object_store::{GetErrorKind, InfoErrorKind, ObjectInfo, ObjectStore},
};
use base64::{Engine, prelude::BASE64_URL_SAFE};
use bytes::Bytes;
use futures::TryStreamExt;
use prost::Message;
use proto::{StreamName, v1::Checkpoint};
use tokio::{io::AsyncReadExt, sync::Mutex};

use crate::{
    Bus, BusError,
    connect::unavailable,
    names::{
        CHECKPOINTS, CHECKPOINTS_STREAM, MAX_OBJECT_BYTES, checkpoint_object, checkpoints_config, pin_object,
        trainer_state_object,
    },
};

const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// The stored checkpoints of one stream.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    bus: Bus,
    stream: StreamName,
    /// Which versions are stored, once listed: this stream's media-node is the only one that stores any. A list costs
    /// the names of every stream's objects.
    stored: Arc<Mutex<Option<BTreeSet<u64>>>>,
}

impl Bus {
    /// # Errors
    /// When NATS is away.
    pub async fn ensure_checkpoints(&self) -> Result<(), BusError> {
        self.checkpoint_store().await.map(drop)
    }

    /// The stored checkpoints of `stream`.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn checkpoints(&self, stream: &StreamName) -> Result<Checkpoints, BusError> {
        self.ensure_checkpoints().await?;
        Ok(Checkpoints { bus: self.clone(), stream: stream.clone(), stored: Arc::default() })
    }

    async fn checkpoint_store(&self) -> Result<ObjectStore, BusError> {
        self.connected()?;
        if let Some(store) = self.checkpoints.known() {
            return Ok(store);
        }
        let found = match self.context.get_object_store(CHECKPOINTS).await {
            Err(error) if error.kind() == ObjectStoreErrorKind::GetStore => self
                .context
                .create_object_store(checkpoints_config())
                .await
                .map_err(|error| unavailable("creating acuity_checkpoints", error)),
            found => found.map_err(|error| unavailable("looking for acuity_checkpoints", error)),
        };
        found.map(|store| self.checkpoints.remember(store))
    }

    async fn put_object(&self, name: &str, bytes: &[u8]) -> Result<(), BusError> {
        if bytes.len() > MAX_OBJECT_BYTES {
            return Err(BusError::Malformed(format!(
                "{name} of {} bytes: at most {MAX_OBJECT_BYTES} are stored",
                bytes.len()
            )));
        }
        let put = self.checkpoint_store().await?.put(name, &mut &*bytes).await;
        put.map(drop).map_err(|error| self.checkpoints.lost(&format!("storing {name}"), error))
    }

    async fn get_object(&self, name: &str) -> Result<Option<Vec<u8>>, BusError> {
        let doing = format!("reading {name}");
        let object = match self.checkpoint_store().await?.get(name).await {
            Ok(object) => object,
            Err(error) if error.kind() == GetErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.checkpoints.lost(&doing, error)),
        };
        if object.info().size > MAX_OBJECT_BYTES {
            return Err(BusError::Malformed(format!("{name} is {} bytes long", object.info().size)));
        }
        let mut bytes = Vec::with_capacity(object.info().size);
        object
            .take(MAX_OBJECT_BYTES as u64)
            .read_to_end(&mut bytes)
            .await
            .map_err(|error| unavailable(&doing, error))?;
        Ok(Some(bytes))
    }

    /// The names of everything stored of `stream`.
    pub(crate) async fn objects_of(&self, stream: &StreamName) -> Result<Vec<String>, BusError> {
        let doing = "listing stored objects";
        let prefix = format!("{stream}/");
        let objects =
            self.checkpoint_store().await?.list().await.map_err(|error| self.checkpoints.lost(doing, error))?;
        let names = objects.try_filter_map(|info| {
            let name = Some(info.name).filter(|name| name.starts_with(&prefix));
            async move { Ok(name) }
        });
        match tokio::time::timeout(LIST_TIMEOUT, names.try_collect()).await {
            Ok(listed) => listed.map_err(|error| unavailable(doing, error)),
            Err(elapsed) => Err(unavailable(doing, elapsed)),
        }
    }

    /// Removes an object without trace. The library's own `delete` leaves a mark for each name, and names are never
    /// used again here.
    pub(crate) async fn remove_object(&self, name: &str) -> Result<(), BusError> {
        let doing = format!("removing {name}");
        let info: ObjectInfo = match self.checkpoint_store().await?.info(name).await {
            Ok(info) => info,
            Err(error) if error.kind() == InfoErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unavailable(&doing, error)),
        };
        let stream =
            self.context.get_stream_no_info(CHECKPOINTS_STREAM).await.map_err(|error| unavailable(&doing, error))?;
        for subject in [
            format!("$O.{CHECKPOINTS}.M.{}", BASE64_URL_SAFE.encode(name)),
            format!("$O.{CHECKPOINTS}.C.{}", info.nuid),
        ] {
            stream.purge().filter(subject).await.map_err(|error| unavailable(&doing, error))?;
        }
        Ok(())
    }
}

impl Checkpoints {
    /// How many versions of a stream are kept.
    pub const KEPT: usize = 5;

    /// Stores it under its version and removes all but the newest [`Self::KEPT`].
    ///
    /// # Errors
    /// When it is not stored.
    pub async fn put(&self, checkpoint: &Checkpoint) -> Result<(), BusError> {
        let mut stored = self.stored.lock().await;
        let mut versions = match stored.take() {
            Some(versions) => versions,
            None => self.list().await?,
        };
        let put = self
            .bus
            .put_object(&checkpoint_object(&self.stream, checkpoint.version), &checkpoint.encode_to_vec())
            .await;
        if put.is_ok() {
            versions.insert(checkpoint.version);
            self.prune(&mut versions).await;
        }
        *stored = Some(versions);
        put
    }

    /// # Errors
    /// When NATS is away.
    pub async fn get(&self, version: u64) -> Result<Option<Checkpoint>, BusError> {
        let name = checkpoint_object(&self.stream, version);
        let Some(bytes) = self.bus.get_object(&name).await? else { return Ok(None) };
        Checkpoint::decode(Bytes::from(bytes))
            .map(Some)
            .map_err(|error| BusError::Malformed(format!("stored checkpoint {name}: {error}")))
    }

    /// Whether a version is stored; cheaper than to read it.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn holds(&self, version: u64) -> Result<bool, BusError> {
        let name = checkpoint_object(&self.stream, version);
        match self.bus.checkpoint_store().await?.info(&name).await {
            Ok(info) => Ok(!info.deleted),
            Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.bus.checkpoints.lost(&format!("looking for {name}"), error)),
        }
    }

    /// Stored versions, oldest first.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn versions(&self) -> Result<Vec<u64>, BusError> {
        let versions = self.list().await?;
        *self.stored.lock().await = Some(versions.clone());
        Ok(versions.into_iter().collect())
    }

    /// What a trainer needs to go on after its death; opaque here.
    ///
    /// # Errors
    /// When it is not stored.
    pub async fn put_trainer_state(&self, state: Bytes) -> Result<(), BusError> {
        self.bus.put_object(&trainer_state_object(&self.stream), &state).await
    }

    /// # Errors
    /// When NATS is away.
    pub async fn trainer_state(&self) -> Result<Option<Bytes>, BusError> {
        Ok(self.bus.get_object(&trainer_state_object(&self.stream)).await?.map(Bytes::from))
    }

    /// The version that is held against newer ones; `None`: none is.
    ///
    /// # Errors
    /// When it is not stored.
    pub async fn put_pin(&self, version: Option<u64>) -> Result<(), BusError> {
        self.bus.put_object(&pin_object(&self.stream), version.unwrap_or(0).to_string().as_bytes()).await
    }

    /// # Errors
    /// When NATS is away.
    pub async fn pin(&self) -> Result<Option<u64>, BusError> {
        let name = pin_object(&self.stream);
        let Some(bytes) = self.bus.get_object(&name).await? else { return Ok(None) };
        let version = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        let version: u64 = version.ok_or_else(|| BusError::Malformed(format!("{name} is no version")))?;
        Ok(Some(version).filter(|version| *version != 0))
    }

    async fn list(&self) -> Result<BTreeSet<u64>, BusError> {
        let prefix = format!("{}/", self.stream);
        let names = self.bus.objects_of(&self.stream).await?;
        Ok(names.iter().filter_map(|name| name.strip_prefix(&prefix)?.parse().ok()).collect())
    }

    /// What cannot be removed now is tried again with the next one.
    async fn prune(&self, versions: &mut BTreeSet<u64>) {
        while versions.len() > Self::KEPT {
            let Some(&oldest) = versions.first() else { return };
            if let Err(error) = self.bus.remove_object(&checkpoint_object(&self.stream, oldest)).await {
                tracing::warn!(stream = %self.stream, version = oldest, %error, "an old checkpoint stays");
                return;
            }
            versions.remove(&oldest);
        }
    }
}
