//! Counters that wrap on the wire and never inside.

/// Unwraps a 16-bit counter: each value is taken as the one nearest to the newest seen.
#[derive(Clone, Debug, Default)]
pub struct Unwrap16 {
    newest: Option<u64>,
}

/// Unwraps a 32-bit counter likewise.
#[derive(Clone, Debug, Default)]
pub struct Unwrap32 {
    newest: Option<u64>,
}

impl Unwrap16 {
    /// The first value becomes 2^16 plus itself, so that older ones stay positive.
    pub fn unwrap(&mut self, value: u16) -> u64 {
        unwrap_near(&mut self.newest, u64::from(value), 1 << 16)
    }
}

impl Unwrap32 {
    /// The first value becomes 2^32 plus itself, so that older ones stay positive.
    pub fn unwrap(&mut self, value: u32) -> u64 {
        unwrap_near(&mut self.newest, u64::from(value), 1 << 32)
    }
}

/// The value that ends in these 32 bits and is nearest to `reference`; never below zero.
#[must_use]
pub fn nearest(reference: u64, value: u32) -> u64 {
    nearest_of(reference, u64::from(value), 1 << 32)
}

fn unwrap_near(newest: &mut Option<u64>, value: u64, modulus: u64) -> u64 {
    let reference = *newest.get_or_insert(modulus + value);
    let unwrapped = nearest_of(reference, value, modulus);
    *newest = Some(reference.max(unwrapped));
    unwrapped
}

fn nearest_of(reference: u64, value: u64, modulus: u64) -> u64 {
    let forward = value.wrapping_sub(reference) & (modulus - 1);
    if forward < modulus / 2 { reference.saturating_add(forward) } else { reference.saturating_sub(modulus - forward) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_on_over_its_wrap_and_back() {
        let mut unwrap = Unwrap16::default();
        let first = unwrap.unwrap(65_534);
        assert_eq!(unwrap.unwrap(1), first + 3);
        assert_eq!(unwrap.unwrap(65_535), first + 1);
        assert_eq!(unwrap.unwrap(2), first + 4);
    }
}
