//! What the media-node and the publisher's threads tell each other, over sessions that come, move and go.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use proto::v1::{PatchChannelMessage, PatchControl, PublisherHello, patch_channel_message::Kind};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use webrtc_client::{Publishing, PublishingEvent};

use super::{
    control::{Heard, other_scale},
    shared::{Shared, count},
};

pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) publishing: Publishing,
    /// Patches are sent, and so announced.
    pub(crate) patches: bool,
    pub(crate) hello: watch::Receiver<PublisherHello>,
}

/// The channel may lose the hello or its answer, and without a hello no patch is taken.
const HELLO_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Session {
    /// Runs until `finish`.
    ///
    /// # Errors
    /// When the server refuses the token: nothing gets better by trying again.
    pub(crate) async fn run(mut self, finish: CancellationToken) -> anyhow::Result<()> {
        let mut unheard = tokio::time::interval(HELLO_AGAIN_AFTER);
        // The newest session's channel is open, and its hello is not answered yet.
        let mut unanswered = false;
        loop {
            let event = tokio::select! {
                event = self.publishing.next() => event?,
                () = finish.cancelled() => break,
                _ = unheard.tick(), if unanswered => {
                    self.greet();
                    continue;
                }
                Ok(()) = self.hello.changed() => {
                    self.greet();
                    continue;
                }
            };
            match event {
                PublishingEvent::ChannelOpen if self.patches => {
                    unanswered = true;
                    unheard.reset();
                    self.greet();
                    // Where a session before has said what it wants, that holds meanwhile.
                    let now = self.shared.now();
                    self.shared.heard.send_if_modified(|heard| {
                        let silent = *heard == Heard::Closed;
                        if silent {
                            *heard = Heard::Nothing(now);
                        }
                        silent
                    });
                }
                PublishingEvent::Control(control) => {
                    unanswered = false;
                    self.obey(control);
                }
                event => self.handle(event),
            }
        }
        self.publishing.close().await;
        Ok(())
    }

    fn handle(&self, event: PublishingEvent) {
        let shared = &self.shared;
        match event {
            PublishingEvent::Began { moved } => {
                shared.keyframe_wanted.store(true, Relaxed);
                count(&shared.counters.sessions);
                if moved {
                    count(&shared.counters.moves);
                }
            }
            PublishingEvent::KeyframeWanted => shared.keyframe_wanted.store(true, Relaxed),
            PublishingEvent::Estimate { kbps } => {
                shared.estimate_kbps.send_replace(Some(kbps));
            }
            PublishingEvent::Ended { .. } => {
                shared.heard.send_replace(Heard::Closed);
            }
            PublishingEvent::ChannelOpen | PublishingEvent::Control(_) => {}
        }
    }

    fn greet(&self) {
        let hello = PatchChannelMessage { kind: Some(Kind::Hello(*self.hello.borrow())) };
        if !self.shared.outlet.greet(&hello) {
            tracing::debug!("the media-node was not told what to expect");
        }
    }

    fn obey(&self, control: PatchControl) {
        let scale = self.hello.borrow().scale as usize;
        let first = !matches!(*self.shared.heard.borrow(), Heard::Control(_));
        if first && let Some(wanted) = other_scale(&control, scale) {
            tracing::warn!("no patches are sent: the stream is enhanced by {wanted}; publish with --scale {wanted}");
        }
        self.shared.heard.send_replace(Heard::control(control, scale));
    }
}
