//! What happens to media-nodes and Services of a namespace, in the order of the writes.

use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api, Resource, ResourceExt,
    api::{WatchEvent, WatchParams},
};
use operator::names::CHILDREN;
use serde::de::DeserializeOwned;

use crate::harness::Bed;

/// Watches until it is told.
pub(crate) struct Story {
    pods: BoxStream<'static, WatchEvent<Pod>>,
    services: BoxStream<'static, WatchEvent<Service>>,
}

impl Story {
    /// From now on.
    pub(crate) async fn begin(bed: &Bed) -> Self {
        Self { pods: watch(bed.api()).await, services: watch(bed.api()).await }
    }

    /// What has happened, each thing once, by the versions it gave.
    pub(crate) async fn end(self) -> Vec<String> {
        let pods = until_quiet(self.pods).await.into_iter().flat_map(|event| lines_of_pod(&event));
        let services = until_quiet(self.services).await.into_iter().filter_map(|event| line_of_service(&event));
        let mut told: Vec<(u64, String)> = pods.chain(services).collect();
        told.sort();
        let mut lines: Vec<String> = Vec::new();
        for (_, line) in told {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }
}

async fn watch<K>(api: Api<K>) -> BoxStream<'static, WatchEvent<K>>
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    let listed = api.list_metadata(&kube::api::ListParams::default().labels(CHILDREN)).await.unwrap();
    let version = listed.metadata.resource_version.unwrap();
    let events = api.watch(&WatchParams::default().labels(CHILDREN), &version).await.unwrap();
    events.into_stream().map(Result::unwrap).boxed()
}

/// Everything that comes, until nothing has for a while: what it is asked about has happened before.
async fn until_quiet<T>(mut events: BoxStream<'static, T>) -> Vec<T> {
    let mut seen = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(std::time::Duration::from_secs(1), events.next()).await {
        seen.push(event);
    }
    seen
}

fn lines_of_pod(event: &WatchEvent<Pod>) -> Vec<(u64, String)> {
    let (pod, told) = match event {
        WatchEvent::Added(pod) => (pod, vec!["is made"]),
        WatchEvent::Deleted(pod) => (pod, vec!["is gone"]),
        WatchEvent::Modified(pod) if pod.metadata.deletion_timestamp.is_some() => (pod, vec!["is to end"]),
        WatchEvent::Modified(pod) => {
            let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
            let is_ready = conditions.into_iter().any(|one| one.type_ == "Ready" && one.status == "True");
            (pod, if is_ready { vec!["is ready"] } else { vec![] })
        }
        _ => return Vec::new(),
    };
    let line = |told| (version(pod), format!("{} {told}", pod.name_any()));
    told.into_iter().map(line).collect()
}

fn line_of_service(event: &WatchEvent<Service>) -> Option<(u64, String)> {
    let WatchEvent::Modified(service) = event else { return None };
    let pod = service.spec.as_ref()?.selector.as_ref()?.get(crds::children::POD_LABEL)?;
    Some((version(service), format!("{} leads to {pod}", service.name_any())))
}

fn version<K: Resource>(object: &K) -> u64 {
    object.meta().resource_version.as_ref().unwrap().parse().unwrap()
}
