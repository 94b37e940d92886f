//! How a session that ended is begun again: when, with which token, and what is said about it.

use std::{path::Path, time::Duration};

use futures::future::BoxFuture;
use registry_client::{TokenError, read_token};

use crate::{Backoff, SignallingError};

/// Why no further session is tried for.
#[derive(Debug, thiserror::Error)]
pub enum GiveUp {
    /// The server refuses the token: nothing gets better by trying again.
    #[error(transparent)]
    Forbidden(SignallingError),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// A session that is sought.
pub(crate) struct Connecting<S> {
    pub(crate) session: BoxFuture<'static, Result<S, GiveUp>>,
    /// The session before asked for it.
    pub(crate) moved: bool,
}

/// The tries for one session.
#[derive(Debug, Default)]
pub(crate) struct Reconnect {
    backoff: Backoff,
    /// What was said last: a server that stays away is not news.
    said: Option<String>,
    /// 409 in a row
    conflicts: u32,
    /// Tries left while a session stands elsewhere: soon it will not.
    hurried: u32,
}

/// After a restart of the media-node, viewers and publisher come back together: who comes too early asks again soon,
/// whatever the answer says, a few times.
const EARLY_TRIES: u32 = 4;
const EARLY_WAIT: Duration = Duration::from_millis(250);
/// A stream moves: its new media-node takes viewers as soon as the publisher is there, which takes moments.
const HURRIED_TRIES: u32 = 30;
const HURRIED_WAIT: Duration = Duration::from_millis(100);

impl Reconnect {
    /// For a session that is to be ready before another one ends.
    pub(crate) fn hurried() -> Self {
        Self { hurried: HURRIED_TRIES, ..Self::default() }
    }

    pub(crate) fn is_hurried(&self) -> bool {
        self.hurried > 0
    }

    /// How long to wait before the next try; `random` is uniform in [0, 1).
    ///
    /// # Errors
    /// When there is to be none.
    pub(crate) fn next_try(&mut self, error: SignallingError, random: f64) -> Result<Duration, GiveUp> {
        let wanted = match &error {
            SignallingError::Forbidden { .. } => return Err(GiveUp::Forbidden(error)),
            _ if self.hurried > 0 => {
                self.hurried -= 1;
                tracing::debug!(%error, "not there yet");
                return Ok(HURRIED_WAIT);
            }
            SignallingError::Later { status: 409, after, .. } if self.conflicts < EARLY_TRIES => {
                self.conflicts += 1;
                EARLY_WAIT.min(*after)
            }
            SignallingError::Later { after, .. } => *after,
            _ => Duration::ZERO,
        };
        let text = error.to_string();
        if self.said.as_ref() != Some(&text) {
            tracing::warn!("{text}; trying again");
            self.said = Some(text);
        }
        Ok(self.backoff.next_delay(random).max(wanted))
    }
}

/// Tries until a session stands. `attempt` gets the URL to try and the token of the moment; where the stream is said to
/// have moved to, `moved_to`, is tried for some seconds, then `url`.
pub(crate) async fn connect<T, F: Future<Output = Result<T, SignallingError>>>(
    url: &str,
    moved_to: Option<&str>,
    token_file: Option<&Path>,
    attempt: impl Fn(String, Option<String>) -> F,
) -> Result<(String, T), GiveUp> {
    let mut reconnect = moved_to.map_or_else(Reconnect::default, |_| Reconnect::hurried());
    loop {
        let url = moved_to.filter(|_| reconnect.is_hurried()).unwrap_or(url).to_owned();
        match attempt(url.clone(), read_token(token_file)?).await {
            Ok(session) => return Ok((url, session)),
            Err(error) => tokio::time::sleep(reconnect.next_try(error, rand::random())?).await,
        }
    }
}

/// Where a session at `url` moves to by the reference in `Moved`.
pub(crate) fn resolve(url: &str, reference: &str) -> String {
    let resolved = reqwest::Url::parse(url).and_then(|url| url.join(reference));
    resolved.map_or_else(|_| url.to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(status: u16, seconds: u64) -> SignallingError {
        SignallingError::Later { status, after: Duration::from_secs(seconds), detail: "not now".into() }
    }

    #[test]
    fn a_server_says_when_to_come_back_and_a_refused_token_ends_it() {
        let mut reconnect = Reconnect::default();
        let away = || SignallingError::Unreachable("connection refused".into());
        assert_eq!(reconnect.next_try(away(), 0.5).unwrap(), Duration::ZERO);
        assert_eq!(reconnect.next_try(later(503, 7), 0.5).unwrap(), Duration::from_secs(7));
        let forbidden = SignallingError::Forbidden { status: 401, detail: "wrong token".into() };
        assert!(reconnect.next_try(forbidden, 0.5).unwrap_err().to_string().contains("wrong token"));
        assert_eq!(Reconnect::default().next_try(away(), 0.5).unwrap(), Duration::ZERO);
    }

    #[test]
    fn who_comes_too_early_asks_again_soon_and_then_as_told() {
        let mut reconnect = Reconnect::default();
        let first: Duration = (0..4).map(|_| reconnect.next_try(later(409, 2), 0.0).unwrap()).sum();
        assert_eq!(first, Duration::from_secs(1));
        assert_eq!(reconnect.next_try(later(409, 2), 0.0).unwrap(), Duration::from_secs(2));
    }

    #[test]
    fn while_another_session_stands_tries_follow_each_other_quickly_for_some_seconds() {
        let mut reconnect = Reconnect::hurried();
        let hurried: Duration = (0..HURRIED_TRIES).map(|_| reconnect.next_try(later(409, 2), 0.0).unwrap()).sum();
        assert_eq!(hurried, Duration::from_secs(3));
        assert!(!reconnect.is_hurried());
        assert_eq!(reconnect.next_try(later(503, 7), 0.0).unwrap(), Duration::from_secs(7));
    }

    #[test]
    fn a_move_goes_on_from_the_url_that_was_used() {
        let url = "http://h:1/a/whep?rendition=auto";
        for (reference, expected) in [
            ("", url),
            ("//other/a/whep", "http://other/a/whep"),
            ("https://other/b/whep", "https://other/b/whep"),
            ("../b/whep", "http://h:1/b/whep"),
            ("http://[", url),
        ] {
            assert_eq!(resolve(url, reference), expected, "{reference}");
        }
    }
}
