//! What the network adds to coded video, as the run showed it.

use super::super::{
    measure::received::Sent,
    recording::{SentFrame, UplinkBytes},
};
use crate::rtpdump::ArrivedPacket;

/// RTP header, extensions and SRTP tag, where the run does not tell.
const USUAL: f64 = 30.0;
/// No packet has less than RTP's header and SRTP's tag; much more is no overhead of packets but of the counting.
const POSSIBLE: std::ops::RangeInclusive<f64> = 22.0..=100.0;

/// UDP payload bytes around the video of each packet sent: what the publisher's socket counted, retransmissions too, less
/// what the packets held. Packets that a viewer lost are taken for average ones.
pub(crate) fn bytes_a_packet(
    packets: &[ArrivedPacket],
    sent: &[SentFrame],
    index: &Sent,
    uplink: &[UplinkBytes],
) -> f64 {
    let second = |packet: &ArrivedPacket| index.get(&packet.packet.timestamp).map(|&frame| sent[frame].second());
    let mut seconds: Vec<usize> = packets.iter().filter_map(second).collect();
    seconds.sort_unstable();
    // The viewer may have come in the middle of its first second, and the last one's end came after it was over.
    let (Some(first), Some(last)) = (seconds.first(), seconds.last()) else { return USUAL };
    let whole = first + 1..*last;
    let received: Vec<&ArrivedPacket> =
        packets.iter().filter(|packet| second(packet).is_some_and(|second| whole.contains(&second))).collect();
    let (Some(begin), Some(end)) = (received.first(), received.last()) else { return USUAL };

    let held: usize = received.iter().map(|packet| packet.packet.payload.len()).sum();
    let average = held as f64 / received.len() as f64;
    let sent_packets = sequence_span(begin, end, received.len());
    let counted: u64 = uplink.get(whole).unwrap_or_default().iter().map(|bytes| bytes.video).sum();
    let overhead = counted as f64 / sent_packets - average;
    if POSSIBLE.contains(&overhead) { overhead } else { USUAL }
}

/// How many packets were sent from one to the other, of which `received` came. Sequence numbers wrap.
fn sequence_span(begin: &ArrivedPacket, end: &ArrivedPacket, received: usize) -> f64 {
    let span = usize::from(end.packet.sequence.wrapping_sub(begin.packet.sequence)) + 1;
    // at least as many as came
    let laps = received.saturating_sub(span).div_ceil(1 << 16);
    (span + (laps << 16)) as f64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{evaluate::measure::received, rtpdump::RtpPacket};

    /// Ten frames a second of ten packets each, 500 bytes a packet.
    fn run(seconds: u64) -> (Vec<SentFrame>, Vec<ArrivedPacket>) {
        let frame = |index: u64| SentFrame {
            rtp_timestamp: (index * 9000) as u32,
            ticks: index * 9000,
            clip_frame_index: index,
            sent_unix_us: 0,
        };
        let packet = |number: u64| RtpPacket {
            payload_type: 102,
            marker: number % 10 == 9,
            sequence: (number + 65_500) as u16,
            timestamp: (number / 10 * 9000) as u32,
            ssrc: 1,
            payload: Bytes::from(vec![1; 500]),
        };
        let frames = (0..seconds * 10).map(frame).collect();
        let packets = (0..seconds * 100).map(|number| ArrivedPacket { arrived_unix_us: 0, packet: packet(number) });
        (frames, packets.collect())
    }

    fn overhead(sent: &[SentFrame], packets: &[ArrivedPacket], video: u64) -> f64 {
        let uplink = vec![UplinkBytes { video, ..UplinkBytes::default() }; 5];
        bytes_a_packet(packets, sent, &received::index(sent), &uplink)
    }

    #[test]
    fn it_is_what_was_counted_less_what_was_held() {
        let (sent, packets) = run(5);
        assert_eq!(overhead(&sent, &packets, 100 * 532), 32.0);
        assert_eq!(overhead(&sent, &packets[150..], 100 * 532), 32.0, "a viewer that came late");
        let some = packets.iter().enumerate().filter(|(number, _)| number % 30 != 7);
        let some: Vec<_> = some.map(|(_, packet)| packet.clone()).collect();
        assert!((overhead(&sent, &some, 100 * 532) - 32.0).abs() < 0.5, "a viewer that lost packets");
    }

    #[test]
    fn what_cannot_be_is_the_usual() {
        let (sent, packets) = run(5);
        assert_eq!(overhead(&sent, &packets, 0), USUAL);
        assert_eq!(overhead(&sent, &packets[..50], 53_200), USUAL);
        assert_eq!(overhead(&sent, &[], 53_200), USUAL);
    }
}
