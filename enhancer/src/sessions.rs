//! What both WebRTC sessions do when they end: begin again.

use std::{path::Path, time::Duration};

use anyhow::Context;
use telemetry::Shutdown;
use webrtc_client::{Backoff, SignallingError};

/// Connecting takes at most this long.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Waits before the next try; `Err`: there is no point in one.
pub(crate) async fn wait_to_try_again(
    error: SignallingError,
    backoff: &mut Backoff,
    shutdown: &Shutdown,
) -> Result<(), SignallingError> {
    let delay = match error {
        SignallingError::Forbidden { .. } => return Err(error),
        SignallingError::Later { after, .. } => after,
        SignallingError::Refused { .. } | SignallingError::Unreachable(_) | SignallingError::Stack(_) => {
            backoff.next_delay(rand::random())
        }
    };
    tracing::debug!(%error, ?delay, "connecting again");
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = shutdown.requested() => {}
    }
    Ok(())
}

/// The internal token; read again at each connection, because the file may change.
pub(crate) fn read_token(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let read = |file: &Path| {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading the token in {}", file.display()))?;
        Ok(text.trim().to_owned())
    };
    file.map(read).transpose()
}
