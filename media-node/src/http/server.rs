//! HTTP/1.1 and HTTP/2 on one TCP socket, with bounds on how many connections there are and how slowly they may speak.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{bind::with_ipv4_fallback, moving::Stages};

const MAX_CONNECTIONS: usize = 4096;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long answers on their way may take when the process ends.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// After a failed accept, which is mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Our own address that a request's connection came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached(pub(crate) IpAddr);

pub(crate) struct HttpListener(TcpListener);

impl HttpListener {
    /// # Errors
    /// When the address cannot be bound.
    pub(crate) fn bind(listen: SocketAddr) -> anyhow::Result<Self> {
        let listener = with_ipv4_fallback(listen, |address| {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        Ok(Self(listener.with_context(|| format!("binding {listen}"))?))
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until the shutdown, then finishes what is under way. When the media-node has moved, connections close once
    /// they are idle: what a client asks next is to reach the other one.
    pub(crate) async fn serve(self, routes: Router, stages: Stages, shutdown: telemetry::Shutdown) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = GracefulShutdown::new();
        let mut moved = std::pin::pin!(stages.moved());
        let mut has_moved = false;
        loop {
            let accepted = tokio::select! {
                () = shutdown.requested() => break,
                () = &mut moved, if !has_moved => {
                    has_moved = true;
                    tokio::spawn(std::mem::take(&mut connections).shutdown());
                    continue;
                }
                accepted = accept(&self.0, &permits) => accepted,
            };
            match accepted {
                Ok((stream, permit)) => spawn_connection(stream, permit, &routes, &connections),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        if tokio::time::timeout(END_TIMEOUT, connections.shutdown()).await.is_err() {
            tracing::debug!("connections were still open at the end");
        }
    }
}

async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

fn spawn_connection(stream: TcpStream, permit: OwnedSemaphorePermit, routes: &Router, connections: &GracefulShutdown) {
    let Ok(reached) = stream.local_addr() else { return };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "small answers wait for a full packet");
    }
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_TIMEOUT).keep_alive_timeout(HEAD_TIMEOUT);
    let service = TowerToHyperService::new(routes.clone().layer(Extension(Reached(reached.ip()))));
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an HTTP connection broke");
        }
        drop(permit);
    });
}
