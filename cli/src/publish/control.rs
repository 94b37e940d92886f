//! What patches are to be sent now: the publisher's options, within what the media-node wants.

use std::time::Duration;

use proto::v1::{PatchControl, patch_control::Want};

/// A publisher that has heard nothing for so long follows its own options.
const PATIENCE: Duration = Duration::from_secs(2);
/// Enough to measure the gain by.
const RANDOM_ONLY_PER_SECOND: f64 = 2.0;
const MAX_SIZE: usize = 512;

/// The publisher's own options.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PatchOptions {
    pub(crate) scale: usize,
    pub(crate) size: usize,
    pub(crate) per_second: f64,
    pub(crate) max_kbps: u32,
    /// 1: only random ones
    pub(crate) random_share: f64,
}

/// What to send.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PatchPlan {
    pub(crate) size: usize,
    pub(crate) per_second: f64,
    pub(crate) kbps: u32,
    pub(crate) random_share: f64,
}

/// What the session's data channel has brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Heard {
    /// There is no channel.
    #[default]
    Closed,
    /// Open since this time, and silent.
    Nothing(Duration),
    Control(PatchControl),
}

impl Heard {
    /// Patches of another scale than the stream's are of no use.
    pub(crate) fn control(mut control: PatchControl, scale: usize) -> Self {
        if other_scale(&control, scale).is_some() {
            control.want = Want::None.into();
        }
        Self::Control(control)
    }

    /// Of `asked` kbit/s for patches, what is of use. While nobody has said otherwise: all of it.
    pub(crate) fn useful_kbps(&self, asked: u32) -> u32 {
        match self {
            Self::Control(control) if control.want() == Want::None => 0,
            // In a message of proto3, 0 is "not said".
            Self::Control(control) if control.max_kbps > 0 => asked.min(control.max_kbps),
            _ => asked,
        }
    }
}

impl PatchOptions {
    /// `None`: send no patches now. `carried_kbps` is what the path has left for them.
    pub(crate) fn plan(&self, now: Duration, heard: &Heard, carried_kbps: u32) -> Option<PatchPlan> {
        let own = PatchPlan {
            size: self.size,
            per_second: self.per_second,
            kbps: heard.useful_kbps(self.max_kbps).min(carried_kbps),
            random_share: self.random_share,
        };
        match heard {
            Heard::Closed => None,
            Heard::Nothing(since) => (now.saturating_sub(*since) >= PATIENCE).then_some(own),
            Heard::Control(control) => self.within(own, control),
        }
        .filter(|plan| plan.kbps > 0)
    }

    fn within(&self, own: PatchPlan, control: &PatchControl) -> Option<PatchPlan> {
        let wanted_size = control.patch_size_pixels as usize;
        let size_works = wanted_size > 0 && wanted_size <= MAX_SIZE && wanted_size.is_multiple_of(2 * self.scale);
        let plan = PatchPlan {
            size: if size_works { wanted_size } else { own.size },
            per_second: if control.max_per_second > 0 {
                own.per_second.min(f64::from(control.max_per_second))
            } else {
                own.per_second
            },
            ..own
        };
        match control.want() {
            Want::None => None,
            Want::RandomOnly => {
                Some(PatchPlan { per_second: plan.per_second.min(RANDOM_ONLY_PER_SECOND), random_share: 1.0, ..plan })
            }
            Want::Unspecified | Want::All => Some(plan),
        }
    }
}

/// The stream's scale, where it is another than this publisher's: patches are of no use then.
pub(crate) fn other_scale(control: &PatchControl, scale: usize) -> Option<u32> {
    Some(control.scale).filter(|&wanted| wanted != 0 && wanted as usize != scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(10);

    fn options() -> PatchOptions {
        PatchOptions { scale: 2, size: 96, per_second: 20.0, max_kbps: 80, random_share: 0.2 }
    }

    fn own() -> PatchPlan {
        PatchPlan { size: 96, per_second: 20.0, kbps: 80, random_share: 0.2 }
    }

    fn controlled(control: PatchControl) -> Option<PatchPlan> {
        options().plan(NOW, &Heard::control(control, 2), 1000)
    }

    #[test]
    fn its_own_options_hold_after_two_silent_seconds() {
        let plan = |heard| options().plan(NOW, &heard, 1000);
        assert_eq!(plan(Heard::Closed), None);
        assert_eq!(plan(Heard::Nothing(Duration::from_millis(8_001))), None);
        assert_eq!(plan(Heard::Nothing(Duration::from_secs(8))), Some(own()));
    }

    #[test]
    fn the_media_node_can_only_take_away() {
        let all = |control| PatchControl { want: Want::All.into(), ..control };
        for (control, expected) in [
            (PatchControl::default(), own()),
            (all(PatchControl { max_kbps: 500, max_per_second: 100, ..Default::default() }), own()),
            (
                all(PatchControl { max_kbps: 40, max_per_second: 5, ..Default::default() }),
                PatchPlan { kbps: 40, per_second: 5.0, ..own() },
            ),
            (all(PatchControl { patch_size_pixels: 128, ..Default::default() }), PatchPlan { size: 128, ..own() }),
            (all(PatchControl { patch_size_pixels: 97, ..Default::default() }), own()),
            (all(PatchControl { patch_size_pixels: 4096, ..Default::default() }), own()),
        ] {
            assert_eq!(controlled(control.clone()), Some(expected), "{control:?}");
        }
    }

    #[test]
    fn a_resting_trainer_gets_a_few_random_patches_and_one_that_wants_none_gets_none() {
        let want = |want: Want| controlled(PatchControl { want: want.into(), ..Default::default() });
        assert_eq!(want(Want::RandomOnly), Some(PatchPlan { per_second: 2.0, random_share: 1.0, ..own() }));
        assert_eq!(want(Want::None), None);
    }

    #[test]
    fn patches_are_sent_at_the_streams_scale_only() {
        assert_eq!(controlled(PatchControl { scale: 2, ..Default::default() }), Some(own()));
        assert_eq!(controlled(PatchControl { scale: 3, ..Default::default() }), None);
    }

    #[test]
    fn nothing_is_sent_when_the_path_has_nothing_left() {
        assert_eq!(options().plan(NOW, &Heard::Control(PatchControl::default()), 0), None);
        assert_eq!(options().plan(NOW, &Heard::Control(PatchControl::default()), 30).unwrap().kbps, 30);
    }
}
