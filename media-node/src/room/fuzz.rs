//! Entry point for a fuzz target: any history of inputs, with any packets, reports and messages in it.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use super::{Input, MediaPacket, Origin, Output, PeerId, Rendition, Room, TrackKind};

/// What one input may give: a packet for each of the 16 peers with its report, the frames of a whole reorder window,
/// and a few words besides.
const MOST_OUTPUTS: usize = 2 * 16 + 300;

/// Takes `[what, peer, milliseconds, length]`, then `length` bytes, again and again; panics where a promise is broken.
pub fn inputs(mut bytes: &[u8]) {
    let mut room = Room::new();
    let mut now = Duration::ZERO;
    while let [what, peer, milliseconds, length, rest @ ..] = bytes {
        let (body, after) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = after;
        now += Duration::from_millis(u64::from(*milliseconds));
        if room.poll_timeout().is_some_and(|at| at <= now) {
            room.handle_timeout(now);
            assert!(room.poll_timeout().is_none_or(|at| at > now), "a timeout that handling does not move");
        }
        room.handle_input(now, input(*what, PeerId(u64::from(peer % 16)), body));
        let outputs = std::iter::from_fn(|| room.poll_output());
        assert!(outputs.inspect(check).count() <= MOST_OUTPUTS);
    }
    let _ = room.statistics(now);
}

fn input(what: u8, peer: PeerId, body: &[u8]) -> Input {
    let word = |at: usize| body.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
    let kind = if what & 0x80 == 0 { TrackKind::Video } else { TrackKind::Audio };
    let rendition = [Rendition::Source, Rendition::Enhanced, Rendition::Auto][usize::from(what >> 4) % 3];
    let origin = if what & 0x40 == 0 { Origin::Source } else { Origin::Enhanced };
    match what & 0x0f {
        0 => Input::PublisherJoined { peer, origin, session: String::new() },
        1 => Input::PublisherLeft { peer, reason: String::new() },
        2 => Input::ViewerJoined { peer, rendition, audio: what & 0x80 == 0, internal: false },
        3 => Input::ViewerLeft { peer },
        4 => Input::KeyframeRequest { peer },
        5 => Input::PairerKeyframeRequest,
        6 => Input::WallClock { unix_us: u64::from(word(0)) << 32 | u64::from(word(4)) },
        7 => {
            let ntp = u64::from(word(0)) << 32 | u64::from(word(4));
            Input::PublisherSenderReport { peer, kind, ntp, rtp_timestamp: word(8) }
        }
        8 => Input::PublisherMessage { peer, message: Box::new(Message::decode(body).unwrap_or_default()) },
        _ => {
            let payload = Bytes::copy_from_slice(body.get(7..).unwrap_or_default());
            let marker = word(3) & 1 != 0;
            let packet = MediaPacket { sequence: (word(0) >> 16) as u16, timestamp: word(2), marker, payload };
            Input::PublisherPacket { peer, kind, packet }
        }
    }
}

fn check(output: &Output) {
    if let Output::SenderReport { packets, .. } = output {
        assert_ne!(*packets, 0, "a report before the first packet");
    }
}
