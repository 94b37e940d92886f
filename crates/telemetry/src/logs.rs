//! Logs to standard error.

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Starts logging: `RUST_LOG` filters (default `info`, the WebRTC stack `error`), `ACUITY_LOG=json` gives JSON lines.
pub fn init_logs(program: &'static str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new("info,rtc=error,webrtc=error,rtc_dtls=error,rtc_ice=error,rtc_sctp=error,async_nats=warn")
    });
    let json = std::env::var("ACUITY_LOG").is_ok_and(|format| format == "json");
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = if json { layer.json().boxed() } else { layer.with_target(false).boxed() };
    tracing_subscriber::registry().with(filter).with(layer).init();
    tracing::debug!(program, version = env!("CARGO_PKG_VERSION"), "logging");
}
