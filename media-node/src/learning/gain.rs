//! The gain viewers have, from RANDOM patches of the last minute, and where it is going.

use std::{collections::VecDeque, time::Duration};

const WINDOW: Duration = Duration::from_secs(60);
/// The most patches that count, however many come.
const MAX_PATCHES: usize = 1024;
/// Added to every mean squared error, 48 dB: on a black picture bicubic is exact, and a network's last bit is no loss that
/// anybody sees.
pub(crate) const UNSEEN_MSE: f64 = 1.0;
/// A slope needs patches over at least this long.
const LEAST_SPAN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
struct Measured {
    at: Duration,
    bicubic_mse: f64,
    shown_mse: f64,
}

/// Mean squared errors of RANDOM patches: of bicubic, and of what viewers were shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct GainWindow(VecDeque<Measured>);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gain {
    pub(crate) bicubic_psnr_db: f64,
    pub(crate) shown_psnr_db: f64,
    /// Of the gain; `None`: too little is known.
    pub(crate) slope_db_per_second: Option<f64>,
}

impl Gain {
    pub(crate) fn gain_db(&self) -> f64 {
        self.shown_psnr_db - self.bicubic_psnr_db
    }
}

impl GainWindow {
    pub(crate) fn push(&mut self, now: Duration, bicubic_mse: f64, shown_mse: f64) {
        if self.0.len() == MAX_PATCHES {
            self.0.pop_front();
        }
        self.0.push_back(Measured { at: now, bicubic_mse, shown_mse });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// `None` without a patch in the window.
    pub(crate) fn gain(&mut self, now: Duration) -> Option<Gain> {
        while self.0.front().is_some_and(|oldest| now.saturating_sub(oldest.at) > WINDOW) {
            self.0.pop_front();
        }
        let patches = self.0.make_contiguous();
        let (bicubic_psnr_db, shown_psnr_db) = psnr_db(patches)?;
        Some(Gain { bicubic_psnr_db, shown_psnr_db, slope_db_per_second: slope(patches) })
    }
}

/// From the older half of the patches to the newer one.
fn slope(patches: &[Measured]) -> Option<f64> {
    let span = patches.last()?.at.saturating_sub(patches.first()?.at);
    let (older, newer) = patches.split_at(patches.len() / 2);
    if span < LEAST_SPAN || older.is_empty() {
        return None;
    }
    let gain_db = |half| psnr_db(half).map(|(bicubic, shown)| shown - bicubic);
    let middle = |half: &[Measured]| half.iter().map(|one| one.at.as_secs_f64()).sum::<f64>() / half.len() as f64;
    Some((gain_db(newer)? - gain_db(older)?) / (middle(newer) - middle(older)).max(1.0))
}

fn psnr_db(patches: &[Measured]) -> Option<(f64, f64)> {
    let mean = |of: fn(&Measured) -> f64| patches.iter().map(of).sum::<f64>() / patches.len() as f64;
    let psnr = |of| sr_net::psnr_of_mse_db(mean(of) + UNSEEN_MSE);
    (!patches.is_empty()).then(|| (psnr(|one| one.bicubic_mse), psnr(|one| one.shown_mse)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_gain_is_that_of_the_mean_error() {
        let mut window = GainWindow::default();
        assert_eq!(window.gain(seconds(0)), None);
        window.push(seconds(0), 150.0, 15.0);
        window.push(seconds(1), 48.0, 3.0);
        let gain = window.gain(seconds(1)).unwrap();
        assert!((gain.gain_db() - 10.0).abs() < 1e-9, "{gain:?}");
        assert_eq!(gain.slope_db_per_second, None);
    }

    #[test]
    fn on_a_black_picture_nothing_is_lost_that_anybody_sees() {
        let mut window = GainWindow::default();
        window.push(seconds(0), 0.0, 0.01);
        assert!(window.gain(seconds(0)).unwrap().gain_db() > -0.05);
    }

    #[test]
    fn what_is_older_than_a_minute_is_forgotten() {
        let mut window = GainWindow::default();
        window.push(seconds(0), 100.0, 10.0);
        window.push(seconds(30), 100.0, 100.0);
        assert_eq!(window.gain(seconds(61)).unwrap().gain_db(), 0.0);
        assert_eq!(window.gain(seconds(91)), None);
    }

    #[test]
    fn the_slope_says_where_the_gain_is_going() {
        let mut window = GainWindow::default();
        for second in 0..40 {
            let gain_db = 0.05 * second as f64;
            window.push(seconds(second), 100.0, 100.0 / 10_f64.powf(gain_db / 10.0));
        }
        let slope = window.gain(seconds(40)).unwrap().slope_db_per_second.unwrap();
        assert!((slope - 0.05).abs() < 0.005, "{slope}");
    }
}
