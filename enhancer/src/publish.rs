//! The task that publishes `enhanced`.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use media::AccessUnit;
use registry_client::read_token;
use telemetry::Shutdown;
use tokio::sync::mpsc;
use webrtc_client::{Backoff, PublishOptions, Publisher, PublisherEvent};

use crate::sessions::{TIMEOUT, wait_to_try_again};

pub(crate) struct Publish {
    /// WHIP address of `enhanced`.
    pub(crate) url: String,
    pub(crate) token_file: Option<PathBuf>,
    /// The same in all sessions of this process.
    pub(crate) publisher: String,
    pub(crate) units: mpsc::Receiver<AccessUnit>,
    pub(crate) keyframe_wanted: Arc<AtomicBool>,
}

impl Publish {
    /// Session after session, until the end is asked for.
    ///
    /// # Errors
    /// When the token is refused or cannot be read.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> anyhow::Result<()> {
        let mut backoff = Backoff::default();
        while !shutdown.is_requested() {
            let options = PublishOptions {
                url: self.url.clone(),
                token: read_token(self.token_file.as_deref())?,
                publisher: Some(self.publisher.clone()),
                audio: false,
                patches: false,
                initial_estimate_kbps: None,
                timeout: TIMEOUT,
            };
            match Publisher::connect(options).await {
                Ok((publisher, events)) => {
                    tracing::info!(url = self.url, "publishing");
                    let ended = tokio::select! {
                        reason = self.session(&publisher, events, &mut backoff) => reason,
                        () = shutdown.requested() => "shutting down".to_owned(),
                    };
                    tracing::info!(reason = ended, "no longer publishing");
                    publisher.close().await;
                }
                Err(error) => wait_to_try_again(error, &mut backoff, &shutdown).await?,
            }
        }
        Ok(())
    }

    /// Until the session ends; says why.
    async fn session(
        &mut self,
        publisher: &Publisher,
        mut events: mpsc::Receiver<PublisherEvent>,
        backoff: &mut Backoff,
    ) -> String {
        // what waited for the session is late, and hangs on what nobody saw
        while self.units.try_recv().is_ok() {}
        self.keyframe_wanted.store(true, Relaxed);
        loop {
            tokio::select! {
                unit = self.units.recv() => match unit {
                    Some(unit) => {
                        backoff.reset();
                        // stream time's low 32 bits are what the wire carries
                        if !publisher.send_video(&unit.data, unit.timestamp as u32) {
                            self.keyframe_wanted.store(true, Relaxed);
                        }
                    }
                    None => return "the enhancer ended".to_owned(),
                },
                event = events.recv() => match event {
                    Some(PublisherEvent::KeyframeWanted) => self.keyframe_wanted.store(true, Relaxed),
                    Some(PublisherEvent::Closed { reason }) => return reason,
                    Some(_) => {}
                    None => return "the session's task ended".to_owned(),
                },
            }
        }
    }
}
