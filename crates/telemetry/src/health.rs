//! `/healthz`, `/readyz` and `/metrics` over HTTP.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, http::StatusCode, routing::get};

use crate::{Metrics, Shutdown, render_metrics};

/// Whether the program is ready to do its work. Alive it is as long as it answers.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<AtomicBool>);

impl Health {
    pub fn set_ready(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Routes to merge into a program's own server.
    pub fn routes(&self, metrics: Metrics) -> Router {
        self.readiness()
            .route("/healthz", get(|| async { "alive\n" }))
            .route("/metrics", get(move || async move { render_metrics(&metrics) }))
    }

    /// `/readyz` alone.
    pub fn readiness(&self) -> Router {
        let health = self.clone();
        let ready = move || async move {
            if health.is_ready() {
                (StatusCode::OK, "ready\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
        };
        Router::new().route("/readyz", get(ready))
    }
}

/// Serves health and metrics alone, for programs without a server of their own; returns the bound address.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve_health(
    listen: SocketAddr,
    health: &Health,
    metrics: Metrics,
    shutdown: Shutdown,
) -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let routes = health.routes(metrics);
    tokio::spawn(async move {
        if let Err(error) =
            axum::serve(listener, routes).with_graceful_shutdown(async move { shutdown.requested().await }).await
        {
            tracing::warn!(%error, "health server ended");
        }
    });
    Ok(address)
}
