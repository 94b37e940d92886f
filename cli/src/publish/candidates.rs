//! Which places of which frames become patches (after LiveNAS, Kim et al. 2020): drawn at random, kept when bicubic does
//! worse there than on the average, the worst first.

use std::{collections::VecDeque, time::Duration};

use proto::v1::{Rect, Selection};
use sr_net::{Plane, bicubic, digest, mse};

/// A frame as both sides have it.
#[derive(Debug)]
pub(crate) struct CodedFrame {
    pub(crate) rtp_timestamp: u32,
    /// After the crop to multiples of 2 · scale
    pub(crate) hr: Plane,
    /// As the publisher's own decoder sees it, 1/scale of the size
    pub(crate) lr: Plane,
}

/// A piece of a frame.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) rtp_timestamp: u32,
    pub(crate) rect: Rect,
    pub(crate) hr: Plane,
    /// Of the decoded LR frame, the same size
    pub(crate) bicubic: Plane,
    pub(crate) mse: f64,
}

/// Source samples that bicubic needs around a piece; at the picture's edges, where there are fewer, the piece's edge is
/// the picture's, and is replicated just so.
const BICUBIC_REACH: usize = 2;

impl CodedFrame {
    /// The `size * size` piece (or what the picture has of it) at a place of the grid of 2 · scale pixels. Its middle is at
    /// `random`, from 0 to 1 in each direction, or as near as the picture's edge lets it: drawn from all places alike, the
    /// edge itself would be in one piece of a hundred.
    pub(crate) fn candidate(&self, scale: usize, size: usize, random: [f64; 2]) -> Option<Candidate> {
        let grid = 2 * scale;
        let (width, height) = (size.min(self.hr.width()), size.min(self.hr.height()));
        let place = |whole: usize, part: usize, random: f64| {
            let middle = (random * whole as f64) as usize;
            middle.saturating_sub(part / 2).min(whole - part) / grid * grid
        };
        let (x, y) = (place(self.hr.width(), width, random[0]), place(self.hr.height(), height, random[1]));
        let hr = self.hr.crop(x, y, width, height)?;
        let bicubic = self.bicubic(scale, x, y, width, height)?;
        let mse = mse(&hr, &bicubic);
        let [x, y, width, height] = [x, y, width, height].map(|pixels| u32::try_from(pixels).unwrap_or(u32::MAX));
        Some(Candidate { rtp_timestamp: self.rtp_timestamp, rect: Rect { x, y, width, height }, hr, bicubic, mse })
    }

    /// The bicubic of the whole frame, computed for one piece of it.
    fn bicubic(&self, scale: usize, x: usize, y: usize, width: usize, height: usize) -> Option<Plane> {
        let span = |at: usize, length: usize, whole: usize| {
            let first = (at / scale).saturating_sub(BICUBIC_REACH);
            let end = ((at + length) / scale + BICUBIC_REACH).min(whole);
            (first, end - first)
        };
        let (left, lr_width) = span(x, width, self.lr.width());
        let (top, lr_height) = span(y, height, self.lr.height());
        let lr = self.lr.crop(left, top, lr_width, lr_height)?;
        bicubic(&lr, scale).crop(x - left * scale, y - top * scale, width, height)
    }
}

impl Candidate {
    /// What is coded: the piece itself, or HR − bicubic + 128, clamped to a byte.
    pub(crate) fn luma(&self, residual: bool) -> Plane {
        if !residual {
            return self.hr.clone();
        }
        let mut difference = self.hr.clone();
        for (sample, bicubic) in difference.samples_mut().iter_mut().zip(self.bicubic.samples()) {
            *sample = u8::try_from((i16::from(*sample) - i16::from(*bicubic) + 128).clamp(0, 255)).unwrap_or(128);
        }
        difference
    }

    /// What a residual refers to.
    pub(crate) fn base_digest(&self, residual: bool) -> Option<u32> {
        residual.then(|| digest(&self.bicubic))
    }
}

/// How long a candidate may wait for its turn: the pairer keeps frames for two seconds, of which the way takes some.
const MAX_AGE: Duration = Duration::from_millis(500);

/// The candidates of the last half second.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// Distortion of all that were drawn
    drawn: VecDeque<(Duration, f64)>,
    kept: Vec<(Duration, Candidate)>,
}

impl Pool {
    pub(crate) fn offer(&mut self, now: Duration, candidate: Candidate) {
        self.forget(now);
        self.drawn.push_back((now, candidate.mse));
        self.kept.push((now, candidate));
    }

    /// The worst one, when bicubic does worse there than on the average.
    pub(crate) fn take_worst(&mut self, now: Duration) -> Option<Candidate> {
        self.forget(now);
        let mean = self.drawn.iter().map(|(_, mse)| mse).sum::<f64>() / self.drawn.len().max(1) as f64;
        let (worst, (_, candidate)) =
            self.kept.iter().enumerate().max_by(|(_, (_, a)), (_, (_, b))| a.mse.total_cmp(&b.mse))?;
        (candidate.mse >= mean).then(|| self.kept.swap_remove(worst).1)
    }

    fn forget(&mut self, now: Duration) {
        let young = |at: Duration| now.saturating_sub(at) < MAX_AGE;
        while self.drawn.front().is_some_and(|(at, _)| !young(*at)) {
            self.drawn.pop_front();
        }
        self.kept.retain(|(at, _)| young(*at));
    }
}

/// Whether the next patch is a random one or one of the worst.
#[derive(Debug, Default)]
pub(crate) struct Mix {
    sent: u64,
    random: u64,
    last_random: Option<Duration>,
}

/// At least one random patch a second; a little earlier, since frames come when they come.
const RANDOM_EVERY: Duration = Duration::from_millis(900);

impl Mix {
    /// `share` of the patches are random.
    pub(crate) fn next(&self, now: Duration, share: f64) -> Selection {
        let due = self.last_random.is_none_or(|last| now.saturating_sub(last) >= RANDOM_EVERY);
        let behind = (self.random as f64) < share * (self.sent + 1) as f64;
        if due || behind { Selection::Random } else { Selection::Distorted }
    }

    pub(crate) fn sent(&mut self, now: Duration, selection: Selection) {
        self.sent += 1;
        if selection == Selection::Random {
            self.random += 1;
            self.last_random = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(width: usize, height: usize) -> Plane {
        let samples = (0..width * height).map(|index| ((index * 2_654_435_761) >> 7) as u8).collect();
        Plane::new(width, height, samples).unwrap()
    }

    fn candidate(mse: f64) -> Candidate {
        let plane = Plane::filled(4, 4, 0);
        Candidate { rtp_timestamp: 0, rect: Rect::default(), hr: plane.clone(), bicubic: plane, mse }
    }

    #[test]
    fn a_piece_is_bicubic_exactly_as_the_whole_frame_is() {
        for scale in 2..=4 {
            let lr = noise(60, 40);
            let whole = bicubic(&lr, scale);
            let frame = CodedFrame { rtp_timestamp: 7, hr: noise(60 * scale, 40 * scale), lr };
            for random in [[0.0, 0.0], [0.5, 0.3], [0.999, 0.999], [0.0, 0.999]] {
                let piece = frame.candidate(scale, 12 * scale, random).unwrap();
                let [x, y, width, height] =
                    [piece.rect.x, piece.rect.y, piece.rect.width, piece.rect.height].map(|pixels| pixels as usize);
                assert_eq!(piece.bicubic.samples(), whole.crop(x, y, width, height).unwrap().samples(), "{random:?}");
                assert!(x % (2 * scale) == 0 && y % (2 * scale) == 0);
            }
        }
    }

    #[test]
    fn every_place_of_the_grid_can_be_drawn_and_none_outside() {
        let frame = CodedFrame { rtp_timestamp: 0, hr: noise(40, 24), lr: noise(20, 12) };
        let mut places = std::collections::BTreeSet::new();
        for step in 0..400 {
            let piece = frame.candidate(2, 16, [f64::from(step % 20) / 20.0, f64::from(step / 20) / 20.0]).unwrap();
            places.insert((piece.rect.x, piece.rect.y));
        }
        let expected = (0..=24).step_by(4).flat_map(|x| (0..=8).step_by(4).map(move |y| (x, y))).collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn the_edge_is_drawn_at_least_half_as_often_as_any_other_place() {
        let frame = CodedFrame { rtp_timestamp: 0, hr: noise(400, 16), lr: noise(200, 8) };
        let pieces = (0..400).map(|step| frame.candidate(2, 40, [f64::from(step) / 400.0, 0.0]).unwrap().rect);
        let holds = |column: u32| pieces.clone().filter(|rect| (rect.x..rect.x + rect.width).contains(&column)).count();
        assert_eq!([0, 19, 200, 399].map(holds), [24, 40, 40, 20]);
    }

    #[test]
    fn a_frame_smaller_than_a_patch_is_one_patch() {
        let frame = CodedFrame { rtp_timestamp: 0, hr: noise(40, 24), lr: noise(20, 12) };
        let piece = frame.candidate(2, 96, [0.9, 0.9]).unwrap();
        assert_eq!(piece.rect, Rect { x: 0, y: 0, width: 40, height: 24 });
    }

    #[test]
    fn a_residual_is_the_difference_around_the_middle_grey() {
        let plane = |samples: [u8; 4]| Plane::new(2, 2, samples.to_vec()).unwrap();
        let mut piece = candidate(0.0);
        (piece.hr, piece.bicubic) = (plane([100, 255, 0, 50]), plane([90, 0, 255, 50]));
        assert_eq!(piece.luma(true).samples(), [138, 255, 0, 128]);
        assert_eq!(piece.luma(false), piece.hr);
        assert_eq!((piece.base_digest(true), piece.base_digest(false)), (Some(digest(&piece.bicubic)), None));
    }

    #[test]
    fn the_worst_go_first_and_those_better_than_the_average_never() {
        let mut pool = Pool::default();
        for mse in [10.0, 40.0, 20.0, 90.0, 5.0] {
            pool.offer(Duration::ZERO, candidate(mse));
        }
        let taken: Vec<f64> = std::iter::from_fn(|| pool.take_worst(Duration::ZERO)).map(|taken| taken.mse).collect();
        assert_eq!(taken, [90.0, 40.0]);
    }

    #[test]
    fn candidates_grow_too_old() {
        let mut pool = Pool::default();
        pool.offer(Duration::ZERO, candidate(10.0));
        assert!(pool.take_worst(Duration::from_millis(500)).is_none());
        assert!(pool.drawn.is_empty());
    }

    #[test]
    fn there_is_a_random_patch_each_second_and_a_tenth_of_all_are_random() {
        for (per_second, share) in [(1, 0.2), (3, 0.1), (20, 0.2), (20, 0.1), (20, 1.0)] {
            let mut mix = Mix::default();
            let (mut random_at, total) = (vec![], per_second * 60);
            for index in 0..total {
                let now = Duration::from_secs_f64(f64::from(index) / f64::from(per_second));
                let selection = mix.next(now, share);
                mix.sent(now, selection);
                if selection == Selection::Random {
                    random_at.push(now);
                }
            }
            assert!(random_at.len() as f64 >= share * f64::from(total) - 1.0, "{per_second} {share}");
            let longest = random_at.windows(2).map(|two| two[1] - two[0]).max().unwrap();
            assert!(longest <= Duration::from_millis(1001), "{longest:?} at {per_second} {share}");
        }
    }
}
