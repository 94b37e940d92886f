//! The HTTP half of WHIP (RFC 9725) and WHEP: POST an offer, get an answer, DELETE the session.

use std::time::Duration;

/// Why a session did not begin, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum SignallingError {
    /// 401, 403: give up.
    #[error("the server refuses the token ({status}): {detail}")]
    Forbidden { status: u16, detail: String },
    /// 409, 503: try again after this time.
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
