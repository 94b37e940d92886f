//! A kubelet without a machine: what a test says becomes of a pod, it reports to the API server.
//!
//! It runs nothing, probes nothing, and serves neither logs nor `exec`.

mod fate;
mod node;
mod world;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, channel::mpsc};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
    runtime::{
        Controller,
        controller::{self, Action},
        watcher,
    },
};
use serde_json::json;
use tokio::task::JoinSet;

pub use {fate::Fate, node::FakeNode};

use world::{World, reconcile, send_heartbeats};

/// Requests at a time; more do not make an API server on two cores faster.
const CONCURRENCY: u16 = 32;
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

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
        let world = Arc::new(World::new(self.client, self.places_pods));
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
        self.world.add_fate(Box::new(selects), fate);
        self.look_again();
    }

    /// These pods do not go when they are deleted gracefully.
    pub fn hold_deletions(&self, selects: impl Fn(&Pod) -> bool + Send + Sync + 'static) {
        self.world.hold_deletions(Box::new(selects));
        self.look_again();
    }

    pub fn release_deletions(&self) {
        self.world.release_deletions();
        self.look_again();
    }

    /// # Panics
    /// When the API server refuses it.
    pub async fn add_node(&self, node: FakeNode) {
        node.register(&self.world.client).await.expect("a fake node can be registered");
        self.world.add_node(node);
        self.look_again();
    }

    /// Nothing is heard of the node any more: no heartbeat, no status, and no deletion of its pods ends. It is reported as
    /// the controller manager would after its grace period; what follows (taints, evictions) needs the controller manager.
    ///
    /// # Panics
    /// When the API server is away.
    pub async fn lose_node(&self, name: &str) {
        if let Some(node) = self.world.set_lost(name, true) {
            node.report(&self.world.client, false).await.expect("the API server takes the node's status");
            self.report_pods_not_ready(name).await;
        }
    }

    /// The node is back, with its pods.
    ///
    /// # Panics
    /// When the API server is away.
    pub async fn recover_node(&self, name: &str) {
        if let Some(node) = self.world.set_lost(name, false) {
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
        self.world.remove_node(name);
        let nodes: Api<Node> = Api::all(self.world.client.clone());
        nodes.delete(name, &DeleteParams::default()).await.expect("the node is there");
        for pod in self.pods_on(name).await {
            self.world.delete(&pod).await.expect("the pod can be deleted");
        }
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
