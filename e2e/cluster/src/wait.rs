//! Waiting for conditions, never for luck.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Asks again and again until `look` finds something. What goes wrong meanwhile is said when time is over: an API server
/// or a port that does not answer for a moment is part of what is tried here.
pub(crate) async fn within<T>(
    seconds: u64,
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let looked = look().await;
        if let Ok(Some(found)) = looked {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            looked.with_context(|| format!("after {seconds} s still not: {what}"))?;
            bail!("after {seconds} s still not: {what}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The same for a plain condition.
pub(crate) async fn until(
    seconds: u64,
    what: &str,
    mut holds: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    within(seconds, what, async || Ok(holds().await?.then_some(()))).await
}
