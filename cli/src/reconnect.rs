//! How publishers and viewers come back: when to try again, what to say about it, and with which token.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use webrtc_client::{Backoff, SignallingError};

/// The tries since a session last stood.
#[derive(Debug, Default)]
pub(crate) struct Reconnect {
    backoff: Backoff,
    /// What was said last: a server that stays away is not news.
    said: Option<String>,
    /// 409 in a row
    conflicts: u32,
}

/// After a restart of the media-node, viewers and publisher come back together: who comes too early asks again soon,
/// whatever the answer says, a few times.
const EARLY_TRIES: u32 = 4;
const EARLY_WAIT: Duration = Duration::from_millis(250);

impl Reconnect {
    /// A session stands.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// How long to wait before the next try; `random` is uniform in [0, 1).
    ///
    /// # Errors
    /// When the server refuses the token: nothing gets better by trying again.
    pub(crate) fn next_try(&mut self, error: &SignallingError, random: f64) -> anyhow::Result<Duration> {
        let wanted = match error {
            SignallingError::Forbidden { .. } => bail!("{error}"),
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

/// The token in a file; read at each connection, since it may have changed.
pub(crate) fn read_token(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(file) = file else { return Ok(None) };
    let text = std::fs::read_to_string(file).with_context(|| format!("reading the token from {}", file.display()))?;
    Ok(Some(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_when_to_come_back_and_a_refused_token_ends_it() {
        let mut reconnect = Reconnect::default();
        let away = SignallingError::Unreachable("connection refused".into());
        assert_eq!(reconnect.next_try(&away, 0.5).unwrap(), Duration::ZERO);
        let later = SignallingError::Later { status: 503, after: Duration::from_secs(7), detail: "full".into() };
        assert_eq!(reconnect.next_try(&later, 0.5).unwrap(), Duration::from_secs(7));
        let forbidden = SignallingError::Forbidden { status: 401, detail: "wrong token".into() };
        assert!(reconnect.next_try(&forbidden, 0.5).unwrap_err().to_string().contains("wrong token"));
        reconnect.succeeded();
        assert_eq!(reconnect.next_try(&away, 0.5).unwrap(), Duration::ZERO);
    }

    #[test]
    fn who_comes_too_early_asks_again_soon_and_then_as_told() {
        let mut reconnect = Reconnect::default();
        let early = SignallingError::Later { status: 409, after: Duration::from_secs(2), detail: "nothing".into() };
        let first: Duration = (0..4).map(|_| reconnect.next_try(&early, 0.0).unwrap()).sum();
        assert_eq!(first, Duration::from_secs(1));
        assert_eq!(reconnect.next_try(&early, 0.0).unwrap(), Duration::from_secs(2));
    }

    #[test]
    fn a_token_is_the_files_text_without_its_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "secret\n").unwrap();
        assert_eq!(read_token(Some(file.path())).unwrap().as_deref(), Some("secret"));
        assert_eq!(read_token(None).unwrap(), None);
        let error = read_token(Some(Path::new("/nowhere/token"))).unwrap_err();
        assert!(error.to_string().contains("/nowhere/token"));
    }
}
