//! The thresholds of the rules. `docs/autoscaling.md` says what they do; a decision replays with those of its release.

use jiff::SignedDuration;

/// After a rise from none, a saturated trainer is let go this soon; each further rise within [`FORGIVEN_AFTER`] of the
/// one before doubles it, so that a stream of cuts keeps its trainer instead of getting a new one at each.
pub(super) const SATURATED_HOLD: SignedDuration = SignedDuration::from_secs(3);
/// The most doublings: 96 s.
pub(super) const MOST_DOUBLINGS: u32 = 5;
pub(super) const FORGIVEN_AFTER: SignedDuration = SignedDuration::from_secs(120);

/// A gain so far below that at saturation makes training pay again, in thousandths of a decibel. As the trainer's own.
pub(super) const GAIN_FALL_MILLIDECIBELS: i32 = 300;

/// From one trainer to more: one at a time, not more often than this.
pub(super) const RAISE_INTERVAL: SignedDuration = SignedDuration::from_secs(15);
/// Fewer would do for so long before one goes. Several checkpoints and patches' ages long.
pub(super) const LOWER_WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// Without a single patch for so long, there is nothing to train on.
pub(super) const NO_PATCHES_WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// Steps for each new patch below which one more trainer comes, in tenths. A quarter of 3 a patch loses 0.15 to 0.2 dB.
pub(super) const FEW_STEPS_PER_PATCH_TENTHS: u64 = 15;
pub(super) const FEW_STEPS_WHEN_LIMITED_TENTHS: u64 = 20;
/// Steps for each new patch that are enough, in tenths.
pub(super) const ENOUGH_STEPS_PER_PATCH_TENTHS: u64 = 30;
/// Seconds' worth of patches that wait although every trainer works.
pub(super) const LONG_BACKLOG_SECONDS: u64 = 10;

/// A trainer that has something in flight is given so long before it is asked to go all the same.
pub(super) const DRAIN_PATIENCE: SignedDuration = SignedDuration::from_secs(4);

/// A stream with fewer trainers than its fair share waits so long for one of a stream with more.
pub(super) const FAIR_PATIENCE: SignedDuration = SignedDuration::from_secs(10);
/// Trainers that no fair share contains whole go round: a turn is about so long.
pub(super) const TURN: SignedDuration = SignedDuration::from_secs(120);
/// How soon who waits for budget is looked at again.
pub(super) const BUDGET_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
