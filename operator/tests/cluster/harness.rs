//! An API server, a namespace, and an operator that can be stopped and started again.

use std::fmt::Debug;

use bus::Bus;
use control_plane::{ControlPlane, FakeKubelet, User, eventually, wait_for};
use crds::{ConditionType, LiveStream, LiveStreamSpec};
use k8s_openapi::{
    api::{
        core::v1::Pod,
        rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleBinding},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use operator::{
    Context, Credentials, Driver, Events, Images, Metrics, Nats, Operator, Options, PodOptions, PullPolicy,
    autoscaling::Budget, client::client,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use telemetry::{Health, Shutdown};
use tokio::{sync::OnceCell, task::JoinHandle};

const ACCOUNT: &str = "acuity-operator";
/// What it asks of the whole cluster.
const CLUSTER: &str = "acuity-operator-cluster";
static INSTALLED: OnceCell<()> = OnceCell::const_new();

pub(crate) struct Bed {
    pub(crate) cluster: &'static ControlPlane,
    pub(crate) namespace: String,
    pub(crate) client: Client,
    pub(crate) options: Options,
}

/// An operator that serves one namespace.
pub(crate) struct Running {
    pub(crate) metrics: Metrics,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

#[derive(Deserialize)]
struct Rights {
    streams: Vec<PolicyRule>,
    cluster: Vec<PolicyRule>,
}

impl Bed {
    pub(crate) async fn new(purpose: &str) -> Self {
        let cluster = ControlPlane::shared().await;
        let client = cluster.client();
        INSTALLED
            .get_or_init(|| async {
                cluster.install(&crds::definition()).await;
                grant(&cluster.client()).await;
            })
            .await;
        let namespace = cluster.namespace(purpose).await;
        let binding: RoleBinding = serde_json::from_value(json!({
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
        }))
        .unwrap();
        Api::namespaced(client.clone(), &namespace).create(&PostParams::default(), &binding).await.unwrap();
        let account = cluster.client_as(&User::service_account(&namespace, ACCOUNT));
        let pods: Api<Pod> = Api::namespaced(account, &namespace);
        eventually(async || pods.list(&ListParams::default().limit(1)).await).await;
        let options = options(&namespace);
        Self { cluster, namespace, client, options }
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn kubelet(&self) -> FakeKubelet {
        FakeKubelet::builder(self.client.clone()).namespace(&self.namespace).start().await
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with(None)
    }

    pub(crate) fn start_with(&self, bus: Option<Bus>) -> Running {
        let metrics = Metrics::default();
        let config = self.cluster.config_as(&User::service_account(&self.namespace, ACCOUNT));
        let client = client(config, &metrics, &tower::layer::util::Identity::new()).unwrap();
        let context = Context {
            client: client.clone(),
            options: self.options.clone(),
            credentials: Credentials::default(),
            bus,
            events: Events::new(client.clone()),
            metrics: metrics.clone(),
        };
        let (shutdown, health) = (Shutdown::default(), Health::default());
        let (seen, watched) = tokio::sync::mpsc::channel(64);
        let watches = operator::watch(&client, Some(&self.namespace), &metrics, &seen);
        let operator = Operator::new(context);
        let driver = Driver { operator, watched, probe: None, health, shutdown: shutdown.clone() };
        let task = tokio::spawn(async move {
            let _watches = watches;
            driver.run(None::<std::future::Pending<_>>).await;
        });
        Running { metrics, shutdown, task }
    }

    pub(crate) async fn create(&self, name: &str, spec: Value) -> LiveStream {
        let spec: LiveStreamSpec = serde_json::from_value(spec).unwrap();
        self.api().create(&PostParams::default(), &LiveStream::new(name, spec)).await.unwrap()
    }

    pub(crate) async fn patch<K>(&self, name: &str, patch: Value) -> K
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        self.api().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap()
    }

    pub(crate) async fn stream_that(&self, name: &str, is_so: impl Fn(&LiveStream) -> bool) -> LiveStream {
        wait_for(&self.api(), name, is_so).await
    }

    /// Names of all objects of a kind, in order.
    pub(crate) async fn names<K>(&self) -> Vec<String>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let listed = self.api::<K>().list(&ListParams::default().labels(operator::names::CHILDREN)).await.unwrap();
        let mut names: Vec<_> = listed.into_iter().map(|object| object.name_any()).collect();
        names.sort();
        names
    }
}

impl Bed {
    /// Tells pods from others of their names.
    pub(crate) async fn uids_of(&self, pods: &[&str]) -> Vec<String> {
        let get = async |pod: &&str| self.api::<Pod>().get(pod).await.unwrap().metadata.uid.unwrap();
        futures::future::join_all(pods.iter().map(get)).await
    }
}

impl Running {
    /// Waits until so many streams are counted.
    pub(crate) async fn counts(&self, ready: i64, stalled: i64) {
        eventually(async || {
            let counted = (self.metrics.ready_streams.get(), self.metrics.stalled_streams.get());
            if counted == (ready, stalled) { Ok(()) } else { Err(counted) }
        })
        .await;
    }

    pub(crate) async fn stop(self) {
        self.shutdown.request();
        self.task.await.unwrap();
    }
}

/// What the status says of a condition: its reason.
pub(crate) fn reason(stream: &LiveStream, of: ConditionType) -> Option<String> {
    Some(stream.status.as_ref()?.condition(of)?.reason.clone())
}

pub(crate) fn is_because(of: ConditionType, expected: &'static str) -> impl Fn(&LiveStream) -> bool {
    move |stream| reason(stream, of).as_deref() == Some(expected)
}

async fn grant(client: &Client) {
    let rights: Rights = serde_saphyr::from_str(include_str!("../../rbac.yaml")).unwrap();
    for (name, rules) in [(ACCOUNT, rights.streams), (CLUSTER, rights.cluster)] {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let role = ClusterRole { metadata, rules: Some(rules), aggregation_rule: None };
        Api::all(client.clone()).create(&PostParams::default(), &role).await.unwrap();
    }
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": {"name": CLUSTER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": CLUSTER},
        "subjects": [{"kind": "Group", "name": "system:serviceaccounts", "apiGroup": "rbac.authorization.k8s.io"}],
    }))
    .unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &binding).await.unwrap();
}

pub(crate) fn options(namespace: &str) -> Options {
    Options {
        namespace: Some(namespace.to_owned()),
        images: Images {
            image_media_node: "acuity/media-node:1".to_owned(),
            image_enhancer: "acuity/enhancer:1".to_owned(),
            image_trainer: "acuity/trainer:1".to_owned(),
            image_enhancer_accelerated: Some("acuity/enhancer:1-cuda".to_owned()),
            image_trainer_accelerated: Some("acuity/trainer:1-cuda".to_owned()),
            image_pull_policy: PullPolicy::IfNotPresent,
        },
        nats: Nats { nats_url: "nats://nats:4222".to_owned(), nats_credentials: None },
        host_ports: (30900, 30999),
        probe: false,
        trainer_budget: Budget::default(),
        pods: PodOptions::default(),
        concurrency: 16,
        health_listen: "127.0.0.1:0".parse().unwrap(),
        lease_namespace: None,
        lease_name: "acuity-operator".to_owned(),
        lease_seconds: 15,
    }
}

/// Without reports nobody but the user says how many.
pub(crate) fn one_trainer() -> Value {
    json!({"training": {"replicas": 1, "autoscaling": {"mode": "Fixed"}}})
}
