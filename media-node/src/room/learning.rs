//! What the learning half hears of the source: sessions, whole frames, hellos and patches, all in stream time.

use std::time::Duration;

use proto::v1::{PatchChannelMessage, patch_channel_message::Kind};
use rtp::{Assembled, AssemblerOutput};

use super::{Origin, Output, PeerId, Room};
use crate::bridge::FromRelay;

/// How far a patch may be from the newest packet, in 90 kHz ticks: 10 s behind it, or 2 s ahead.
const OLDEST_PATCH: u64 = 900_000;
const NEWEST_PATCH: u64 = 180_000;

impl Room {
    pub(super) fn learn(&mut self, message: FromRelay) {
        self.outputs.push_back(Output::Learning(message));
    }

    /// Takes what the last packet, of `stream_time`, completed.
    pub(super) fn handle_frames(&mut self, now: Duration, origin: Origin, stream_time: u64) {
        let Some(publisher) = self.publishers.slot(origin) else { return };
        while let Some(output) = publisher.assembler.poll() {
            if matches!(output, AssemblerOutput::Frame(_)) {
                publisher.frames.count(now);
            }
            if origin == Origin::Source {
                self.outputs.push_back(Output::Learning(match output {
                    AssemblerOutput::Lost { .. } => FromRelay::FramesLost,
                    AssemblerOutput::Frame(Assembled { timestamp, keyframe, data }) => {
                        let stream_time = rtp::nearest(stream_time, timestamp as u32);
                        let captured_at_unix_us = self.clocks.captured_at_unix_us(stream_time);
                        FromRelay::AccessUnit { stream_time, captured_at_unix_us, keyframe, data }
                    }
                }));
            }
        }
    }

    pub(super) fn handle_message(&mut self, peer: PeerId, message: PatchChannelMessage) {
        let heard = match self.publishers.source.as_mut() {
            Some(source) if source.peer == peer => match message.kind {
                Some(Kind::Hello(hello)) => {
                    source.said_hello = true;
                    Ok(FromRelay::Hello { session: source.session.clone(), hello })
                }
                Some(Kind::Patch(_)) if !source.said_hello => Err("patch before hello"),
                Some(Kind::Patch(patch)) => match self.clocks.video.stream_time_near(patch.rtp_timestamp) {
                    Some(stream_time) => Ok(FromRelay::Patch {
                        session: source.session.clone(),
                        stream_time,
                        captured_at_unix_us: self.clocks.captured_at_unix_us(stream_time),
                        patch,
                    }),
                    None => Err("timestamp unknown"),
                },
                Some(Kind::Control(_) | Kind::Moved(_)) => Err("message of the other direction"),
                None => Err("empty message"),
            },
            _ => Err("not a publisher of the source"),
        };
        self.learn(heard.unwrap_or_else(|reason| FromRelay::PatchRefused { reason }));
    }
}

impl super::clock::TrackClock {
    /// Stream time of a patch's timestamp; `None` when the session's video has been nowhere near it.
    fn stream_time_near(&self, rtp_timestamp: u32) -> Option<u64> {
        let newest = self.newest()?;
        let near = newest.saturating_sub(OLDEST_PATCH)..=newest + NEWEST_PATCH;
        self.peek(rtp_timestamp).filter(|stream_time| near.contains(stream_time))
    }
}
