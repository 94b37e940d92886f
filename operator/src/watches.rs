//! Watches of everything of ours, for ever; what they show goes into one channel.

use std::{fmt::Debug, pin::pin, time::Duration};

use crds::LiveStream;
use futures::StreamExt;
use k8s_openapi::api::{
    core::v1::{Node, Pod, Secret, Service},
    networking::v1::Ingress,
};
use kube::{
    Api, Client, Resource,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{metrics::Metrics, names::CHILDREN, stores::Watched};

/// A page is held in memory as a whole.
const PAGE: u32 = 250;
const LIST_AGAIN_AFTER: Duration = Duration::from_hours(1);

/// Watches one namespace, or all.
pub fn watch(client: &Client, namespace: Option<&str>, metrics: &Metrics, seen: &mpsc::Sender<Watched>) -> JoinSet<()> {
    let children = || watcher::Config::default().labels(CHILDREN).page_size(PAGE);
    let mut watches = JoinSet::new();
    let streams = watcher::Config::default().page_size(PAGE);
    watches.spawn(forward(
        api::<DeserializeGuard<LiveStream>>(client, namespace),
        streams,
        Watched::stream,
        metrics.clone(),
        seen.clone(),
    ));
    watches.spawn(forward(api::<Pod>(client, namespace), children(), Watched::pod, metrics.clone(), seen.clone()));
    watches.spawn(forward(
        api::<Service>(client, namespace),
        children(),
        Watched::service,
        metrics.clone(),
        seen.clone(),
    ));
    watches.spawn(forward(
        api::<Ingress>(client, namespace),
        children(),
        Watched::ingress,
        metrics.clone(),
        seen.clone(),
    ));
    let secrets: Api<PartialObjectMeta<Secret>> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    watches.spawn(forward(secrets, children(), Watched::secret, metrics.clone(), seen.clone()));
    let nodes = watcher::Config::default().page_size(PAGE);
    watches.spawn(forward(Api::<Node>::all(client.clone()), nodes, Watched::node, metrics.clone(), seen.clone()));
    watches
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

async fn forward<K>(
    api: Api<K>,
    config: watcher::Config,
    show: fn(Event<K>) -> Option<Watched>,
    metrics: Metrics,
    seen: mpsc::Sender<Watched>,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let kind = K::kind(&());
    let mut is_broken = false;
    loop {
        let events = watcher::watcher(api.clone(), config.clone()).default_backoff();
        // What a watch kept to itself, a list shows.
        let mut events = pin!(events.take_until(tokio::time::sleep(LIST_AGAIN_AFTER)));
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => {
                    // Each try of a list begins with this, also one that fails.
                    is_broken &= matches!(event, Event::Init);
                    event
                }
                Err(error) => {
                    // It is tried again and again: the first time is worth a word.
                    match std::mem::replace(&mut is_broken, true) {
                        false => tracing::warn!(%kind, %error, "a watch broke off"),
                        true => tracing::debug!(%kind, %error, "a watch broke off again"),
                    }
                    metrics.watch_restarts_by_kind.get_or_create(&[("kind", kind.to_string())]).inc();
                    continue;
                }
            };
            let Some(watched) = show(event) else { continue };
            if seen.send(watched).await.is_err() {
                return;
            }
        }
    }
}
