//! Entry points for fuzz targets: each takes any bytes and panics only where a promise of this crate is broken. Their
//! corpus, `tests/corpus`, is replayed by an ordinary test.

use crate::{Assembler, AssemblerOutput, h264};

/// One payload as a peer could send it.
pub fn payload(bytes: &[u8]) {
    let _ = h264::is_keyframe(bytes);
    let _ = h264::holds_sps(bytes);
    let mut assembler = Assembler::new(1);
    assembler.push(0, 0, false, &[0x67, 0x42]);
    assembler.push(1, 0, true, bytes);
    let mut assembled = 0;
    while let Some(output) = assembler.poll() {
        if let AssemblerOutput::Frame(frame) = output {
            assembled += frame.data.len();
        }
    }
    assert!(assembled <= 6 + 4 + 2 * bytes.len(), "{assembled} bytes out of {}", bytes.len());
}

/// A run of packets, each `[length, sequence, timestamp and marker]` and `length` bytes of payload, where the sequence
/// number is relative to the packet before, so that reordering, gaps and duplicates are a byte away.
pub fn packets(mut bytes: &[u8]) {
    let mut assembler = Assembler::new(8);
    let mut sequence = u16::MAX - 8;
    let (mut taken, mut assembled) = (0, 0);
    while let [length, step, time, rest @ ..] = bytes {
        let (payload, after) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = after;
        sequence = sequence.wrapping_add_signed(i16::from(step.wrapping_sub(128) as i8));
        taken += 4 + payload.len();
        assembler.push(sequence, u32::from(time >> 1) * 3_000, time & 1 != 0, payload);
        while let Some(output) = assembler.poll() {
            if let AssemblerOutput::Frame(frame) = output {
                assembled += frame.data.len();
            }
        }
    }
    assert!(assembled <= 2 * taken, "{assembled} bytes out of {taken}");
}

/// An access unit as an encoder could give it: what is packetized comes out of the assembler again.
pub fn access_unit(bytes: &[u8]) {
    let (max, bytes) = bytes.split_first().map_or((0, bytes), |(&max, rest)| (usize::from(max), rest));
    let payloads = h264::packetize(bytes, max);
    assert!(payloads.iter().all(|payload| (1..=max.max(16)).contains(&payload.len())));
    let mut assembler = Assembler::new(1);
    for (sequence, payload) in (0..=u16::MAX).zip(&payloads) {
        assembler.push(sequence, 0, usize::from(sequence) + 1 == payloads.len(), payload);
    }
    while assembler.poll().is_some() {}
}
