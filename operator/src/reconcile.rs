//! One stream, once: desired, changes, apply, status. All that is decided is decided by the pure parts.

mod deletion;
mod secrets;
mod unreadable;

use std::sync::Arc;

use crds::{LiveStream, LiveStreamStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::serde_json::json;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use proto::StreamName;

use crate::{
    apply::{Failure, Outcome, apply},
    changes::{Change, Changes, changes, hash_of},
    context::Context,
    desired::{Desired, Earliest, desired},
    events,
    memory::{Memory, Standing},
    names::{FIELD_MANAGER, PodName},
    observe::Observed,
    status::{Situation, status},
    stores::{Kind, Watched},
    views::parse_version,
};

pub(crate) use unreadable::tell_unreadable;

/// When the rest of a stream follows its pods, while many streams wait for theirs.
const REST_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// What is to be reconciled.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) name: StreamName,
    pub(crate) stream: Arc<LiveStream>,
    pub(crate) observed: Observed,
    /// Many streams wait for their pods: everything else of this one comes after those.
    pub(crate) pods_only: bool,
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
    let desired = desired(&job.stream, &job.name, &job.observed, &context.options, job.now);
    let mut changes = changes(&job.stream, &job.name, &job.observed, &desired, job.now);
    let pods_only = job.pods_only && changes.pods.iter().any(|change| matches!(change, Change::CreatePod(..)));
    let mut course = Course {
        context,
        desired,
        waiting: changes.waiting,
        again_at: Earliest(changes.again_at),
        corrections: Vec::new(),
        failure: None,
        complete: false,
        job,
    };
    if pods_only {
        changes.rest.clear();
        course.again_at.add(Some(course.job.now + REST_AFTER));
    }
    course.carry_out(changes).await;
    if !pods_only {
        course.look_for_secrets().await;
        course.hold_or_let_go().await;
        course.tell().await;
    }
    let Course { job, corrections, again_at, failure, complete, .. } = course;
    Report { memory: job.observed.memory, corrections, again_at: again_at.0, failure, complete }
}

/// A reconciliation on its way.
struct Course<'a> {
    context: &'a Context,
    job: Job,
    desired: Desired,
    waiting: bool,
    again_at: Earliest,
    corrections: Vec<Watched>,
    failure: Option<Failure>,
    complete: bool,
}

impl Course<'_> {
    async fn carry_out(&mut self, changes: Changes) {
        let Job { name, stream, observed, now, .. } = &mut self.job;
        observed.memory.accelerator_due_at = self.desired.accelerator_due_at;
        observed.memory.accelerator_wait = self.desired.accelerator_wait;
        let is_held = |slot: &PodName| self.desired.of_slot(*slot).is_some() && !changes.forgiven.contains(slot);
        observed.memory.setbacks.retain(|slot, _| is_held(slot));
        observed.memory.refused.retain(|object, _| self.desired.has(object, name));
        let creates_all = self.desired.pods.keys().all(|pod| observed.pods.contains_key(pod) || changes.creates(*pod));
        let announcements = events::of_changes(&changes);

        let outcome = apply(self.context, stream, name, changes, *now).await;
        self.complete = creates_all && outcome.failure.is_none() && outcome.setbacks.is_empty();
        self.remember(outcome);
        let Job { stream, observed, .. } = &self.job;
        self.context.events.announce(stream, announcements).await;
        if let Some(scaling) = &observed.scaling {
            self.again_at.add(scaling.decide_again_at);
            if let Some(event) = &scaling.event {
                self.context.events.scaled(stream, event).await;
            }
        }
    }

    fn remember(&mut self, outcome: Outcome) {
        let (memory, now) = (&mut self.job.observed.memory, self.job.now);
        for (kind, version) in outcome.written {
            memory.note_written(kind, version);
        }
        for (pod, why) in outcome.setbacks {
            let pod = pod.slot();
            let hash = self.desired.of_slot(pod).map_or("", hash_of);
            memory.set_back(pod, hash, why, now);
            self.again_at.add(memory.held_until(pod, hash, now));
        }
        for (object, refusal) in outcome.refused {
            match refusal {
                Some(refusal) => {
                    memory.refuse(object.clone(), refusal, now);
                    self.again_at.add(memory.refused_until(&object, now));
                }
                None => drop(memory.refused.remove(&object)),
            }
        }
        self.corrections = outcome.corrections;
        self.failure = outcome.failure;
    }

    async fn look_for_secrets(&mut self) {
        let Job { name, stream, observed, now, .. } = &self.job;
        let missing = secrets::missing(self.context, stream, name, observed, &mut self.again_at, *now).await;
        self.job.observed.memory.secret_missing = missing;
    }

    /// The finalizer.
    async fn hold_or_let_go(&mut self) {
        if self.failure.is_some() {
            return;
        }
        let Job { name, stream, observed, now, .. } = &self.job;
        match deletion::next(self.context, stream, name, observed, &mut self.again_at, *now).await {
            Ok(answer) => self.note_stream(answer),
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// The status, when it differs.
    async fn tell(&mut self) {
        let Job { name, stream, observed, now, .. } = &mut self.job;
        let failure = self.failure.as_ref().and_then(describe);
        let answer = status(Situation {
            stream,
            name,
            observed,
            desired: &self.desired,
            waiting: self.waiting || observed.memory.holds_anything(*now),
            failure: failure.as_deref(),
            now: *now,
        });
        self.again_at.add(answer.again_at);
        observed.memory.standing = Standing::of(&answer.status);
        if stream.status.as_ref() == Some(&answer.status) {
            return;
        }
        let troubles = events::of_statuses(stream.status.as_ref(), &answer.status);
        self.context.events.announce(stream, troubles).await;
        match patch_status(self.context, stream, name, &answer.status).await {
            Ok(written) => {
                self.note_stream(written);
                if answer.numbers_changed {
                    self.job.observed.memory.numbers_written_at = Some(self.job.now);
                }
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    fn note_stream(&mut self, answer: StreamAnswer) {
        let Job { name, stream, observed, .. } = &mut self.job;
        match answer {
            StreamAnswer::Untouched => {}
            StreamAnswer::Written(version) => observed.memory.note_written(Kind::Stream, version),
            StreamAnswer::Gone => self.corrections.push(Watched::Gone {
                kind: Kind::Stream,
                stream: name.clone(),
                name: name.name().to_owned(),
                uid: stream.metadata.uid.clone().unwrap_or_default(),
            }),
        }
    }
}

/// What the API server made of a write to the stream itself.
enum StreamAnswer {
    /// There was nothing to write.
    Untouched,
    /// The version it has since.
    Written(u64),
    /// It is not there any more, whatever the watch has shown: nothing is made for it from now on.
    Gone,
}

impl StreamAnswer {
    fn of(answer: kube::Result<LiveStream>, name: &StreamName, doing: &str) -> Result<Self, Failure> {
        match answer {
            Ok(written) => {
                Ok(written.resource_version().as_deref().and_then(parse_version).map_or(Self::Untouched, Self::Written))
            }
            Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(Self::Gone),
            // Another one may have its name: the watch will tell.
            Err(kube::Error::Api(answer)) if answer.is_conflict() => Err(Failure::Outdated(name.to_string())),
            Err(error) => Err(Failure::Request { doing: doing.to_owned(), source: Box::new(error) }),
        }
    }
}

async fn patch_status(
    context: &Context,
    stream: &LiveStream,
    name: &StreamName,
    status: &LiveStreamStatus,
) -> Result<StreamAnswer, Failure> {
    let api: Api<LiveStream> = Api::namespaced(context.client.clone(), name.namespace());
    let patch = json!({
        "apiVersion": LiveStream::api_version(&()),
        "kind": LiveStream::kind(&()),
        "metadata": {"uid": stream.metadata.uid},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    StreamAnswer::of(api.patch_status(name.name(), &params, &Patch::Apply(&patch)).await, name, "writing the status")
}

/// For people, and without what changes each time; what is merely looked up again is not worth a word.
fn describe(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Outdated(_) => None,
        Failure::Request { doing, source } => Some(match &**source {
            kube::Error::Api(status) => format!("{doing}: {}", status.message),
            _ => format!("{doing}: the API server was not reached"),
        }),
    }
}
