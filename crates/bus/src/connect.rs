//! The connection, and the handles of what Acuity keeps behind it.

use std::{
    fmt::Display,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_nats::{
    Auth, AuthError, Client, ConnectOptions, ServerAddr,
    connection::State,
    jetstream::{self, context::ContextBuilder, kv, object_store::ObjectStore, stream::Stream},
};

/// How long one request waits for its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const PING_INTERVAL: Duration = Duration::from_secs(5);
const RECONNECT_DELAY_LIMIT: Duration = Duration::from_secs(2);

/// A connection to NATS with JetStream; cheap to clone. It reconnects by itself, for ever.
#[derive(Clone)]
pub struct Bus {
    pub(crate) client: Client,
    pub(crate) context: jetstream::Context,
    pub(crate) patches: Handle<Stream>,
    pub(crate) reports: Handle<kv::Store>,
    pub(crate) checkpoints: Handle<ObjectStore>,
}

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

/// What was found on, or made in, the server; forgotten after an error, so that the next call looks again.
pub(crate) struct Handle<T>(Arc<Mutex<Option<T>>>);

impl Bus {
    /// Connects in the background: returns at once, also when the server is away.
    /// `credentials_file` holds `user:password`; it is read again at each connection.
    ///
    /// # Errors
    /// When the URL or the credentials file is not usable.
    pub async fn connect(url: &str, credentials_file: Option<&Path>, client_name: &str) -> Result<Self, BusError> {
        let address: ServerAddr =
            url.parse().map_err(|error| BusError::Configuration(format!("NATS URL {url:?}: {error}")))?;
        let (options, user) = match credentials_file {
            None => (ConnectOptions::new(), None),
            Some(path) => {
                let (user, _) = read_credentials(path)?;
                let path = path.to_owned();
                let options = ConnectOptions::with_auth_callback(move |_nonce| {
                    let path = path.clone();
                    async move { authenticate(&path) }
                });
                (options, Some(user))
            }
        };
        let client = options
            .name(client_name)
            .custom_inbox_prefix(crate::permissions::inbox_prefix(user.as_deref()))
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(reconnect_delay)
            .ping_interval(PING_INTERVAL)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .event_callback(|event| async move {
                match event {
                    async_nats::Event::Connected => tracing::info!("connected to NATS"),
                    event => tracing::warn!(%event, "NATS connection"),
                }
            })
            .connect(address)
            .await
            .map_err(|error| BusError::Configuration(format!("NATS at {url}: {error}")))?;
        let context = ContextBuilder::new().timeout(REQUEST_TIMEOUT).ack_timeout(REQUEST_TIMEOUT).build(client.clone());
        Ok(Self { client, context, patches: Handle::empty(), reports: Handle::empty(), checkpoints: Handle::empty() })
    }

    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Nothing is handed to a connection that is down: the client would keep it in memory and send it who knows when.
    pub(crate) fn connected(&self) -> Result<(), BusError> {
        if self.is_connected() { Ok(()) } else { Err(BusError::Unavailable("not connected".to_owned())) }
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("connected", &self.is_connected()).finish_non_exhaustive()
    }
}

/// What could not be done, for the text of the error.
pub(crate) fn unavailable(doing: &str, error: impl Display) -> BusError {
    BusError::Unavailable(format!("{doing}: {error}"))
}

impl<T: Clone> Handle<T> {
    fn empty() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn known(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn remember(&self, found: T) -> T {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        found
    }

    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// [`unavailable`], and looked for anew the next time: what it led to may be gone with the server's data.
    pub(crate) fn lost(&self, doing: &str, error: impl Display) -> BusError {
        self.forget();
        unavailable(doing, error)
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

fn reconnect_delay(attempts: usize) -> Duration {
    let exponent = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(6);
    if attempts <= 1 { Duration::ZERO } else { Duration::from_millis(50 << exponent).min(RECONNECT_DELAY_LIMIT) }
}

fn authenticate(path: &Path) -> Result<Auth, AuthError> {
    let (user, password) = read_credentials(path).map_err(AuthError::new)?;
    let mut auth = Auth::new();
    auth.username = Some(user);
    auth.password = Some(password);
    Ok(auth)
}

fn read_credentials(path: &Path) -> Result<(String, String), BusError> {
    let refuse = |why: &dyn Display| BusError::Configuration(format!("NATS credentials {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
    let (user, password) = text.trim().split_once(':').ok_or_else(|| refuse(&"no user:password"))?;
    Ok((user.to_owned(), password.to_owned()))
}
