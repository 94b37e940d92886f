//! Where accepted checkpoints outlive this process: the object store of the bus.

use std::{sync::Arc, time::Duration};

use bus::{Bus, BusError, Checkpoints};
use proto::{StreamName, v1::Checkpoint};
use sr_net::{Network, Weights};
use tokio::sync::OnceCell;

use super::{
    desk::Desk,
    registry::{GENERAL_VERSION, Live},
};

/// What is held against newer versions. The general weights are not stored: every build brings its own.
enum Pinned {
    General,
    Stored(Live),
}

const LOAD_AGAIN_AFTER: Duration = Duration::from_millis(500);

#[derive(Clone, Debug)]
pub(crate) struct Store {
    bus: Bus,
    stream: StreamName,
    checkpoints: Arc<OnceCell<Checkpoints>>,
}

impl Store {
    pub(crate) fn new(bus: Bus, stream: StreamName) -> Self {
        Self { bus, stream, checkpoints: Arc::default() }
    }

    pub(crate) fn is_reachable(&self) -> bool {
        self.bus.is_connected()
    }

    pub(crate) async fn put(&self, checkpoint: &Checkpoint) -> Result<(), BusError> {
        self.checkpoints().await?.put(checkpoint).await
    }

    pub(crate) async fn get(&self, version: u64) -> Result<Option<Checkpoint>, BusError> {
        self.checkpoints().await?.get(version).await
    }

    /// Oldest first.
    pub(crate) async fn versions(&self) -> Result<Vec<u64>, BusError> {
        self.checkpoints().await?.versions().await
    }

    /// `None`: none is pinned any more.
    pub(crate) async fn put_pin(&self, version: Option<u64>) -> Result<(), BusError> {
        self.checkpoints().await?.put_pin(version).await
    }

    /// Gives the registry what is stored, once it can be read.
    pub(crate) async fn load(&self, desk: &Desk, network: Network) {
        while let Err(error) = self.try_load(desk, network).await {
            tracing::debug!(%error, "reading the stored checkpoints");
            tokio::time::sleep(LOAD_AGAIN_AFTER).await;
        }
    }

    /// The same when another media-node has stored what this one does not know of.
    pub(crate) async fn catch_up(&self, desk: &Desk, network: Network) -> Result<(), BusError> {
        let Some(version) = desk.update(|registry, _| registry.version_to_come()) else { return Ok(()) };
        if self.checkpoints().await?.holds(version).await? { self.try_load(desk, network).await } else { Ok(()) }
    }

    async fn try_load(&self, desk: &Desk, network: Network) -> Result<(), BusError> {
        let ((newest_version, live), pinned) = tokio::try_join!(self.newest(network), self.pinned(network))?;
        tracing::info!(stream = %self.stream, newest_version, usable = live.is_some(), "stored checkpoints");
        desk.update(|registry, _| {
            registry.handle_stored(newest_version, live);
            let pinned = match pinned {
                Some(Pinned::General) => registry.find(GENERAL_VERSION),
                Some(Pinned::Stored(live)) => Some(live),
                None => None,
            };
            if let Some(pinned) = pinned {
                registry.pin(pinned);
            }
        });
        Ok(())
    }

    /// The newest version, and the newest checkpoint that this stream's network can use.
    async fn newest(&self, network: Network) -> Result<(u64, Option<Live>), BusError> {
        let checkpoints = self.checkpoints().await?;
        let versions = checkpoints.versions().await?;
        for &version in versions.iter().rev().filter(|version| **version > GENERAL_VERSION) {
            match checkpoints.get(version).await {
                Ok(Some(checkpoint)) => match usable(checkpoint, network) {
                    Some(live) => return Ok((versions.last().copied().unwrap_or(0), Some(live))),
                    None => tracing::warn!(version, "a stored checkpoint is of another network"),
                },
                Ok(None) => {}
                Err(error @ BusError::Malformed(_)) => {
                    tracing::warn!(version, %error, "a stored checkpoint is damaged")
                }
                Err(error) => return Err(error),
            }
        }
        Ok((versions.last().copied().unwrap_or(0), None))
    }

    /// A pin that says nothing, or of what this stream cannot use, holds nothing.
    async fn pinned(&self, network: Network) -> Result<Option<Pinned>, BusError> {
        let checkpoints = self.checkpoints().await?;
        let found = async {
            match checkpoints.pin().await? {
                None => Ok(None),
                Some(GENERAL_VERSION) => Ok(Some(Pinned::General)),
                Some(version) => {
                    let stored = checkpoints.get(version).await?;
                    Ok(stored.and_then(|checkpoint| usable(checkpoint, network)).map(Pinned::Stored))
                }
            }
        };
        match found.await {
            Err(error @ BusError::Malformed(_)) => {
                tracing::warn!(%error, "the stored pin holds nothing");
                Ok(None)
            }
            found => found,
        }
    }

    async fn checkpoints(&self) -> Result<&Checkpoints, BusError> {
        self.checkpoints.get_or_try_init(|| self.bus.checkpoints(&self.stream)).await
    }
}

/// `None` when it is not of this network.
pub(crate) fn usable(checkpoint: Checkpoint, network: Network) -> Option<Live> {
    let named = checkpoint.network.as_ref().and_then(|named| Network::try_from(named).ok());
    let weights = Weights::from_safetensors(&checkpoint.safetensors, named.filter(|named| *named == network)?).ok()?;
    Some(Live { checkpoint: Arc::new(checkpoint), weights: Arc::new(weights) })
}
