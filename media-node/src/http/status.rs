//! `/api`: the stream's status, its events, its live checkpoint.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderName, StatusCode, header::CONTENT_TYPE},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use proto::{status::StreamStatus, v1::Checkpoint};
use serde::Deserialize;
use serde_json::json;
use tokio_stream::wrappers::{BroadcastStream, WatchStream};

use super::Public;

pub(super) async fn status(State(public): State<Public>) -> Json<StreamStatus> {
    Json(public.status.borrow().clone())
}

#[derive(Deserialize)]
pub(super) struct EventsQuery {
    /// Separated by commas; without it, all of them.
    kinds: Option<String>,
}

impl EventsQuery {
    fn wants(&self, kind: &str) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.split(',').any(|wanted| wanted == kind))
    }
}

/// `status` once a second, and every other event by its kind as it happens. A client that is too slow misses events.
pub(super) async fn events(
    State(public): State<Public>,
    Query(query): Query<EventsQuery>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let status = WatchStream::new(public.status).filter_map(async |status| event("status", &status));
    let status = if query.wants("status") { status.boxed() } else { stream::pending().boxed() };
    let others = BroadcastStream::new(public.events.subscribe()).filter_map(move |event| {
        let value = event.ok().and_then(|event| serde_json::to_value(event).ok());
        let kind = value.as_ref().and_then(|value| value.get("kind")?.as_str());
        let wanted = kind.filter(|kind| query.wants(kind));
        std::future::ready(wanted.zip(value.as_ref()).and_then(|(kind, value)| self::event(kind, value)))
    });
    let end = async move { public.shutdown.requested().await };
    let merged = stream::select(status, others.boxed()).take_until(Box::pin(end)).map(Ok);
    Sse::new(merged).keep_alive(KeepAlive::default())
}

fn event(name: &str, value: &impl serde::Serialize) -> Option<Event> {
    Event::default().event(name).json_data(value).ok()
}

/// The weights in use, as safetensors.
pub(super) async fn latest_checkpoint(State(public): State<Public>) -> Response {
    let live: Option<Arc<Checkpoint>> = public.live.borrow().clone();
    let Some(checkpoint) = live else {
        return (StatusCode::NOT_FOUND, "no checkpoint is in use\n").into_response();
    };
    let network = checkpoint.network.as_ref().map(|network| {
        json!({
            "scale": network.scale, "unshuffle": network.unshuffle,
            "features": network.features, "layers": network.layers,
        })
    });
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (HeaderName::from_static("acuity-version"), checkpoint.version.to_string()),
        (HeaderName::from_static("acuity-network"), network.unwrap_or_default().to_string()),
    ];
    (headers, checkpoint.safetensors.clone()).into_response()
}
