//! The gate that every write passes.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::future::{Either, Ready, ready};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

/// Zero of the gates' time: monotonic, and it goes on while the process is stopped.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

const FOR_EVER: u64 = u64::MAX;
const A_LONG_TIME: Duration = Duration::from_hours(24 * 365);

/// Whether this process may write now; cheap to clone. As a [`Layer`] of a client it refuses requests that change
/// something; a candidate may look. It belongs below anything that waits or tries again, right before the request is
/// sent.
#[derive(Clone, Debug)]
pub struct LeaseGate {
    /// Nanoseconds since [`START`].
    closes_at: Arc<AtomicU64>,
}

/// A write was refused: this process does not lead, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this operator does not hold the lease")]
pub struct GateClosed;

impl LeaseGate {
    /// Closed until the process leads.
    #[must_use]
    pub fn closed() -> Self {
        LazyLock::force(&START);
        Self { closes_at: Arc::default() }
    }

    /// For an operator that is alone.
    #[must_use]
    pub fn open() -> Self {
        Self { closes_at: Arc::new(AtomicU64::new(FOR_EVER)) }
    }

    #[must_use]
    pub fn admits(&self) -> bool {
        let closes_at = self.closes_at.load(Ordering::Acquire);
        closes_at == FOR_EVER || nanoseconds(Instant::now()) < closes_at
    }

    pub(super) fn open_until(&self, at: Instant) {
        self.closes_at.store(nanoseconds(at), Ordering::Release);
    }

    pub(super) fn close(&self) {
        self.closes_at.store(0, Ordering::Release);
    }

    pub(super) fn closes_at(&self) -> Instant {
        match self.closes_at.load(Ordering::Acquire) {
            FOR_EVER => Instant::now() + A_LONG_TIME,
            nanoseconds => *START + Duration::from_nanos(nanoseconds),
        }
    }
}

fn nanoseconds(at: Instant) -> u64 {
    u64::try_from(at.duration_since(*START).as_nanos()).unwrap_or(FOR_EVER - 1)
}

impl<S> Layer<S> for LeaseGate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { gate: self.clone(), inner }
    }
}

/// A client behind a [`LeaseGate`].
#[derive(Clone, Debug)]
pub struct Gated<S> {
    gate: LeaseGate,
    inner: S,
}

impl<S, B> Service<http::Request<B>> for Gated<S>
where
    S: Service<http::Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future =
        Either<futures::future::MapErr<S::Future, fn(S::Error) -> BoxError>, Ready<Result<S::Response, BoxError>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        use futures::TryFutureExt;
        if request.method() == http::Method::GET || self.gate.admits() {
            let convert: fn(S::Error) -> BoxError = Into::into;
            Either::Left(self.inner.call(request).map_err(convert))
        } else {
            Either::Right(ready(Err(GateClosed.into())))
        }
    }
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt, service_fn};

    use super::*;

    async fn send(gate: &LeaseGate, method: http::Method) -> Result<(), String> {
        let server = service_fn(|_: http::Request<()>| async { Ok::<_, BoxError>(()) });
        let request = http::Request::builder().method(method).body(()).unwrap();
        gate.layer(server).oneshot(request).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn who_does_not_lead_may_look_and_not_write() {
        let gate = LeaseGate::closed();
        assert_eq!(send(&gate, http::Method::GET).await, Ok(()));
        for method in [http::Method::POST, http::Method::PUT, http::Method::PATCH, http::Method::DELETE] {
            assert_eq!(send(&gate, method.clone()).await, Err(GateClosed.to_string()), "{method}");
            assert_eq!(send(&LeaseGate::open(), method).await, Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_closes_by_itself() {
        let gate = LeaseGate::closed();
        gate.open_until(Instant::now() + Duration::from_secs(13));
        tokio::time::advance(Duration::from_millis(12_999)).await;
        assert!(gate.admits());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!gate.admits());
        gate.open_until(Instant::now() + Duration::from_secs(13));
        assert!(gate.clone().admits());
        gate.close();
        assert!(!gate.admits());
    }
}
