//! What is worth an Event on the stream. The recorder aggregates: the same one again is counted, not listed.

use crds::LiveStream;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use crate::names::FIELD_MANAGER;

#[derive(Clone)]
pub struct Events(Recorder);

impl Events {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(Recorder::new(client, Reporter { controller: FIELD_MANAGER.to_owned(), instance: None }))
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
        if let Err(error) = self.0.publish(&event, &stream.object_ref(&())).await {
            tracing::warn!(%error, reason, "an event was not written");
        }
    }
}
