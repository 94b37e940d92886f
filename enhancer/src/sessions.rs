//! What both WebRTC sessions do when they end: begin again.

use std::time::Duration;

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
