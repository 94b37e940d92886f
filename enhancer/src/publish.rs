//! The task that publishes `enhanced`, and hands that over to another enhancer when this one is to end.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use media::AccessUnit;
use telemetry::Shutdown;
use tokio::{sync::mpsc, time::Instant};
use webrtc_client::{PublishOptions, Publishing, PublishingEvent};

use crate::TIMEOUT;

pub(crate) struct Publish {
    /// WHIP address of `enhanced`.
    pub(crate) url: String,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) units: mpsc::Receiver<AccessUnit>,
    pub(crate) keyframe_wanted: Arc<AtomicBool>,
    /// The stream moves to these URL references.
    pub(crate) moves: mpsc::Receiver<String>,
    /// How long another enhancer is waited for at the end.
    pub(crate) drain: Duration,
}

/// With no frame for so long there is nothing to hand over.
const IDLE: Duration = Duration::from_secs(2);

impl Publish {
    /// Until the end is asked for and another enhancer has taken over, or none came.
    ///
    /// # Errors
    /// When the token is refused or cannot be read.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> anyhow::Result<()> {
        let options = PublishOptions {
            url: self.url.clone(),
            token: None,
            // The same in all sessions of this process.
            publisher: Some(format!("{:032x}", rand::random::<u128>())),
            audio: false,
            patches: false,
            initial_estimate_kbps: None,
            timeout: TIMEOUT,
        };
        let mut publishing = Publishing::new(options, self.token_file.clone());
        let outlet = publishing.outlet();
        let mut last_unit: Option<Instant> = None;
        let mut leaving = false;
        let mut given_up = std::pin::pin!(give_up(&shutdown, self.drain));
        loop {
            tokio::select! {
                unit = self.units.recv(), if outlet.stands() => {
                    let Some(unit) = unit else { break };
                    last_unit = Some(Instant::now());
                    // Stream time's low 32 bits are what the wire carries.
                    if !outlet.send_video(&unit.data, unit.timestamp as u32) {
                        self.keyframe_wanted.store(true, Relaxed);
                    }
                }
                event = publishing.next() => match event? {
                    PublishingEvent::Began { moved } => {
                        // What waited for a first session is late, and hangs on what nobody saw.
                        while !moved && self.units.try_recv().is_ok() {}
                        self.keyframe_wanted.store(true, Relaxed);
                    }
                    PublishingEvent::KeyframeWanted => self.keyframe_wanted.store(true, Relaxed),
                    PublishingEvent::Ended { reason } if leaving => {
                        tracing::info!(reason, "handed over");
                        break;
                    }
                    PublishingEvent::Ended { reason } => tracing::info!(reason, "no longer publishing"),
                    _ => {}
                },
                Some(url) = self.moves.recv() => publishing.follow(&url),
                () = shutdown.requested(), if !leaving => {
                    if last_unit.is_none_or(|at| at.elapsed() >= IDLE) {
                        break;
                    }
                    leaving = true;
                    tracing::info!(drain = ?self.drain, "leaving: goes on until another enhancer takes over");
                }
                () = &mut given_up => break,
            }
        }
        publishing.close().await;
        Ok(())
    }
}

/// Returns when the end was asked for so long ago, or is asked for once more.
async fn give_up(shutdown: &Shutdown, drain: Duration) {
    shutdown.requested().await;
    tokio::select! {
        () = tokio::time::sleep(drain) => {}
        () = shutdown.insisted() => {}
    }
}
