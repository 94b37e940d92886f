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
    #[must_use]
    pub fn crop_for_scale(&self, _scale: usize) -> Picture {
        todo!()
    }

    /// Down-scaled by `scale` in both directions with area averaging (swscale SWS_AREA). Sides must be multiples of
    /// `2 * scale`.
    #[must_use]
    pub fn area_downscale(&self, _scale: usize) -> Picture {
        todo!()
    }
}
