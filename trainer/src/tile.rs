//! Cuts examples into tiles of one size for a batch.
//!
//! A tile holds the patch and as much context as the network sees, so that what the network computes inside the patch
//! is what it computes in the whole picture. At the picture's own border the tile ends where the picture ends: zero
//! padding is then the same too.

use std::ops::Range;

use rand::{Rng, RngExt};
use sr_model::Batch;
use sr_net::Network;

use crate::example::Example;

/// Side of the part of a patch that one step learns from, in HR pixels.
const PATCH_PIXELS: usize = 96;
/// LR cuts have no more context than this.
const MARGIN: usize = 8;

/// Sizes in LR pixels, all multiples of the network's unshuffle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TileShape {
    unshuffle: usize,
    scale: usize,
    patch: usize,
    /// How far the network sees.
    reach: usize,
}

impl TileShape {
    pub(crate) fn new(network: Network) -> Self {
        let reach = (network.layers * network.unshuffle).min(MARGIN);
        Self { unshuffle: network.unshuffle, scale: network.scale, patch: PATCH_PIXELS / network.scale, reach }
    }

    pub(crate) fn side(&self) -> usize {
        self.patch + 2 * self.reach
    }

    /// Tiles of `examples`, each from a random place of its patch and turned at random.
    pub(crate) fn batch<'a>(&self, examples: impl Iterator<Item = &'a Example>, random: &mut impl Rng) -> Batch {
        let mut batch = Batch { side: self.side(), ..Batch::default() };
        for example in examples {
            let [columns, rows] = self.axes(example).map(|axis| self.cut(axis, random));
            self.append(example, &columns, &rows, &mut batch);
        }
        batch
    }

    fn axes(&self, example: &Example) -> [Axis; 2] {
        let (pair, axis) = (&example.pair, |cut, margin, patch| Axis { cut, margin, patch: patch / self.scale });
        let [left, top] = pair.margins();
        [axis(pair.lr().width(), left, pair.hr().width()), axis(pair.lr().height(), top, pair.hr().height())]
    }

    fn cut(&self, axis: Axis, random: &mut impl Rng) -> Cut {
        let length = axis.patch.min(self.patch);
        let places = (axis.patch - length) / self.unshuffle;
        let place = random.random_range(0..=places) * self.unshuffle;
        self.cut_at(axis, place, length, random.random())
    }

    /// The tile around `length` pixels that begin `place` pixels into the patch.
    fn cut_at(&self, axis: Axis, place: usize, length: usize, mirrored: bool) -> Cut {
        let start = axis.margin + place;
        let origin = if start < self.reach {
            0 // the picture begins here
        } else if axis.cut - start - length < self.reach {
            axis.cut as isize - self.side() as isize // and ends here
        } else {
            start as isize - self.reach as isize
        };
        Cut { origin, margin: axis.margin, wanted: start..start + length, side: self.side(), mirrored }
    }

    fn append(&self, example: &Example, columns: &Cut, rows: &Cut, batch: &mut Batch) {
        let (lr, hr) = (example.pair.lr(), example.pair.hr());
        let (last_column, last_row) = (lr.width() as isize - 1, lr.height() as isize - 1);
        let sources: Vec<usize> = (0..self.side()).map(|x| columns.source(x).clamp(0, last_column) as usize).collect();
        for y in 0..self.side() {
            let row = lr.row(rows.source(y).clamp(0, last_row) as usize);
            batch.lr.extend(sources.iter().map(|&x| f32::from(row[x]) / 255.0));
        }
        let (side, tile) = (self.side() * self.scale, batch.residual.len());
        batch.residual.resize(tile + side * side, 0.0);
        batch.counts.resize(tile + side * side, 0.0);
        let (from, to) = (columns.patch_range(self.scale), columns.tile_range(self.scale));
        for (source, target) in rows.patch_range(self.scale).zip(rows.tile_range(self.scale)) {
            let target = if rows.mirrored { rows.mirror(target, self.scale) } else { target };
            let target = tile + target * side + to.start..tile + target * side + to.end;
            let residual = &mut batch.residual[target.clone()];
            residual.copy_from_slice(&example.residual[source * hr.width()..][from.clone()]);
            if columns.mirrored {
                residual.reverse();
            }
            batch.counts[target].fill(1.0);
        }
    }
}

/// One axis of an example in LR pixels: the length of the cut, where the patch begins in it, and how long that is.
#[derive(Clone, Copy, Debug)]
struct Axis {
    cut: usize,
    margin: usize,
    patch: usize,
}

/// One axis of a tile: which pixels of the cut it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cut {
    /// Where the tile begins in the cut; may be outside.
    origin: isize,
    margin: usize,
    /// The part of the cut that is learnt from.
    wanted: Range<usize>,
    side: usize,
    mirrored: bool,
}

impl Cut {
    /// The position in the cut of a position in the tile.
    fn source(&self, position: usize) -> isize {
        let position = if self.mirrored { self.side - 1 - position } else { position };
        self.origin + position as isize
    }

    /// What is learnt from, in the HR patch.
    fn patch_range(&self, scale: usize) -> Range<usize> {
        (self.wanted.start - self.margin) * scale..(self.wanted.end - self.margin) * scale
    }

    /// Where that lies in the upscaled tile.
    fn tile_range(&self, scale: usize) -> Range<usize> {
        let place = |position: usize| position.saturating_add_signed(-self.origin) * scale;
        let (start, end) = (place(self.wanted.start), place(self.wanted.end));
        if self.mirrored { self.side * scale - end..self.side * scale - start } else { start..end }
    }

    /// A position in the upscaled tile, counted from the other end of [`Self::tile_range`].
    fn mirror(&self, position: usize, scale: usize) -> usize {
        let range = self.tile_range(scale);
        range.start + range.end - 1 - position
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};
    use sr_net::{Convolution, Weights, forward, upsample};

    use super::*;
    use crate::example::tests::patch;

    const SHAPE: TileShape = TileShape { unshuffle: 1, scale: 2, patch: 48, reach: 5 };

    #[test]
    fn the_tile_is_the_patch_and_what_the_network_sees_around_it() {
        assert_eq!(TileShape::new(Network::DEFAULT_X2), SHAPE);
        assert_eq!(SHAPE.side(), 58);
        assert_eq!(TileShape::new(Network::new(3, 2, 16, 6).unwrap()).side(), 32 + 2 * 8);
    }

    #[test]
    fn a_tile_ends_where_the_picture_ends() {
        let origin = |cut, margin, patch| SHAPE.cut_at(Axis { cut, margin, patch }, 0, 48, false).origin;
        assert_eq!(origin(8 + 48 + 8, 8, 48), 3, "inside the picture");
        assert_eq!(origin(48 + 8, 0, 48), 0, "at its left edge");
        assert_eq!(origin(2 + 48 + 8, 2, 48), 0, "close to its left edge");
        assert_eq!(origin(8 + 48, 8, 48), -2, "at its right edge");
    }

    fn some_weights(network: Network) -> Weights {
        let mut weights = Weights::zero(network);
        for Convolution { weight, bias } in &mut weights.convolutions {
            for (index, value) in weight.iter_mut().chain(bias).enumerate() {
                *value = ((index * 7919 % 101) as f32 / 101.0 - 0.45) * 0.2;
            }
        }
        weights
    }

    /// What the network adds inside the patch is the same for the tile as for the cut, wherever the patch lies.
    #[test]
    fn inside_the_patch_a_tile_computes_what_the_picture_does() {
        let weights = some_weights(Network::DEFAULT_X2);
        let detail = |lr: &[f32], width: usize| {
            let height = lr.len() / width;
            let skip = upsample(lr, width, height, 2);
            forward(&weights, lr, width, height).iter().zip(skip).map(|(all, skip)| all - skip).collect::<Vec<f32>>()
        };
        for margins in [[8, 8, 8, 8], [0, 0, 8, 8], [8, 8, 0, 0], [0, 8, 8, 0], [8, 2, 4, 8]] {
            let example = Example::new(&patch(0, 0, 96, margins), 2).unwrap();
            let [columns, rows] = SHAPE.axes(&example).map(|axis| SHAPE.cut_at(axis, 0, 48, false));
            let mut batch = Batch { side: 58, ..Batch::default() };
            SHAPE.append(&example, &columns, &rows, &mut batch);

            let lr = example.pair.lr();
            let unit: Vec<f32> = lr.samples().iter().map(|&sample| f32::from(sample) / 255.0).collect();
            let (whole, tile) = (detail(&unit, lr.width()), detail(&batch.lr, 58));
            let mut compared = 0;
            for (index, _) in batch.counts.iter().enumerate().filter(|(_, counts)| **counts == 1.0) {
                let place = |cut: &Cut, position: usize| (2 * cut.origin + position as isize) as usize;
                let (x, y) = (place(&columns, index % 116), place(&rows, index / 116));
                assert!((tile[index] - whole[y * lr.width() * 2 + x]).abs() < 1e-5, "{margins:?} at {x}, {y}");
                let inside = (y - rows.margin * 2) * 96 + x - columns.margin * 2;
                assert_eq!(batch.residual[index], example.residual[inside]);
                compared += 1;
            }
            assert_eq!(compared, 96 * 96, "{margins:?}");
        }
    }

    #[test]
    fn patches_of_any_size_fill_tiles_of_one_size() {
        let mut random = StdRng::seed_from_u64(1);
        for side in [4, 32, 96, 128, 200] {
            let example = Example::new(&patch(0, 0, side, [8; 4]), 2).unwrap();
            let batch = SHAPE.batch([&example, &example].into_iter(), &mut random);
            let counting = batch.counts.iter().sum::<f32>() as u32;
            assert_eq!((batch.lr.len(), counting), (2 * 58 * 58, 2 * side.min(96).pow(2)), "{side}");
        }
    }

    #[test]
    fn a_mirrored_tile_is_the_plain_one_backwards() {
        let example = Example::new(&patch(0, 0, 96, [8, 2, 0, 8]), 2).unwrap();
        let tile = |mirrored: [bool; 2]| {
            let [columns, rows] = [0, 1].map(|axis| SHAPE.cut_at(SHAPE.axes(&example)[axis], 0, 48, mirrored[axis]));
            let mut batch = Batch { side: 58, ..Batch::default() };
            SHAPE.append(&example, &columns, &rows, &mut batch);
            batch
        };
        fn turned(plane: &[f32], side: usize, [columns, rows]: [bool; 2]) -> Vec<f32> {
            let mut lines: Vec<Vec<f32>> = plane.chunks(side).map(<[f32]>::to_vec).collect();
            if columns {
                lines.iter_mut().for_each(|line| line.reverse());
            }
            if rows {
                lines.reverse();
            }
            lines.concat()
        }
        let plain = tile([false; 2]);
        for mirrored in [[true, false], [false, true], [true, true]] {
            let expected = Batch {
                side: 58,
                lr: turned(&plain.lr, 58, mirrored),
                residual: turned(&plain.residual, 116, mirrored),
                counts: turned(&plain.counts, 116, mirrored),
            };
            assert!(tile(mirrored) == expected, "{mirrored:?}");
        }
    }
}
