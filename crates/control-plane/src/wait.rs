//! Waiting for what objects come to be.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use futures::{StreamExt, pin_mut};
use kube::{Api, Resource, runtime::watcher::watch_object};
use serde::de::DeserializeOwned;

/// Generous: a machine may be busy. What is right takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(10);

/// Waits until an object is as `is_so` asks for, and gives it.
///
/// # Panics
/// When that takes more than a minute; the message says how the object was last seen.
pub async fn wait_for<K>(api: &Api<K>, name: &str, is_so: impl Fn(&K) -> bool) -> K
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let seen = wait_until(api, name, |seen| seen.is_some_and(&is_so)).await;
    seen.expect("the condition asks for an object")
}

/// Waits until there is no object of that name.
///
/// # Panics
/// As [`wait_for`] does.
pub async fn wait_until_gone<K>(api: &Api<K>, name: &str)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    wait_until(api, name, |seen| seen.is_none()).await;
}

async fn wait_until<K>(api: &Api<K>, name: &str, is_so: impl Fn(Option<&K>) -> bool) -> Option<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut last = None;
    let wait = async {
        let states = watch_object(api.clone(), name).filter_map(async |state| state.ok());
        pin_mut!(states);
        while let Some(state) = states.next().await {
            last = state;
            if is_so(last.as_ref()) {
                return;
            }
        }
    };
    if tokio::time::timeout(TIMEOUT, wait).await.is_err() {
        panic!("{name} is not as it should be after {} s: {last:#?}", TIMEOUT.as_secs());
    }
    last
}

/// Asks again and again until the answer is good: caches of the API server follow what was written a moment later.
///
/// # Panics
/// When that takes more than a minute; the message is the last bad answer.
pub async fn eventually<T, E: Debug>(mut ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(bad) if Instant::now() >= deadline => panic!("still after {} s: {bad:?}", TIMEOUT.as_secs()),
            Err(_) => tokio::time::sleep(INTERVAL).await,
        }
    }
}
