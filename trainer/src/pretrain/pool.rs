//! What is trained on, drawn so that no clip and no rate outweighs another.

use rand::{Rng, RngExt};

use super::pairs::Codings;
use crate::example::Example;

#[derive(Debug)]
pub(super) struct Pool(Vec<Coding>);

#[derive(Debug)]
struct Coding {
    examples: Vec<Example>,
    /// Errors of a coding count in proportion to those of its bicubic: decibels are what is to be gained.
    weight: f32,
}

/// Luma, 0 to 255. Where bicubic is nearly right there is nothing to gain.
const LEAST_MSE: f64 = 2.0;

impl Pool {
    pub(super) fn new(codings: Codings) -> Self {
        let known = |examples: &Vec<Example>| !examples.is_empty();
        let mut codings: Vec<Coding> = codings.0.into_values().filter(known).map(Coding::new).collect();
        let mean = codings.iter().map(|coding| coding.weight).sum::<f32>() / codings.len() as f32;
        codings.iter_mut().for_each(|coding| coding.weight /= mean);
        Self(codings)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|coding| coding.examples.len()).sum()
    }

    /// Each from a coding at random, any of its examples, with the weight of its squared error.
    pub(super) fn draw(&self, count: usize, random: &mut impl Rng) -> Vec<(&Example, f32)> {
        let mut pick = || {
            let coding = &self.0[random.random_range(0..self.0.len())];
            (&coding.examples[random.random_range(0..coding.examples.len())], coding.weight)
        };
        (0..count).map(|_| pick()).collect()
    }
}

impl Coding {
    fn new(examples: Vec<Example>) -> Self {
        let mse = examples.iter().map(|example| example.pair.bicubic_mse()).sum::<f64>() / examples.len() as f64;
        Self { weight: (1.0 / mse.max(LEAST_MSE)) as f32, examples }
    }
}
