//! Branches of a `select!` that are not always there.

/// What comes of `future`; without one this never ends.
pub(crate) async fn or_never<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
