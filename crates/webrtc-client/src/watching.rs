//! A viewer that stays: session after session, and from one to the next without a gap when the stream moves.

mod splice;

use std::{collections::VecDeque, path::PathBuf, time::Duration};

use futures::FutureExt;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    GiveUp, Loss, ReceivedPacket, ViewOptions, Viewer, ViewerEvent,
    or_never::or_never,
    reconnect::{Connecting, connect, resolve},
};
use splice::Splice;

#[derive(Clone, Debug)]
pub enum WatchingEvent {
    /// What comes from now on is of another session: sequence numbers begin anew, video begins with a key frame. `moved`:
    /// the session before asked for it.
    Began {
        moved: bool,
    },
    Video(ReceivedPacket),
    Audio(ReceivedPacket),
    /// The stream moves, to where this URL reference says; the session goes on until the next one takes its place.
    Moves {
        url: String,
    },
    /// No session stands; the next one is sought.
    Ended {
        reason: String,
    },
}

/// Everything happens inside of [`next`](Self::next).
pub struct Watching {
    options: ViewOptions,
    token_file: Option<PathBuf>,
    loss: Option<Loss>,
    current: Option<Session>,
    connecting: Option<Connecting<Session>>,
    /// Stands beside `current`, and takes its place with its first picture.
    beside: Option<Beside>,
    ready: VecDeque<WatchingEvent>,
    /// By sessions that are over.
    dropped_packets: u64,
}

/// How long the last picture of a session is waited for once the next session shows its first.
const LAST_PICTURE: Duration = Duration::from_millis(150);

struct Session {
    url: String,
    viewer: Viewer,
    events: mpsc::Receiver<ViewerEvent>,
}

struct Beside {
    session: Session,
    /// Since its first picture.
    taking_over: Option<TakingOver>,
}

struct TakingOver {
    splice: Splice,
    until: Instant,
    held: VecDeque<WatchingEvent>,
}

impl Watching {
    /// Watches at `options.url`. Its token is the one that `token_file` holds whenever a session begins.
    #[must_use]
    pub fn new(options: ViewOptions, token_file: Option<PathBuf>) -> Self {
        let mut watching = Self {
            options,
            token_file,
            loss: None,
            current: None,
            connecting: None,
            beside: None,
            ready: VecDeque::new(),
            dropped_packets: 0,
        };
        watching.connect(None);
        watching
    }

    /// Over paths that lose packets on purpose.
    #[must_use]
    pub fn over(mut self, loss: Option<Loss>) -> Self {
        self.loss = loss;
        self.connect(None);
        self
    }

    /// Sends a PLI.
    pub fn request_keyframe(&self) {
        if let Some(session) = &self.current {
            session.viewer.request_keyframe();
        }
    }

    /// Packets that came and were dropped because their receiver was behind.
    #[must_use]
    pub fn dropped_packets(&self) -> u64 {
        self.dropped_packets + self.current.as_ref().map_or(0, |session| session.viewer.dropped_packets())
    }

    /// What happens next. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When no further session is tried for.
    pub async fn next(&mut self) -> Result<WatchingEvent, GiveUp> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let next_is_due = self.beside.as_ref().and_then(|beside| Some(beside.taking_over.as_ref()?.until));
            tokio::select! {
                // What the standing session still has goes before the next one's.
                biased;
                event = or_never(self.current.as_mut().map(next_of)) => self.handle_current(event),
                event = or_never(self.beside.as_mut().map(|beside| next_of(&mut beside.session))) => self.handle_beside(event),
                connected = or_never(self.connecting.as_mut().map(|connecting| &mut connecting.session)) => self.handle_connected(connected?),
                () = or_never(next_is_due.map(sleep_until)) => self.take_over(),
            }
        }
    }

    /// Ends the sessions.
    pub async fn close(self) {
        for session in self.current.into_iter().chain(self.beside.map(|beside| beside.session)) {
            session.viewer.close().await;
        }
    }

    fn connect(&mut self, moved_to: Option<String>) {
        let (options, token_file) = (self.options.clone(), self.token_file.clone());
        let loss = self.loss.as_ref().map(Loss::again);
        let moved = moved_to.is_some();
        let session = async move {
            let attempt = |url, token| {
                let options = ViewOptions { url, token, ..options.clone() };
                Viewer::connect_over(options, loss.as_ref().map(Loss::again))
            };
            let connected = connect(&options.url, moved_to.as_deref(), token_file.as_deref(), attempt).await;
            connected.map(|(url, (viewer, events))| Session { url, viewer, events })
        };
        self.connecting = Some(Connecting { session: session.boxed(), moved });
    }

    fn handle_connected(&mut self, session: Session) {
        let moved = self.connecting.take().is_some_and(|connecting| connecting.moved);
        tracing::info!(url = session.url, "watching");
        if self.current.is_some() {
            self.beside = Some(Beside { session, taking_over: None });
        } else {
            self.current = Some(session);
            self.ready.push_back(WatchingEvent::Began { moved });
        }
    }

    fn handle_current(&mut self, event: ViewerEvent) {
        match event {
            ViewerEvent::Video(packet) => {
                let next = self.beside.as_ref().and_then(|beside| beside.taking_over.as_ref());
                if next.is_none_or(|next| next.splice.is_before(packet.timestamp)) {
                    self.ready.push_back(WatchingEvent::Video(packet));
                } else {
                    self.take_over();
                }
            }
            ViewerEvent::Audio(packet) => self.ready.push_back(WatchingEvent::Audio(packet)),
            ViewerEvent::Moved { url } => {
                if let (Some(current), None, None) = (&self.current, &self.connecting, &self.beside) {
                    self.connect(Some(resolve(&current.url, &url)));
                }
                self.ready.push_back(WatchingEvent::Moves { url });
            }
            ViewerEvent::Closed { reason } => {
                self.leave();
                self.ready.push_back(WatchingEvent::Ended { reason });
                if self.beside.is_some() {
                    self.take_over();
                } else if self.connecting.is_none() {
                    self.connect(None);
                }
            }
        }
    }

    fn handle_beside(&mut self, event: ViewerEvent) {
        let Some(beside) = &mut self.beside else { return };
        match event {
            ViewerEvent::Video(packet) => {
                let (timestamp, video) = (packet.timestamp, WatchingEvent::Video(packet));
                let next = beside.taking_over.get_or_insert_with(|| TakingOver {
                    splice: Splice::at(timestamp),
                    until: Instant::now() + LAST_PICTURE,
                    held: VecDeque::new(),
                });
                next.held.push_back(video);
            }
            ViewerEvent::Audio(_) => {}
            ViewerEvent::Moved { .. } | ViewerEvent::Closed { .. } => {
                let url = beside.session.url.clone();
                self.beside = None;
                self.connect(Some(url));
            }
        }
    }

    /// The session beside is the current one from now on.
    fn take_over(&mut self) {
        let Some(Beside { session, taking_over }) = self.beside.take() else { return };
        self.leave();
        self.current = Some(session);
        self.ready.push_back(WatchingEvent::Began { moved: true });
        self.ready.extend(taking_over.into_iter().flat_map(|next| next.held));
    }

    fn leave(&mut self) {
        if let Some(session) = self.current.take() {
            self.dropped_packets += session.viewer.dropped_packets();
            tokio::spawn(session.viewer.close());
        }
    }
}

async fn next_of(session: &mut Session) -> ViewerEvent {
    let event = session.events.recv().await;
    event.unwrap_or_else(|| ViewerEvent::Closed { reason: "the session's task ended".to_owned() })
}
