//! Secrets that the spec names: the media-node waits for them, and only says so by not starting.

use crds::{LiveStream, Role, SecretKeyRef};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use proto::StreamName;

use crate::{context::Context, desired::Earliest, observe::Observed, views::PodView};

/// A pod that waits for its files this long is looked into, and again as often.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// What is missing, when the media-node waits for it.
pub(super) async fn missing(
    context: &Context,
    stream: &LiveStream,
    name: &StreamName,
    observed: &Observed,
    again_at: &mut Earliest,
    now: Timestamp,
) -> Option<String> {
    let spec = &stream.spec;
    let named: Vec<&SecretKeyRef> =
        spec.ingest.publish_token_secret_ref.iter().chain(&spec.relay.view_token_secret_ref).collect();
    let waits = |pod: &PodView| {
        let is_placed = pod.is_alive() && pod.node.is_some() && !pod.containers_ready;
        is_placed && pod.waiting.as_ref().is_none_or(|waiting| waiting.reason == "ContainerCreating")
    };
    let (_, pod) = observed.pods_of(Role::MediaNode).find(|(_, pod)| waits(pod))?;
    if named.is_empty() {
        return None;
    }
    let due_at = pod.meta.created_at + PATIENCE;
    if now < due_at {
        again_at.add(Some(due_at));
        return None;
    }
    again_at.add(Some(now + PATIENCE));
    let api: Api<Secret> = Api::namespaced(context.client.clone(), name.namespace());
    for reference in named {
        match api.get_opt(&reference.name).await {
            Ok(None) => return Some(format!("Secret {} does not exist", reference.name)),
            Ok(Some(secret)) if !has_key(&secret, &reference.key) => {
                return Some(format!("Secret {} has no key {}", reference.name, reference.key));
            }
            Ok(Some(_)) => {}
            Err(error) => {
                tracing::debug!(stream = %name, %error, "looking for a Secret");
                return observed.memory.secret_missing.clone();
            }
        }
    }
    None
}

fn has_key(secret: &Secret, key: &str) -> bool {
    secret.data.as_ref().is_some_and(|data| data.contains_key(key))
}
