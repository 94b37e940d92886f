//! The thread that owns the media socket, the peers and the room, and what the rest of the process may ask of it.
//!
//! Everything between this thread and others is a bounded channel; it waits for nobody.

mod addresses;
mod driver;
mod metrics;
mod sessions;
mod socket;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use prost::Message;
use proto::{
    status::{StreamEvent, UplinkKbps},
    v1::{Moved, PatchChannelMessage, patch_channel_message::Kind},
};
use telemetry::prometheus_client::metrics::counter::Counter;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{
    bridge::{FromRelay, ToRelay},
    moving::Stages,
    peer::{self, OfferError, Side},
    room::{Origin, Rendition, RoomStatistics},
};
pub(crate) use addresses::{Advertised, Candidates};
use driver::Driver;
pub(crate) use metrics::RelayMetrics;
use sessions::{NewSession, SessionKind};
pub(crate) use socket::MediaSocket;

const COMMANDS: usize = 64;
/// The stack recurses where a peer may choose how deep.
const STACK_BYTES: usize = 8 << 20;
/// How long an answer of the relay's thread may take; it takes microseconds.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// `client`: what the header `Acuity-Publisher` says.
    Publish { origin: Origin, client: Option<String> },
    /// `internal`: not counted as a viewer.
    Watch { rendition: Rendition, internal: bool },
}

/// A session as its client gets to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) session: String,
    pub(crate) etag: String,
    pub(crate) sdp: String,
}

/// Why there is no session, by the status the client gets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JoinError {
    #[error(transparent)]
    Offer(#[from] OfferError),
    #[error("another publisher is live")]
    PublisherLive,
    #[error("nothing to show for this rendition yet")]
    NothingToShow,
    #[error("the address to reach this stream at is not known yet")]
    NoAddress,
    #[error("no more viewers are taken")]
    TooManyViewers,
    #[error("this media-node is leaving; another one takes over")]
    Ending,
}

/// Numbers of the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RelaySnapshot {
    pub(crate) room: RoomStatistics,
    pub(crate) uplink: UplinkKbps,
}

/// Which sessions an HTTP resource may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Publisher(Origin),
    Viewer { internal: bool },
}

enum Command {
    Join {
        session: Box<NewSession>,
        reply: oneshot::Sender<Result<(), JoinError>>,
    },
    Find {
        session: String,
        resource: Resource,
        reply: oneshot::Sender<Option<String>>,
    },
    End {
        session: String,
        resource: Resource,
        reply: oneshot::Sender<bool>,
    },
    IsIdle {
        reply: oneshot::Sender<bool>,
    },
    /// `moved`: for the publisher's data channel. `empty` is told when no session is left.
    SendAway {
        moved: Vec<u8>,
        empty: oneshot::Sender<()>,
    },
}

pub(crate) struct RelayOptions {
    pub(crate) socket: MediaSocket,
    pub(crate) candidates: Candidates,
    pub(crate) max_viewers: u32,
    pub(crate) metrics: RelayMetrics,
    pub(crate) from_relay: mpsc::Sender<FromRelay>,
    pub(crate) to_relay: mpsc::Receiver<ToRelay>,
    pub(crate) events: broadcast::Sender<StreamEvent>,
    pub(crate) stages: Stages,
    pub(crate) shutdown: telemetry::Shutdown,
}

/// The relay to everyone else; cheap to clone.
#[derive(Clone)]
pub(crate) struct Relay {
    commands: mpsc::Sender<Command>,
    snapshot: watch::Receiver<RelaySnapshot>,
    candidates: Arc<Candidates>,
    refused_sctp: Counter,
    stages: Stages,
}

impl Relay {
    /// Starts the thread; the handle is joined after the shutdown was requested.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub(crate) fn spawn(options: RelayOptions) -> anyhow::Result<(Self, std::thread::JoinHandle<()>)> {
        let (commands, waiting_commands) = mpsc::channel(COMMANDS);
        let (snapshots, snapshot) = watch::channel(RelaySnapshot::default());
        let relay = Self {
            commands,
            snapshot,
            candidates: Arc::new(options.candidates),
            refused_sctp: options.metrics.refused_sctp(),
            stages: options.stages,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let socket = {
            let _inside = runtime.enter();
            options.socket.into_async()?
        };
        let driver =
            Driver::new(socket, options.max_viewers, options.metrics, options.from_relay, snapshots, options.events);
        let (to_relay, shutdown) = (options.to_relay, options.shutdown);
        let thread = std::thread::Builder::new()
            .name("relay".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || runtime.block_on(driver.run(waiting_commands, to_relay, shutdown)))
            .context("starting the relay's thread")?;
        Ok((relay, thread))
    }

    /// Answers an offer that came over an HTTP connection to `reached`, one of our own addresses.
    ///
    /// # Errors
    /// By the status the client gets.
    pub(crate) async fn join(&self, wish: Wish, offer: String, reached: IpAddr) -> Result<Answer, JoinError> {
        if self.stages.is_leaving() {
            return Err(JoinError::Ending);
        }
        let kind = SessionKind::from(wish);
        let candidates = self.candidates.select(reached, kind.is_internal()).ok_or(JoinError::NoAddress)?;
        let (side, refused_sctp) = (kind.side(), self.refused_sctp.clone());
        let negotiation =
            move || peer::negotiate(Instant::now(), side, &offer, candidates, &refused_sctp).map_err(JoinError::from);
        let negotiated = tokio::task::spawn_blocking(negotiation).await.map_err(|_| JoinError::Ending)??;
        let (session, answer) = NewSession::new(kind, negotiated);
        self.ask(|reply| Command::Join { session: Box::new(session), reply })
            .await
            .unwrap_or(Err(JoinError::Ending))?;
        Ok(answer)
    }

    /// The entity tag of a session, if there is such a session.
    pub(crate) async fn find(&self, session: String, resource: Resource) -> Option<String> {
        self.ask(|reply| Command::Find { session, resource, reply }).await.flatten()
    }

    /// Ends a session; false when there is none.
    pub(crate) async fn end(&self, session: String, resource: Resource) -> bool {
        self.ask(|reply| Command::End { session, resource, reply }).await.unwrap_or(false)
    }

    /// Whether nobody publishes the source or watches.
    pub(crate) async fn is_idle(&self) -> bool {
        self.ask(|reply| Command::IsIdle { reply }).await.unwrap_or(true)
    }

    /// Tells the publisher where to go, ends it when it would not understand, and returns when no session is left.
    pub(crate) async fn send_away(&self, moved: Moved) {
        let moved = PatchChannelMessage { kind: Some(Kind::Moved(moved)) }.encode_to_vec();
        let (empty, is_empty) = oneshot::channel();
        // A relay that has ended has no session.
        if self.commands.send(Command::SendAway { moved, empty }).await.is_ok() {
            let _ = is_empty.await;
        }
    }

    #[must_use]
    pub(crate) fn snapshot(&self) -> watch::Receiver<RelaySnapshot> {
        self.snapshot.clone()
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let exchange = async {
            self.commands.send(command(reply)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(COMMAND_TIMEOUT, exchange).await.ok().flatten()
    }
}

impl SessionKind {
    fn side(&self) -> Side {
        match self {
            Self::Publisher { .. } => Side::Publisher,
            Self::Viewer { .. } => Side::Viewer,
        }
    }
}
