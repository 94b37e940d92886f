//! The data channel `patches`.

use std::sync::Arc;

use webrtc::{
    data_channel::{DataChannel, RTCDataChannelInit},
    error::Result,
    peer_connection::PeerConnection,
};

const LABEL: &str = "patches";
const PROTOCOL: &str = "acuity.v1";
/// A patch older than this is of no use to the pairer, which keeps two seconds of frames.
const MAX_PACKET_LIFE_MILLISECONDS: u16 = 1500;

pub(super) async fn create(peer: &Arc<dyn PeerConnection>) -> Result<Arc<dyn DataChannel>> {
    let init = RTCDataChannelInit {
        ordered: false,
        max_packet_life_time: Some(MAX_PACKET_LIFE_MILLISECONDS),
        protocol: PROTOCOL.to_owned(),
        ..Default::default()
    };
    peer.create_data_channel(LABEL, Some(init)).await
}
