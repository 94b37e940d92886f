//! The finalizer, for what NATS holds of a stream. Everything else goes with the stream by its owner references.

use std::time::Duration;

use crds::LiveStream;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::serde_json::json;
use kube::{
    Api, Error, ResourceExt,
    api::{Patch, PatchParams},
};
use proto::StreamName;

use crate::{
    apply::Failure,
    context::Context,
    desired::Earliest,
    names::{FIELD_MANAGER, FINALIZER},
    observe::Observed,
    views::parse_version,
};

/// What could not be removed by then expires by itself.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);
const RETRY: SignedDuration = SignedDuration::from_secs(5);
const BUS_TIMEOUT: Duration = Duration::from_secs(20);

/// Adds the finalizer to a stream that lives, and removes it from one whose leavings are gone; the version it has then.
pub(super) async fn next(
    context: &Context,
    stream: &LiveStream,
    name: &StreamName,
    observed: &Observed,
    again_at: &mut Earliest,
    now: Timestamp,
) -> Result<Option<u64>, Failure> {
    let Some(bus) = &context.bus else { return Ok(None) };
    let held = stream.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
    let Some(deleted_at) = &stream.metadata.deletion_timestamp else {
        return if held { Ok(None) } else { set(context, stream, name, true).await };
    };
    if !held {
        return Ok(None);
    }
    let given_up = now >= deleted_at.0 + PATIENCE;
    if !given_up {
        again_at.add(Some(deleted_at.0 + PATIENCE));
        // A trainer that still runs would write again.
        if !observed.pods.is_empty() {
            return Ok(None);
        }
        match tokio::time::timeout(BUS_TIMEOUT, bus.delete_stream(name)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(stream = %name, %error, "what NATS holds of a deleted stream stays for now");
                again_at.add(Some(now + RETRY));
                return Ok(None);
            }
            Err(_) => {
                again_at.add(Some(now + RETRY));
                return Ok(None);
            }
        }
    } else {
        context.events.left_in_bus(stream).await;
    }
    set(context, stream, name, false).await
}

async fn set(context: &Context, stream: &LiveStream, name: &StreamName, held: bool) -> Result<Option<u64>, Failure> {
    let others = stream.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).cloned();
    let finalizers: Vec<String> = others.chain(held.then(|| FINALIZER.to_owned())).collect();
    let api: Api<LiveStream> = Api::namespaced(context.client.clone(), name.namespace());
    let patch = json!({"metadata": {
        "uid": stream.metadata.uid,
        "resourceVersion": stream.metadata.resource_version,
        "finalizers": finalizers,
    }});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch(name.name(), &params, &Patch::Merge(&patch)).await {
        Ok(patched) => Ok(patched.metadata.resource_version.as_deref().and_then(parse_version)),
        Err(Error::Api(status)) if status.is_not_found() => Ok(None),
        Err(Error::Api(status)) if status.is_conflict() => Err(Failure::Outdated(name.to_string())),
        Err(error) => Err(Failure::Request { doing: "writing the finalizer".to_owned(), source: Box::new(error) }),
    }
}
