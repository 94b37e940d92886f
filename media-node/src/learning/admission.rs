//! What is taken from a publisher: patches of the stream's scale, no more and no larger ones than it was asked for, with
//! some slack.

use std::time::Duration;

use proto::v1::{PublisherHello, PublisherPatch};
use settings::PatchSettings;

use super::wire::MAX_PATCH_PIXELS;

/// As in the data channel's own limit.
const MAX_PATCH_BYTES: usize = 16 << 10;
/// A publisher's clock and bursts are not ours.
const SLACK: f64 = 1.25;

/// A bucket of patches and one of bytes, each holding a second's worth.
#[derive(Debug)]
pub(crate) struct Admission {
    scale: u32,
    wrong_scale: bool,
    patches: Bucket,
    bytes: Bucket,
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    level: f64,
    at: Duration,
}

impl Admission {
    pub(crate) fn new(scale: u32, settings: &PatchSettings) -> Self {
        let bytes_per_second = f64::from(settings.max_kbps) * 125.0;
        Self {
            scale,
            wrong_scale: false,
            patches: Bucket::new(f64::from(settings.per_second) * SLACK),
            bytes: Bucket::new(bytes_per_second * SLACK),
        }
    }

    /// The patches that follow are of this publisher. Cut at another scale they would fit other places of the picture
    /// than their own: a residual is like anything.
    pub(crate) fn handle_hello(&mut self, hello: PublisherHello) {
        // In a message of proto3, 0 is "not said".
        self.wrong_scale = hello.scale != 0 && hello.scale != self.scale;
        if self.wrong_scale {
            let (published, expected) = (hello.scale, self.scale);
            tracing::warn!(published, expected, "no patch of this publisher is taken: it publishes at another scale");
        }
    }

    /// # Errors
    /// The reason it is counted under.
    pub(crate) fn admit(&mut self, now: Duration, patch: &PublisherPatch) -> Result<(), &'static str> {
        if self.wrong_scale {
            return Err("wrong_scale");
        }
        let pixels = patch.rect.as_ref().map_or(0, |rect| u64::from(rect.width) * u64::from(rect.height));
        if patch.luma.len() > MAX_PATCH_BYTES || pixels > MAX_PATCH_PIXELS {
            return Err("oversized");
        }
        if !self.patches.take(now, 1.0) || !self.bytes.take(now, patch.luma.len() as f64) {
            return Err("too_many");
        }
        Ok(())
    }
}

impl Bucket {
    fn new(per_second: f64) -> Self {
        Self { per_second, level: per_second, at: Duration::ZERO }
    }

    /// One that is larger than the bucket passes when the bucket is full.
    fn take(&mut self, now: Duration, amount: f64) -> bool {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.per_second);
        self.at = now;
        let enough = self.level >= amount.min(self.per_second);
        if enough {
            self.level -= amount;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::Rect;

    use super::*;

    fn patch(side: u32, bytes: usize) -> PublisherPatch {
        let rect = Some(Rect { x: 0, y: 0, width: side, height: side });
        PublisherPatch { rect, luma: vec![0; bytes].into(), ..Default::default() }
    }

    fn admitted(per_second: u32, bytes: usize) -> usize {
        let mut admission = Admission::new(2, &PatchSettings::default());
        let patches = 10 * u64::from(per_second);
        let at = |index| Duration::from_secs(10) * index as u32 / patches as u32;
        (0..patches).filter(|&index| admission.admit(at(index), &patch(96, bytes)).is_ok()).count()
    }

    #[test]
    fn what_was_asked_for_is_taken_and_a_flood_is_not() {
        assert_eq!(admitted(20, 400), 200);
        assert!((250..300).contains(&admitted(400, 400)), "{}", admitted(400, 400));
        assert!(admitted(20, 16_000) < 50, "ten times the rate in bytes: {}", admitted(20, 16_000));
    }

    #[test]
    fn patches_of_a_publisher_with_another_scale_are_refused() {
        let mut admission = Admission::new(2, &PatchSettings::default());
        for (scale, expected) in [(3, Err("wrong_scale")), (2, Ok(())), (4, Err("wrong_scale")), (0, Ok(()))] {
            admission.handle_hello(PublisherHello { scale, ..Default::default() });
            assert_eq!(admission.admit(Duration::ZERO, &patch(96, 100)), expected, "scale {scale}");
        }
    }

    #[test]
    fn oversized_patches_are_refused() {
        let mut admission = Admission::new(2, &PatchSettings::default());
        assert_eq!(admission.admit(Duration::ZERO, &patch(96, 17_000)), Err("oversized"));
        assert_eq!(admission.admit(Duration::ZERO, &patch(u32::MAX, 100)), Err("oversized"));
        assert_eq!(admission.admit(Duration::ZERO, &patch(256, 100)), Ok(()));
    }
}
