//! A stream whose spec this operator does not understand: it is said, and what runs is left as it is.
//!
//! The object is read without its types, and so is its status: a newer definition may say more there, too.

use crds::{
    ConditionType, LiveStream, LiveStreamStatus,
    conditions::{Ready, Stalled, condition},
};
use jiff::Timestamp;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, serde_json::json};
use kube::{
    Api, Resource,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::error_boundary::InvalidObject,
};
use proto::StreamName;
use serde::Deserialize;

use super::Report;
use crate::{
    apply::Failure,
    context::Context,
    events,
    memory::{Memory, Standing},
    stores::unread_stream,
};

/// Another one than of what the operator writes else, or the rest of the status would go.
const FIELD_MANAGER: &str = "acuity-operator-unread";

/// Says in the status that the spec is not understood, unless it says so already.
pub(crate) async fn tell_unreadable(
    context: &Context,
    name: &StreamName,
    unread: &InvalidObject,
    mut memory: Memory,
    now: Timestamp,
) -> Report {
    let failure = tell(context, name, unread, now).await.err();
    // They are counted by themselves.
    memory.standing = Standing::default();
    Report { memory, corrections: Vec::new(), again_at: None, failure, complete: false }
}

async fn tell(context: &Context, name: &StreamName, unread: &InvalidObject, now: Timestamp) -> Result<(), Failure> {
    let resource = ApiResource::erase::<LiveStream>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), name.namespace(), &resource);
    let Some(object) = api.get_opt(name.name()).await.map_err(failure)? else { return Ok(()) };
    if object.metadata.uid != unread.metadata.uid || object.metadata.generation != unread.metadata.generation {
        // The watch shows what it is now.
        return Ok(());
    }
    let old = LiveStreamStatus {
        observed_generation: object.data["status"]["observedGeneration"].as_i64().unwrap_or(-1),
        conditions: Deserialize::deserialize(&object.data["status"]["conditions"]).unwrap_or_default(),
        ..LiveStreamStatus::default()
    };
    let new = status(&old, unread, now);
    if new == old {
        return Ok(());
    }
    tracing::warn!(stream = %name, error = %unread.error, "a spec is not understood");
    let announcements = events::of_statuses(Some(&old), &new);
    context.events.announce(&unread_stream(unread.metadata.clone()), announcements).await;
    let said = [ConditionType::Ready, ConditionType::Stalled];
    let conditions: Vec<_> = said.into_iter().filter_map(|of| new.condition(of)).collect();
    let patch = json!({
        "apiVersion": LiveStream::api_version(&()),
        "kind": LiveStream::kind(&()),
        "metadata": {"uid": unread.metadata.uid},
        "status": {"observedGeneration": new.observed_generation, "conditions": conditions},
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(name.name(), &params, &Patch::Apply(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.is_conflict() => Ok(()),
        Err(error) => Err(failure(error)),
    }
}

/// The conditions that say it, and the others as they were.
fn status(old: &LiveStreamStatus, unread: &InvalidObject, now: Timestamp) -> LiveStreamStatus {
    let generation = unread.metadata.generation.unwrap_or(0);
    let now = Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
    let message = format!("what runs is left as it is: {}", unread.error);
    let mut new = LiveStreamStatus { observed_generation: generation, ..old.clone() };
    new.set_condition(condition(Ready::SpecNotUnderstood, &message, generation, &now));
    new.set_condition(condition(Stalled::SpecNotUnderstood, &message, generation, &now));
    new
}

fn failure(error: kube::Error) -> Failure {
    Failure::Request { doing: "saying that the spec is not understood".to_owned(), source: Box::new(error) }
}
