//! Tells one picture from another, bit for bit.

use crate::Plane;

/// 32-bit FNV-1a (Fowler, Noll, Vo) over the samples, row by row; the size is no part of it.
#[must_use]
pub fn digest(plane: &Plane) -> u32 {
    plane.samples().iter().fold(0x811c_9dc5, |hash, &sample| (hash ^ u32::from(sample)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_of_known_words_are_the_published_ones() {
        for (word, expected) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(digest(&Plane::new(word.len(), 1, word.into()).unwrap()), expected, "{word}");
        }
    }

    #[test]
    fn one_sample_that_is_another_by_one_changes_it() {
        let mut plane = Plane::filled(96, 96, 128);
        let before = digest(&plane);
        plane.samples_mut()[4000] += 1;
        assert_ne!(digest(&plane), before);
    }
}
