//! A kubelet without a machine: what a test says becomes of a pod, it reports to the API server.
//!
//! It runs nothing, probes nothing, and serves neither logs nor `exec`.

mod fate;
mod node;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, channel::mpsc};
use k8s_openapi::{
    api::core::v1::{Node, Pod},
    jiff::Timestamp,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    runtime::{
        Controller,
        controller::{self, Action},
        watcher,
    },
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use fate::{Addresses, is_over, status_patch};
pub use {fate::Fate, node::FakeNode};

/// Requests at a time; more do not make an API server on two cores faster.
const CONCURRENCY: u16 = 32;
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
/// The pods' addresses: 10.128.0.0/9.
const FIRST_POD_ADDRESS: u32 = 0x0a80_0001;

type Selector = Box<dyn Fn(&Pod) -> bool + Send + Sync>;

/// Plays the kubelets of some nodes, until it is dropped. The nodes stay.
pub struct FakeKubelet {
    world: Arc<World>,
    changed: mpsc::UnboundedSender<()>,
    _tasks: JoinSet<()>,
}

/// What a fake kubelet is asked to do.
pub struct Builder {
    client: Client,
    namespace: Option<String>,
    nodes: Vec<FakeNode>,
    places_pods: bool,
}

struct World {
    client: Client,
    places_pods: bool,
    nodes: RwLock<BTreeMap<String, NodeState>>,
    fates: RwLock<Vec<(Selector, Fate)>>,
    held: RwLock<Vec<Selector>>,
    placed: AtomicUsize,
    addresses: AtomicU32,
}

#[derive(Clone)]
struct NodeState {
    node: FakeNode,
    is_lost: bool,
}

impl Builder {
    /// Only the pods of this namespace: for tests that share a control plane.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Registers this node. Without any, it is one named after the namespace.
    #[must_use]
    pub fn node(mut self, node: FakeNode) -> Self {
        self.nodes.push(node);
        self
    }

    /// Leaves it to the scheduler to place pods on nodes. Without it the kubelet does, in turn, whatever they ask for.
    #[must_use]
    pub fn behind_scheduler(mut self) -> Self {
        self.places_pods = false;
        self
    }

    /// Registers the nodes, and begins.
    ///
    /// # Panics
    /// When the API server refuses the nodes.
    pub async fn start(mut self) -> FakeKubelet {
        if self.nodes.is_empty() {
            let name = self.namespace.as_ref().map_or("node".to_owned(), |namespace| format!("{namespace}-node"));
            self.nodes.push(FakeNode::new(name));
        }
        let pods = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let world = Arc::new(World {
            client: self.client,
            places_pods: self.places_pods,
            nodes: RwLock::default(),
            fates: RwLock::default(),
            held: RwLock::default(),
            placed: AtomicUsize::new(0),
            addresses: AtomicU32::new(FIRST_POD_ADDRESS),
        });
        let (changed, changes) = mpsc::unbounded();
        let controller = Controller::new(pods, watcher::Config::default())
            .with_config(controller::Config::default().concurrency(CONCURRENCY))
            .reconcile_all_on(changes)
            .run(reconcile, |_, _, _| Action::requeue(RETRY_INTERVAL), Arc::clone(&world));
        let mut tasks = JoinSet::new();
        tasks.spawn(controller.for_each(async |_| ()));
        tasks.spawn(send_heartbeats(Arc::clone(&world)));
        let kubelet = FakeKubelet { world, changed, _tasks: tasks };
        for node in self.nodes {
            kubelet.add_node(node).await;
        }
        kubelet
    }
}

impl FakeKubelet {
    #[must_use]
    pub fn builder(client: Client) -> Builder {
        Builder { client, namespace: None, nodes: Vec::new(), places_pods: true }
    }

    /// From now on, this becomes of these pods, those that exist and those that come. The newest rule that a pod matches
    /// counts; a pod that matches none runs.
    pub fn set_fate(&self, selects: impl Fn(&Pod) -> bool + Send + Sync + 'static, fate: Fate) {
        write(&self.world.fates).push((Box::new(selects), fate));
        self.look_again();
    }

    /// These pods do not go when they are deleted gracefully.
    pub fn hold_deletions(&self, selects: impl Fn(&Pod) -> bool + Send + Sync + 'static) {
        write(&self.world.held).push(Box::new(selects));
        self.look_again();
    }

    pub fn release_deletions(&self) {
        write(&self.world.held).clear();
        self.look_again();
    }

    /// # Panics
    /// When the API server refuses it.
    pub async fn add_node(&self, node: FakeNode) {
        node.register(&self.world.client).await.expect("a fake node can be registered");
        let state = NodeState { node, is_lost: false };
        write(&self.world.nodes).insert(state.node.name().to_owned(), state);
        self.look_again();
    }

    /// Nothing is heard of the node any more: no heartbeat, no status, and no deletion of its pods ends. It is reported as
    /// the controller manager would after its grace period; what follows (taints, evictions) needs the controller manager.
    ///
    /// # Panics
    /// When the API server is away.
    pub async fn lose_node(&self, name: &str) {
        if let Some(node) = self.set_lost(name, true) {
            node.report(&self.world.client, false).await.expect("the API server takes the node's status");
            self.report_pods_not_ready(name).await;
        }
    }

    /// The node is back, with its pods.
    ///
    /// # Panics
    /// When the API server is away.
    pub async fn recover_node(&self, name: &str) {
        if let Some(node) = self.set_lost(name, false) {
            node.register(&self.world.client).await.expect("the API server takes the node back");
            self.look_again();
        }
    }

    /// The machine is gone for good: its node and its pods are deleted, as a cloud's controller and the garbage collector
    /// of pods would.
    ///
    /// # Panics
    /// When the API server is away.
    pub async fn remove_node(&self, name: &str) {
        write(&self.world.nodes).remove(name);
        let nodes: Api<Node> = Api::all(self.world.client.clone());
        nodes.delete(name, &DeleteParams::default()).await.expect("the node is there");
        for pod in self.pods_on(name).await {
            self.world.delete(&pod).await.expect("the pod can be deleted");
        }
    }

    fn set_lost(&self, name: &str, is_lost: bool) -> Option<FakeNode> {
        let mut nodes = write(&self.world.nodes);
        let state = nodes.get_mut(name)?;
        state.is_lost = is_lost;
        Some(state.node.clone())
    }

    async fn report_pods_not_ready(&self, node: &str) {
        let conditions = json!([{ "type": "Ready", "status": "False", "reason": "NodeNotReady" }]);
        for pod in self.pods_on(node).await {
            let patch = json!({ "status": { "conditions": conditions } });
            self.world.patch_status(&pod, &patch).await.expect("the API server takes the pod's status");
        }
    }

    async fn pods_on(&self, node: &str) -> Vec<Pod> {
        let pods: Api<Pod> = Api::all(self.world.client.clone());
        let on_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
        pods.list(&on_node).await.expect("the API server lists pods").items
    }

    fn look_again(&self) {
        // Fails only when the tasks are gone, with the runtime.
        let _ = self.changed.unbounded_send(());
    }
}

/// Selects one pod, for [`FakeKubelet::set_fate`].
pub fn named(name: impl Into<String>) -> impl Fn(&Pod) -> bool + Send + Sync + 'static {
    let name = name.into();
    move |pod| pod.metadata.name.as_ref() == Some(&name)
}

/// Selects the pods with a label, for [`FakeKubelet::set_fate`].
pub fn labelled(label: &'static str, value: impl Into<String>) -> impl Fn(&Pod) -> bool + Send + Sync + 'static {
    let value = value.into();
    move |pod| pod.labels().get(label) == Some(&value)
}

async fn reconcile(pod: Arc<Pod>, world: Arc<World>) -> kube::Result<Action> {
    match world.tend(&pod).await {
        // Somebody was faster: the next event tells.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => (),
        result => result?,
    }
    Ok(Action::await_change())
}

async fn send_heartbeats(world: Arc<World>) {
    loop {
        tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        for state in world.nodes_with_contact() {
            if let Err(error) = state.node.renew_lease(&world.client).await {
                tracing::debug!(%error, node = state.node.name(), "no heartbeat");
            }
        }
    }
}

impl World {
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
            self.bind(pod, node.name()).await?;
        }
        let addresses = Addresses { host: node.address(), pod: self.address_of(pod, &node) };
        if let Some(patch) = status_patch(pod, &fate, addresses, Timestamp::now()) {
            self.patch_status(pod, &patch).await?;
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

    fn nodes_with_contact(&self) -> Vec<NodeState> {
        read(&self.nodes).values().filter(|state| !state.is_lost).cloned().collect()
    }

    fn node(&self, name: &str) -> Option<FakeNode> {
        read(&self.nodes).get(name).filter(|state| !state.is_lost).map(|state| state.node.clone())
    }

    fn next_node(&self) -> Option<FakeNode> {
        let nodes = self.nodes_with_contact();
        let turn = self.placed.fetch_add(1, Ordering::Relaxed);
        nodes.get(turn % nodes.len().max(1)).map(|state| state.node.clone())
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

    /// Strategic: conditions of others stay.
    async fn patch_status(&self, pod: &Pod, patch: &Value) -> kube::Result<()> {
        self.pods(pod).patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(patch)).await?;
        Ok(())
    }

    async fn delete(&self, pod: &Pod) -> kube::Result<()> {
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
