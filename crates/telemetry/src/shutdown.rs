//! A graceful end: SIGTERM or SIGINT, or a word from inside. Who asks twice wants it at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled once, seen by all clones.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    asked: CancellationToken,
    insisted: CancellationToken,
}

impl Shutdown {
    /// Cancelled by SIGTERM and SIGINT.
    ///
    /// # Errors
    /// When the process cannot listen to signals.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let inner = shutdown.clone();
        tokio::spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            inner.request();
            either(&mut terminate, &mut interrupt).await;
            inner.insisted.cancel();
        });
        Ok(shutdown)
    }

    pub fn request(&self) {
        self.asked.cancel();
    }

    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Returns when the end is asked for.
    pub async fn requested(&self) {
        self.asked.cancelled().await;
    }

    /// Returns at the second signal: what takes its time at the end is to be left undone.
    pub async fn insisted(&self) {
        self.insisted.cancelled().await;
    }

    /// For libraries that take the token itself.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.asked.clone()
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
