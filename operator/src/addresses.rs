//! Where publishers and viewers reach a media-node: what its pod is told to advertise. Pure.
//!
//! | exposure | address |
//! |---|---|
//! | `HostPort` | the node's external addresses, then its internal ones; the pod's host port |
//! | `NodePort` | the same addresses; the Service's node port |
//! | `LoadBalancer` | the addresses the load balancer was given; the Service's port |
//! | `PodNetwork` | the pod's own addresses; the media port |
//!
//! ICE tries every candidate, so a node with an external and an internal address serves viewers of both sides. A load
//! balancer known by a host name alone has no candidate: its address may change, and candidates are numbers.

use std::net::{IpAddr, SocketAddr};

use crds::MediaExposure;
use k8s_openapi::api::core::v1::NodeAddress;

/// More candidates only cost a peer time.
const MAX_ADDRESSES: usize = 8;

/// What of the pod, its node and its Service decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// `status.podIPs` of the pod.
    pub pod_ips: &'a [String],
    /// `status.hostIP` of the pod; used where its node is not known.
    pub host_ip: Option<&'a str>,
    /// `status.addresses` of its node.
    pub node_addresses: &'a [NodeAddress],
    /// The pod's host port.
    pub host_port: Option<u16>,
    /// The media Service's node port.
    pub node_port: Option<u16>,
    /// What the media Service's load balancer is reached at: addresses or host names.
    pub load_balancer: &'a [String],
    /// The port of the media-node and of the media Service.
    pub media_port: u16,
}

/// The addresses to advertise, best first; empty while they are not known.
#[must_use]
pub fn advertised_addresses(exposure: MediaExposure, place: Place<'_>) -> Vec<SocketAddr> {
    let (addresses, port) = match exposure {
        MediaExposure::HostPort => (of_node(place), place.host_port),
        MediaExposure::NodePort => (of_node(place), place.node_port),
        MediaExposure::LoadBalancer => (numbers(place.load_balancer), Some(place.media_port)),
        MediaExposure::PodNetwork => (numbers(place.pod_ips), Some(place.media_port)),
    };
    let Some(port) = port else { return Vec::new() };
    addresses.into_iter().take(MAX_ADDRESSES).map(|address| SocketAddr::new(address, port)).collect()
}

/// As the annotation holds them: `IP:PORT`, separated by commas.
#[must_use]
pub fn to_annotation(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// What [`to_annotation`] wrote; anything else is left out.
#[must_use]
pub fn parse_annotation(text: &str) -> Vec<SocketAddr> {
    text.split(',').filter_map(|part| part.trim().parse().ok()).take(MAX_ADDRESSES).collect()
}

/// External before internal ones.
fn of_node(place: Place<'_>) -> Vec<IpAddr> {
    let of_kind = |kind: &'static str| {
        let addresses = place.node_addresses.iter().filter(move |address| address.type_ == kind);
        addresses.filter_map(|address| address.address.parse().ok())
    };
    let mut found: Vec<IpAddr> = Vec::new();
    for address in of_kind("ExternalIP").chain(of_kind("InternalIP")) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    if found.is_empty() { place.host_ip.and_then(|ip| ip.parse().ok()).into_iter().collect() } else { found }
}

/// Without the names of hosts.
fn numbers(addresses: &[String]) -> Vec<IpAddr> {
    addresses.iter().filter_map(|address| address.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(exposure: MediaExposure, node: &[(&str, &str)], load_balancer: &[&str], expected: &str) {
        let address =
            |(kind, address): &(&str, &str)| NodeAddress { type_: (*kind).to_owned(), address: (*address).to_owned() };
        let node_addresses: Vec<_> = node.iter().map(address).collect();
        let pod_ips = ["10.244.1.7".to_owned(), "fd00::7".to_owned()];
        let load_balancer: Vec<_> = load_balancer.iter().map(|text| (*text).to_owned()).collect();
        let place = Place {
            pod_ips: &pod_ips,
            host_ip: Some("192.168.0.4"),
            node_addresses: &node_addresses,
            host_port: Some(30900),
            node_port: Some(32000),
            load_balancer: &load_balancer,
            media_port: 8189,
        };
        let addresses = advertised_addresses(exposure, place);
        assert_eq!(to_annotation(&addresses), expected);
        assert_eq!(parse_annotation(expected), addresses);
    }

    #[test]
    fn a_host_port_is_reached_at_the_node_from_outside_first() {
        let dual = [
            ("Hostname", "node-1"),
            ("InternalIP", "192.168.0.4"),
            ("InternalIP", "fd00:1::4"),
            ("ExternalIP", "203.0.113.4"),
            ("ExternalDNS", "node-1.example.com"),
        ];
        let addresses = "203.0.113.4:30900,192.168.0.4:30900,[fd00:1::4]:30900";
        check(MediaExposure::HostPort, &dual, &[], addresses);
        check(MediaExposure::HostPort, &[], &[], "192.168.0.4:30900");
    }

    #[test]
    fn a_node_port_is_reached_at_the_node_too() {
        check(MediaExposure::NodePort, &[("InternalIP", "192.168.0.9")], &[], "192.168.0.9:32000");
    }

    #[test]
    fn a_load_balancer_is_reached_once_it_has_an_address() {
        let node = [("ExternalIP", "203.0.113.4")];
        let both = ["198.51.100.9", "2001:db8::9", "lb.example.com"];
        check(MediaExposure::LoadBalancer, &node, &both, "198.51.100.9:8189,[2001:db8::9]:8189");
        check(MediaExposure::LoadBalancer, &node, &["lb.example.com"], "");
        check(MediaExposure::LoadBalancer, &node, &[], "");
    }

    #[test]
    fn in_the_pod_network_it_is_the_pod() {
        check(MediaExposure::PodNetwork, &[("InternalIP", "192.168.0.4")], &[], "10.244.1.7:8189,[fd00::7]:8189");
    }

    #[test]
    fn without_a_port_there_is_no_address() {
        let place = Place { host_ip: Some("192.168.0.4"), ..Place::default() };
        assert_eq!(advertised_addresses(MediaExposure::HostPort, place), []);
        assert_eq!(advertised_addresses(MediaExposure::NodePort, place), []);
    }
}
