//! Waiting for conditions, never for luck.

use std::time::{Duration, Instant};

/// Asks again and again until `look` finds something.
///
/// # Panics
/// When `seconds` have passed.
pub async fn within<T>(seconds: u64, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "after {seconds} s still not: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The same for a plain condition.
///
/// # Panics
/// When `seconds` have passed.
pub async fn eventually(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
    within(seconds, what, async || holds().then_some(())).await;
}
