//! WHIP (RFC 9725) and WHEP as HTTP: POST an offer, PATCH candidates, DELETE the session. All URLs given out are
//! relative, so that they stay right behind a path prefix.

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, Query, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{ACCEPT, CONTENT_TYPE, ETAG, IF_MATCH, LINK, LOCATION, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::Reached;
use crate::{
    peer::OfferError,
    relay::{Answer, JoinError, Relay, Resource, Wish},
    room::{Origin, Rendition},
};

const SDP: &str = "application/sdp";
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const PUBLISHER: HeaderName = HeaderName::from_static("acuity-publisher");
const MAX_PUBLISHER_BYTES: usize = 128;

/// What the routes of one kind of sessions share.
#[derive(Clone)]
pub(super) struct Endpoint {
    relay: Relay,
    resource: Resource,
    /// Last part of the path that offers are posted to; locations are relative to it.
    segment: &'static str,
    /// Where viewers hear that the stream moves, as a link relative to that path. Publishers hear it on their channel.
    events: Option<&'static str>,
}

const PUBLIC_EVENTS: &str = r#"<api/events?kinds=moved>; rel="urn:acuity:events""#;
const INTERNAL_EVENTS: &str = r#"<../api/events?kinds=moved>; rel="urn:acuity:events""#;

impl Endpoint {
    pub(super) fn source_publishers(relay: Relay) -> Self {
        Self { relay, resource: Resource::Publisher(Origin::Source), segment: "whip", events: None }
    }

    pub(super) fn enhanced_publishers(relay: Relay) -> Self {
        Self { relay, resource: Resource::Publisher(Origin::Enhanced), segment: "enhanced", events: None }
    }

    pub(super) fn public_viewers(relay: Relay) -> Self {
        let resource = Resource::Viewer { internal: false };
        Self { relay, resource, segment: "whep", events: Some(PUBLIC_EVENTS) }
    }

    pub(super) fn internal_viewers(relay: Relay) -> Self {
        let resource = Resource::Viewer { internal: true };
        Self { relay, resource, segment: "source", events: Some(INTERNAL_EVENTS) }
    }
}

/// A refusal with a reason for people.
pub(super) struct Refused {
    status: StatusCode,
    retry_after_seconds: Option<u8>,
    reason: String,
}

fn refused(status: StatusCode, reason: impl Into<String>) -> Refused {
    Refused { status, retry_after_seconds: None, reason: reason.into() }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, format!("{}\n", self.reason)).into_response();
        let retry_after = self.retry_after_seconds.map(|seconds| (RETRY_AFTER, u16::from(seconds).into()));
        response.headers_mut().extend(retry_after);
        response
    }
}

#[derive(Deserialize)]
pub(super) struct WatchQuery {
    rendition: Option<String>,
}

pub(super) async fn publish(
    State(endpoint): State<Endpoint>,
    Extension(reached): Extension<Reached>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let Resource::Publisher(origin) = endpoint.resource else {
        return Err(refused(StatusCode::NOT_FOUND, "nothing is published here"));
    };
    let client = headers.get(PUBLISHER).and_then(|value| value.to_str().ok());
    let client = client.filter(|client| (1..=MAX_PUBLISHER_BYTES).contains(&client.len())).map(str::to_owned);
    join(&endpoint, Wish::Publish { origin, client }, reached, &headers, &body).await
}

pub(super) async fn watch(
    State(endpoint): State<Endpoint>,
    Extension(reached): Extension<Reached>,
    Query(query): Query<WatchQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let internal = endpoint.resource == Resource::Viewer { internal: true };
    let rendition = match query.rendition.as_deref() {
        None | Some("source") => Rendition::Source,
        Some("enhanced") if !internal => Rendition::Enhanced,
        Some("auto") if !internal => Rendition::Auto,
        Some(_) => return Err(refused(StatusCode::BAD_REQUEST, "rendition is source, enhanced or auto")),
    };
    join(&endpoint, Wish::Watch { rendition, internal }, reached, &headers, &body).await
}

async fn join(
    endpoint: &Endpoint,
    wish: Wish,
    Reached(reached): Reached,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Refused> {
    require_type(headers, SDP)?;
    if !accepts_sdp(headers) {
        return Err(refused(StatusCode::NOT_ACCEPTABLE, "the answer would be application/sdp"));
    }
    let offer = read_text(body)?;
    let Answer { session, etag, sdp } = endpoint.relay.join(wish, offer, reached).await.map_err(join_refusal)?;
    let head = [(CONTENT_TYPE, SDP.to_owned()), (LOCATION, format!("{}/{session}", endpoint.segment)), (ETAG, etag)];
    let mut response = (StatusCode::CREATED, head, sdp).into_response();
    response.headers_mut().extend(endpoint.events.map(|events| (LINK, HeaderValue::from_static(events))));
    Ok(response)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn join_refusal(error: JoinError) -> Refused {
    let (status, retry_after_seconds) = match &error {
        JoinError::Offer(OfferError::Malformed(_)) => (StatusCode::BAD_REQUEST, None),
        JoinError::Offer(OfferError::Unsupported(_)) => (StatusCode::NOT_ACCEPTABLE, None),
        JoinError::PublisherLive => (StatusCode::CONFLICT, Some(2)),
        JoinError::NothingToShow => (StatusCode::CONFLICT, Some(1)),
        JoinError::NoAddress => (StatusCode::SERVICE_UNAVAILABLE, Some(1)),
        JoinError::TooManyViewers => (StatusCode::SERVICE_UNAVAILABLE, Some(5)),
        JoinError::Ending => (StatusCode::SERVICE_UNAVAILABLE, Some(1)),
    };
    Refused { status, retry_after_seconds, reason: error.to_string() }
}

/// Candidates of the client. A lite agent does not need them, so a right fragment changes nothing; another ICE session
/// (a restart) is not to be had.
pub(super) async fn trickle(
    State(endpoint): State<Endpoint>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    require_type(&headers, SDP_FRAGMENT)?;
    let etag = endpoint.relay.find(session, endpoint.resource).await;
    let etag = etag.ok_or_else(|| refused(StatusCode::NOT_FOUND, "no such session"))?;
    let fragment = read_text(&body)?;
    if !fragment.lines().all(|line| line.is_empty() || line.as_bytes().get(1) == Some(&b'=')) {
        return Err(refused(StatusCode::BAD_REQUEST, "the fragment is malformed"));
    }
    match headers.get(IF_MATCH).and_then(|value| value.to_str().ok()) {
        None => Err(refused(StatusCode::PRECONDITION_REQUIRED, "if-match is missing")),
        Some("*") => Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "ICE restarts are not supported")),
        Some(tag) if tag == etag => Ok(StatusCode::NO_CONTENT),
        Some(_) => Err(refused(StatusCode::PRECONDITION_FAILED, "if-match names another ICE session")),
    }
}

pub(super) async fn end(State(endpoint): State<Endpoint>, Path(session): Path<String>) -> Result<StatusCode, Refused> {
    match endpoint.relay.end(session, endpoint.resource).await {
        true => Ok(StatusCode::OK),
        false => Err(refused(StatusCode::NOT_FOUND, "no such session")),
    }
}

fn require_type(headers: &HeaderMap, wanted: &str) -> Result<(), Refused> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = given.split(';').next().unwrap_or_default().trim();
    let is_wanted = given.eq_ignore_ascii_case(wanted);
    is_wanted.then_some(()).ok_or_else(|| refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send {wanted}")))
}

fn accepts_sdp(headers: &HeaderMap) -> bool {
    let Some(accept) = headers.get(ACCEPT).and_then(|value| value.to_str().ok()) else { return true };
    let ranges = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    ranges.into_iter().any(|range| ["*/*", "application/*", SDP].iter().any(|known| range.eq_ignore_ascii_case(known)))
}

fn read_text(body: &Bytes) -> Result<String, Refused> {
    let text = std::str::from_utf8(body).map_err(|_| refused(StatusCode::BAD_REQUEST, "the body is not text"))?;
    Ok(text.to_owned())
}
