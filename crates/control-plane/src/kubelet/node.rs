//! Nodes without a machine.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use k8s_openapi::{
    api::{
        coordination::v1::{Lease, LeaseSpec},
        core::v1::{Node, NodeSpec, Taint},
    },
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams},
};
use serde_json::{Value, json};

const FIELD_MANAGER: &str = "fake-kubelet";
const LEASES: &str = "kube-node-lease";
/// With the controller manager's default of 50 s, and with the 10 s of an impatient test.
const LEASE_SECONDS: i32 = 40;

/// A node that a fake kubelet registers. It has room for every pod, and no devices unless told.
#[derive(Clone, Debug)]
pub struct FakeNode {
    name: String,
    addresses: Vec<(&'static str, IpAddr)>,
    resources: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
}

impl FakeNode {
    /// Its internal address is 127.0.0.1.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let room = [("cpu", "10000"), ("memory", "100Ti"), ("ephemeral-storage", "100Ti"), ("pods", "100000")];
        Self {
            name: name.into(),
            addresses: vec![("InternalIP", Ipv4Addr::LOCALHOST.into())],
            resources: room.map(|(name, quantity)| (name.into(), quantity.into())).into(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
        }
    }

    /// The internal address: the host address of its pods.
    #[must_use]
    pub fn with_address(mut self, address: IpAddr) -> Self {
        self.addresses[0].1 = address;
        self
    }

    #[must_use]
    pub fn with_external_address(mut self, address: IpAddr) -> Self {
        self.addresses.push(("ExternalIP", address));
        self
    }

    /// For example `nvidia.com/gpu`, `2`; or less than everything of `cpu`.
    #[must_use]
    pub fn with_resource(mut self, name: &str, quantity: &str) -> Self {
        self.resources.insert(name.into(), quantity.into());
        self
    }

    #[must_use]
    pub fn with_label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// No pod that does not tolerate it is placed here.
    #[must_use]
    pub fn with_taint(mut self, key: &str, value: &str) -> Self {
        let (key, value, effect) = (key.into(), Some(value.into()), "NoSchedule".into());
        self.taints.push(Taint { key, value, effect, ..Taint::default() });
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.addresses[0].1
    }

    /// Makes the node, or takes over one of that name, and reports it ready.
    pub(super) async fn register(&self, client: &Client) -> kube::Result<()> {
        let nodes: Api<Node> = Api::all(client.clone());
        let mut labels = self.labels.clone();
        labels.insert("kubernetes.io/hostname".into(), self.name.clone());
        let metadata = ObjectMeta { name: Some(self.name.clone()), labels: Some(labels), ..ObjectMeta::default() };
        let node = Node { metadata, spec: Some(NodeSpec::default()), status: None };
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        nodes.patch(&self.name, &parameters, &Patch::Apply(&node)).await?;
        self.renew_lease(client).await?;
        self.report(client, true).await?;
        // The API server taints a new node as not ready; only a node controller would take that away.
        let taints = json!({ "spec": { "taints": self.taints } });
        nodes.patch(&self.name, &PatchParams::default(), &Patch::Merge(taints)).await?;
        Ok(())
    }

    /// Ready, or as a node controller says it of a node that it hears nothing of.
    pub(super) async fn report(&self, client: &Client, is_ready: bool) -> kube::Result<()> {
        let nodes: Api<Node> = Api::all(client.clone());
        let status = json!({ "status": self.status(is_ready) });
        nodes.patch_status(&self.name, &PatchParams::default(), &Patch::Strategic(status)).await?;
        Ok(())
    }

    pub(super) async fn renew_lease(&self, client: &Client) -> kube::Result<()> {
        let leases: Api<Lease> = Api::namespaced(client.clone(), LEASES);
        let spec = LeaseSpec {
            holder_identity: Some(self.name.clone()),
            lease_duration_seconds: Some(LEASE_SECONDS),
            renew_time: Some(MicroTime(Timestamp::now())),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(spec) };
        leases.patch(&self.name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&lease)).await?;
        Ok(())
    }

    fn status(&self, is_ready: bool) -> Value {
        let now = Timestamp::now();
        let (status, reason) = if is_ready { ("True", "KubeletReady") } else { ("Unknown", "NodeStatusUnknown") };
        let addresses = self.addresses.iter().map(|(kind, address)| json!({ "type": kind, "address": address }));
        json!({
            "addresses": addresses.collect::<Vec<_>>(),
            "capacity": self.resources,
            "allocatable": self.resources,
            "conditions": [
                { "type": "Ready", "status": status, "reason": reason, "message": "this node is a fake",
                  "lastHeartbeatTime": now, "lastTransitionTime": now },
            ],
        })
    }
}
