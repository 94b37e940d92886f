//! How the uplink is shared out: sound and a few patches, then video up to what was asked for, then more patches from
//! what is left. What patches were to have and are not wanted for is the video's.

use std::time::Duration;

use super::bucket::Bucket;

/// What was asked for, in kbit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) video_kbps: u32,
    /// 0 without sound
    pub(crate) audio_kbps: u32,
    /// The most for patches; 0 without
    pub(crate) patch_kbps: u32,
}

/// What each may use now, in kbit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) video_kbps: u32,
    pub(crate) patch_kbps: u32,
}

/// About one random patch a second: without any, nobody can judge what the enhanced picture is worth.
const MIN_PATCH_KBPS: u32 = 8;
/// The worst picture that is still sent.
const MIN_VIDEO_KBPS: u32 = 20;
/// RTP and SRTP around 50 packets of sound a second.
const AUDIO_OVERHEAD_KBPS: u32 = 15;
/// RTP and SRTP around 1100 bytes of video, in percent.
const VIDEO_OVERHEAD_PERCENT: u32 = 5;
/// A change of the encoder's rate below this is not worth its disturbance, in percent.
const STEP_PERCENT: u32 = 5;

impl Wanted {
    /// `useful_patch_kbps`: what is wanted of patches now. `estimate_kbps` of all kinds together; `None`: the path carries
    /// whatever is wanted.
    pub(crate) fn share(&self, useful_patch_kbps: u32, estimate_kbps: Option<u32>) -> Shares {
        let patch_kbps = self.patch_kbps.min(useful_patch_kbps);
        let video_kbps = self.video_kbps + video_in(self.patch_kbps - patch_kbps);
        let Some(estimate) = estimate_kbps else { return Shares { video_kbps, patch_kbps } };
        let audio = if self.audio_kbps > 0 { self.audio_kbps + AUDIO_OVERHEAD_KBPS } else { 0 };
        let few_patches = patch_kbps.min(MIN_PATCH_KBPS);
        let left = estimate.saturating_sub(audio + few_patches);
        let video_kbps = video_kbps.min(video_in(left)).max(MIN_VIDEO_KBPS);
        let used = (u64::from(video_kbps) * u64::from(100 + VIDEO_OVERHEAD_PERCENT)).div_ceil(100);
        let left = few_patches + u32::try_from(u64::from(left).saturating_sub(used)).unwrap_or(u32::MAX);
        Shares { video_kbps, patch_kbps: patch_kbps.min(left) }
    }
}

/// What of `kbps` is video once its headers are paid.
fn video_in(kbps: u32) -> u32 {
    u32::try_from(u64::from(kbps) * 100 / u64::from(100 + VIDEO_OVERHEAD_PERCENT)).unwrap_or(u32::MAX)
}

/// Whether the encoder is to be set from one rate to another.
pub(crate) fn is_worth_setting(now_kbps: u32, next_kbps: u32) -> bool {
    u64::from(now_kbps.abs_diff(next_kbps)) * 100 > u64::from(now_kbps) * u64::from(STEP_PERCENT)
}

/// Drops frames before they are coded while the encoder is ahead of the path: a queue would only make all of them late.
#[derive(Clone, Debug)]
pub(crate) struct FrameGate {
    bits: Bucket,
}

impl FrameGate {
    /// The encoder's own rate control has a second to even out its rate; so has this.
    pub(crate) fn new(now: Duration, video_kbps: u32) -> Self {
        let (rate, burst) = rate_and_burst(video_kbps);
        Self { bits: Bucket::new(now, rate, burst) }
    }

    pub(crate) fn set_rate(&mut self, now: Duration, video_kbps: u32) {
        let (rate, burst) = rate_and_burst(video_kbps);
        self.bits.set_rate(now, rate, burst);
    }

    pub(crate) fn takes_a_frame(&mut self, now: Duration) -> bool {
        self.bits.is_open(now)
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bits.spend(bytes as f64 * 8.0);
    }
}

/// A tenth more than the encoder's rate, so that an encoder that keeps to it is never held back.
fn rate_and_burst(video_kbps: u32) -> (f64, f64) {
    let rate = f64::from(video_kbps) * 1100.0;
    (rate, rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_and_a_few_patches_come_first_then_video_then_more_patches() {
        let wanted = Wanted { video_kbps: 800, audio_kbps: 49, patch_kbps: 80 };
        for (estimate, video_kbps, patch_kbps) in [
            (None, 800, 80),
            (Some(2000), 800, 80),
            (Some(984), 800, 80),
            (Some(944), 800, 40),
            (Some(912), 800, 8),
            (Some(492), 400, 8),
            (Some(108), 34, 8),
            (Some(64), 20, 8),
            (Some(0), 20, 8),
        ] {
            assert_eq!(wanted.share(80, estimate), Shares { video_kbps, patch_kbps }, "{estimate:?}");
        }
    }

    #[test]
    fn without_patches_and_sound_all_is_the_videos() {
        let wanted = Wanted { video_kbps: 800, audio_kbps: 0, patch_kbps: 0 };
        assert_eq!(wanted.share(0, Some(420)), Shares { video_kbps: 400, patch_kbps: 0 });
    }

    #[test]
    fn what_patches_are_not_wanted_for_is_the_videos() {
        let wanted = Wanted { video_kbps: 800, audio_kbps: 0, patch_kbps: 80 };
        for (useful, estimate, video_kbps, patch_kbps) in [
            (500, None, 800, 80),
            (17, None, 860, 17),
            (0, None, 876, 0),
            (17, Some(2000), 860, 17),
            (17, Some(700), 659, 8),
            (0, Some(700), 666, 0),
        ] {
            assert_eq!(wanted.share(useful, estimate), Shares { video_kbps, patch_kbps }, "{useful}, {estimate:?}");
        }
    }

    #[test]
    fn small_changes_leave_the_encoder_alone() {
        assert!(!is_worth_setting(800, 800));
        assert!(!is_worth_setting(800, 780));
        assert!(is_worth_setting(800, 750));
        assert!(is_worth_setting(20, 22));
    }

    #[test]
    fn an_encoder_that_keeps_its_rate_loses_no_frame() {
        let mut gate = FrameGate::new(Duration::ZERO, 800);
        for frame in 0..300_u64 {
            assert!(gate.takes_a_frame(Duration::from_millis(frame * 33)), "frame {frame}");
            // A key frame of half a second's bits now and then.
            gate.sent(if frame % 150 == 0 { 50_000 } else { 2900 });
        }
    }

    #[test]
    fn frames_are_dropped_while_the_encoder_is_ahead_of_the_path() {
        let mut gate = FrameGate::new(Duration::ZERO, 800);
        gate.set_rate(Duration::ZERO, 200);
        let sent = (0..300_u64)
            .filter(|frame| {
                let takes = gate.takes_a_frame(Duration::from_millis(frame * 33));
                if takes {
                    gate.sent(3333);
                }
                takes
            })
            .count();
        // 9.9 s at 220 kbit/s and a second's burst, of frames that would make 800 kbit/s.
        assert!((85..=95).contains(&sent), "{sent}");
    }
}
