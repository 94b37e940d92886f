//! The two HTTP sides of a media-node: the public one (WHIP, WHEP, status, page) and the internal one (the enhancer's
//! WHIP and WHEP, checkpoints over gRPC, health, metrics).

mod cors;
mod page;
mod server;
mod sessions;
mod status;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE},
    middleware::{Next, from_fn, from_fn_with_state, map_response_with_state},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use proto::{
    status::{StreamEvent, StreamStatus},
    v1::Checkpoint,
};
use tokio::sync::{broadcast, watch};

use crate::{
    moving::{INSTANCE, Instance},
    peer::MAX_OFFER_BYTES,
    relay::Relay,
    tokens::TokenFile,
};
pub(crate) use server::{HttpListener, Reached};

/// From a request's head to the head of its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// What the public side shows.
#[derive(Clone)]
pub(crate) struct Public {
    pub(crate) relay: Relay,
    pub(crate) publish_token: TokenFile,
    pub(crate) view_token: TokenFile,
    pub(crate) status: watch::Receiver<StreamStatus>,
    pub(crate) events: broadcast::Sender<StreamEvent>,
    pub(crate) live: watch::Receiver<Option<Arc<Checkpoint>>>,
    pub(crate) instance: Instance,
    pub(crate) health: telemetry::Health,
    pub(crate) shutdown: telemetry::Shutdown,
}

pub(crate) fn public_routes(public: Public) -> Router {
    let (instance, readiness) = (public.instance.clone(), public.health.readiness());
    let publish = Router::new()
        .route("/whip", post(sessions::publish))
        .route("/whip/{session}", patch(sessions::trickle).delete(sessions::end))
        .with_state(sessions::Endpoint::source_publishers(public.relay.clone()))
        .layer(from_fn_with_state(public.publish_token.clone(), require_token));
    let view = Router::new()
        .route("/whep", post(sessions::watch))
        .route("/whep/{session}", patch(sessions::trickle).delete(sessions::end))
        .with_state(sessions::Endpoint::public_viewers(public.relay.clone()));
    let view = view.merge(status_routes(public.clone())).layer(from_fn_with_state(public.view_token, require_token));
    publish
        .merge(view)
        .layer(from_fn(cors::allow_all))
        .merge(page::routes())
        .merge(readiness)
        .layer(DefaultBodyLimit::max(MAX_OFFER_BYTES))
        .layer(from_fn(limit_time))
        .layer(map_response_with_state(instance, name_instance))
}

fn status_routes(public: Public) -> Router {
    Router::new()
        .route("/api/status", get(status::status))
        .route("/api/events", get(status::events))
        .route("/api/checkpoints/latest", get(status::latest_checkpoint))
        .with_state(public)
}

/// `grpc` are the routes of the checkpoint service, `health` those that need no token. The status is here too, for whoever
/// has this token and not the viewers'.
pub(crate) fn internal_routes(public: &Public, token: TokenFile, grpc: Router, health: Router) -> Router {
    let relay = &public.relay;
    let publish = Router::new()
        .route("/whip/enhanced", post(sessions::publish))
        .route("/whip/enhanced/{session}", patch(sessions::trickle).delete(sessions::end))
        .with_state(sessions::Endpoint::enhanced_publishers(relay.clone()));
    let view = Router::new()
        .route("/whep/source", post(sessions::watch))
        .route("/whep/source/{session}", patch(sessions::trickle).delete(sessions::end))
        .with_state(sessions::Endpoint::internal_viewers(relay.clone()));
    let sessions = publish.merge(view).layer(DefaultBodyLimit::max(MAX_OFFER_BYTES)).layer(from_fn(limit_time));
    let status = status_routes(public.clone());
    sessions.merge(status).merge(grpc).layer(from_fn_with_state(token, require_token)).merge(health)
}

async fn require_token(State(token): State<TokenFile>, request: Request, next: Next) -> Response {
    if token.admits(request.headers()) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], "wrong or missing token\n").into_response()
}

async fn name_instance(State(instance): State<Instance>, mut response: Response) -> Response {
    if let Ok(instance) = HeaderValue::from_str(instance.as_str()) {
        response.headers_mut().insert(INSTANCE, instance);
    }
    response
}

async fn limit_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request))
        .await
        .unwrap_or_else(|_| (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response())
}
