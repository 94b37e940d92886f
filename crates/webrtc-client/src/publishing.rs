//! A publisher that stays: session after session. When the stream moves, the next one begins while the one before goes on,
//! and both are sent to until viewers had the time to follow.

mod outlet;

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::FutureExt;
use proto::v1::{PatchControl, patch_channel_message::Kind};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    GiveUp, PublishOptions, Publisher, PublisherEvent,
    or_never::or_never,
    reconnect::{Connecting, connect, resolve},
};
pub use outlet::Outlet;

#[derive(Clone, Debug)]
pub enum PublishingEvent {
    /// Another session stands; it needs a key frame. `moved`: the session before asked for it.
    Began {
        moved: bool,
    },
    KeyframeWanted,
    /// The channel of the newest session is open, and waits for the hello.
    ChannelOpen,
    /// Said over the newest session's channel.
    Control(PatchControl),
    /// What the path carries to one session, in kbit/s, all kinds together.
    Estimate {
        kbps: u32,
    },
    /// No session stands; the next one is sought.
    Ended {
        reason: String,
    },
}

/// How long the session before is still sent to: its viewers follow in this time, those of the enhancer after it.
const OVERLAP: Duration = Duration::from_secs(2);

/// Everything happens inside of [`next`](Self::next); media goes out through an [`Outlet`].
pub struct Publishing {
    options: PublishOptions,
    token_file: Option<PathBuf>,
    outlet: Outlet,
    current: Option<Session>,
    /// The session before, and until when it is sent to.
    leaving: Option<(Session, Instant)>,
    connecting: Option<Connecting<Session>>,
}

struct Session {
    url: String,
    publisher: Arc<Publisher>,
    events: mpsc::Receiver<PublisherEvent>,
    estimate_kbps: Option<u32>,
}

impl Publishing {
    /// Publishes to `options.url`. Its token is the one that `token_file` holds whenever a session begins.
    #[must_use]
    pub fn new(options: PublishOptions, token_file: Option<PathBuf>) -> Self {
        let outlet = Outlet::default();
        let mut publishing = Self { options, token_file, outlet, current: None, leaving: None, connecting: None };
        publishing.connect(None);
        publishing
    }

    /// To send through; cheap to clone.
    #[must_use]
    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// The stream moves, as was heard elsewhere.
    pub fn follow(&mut self, reference: &str) {
        if let (Some(current), None) = (&self.current, &self.connecting) {
            self.connect(Some(resolve(&current.url, reference)));
        }
    }

    /// What happens next. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When no further session is tried for.
    pub async fn next(&mut self) -> Result<PublishingEvent, GiveUp> {
        loop {
            let left_at = self.leaving.as_ref().map(|(_, until)| *until);
            let event = tokio::select! {
                event = or_never(self.current.as_mut().map(next_of)) => self.handle_current(event),
                event = or_never(self.leaving.as_mut().map(|(session, _)| next_of(session))) => {
                    self.handle_leaving(&event)
                }
                connected = or_never(self.connecting.as_mut().map(|connecting| &mut connecting.session)) => {
                    Some(self.handle_connected(connected?))
                }
                () = or_never(left_at.map(sleep_until)) => {
                    self.leave();
                    None
                }
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    /// Ends the sessions.
    pub async fn close(mut self) {
        self.outlet.clear();
        let leaving = self.leaving.take().map(|(session, _)| session);
        for session in self.current.take().into_iter().chain(leaving) {
            // A thread may hold it for one more frame; it then ends by itself.
            if let Some(publisher) = Arc::into_inner(session.publisher) {
                publisher.close().await;
            }
        }
    }

    fn connect(&mut self, moved_to: Option<String>) {
        let (options, token_file) = (self.options.clone(), self.token_file.clone());
        let moved = moved_to.is_some();
        let session = async move {
            let attempt = |url, token| Publisher::connect(PublishOptions { url, token, ..options.clone() });
            let connected = connect(&options.url, moved_to.as_deref(), token_file.as_deref(), attempt).await;
            connected.map(|(url, (publisher, events))| Session {
                url,
                publisher: Arc::new(publisher),
                events,
                estimate_kbps: options.initial_estimate_kbps,
            })
        };
        self.connecting = Some(Connecting { session: session.boxed(), moved });
    }

    fn handle_connected(&mut self, session: Session) -> PublishingEvent {
        let moved = self.connecting.take().is_some_and(|connecting| connecting.moved);
        tracing::info!(url = session.url, "publishing");
        self.leave();
        self.outlet.begin(session.publisher.clone());
        self.leaving = self.current.replace(session).map(|before| (before, Instant::now() + OVERLAP));
        PublishingEvent::Began { moved }
    }

    fn handle_current(&mut self, event: PublisherEvent) -> Option<PublishingEvent> {
        let current = self.current.as_mut()?;
        match event {
            PublisherEvent::KeyframeWanted => Some(PublishingEvent::KeyframeWanted),
            PublisherEvent::ChannelOpen => Some(PublishingEvent::ChannelOpen),
            PublisherEvent::ChannelMessage(message) => match message.kind? {
                Kind::Control(control) => {
                    self.outlet.talk_to_newest();
                    Some(PublishingEvent::Control(control))
                }
                Kind::Moved(moved) => {
                    tracing::info!(url = moved.url, "the stream moves");
                    self.follow(&moved.url);
                    None
                }
                Kind::Hello(_) | Kind::Patch(_) => None,
            },
            PublisherEvent::Estimate { kbps } => {
                current.estimate_kbps = Some(kbps);
                self.estimate()
            }
            PublisherEvent::Closed { reason } => {
                tracing::warn!(reason, "the session is over");
                self.current = None;
                // Were there one before, it would have been told to leave for this one.
                self.leave();
                self.outlet.clear();
                if self.connecting.is_none() {
                    self.connect(None);
                }
                Some(PublishingEvent::Ended { reason })
            }
        }
    }

    fn handle_leaving(&mut self, event: &PublisherEvent) -> Option<PublishingEvent> {
        match event {
            PublisherEvent::KeyframeWanted => Some(PublishingEvent::KeyframeWanted),
            PublisherEvent::Estimate { kbps } => {
                self.leaving.as_mut()?.0.estimate_kbps = Some(*kbps);
                self.estimate()
            }
            PublisherEvent::Closed { .. } => {
                self.leave();
                self.estimate()
            }
            PublisherEvent::ChannelOpen | PublisherEvent::ChannelMessage(_) => None,
        }
    }

    /// While two sessions are sent to, they share what the path carries.
    fn estimate(&self) -> Option<PublishingEvent> {
        let newest = self.current.as_ref()?.estimate_kbps?;
        let before = self.leaving.as_ref().and_then(|(session, _)| session.estimate_kbps);
        let kbps = before.map_or(newest, |before| newest.min(before) / 2);
        Some(PublishingEvent::Estimate { kbps })
    }

    /// Ends the session before, if there is one.
    fn leave(&mut self) {
        if let Some((session, _)) = self.leaving.take() {
            self.outlet.leave();
            if let Some(publisher) = Arc::into_inner(session.publisher) {
                tokio::spawn(publisher.close());
            }
        }
    }
}

async fn next_of(session: &mut Session) -> PublisherEvent {
    let event = session.events.recv().await;
    event.unwrap_or_else(|| PublisherEvent::Closed { reason: "the session's task ended".to_owned() })
}
