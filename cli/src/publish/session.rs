//! Keeps a session with the media-node: connects, listens, connects again, for ever.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use proto::v1::{PatchChannelMessage, PatchControl, PublisherHello, patch_channel_message::Kind};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use webrtc_client::{PublishOptions, Publisher, PublisherEvent};

use super::{
    control::{Heard, other_scale},
    shared::{Shared, count, plus},
};
use crate::reconnect::{Reconnect, read_token};

pub(crate) struct Sessions {
    pub(crate) shared: Arc<Shared>,
    /// The token is read from `token_file` at each connection.
    pub(crate) options: PublishOptions,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) hello: watch::Receiver<PublisherHello>,
}

/// The channel may lose the hello or its answer, and without a hello no patch is taken.
const HELLO_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How a session ended.
enum End {
    Asked,
    Lost,
    /// The media-node is elsewhere now.
    Moved(String),
}

impl Sessions {
    /// Runs until `finish`.
    ///
    /// # Errors
    /// When the server refuses the token: nothing gets better by trying again.
    pub(crate) async fn run(self, finish: CancellationToken) -> anyhow::Result<()> {
        let mut reconnect = Reconnect::default();
        let mut url = self.options.url.clone();
        while !finish.is_cancelled() {
            let token = read_token(self.token_file.as_deref())?;
            let options = PublishOptions { url: url.clone(), token, ..self.options.clone() };
            let connected = tokio::select! {
                connected = Publisher::connect(options) => connected,
                () = finish.cancelled() => break,
            };
            let delay = match connected {
                Ok((publisher, events)) => {
                    tracing::info!(%url, "publishing");
                    reconnect.succeeded();
                    match self.follow(publisher, events, &finish).await {
                        End::Asked => break,
                        End::Lost => {}
                        End::Moved(next) => url = next,
                    }
                    continue;
                }
                Err(error) => reconnect.next_try(&error, rand::random())?,
            };
            // A move may have led nowhere.
            url.clone_from(&self.options.url);
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = finish.cancelled() => {}
            }
        }
        Ok(())
    }

    async fn follow(
        &self,
        publisher: Publisher,
        mut events: mpsc::Receiver<PublisherEvent>,
        finish: &CancellationToken,
    ) -> End {
        let shared = &self.shared;
        let publisher = Arc::new(publisher);
        shared.publisher.send_replace(Some(publisher.clone()));
        shared.keyframe_wanted.store(true, Relaxed);
        count(&shared.counters.sessions);
        let mut unheard = tokio::time::interval(HELLO_AGAIN_AFTER);
        let mut hello = self.hello.clone();
        let end = loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = finish.cancelled() => break End::Asked,
                _ = unheard.tick() => {
                    if matches!(*shared.heard.borrow(), Heard::Nothing(_)) {
                        self.greet(&publisher);
                    }
                    continue;
                }
                Ok(()) = hello.changed() => {
                    if *shared.heard.borrow() != Heard::Closed {
                        self.greet(&publisher);
                    }
                    continue;
                }
            };
            match event {
                Some(PublisherEvent::KeyframeWanted) => shared.keyframe_wanted.store(true, Relaxed),
                Some(PublisherEvent::ChannelOpen) => {
                    self.greet(&publisher);
                    shared.heard.send_replace(Heard::Nothing(shared.now()));
                    unheard.reset();
                }
                Some(PublisherEvent::ChannelMessage(message)) => match message.kind {
                    Some(Kind::Control(control)) => self.obey(control),
                    Some(Kind::Moved(moved)) => {
                        tracing::info!(url = moved.url, "the stream moves");
                        break End::Moved(moved.url);
                    }
                    _ => {}
                },
                Some(PublisherEvent::Estimate { kbps }) => {
                    shared.estimate_kbps.send_replace(Some(kbps));
                }
                Some(PublisherEvent::Closed { reason }) => {
                    tracing::warn!(reason, "the session is over");
                    break End::Lost;
                }
                None => break End::Lost,
            }
        };
        self.leave(publisher).await;
        end
    }

    fn greet(&self, publisher: &Publisher) {
        let hello = *self.hello.borrow();
        if !publisher.send_message(&PatchChannelMessage { kind: Some(Kind::Hello(hello)) }) {
            tracing::warn!("the media-node was not told what to expect");
        }
    }

    fn obey(&self, control: PatchControl) {
        let first = !matches!(*self.shared.heard.borrow(), Heard::Control(_));
        if first && let Some(wanted) = other_scale(&control, self.hello.borrow().scale as usize) {
            tracing::warn!("no patches are sent: the stream is enhanced by {wanted}; publish with --scale {wanted}");
        }
        self.shared.heard.send_replace(Heard::Control(control));
    }

    async fn leave(&self, publisher: Arc<Publisher>) {
        let shared = &self.shared;
        shared.heard.send_replace(Heard::Closed);
        shared.estimate_kbps.send_if_modified(|estimate| {
            *estimate = self.options.initial_estimate_kbps;
            true
        });
        shared.past_bytes.send_modify(|past| *past = plus(*past, publisher.uplink_bytes()));
        shared.publisher.send_replace(None);
        // A thread may hold the session for one more frame; it then ends by itself.
        if let Some(publisher) = Arc::into_inner(publisher) {
            publisher.close().await;
        }
    }
}
