//! Packets that are lost on purpose, for tests of what measures a viewer. Pure: the same seed loses the same packets.

use rand::{RngExt, SeedableRng, rngs::StdRng};

#[derive(Debug)]
pub(crate) struct Loss {
    share: f64,
    random: StdRng,
}

impl Loss {
    pub(crate) fn new(percent: f64, seed: u64) -> Self {
        Self { share: percent / 100.0, random: StdRng::seed_from_u64(seed) }
    }

    /// Whether the packet that comes next is lost.
    pub(crate) fn takes_next(&mut self) -> bool {
        self.share > 0.0 && self.random.random_bool(self.share.min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_the_share_asked_for_is_lost_and_nothing_without() {
        let lost = |percent| {
            let mut loss = Loss::new(percent, 1);
            (0..10_000).filter(|_| loss.takes_next()).count()
        };
        assert_eq!(lost(0.0), 0);
        assert!((250..350).contains(&lost(3.0)), "{}", lost(3.0));
        assert_eq!(lost(100.0), 10_000);
    }
}
