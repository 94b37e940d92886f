//! Host ports for media. Pure.
//!
//! A port belongs to one stream in the whole cluster, not one on each node: a pod's port is chosen before the scheduler
//! chooses its node, and a port that is free everywhere keeps no pod from any node. When the range is used up, the port
//! with the fewest holders is given again; the scheduler keeps holders of one port on different nodes.
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

/// Which stream has which port.
#[derive(Clone, Debug)]
pub struct HostPorts {
    range: RangeInclusive<u16>,
    ports: HashMap<StreamName, u16>,
    holders: BTreeMap<u16, BTreeSet<StreamName>>,
    /// Given back, by whom and when.
    resting: BTreeMap<u16, (StreamName, Timestamp)>,
}

impl HostPorts {
    #[must_use]
    pub fn new(first: u16, last: u16) -> Self {
        Self { range: first..=last, ports: HashMap::new(), holders: BTreeMap::new(), resting: BTreeMap::new() }
    }

    /// A pod of `stream` bears `port` in its annotations. To be told of every pod before anything is allocated.
    pub fn seen(&mut self, stream: &StreamName, port: u16) {
        self.hold(stream, port);
    }

    /// The stream's port: the same again until it is released. `None`: every port is taken on every node for all that is
    /// known, or rests.
    pub fn allocate(&mut self, stream: &StreamName, now: Timestamp) -> Option<u16> {
        if let Some(port) = self.ports.get(stream) {
            return Some(*port);
        }
        self.resting.retain(|_, (_, since)| now.duration_since(*since) < REST);
        let own = self.resting.iter().find(|(_, (owner, _))| owner == stream).map(|(port, _)| *port);
        let free = own
            .filter(|port| self.is_free(*port))
            .or_else(|| self.starting_at_own_place(stream).find(|port| self.is_free_for_anyone(*port)));
        let port = free.or_else(|| self.least_held(stream))?;
        self.hold(stream, port);
        Some(port)
    }

    /// The stream is gone, or needs no port any more.
    pub fn release(&mut self, stream: &StreamName, now: Timestamp) {
        let Some(port) = self.ports.remove(stream) else { return };
        self.let_go(stream, port);
        self.resting.insert(port, (stream.clone(), now));
    }

    fn hold(&mut self, stream: &StreamName, port: u16) {
        if let Some(other) = self.ports.insert(stream.clone(), port).filter(|other| *other != port) {
            self.let_go(stream, other);
        }
        self.resting.remove(&port);
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

    fn least_held(&self, stream: &StreamName) -> Option<u16> {
        let held = self.starting_at_own_place(stream).filter(|port| self.holders.contains_key(port));
        held.min_by_key(|port| self.holders[port].len())
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

    #[test]
    fn each_stream_has_a_port_of_its_own_and_keeps_it() {
        let mut ports = HostPorts::new(30900, 31899);
        let given: Vec<u16> = (0..1000).map(|index| ports.allocate(&stream(index), at(0)).unwrap()).collect();
        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 1000);
        assert!(given.iter().all(|port| (30900..=31899).contains(port)));
        assert_eq!(ports.allocate(&stream(7), at(9)), Some(given[7]));
    }

    #[test]
    fn a_port_in_a_pod_s_annotation_is_its_stream_s() {
        let mut ports = HostPorts::new(100, 101);
        ports.seen(&stream(0), 101);
        ports.seen(&stream(5), 4000);
        assert_eq!(ports.allocate(&stream(0), at(0)), Some(101));
        assert_eq!(ports.allocate(&stream(1), at(0)), Some(100));
        assert_eq!(ports.allocate(&stream(5), at(0)), Some(4000), "also when the range was another one then");
        ports.seen(&stream(0), 102);
        assert_eq!(ports.allocate(&stream(2), at(0)), Some(101), "the newest annotation counts");
    }

    #[test]
    fn a_port_rests_ten_minutes_except_for_who_had_it() {
        let mut ports = HostPorts::new(100, 101);
        for index in 0..2 {
            ports.allocate(&stream(index), at(0)).unwrap();
        }
        let (port, other) = (ports.allocate(&stream(0), at(0)).unwrap(), ports.allocate(&stream(1), at(0)).unwrap());
        ports.release(&stream(0), at(10));
        assert_eq!(ports.allocate(&stream(2), at(609)), Some(other), "rather shared than not rested");
        ports.release(&stream(2), at(609));
        ports.seen(&stream(1), other);
        assert_eq!(ports.clone().allocate(&stream(0), at(11)), Some(port));
        assert_eq!(ports.allocate(&stream(3), at(610)), Some(port));
    }

    #[test]
    fn when_the_range_is_used_up_ports_are_shared_evenly() {
        let mut ports = HostPorts::new(100, 103);
        for index in 0..12 {
            ports.allocate(&stream(index), at(0)).unwrap();
        }
        assert!((100..=103).all(|port| ports.holders[&port].len() == 3));
    }

    #[test]
    fn when_everything_rests_there_is_none() {
        let mut ports = HostPorts::new(100, 100);
        ports.allocate(&stream(0), at(0)).unwrap();
        ports.release(&stream(0), at(0));
        assert_eq!(ports.allocate(&stream(1), at(599)), None);
        assert_eq!(ports.allocate(&stream(1), at(600)), Some(100));
    }
}
