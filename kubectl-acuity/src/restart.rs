//! `restart`: deletes pods; the operator makes new ones.

use crds::Role;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    ResourceExt,
    api::{DeleteParams, Preconditions},
};
use serde_json::json;

use crate::{cluster::Cluster, output::Output};

pub(crate) async fn run(cluster: &Cluster, name: &str, role: Option<Role>, output: Output) -> anyhow::Result<()> {
    let stream = cluster.stream(name).await?;
    let pods = cluster.pods(name, role).await?;
    if pods.is_empty() {
        let paused = if stream.spec.paused { ", for it is paused (spec.paused)" } else { "" };
        let role = role.map(|role| format!("{role} ")).unwrap_or_default();
        anyhow::bail!(
            "{name} has no {role}pods to restart{paused}: `kubectl acuity status {name}` says how it is doing"
        );
    }
    let api = cluster.api::<Pod>();
    let mut deleted = Vec::new();
    for pod in pods {
        let (pod_name, uid) = (pod.name_any(), pod.uid());
        // Not its successor of the same name.
        let only_this = Preconditions { uid, ..Preconditions::default() };
        let parameters = DeleteParams { preconditions: Some(only_this), ..DeleteParams::default() };
        match api.delete(&pod_name, &parameters).await {
            Ok(_) => deleted.push(pod_name),
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => {
                eprintln!("pod {pod_name} went by itself meanwhile");
            }
            Err(error) => return Err(cluster.explain(error, &format!("delete pod {pod_name}"))),
        }
    }
    output.print(&json!({ "deleted": deleted }), |_| {
        deleted.iter().map(|pod| format!("pod {pod} deleted, the operator makes a new one\n")).collect()
    })
}
