//! One peer connection from offer to end, with its HTTP session: what publishers and viewers have in common.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::Url;
use rtc::{ice::mdns::MulticastDnsMode, peer_connection::transport::RTCDtlsTransportState};
use tokio::sync::{mpsc, watch};
use webrtc::{
    media_stream::track_remote::TrackRemote,
    peer_connection::{
        MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
        RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder,
    },
};

use crate::{
    SignallingError,
    loss::Loss,
    moves::hear_move,
    or_never::or_never,
    route::local_addresses,
    signalling::Signalling,
    silence::{KEEPALIVE, Silence},
    wire::{CountingRuntime, Wire},
};

/// The data channel's bytes that may be on their way; beyond them a new message is refused.
pub(crate) const MAX_OUTSTANDING_BYTES: usize = 64 << 10;
/// Only a fallback: [`Silence`] sees a dead server much earlier.
const ICE_DISCONNECTED: Duration = Duration::from_secs(5);
const ICE_FAILED: Duration = Duration::from_secs(5);

pub(crate) struct Connection {
    pub(crate) peer: Arc<dyn PeerConnection>,
    pub(crate) wire: Arc<Wire>,
    /// Tracks of the server, as they begin.
    pub(crate) tracks: mpsc::Receiver<Arc<dyn TrackRemote>>,
    pub(crate) state: watch::Receiver<RTCPeerConnectionState>,
    gathering: watch::Receiver<RTCIceGatheringState>,
    signalling: Signalling,
    session: Option<Url>,
    events: Option<Url>,
    silence: Silence,
    ended: bool,
}

impl Connection {
    /// A peer connection to which tracks and channels can be added; nothing is sent yet.
    pub(crate) async fn open(
        signalling: Signalling,
        engine: MediaEngine,
        interceptors: Registry,
        loss: Option<Loss>,
    ) -> Result<Self, SignallingError> {
        let addresses =
            local_addresses(&signalling.url).await.map_err(|error| SignallingError::Unreachable(error.to_string()))?;
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(addresses.iter().any(|address| address.ip().is_loopback()))
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_ice_timeouts(Some(ICE_DISCONNECTED), Some(ICE_FAILED), Some(KEEPALIVE))
            .build();
        let (wire, loss) = (Arc::new(Wire::default()), loss.map(|loss| Arc::new(Mutex::new(loss))));
        let (state_sender, state) = watch::channel(RTCPeerConnectionState::New);
        let (gathering_sender, gathering) = watch::channel(RTCIceGatheringState::New);
        let (track_sender, tracks) = mpsc::channel(8);
        let handler = Handler { state: state_sender, gathering: gathering_sender, tracks: track_sender };
        let peer = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(interceptors)
            .with_setting_engine(settings)
            .with_handler(Arc::new(handler) as Arc<dyn PeerConnectionEventHandler>)
            .with_runtime(Arc::new(CountingRuntime { wire: wire.clone(), loss }))
            .with_udp_addrs(addresses)
            .with_data_channel_send_buffer_limit(MAX_OUTSTANDING_BYTES)
            .build()
            .await
            .map_err(stack)?;
        Ok(Self {
            peer: Arc::new(peer),
            wire,
            tracks,
            state,
            gathering,
            signalling,
            session: None,
            events: None,
            silence: Silence::default(),
            ended: false,
        })
    }

    /// Offers, and returns when the connection stands. After an error the connection is to be [ended](Self::end).
    pub(crate) async fn establish(&mut self, timeout: Duration) -> Result<(), SignallingError> {
        tokio::time::timeout(timeout, self.negotiate())
            .await
            .unwrap_or_else(|_| Err(SignallingError::Unreachable(format!("no connection within {timeout:?}"))))
    }

    async fn negotiate(&mut self) -> Result<(), SignallingError> {
        let offer = self.peer.create_offer(None).await.map_err(stack)?;
        self.peer.set_local_description(offer).await.map_err(stack)?;
        let gathered = self.gathering.wait_for(|state| *state == RTCIceGatheringState::Complete).await;
        gathered.map_err(|_| SignallingError::Stack("the connection ended while gathering addresses".into()))?;
        let local = self.peer.local_description().await;
        let local = local.ok_or_else(|| SignallingError::Stack("no local description".into()))?;

        let answer = self.signalling.offer(local.sdp).await?;
        self.session = answer.session;
        self.events = answer.events;
        let remote = RTCSessionDescription::answer(answer.sdp).map_err(stack)?;
        self.peer.set_remote_description(remote).await.map_err(stack)?;

        let settled = |state: &RTCPeerConnectionState| {
            matches!(
                state,
                RTCPeerConnectionState::Connected | RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed
            )
        };
        match self.state.wait_for(settled).await.map(|state| *state) {
            Ok(RTCPeerConnectionState::Connected) => Ok(()),
            _ => Err(SignallingError::Unreachable("the media connection failed".into())),
        }
    }

    /// Why the connection is over, if it is; to be asked every [`silence::TICK`](crate::silence::TICK).
    pub(crate) async fn tick(&mut self) -> Option<String> {
        if self.is_closed_by_server().await {
            return Some("the server closed the connection".to_owned());
        }
        let silent = self.silence.tick(self.wire.datagrams_received());
        silent.then(|| "nothing came from the server for a second".to_owned())
    }

    /// The stack has no event for it.
    async fn is_closed_by_server(&self) -> bool {
        let transport = match (self.peer.get_receivers().await.first(), self.peer.get_senders().await.first()) {
            (Some(receiver), _) => receiver.transport().await,
            (None, Some(sender)) => sender.transport().await,
            (None, None) => return false,
        };
        match transport {
            Ok(Some(transport)) => transport.state().await.is_ok_and(|state| state == RTCDtlsTransportState::Closed),
            _ => false,
        }
    }

    /// Returns when the peer connection failed or was closed.
    pub(crate) async fn failed(state: &mut watch::Receiver<RTCPeerConnectionState>) -> String {
        let over = |state: &RTCPeerConnectionState| {
            matches!(state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed)
        };
        match state.wait_for(over).await.map(|state| *state) {
            Ok(RTCPeerConnectionState::Failed) => "the connection failed".to_owned(),
            _ => "the connection was closed".to_owned(),
        }
    }

    /// Returns when the server says that the stream moves: where to; never, when it has no way to say it.
    pub(crate) fn moved(&self) -> impl Future<Output = String> + use<> {
        let heard = self.events.clone().map(|events| hear_move(events, self.signalling.token.clone()));
        or_never(heard)
    }

    /// Tells the server and closes, both at once: where the stream has moved, the address is another server's already.
    pub(crate) async fn end(mut self) {
        self.ended = true;
        let tell = async {
            if let Some(session) = self.session.take() {
                self.signalling.delete(session).await;
            }
        };
        if let (Err(error), ()) = tokio::join!(self.peer.close(), tell) {
            tracing::debug!(%error, "the peer connection did not close cleanly");
        }
    }
}

impl Drop for Connection {
    /// A peer connection's driver lives until it is closed: also when the connecting caller was cancelled.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let peer = self.peer.clone();
            runtime.spawn(async move { peer.close().await });
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(crate) fn stack(error: webrtc::error::Error) -> SignallingError {
    SignallingError::Stack(error.to_string())
}

struct Handler {
    state: watch::Sender<RTCPeerConnectionState>,
    gathering: watch::Sender<RTCIceGatheringState>,
    tracks: mpsc::Sender<Arc<dyn TrackRemote>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathering.send_replace(state);
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        if self.tracks.try_send(track).is_err() {
            tracing::warn!("the server sends more tracks than were asked for");
        }
    }
}
