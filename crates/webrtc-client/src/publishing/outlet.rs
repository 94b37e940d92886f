//! Through which the threads of a publisher send: to every session that stands.

use std::sync::Arc;

use bytes::Bytes;
use proto::v1::PatchChannelMessage;
use tokio::sync::watch;

use crate::{Publisher, UplinkBytes};

/// Cheap to clone; sends nothing while no session stands.
#[derive(Clone, Debug, Default)]
pub struct Outlet(Arc<watch::Sender<Sessions>>);

#[derive(Clone, Debug, Default)]
struct Sessions {
    newest: Option<Arc<Publisher>>,
    before: Option<Arc<Publisher>>,
    /// The newest has answered over its channel: it takes patches.
    newest_talks: bool,
    /// Sent by sessions that are over.
    past: UplinkBytes,
}

impl Outlet {
    #[must_use]
    pub fn stands(&self) -> bool {
        self.0.borrow().newest.is_some()
    }

    /// Returns when a session stands.
    pub async fn standing(&self) {
        // The sender is ours.
        let _ = self.0.subscribe().wait_for(|sessions| sessions.newest.is_some()).await;
    }

    /// As [`Publisher::send_video`]. `false`: a key frame is due.
    pub fn send_video(&self, access_unit: &[u8], rtp_timestamp: u32) -> bool {
        let sessions = self.sessions();
        let sent = sessions.newest.is_some_and(|newest| newest.send_video(access_unit, rtp_timestamp));
        sessions.before.is_none_or(|before| before.send_video(access_unit, rtp_timestamp)) && sent
    }

    /// As [`Publisher::send_audio`].
    pub fn send_audio(&self, packet: &Bytes, rtp_timestamp: u32) {
        let Sessions { newest, before, .. } = self.sessions();
        for session in newest.into_iter().chain(before) {
            session.send_audio(packet.clone(), rtp_timestamp);
        }
    }

    /// As [`Publisher::send_message`], to the one session that takes patches.
    pub fn send_message(&self, message: &PatchChannelMessage) -> bool {
        let Sessions { newest, before, newest_talks, .. } = self.sessions();
        let session = before.filter(|_| !newest_talks).or(newest);
        session.is_some_and(|session| session.send_message(message))
    }

    /// To the newest session, which waits for a hello.
    pub fn greet(&self, hello: &PatchChannelMessage) -> bool {
        self.sessions().newest.is_some_and(|newest| newest.send_message(hello))
    }

    /// Of all sessions.
    #[must_use]
    pub fn uplink_bytes(&self) -> UplinkBytes {
        let Sessions { newest, before, past, .. } = self.sessions();
        newest.into_iter().chain(before).fold(past, |sum, session| sum + session.uplink_bytes())
    }

    pub(super) fn begin(&self, publisher: Arc<Publisher>) {
        self.0.send_modify(|sessions| {
            sessions.before = sessions.newest.replace(publisher);
            sessions.newest_talks = false;
        });
    }

    pub(super) fn talk_to_newest(&self) {
        self.0.send_if_modified(|sessions| !std::mem::replace(&mut sessions.newest_talks, true));
    }

    /// The session before is over.
    pub(super) fn leave(&self) {
        self.0.send_modify(|sessions| sessions.end_before());
    }

    /// No session stands.
    pub(super) fn clear(&self) {
        self.0.send_modify(|sessions| {
            sessions.end_before();
            sessions.before = sessions.newest.take();
            sessions.end_before();
        });
    }

    fn sessions(&self) -> Sessions {
        self.0.borrow().clone()
    }
}

impl Sessions {
    fn end_before(&mut self) {
        if let Some(before) = self.before.take() {
            self.past = self.past + before.uplink_bytes();
        }
    }
}
