//! Host ports for media. Pure.
//!
//! A port belongs to one stream in the whole cluster, not one on each node: a pod's port is chosen before the scheduler
//! chooses its node, and a port that is free everywhere keeps no pod from any node. While one media-node follows another
//! the stream has two. When the range is used up, the port with the fewest holders is given again; the scheduler keeps
//! holders of one port on different nodes.
//!
//! A port that was given back rests for ten minutes, lest viewers of the stream before knock at another one; the stream
//! itself may have it back at once. What rests is forgotten with the process. Streams therefore begin to look at
//! different places of the range, so that the port of one that went is unlikely to be the next one's.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    ops::RangeInclusive,
};

use jiff::{SignedDuration, Timestamp};
use proto::StreamName;

const REST: SignedDuration = SignedDuration::from_mins(10);

/// Which stream has which ports.
#[derive(Clone, Debug)]
pub struct HostPorts {
    range: RangeInclusive<u16>,
    ports: HashMap<StreamName, Ports>,
    holders: BTreeMap<u16, BTreeSet<StreamName>>,
    /// Given back, by whom and when.
    resting: BTreeMap<u16, (StreamName, Timestamp)>,
}

/// Of one stream.
#[derive(Clone, Debug, Default)]
struct Ports {
    /// In the annotations of its pods.
    borne: BTreeSet<u16>,
    /// Set aside for the pod that is made next.
    spare: Option<u16>,
}

impl HostPorts {
    #[must_use]
    pub fn new(first: u16, last: u16) -> Self {
        Self { range: first..=last, ports: HashMap::new(), holders: BTreeMap::new(), resting: BTreeMap::new() }
    }

    /// The pods of `stream` bear these ports, and no others. To be told of every stream before anything is set aside.
    pub fn seen(&mut self, stream: &StreamName, borne: &BTreeSet<u16>, now: Timestamp) {
        let known = self.ports.get(stream).cloned().unwrap_or_default();
        for port in borne.difference(&known.borne) {
            self.hold(stream, *port);
            self.resting.remove(port);
        }
        let spare = known.spare.filter(|port| !borne.contains(port));
        if borne.is_empty() && spare.is_none() {
            self.ports.remove(stream);
        } else {
            self.ports.insert(stream.clone(), Ports { borne: borne.clone(), spare });
        }
        for port in known.borne.difference(borne).filter(|port| spare != Some(**port)) {
            self.let_go(stream, *port);
            self.resting.insert(*port, (stream.clone(), now));
        }
    }

    /// A port for the next pod of `stream`: the same again until a pod bears it, or it is given back. `None`: every port is
    /// taken on every node for all that is known, or rests.
    pub fn set_aside(&mut self, stream: &StreamName, now: Timestamp) -> Option<u16> {
        let known = self.ports.get(stream).cloned().unwrap_or_default();
        if known.spare.is_some() {
            return known.spare;
        }
        self.resting.retain(|_, (_, since)| now.duration_since(*since) < REST);
        let mut own = self.resting.iter().filter(|(_, (owner, _))| owner == stream).map(|(port, _)| *port);
        let own = own.find(|port| self.is_free(*port));
        let free = own.or_else(|| self.starting_at_own_place(stream).find(|port| self.is_free_for_anyone(*port)));
        let port = free.or_else(|| self.least_held(stream, &known.borne))?;
        self.hold(stream, port);
        self.ports.entry(stream.clone()).or_default().spare = Some(port);
        Some(port)
    }

    /// No other pod of `stream` is to be made: what was set aside for one was used by nobody.
    pub fn give_back(&mut self, stream: &StreamName) {
        let Some(known) = self.ports.get_mut(stream) else { return };
        let Some(spare) = known.spare.take() else { return };
        let (borne, is_empty) = (known.borne.contains(&spare), known.borne.is_empty());
        if is_empty {
            self.ports.remove(stream);
        }
        if !borne {
            self.let_go(stream, spare);
        }
    }

    /// The stream is gone.
    pub fn release(&mut self, stream: &StreamName, now: Timestamp) {
        self.give_back(stream);
        self.seen(stream, &BTreeSet::new(), now);
    }

    fn hold(&mut self, stream: &StreamName, port: u16) {
        self.holders.entry(port).or_default().insert(stream.clone());
    }

    fn let_go(&mut self, stream: &StreamName, port: u16) {
        if let Some(holders) = self.holders.get_mut(&port) {
            holders.remove(stream);
            if holders.is_empty() {
                self.holders.remove(&port);
            }
        }
    }

    fn is_free(&self, port: u16) -> bool {
        self.range.contains(&port) && !self.holders.contains_key(&port)
    }

    fn is_free_for_anyone(&self, port: u16) -> bool {
        self.is_free(port) && !self.resting.contains_key(&port)
    }

    /// The whole range, from a place that the stream's name chooses.
    fn starting_at_own_place(&self, stream: &StreamName) -> impl Iterator<Item = u16> + use<> {
        let (first, last) = (*self.range.start(), *self.range.end());
        let length = u64::from(last.saturating_sub(first)) + 1;
        let mut hasher = DefaultHasher::new();
        stream.hash(&mut hasher);
        let place = hasher.finish() % length;
        (0..length).map(move |step| first + u16::try_from((place + step) % length).unwrap_or_default())
    }

    /// Rather another stream's than one that its own pod bears.
    fn least_held(&self, stream: &StreamName, borne: &BTreeSet<u16>) -> Option<u16> {
        let held = self.starting_at_own_place(stream).filter(|port| self.holders.contains_key(port));
        held.min_by_key(|port| (borne.contains(port), self.holders[port].len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(index: usize) -> StreamName {
        StreamName::new("default", &format!("s{index}")).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn borne(ports: &[u16]) -> BTreeSet<u16> {
        ports.iter().copied().collect()
    }

    #[test]
    fn each_stream_has_a_port_of_its_own_and_keeps_it() {
        let mut ports = HostPorts::new(30900, 31899);
        let given: Vec<u16> = (0..1000).map(|index| ports.set_aside(&stream(index), at(0)).unwrap()).collect();
        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 1000);
        assert!(given.iter().all(|port| (30900..=31899).contains(port)));
        assert_eq!(ports.set_aside(&stream(7), at(9)), Some(given[7]));
    }

    #[test]
    fn a_port_in_a_pod_s_annotation_is_its_stream_s() {
        let mut ports = HostPorts::new(100, 101);
        ports.seen(&stream(0), &borne(&[101]), at(0));
        ports.seen(&stream(5), &borne(&[4000]), at(0));
        assert_eq!(ports.set_aside(&stream(1), at(0)), Some(100));
        ports.seen(&stream(0), &borne(&[102]), at(0));
        assert_eq!(ports.set_aside(&stream(0), at(0)), Some(101), "also when the range was another one then");
    }

    #[test]
    fn a_successor_gets_another_port_and_the_one_after_it_the_first_again() {
        let mut ports = HostPorts::new(100, 109);
        let first = ports.set_aside(&stream(0), at(0)).unwrap();
        ports.seen(&stream(0), &borne(&[first]), at(1));
        let second = ports.set_aside(&stream(0), at(2)).unwrap();
        assert_ne!(second, first);
        ports.seen(&stream(0), &borne(&[first, second]), at(3));
        ports.seen(&stream(0), &borne(&[second]), at(4));
        let others: Vec<_> = (1..9).map(|index| ports.set_aside(&stream(index), at(5)).unwrap()).collect();
        assert!(!others.contains(&first), "it rests");
        assert_eq!(ports.set_aside(&stream(0), at(6)), Some(first));
        ports.give_back(&stream(0));
        assert_ne!(ports.clone().set_aside(&stream(9), at(603)), Some(first), "nobody has used it since: it rests");
        assert_eq!(ports.set_aside(&stream(9), at(604)), Some(first));
    }

    #[test]
    fn where_there_is_but_one_port_a_successor_has_the_same() {
        let mut ports = HostPorts::new(100, 100);
        ports.seen(&stream(0), &borne(&[100]), at(0));
        assert_eq!(ports.set_aside(&stream(0), at(0)), Some(100));
        ports.give_back(&stream(0));
        assert_eq!(ports.set_aside(&stream(1), at(0)), Some(100), "it is held as long as a pod bears it");
        ports.release(&stream(1), at(0));
        assert_eq!(ports.holders[&100].len(), 1);
    }

    #[test]
    fn a_port_rests_ten_minutes_except_for_who_had_it() {
        let mut ports = HostPorts::new(100, 101);
        let (port, other) = (ports.set_aside(&stream(0), at(0)).unwrap(), ports.set_aside(&stream(1), at(0)).unwrap());
        ports.seen(&stream(0), &borne(&[port]), at(0));
        ports.release(&stream(0), at(10));
        assert_eq!(ports.clone().set_aside(&stream(0), at(11)), Some(port));
        assert_eq!(ports.clone().set_aside(&stream(2), at(609)), Some(other), "rather shared than not rested");
        assert_eq!(ports.set_aside(&stream(3), at(610)), Some(port));
    }

    #[test]
    fn when_the_range_is_used_up_ports_are_shared_evenly() {
        let mut ports = HostPorts::new(100, 103);
        for index in 0..12 {
            ports.set_aside(&stream(index), at(0)).unwrap();
        }
        assert!((100..=103).all(|port| ports.holders[&port].len() == 3));
    }

    #[test]
    fn when_everything_rests_there_is_none() {
        let mut ports = HostPorts::new(100, 100);
        ports.seen(&stream(0), &borne(&[100]), at(0));
        ports.release(&stream(0), at(0));
        assert_eq!(ports.set_aside(&stream(1), at(599)), None);
        assert_eq!(ports.set_aside(&stream(1), at(600)), Some(100));
    }
}
