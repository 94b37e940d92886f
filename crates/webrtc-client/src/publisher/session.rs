//! The task of one WHIP session: it listens to the server and feeds the data channel.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use bytes::BytesMut;
use prost::Message;
use proto::v1::PatchChannelMessage;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    media_stream::track_local::{TrackLocal, TrackLocalEvent},
};

use crate::{
    MAX_MESSAGE_BYTES, PublisherEvent, connection::Connection, estimate::Estimate,
    keyframe_requests::is_keyframe_request, or_never::or_never, silence::TICK,
};

pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) video: Arc<dyn TrackLocal>,
    pub(super) channel: Option<Arc<dyn DataChannel>>,
    pub(super) channel_ready: Arc<AtomicBool>,
    pub(super) messages: mpsc::Receiver<BytesMut>,
    pub(super) estimate: Option<Estimate>,
    pub(super) events: mpsc::Sender<PublisherEvent>,
}

impl Session {
    /// Runs until the connection is over or `cancel` asks for the end.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let reason = tokio::select! {
            () = cancel.cancelled() => None,
            reason = self.listen() => Some(reason),
        };
        self.channel_ready.store(false, Relaxed);
        // Whoever holds the session hears at once: telling a server that is gone takes its time.
        let tell = async {
            if let Some(reason) = reason {
                let _ = self.events.send(PublisherEvent::Closed { reason }).await;
            }
        };
        tokio::join!(tell, self.connection.end());
    }

    /// Returns why the connection is over.
    async fn listen(&mut self) -> String {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut state = self.connection.state.clone();
        let mut ticks = 0_u32;
        loop {
            tokio::select! {
                reason = Connection::failed(&mut state) => return reason,
                _ = tick.tick() => {
                    if let Some(reason) = self.connection.tick().await {
                        return reason;
                    }
                    ticks = ticks.wrapping_add(1);
                    if ticks.is_multiple_of(2) && let Some(estimate) = &self.estimate {
                        self.tell(PublisherEvent::Estimate { kbps: estimate.kbps() });
                    }
                }
                Some(event) = self.video.poll() => self.handle_feedback(&event),
                event = or_never(self.channel.as_ref().map(|channel| channel.poll())) => match event {
                    Some(event) => self.handle_channel(event),
                    None => self.close_channel(),
                },
                Some(message) = self.messages.recv() => self.send(message).await,
            }
        }
    }

    fn handle_feedback(&self, event: &TrackLocalEvent) {
        if let TrackLocalEvent::OnRtcpPacket(packets) = event
            && packets.iter().any(|packet| is_keyframe_request(packet.as_ref()))
        {
            self.tell(PublisherEvent::KeyframeWanted);
        }
    }

    fn handle_channel(&mut self, event: DataChannelEvent) {
        match event {
            DataChannelEvent::OnOpen => {
                self.channel_ready.store(true, Relaxed);
                self.tell(PublisherEvent::ChannelOpen);
            }
            DataChannelEvent::OnMessage(message) if message.data.len() <= MAX_MESSAGE_BYTES => {
                match PatchChannelMessage::decode(&message.data[..]) {
                    Ok(message) => self.tell(PublisherEvent::ChannelMessage(Box::new(message))),
                    Err(error) => tracing::debug!(%error, "the server sent no PatchChannelMessage"),
                }
            }
            DataChannelEvent::OnClose => self.close_channel(),
            _ => {}
        }
    }

    fn close_channel(&mut self) {
        self.channel_ready.store(false, Relaxed);
        self.channel = None;
    }

    /// Hands a message to the stack, which drops it when too much is on its way already.
    async fn send(&mut self, message: BytesMut) {
        if let Some(channel) = &self.channel
            && let Err(error) = channel.try_send(message).await
        {
            tracing::debug!(%error, "a message was dropped");
        }
    }

    /// Events that nobody takes are dropped: all of them but the last come again.
    fn tell(&self, event: PublisherEvent) {
        let _ = self.events.try_send(event);
    }
}
