//! What is worth an Event on the stream. The recorder aggregates: the same one again is counted, not listed.

use crds::LiveStream;
use k8s_openapi::api::events::v1 as events;
use kube::{
    Api, Client, Resource,
    api::PostParams,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use crate::{autoscaling::ScalingEvent, names::FIELD_MANAGER};

#[derive(Clone)]
pub struct Events {
    client: Client,
    recorder: Recorder,
    instance: String,
}

impl Events {
    #[must_use]
    pub fn new(client: Client) -> Self {
        // Kubernetes names the host after the pod.
        let instance = std::env::var("HOSTNAME").unwrap_or_else(|_| FIELD_MANAGER.to_owned());
        let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(instance.clone()) };
        Self { recorder: Recorder::new(client.clone(), reporter), client, instance }
    }

    /// Written as it is: the recorder would drop the note of a second one.
    pub async fn scaled(&self, stream: &LiveStream, event: &ScalingEvent) {
        let namespace = stream.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<events::Event> = Api::namespaced(self.client.clone(), namespace);
        let event = event.to_event(stream.object_ref(&()), FIELD_MANAGER, &self.instance);
        match api.create(&PostParams::default(), &event).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => tracing::warn!(%error, "a scaling event was not written"),
        }
    }

    /// What NATS holds of a deleted stream could not be removed.
    pub async fn left_in_bus(&self, stream: &LiveStream) {
        let note = "NATS did not answer for 2 minutes: patches, reports and checkpoints stay until they expire";
        self.publish(stream, EventType::Warning, "LeftInBus", "Delete", note).await;
    }

    /// An Event that cannot be written is not worth a retry.
    async fn publish(&self, stream: &LiveStream, type_: EventType, reason: &str, action: &str, note: &str) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note.to_owned()),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &stream.object_ref(&())).await {
            tracing::warn!(%error, reason, "an event was not written");
        }
    }
}
