//! Carries changes out. Each is meant for one object, by UID and version, and does no harm when it is done twice.

mod refusal;
mod requests;

use crds::LiveStream;
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::{
    core::v1::{Pod, Secret, Service},
    networking::v1::Ingress,
};
use kube::{Api, ResourceExt, runtime::watcher::Event};
use proto::StreamName;

use crate::{
    changes::{Change, Changes, Known, Removal},
    context::Context,
    memory::{Refusal, RefusalReason},
    names::{PodName, Role},
    stores::{Kind, Watched},
};
use requests::Answer;

/// For media-nodes and enhancers that are to be gone: time to tell their peers.
const UNWANTED_GRACE_SECONDS: u32 = 2;

/// What became of the changes.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Versions that writes gave.
    pub written: Vec<(Kind, u64)>,
    /// What was found instead of what the watches had shown.
    pub corrections: Vec<Watched>,
    /// Pods that ended or were refused.
    pub setbacks: Vec<(PodName, Refusal)>,
    /// Other objects: refused, or (`None`) no longer so.
    pub refused: Vec<((Kind, String), Option<Refusal>)>,
    /// The rest is to be tried again.
    pub failure: Option<Failure>,
}

/// Why something is to be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was seen is old; newer has been looked up.
    #[error("{0} has changed meanwhile")]
    Outdated(String),
    #[error("{doing}")]
    Request { doing: String, source: Box<kube::Error> },
}

impl Failure {
    #[must_use]
    pub(crate) fn is_silence(&self) -> bool {
        match self {
            Self::Outdated(_) => false,
            Self::Request { source, .. } => is_silence(source),
        }
    }

    /// For a counter: one of few words.
    #[must_use]
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Outdated(_) => "Outdated".to_owned(),
            Self::Request { source, .. } => match &**source {
                kube::Error::Api(status) if !status.reason.is_empty() => status.reason.clone(),
                kube::Error::Api(status) => status.code.to_string(),
                _ => "Unreachable".to_owned(),
            },
        }
    }
}

/// Nobody answered, or somebody who speaks for the API server said that it is away.
#[must_use]
pub(crate) fn is_silence(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 502..=504),
        kube::Error::Service(_) | kube::Error::HyperError(_) => true,
        _ => false,
    }
}

/// Pods first, everything of one group at the same time.
pub(crate) async fn apply(
    context: &Context,
    stream: &LiveStream,
    name: &StreamName,
    changes: Changes,
    now: Timestamp,
) -> Outcome {
    let shell = Shell { context, stream, name, now };
    let mut outcome = Outcome::default();
    for group in [changes.pods, changes.rest] {
        for done in join_all(group.into_iter().map(|change| shell.carry_out(change))).await {
            outcome.add(done);
        }
    }
    outcome
}

struct Shell<'a> {
    context: &'a Context,
    stream: &'a LiveStream,
    name: &'a StreamName,
    now: Timestamp,
}

/// What became of one change.
struct Done {
    stream: StreamName,
    kind: Kind,
    name: String,
    pod: Option<PodName>,
    setback: Option<Refusal>,
    answer: Result<Answer, Failure>,
}

impl Outcome {
    fn add(&mut self, done: Done) {
        let refusal = match done.answer {
            Ok(Answer::Written(version)) => {
                self.written.extend(version.map(|version| (done.kind, version)));
                None
            }
            Ok(Answer::Found(watched)) => {
                self.corrections.push(watched);
                self.failure.get_or_insert(Failure::Outdated(done.name.clone()));
                return;
            }
            Ok(Answer::Gone(uid)) => {
                let gone =
                    uid.map(|uid| Watched::Gone { kind: done.kind, stream: done.stream, name: done.name.clone(), uid });
                self.corrections.extend(gone);
                self.failure.get_or_insert(Failure::Outdated(done.name));
                return;
            }
            Ok(Answer::Refused(refusal)) => Some(refusal),
            Err(failure) => {
                self.failure = Some(failure);
                return;
            }
        };
        match done.pod {
            Some(pod) => self.setbacks.extend(refusal.or(done.setback).map(|why| (pod, why))),
            None => self.refused.push(((done.kind, done.name), refusal)),
        }
    }
}

impl Shell<'_> {
    async fn carry_out(&self, change: Change) -> Done {
        let (kind, name, pod, setback) = subject(&change, self.name);
        let answer = match change {
            Change::CreatePod(_, pod) => self.create(&self.api::<Pod>(), &pod, Watched::pod).await,
            Change::DeletePod { pod, known, why } => {
                self.delete(&self.api::<Pod>(), &known, grace_seconds(pod, &why), Watched::pod).await
            }
            Change::PatchPod { known, metadata, .. } => self.patch_metadata(&known, &metadata).await,
            Change::SetReachable { known, .. } => self.set_reachable(&known).await,
            Change::CreateSecret => self.create_secret().await,
            Change::DeleteSecret(known) => self.delete(&self.api::<Secret>(), &known, None, Watched::secret).await,
            Change::ApplyService(service, known) => {
                self.server_side_apply(&self.api::<Service>(), &*service, known.as_ref(), Watched::service).await
            }
            Change::SwitchService(service, known) => {
                self.server_side_apply(&self.api::<Service>(), &*service, Some(&known), Watched::service).await
            }
            Change::DeleteService(known) => self.delete(&self.api::<Service>(), &known, None, Watched::service).await,
            Change::ApplyIngress(ingress, known) => {
                self.server_side_apply(&self.api::<Ingress>(), &*ingress, known.as_ref(), Watched::ingress).await
            }
            Change::DeleteIngress(known) => self.delete(&self.api::<Ingress>(), &known, None, Watched::ingress).await,
        };
        Done { stream: self.name.clone(), kind, name, pod, setback, answer }
    }
}

/// How long a pod has for its end, when that is another time than its own.
fn grace_seconds(pod: PodName, why: &Removal) -> Option<u32> {
    match why {
        Removal::Stuck => Some(0),
        // Nobody takes over, so it need not wait for anybody; a trainer has its state to store.
        Removal::Unwanted if pod.role != Role::Trainer => Some(UNWANTED_GRACE_SECONDS),
        _ => None,
    }
}

/// What kind of object a change is about, its name, and what is held against a pod from now on.
pub(crate) fn subject(change: &Change, stream: &StreamName) -> (Kind, String, Option<PodName>, Option<Refusal>) {
    let pod_of = |pod: &PodName| (Kind::Pod, pod.of(stream.name()), Some(*pod));
    let named = |kind, known: &Known| (kind, known.name.clone(), None, None);
    match change {
        Change::CreatePod(pod, _) | Change::PatchPod { pod, .. } | Change::SetReachable { pod, .. } => {
            let (kind, name, pod) = pod_of(pod);
            (kind, name, pod, None)
        }
        Change::DeletePod { pod, why, .. } => {
            let (kind, name, pod) = pod_of(pod);
            let setback = match why {
                Removal::Ended(message) => Some(Refusal { reason: RefusalReason::Lost, message: message.clone() }),
                Removal::Unwanted | Removal::Outdated | Removal::MakesRoom(_) | Removal::Stuck => None,
            };
            (kind, name, pod, setback)
        }
        Change::CreateSecret => (Kind::Secret, crds::children::secret_name(stream.name()), None, None),
        Change::DeleteSecret(known) => named(Kind::Secret, known),
        Change::ApplyService(service, _) | Change::SwitchService(service, _) => {
            (Kind::Service, service.name_any(), None, None)
        }
        Change::DeleteService(known) => named(Kind::Service, known),
        Change::ApplyIngress(ingress, _) => (Kind::Ingress, ingress.name_any(), None, None),
        Change::DeleteIngress(known) => named(Kind::Ingress, known),
    }
}

type Show<K> = fn(Event<K>) -> Option<Watched>;

impl Shell<'_> {
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.context.client.clone(), self.name.namespace())
    }
}
