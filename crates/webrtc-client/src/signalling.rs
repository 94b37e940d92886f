//! The HTTP half of WHIP (RFC 9725) and WHEP: POST an offer, get an answer, DELETE the session.

use std::time::Duration;

use reqwest::{
    Client, RequestBuilder, Response, StatusCode, Url,
    header::{CONTENT_TYPE, LINK, LOCATION, RETRY_AFTER},
};

use crate::{moves::parse_link, route::is_loopback};

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 256 << 10;
/// How much of a refusal's text is passed on, in characters.
const MAX_DETAIL_CHARS: usize = 200;
const DELETE_TIMEOUT: Duration = Duration::from_secs(1);
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Why a session did not begin, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum SignallingError {
    /// 401, 403: give up.
    #[error("the server refuses the token ({status}): {detail}")]
    Forbidden { status: u16, detail: String },
    /// 409, 429, 503: try again after this time.
    #[error("the server says to try again ({status}): {detail}")]
    Later { status: u16, after: Duration, detail: String },
    /// Other statuses: the offer or the address is wrong.
    #[error("the server refuses the offer ({status}): {detail}")]
    Refused { status: u16, detail: String },
    /// Try again.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    #[error("the WebRTC stack failed: {0}")]
    Stack(String),
}

/// The HTTP side of one session.
#[derive(Debug)]
pub(crate) struct Signalling {
    client: Client,
    pub(crate) url: Url,
    pub(crate) token: Option<String>,
    publisher: Option<String>,
}

/// What a server answers to an offer it takes.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) sdp: String,
    /// Where to DELETE the session.
    pub(crate) session: Option<Url>,
    /// Where it tells when the stream moves.
    pub(crate) events: Option<Url>,
}

impl Signalling {
    /// `publisher` goes out as `Acuity-Publisher`.
    pub(crate) fn new(
        url: &str,
        token: Option<String>,
        publisher: Option<String>,
        timeout: Duration,
    ) -> Result<Self, SignallingError> {
        let parsed = Url::parse(url)
            .map_err(|error| SignallingError::Refused { status: 0, detail: format!("{url:?} is no URL: {error}") })?;
        let builder = Client::builder().timeout(timeout);
        let builder = if is_loopback(url) { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| SignallingError::Stack(with_causes(&error)))?;
        Ok(Self { client, url: parsed, token, publisher })
    }

    pub(crate) async fn offer(&self, sdp: String) -> Result<Answer, SignallingError> {
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/sdp").body(sdp);
        let request = match &self.publisher {
            Some(publisher) => request.header("acuity-publisher", publisher),
            None => request,
        };
        let response = self.authorised(request).send().await.map_err(unreachable)?;
        if response.status() != StatusCode::CREATED {
            return Err(refusal(response).await);
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let session = location.and_then(|location| response.url().join(location).ok());
        let links = response.headers().get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        let events = links.filter_map(parse_link).find_map(|link| response.url().join(link).ok());
        Ok(Answer { sdp: read_text(response, MAX_ANSWER_BYTES).await?, session, events })
    }

    /// Ends the session. Best effort: a server that does not hear it sees the silence.
    pub(crate) async fn delete(&self, session: Url) {
        let request = self.authorised(self.client.delete(session)).timeout(DELETE_TIMEOUT);
        if let Err(error) = request.send().await {
            tracing::debug!(error = %with_causes(&error), "the server did not hear the end of the session");
        }
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

async fn refusal(response: Response) -> SignallingError {
    let status = response.status();
    let after = retry_after(&response);
    let text = read_text(response, MAX_DETAIL_CHARS * 4).await.unwrap_or_default();
    let detail: String = text.trim().chars().take(MAX_DETAIL_CHARS).collect();
    let detail =
        if detail.is_empty() { status.canonical_reason().unwrap_or("no reason given").to_owned() } else { detail };
    match status.as_u16() {
        status @ (401 | 403) => SignallingError::Forbidden { status, detail },
        status @ (409 | 429 | 503) => SignallingError::Later { status, after, detail },
        // A gateway whose server is away.
        502 | 504 => SignallingError::Unreachable(detail),
        status => SignallingError::Refused { status, detail },
    }
}

fn retry_after(response: &Response) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(DEFAULT_RETRY_AFTER, Duration::from_secs).min(MAX_RETRY_AFTER)
}

/// At most `limit` bytes of the body; the rest is not read.
async fn read_text(mut response: Response, limit: usize) -> Result<String, SignallingError> {
    let mut body = Vec::new();
    while body.len() < limit
        && let Some(chunk) = response.chunk().await.map_err(unreachable)?
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(limit);
    Ok(String::from_utf8_lossy(&body).into_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreachable(error: reqwest::Error) -> SignallingError {
    SignallingError::Unreachable(with_causes(&error))
}

/// reqwest's own text names the request; what went wrong is in its sources.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
