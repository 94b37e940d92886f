//! What a fake kubelet knows, and what it does with each pod.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{Pod, PodStatus},
    jiff::Timestamp,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    runtime::controller::Action,
};
use serde_json::{Value, json};

use super::{
    fate::{Addresses, Fate, is_over, next_status},
    node::FakeNode,
};

const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
/// The pods' addresses: 10.128.0.0/9.
const FIRST_POD_ADDRESS: u32 = 0x0a80_0001;

pub(super) type Selector = Box<dyn Fn(&Pod) -> bool + Send + Sync>;

pub(super) struct World {
    pub(super) client: Client,
    places_pods: bool,
    nodes: RwLock<BTreeMap<String, NodeState>>,
    fates: RwLock<Vec<(Selector, Fate)>>,
    held: RwLock<Vec<Selector>>,
    placed: AtomicUsize,
    addresses: AtomicU32,
}

struct NodeState {
    node: FakeNode,
    is_lost: bool,
}

pub(super) async fn reconcile(pod: Arc<Pod>, world: Arc<World>) -> kube::Result<Action> {
    match world.tend(&pod).await {
        // Somebody was faster: the next event tells.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => (),
        result => result?,
    }
    Ok(Action::await_change())
}

pub(super) async fn send_heartbeats(world: Arc<World>) {
    loop {
        tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        for node in world.nodes_with_contact() {
            if let Err(error) = node.renew_lease(&world.client).await {
                tracing::debug!(%error, node = node.name(), "no heartbeat");
            }
        }
    }
}

impl World {
    pub(super) fn new(client: Client, places_pods: bool) -> Self {
        Self {
            client,
            places_pods,
            nodes: RwLock::default(),
            fates: RwLock::default(),
            held: RwLock::default(),
            placed: AtomicUsize::new(0),
            addresses: AtomicU32::new(FIRST_POD_ADDRESS),
        }
    }

    pub(super) fn add_fate(&self, selects: Selector, fate: Fate) {
        write(&self.fates).push((selects, fate));
    }

    pub(super) fn hold_deletions(&self, selects: Selector) {
        write(&self.held).push(selects);
    }

    pub(super) fn release_deletions(&self) {
        write(&self.held).clear();
    }

    pub(super) fn add_node(&self, node: FakeNode) {
        write(&self.nodes).insert(node.name().to_owned(), NodeState { node, is_lost: false });
    }

    pub(super) fn remove_node(&self, name: &str) {
        write(&self.nodes).remove(name);
    }

    /// The node, when it is one of ours.
    pub(super) fn set_lost(&self, name: &str, is_lost: bool) -> Option<FakeNode> {
        let mut nodes = write(&self.nodes);
        let state = nodes.get_mut(name)?;
        state.is_lost = is_lost;
        Some(state.node.clone())
    }

    /// Does the next thing that its kubelet, or the scheduler, would do for a pod.
    async fn tend(&self, pod: &Pod) -> kube::Result<()> {
        let bound_to = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        let fate = self.fate_of(pod);
        let node = match bound_to {
            Some(name) => self.node(name),
            None if self.places_pods => self.next_node(),
            None => None,
        };
        let Some(node) = node else { return Ok(()) }; // another's pod, or out of contact
        if pod.metadata.deletion_timestamp.is_some() {
            if bound_to.is_some() && !self.holds(pod) {
                self.delete(pod).await?;
            }
            return Ok(());
        }
        if is_over(pod) || (bound_to.is_some() && !fate.needs_node()) {
            return Ok(());
        }
        if bound_to.is_none() && fate.needs_node() {
            return self.bind(pod, node.name()).await;
        }
        let addresses = Addresses { host: node.address(), pod: self.address_of(pod, &node) };
        if let Some(status) = next_status(pod, &fate, addresses, Timestamp::now()) {
            self.replace_status(pod, status).await?;
        }
        Ok(())
    }

    fn fate_of(&self, pod: &Pod) -> Fate {
        let fates = read(&self.fates);
        let rule = fates.iter().rev().find(|(selects, _)| selects(pod));
        rule.map(|(_, fate)| fate.clone()).unwrap_or_default()
    }

    fn holds(&self, pod: &Pod) -> bool {
        read(&self.held).iter().any(|selects| selects(pod))
    }

    fn nodes_with_contact(&self) -> Vec<FakeNode> {
        read(&self.nodes).values().filter(|state| !state.is_lost).map(|state| state.node.clone()).collect()
    }

    fn node(&self, name: &str) -> Option<FakeNode> {
        read(&self.nodes).get(name).filter(|state| !state.is_lost).map(|state| state.node.clone())
    }

    fn next_node(&self) -> Option<FakeNode> {
        let nodes = self.nodes_with_contact();
        let turn = self.placed.fetch_add(1, Ordering::Relaxed);
        nodes.get(turn % nodes.len().max(1)).cloned()
    }

    fn address_of(&self, pod: &Pod, node: &FakeNode) -> IpAddr {
        let given = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse().ok());
        let is_on_host_network = pod.spec.as_ref().and_then(|spec| spec.host_network) == Some(true);
        match given {
            Some(address) => address,
            None if is_on_host_network => node.address(),
            None => Ipv4Addr::from(self.addresses.fetch_add(1, Ordering::Relaxed)).into(),
        }
    }

    async fn bind(&self, pod: &Pod, node: &str) -> kube::Result<()> {
        let binding = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": { "name": pod.name_any(), "uid": pod.uid() },
            "target": { "kind": "Node", "name": node },
        });
        let parameters = PostParams::default();
        self.pods(pod).create_subresource::<_, Value>("binding", &pod.name_any(), &parameters, &binding).await?;
        Ok(())
    }

    /// Only if nobody has changed the pod meanwhile. Costs an API server half of what a patch does.
    async fn replace_status(&self, pod: &Pod, status: PodStatus) -> kube::Result<()> {
        let pod = Pod { status: Some(status), ..pod.clone() };
        self.pods(&pod).replace_status(&pod.name_any(), &PostParams::default(), &pod).await?;
        Ok(())
    }

    pub(super) async fn patch_status(&self, pod: &Pod, patch: &Value) -> kube::Result<()> {
        self.pods(pod).patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(patch)).await?;
        Ok(())
    }

    pub(super) async fn delete(&self, pod: &Pod) -> kube::Result<()> {
        let preconditions = Some(Preconditions { uid: pod.uid(), resource_version: None });
        let at_once = DeleteParams { preconditions, ..DeleteParams::default().grace_period(0) };
        self.pods(pod).delete(&pod.name_any(), &at_once).await?;
        Ok(())
    }

    fn pods(&self, pod: &Pod) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default())
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().expect("nobody panics while holding the lock")
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().expect("nobody panics while holding the lock")
}
