//! From frames to seconds, and from seconds to means.

use sr_net::psnr_of_mse_db;

use super::{
    super::report::{BestBicubic, Compared, Mean, Quality, Renditions, ShareOfSecondsBelow, Systems, WorstSecond},
    scoring::{Closeness, SHARPER, Score},
};

/// What the frames of one second make together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct SecondScore {
    pub(crate) frames_compared: u32,
    pub(crate) compared: Option<Compared>,
    pub(crate) sharper_psnr_y_db: Option<f64>,
    pub(crate) as_seen: Option<Renditions<f64>>,
}

/// Each second from the scores of its frames; `second` says which one a frame due is of.
pub(crate) fn seconds(count: u32, scores: &[Score], second: impl Fn(usize) -> usize) -> Vec<SecondScore> {
    let mut sums = vec![Sums::default(); count as usize];
    // In one order, whatever order the threads were done in: sums of floats depend on it.
    let mut scores: Vec<&Score> = scores.iter().collect();
    scores.sort_unstable_by_key(|score| score.due);
    for score in scores {
        if let Some(sums) = sums.get_mut(second(score.due)) {
            sums.add(score);
        }
    }
    sums.iter().map(Sums::second).collect()
}

/// Means of what is in these seconds. `None` when nothing could be compared in any of them.
pub(crate) fn mean(seconds: &[SecondScore]) -> Option<Mean> {
    let compared: Vec<&Compared> = seconds.iter().filter_map(|second| second.compared.as_ref()).collect();
    let as_seen: Vec<Renditions<f64>> = seconds.iter().filter_map(|second| second.as_seen).collect();
    let sharper: Vec<f64> = seconds.iter().filter_map(|second| second.sharper_psnr_y_db).collect();
    let count = compared.len() as f64;
    let total = compared.iter().fold(Systems::<Quality>::default(), |total, second| {
        total.zip(second.systems).map(|(total, quality)| Quality {
            psnr_y_db: total.psnr_y_db + quality.psnr_y_db,
            ssim: total.ssim + quality.ssim,
            vmaf: None,
        })
    });
    let systems =
        total.map(|total| Quality { psnr_y_db: total.psnr_y_db / count, ssim: total.ssim / count, vmaf: None });
    let plain = BestBicubic { a: -0.5, psnr_y_db: systems.bicubic.psnr_y_db };
    let sharper = BestBicubic { a: SHARPER.into(), psnr_y_db: sharper.iter().sum::<f64>() / sharper.len() as f64 };
    let seen =
        |rendition: fn(&Renditions<f64>) -> f64| as_seen.iter().map(rendition).sum::<f64>() / as_seen.len() as f64;
    let as_seen = Renditions { source: seen(|seen| seen.source), enhanced: seen(|seen| seen.enhanced) };
    (!compared.is_empty()).then(|| Mean {
        systems,
        bicubic_best: if sharper.psnr_y_db > plain.psnr_y_db { sharper } else { plain },
        gains: systems.gains(),
        as_seen_db: as_seen.enhanced - as_seen.source,
        as_seen,
    })
}

/// `first`: the number of the first of these seconds. `None` when nothing could be compared.
pub(crate) fn worst(seconds: &[SecondScore], first: u32) -> Option<WorstSecond> {
    let gains = || (first..).zip(seconds).filter_map(|(t, second)| Some((t, second.compared?.gains)));
    let gain_db = gains().map(|(_, gains)| gains.gain_db).min_by(f64::total_cmp)?;
    let (t, gains) = gains().min_by(|(_, a), (_, b)| a.gain_encoded_db.total_cmp(&b.gain_encoded_db))?;
    Some(WorstSecond { gain_db, gain_encoded_db: gains.gain_encoded_db, t })
}

pub(crate) fn share_below(seconds: &[SecondScore]) -> ShareOfSecondsBelow {
    let gains = || seconds.iter().filter_map(|second| second.compared);
    let below = gains().filter(|second| second.gains.gain_encoded_db < -0.05).count();
    ShareOfSecondsBelow { bicubic_encoded_by_0_05_db: below as f64 / gains().count().max(1) as f64 }
}

#[derive(Clone, Debug, Default)]
struct Sums {
    compared: u32,
    systems: Systems<Closeness>,
    sharper_mse: f64,
    due: u32,
    on_screen: Renditions<f64>,
}

impl Sums {
    fn add(&mut self, score: &Score) {
        if let Some(frame) = score.compared {
            self.compared += 1;
            self.sharper_mse += score.sharper_mse.unwrap_or_default();
            self.systems = self
                .systems
                .zip(frame)
                .map(|(sum, frame)| Closeness { mse: sum.mse + frame.mse, ssim: sum.ssim + frame.ssim });
        }
        if let Renditions { source: Some(source), enhanced: Some(enhanced) } = score.on_screen {
            self.due += 1;
            self.on_screen.source += source;
            self.on_screen.enhanced += enhanced;
        }
    }

    fn second(&self) -> SecondScore {
        let (compared, due) = (f64::from(self.compared), f64::from(self.due));
        let systems = self.systems.map(|sum| Quality {
            psnr_y_db: psnr_of_mse_db(sum.mse / compared),
            ssim: sum.ssim / compared,
            vmaf: None,
        });
        let any = self.compared > 0;
        SecondScore {
            frames_compared: self.compared,
            compared: any.then(|| Compared { systems, gains: systems.gains() }),
            sharper_psnr_y_db: any.then(|| psnr_of_mse_db(self.sharper_mse / compared)),
            as_seen: (self.due > 0).then(|| self.on_screen.map(|sum| psnr_of_mse_db(sum / due))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closeness(mse: f64) -> Closeness {
        Closeness { mse, ssim: 1.0 - mse / 100.0 }
    }

    fn score(due: usize, enhanced: Option<f64>) -> Score {
        let compared = enhanced.map(|enhanced| Systems {
            bicubic: closeness(10.0),
            enhanced: closeness(enhanced),
            bicubic_encoded: closeness(8.0),
            direct: closeness(0.0),
            bicubic_full: closeness(5.0),
        });
        let on_screen = Renditions { source: Some(10.0), enhanced: Some(enhanced.unwrap_or(90.0)) };
        Score { due, compared, sharper_mse: enhanced.map(|_| 9.0), on_screen }
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_psnr_of_a_second_is_that_of_the_mean_squared_error_of_its_frames() {
        let scores = [score(3, Some(4.0)), score(0, Some(1.0)), score(1, Some(3.0)), score(2, None)];
        let seconds = seconds(3, &scores, |due| due / 3);
        let first = seconds[0].compared.unwrap();
        assert_eq!(seconds[0].frames_compared, 2);
        assert!(near(first.systems.enhanced.psnr_y_db, psnr_of_mse_db(2.0)));
        assert!(near(first.systems.enhanced.ssim, 0.98));
        assert_eq!(first.systems.direct.psnr_y_db, 100.0, "equal pictures are capped");
        assert!(near(first.gains.gain_db, psnr_of_mse_db(2.0) - psnr_of_mse_db(10.0)));
        let seen = seconds[0].as_seen.unwrap();
        assert!(near(seen.enhanced, psnr_of_mse_db(94.0 / 3.0)) && near(seen.source, psnr_of_mse_db(10.0)));
        assert_eq!((seconds[2].compared, seconds[2].as_seen), (None, None), "nothing was due");
    }

    #[test]
    fn means_are_means_of_seconds_and_pass_over_those_without_frames() {
        let scores = [score(0, Some(1.0)), score(1, Some(1.0)), score(2, Some(100.0)), score(4, None)];
        let seconds = seconds(3, &scores, |due| due / 2);
        let mean = mean(&seconds).unwrap();
        let enhanced = (psnr_of_mse_db(1.0) + psnr_of_mse_db(100.0)) / 2.0;
        assert!(near(mean.systems.enhanced.psnr_y_db, enhanced), "not weighted by frames");
        assert!(near(mean.gains.gain_encoded_db, enhanced - psnr_of_mse_db(8.0)));
        assert!(near(mean.gains.gain_full_db, enhanced - psnr_of_mse_db(5.0)));
        assert!(near(mean.gains.gain_direct_db, enhanced - 100.0));
        let seen = (psnr_of_mse_db(1.0) + psnr_of_mse_db(100.0) + psnr_of_mse_db(90.0)) / 3.0;
        assert!(near(mean.as_seen_db, seen - psnr_of_mse_db(10.0)), "a frozen second counts");
        assert_eq!(mean.bicubic_best.a, -0.75);
        assert!(near(mean.bicubic_best.psnr_y_db, psnr_of_mse_db(9.0)));
    }

    #[test]
    fn the_worst_second_is_named_and_shares_are_of_seconds_with_frames() {
        let scores = [score(0, Some(1.0)), score(1, Some(9.0)), score(2, Some(8.0)), score(3, None)];
        let seconds = seconds(4, &scores, |due| due);
        let worst = worst(&seconds, 20).unwrap();
        assert_eq!(worst.t, 21);
        assert!(near(worst.gain_encoded_db, psnr_of_mse_db(9.0) - psnr_of_mse_db(8.0)));
        assert!(near(worst.gain_db, psnr_of_mse_db(9.0) - psnr_of_mse_db(10.0)));
        assert!(near(share_below(&seconds).bicubic_encoded_by_0_05_db, 1.0 / 3.0));
    }

    #[test]
    fn a_run_in_which_nothing_came_has_no_mean() {
        let seconds = seconds(2, &[score(0, None)], |due| due);
        assert_eq!(mean(&seconds), None);
        assert_eq!(worst(&seconds, 0), None);
        assert_eq!(share_below(&seconds).bicubic_encoded_by_0_05_db, 0.0);
    }
}
