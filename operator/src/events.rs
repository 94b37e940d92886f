//! What is worth an Event on the stream. The recorder aggregates: the same one again is counted, not listed.

use crds::{ConditionType, LiveStream, LiveStreamStatus, children::POD_LABEL};
use k8s_openapi::api::{core::v1::ObjectReference, events::v1 as events};
use kube::{
    Api, Client, Resource,
    api::PostParams,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use crate::{
    apply::is_silence,
    autoscaling::ScalingEvent,
    changes::{Change, Changes, Known, Removal},
    names::FIELD_MANAGER,
};

/// The longest note of an Event, in bytes.
const MAX_NOTE: usize = 1000;
/// Conditions whose troubles are announced.
const ANNOUNCED: [ConditionType; 4] =
    [ConditionType::Ready, ConditionType::Training, ConditionType::Enhancing, ConditionType::Stalled];
/// Reasons of theirs that are no troubles.
const ORDINARY: [&str; 16] = [
    "Accepting",
    "Paused",
    "Starting",
    "Moving",
    "Deleting",
    "AddressPending",
    "Running",
    "WaitingForPatches",
    "Disabled",
    "NoPublisher",
    "Saturated",
    "ScaledToZero",
    "NoReport",
    "Live",
    "LiveOnCpu",
    "Unobstructed",
];

#[derive(Clone)]
pub struct Events {
    client: Client,
    recorder: Recorder,
    instance: String,
}

/// An Event to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Announcement {
    type_: EventType,
    reason: String,
    action: String,
    note: String,
    /// The object it is also about.
    related: Option<(&'static str, Known)>,
}

/// What was done to children, beyond making what the spec says.
pub(crate) fn of_changes(changes: &Changes) -> Vec<Announcement> {
    changes.pods.iter().chain(&changes.rest).filter_map(of_change).collect()
}

fn of_change(change: &Change) -> Option<Announcement> {
    let announce = |type_, reason: &str, note: &str, related| Announcement {
        type_,
        reason: reason.to_owned(),
        action: "Reconcile".to_owned(),
        note: note.to_owned(),
        related: Some(related),
    };
    let (normal, warning) = (EventType::Normal, EventType::Warning);
    match change {
        Change::DeletePod { known, why: Removal::Outdated, .. } => {
            Some(announce(normal, "PodReplaced", "its template has changed", ("Pod", known.clone())))
        }
        Change::DeletePod { known, why: Removal::MakesRoom(why), .. } => {
            let note = format!("there is no room for its successor beside it: {why}");
            Some(announce(warning, "PodMakesRoom", &note, ("Pod", known.clone())))
        }
        Change::DeletePod { known, why: Removal::Ended(why), .. } => {
            Some(announce(warning, "PodLost", why, ("Pod", known.clone())))
        }
        Change::DeletePod { known, why: Removal::Stuck, .. } => {
            let note = "its node did not end it in time: it is forgotten, and may still run there";
            Some(announce(warning, "PodGivenUp", note, ("Pod", known.clone())))
        }
        Change::SwitchService(service, known) => {
            let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            let pod = selector.and_then(|selector| selector.get(POD_LABEL)).map_or("", String::as_str);
            Some(announce(normal, "Switched", &format!("it leads to {pod} from now on"), ("Service", known.clone())))
        }
        Change::ApplyService(_, Some(known)) => {
            Some(announce(normal, "Restored", "it is again what the spec says", ("Service", known.clone())))
        }
        Change::ApplyIngress(_, Some(known)) => {
            Some(announce(normal, "Restored", "it is again what the spec says", ("Ingress", known.clone())))
        }
        _ => None,
    }
}

/// Troubles that `new` has and `old` has not.
pub(crate) fn of_statuses(old: Option<&LiveStreamStatus>, new: &LiveStreamStatus) -> Vec<Announcement> {
    let troubled = ANNOUNCED.into_iter().filter_map(|of| {
        let condition = new.condition(of).filter(|condition| !ORDINARY.contains(&condition.reason.as_str()))?;
        // What keeps it from being ready is said once.
        let ready = new.condition(ConditionType::Ready).filter(|_| of == ConditionType::Stalled);
        if ready.is_some_and(|ready| ready.reason == condition.reason) {
            return None;
        }
        let before = old.and_then(|old| old.condition(of)).is_some_and(|old| old.reason == condition.reason);
        (!before).then(|| Announcement {
            type_: EventType::Warning,
            reason: condition.reason.clone(),
            action: of.as_str().to_owned(),
            note: condition.message.clone(),
            related: None,
        })
    });
    troubled.collect()
}

impl Events {
    #[must_use]
    pub fn new(client: Client) -> Self {
        // Kubernetes names the host after the pod.
        let instance = std::env::var("HOSTNAME").unwrap_or_else(|_| FIELD_MANAGER.to_owned());
        let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(instance.clone()) };
        Self { recorder: Recorder::new(client.clone(), reporter), client, instance }
    }

    pub(crate) async fn announce(&self, stream: &LiveStream, announcements: Vec<Announcement>) {
        for announcement in announcements {
            let namespace = stream.metadata.namespace.clone();
            let related = announcement.related.map(|(kind, known)| ObjectReference {
                kind: Some(kind.to_owned()),
                name: Some(known.name),
                namespace,
                uid: Some(known.uid),
                ..ObjectReference::default()
            });
            let event = Event {
                type_: announcement.type_,
                reason: announcement.reason,
                note: Some(cut(&announcement.note)).filter(|note| !note.is_empty()),
                action: announcement.action,
                secondary: related,
            };
            self.publish(stream, event).await;
        }
    }

    /// What NATS holds of a deleted stream could not be removed.
    pub(crate) async fn left_in_bus(&self, stream: &LiveStream) {
        let note = "NATS did not answer for 2 minutes: patches, reports and checkpoints stay until they expire";
        let event = Event {
            type_: EventType::Warning,
            reason: "LeftInBus".to_owned(),
            note: Some(note.to_owned()),
            action: "Delete".to_owned(),
            secondary: None,
        };
        self.publish(stream, event).await;
    }

    /// Written as it is: the recorder would drop the note of a second one.
    pub(crate) async fn scaled(&self, stream: &LiveStream, event: &ScalingEvent) {
        let namespace = stream.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<events::Event> = Api::namespaced(self.client.clone(), namespace);
        let event = event.to_event(stream.object_ref(&()), FIELD_MANAGER, &self.instance);
        match api.create(&PostParams::default(), &event).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => not_written(&error, "ScalingEvent"),
        }
    }

    /// An Event that cannot be written is not worth a retry.
    async fn publish(&self, stream: &LiveStream, event: Event) {
        if let Err(error) = self.recorder.publish(&event, &stream.object_ref(&())).await {
            not_written(&error, &event.reason);
        }
    }
}

/// An API server that does not answer is said once for all.
fn not_written(error: &kube::Error, reason: &str) {
    match is_silence(error) {
        false => tracing::warn!(%error, reason, "an event was not written"),
        true => tracing::debug!(%error, reason, "an event was not written"),
    }
}

fn cut(note: &str) -> String {
    let mut end = note.len().min(MAX_NOTE);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use crds::conditions::{Ready, Stalled, condition};
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn status(ready: Ready, stalled: Stalled) -> LiveStreamStatus {
        let mut status = LiveStreamStatus::default();
        status.set_condition(condition(ready, "why", 1, &Time(Timestamp::UNIX_EPOCH)));
        status.set_condition(condition(stalled, "why", 1, &Time(Timestamp::UNIX_EPOCH)));
        status
    }

    #[test]
    fn a_trouble_is_announced_when_it_comes() {
        let check = |old: Option<LiveStreamStatus>, new: LiveStreamStatus, expected: &[&str]| {
            let reasons: Vec<_> = of_statuses(old.as_ref(), &new).into_iter().map(|said| said.reason).collect();
            assert_eq!(reasons, expected);
        };
        let well = || status(Ready::Accepting, Stalled::Unobstructed);
        let ill = || status(Ready::CrashLooping, Stalled::CrashLooping);
        check(None, well(), &[]);
        check(None, ill(), &["CrashLooping"]);
        check(None, status(Ready::Accepting, Stalled::NameTaken), &["NameTaken"]);
        check(Some(ill()), ill(), &[]);
        check(Some(ill()), status(Ready::QuotaExceeded, Stalled::QuotaExceeded), &["QuotaExceeded"]);
        check(Some(ill()), well(), &[]);
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        assert_eq!(cut(&"é".repeat(600)).len(), MAX_NOTE);
    }
}
