//! The rates a clip is coded at.

use std::str::FromStr;

/// Of the small video, in kbit/s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rates {
    Auto,
    Kbps(Vec<u32>),
}

/// Bits a pixel of the large picture: around the rate at which direct coding begins to win, which is 0.006 for a quiet
/// scene and 0.03 for fast motion.
const BITS_PER_PIXEL: [f64; 5] = [0.006, 0.012, 0.025, 0.05, 0.1];
/// As the publisher's.
const KBPS: std::ops::RangeInclusive<u32> = 20..=100_000;

impl FromStr for Rates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let rates: Option<Vec<u32>> = text.split(',').map(|rate| rate.trim().parse().ok()).collect();
        let rates = rates.filter(|rates| rates.iter().all(|rate| KBPS.contains(rate)));
        rates.map(Self::Kbps).ok_or_else(|| "expected auto, or rates from 20 to 100000, separated by commas".to_owned())
    }
}

impl Rates {
    /// For HR pictures of this size and rate; each once, ascending.
    pub(super) fn kbps(&self, width: usize, height: usize, frames_per_second: f64) -> Vec<u32> {
        let mut rates = match self {
            Self::Kbps(rates) => rates.clone(),
            Self::Auto => {
                let pixels_per_second = (width * height) as f64 * frames_per_second;
                let kbps = |bits: f64| (bits * pixels_per_second / 1000.0).round() as u32;
                BITS_PER_PIXEL.map(|bits| kbps(bits).clamp(*KBPS.start(), *KBPS.end())).to_vec()
            }
        };
        rates.sort_unstable();
        rates.dedup();
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_the_pictures() {
        let auto: Rates = "auto".parse().unwrap();
        assert_eq!(auto.kbps(1248, 720, 30.0), [162, 323, 674, 1348, 2696]);
        assert_eq!(auto.kbps(768, 432, 10.0), [20, 40, 83, 166, 332]);
        assert_eq!(auto.kbps(160, 120, 10.0), [20]);
    }

    #[test]
    fn rates_may_be_given() {
        assert_eq!("200, 50,200".parse::<Rates>().unwrap().kbps(1, 1, 1.0), [50, 200]);
        for text in ["", "fast", "100,", "0", "19", "1e3"] {
            assert!(text.parse::<Rates>().is_err(), "{text}");
        }
    }
}
