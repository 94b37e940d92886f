//! Installed, upgraded, rolled back and removed by Helm on a real API server.

use std::{fmt::Debug, path::PathBuf};

use charts::chart;
use control_plane::{ControlPlane, FakeKubelet, Server, User, eventually};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Pod, Secret, Service},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client, api::ListParams};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::helm::command;

const NAMESPACE: &str = "acuity-system";

/// Helm on a control plane of its own.
struct Cluster {
    kubeconfig: PathBuf,
    client: Client,
    _kubelet: FakeKubelet,
    _control_plane: ControlPlane,
}

impl Cluster {
    async fn start() -> Self {
        let control_plane =
            ControlPlane::builder().with(Server::ControllerManager).start().await.expect("a control plane");
        let client = control_plane.client();
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": NAMESPACE,
            // Pods that are not restricted are refused.
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        }});
        let namespace: Namespace = serde_json::from_value(namespace).expect("a namespace");
        Api::all(client.clone()).create(&Default::default(), &namespace).await.expect("the namespace can be made");
        let kubelet = FakeKubelet::builder(client.clone()).start().await;
        let kubeconfig = control_plane.kubeconfig(&User::admin());
        Self { kubeconfig, client, _kubelet: kubelet, _control_plane: control_plane }
    }

    /// Waits for what it does to be ready.
    async fn helm(&self, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::from(command());
        command.args(arguments).args(["--namespace", NAMESPACE, "--kubeconfig"]).arg(&self.kubeconfig);
        let output = command.output().await.expect("Helm can be started");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "helm {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn upgrade(&self, values: &[&str]) -> String {
        let chart = chart();
        let arguments =
            ["upgrade", "--install", "acuity", chart.to_str().expect("a path in text"), "--wait", "--timeout", "180s"];
        self.helm(&[&arguments[..], values].concat()).await
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Helm waits for what is in the chart; what that made goes after it.
    async fn until_there_is_no<K>(&self)
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned,
    {
        eventually(async || {
            let left = self.api::<K>().list(&ListParams::default()).await.expect("a list").items;
            if left.is_empty() { Ok(()) } else { Err(left) }
        })
        .await;
    }

    async fn credentials(&self) -> Secret {
        self.api::<Secret>().get("acuity-nats").await.expect("the Secret is there")
    }

    async fn definition(&self) -> CustomResourceDefinition {
        Api::all(self.client.clone()).get("livestreams.acuity.video").await.expect("the definition is there")
    }

    async fn replicas(&self) -> Option<i32> {
        let operator = self.api::<Deployment>().get("acuity-operator").await.expect("the operator is there");
        operator.spec.and_then(|spec| spec.replicas)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_installed_upgraded_rolled_back_and_removed() {
    let cluster = Cluster::start().await;

    let notes = cluster.upgrade(&[]).await;
    assert!(notes.contains("kubectl get livestream"), "{notes}");
    let (made, definition) = (cluster.credentials().await, cluster.definition().await);
    assert_eq!(cluster.replicas().await, Some(2));

    cluster.upgrade(&["--set", "operator.replicas=1,commonLabels.team=games"]).await;
    assert_eq!(cluster.replicas().await, Some(1));
    assert_eq!(cluster.credentials().await.data, made.data, "passwords are kept");
    let labels = cluster.definition().await.metadata.labels.unwrap_or_default();
    assert_eq!(labels.get("team").map(String::as_str), Some("games"), "the definition is upgraded");

    cluster.helm(&["rollback", "acuity", "1", "--wait", "--timeout", "180s"]).await;
    assert_eq!(cluster.replicas().await, Some(2));
    assert_eq!(cluster.credentials().await.data, made.data, "passwords are kept");

    let said = cluster.helm(&["uninstall", "acuity", "--wait", "--timeout", "180s"]).await;
    assert!(said.contains("livestreams.acuity.video"), "it says what it leaves: {said}");
    assert_eq!(
        cluster.definition().await.metadata.uid,
        definition.metadata.uid,
        "the definition, and all streams with it, stays"
    );
    cluster.until_there_is_no::<Service>().await;
    cluster.until_there_is_no::<Deployment>().await;
    cluster.until_there_is_no::<Pod>().await;
}
