//! RTP packets in a file with the times they came, in the format of Schulzrinne's `rtpdump` (`#!rtpplay1.0`), which
//! `rtpplay` and Wireshark read too.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use bytes::{Buf, Bytes};
use webrtc_client::ReceivedPacket;

/// One packet without padding, CSRCs and extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RtpPacket {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) payload: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArrivedPacket {
    /// In whole milliseconds after the beginning of the dump, as the format has it
    pub(crate) arrived_unix_us: u64,
    pub(crate) packet: RtpPacket,
}

#[derive(Debug)]
pub(crate) struct RtpDumpWriter {
    file: BufWriter<File>,
    began: Instant,
}

/// Nobody asks where the packets came from.
const FIRST_LINE: &[u8] = b"#!rtpplay1.0 0.0.0.0/0\n";
/// Seconds, microseconds, address, port, padding.
const FILE_HEADER_BYTES: usize = 16;
/// Length of the record, length of the packet, milliseconds.
const RECORD_HEADER_BYTES: usize = 8;
const RTP_HEADER_BYTES: usize = 12;

impl RtpDumpWriter {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let doing = || format!("writing packets to {}", path.display());
        let mut file = BufWriter::new(File::create(path).with_context(doing)?);
        let (began, now) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        let mut header = FIRST_LINE.to_vec();
        header.extend(seconds.to_be_bytes());
        header.extend(now.subsec_micros().to_be_bytes());
        header.extend([0; 8]);
        file.write_all(&header).with_context(doing)?;
        Ok(Self { file, began })
    }

    pub(crate) fn write(&mut self, packet: &ReceivedPacket) -> anyhow::Result<()> {
        let after = packet.arrived.saturating_duration_since(self.began) + Duration::from_micros(500);
        let milliseconds = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
        let rtp = u16::try_from(RTP_HEADER_BYTES + packet.payload.len()).context("an RTP packet beyond 64 KiB")?;
        let record = rtp.checked_add(RECORD_HEADER_BYTES as u16).context("an RTP packet beyond 64 KiB")?;
        let mut bytes = Vec::with_capacity(record.into());
        bytes.extend(record.to_be_bytes());
        bytes.extend(rtp.to_be_bytes());
        bytes.extend(milliseconds.to_be_bytes());
        bytes.extend([0x80, u8::from(packet.marker) << 7 | packet.payload_type & 0x7f]);
        bytes.extend(packet.sequence.to_be_bytes());
        bytes.extend(packet.timestamp.to_be_bytes());
        bytes.extend(packet.ssrc.to_be_bytes());
        bytes.extend(&packet.payload);
        self.file.write_all(&bytes).context("writing packets")
    }

    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.file.flush().context("writing packets")
    }
}

/// Reads a whole dump. A last record that is not whole was being written when its writer ended; RTCP is left out.
///
/// # Errors
/// When it is no dump, or a packet in it is no RTP.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<ArrivedPacket>> {
    let doing = || format!("reading packets from {}", path.display());
    parse(fs::read(path).with_context(doing)?.into()).with_context(doing)
}

fn parse(mut dump: Bytes) -> anyhow::Result<Vec<ArrivedPacket>> {
    let first_line = dump.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    ensure!(dump.starts_with(b"#!rtpplay1.0 ") && dump.len() >= first_line + FILE_HEADER_BYTES, "no rtpdump");
    dump.advance(first_line);
    let began_unix_us = u64::from(dump.get_u32()) * 1_000_000 + u64::from(dump.get_u32());
    dump.advance(8);

    let mut packets = Vec::new();
    while dump.len() >= RECORD_HEADER_BYTES {
        let (record, rtp, milliseconds) = (usize::from(dump.get_u16()), usize::from(dump.get_u16()), dump.get_u32());
        let held = record.checked_sub(RECORD_HEADER_BYTES).context("a record shorter than its header")?;
        if dump.len() < held {
            break;
        }
        let packet = dump.split_to(held);
        if rtp > 0 {
            let packet = parse_rtp(packet).with_context(|| format!("packet {}", packets.len()))?;
            packets.push(ArrivedPacket { arrived_unix_us: began_unix_us + u64::from(milliseconds) * 1000, packet });
        }
    }
    Ok(packets)
}

fn parse_rtp(mut packet: Bytes) -> anyhow::Result<RtpPacket> {
    ensure!(packet.len() >= RTP_HEADER_BYTES && packet[0] >> 6 == 2, "no RTP");
    let (first, second) = (packet.get_u8(), packet.get_u8());
    let (sequence, timestamp, ssrc) = (packet.get_u16(), packet.get_u32(), packet.get_u32());
    let csrcs = 4 * usize::from(first & 0x0f);
    ensure!(packet.len() >= csrcs, "an RTP header that is cut off");
    packet.advance(csrcs);
    if first & 0x10 != 0 {
        ensure!(packet.len() >= 4, "an RTP header extension that is cut off");
        packet.advance(2);
        let words = usize::from(packet.get_u16());
        ensure!(packet.len() >= 4 * words, "an RTP header extension that is cut off");
        packet.advance(4 * words);
    }
    if first & 0x20 != 0 {
        let padding = packet.last().map_or(0, |bytes| usize::from(*bytes));
        ensure!(padding <= packet.len(), "more padding than packet");
        packet.truncate(packet.len() - padding);
    }
    Ok(RtpPacket {
        payload_type: second & 0x7f,
        marker: second & 0x80 != 0,
        sequence,
        timestamp,
        ssrc,
        payload: packet,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(arrived: Instant, sequence: u16) -> ReceivedPacket {
        let payload = Bytes::from_static(&[0x65, 1, 2]);
        ReceivedPacket { arrived, payload_type: 102, ssrc: 7, sequence, timestamp: 0xffff_fff0, marker: true, payload }
    }

    #[test]
    fn packets_come_back_as_they_were_with_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rtpdump");
        let mut dump = RtpDumpWriter::create(&path).unwrap();
        let began = dump.began;
        dump.write(&packet(began, 65_535)).unwrap();
        dump.write(&packet(began + Duration::from_millis(1500), 0)).unwrap();
        dump.finish().unwrap();
        let read = read(&path).unwrap();
        let expected = [65_535, 0].map(|sequence| {
            let ReceivedPacket { payload_type, ssrc, timestamp, marker, payload, .. } = packet(began, sequence);
            RtpPacket { payload_type, marker, sequence, timestamp, ssrc, payload }
        });
        assert_eq!(read.iter().map(|arrived| arrived.packet.clone()).collect::<Vec<_>>(), expected);
        assert_eq!(read[1].arrived_unix_us - read[0].arrived_unix_us, 1_500_000);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
        assert!(now.abs_diff(read[0].arrived_unix_us) < 60_000_000);
    }

    #[test]
    fn dumps_of_others_are_read_too() {
        let mut dump = b"#!rtpplay1.0 10.0.0.1/5004\n".to_vec();
        dump.extend([0, 0, 0, 9, 0, 0, 0, 5, 10, 0, 0, 1, 0x13, 0x8c, 0, 0]);
        // RTCP: its packet length is 0.
        dump.extend([0, 12, 0, 0, 0, 0, 0, 0, 0x80, 200, 0, 0]);
        // Padding of 2, an extension of one word, one CSRC.
        dump.extend([0, 36, 0, 28, 0, 0, 0, 2, 0xb1, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9]);
        dump.extend([0xbe, 0xde, 0, 1, 0, 0, 0, 0, 0x41, 0x42, 0, 2]);
        // A record that was being written.
        dump.extend([0, 36, 0, 28, 0, 0, 0, 3, 0x80]);
        let read = parse(dump.into()).unwrap();
        let packet = RtpPacket {
            payload_type: 96,
            marker: false,
            sequence: 1,
            timestamp: 2,
            ssrc: 3,
            payload: Bytes::from_static(&[0x41, 0x42]),
        };
        assert_eq!(read, [ArrivedPacket { arrived_unix_us: 9_002_005, packet }]);
    }

    #[test]
    fn what_is_no_dump_is_refused() {
        for wrong in [&b""[..], b"#!rtpplay1.0 ", b"RIFF\n0123456789abcdef"] {
            assert!(parse(Bytes::copy_from_slice(wrong)).is_err(), "{wrong:?}");
        }
        let mut dump = FIRST_LINE.to_vec();
        dump.extend([0; 16]);
        dump.extend([0, 10, 0, 2, 0, 0, 0, 0, 1, 2]);
        assert!(parse(dump.into()).is_err(), "a packet of two bytes");
    }
}
