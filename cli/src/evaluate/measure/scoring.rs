//! Compares pictures with the clip, on a few threads of their own, while others decode.

use std::{
    panic,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use anyhow::Context;
use sr_net::{Plane, Reference};

use super::super::report::{Renditions, Systems};

/// Luma of one frame that was due.
#[derive(Debug)]
pub(crate) struct Job {
    /// Which of the frames due
    pub(crate) due: usize,
    pub(crate) reference: Plane,
    /// `None`: not both viewers have this frame.
    pub(crate) compared: Option<Compared>,
    /// What is on the screens; `None` before the first picture.
    pub(crate) on_screen: Renditions<Option<Arc<Plane>>>,
}

#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) systems: Systems<Arc<Plane>>,
    /// The received source as it came, for other kinds of bicubic
    pub(crate) lr: Plane,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Closeness {
    pub(crate) mse: f64,
    pub(crate) ssim: f64,
}

/// What is known of one frame that was due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    pub(crate) due: usize,
    pub(crate) compared: Option<Systems<Closeness>>,
    /// MSE of [`SHARPER`]; with `compared`
    pub(crate) sharper_mse: Option<f64>,
    /// MSE of what is on the screens
    pub(crate) on_screen: Renditions<Option<f64>>,
}

/// Keys' parameter of the other common bicubic.
pub(crate) const SHARPER: f32 = -0.75;
/// Pictures that wait bound the memory.
const WAITING: usize = 3;

/// Scores all that `produce` gives to it, on `threads` threads, in any order. What `produce` returns comes back too.
pub(crate) fn score_all<T>(
    threads: usize,
    produce: impl FnOnce(&SyncSender<Job>) -> anyhow::Result<T>,
) -> anyhow::Result<(Vec<Score>, T)> {
    let (jobs, waiting) = sync_channel(WAITING);
    let (waiting, scores) = (Mutex::new(waiting), Mutex::new(Vec::new()));
    let produced = thread::scope(|scope| {
        let work = || {
            while let Some(job) = next(&waiting) {
                let score = score(&job);
                scores.lock().expect("nothing panics with the scores locked").push(score);
            }
        };
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let produced = produce(&jobs);
        drop(jobs);
        for worker in workers {
            worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
        }
        produced.context("decoding the pictures")
    })?;
    Ok((scores.into_inner().expect("nothing panics with the scores locked"), produced))
}

fn next(waiting: &Mutex<Receiver<Job>>) -> Option<Job> {
    waiting.lock().expect("nothing panics with the queue locked").recv().ok()
}

fn score(job: &Job) -> Score {
    let reference = Reference::new(job.reference.clone());
    let closeness = |plane: &Arc<Plane>| Closeness { mse: reference.mse(plane), ssim: reference.ssim(plane) };
    let compared = job.compared.as_ref().map(|compared| compared.systems.each_ref().map(closeness));
    let sharper = job.compared.as_ref().map(|compared| {
        let scale = job.reference.width() / compared.lr.width().max(1);
        reference.mse(&sr_net::bicubic_of(&compared.lr, scale, SHARPER))
    });
    let on_screen = job.on_screen.each_ref().map(|plane| plane.as_ref().map(|plane| reference.mse(plane)));
    Score { due: job.due, compared, sharper_mse: sharper, on_screen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_scored_whatever_thread_has_it() {
        let flat = |sample| Arc::new(Plane::filled(32, 16, sample));
        let scores = score_all(3, |jobs| {
            for due in 0..20 {
                let systems = Systems {
                    bicubic: flat(98),
                    enhanced: flat(99),
                    bicubic_encoded: flat(97),
                    direct: flat(100),
                    bicubic_full: flat(96),
                };
                let compared = (due % 2 == 0).then(|| Compared { systems, lr: Plane::filled(16, 8, 98) });
                let on_screen = Renditions { source: Some(flat(90)), enhanced: None };
                jobs.send(Job { due, reference: Plane::filled(32, 16, 100), compared, on_screen })?;
            }
            Ok(())
        });
        let (mut scores, ()) = scores.unwrap();
        scores.sort_by_key(|score| score.due);
        assert_eq!(scores.len(), 20);
        let of_second = scores[2].compared.unwrap();
        assert_eq!(of_second.map(|closeness| closeness.mse).enhanced, 1.0);
        assert_eq!((of_second.direct.mse, scores[2].sharper_mse), (0.0, Some(4.0)));
        assert!((of_second.direct.ssim - 1.0).abs() < 1e-5 && of_second.bicubic.ssim < 1.0);
        assert_eq!(scores[3].compared, None);
        assert_eq!(scores[3].on_screen, Renditions { source: Some(100.0), enhanced: None });
    }

    #[test]
    fn what_cannot_be_decoded_ends_the_work() {
        assert!(score_all(2, |_| -> anyhow::Result<()> { anyhow::bail!("damaged") }).is_err());
    }
}
