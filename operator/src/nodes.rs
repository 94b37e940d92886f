//! The addresses of nodes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, NodeAddress};
use kube::runtime::watcher::Event;

/// A node's name, and where it is reached.
pub type NodeView = (String, Vec<NodeAddress>);

#[derive(Debug, Default)]
pub(crate) struct Nodes {
    addresses: BTreeMap<String, Vec<NodeAddress>>,
    listed: Option<BTreeSet<String>>,
    pub(crate) complete: bool,
}

impl Nodes {
    pub(crate) fn addresses(&self, node: &str) -> &[NodeAddress] {
        self.addresses.get(node).map_or(&[], Vec::as_slice)
    }

    /// Takes in what the watch shows; returns the node whose addresses changed.
    pub(crate) fn handle(&mut self, event: Event<NodeView>) -> Option<String> {
        match event {
            Event::Init => self.listed = Some(BTreeSet::new()),
            Event::InitApply((name, addresses)) => {
                if let Some(listed) = &mut self.listed {
                    listed.insert(name.clone());
                }
                return self.insert(name, addresses);
            }
            Event::InitDone => {
                self.complete = true;
                let listed = self.listed.take().unwrap_or_default();
                self.addresses.retain(|name, _| listed.contains(name));
            }
            Event::Apply((name, addresses)) => return self.insert(name, addresses),
            // Its pods go by themselves.
            Event::Delete((name, _)) => drop(self.addresses.remove(&name)),
        }
        None
    }

    fn insert(&mut self, name: String, addresses: Vec<NodeAddress>) -> Option<String> {
        if self.addresses.get(&name) == Some(&addresses) {
            return None;
        }
        self.addresses.insert(name.clone(), addresses);
        Some(name)
    }
}

pub(crate) fn view(node: Node) -> Option<NodeView> {
    Some((node.metadata.name?, node.status.and_then(|status| status.addresses).unwrap_or_default()))
}
