//! The finalizer, for what NATS holds of a stream. Everything else goes with the stream by its owner references.

use std::time::Duration;

use crds::LiveStream;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::serde_json::json;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use proto::StreamName;

use super::StreamAnswer;
use crate::{
    apply::Failure,
    context::Context,
    desired::Earliest,
    names::{FIELD_MANAGER, FINALIZER},
    observe::Observed,
};

/// What could not be removed by then expires by itself.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);
const RETRY: SignedDuration = SignedDuration::from_secs(5);
const BUS_TIMEOUT: Duration = Duration::from_secs(20);

/// Adds the finalizer to a stream that lives, and removes it from one whose leavings are gone.
pub(super) async fn next(
    context: &Context,
    stream: &LiveStream,
    name: &StreamName,
    observed: &Observed,
    again_at: &mut Earliest,
    now: Timestamp,
) -> Result<StreamAnswer, Failure> {
    let Some(bus) = &context.bus else { return Ok(StreamAnswer::Untouched) };
    let held = stream.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
    let Some(deleted_at) = &stream.metadata.deletion_timestamp else {
        return if held { Ok(StreamAnswer::Untouched) } else { set(context, stream, name, true).await };
    };
    if !held {
        return Ok(StreamAnswer::Untouched);
    }
    let given_up = now >= deleted_at.0 + PATIENCE;
    if !given_up {
        again_at.add(Some(deleted_at.0 + PATIENCE));
        // A trainer that still runs would write again.
        if !observed.pods.is_empty() {
            return Ok(StreamAnswer::Untouched);
        }
        match tokio::time::timeout(BUS_TIMEOUT, bus.delete_stream(name)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(stream = %name, %error, "what NATS holds of a deleted stream stays for now");
                again_at.add(Some(now + RETRY));
                return Ok(StreamAnswer::Untouched);
            }
            Err(_) => {
                again_at.add(Some(now + RETRY));
                return Ok(StreamAnswer::Untouched);
            }
        }
    } else {
        context.events.left_in_bus(stream).await;
    }
    set(context, stream, name, false).await
}

async fn set(context: &Context, stream: &LiveStream, name: &StreamName, held: bool) -> Result<StreamAnswer, Failure> {
    let others = stream.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).cloned();
    let finalizers: Vec<String> = others.chain(held.then(|| FINALIZER.to_owned())).collect();
    let api: Api<LiveStream> = Api::namespaced(context.client.clone(), name.namespace());
    let patch = json!({"metadata": {
        "uid": stream.metadata.uid,
        "resourceVersion": stream.metadata.resource_version,
        "finalizers": finalizers,
    }});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    StreamAnswer::of(api.patch(name.name(), &params, &Patch::Merge(&patch)).await, name, "writing the finalizer")
}
