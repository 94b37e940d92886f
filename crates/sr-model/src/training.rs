//! A network that learns, and what it takes to go on after its death.

use sr_net::{Network, Weights};
use tch::{Device, Kind, Tensor};

use crate::{
    Precision,
    adam::Adam,
    inference::channels_last,
    wide::{WideNetwork, parameter_count, values},
};

/// What a step minimises, over the samples that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    SquaredError,
    AbsoluteError,
    /// √(error² + ε²) with ε = 0.001 of the range of luma.
    Charbonnier,
}

/// Tiles for one step, all of `side` LR pixels, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// A multiple of the network's unshuffle.
    pub side: usize,
    /// LR luma, 0 to 1: `count * side²` values.
    pub lr: Vec<f32>,
    /// What bicubic lacks, HR − bicubic, −1 to 1: `count * (scale * side)²` values.
    pub residual: Vec<f32>,
    /// 1 where a sample counts, 0 elsewhere: like `residual`.
    pub counts: Vec<f32>,
}

impl Batch {
    /// The squared errors of each tile count so much.
    pub fn weigh(&mut self, weights: impl ExactSizeIterator<Item = f32>) {
        let tile = self.counts.len() / weights.len().max(1);
        for (counts, weight) in self.counts.chunks_mut(tile.max(1)).zip(weights) {
            // The error is multiplied by it before it is squared.
            let factor = weight.sqrt();
            counts.iter_mut().for_each(|count| *count *= factor);
        }
    }
}

/// The network, its optimiser, and where they are.
#[derive(Debug)]
pub struct Learner {
    wide: WideNetwork,
    adam: Adam,
    device: Device,
    precision: Precision,
}

/// Everything a learner is, as plain numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnerState {
    pub network: Network,
    pub step: u64,
    pub parameters: Vec<f32>,
    pub first_moment: Vec<f32>,
    pub second_moment: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("the state holds {found} {part} instead of {expected}")]
    Length { part: &'static str, found: usize, expected: usize },
    #[error("the state holds {0} that are not finite")]
    NotFinite(&'static str),
}

impl Learner {
    /// Exact bicubic, ready to learn. `threads` of libtorch are set for the calling thread: train in that one.
    #[must_use]
    pub fn from_bicubic(network: Network, seed: u64, device: Device) -> Self {
        Self::new(WideNetwork::random(network, seed, device), device)
    }

    /// Goes on from published weights; the optimiser starts anew.
    ///
    /// # Panics
    /// When the weights are not those of their network.
    #[must_use]
    pub fn from_weights(weights: &Weights, seed: u64, device: Device) -> Self {
        Self::new(WideNetwork::from_weights(weights, seed, device), device)
    }

    /// Goes on where [`Self::state`] was taken.
    ///
    /// # Errors
    /// When the numbers are not those of the network, or not finite.
    pub fn from_state(state: &LearnerState, device: Device) -> Result<Self, StateError> {
        let expected = parameter_count(state.network);
        let parts = [
            ("parameters", &state.parameters),
            ("first moments", &state.first_moment),
            ("second moments", &state.second_moment),
        ];
        for (part, numbers) in parts {
            if numbers.len() != expected {
                return Err(StateError::Length { part, found: numbers.len(), expected });
            }
            if !numbers.iter().all(|number| number.is_finite()) {
                return Err(StateError::NotFinite(part));
            }
        }
        let wide = WideNetwork::from_values(state.network, &state.parameters, device);
        let moment = |numbers: &[f32]| Tensor::from_slice(numbers).to_device(device);
        let adam = Adam {
            first_moment: moment(&state.first_moment),
            second_moment: moment(&state.second_moment),
            step: state.step,
        };
        Ok(Self { wide, adam, device, precision: Precision::F32 })
    }

    fn new(wide: WideNetwork, device: Device) -> Self {
        let adam = Adam::new(&wide.parameters);
        Self { wide, adam, device, precision: Precision::F32 }
    }

    /// How the convolutions compute from now on, forward and backward; parameters and optimiser stay in f32.
    /// [`crate::choose_precision`] knows which is faster.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    #[must_use]
    pub fn network(&self) -> Network {
        self.wide.network
    }

    /// Steps since the optimiser started.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.adam.step
    }

    /// The weights to publish.
    #[must_use]
    pub fn weights(&self) -> Weights {
        self.wide.weights()
    }

    #[must_use]
    pub fn state(&self) -> LearnerState {
        LearnerState {
            network: self.wide.network,
            step: self.adam.step,
            parameters: values(&self.wide.parameters),
            first_moment: values(&self.adam.first_moment),
            second_moment: values(&self.adam.second_moment),
        }
    }

    /// One step on one batch; returns the loss before it.
    ///
    /// # Panics
    /// When the batch's lengths do not fit its side and the network's scale.
    pub fn train(&mut self, batch: &Batch, loss: Loss, learning_rate: f64) -> f64 {
        let network = self.wide.network;
        let tiles = |values: &[f32], side: usize, factor: usize| {
            let tensor = Tensor::from_slice(values).view([-1, 1, side as i64, side as i64]).to_device(self.device);
            if factor == 1 { tensor } else { tensor.pixel_unshuffle(factor as i64) }
        };
        let (fine, factor) = (batch.side * network.scale, network.scale * network.unshuffle);
        let detail = self.detail(tiles(&batch.lr, batch.side, network.unshuffle));
        let counts = tiles(&batch.counts, fine, factor);
        let error = (detail - tiles(&batch.residual, fine, factor)) * &counts;
        let total = match loss {
            Loss::SquaredError => error.square(),
            Loss::AbsoluteError => error.abs(),
            Loss::Charbonnier => (error.square() + 1e-6).sqrt(),
        };
        let counting = (batch.counts.iter().filter(|count| **count > 0.0).count() as f64).max(1.0);
        let mean = total.sum(Kind::Float) / counting;
        mean.backward();
        self.adam.step(&mut self.wide.parameters, learning_rate);
        mean.double_value(&[])
    }

    /// [n, u², h, w] to what the network adds to bicubic, [n, (s·u)², h, w], in f32.
    fn detail(&self, channels: Tensor) -> Tensor {
        let (collapsed, kind) = (self.wide.collapse(), self.precision.kind());
        let mut channels = channels.to_kind(kind);
        for (index, (weight, bias)) in collapsed.iter().enumerate() {
            let weight = channels_last(&weight.to_kind(kind)).expect("a view of a tensor of four dimensions");
            channels = channels.conv2d(&weight, Some(bias.to_kind(kind)), 1, 1, 1, 1);
            if index + 1 < collapsed.len() {
                channels = channels.relu();
            }
        }
        channels.to_kind(Kind::Float)
    }
}
