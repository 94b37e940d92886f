//! The control plane with the real programs.

use control_plane::ControlPlane;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

#[tokio::test]
async fn the_shared_one_serves_a_namespace_to_each_test() {
    let start = std::time::Instant::now();
    let cluster = ControlPlane::shared().await;
    eprintln!("ready after {:?}", start.elapsed());
    let namespace = cluster.namespace("first").await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), &namespace);
    let names = maps.list(&Default::default()).await.unwrap();
    assert_eq!(names.items, []);
    eprintln!("{}", cluster.folder().display());
}
