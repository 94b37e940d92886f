//! How far a network may go: where a picture shows little, it adds little.

use std::ops::Range;

use crate::Plane;

/// LR samples on each side of a place that are its neighbourhood: as far as bicubic looks.
const RADIUS: usize = 2;

/// Keeps every sample of `enhanced` within three times the range of the LR samples around its place: no further outside
/// than these are apart. What bicubic makes of `lr` is always within.
///
/// The errors of a network that has learned another scene are as large as the details of that scene; in a fade, a flash
/// or an empty sky they would be all that is seen.
///
/// # Panics
/// When `enhanced` is not a whole number of times as large as `lr`.
pub fn limit(enhanced: &mut Plane, lr: &Plane) {
    let (width, height) = (lr.width(), lr.height());
    if lr.samples().is_empty() {
        return;
    }
    let scale = enhanced.width() / width;
    assert_eq!((enhanced.width(), enhanced.height()), (width * scale, height * scale), "{lr:?} enlarged");
    let mut columns = Limits::of(width + 2 * RADIUS);
    let mut windows = Limits::of(width);
    let mut limits = Limits::of(width * scale);
    for (y, rows) in enhanced.samples_mut().chunks_exact_mut(width * scale * scale).enumerate() {
        columns.fold_rows(lr, y.saturating_sub(RADIUS)..(y + RADIUS + 1).min(height));
        windows.fold_columns(&columns);
        windows.widen();
        limits.repeat(&windows, scale);
        for row in rows.chunks_exact_mut(width * scale) {
            for ((sample, low), high) in row.iter_mut().zip(&limits.low).zip(&limits.high) {
                *sample = (*sample).max(*low).min(*high);
            }
        }
    }
}

/// From where to where, at every place of a row.
struct Limits {
    low: Vec<u8>,
    high: Vec<u8>,
}

impl Limits {
    fn of(places: usize) -> Self {
        Self { low: vec![0; places], high: vec![0; places] }
    }

    /// Of each column of `rows`; edges are repeated by [`RADIUS`].
    fn fold_rows(&mut self, plane: &Plane, rows: Range<usize>) {
        let inside = RADIUS..RADIUS + plane.width();
        self.low.fill(u8::MAX);
        self.high.fill(u8::MIN);
        for y in rows {
            let row = plane.row(y);
            self.low[inside.clone()].iter_mut().zip(row).for_each(|(low, sample)| *low = (*low).min(*sample));
            self.high[inside.clone()].iter_mut().zip(row).for_each(|(high, sample)| *high = (*high).max(*sample));
        }
        for side in [&mut self.low, &mut self.high] {
            let (first, last) = (side[inside.start], side[inside.end - 1]);
            side[..inside.start].fill(first);
            side[inside.end..].fill(last);
        }
    }

    /// Of each window of columns.
    fn fold_columns(&mut self, columns: &Self) {
        let places = self.low.len();
        self.low.copy_from_slice(&columns.low[..places]);
        self.high.copy_from_slice(&columns.high[..places]);
        for shift in 1..=2 * RADIUS {
            self.low.iter_mut().zip(&columns.low[shift..]).for_each(|(low, other)| *low = (*low).min(*other));
            self.high.iter_mut().zip(&columns.high[shift..]).for_each(|(high, other)| *high = (*high).max(*other));
        }
    }

    fn widen(&mut self) {
        for (low, high) in self.low.iter_mut().zip(&mut self.high) {
            let more = *high - *low;
            (*low, *high) = (low.saturating_sub(more), high.saturating_add(more));
        }
    }

    /// Each place `scale` times.
    fn repeat(&mut self, places: &Self, scale: usize) {
        self.low.chunks_exact_mut(scale).zip(&places.low).for_each(|(low, place)| low.fill(*place));
        self.high.chunks_exact_mut(scale).zip(&places.high).for_each(|(high, place)| high.fill(*place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bicubic;

    /// By the definition, sample by sample.
    fn limited(enhanced: &Plane, lr: &Plane, scale: usize) -> Vec<u8> {
        let near = |place: usize, length: usize| place.saturating_sub(RADIUS)..(place + RADIUS + 1).min(length);
        let sample = |x: usize, y: usize| {
            let around = near(y / scale, lr.height()).flat_map(|row| &lr.row(row)[near(x / scale, lr.width())]);
            let (low, high) = around.fold((u8::MAX, u8::MIN), |(low, high), &s| (low.min(s), high.max(s)));
            let more = i32::from(high - low);
            let [least, most] = [i32::from(low) - more, i32::from(high) + more];
            i32::from(enhanced.row(y)[x]).clamp(least.max(0), most.min(255)) as u8
        };
        (0..enhanced.height())
            .flat_map(|y| (0..enhanced.width()).map(move |x| (x, y)))
            .map(|(x, y)| sample(x, y))
            .collect()
    }

    fn noise(width: usize, height: usize, least: u8, range: u8) -> Plane {
        let mut state = (width * 31 + height) as u32;
        let samples = (0..width * height).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            least + ((state >> 16) % (u32::from(range) + 1)) as u8
        });
        Plane::new(width, height, samples.collect()).unwrap()
    }

    #[test]
    fn samples_stay_near_the_range_around_them() {
        for scale in 2..=4 {
            for (width, height) in [(1, 1), (1, 6), (4, 2), (9, 7)] {
                let lr = noise(width, height, 90, 30);
                let mut enhanced = noise(width * scale, height * scale, 0, 255);
                let expected = limited(&enhanced, &lr, scale);
                limit(&mut enhanced, &lr);
                assert_eq!(enhanced.samples(), expected, "{width}x{height} x{scale}");
            }
        }
    }

    #[test]
    fn bicubic_is_within() {
        for scale in 2..=4 {
            let checkers = (0..64 * 48).map(|i| if (i % 64 / 3 + i / 64 / 3) % 2 == 0 { 60 } else { 190 }).collect();
            for lr in [noise(64, 48, 0, 255), noise(64, 48, 100, 3), Plane::new(64, 48, checkers).unwrap()] {
                let mut enlarged = bicubic(&lr, scale);
                limit(&mut enlarged, &lr);
                assert_eq!(enlarged, bicubic(&lr, scale));
            }
        }
    }
}
