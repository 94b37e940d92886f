//! One plane of 8-bit samples.

/// `width * height` samples, row by row, without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Plane {
    width: usize,
    height: usize,
    samples: Vec<u8>,
}

impl Plane {
    /// `None` when `samples` is not `width * height` long.
    #[must_use]
    pub fn new(width: usize, height: usize, samples: Vec<u8>) -> Option<Self> {
        (width.checked_mul(height) == Some(samples.len())).then_some(Self { width, height, samples })
    }

    #[must_use]
    pub fn filled(width: usize, height: usize, sample: u8) -> Self {
        Self { width, height, samples: vec![sample; width * height] }
    }

    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    #[must_use]
    pub fn samples(&self) -> &[u8] {
        &self.samples
    }

    pub fn samples_mut(&mut self) -> &mut [u8] {
        &mut self.samples
    }

    #[must_use]
    pub fn into_samples(self) -> Vec<u8> {
        self.samples
    }

    /// Panics when `y` is outside.
    #[must_use]
    pub fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.width..][..self.width]
    }

    /// The `width * height` samples at (`x`, `y`); `None` when they are not all inside.
    #[must_use]
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Option<Self> {
        if x.checked_add(width)? > self.width || y.checked_add(height)? > self.height {
            return None;
        }
        let samples = (y..y + height).flat_map(|row| &self.row(row)[x..x + width]).copied().collect();
        Some(Self { width, height, samples })
    }
}

impl std::fmt::Debug for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plane({}x{})", self.width, self.height)
    }
}
