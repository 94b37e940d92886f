//! Numbers of a status, rounded so that they change when it matters.

use crds::{CheckpointStatus, LiveStreamStatus};

use crate::observe::Observed;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Numbers {
    viewers: Option<u32>,
    gain: Option<String>,
    checkpoint: Option<CheckpointStatus>,
}

/// What the media-node last reported stays when it is gone only as long as it runs.
pub(super) fn numbers(observed: &Observed) -> Numbers {
    let Some(report) = &observed.report else { return Numbers::default() };
    let gain = report.gain_known.then_some(report.gain_millidecibels);
    Numbers {
        viewers: Some(rounded(report.viewers)),
        gain: gain.map(|gain| format!("{:+.1} dB", f64::from(gain) / 1000.0)),
        checkpoint: gain.filter(|_| report.live_version > 0).map(|gain| CheckpointStatus {
            version: report.live_version,
            gain_millidecibels: (gain as f64 / 100.0).round() as i32 * 100,
        }),
    }
}

impl Numbers {
    pub(super) fn of(status: &LiveStreamStatus) -> Self {
        let LiveStreamStatus { viewers, gain, checkpoint, .. } = status.clone();
        Self { viewers, gain, checkpoint }
    }

    pub(super) fn write(self, status: &mut LiveStreamStatus) {
        (status.viewers, status.gain, status.checkpoint) = (self.viewers, self.gain, self.checkpoint);
    }

    /// Neither more nor fewer of them are known than `status` has.
    pub(super) fn is_like(&self, status: &LiveStreamStatus) -> bool {
        self.viewers.is_some() == status.viewers.is_some() && self.gain.is_some() == status.gain.is_some()
    }
}

/// To two digits.
fn rounded(count: u32) -> u32 {
    let unit = 10_u32.pow(count.checked_ilog10().unwrap_or(0).saturating_sub(1));
    count.saturating_add(unit / 2) / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_are_rounded_to_two_digits() {
        for (count, expected) in
            [(0, 0), (1, 1), (9, 9), (99, 99), (104, 100), (105, 110), (1249, 1200), (98_765, 99_000)]
        {
            assert_eq!(rounded(count), expected, "{count}");
        }
    }
}
