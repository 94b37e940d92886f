//! What is trained on, drawn so that no clip and no rate outweighs another.

use rand::{Rng, RngExt};

use super::pairs::Codings;
use crate::example::Example;

#[derive(Debug)]
pub(super) struct Pool(Vec<Vec<Example>>);

impl Pool {
    pub(super) fn new(codings: Codings) -> Self {
        Self(codings.0.into_values().filter(|examples| !examples.is_empty()).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Each from a coding at random, any of its examples.
    pub(super) fn draw(&self, count: usize, random: &mut impl Rng) -> Vec<&Example> {
        let mut pick = || {
            let coding = &self.0[random.random_range(0..self.0.len())];
            &coding[random.random_range(0..coding.len())]
        };
        (0..count).map(|_| pick()).collect()
    }
}
