//! Two operators, as real processes: one acts, and one that was stopped and goes on does not act any more.
//!
//! Who did what is read in the API server's own audit log.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use control_plane::{ControlPlane, Server, User};
use crds::{LiveStream, LiveStreamSpec};
use jiff::Timestamp;
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Pod, ServiceAccount},
    rbac::v1::ClusterRoleBinding,
};
use kube::{Api, Client, api::PostParams};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

const LEASE_SECONDS: u64 = 6;
/// Longer than handing over takes on any machine.
const LONG_LEASE_SECONDS: u64 = 60;
/// Requests that may be past the gate at one moment: what each of two threads writes of a stream at once, its pods or
/// its Services and Secret.
const IN_FLIGHT: usize = 6;
/// How much longer than it should something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

struct Stage {
    cluster: ControlPlane,
    client: Client,
    namespace: String,
    audit_log: PathBuf,
    _folder: tempfile::TempDir,
}

/// A write, as the API server has logged it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Write {
    user: LoggedUser,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    request_received_timestamp: Timestamp,
}

#[derive(Debug, Deserialize)]
struct LoggedUser {
    username: String,
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (policy, audit_log) = (folder.path().join("policy.json"), folder.path().join("audit.log"));
        let rules = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", "verbs": ["create", "update", "patch", "delete"]}, {"level": "None"}],
        });
        std::fs::write(&policy, rules.to_string()).unwrap();
        let cluster = ControlPlane::builder()
            .flag(Server::ApiServer, format!("--audit-policy-file={}", policy.display()))
            .flag(Server::ApiServer, format!("--audit-log-path={}", audit_log.display()))
            .start()
            .await
            .unwrap();
        cluster.install(&crds::definition()).await;
        let (client, namespace) = (cluster.client(), cluster.namespace("two-operators").await);
        Self { cluster, client, namespace, audit_log, _folder: folder }
    }

    /// An operator that may do everything, as a user of its own.
    async fn operator(&self, name: &str, lease_seconds: u64) -> Child {
        let params = PostParams::default();
        let account = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.namespace);
        accounts.create(&params, &account).await.unwrap();
        let binding: ClusterRoleBinding = serde_json::from_value(json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.namespace}],
        }))
        .unwrap();
        Api::all(self.client.clone()).create(&params, &binding).await.unwrap();
        let kubeconfig = self.cluster.kubeconfig(&User::service_account(&self.namespace, name));
        Command::new(env!("CARGO_BIN_EXE_operator"))
            .args(["--namespace", &self.namespace, "--lease-namespace", &self.namespace])
            .args(["--lease-seconds", &lease_seconds.to_string(), "--health-listen", "127.0.0.1:0"])
            .args(["--image-media-node", "m", "--image-enhancer", "e", "--image-trainer", "t", "--probe", "false"])
            .env("KUBECONFIG", kubeconfig)
            .env("HOSTNAME", name)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    fn streams(&self) -> Api<LiveStream> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn create(&self, name: &str) {
        let stream = LiveStream::new(name, LiveStreamSpec::default());
        self.streams().create(&PostParams::default(), &stream).await.unwrap();
    }

    async fn until_leads(&self, name: &str) {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        until(&format!("{name} leads"), async || {
            let lease = leases.get_opt("acuity-operator").await.unwrap();
            let holder = lease.and_then(|lease| lease.spec?.holder_identity);
            holder.is_some_and(|holder| holder.starts_with(&format!("{name}_")))
        })
        .await;
    }

    async fn until_has_pods(&self, stream: &str) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let name = format!("{stream}-media-node-0");
        until(&format!("{name} exists"), async || pods.get_opt(&name).await.unwrap().is_some()).await;
    }

    fn writes_of(&self, name: &str) -> Vec<Write> {
        let username = format!("system:serviceaccount:{}:{name}", self.namespace);
        let mut writes = read_log(&self.audit_log);
        writes.retain(|write| write.user.username == username);
        writes
    }
}

fn read_log(path: &Path) -> Vec<Write> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn signal(process: &Child, signal: Signal) {
    let pid = Pid::from_raw(process.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_stopped_does_not_act_when_it_goes_on() {
    let stage = Stage::set().await;
    let mut first = stage.operator("first", LEASE_SECONDS).await;
    stage.until_leads("first").await;
    let _second = stage.operator("second", LEASE_SECONDS).await;
    stage.create("calm").await;
    stage.until_has_pods("calm").await;
    assert!(stage.writes_of("second").iter().all(|write| write.request_uri.contains("/leases")), "it only waits");

    // Stopped with its hands full.
    for index in 0..20 {
        stage.create(&format!("before-{index}")).await;
    }
    signal(&first, Signal::STOP);
    stage.until_leads("second").await;
    stage.create("after").await;
    stage.until_has_pods("after").await;
    for index in 0..20 {
        stage.until_has_pods(&format!("before-{index}")).await;
        // Work that the first would have, were it still the leader.
        stage.streams().delete(&format!("before-{index}"), &Default::default()).await.unwrap();
    }

    let resumed = Timestamp::now();
    signal(&first, Signal::CONT);
    let ended = timeout(PATIENCE, first.wait()).await.unwrap().unwrap();
    assert!(!ended.success(), "it says that it was not asked to end");
    let late: Vec<_> =
        stage.writes_of("first").into_iter().filter(|write| write.request_received_timestamp > resumed).collect();
    assert!(late.len() <= IN_FLIGHT, "more than the requests in flight: {late:?}");
    assert!(late.iter().all(|write| !write.verb.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_asked_to_end_hands_over_before_its_lease_ends() {
    let stage = Stage::set().await;
    let mut first = stage.operator("first", LONG_LEASE_SECONDS).await;
    stage.until_leads("first").await;
    let _second = stage.operator("second", LONG_LEASE_SECONDS).await;
    stage.create("one").await;
    stage.until_has_pods("one").await;
    let second_waits = async || stage.writes_of("second").is_empty();
    assert!(second_waits().await);

    let asked = Instant::now();
    signal(&first, Signal::TERM);
    assert!(timeout(PATIENCE, first.wait()).await.unwrap().unwrap().success());
    stage.until_leads("second").await;
    assert!(asked.elapsed() < Duration::from_secs(LONG_LEASE_SECONDS), "{:?}", asked.elapsed());
    stage.create("two").await;
    stage.until_has_pods("two").await;
}
