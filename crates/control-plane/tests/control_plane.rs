//! The control plane with the real programs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use control_plane::{
    ControlPlane, PROGRAMS_VARIABLE, Server, User, eventually, find_program, wait_for, wait_until_gone,
};
use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Namespace, Pod},
        rbac::v1::{ClusterRole, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::{Value, json};

fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

async fn create_map(client: Client, namespace: &str, name: &str) -> kube::Result<ConfigMap> {
    let map = object(json!({ "metadata": { "name": name } }));
    Api::namespaced(client, namespace).create(&PostParams::default(), &map).await
}

async fn map_names(client: Client, namespace: &str) -> kube::Result<Vec<String>> {
    let maps: Api<ConfigMap> = Api::namespaced(client, namespace);
    Ok(maps.list(&ListParams::default()).await?.into_iter().filter_map(|map| map.metadata.name).collect())
}

#[tokio::test]
async fn tests_of_a_process_share_one_and_do_not_see_each_other() {
    let (one, other) = (ControlPlane::shared().await, ControlPlane::shared().await);
    assert!(std::ptr::eq(one, other));
    let (mine, yours) = (one.namespace("mine").await, other.namespace("yours").await);
    create_map(one.client(), &mine, "a").await.unwrap();
    assert_eq!(map_names(other.client(), &mine).await.unwrap(), ["a"]);
    assert_eq!(map_names(other.client(), &yours).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn pods_can_be_created_in_a_new_namespace_and_get_an_account() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("pods").await;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let pod =
        object(json!({ "metadata": { "name": "a" }, "spec": { "containers": [{ "name": "c", "image": "image" }] } }));
    let pod = pods.create(&PostParams::default(), &pod).await.unwrap();
    assert_eq!(pod.spec.unwrap().service_account_name.as_deref(), Some("default"));
}

#[tokio::test]
async fn a_service_account_may_do_what_it_was_granted_and_nothing_else() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("rbac").await;
    let account = User::service_account(&namespace, "reader");
    let maps = async || map_names(cluster.client_as(&account), &namespace).await;
    assert!(matches!(maps().await, Err(kube::Error::Api(status)) if status.is_forbidden()));

    let name = format!("reader-of-{namespace}");
    let role: ClusterRole = object(json!({
        "metadata": { "name": name },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] }],
    }));
    let binding: RoleBinding = object(json!({
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": "reader", "namespace": namespace }],
    }));
    Api::all(cluster.client()).create(&PostParams::default(), &role).await.unwrap();
    Api::namespaced(cluster.client(), &namespace).create(&PostParams::default(), &binding).await.unwrap();
    eventually(maps).await;
    let refused = create_map(cluster.client_as(&account), &namespace, "a").await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.is_forbidden()));
}

#[tokio::test]
async fn programs_use_the_kubeconfig_as_the_user_that_it_is_of() {
    let cluster = ControlPlane::shared().await;
    let kubectl = find_program("kubectl").unwrap();
    let who = |user: &User| {
        let config = cluster.kubeconfig(user);
        let mut whoami = Command::new(&kubectl);
        whoami.args(["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", "--kubeconfig"]).arg(config);
        let output = whoami.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(who(&User::admin()), "admin");
    assert_eq!(who(&User::named("jane").with_group("guests")), "jane");
    assert_eq!(who(&User::service_account("system", "operator")), "system:serviceaccount:system:operator");
}

#[tokio::test]
async fn a_custom_resource_is_served_once_it_is_installed() {
    let cluster = ControlPlane::shared().await;
    let crd: CustomResourceDefinition = object(json!({
        "metadata": { "name": "things.example.com" },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": { "plural": "things", "singular": "thing", "kind": "Thing" },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                           "schema": { "openAPIV3Schema": { "type": "object" } } }],
        },
    }));
    cluster.install(&crd).await;
    cluster.install(&crd).await;
    let things = http::Request::get("/apis/example.com/v1/things").body(Vec::new()).unwrap();
    let things: Value = cluster.client().request(things).await.unwrap();
    assert_eq!(things["items"], json!([]));
}

#[tokio::test]
async fn killed_servers_come_back_with_what_was_written() {
    let cluster = ControlPlane::builder().start().await.unwrap();
    let namespace = cluster.namespace("kept").await;
    create_map(cluster.client(), &namespace, "a").await.unwrap();

    cluster.kill(Server::ApiServer);
    let mut config = cluster.config_as(&User::admin());
    config.default_retry = false;
    map_names(Client::try_from(config).unwrap(), &namespace).await.unwrap_err();
    cluster.restart(Server::Etcd).await.unwrap();
    cluster.restart(Server::ApiServer).await.unwrap();
    assert_eq!(map_names(cluster.client(), &namespace).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn a_paused_api_server_answers_when_it_is_resumed() {
    let cluster = ControlPlane::builder().start().await.unwrap();
    let client = cluster.client();
    map_names(client.clone(), "default").await.unwrap();
    cluster.pause(Server::ApiServer);
    let answer = tokio::spawn(async move { map_names(client, "default").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!answer.is_finished());
    cluster.resume(Server::ApiServer);
    answer.await.unwrap().unwrap();
}

#[tokio::test]
async fn with_the_controller_manager_orphans_and_namespaces_are_collected() {
    let cluster = ControlPlane::builder().with(Server::ControllerManager).start().await.unwrap();
    let namespace = cluster.namespace("collected").await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), &namespace);
    let owner = create_map(cluster.client(), &namespace, "owner").await.unwrap();
    let owned = object(json!({ "metadata": { "name": "owned", "ownerReferences": [
        { "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid },
    ] } }));
    maps.create(&PostParams::default(), &owned).await.unwrap();
    maps.delete("owner", &DeleteParams::background()).await.unwrap();
    wait_until_gone(&maps, "owned").await;

    let namespaces: Api<Namespace> = Api::all(cluster.client());
    namespaces.delete(&namespace, &DeleteParams::default()).await.unwrap();
    wait_until_gone(&namespaces, &namespace).await;
}

#[tokio::test]
async fn flags_reach_the_servers() {
    let flag = "--default-unreachable-toleration-seconds=3";
    let cluster = ControlPlane::builder().flag(Server::ApiServer, flag).start().await.unwrap();
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "default");
    let pod = object(json!({ "metadata": { "name": "a" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } }));
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let pod = wait_for(&pods, "a", |_| true).await;
    let tolerations = pod.spec.unwrap().tolerations.unwrap();
    assert!(tolerations.iter().any(|toleration| toleration.toleration_seconds == Some(3)), "{tolerations:?}");
}

#[tokio::test]
async fn a_dropped_control_plane_leaves_nothing() {
    let cluster = ControlPlane::builder().start().await.unwrap();
    let folder = cluster.folder().to_owned();
    assert!(processes_in(&folder) >= 2);
    drop(cluster);
    assert!(!folder.exists());
}

#[test]
fn a_killed_process_leaves_nothing() {
    let program = env!("CARGO_BIN_EXE_control-plane");
    let mut child = Command::new(program).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let folder = Path::new(line.trim().trim_start_matches("export KUBECONFIG=")).parent().unwrap();
    assert_eq!(processes_in(folder), 4);
    child.kill().unwrap();
    child.wait().unwrap();
    while folder.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(processes_in(folder), 0);
}

#[test]
fn missing_programs_are_an_error_that_says_what_to_do() {
    let program = env!("CARGO_BIN_EXE_control-plane");
    let output = Command::new(program).env(PROGRAMS_VARIABLE, "/nowhere").output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(message.contains("make setup-tests"), "{message}");
}

fn processes_in(folder: &Path) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter(|process| std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == folder)).count()
}
