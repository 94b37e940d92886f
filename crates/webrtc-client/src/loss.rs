//! Media that is lost on purpose on its way in, for tests of what repairs or measures it.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::wire::is_rtp;

/// Loses a share of the RTP packets a viewer's socket gets, repairs included; the same seed loses the same packets.
#[derive(Debug)]
pub struct Loss {
    share: f64,
    seed: u64,
    random: StdRng,
}

impl Loss {
    /// `share` from 0 to 1.
    #[must_use]
    pub fn new(share: f64, seed: u64) -> Self {
        Self { share: share.clamp(0.0, 1.0), seed, random: StdRng::seed_from_u64(seed) }
    }

    /// The same from its beginning, for another connection.
    pub(crate) fn again(&self) -> Self {
        Self::new(self.share, self.seed)
    }

    /// Takes what is lost out of a read that may hold several datagrams of `datagram_bytes` each, the last one perhaps
    /// shorter; returns the bytes that are left.
    pub(crate) fn thin(&mut self, read: &mut [u8], datagram_bytes: usize) -> usize {
        let mut left = 0;
        for start in (0..read.len()).step_by(datagram_bytes.max(1)) {
            let datagram = start..read.len().min(start + datagram_bytes);
            if !(is_rtp(&read[datagram.clone()]) && self.random.random_bool(self.share)) {
                let bytes = datagram.len();
                read.copy_within(datagram, left);
                left += bytes;
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTP: [u8; 4] = [0x80, 102, 0, 1];
    const STUN: [u8; 4] = [0, 1, 0, 0x4c];

    #[test]
    fn about_the_share_of_rtp_is_lost_and_nothing_else() {
        let left = |share, datagram: [u8; 4]| {
            let mut read = datagram.repeat(10_000);
            Loss::new(share, 1).thin(&mut read, 4) / 4
        };
        assert_eq!(left(0.0, RTP), 10_000);
        assert!((9650..9750).contains(&left(0.03, RTP)), "{}", left(0.03, RTP));
        assert_eq!(left(1.0, RTP), 0);
        for other in [[0x80, 200, 0, 6], [23, 0xfe, 0xfd, 0], STUN] {
            assert_eq!(left(1.0, other), 10_000, "{other:?}");
        }
    }

    #[test]
    fn what_is_left_moves_together() {
        let mut read = [&RTP[..], &STUN, &RTP, &STUN, &[22]].concat();
        let left = Loss::new(1.0, 1).thin(&mut read, 4);
        assert_eq!(read[..left], [&STUN[..], &STUN, &[22]].concat());
    }
}
