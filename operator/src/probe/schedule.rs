//! Who is probed when, and what follows. Pure: times are since the start, transaction ids come from outside.
//!
//! ```text
//! new ─ask all addresses▶ any answer ─▶ reachable, asked again each minute
//!                         none       ─▶ asked again after 0.5, 1, 2 … 30 s; unreachable after 3 rounds without an answer
//! ```

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use proto::StreamName;

use super::{Probed, Target, message::TransactionId};

/// An answer takes as long at most.
const PATIENCE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Who answers is asked this often.
const REACHABLE_INTERVAL: Duration = Duration::from_secs(60);
/// So many rounds without an answer make a target unreachable.
const FAILURES: u32 = 3;
/// Requests that are waited for at the same time; others wait for their turn.
const MAX_OUTSTANDING: usize = 256;
/// More addresses are not asked.
const MAX_ADDRESSES: usize = 8;

#[derive(Debug)]
struct Known {
    target: Target,
    /// Tells requests of a target before apart.
    generation: u64,
    /// When its next round begins, between rounds.
    next_round: Option<Duration>,
    reachable: Option<bool>,
    /// Rounds in a row without an answer.
    failures: u32,
    /// Addresses of this round that are still to be asked.
    unasked: Vec<SocketAddr>,
    /// Requests of this round that are waited for.
    outstanding: usize,
    answered: bool,
}

#[derive(Debug, Default)]
pub(super) struct Schedule {
    known: HashMap<StreamName, Known>,
    /// When the next round of each begins.
    rounds: BTreeSet<(Duration, StreamName)>,
    /// Whose round has begun and is not asked in full.
    asking: VecDeque<(StreamName, u64)>,
    outstanding: HashMap<TransactionId, (StreamName, u64)>,
    deadlines: VecDeque<(Duration, TransactionId)>,
    findings: VecDeque<(u64, Probed)>,
    generations: u64,
}

impl Schedule {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// A target that is another one than before begins anew.
    pub(super) fn handle_target(&mut self, now: Duration, mut target: Target) {
        target.addresses.truncate(MAX_ADDRESSES);
        let stream = target.stream.clone();
        if self.known.get(&stream).is_some_and(|known| known.target == target) {
            return;
        }
        if let Some(at) = self.known.remove(&stream).and_then(|known| known.next_round) {
            self.rounds.remove(&(at, stream.clone()));
        }
        if target.addresses.is_empty() {
            return;
        }
        self.generations += 1;
        let known = Known {
            target,
            generation: self.generations,
            next_round: Some(now),
            reachable: None,
            failures: 0,
            unasked: Vec::new(),
            outstanding: 0,
            answered: false,
        };
        self.known.insert(stream.clone(), known);
        self.rounds.insert((now, stream));
    }

    /// Where to send the next request, which gets this transaction id; `None`: nobody is due, or enough are waited for.
    pub(super) fn poll_request(&mut self, now: Duration, transaction: TransactionId) -> Option<SocketAddr> {
        if self.outstanding.len() >= MAX_OUTSTANDING {
            return None;
        }
        loop {
            let Some((stream, generation)) = self.asking.front().cloned() else {
                self.begin_round(now)?;
                continue;
            };
            let asked = self.known.get_mut(&stream).filter(|known| known.generation == generation);
            let Some((known, to)) = asked.and_then(|known| known.unasked.pop().map(|to| (known, to))) else {
                self.asking.pop_front();
                continue;
            };
            known.outstanding += 1;
            self.outstanding.insert(transaction, (stream, generation));
            self.deadlines.push_back((now + PATIENCE, transaction));
            return Some(to);
        }
    }

    fn begin_round(&mut self, now: Duration) -> Option<()> {
        self.rounds.first().filter(|(at, _)| *at <= now)?;
        let (_, stream) = self.rounds.pop_first()?;
        let known = self.known.get_mut(&stream)?;
        known.next_round = None;
        known.unasked = known.target.addresses.iter().rev().copied().collect();
        known.answered = false;
        self.asking.push_back((stream, known.generation));
        Some(())
    }

    pub(super) fn handle_answer(&mut self, now: Duration, transaction: TransactionId) {
        self.end_request(now, transaction, true);
    }

    /// Gives up on answers that did not come.
    pub(super) fn handle_timeout(&mut self, now: Duration) {
        while self.deadlines.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, transaction)) = self.deadlines.pop_front() else { return };
            self.end_request(now, transaction, false);
        }
    }

    /// What was found out of targets that still are.
    pub(super) fn poll_finding(&mut self) -> Option<Probed> {
        loop {
            let (generation, found) = self.findings.pop_front()?;
            if self.known.get(&found.stream).is_some_and(|known| known.generation == generation) {
                return Some(found);
            }
        }
    }

    fn end_request(&mut self, now: Duration, transaction: TransactionId, answered: bool) {
        let Some((stream, generation)) = self.outstanding.remove(&transaction) else { return };
        let Some(known) = self.known.get_mut(&stream).filter(|known| known.generation == generation) else { return };
        known.outstanding -= 1;
        if answered {
            known.answered = true;
            known.failures = 0;
            // The news does not wait for the other addresses.
            self.findings.extend(known.find(true));
        }
        if known.outstanding > 0 || !known.unasked.is_empty() {
            return;
        }
        if !known.answered {
            known.failures += 1;
            if known.failures >= FAILURES {
                self.findings.extend(known.find(false));
            }
        }
        let at = now + if known.answered { spread(&stream) } else { pause_after(known.failures) };
        known.next_round = Some(at);
        self.rounds.insert((at, stream));
    }
}

impl Known {
    /// Something to tell, when it is new.
    fn find(&mut self, reachable: bool) -> Option<(u64, Probed)> {
        let is_new = self.reachable.replace(reachable) != Some(reachable);
        let Target { stream, pod_uid, .. } = &self.target;
        let found = Probed { stream: stream.clone(), pod_uid: pod_uid.clone(), reachable };
        is_new.then_some((self.generation, found))
    }
}

fn pause_after(failures: u32) -> Duration {
    (FIRST_PAUSE * (1 << failures.saturating_sub(1).min(10))).min(LONGEST_PAUSE)
}

/// About a minute, for each stream another one: they do not all ask at once.
fn spread(stream: &StreamName) -> Duration {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    stream.hash(&mut hasher);
    REACHABLE_INTERVAL.mul_f64(0.9 + 0.2 * (hasher.finish() % 1000) as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(index: usize, addresses: &[&str]) -> Target {
        Target {
            stream: StreamName::new("default", &format!("s{index}")).unwrap(),
            pod_uid: "1".to_owned(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        }
    }

    /// A network in which some addresses answer.
    #[derive(Default)]
    struct Net {
        schedule: Schedule,
        now: Duration,
        sent: Vec<(Duration, SocketAddr)>,
        next: u64,
        answering: Vec<SocketAddr>,
        found: Vec<(Duration, bool)>,
        most_outstanding: usize,
    }

    impl Net {
        fn run(&mut self, length: Duration) {
            let end = self.now + length;
            while self.now < end {
                self.now += Duration::from_millis(20);
                self.schedule.handle_timeout(self.now);
                let mut answers = Vec::new();
                for _ in 0..50 {
                    self.next += 1;
                    let mut transaction = [0; 12];
                    transaction[..8].copy_from_slice(&self.next.to_be_bytes());
                    let Some(to) = self.schedule.poll_request(self.now, transaction) else { break };
                    self.sent.push((self.now, to));
                    if self.answering.contains(&to) {
                        answers.push(transaction);
                    }
                }
                self.most_outstanding = self.most_outstanding.max(self.schedule.outstanding.len());
                for transaction in answers {
                    self.schedule.handle_answer(self.now, transaction);
                }
                while let Some(found) = self.schedule.poll_finding() {
                    self.found.push((self.now, found.reachable));
                }
            }
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_answer_at_one_of_the_addresses_is_enough_and_is_told_at_once() {
        let mut net = Net { answering: vec!["10.0.0.4:30900".parse().unwrap()], ..Net::default() };
        net.schedule.handle_target(net.now, target(0, &["203.0.113.4:30900", "10.0.0.4:30900"]));
        net.run(seconds(300));
        assert_eq!(net.found, [(Duration::from_millis(20), true)]);
        assert!((8..=14).contains(&net.sent.len()), "{} requests in five minutes", net.sent.len());
    }

    #[test]
    fn one_lost_answer_says_nothing_and_three_rounds_do() {
        let address: SocketAddr = "10.0.0.4:30900".parse().unwrap();
        let mut net = Net { answering: vec![address], ..Net::default() };
        net.schedule.handle_target(net.now, target(0, &["10.0.0.4:30900"]));
        net.run(seconds(10));
        net.answering.clear();
        let asked = net.sent.len();
        while net.sent.len() == asked {
            net.run(Duration::from_millis(20));
        }
        let failed_at = net.now;
        net.run(Duration::from_millis(1100));
        net.answering.push(address);
        net.run(seconds(100));
        assert_eq!(net.found.len(), 1, "one round failed since {failed_at:?}, and nobody was told");
        net.answering.clear();
        net.run(seconds(100));
        assert_eq!(net.found.iter().map(|(_, reachable)| *reachable).collect::<Vec<_>>(), [true, false]);
        net.answering.push(address);
        net.run(seconds(40));
        assert!(net.found.last().unwrap().1);
    }

    #[test]
    fn who_never_answers_is_asked_less_and_less() {
        let mut net = Net::default();
        net.schedule.handle_target(net.now, target(0, &["10.0.0.4:30900"]));
        net.run(seconds(600));
        assert_eq!(net.found.len(), 1);
        assert!(!net.found[0].1 && net.found[0].0 < seconds(6), "{:?}", net.found);
        assert!(net.sent.len() < 30, "{} requests in ten minutes", net.sent.len());
    }

    #[test]
    fn another_pod_or_address_begins_anew_and_a_target_without_any_is_forgotten() {
        let mut net = Net { answering: vec!["10.0.0.4:30900".parse().unwrap()], ..Net::default() };
        let first = target(0, &["10.0.0.4:30900"]);
        net.schedule.handle_target(net.now, first.clone());
        net.run(seconds(1));
        net.schedule.handle_target(net.now, first.clone());
        net.run(seconds(1));
        assert_eq!(net.found.len(), 1, "the same target is nothing new");
        net.schedule.handle_target(net.now, Target { pod_uid: "2".to_owned(), ..first.clone() });
        net.run(seconds(1));
        assert_eq!(net.found.len(), 2);
        net.schedule.handle_target(net.now, Target { addresses: Vec::new(), ..first });
        let asked = net.sent.len();
        net.run(seconds(200));
        assert_eq!((net.sent.len(), net.schedule.is_empty()), (asked, true));
        assert!(net.schedule.rounds.is_empty() && net.schedule.outstanding.is_empty());
        assert!(net.schedule.deadlines.len() <= 1 && net.schedule.asking.is_empty());
    }

    #[test]
    fn ten_thousand_streams_are_asked_evenly_and_never_many_at_once() {
        let mut net = Net::default();
        for index in 0..10_000 {
            let address = format!("10.{}.{}.1:30900", index / 250, index % 250);
            net.answering.push(address.parse().unwrap());
            net.schedule.handle_target(net.now, target(index, &[&address]));
        }
        net.answering.sort();
        while net.found.len() < 10_000 && net.now < seconds(60) {
            net.now += Duration::from_millis(20);
            net.schedule.handle_timeout(net.now);
            for _ in 0..50 {
                net.next += 1;
                let mut transaction = [0; 12];
                transaction[..8].copy_from_slice(&net.next.to_be_bytes());
                let Some(to) = net.schedule.poll_request(net.now, transaction) else { break };
                assert!(net.answering.binary_search(&to).is_ok());
                net.schedule.handle_answer(net.now, transaction);
                net.found.extend(net.schedule.poll_finding().map(|found| (net.now, found.reachable)));
            }
        }
        assert_eq!(net.found.len(), 10_000, "all are known after {:?}", net.now);
        assert!(net.now <= seconds(5), "{:?}", net.now);
        assert!(net.schedule.outstanding.len() <= MAX_OUTSTANDING);
    }

    #[test]
    fn not_more_than_so_many_are_waited_for() {
        let mut net = Net::default();
        for index in 0..1000 {
            net.schedule.handle_target(net.now, target(index, &["10.0.0.4:30900", "10.0.0.5:30900"]));
        }
        net.run(seconds(3));
        assert_eq!(net.most_outstanding, MAX_OUTSTANDING);
    }
}
