//! Logs to standard error, or to a file while a program draws on the terminal.

use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    sync::OnceLock,
};

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

static FILE: OnceLock<File> = OnceLock::new();

/// Starts logging: `RUST_LOG` filters (default `info`, the WebRTC stack `error`), `ACUITY_LOG=json` gives JSON lines.
pub fn init_logs(program: &'static str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new("info,rtc=error,webrtc=error,webrtc_client=info,rtc_dtls=error,rtc_ice=error,rtc_sctp=error,async_nats=warn")
    });
    let json = std::env::var("ACUITY_LOG").is_ok_and(|format| format == "json");
    let layer = fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(writer);
    let layer = if json { layer.json().boxed() } else { layer.with_target(false).boxed() };
    tracing_subscriber::registry().with(filter).with(layer).init();
    tracing::debug!(program, version = env!("CARGO_PKG_VERSION"), "logging");
}

/// From now on logs go to this file; a second call changes nothing.
pub fn redirect_logs(file: File) {
    FILE.set(file).ok();
}

fn writer() -> Box<dyn Write> {
    match FILE.get() {
        Some(file) => Box::new(file),
        None => Box::new(io::stderr()),
    }
}
