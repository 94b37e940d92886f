//! One stream, once: desired, changes, apply, status. All that is decided is decided by the pure parts.

mod deletion;
mod secrets;

use std::sync::Arc;

use crds::{LiveStream, LiveStreamStatus};
use jiff::Timestamp;
use k8s_openapi::serde_json::json;
use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
};
use proto::StreamName;

use crate::{
    apply::{Failure, Outcome, apply},
    changes::changes,
    context::Context,
    desired::{Earliest, desired},
    events,
    memory::Memory,
    names::FIELD_MANAGER,
    observe::Observed,
    status::{Situation, status},
    stores::{Kind, Watched},
    views::parse_version,
};

/// What is to be reconciled.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) name: StreamName,
    pub(crate) stream: Arc<LiveStream>,
    pub(crate) observed: Observed,
    pub(crate) now: Timestamp,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) memory: Memory,
    /// What was found instead of what the watches had shown.
    pub(crate) corrections: Vec<Watched>,
    pub(crate) again_at: Option<Timestamp>,
    pub(crate) failure: Option<Failure>,
    /// All pods there are to be exist.
    pub(crate) complete: bool,
}

pub(crate) async fn reconcile(context: &Context, job: Job) -> Report {
    let Job { name, stream, mut observed, now } = job;
    let desired = desired(&stream, &name, &observed, &context.options, now);
    let changes = changes(&stream, &name, &observed, &desired, now);
    let mut again_at = Earliest(changes.again_at);
    let waiting = changes.waiting;
    let creates_all = desired.pods.keys().all(|pod| observed.pods.contains_key(pod) || changes.creates(*pod));

    observed.memory.accelerator_due_at = desired.accelerator_due_at;
    observed.memory.setbacks.retain(|pod, _| desired.pods.contains_key(pod) && !changes.forgiven.contains(pod));
    observed.memory.refused.retain(|object, _| desired.has(object, &name));
    let announcements = events::of_changes(&changes);
    let outcome = apply(context, &stream, &name, changes, now).await;
    let complete = creates_all && outcome.failure.is_none() && outcome.setbacks.is_empty();
    if let Some(event) = observed.scaling.as_ref().and_then(|scaling| scaling.event.as_ref()) {
        context.events.scaled(&stream, event).await;
    }
    again_at.add(observed.scaling.as_ref().and_then(|scaling| scaling.decide_again_at));
    let (corrections, mut failure) = remember(&mut observed.memory, outcome, &mut again_at, now);
    observed.memory.secret_missing = secrets::missing(context, &stream, &name, &observed, &mut again_at, now).await;

    if failure.is_none() {
        match deletion::next(context, &stream, &name, &observed, &mut again_at, now).await {
            Ok(version) => observed.memory.written.extend(version.map(|version| (Kind::Stream, version))),
            Err(error) => failure = Some(error),
        }
    }
    let waiting = waiting || observed.memory.holds_anything(now);
    let said = failure.as_ref().map(describe);
    let situation = Situation {
        stream: &stream,
        name: &name,
        observed: &observed,
        desired: &desired,
        waiting,
        failure: said.as_deref(),
        now,
    };
    let answer = status(situation);
    again_at.add(answer.again_at);
    context.events.announce(&stream, announcements).await;
    if stream.status.as_ref() != Some(&answer.status) {
        context.events.announce(&stream, events::of_statuses(stream.status.as_ref(), &answer.status)).await;
        match patch_status(context, &stream, &name, &answer.status).await {
            Ok(version) => {
                observed.memory.written.extend(version.map(|version| (Kind::Stream, version)));
                if answer.numbers_changed {
                    observed.memory.numbers_written_at = Some(now);
                }
            }
            Err(error) => failure = Some(error),
        }
    }
    Report { memory: observed.memory, corrections, again_at: again_at.0, failure, complete }
}

fn remember(
    memory: &mut Memory,
    outcome: Outcome,
    again_at: &mut Earliest,
    now: Timestamp,
) -> (Vec<Watched>, Option<Failure>) {
    for (kind, version) in outcome.written {
        memory.note_written(kind, version);
    }
    for (pod, why) in outcome.setbacks {
        memory.set_back(pod, why, now);
        again_at.add(memory.held_until(pod, now));
    }
    for (object, refusal) in outcome.refused {
        match refusal {
            Some(refusal) => {
                memory.refuse(object.clone(), refusal, now);
                again_at.add(memory.refused_until(&object, now));
            }
            None => drop(memory.refused.remove(&object)),
        }
    }
    (outcome.corrections, outcome.failure)
}

async fn patch_status(
    context: &Context,
    stream: &LiveStream,
    name: &StreamName,
    status: &LiveStreamStatus,
) -> Result<Option<u64>, Failure> {
    let api: Api<LiveStream> = Api::namespaced(context.client.clone(), name.namespace());
    let patch = json!({
        "apiVersion": LiveStream::api_version(&()),
        "kind": LiveStream::kind(&()),
        "metadata": {"uid": stream.metadata.uid},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(name.name(), &params, &Patch::Apply(&patch)).await {
        Ok(patched) => Ok(patched.metadata.resource_version.as_deref().and_then(parse_version)),
        // It is gone, or another one has its name: the watch will tell.
        Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.is_conflict() => Ok(None),
        Err(error) => Err(Failure::Request { doing: "writing the status".to_owned(), source: Box::new(error) }),
    }
}

/// For people, and without what changes each time.
fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Outdated(_) => failure.to_string(),
        Failure::Request { doing, source } => match &**source {
            kube::Error::Api(status) => format!("{doing}: {}", status.message),
            _ => format!("{doing}: the API server was not reached"),
        },
    }
}
