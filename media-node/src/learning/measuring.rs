//! Measures the stream's own checkpoint and the general weights on each pair, for the guard and the gain. Where
//! measuring is slower than pairs come, the newest count: a verdict on old ones would come too late.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use telemetry::prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};

use super::{desk::Desk, pair::Pair, registry::Live};

/// Pairs that wait to be measured.
const MOST_WAITING: usize = 32;
/// And how long: a small part of what the live guard has for its verdict.
const MOST_AGE: Duration = Duration::from_secs(1);

/// Until no more pairs come. `unmeasured` counts those that were too many, or waited too long.
pub(super) async fn measure_pairs(desk: Desk, mut pairs: mpsc::Receiver<Arc<Pair>>, unmeasured: Counter) {
    let mut waiting = Waiting::default();
    // At most one.
    let mut measuring = JoinSet::new();
    loop {
        tokio::select! {
            pair = pairs.recv() => {
                let Some(pair) = pair else { return };
                unmeasured.inc_by(waiting.push(desk.now(), pair));
            }
            Some(measured) = measuring.join_next() => record(&desk, measured),
        }
        if measuring.is_empty() {
            let (next, too_old) = waiting.next(desk.now());
            unmeasured.inc_by(too_old);
            if let Some(pair) = next {
                let at_hand = desk.update(|registry, _| registry.at_hand());
                measuring.spawn_blocking(move || {
                    let mse = |weights: &Live| (weights.checkpoint.version, pair.planes.mse(&weights.weights));
                    Measured { measured: at_hand.iter().map(mse).collect(), pair }
                });
            }
        }
    }
}

struct Measured {
    pair: Arc<Pair>,
    /// The versions that were at hand, and their mean squared errors.
    measured: Vec<(u64, f64)>,
}

fn record(desk: &Desk, measured: Result<Measured, JoinError>) {
    match measured {
        Ok(Measured { pair, measured }) => desk.update(|registry, now| registry.handle_measured(now, &pair, &measured)),
        Err(error) => tracing::error!(%error, "measuring a pair"),
    }
}

/// What waits to be measured, oldest first, with when it came.
#[derive(Debug)]
struct Waiting<T>(VecDeque<(Duration, T)>);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Waiting<T> {
    /// How many gave way: the oldest, when there are too many.
    fn push(&mut self, now: Duration, item: T) -> u64 {
        self.0.push_back((now, item));
        let gone = self.0.len().saturating_sub(MOST_WAITING);
        self.0.drain(..gone);
        gone as u64
    }

    /// The oldest that is young enough, and how many were not.
    fn next(&mut self, now: Duration) -> (Option<T>, u64) {
        let too_old = self.0.partition_point(|(came, _)| now.saturating_sub(*came) > MOST_AGE);
        self.0.drain(..too_old);
        (self.0.pop_front().map(|(_, item)| item), too_old as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_slowly_is_measured_in_its_order() {
        let mut waiting = Waiting::default();
        for second in 0..5 {
            let now = Duration::from_secs(second);
            assert_eq!((waiting.push(now, second), waiting.next(now)), (0, (Some(second), 0)));
        }
        assert_eq!(waiting.next(Duration::from_secs(5)), (None, 0));
    }

    #[test]
    fn of_too_many_the_oldest_give_way() {
        let mut waiting = Waiting::default();
        let gone: u64 = (0..40).map(|index| waiting.push(Duration::ZERO, index)).sum();
        assert_eq!((gone, waiting.next(Duration::ZERO)), (8, (Some(8), 0)));
    }

    #[test]
    fn under_overload_no_pair_is_older_than_the_bound_and_each_is_measured_or_counted() {
        let (mut waiting, mut measured, mut dropped) = (Waiting::default(), 0, 0);
        // Twenty come each second, four are measured.
        for tick in 0..2_000_u64 {
            let now = Duration::from_millis(50 * tick);
            dropped += waiting.push(now, now);
            if tick % 5 == 0 {
                let (next, too_old) = waiting.next(now);
                dropped += too_old;
                measured += 1;
                assert!(next.is_some_and(|came| now - came <= MOST_AGE), "{next:?} at {now:?}");
            }
        }
        assert_eq!((measured, measured + dropped + waiting.0.len() as u64), (400, 2_000));
    }
}
