//! Whether training still pays: suspends when the gain has stopped rising, resumes when it falls or the scene changes.

/// Epochs between the two weights that are compared.
pub(crate) const EPOCHS_COMPARED: u32 = 5;
/// A comparison that brought less than this, in dB, found nothing new.
const LEAST_RISE_DB: f64 = 0.02;
/// So many of those in a row end the training.
const FLAT_COMPARISONS: u32 = 3;
/// A mean gain so far below that at suspension, in dB, starts it again.
const FALL_DB: f64 = 0.3;
/// Bits of the hash of the LR frame that differ between scenes.
const SCENE_DISTANCE: u32 = 20;

/// Pure: it sees measurements, not clocks.
#[derive(Debug, Default)]
pub(crate) struct Saturation {
    flat: u32,
    /// Mean over the last few epochs.
    gain_db: Option<f64>,
    /// The mean gain when training was suspended.
    suspended_at_db: Option<f64>,
    phash: Option<u64>,
}

impl Saturation {
    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended_at_db.is_some()
    }

    /// The hash of a newer frame; true when the scene has changed, which resumes the training.
    pub(crate) fn frame_seen(&mut self, phash: u64) -> bool {
        let changed = self.phash.replace(phash).is_some_and(|last| sr_net::hamming(last, phash) >= SCENE_DISTANCE);
        if changed {
            self.resume();
        }
        changed
    }

    /// The gain over bicubic on fresh patches at the end of an epoch. Fresh patches differ, so a fall must last.
    pub(crate) fn gain_measured(&mut self, gain_db: f64) {
        const NEWEST_SHARE: f64 = 0.3;
        let mean = self.gain_db.map_or(gain_db, |mean| mean + NEWEST_SHARE * (gain_db - mean));
        self.gain_db = Some(mean);
        if self.suspended_at_db.is_some_and(|then| mean < then - FALL_DB) {
            self.resume();
        }
    }

    /// How much better the weights are than those of [`EPOCHS_COMPARED`] epochs ago, on the same fresh patches.
    pub(crate) fn rise_measured(&mut self, rise_db: f64) {
        self.flat = if rise_db < LEAST_RISE_DB { self.flat + 1 } else { 0 };
        if self.flat >= FLAT_COMPARISONS && self.suspended_at_db.is_none() {
            self.suspended_at_db = Some(self.gain_db.unwrap_or_default());
        }
    }

    fn resume(&mut self) {
        (self.flat, self.suspended_at_db) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspended_at(gain_db: f64) -> Saturation {
        let mut saturation = Saturation::default();
        saturation.gain_measured(gain_db);
        for _ in 0..FLAT_COMPARISONS {
            assert!(!saturation.is_suspended());
            saturation.rise_measured(0.01);
        }
        assert!(saturation.is_suspended());
        saturation
    }

    #[test]
    fn a_gain_that_rises_keeps_training() {
        let mut saturation = Saturation::default();
        for rise_db in [0.0, 0.01, 0.05, 0.0, -0.1, 0.02, 0.0, 0.0] {
            saturation.rise_measured(rise_db);
            assert!(!saturation.is_suspended());
        }
        saturation.rise_measured(0.0);
        assert!(saturation.is_suspended());
    }

    #[test]
    fn a_fall_that_lasts_resumes() {
        let mut saturation = suspended_at(1.5);
        saturation.gain_measured(0.8); // one hard patch
        assert!(saturation.is_suspended());
        saturation.gain_measured(1.5);
        assert!(saturation.is_suspended());
        for _ in 0..3 {
            saturation.gain_measured(0.9);
        }
        assert!(!saturation.is_suspended());
    }

    #[test]
    fn another_scene_resumes() {
        let mut saturation = suspended_at(1.5);
        assert!(!saturation.frame_seen(0));
        assert!(!saturation.frame_seen(0xff), "a little motion");
        assert!(saturation.is_suspended());
        assert!(saturation.frame_seen(u64::MAX << 32));
        assert!(!saturation.is_suspended());
    }
}
