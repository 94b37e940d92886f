//! How the frames of a rendition came.

use super::super::{
    recording::SentFrame,
    report::{Delay, Delivery},
};

/// A frame that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Which of the frames sent
    pub(crate) sent: usize,
    pub(crate) arrived_unix_us: u64,
}

/// Of the frames from second `first` on; `shown` in their order.
pub(crate) fn delivery(sent: &[SentFrame], shown: &[Shown], first: u32) -> Delivery {
    let counts = |frame: &SentFrame| frame.second() >= first as usize;
    let shown: Vec<&Shown> = shown.iter().filter(|shown| sent.get(shown.sent).is_some_and(counts)).collect();
    // A picture that stays to the end of the run is frozen too.
    let end = sent.last().map(|last| last.sent_unix_us);
    let times: Vec<u64> = shown.iter().map(|shown| shown.arrived_unix_us).chain(end).collect();
    let gaps: Vec<f64> = times.windows(2).map(|pair| milliseconds(pair[0], pair[1]).max(0.0)).collect();
    let average = gaps.iter().sum::<f64>() / gaps.len().max(1) as f64;
    let frozen = gaps.iter().copied().filter(|gap| *gap > (3.0 * average).max(average + FREEZE_MS));
    let mut delays: Vec<f64> =
        shown.iter().map(|shown| milliseconds(sent[shown.sent].sent_unix_us, shown.arrived_unix_us)).collect();
    delays.sort_by(f64::total_cmp);
    Delivery {
        frames_sent: number(sent.iter().filter(|frame| counts(frame)).count()),
        frames_shown: number(shown.len()),
        freezes: number(frozen.clone().count()),
        longest_freeze_ms: frozen.fold(0.0, f64::max),
        delay_ms: percentile(&delays, 0.5).zip(percentile(&delays, 0.99)).map(|(p50, p99)| Delay { p50, p99 }),
    }
}

/// A gap this much above the average is a freeze (webrtc-stats, `freezeCount`).
const FREEZE_MS: f64 = 150.0;

/// The smallest value that `share` of all do not exceed.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

fn milliseconds(from_us: u64, to_us: u64) -> f64 {
    to_us as f64 / 1000.0 - from_us as f64 / 1000.0
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thirty frames a second, each sent when it is due.
    fn sent(count: u64) -> Vec<SentFrame> {
        let frame = |index| SentFrame {
            rtp_timestamp: 0,
            ticks: index * 3000,
            clip_frame_index: index,
            sent_unix_us: 1_000_000_000 + index * 33_333,
        };
        (0..count).map(frame).collect()
    }

    fn shown(sent: &[SentFrame], which: impl Iterator<Item = usize>, delay_us: impl Fn(usize) -> u64) -> Vec<Shown> {
        let show = |index: usize| Shown { sent: index, arrived_unix_us: sent[index].sent_unix_us + delay_us(index) };
        which.map(show).collect()
    }

    #[test]
    fn delays_are_those_of_the_frames_that_came() {
        let sent = sent(100);
        let shown =
            shown(&sent, (0..100).filter(|frame| frame % 10 != 9), |frame| if frame == 50 { 90_000 } else { 7_000 });
        let delivery = delivery(&sent, &shown, 0);
        assert_eq!((delivery.frames_sent, delivery.frames_shown, delivery.freezes), (100, 90, 0));
        let delay = delivery.delay_ms.unwrap();
        assert!((delay.p50 - 7.0).abs() < 1e-3 && (delay.p99 - 90.0).abs() < 1e-3, "{delay:?}");
    }

    #[test]
    fn the_longest_gap_is_a_freeze_when_it_is_one() {
        let sent = sent(90);
        let shown = shown(&sent, (0..90).filter(|frame| !(40..50).contains(frame)), |_| 5_000);
        let delivery = delivery(&sent, &shown, 0);
        assert_eq!(delivery.freezes, 1);
        assert!((delivery.longest_freeze_ms - 366.7).abs() < 0.1, "{}", delivery.longest_freeze_ms);
    }

    #[test]
    fn a_picture_that_stays_to_the_end_is_frozen() {
        let sent = sent(90);
        let delivery = delivery(&sent, &shown(&sent, 0..60, |_| 5_000), 0);
        assert_eq!(delivery.freezes, 1);
        assert!((delivery.longest_freeze_ms - 995.0).abs() < 0.1, "{}", delivery.longest_freeze_ms);
    }

    #[test]
    fn seconds_before_the_first_do_not_count() {
        let sent = sent(90);
        let shown = shown(&sent, 45..90, |_| 5_000);
        assert_eq!(
            delivery(&sent, &shown, 2),
            Delivery {
                frames_sent: 30,
                frames_shown: 30,
                delay_ms: Some(Delay { p50: 5.0, p99: 5.0 }),
                ..Delivery::default()
            }
        );
        assert_eq!(delivery(&sent, &[], 0), Delivery { frames_sent: 90, ..Delivery::default() });
    }
}
