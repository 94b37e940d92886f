//! The trainer offline: pairs from files in, general weights out. Same learner, same tiles, same measure.

mod figures;
mod pairs;
mod pool;

use std::{
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::Args;
use general_weights::{Progress, Said, Training};
use rand::{SeedableRng, rngs::StdRng};
use settings::PretrainSettings;
use sr_model::Learner;
use sr_net::{Network, Precision, Weights};

use self::{
    figures::{measure, measure_by_coding},
    pairs::{Codings, read_pairs},
    pool::Pool,
};
use crate::{learning::loss_of, tile::TileShape};

/// Where `acuity pretrain` left the pairs, and where the weights go.
#[derive(Args, Debug)]
pub struct PretrainFiles {
    /// Pairs to train on: length-delimited TrainingPatch messages, each with its coding as the publisher's session
    #[arg(long, value_name = "FILE")]
    pub pairs: PathBuf,
    /// Pairs to measure on
    #[arg(long, value_name = "FILE")]
    pub held_out: PathBuf,
    /// Weights to write (safetensors, f16)
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Measuring takes no more than one part in so many of the time, however slow the machine is.
const PROGRESS_SHARE: u32 = 20;
/// Held-out pairs of each coding that a progress line is measured on.
const PROGRESS_PAIRS: usize = 12;

/// Trains, writes the weights, and says on standard output how it goes, in lines of JSON ([`Said`]).
///
/// # Errors
/// When there is nothing to train or to measure on, or a file fails.
pub fn pretrain(settings: &PretrainSettings, files: &PretrainFiles) -> anyhow::Result<()> {
    let shape = &settings.network;
    let network = Network::new(settings.scale, shape.unshuffle, shape.features, shape.layers)?;
    let device = sr_model::open_device(&settings.device)?;
    let precision = sr_model::choose_precision(network, device, settings.threads)?;
    tch::set_num_threads(i32::try_from(settings.threads.max(1)).unwrap_or(1));

    let held_out = read_pairs(&files.held_out, network.scale)?;
    ensure!(held_out.len() > 0, "there are no pairs to measure on");
    let pool = Pool::new(read_pairs(&files.pairs, network.scale)?);
    ensure!(!pool.is_empty(), "there are no pairs to train on");

    let learner = Learner::from_bicubic(network, settings.seed, device).with_precision(precision);
    let mut run =
        Run { settings, pool: &pool, sample: held_out.sample(PROGRESS_PAIRS), learner, started: Instant::now() };
    run.train()?;
    let bytes: Bytes = run.learner.weights().to_safetensors(Precision::F16).into();
    std::fs::write(&files.out, &bytes).with_context(|| format!("writing {}", files.out.display()))?;

    let weights = Weights::from_safetensors(&std::fs::read(&files.out)?, network)?;
    let training = Training {
        steps: run.learner.step(),
        seconds: run.started.elapsed().as_secs_f64().round(),
        seed: settings.seed,
        pairs: pool.len(),
        held_out: measure("all", held_out.examples(), &weights),
        held_out_by_coding: measure_by_coding(&held_out, &weights),
    };
    say(&Said::Done(training))
}

struct Run<'a> {
    settings: &'a PretrainSettings,
    pool: &'a Pool,
    sample: Codings,
    learner: Learner,
    started: Instant,
}

impl Run<'_> {
    fn train(&mut self) -> anyhow::Result<()> {
        let (tiles, loss) = (TileShape::new(self.learner.network()), loss_of(self.settings.loss));
        let mut random = StdRng::seed_from_u64(self.settings.seed);
        let (mut say_at, mut losses) = (self.started + PROGRESS_INTERVAL, Vec::new());
        loop {
            let done = self.done();
            if done >= 1.0 {
                return Ok(());
            }
            let drawn = self.pool.draw(self.settings.batch.max(1) as usize, &mut random);
            let mut batch = tiles.batch(drawn.iter().map(|(example, _)| *example), &mut random);
            batch.weigh(drawn.iter().map(|(_, weight)| *weight));
            losses.push(self.learner.train(&batch, loss, learning_rate(self.settings.learning_rate, done)));
            ensure!(
                losses.last().is_some_and(|loss| loss.is_finite()),
                "the loss is not finite: use a lower --learning-rate"
            );
            if Instant::now() >= say_at {
                let measuring = Instant::now();
                let loss = losses.iter().sum::<f64>() / losses.len() as f64;
                losses.clear();
                say(&Said::Progress(Progress {
                    done,
                    step: self.learner.step(),
                    loss,
                    gain_db: self.sample_gain_db(),
                }))?;
                say_at = Instant::now() + PROGRESS_INTERVAL.max(PROGRESS_SHARE * measuring.elapsed());
            }
        }
    }

    /// 0 to 1, by steps or by the clock.
    fn done(&self) -> f64 {
        match self.settings.seconds {
            Some(seconds) => self.started.elapsed().as_secs_f64() / seconds,
            None => self.learner.step() as f64 / self.settings.steps.max(1) as f64,
        }
    }

    fn sample_gain_db(&self) -> f64 {
        let by_coding = measure_by_coding(&self.sample, &self.learner.weights());
        by_coding.iter().map(general_weights::Figure::gain_db).sum::<f64>() / by_coding.len() as f64
    }
}

/// A short rise, so that Adam knows the gradients' size before it takes large steps, then a cosine down to nothing.
fn learning_rate(highest: f64, done: f64) -> f64 {
    const RISE: f64 = 0.02;
    let fall = 0.5 + 0.5 * (std::f64::consts::PI * done.clamp(0.0, 1.0)).cos();
    highest * fall * (done / RISE).clamp(0.01, 1.0)
}

fn say(said: &Said) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    serde_json::to_writer(&mut output, said)?;
    output.write_all(b"\n")?;
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
