//! A graceful end: SIGTERM or SIGINT, or a word from inside.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled once, seen by all clones.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

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
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = inner.requested() => {}
            }
            inner.request();
        });
        Ok(shutdown)
    }

    pub fn request(&self) {
        self.0.cancel();
    }

    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns when the end is asked for.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// For libraries that take the token itself.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.0.clone()
    }
}
