//! Pictures in memory: 8-bit YUV 4:2:0, limited range, three planes.

use sr_net::Plane;

/// Luma `width * height`, chroma of half the size in both directions (rounded up).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub y: Plane,
    pub u: Plane,
    pub v: Plane,
}

/// A picture with its time in ticks of the stream's 90 kHz clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoFrame {
    pub timestamp: u64,
    pub picture: Picture,
}

impl Picture {
    #[must_use]
    pub fn width(&self) -> usize {
        self.y.width()
    }

    #[must_use]
    pub fn height(&self) -> usize {
        self.y.height()
    }

    /// Centre-cropped so that both sides are multiples of `2 * scale`: the HR picture every measurement refers to.
    /// Offsets are even, so that chroma stays where it was.
    #[must_use]
    pub fn crop_for_scale(&self, scale: usize) -> Picture {
        let unit = 2 * scale;
        let (width, height) = (self.width() / unit * unit, self.height() / unit * unit);
        if (width, height) == (self.width(), self.height()) {
            return self.clone();
        }
        let (x, y) = ((self.width() - width) / 4 * 2, (self.height() - height) / 4 * 2);
        let crop = |plane: &Plane, part: usize| {
            plane.crop(x / part, y / part, width / part, height / part).expect("a crop is inside its picture")
        };
        Picture { y: crop(&self.y, 1), u: crop(&self.u, 2), v: crop(&self.v, 2) }
    }

    /// Down-scaled by `scale` in both directions with area averaging, rounded half up: what swscale calls SWS_AREA.
    /// Sides must be multiples of `2 * scale`; what is over is left out.
    #[must_use]
    pub fn area_downscale(&self, scale: usize) -> Picture {
        Picture {
            y: area_downscale(&self.y, scale),
            u: area_downscale(&self.u, scale),
            v: area_downscale(&self.v, scale),
        }
    }
}

fn area_downscale(plane: &Plane, scale: usize) -> Plane {
    let (width, height) = (plane.width() / scale, plane.height() / scale);
    let area = (scale * scale) as u32;
    let mut samples = Vec::with_capacity(width * height);
    let mut sums = vec![0u32; width];
    for y in 0..height {
        sums.fill(0);
        for row in y * scale..(y + 1) * scale {
            for (sum, block) in sums.iter_mut().zip(plane.row(row).chunks_exact(scale)) {
                *sum += block.iter().map(|&sample| u32::from(sample)).sum::<u32>();
            }
        }
        samples.extend(sums.iter().map(|sum| ((sum + area / 2) / area) as u8));
    }
    Plane::new(width, height, samples).expect("each row has the plane's width")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize) -> Picture {
        let plane = |width: usize, height: usize| {
            let samples = (0..width * height).map(|i| ((i % width) * 3 + (i / width) * 5) as u8).collect();
            Plane::new(width, height, samples).unwrap()
        };
        Picture {
            y: plane(width, height),
            u: plane(width.div_ceil(2), height.div_ceil(2)),
            v: plane(width.div_ceil(2), height.div_ceil(2)),
        }
    }

    #[test]
    fn a_crop_has_sides_of_whole_blocks_and_chroma_of_half_of_them() {
        for (size, scale, expected) in [
            ((854, 480), 2, (852, 480)),
            ((854, 480), 3, (852, 480)),
            ((768, 432), 4, (768, 432)),
            ((639, 361), 2, (636, 360)),
        ] {
            let cropped = picture(size.0, size.1).crop_for_scale(scale);
            assert_eq!((cropped.width(), cropped.height()), expected);
            assert_eq!((cropped.u.width(), cropped.v.height()), (expected.0 / 2, expected.1 / 2));
        }
    }

    #[test]
    fn a_crop_is_taken_from_the_centre() {
        let whole = picture(854, 486);
        let cropped = whole.crop_for_scale(4);
        assert_eq!((cropped.width(), cropped.height()), (848, 480));
        assert_eq!(cropped.y.row(0)[0], whole.y.row(2)[2]);
        assert_eq!(cropped.u.row(0)[0], whole.u.row(1)[1]);
    }

    #[test]
    fn a_sample_of_a_smaller_picture_is_the_mean_of_its_block() {
        let plane = Plane::new(4, 2, vec![0, 1, 10, 20, 1, 0, 30, 41]).unwrap();
        assert_eq!(area_downscale(&plane, 2).samples(), [1, 25]);
        let flat = picture(48, 48).area_downscale(3);
        assert_eq!((flat.width(), flat.u.width()), (16, 8));
    }
}
