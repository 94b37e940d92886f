//! The connection.

use std::path::Path;

/// A connection to NATS with JetStream; cheap to clone. It reconnects by itself, for ever.
#[derive(Clone, Debug)]
pub struct Bus {}

/// What went wrong, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Fix the configuration.
    #[error("{0}")]
    Configuration(String),
    /// Try again later.
    #[error("NATS is not reachable: {0}")]
    Unavailable(String),
    /// What came is not what was asked for: skip it.
    #[error("{0}")]
    Malformed(String),
}

impl Bus {
    /// Connects in the background: returns at once, also when the server is away.
    /// `credentials_file` holds `user:password`.
    ///
    /// # Errors
    /// When the URL or the credentials file is not usable.
    pub async fn connect(_url: &str, _credentials_file: Option<&Path>, _client_name: &str) -> Result<Self, BusError> {
        todo!()
    }

    #[must_use]
    pub fn is_connected(&self) -> bool {
        todo!()
    }
}
