//! A control plane to play with: `cargo run -p control-plane`, then `kubectl` with the kubeconfig that it names. Pods do
//! as if they ran. It ends with Ctrl-C, and nothing of it stays.

use control_plane::{ControlPlane, FakeKubelet, FakeNode, Server, User, find_program};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cluster = ControlPlane::builder().with(Server::ControllerManager).with(Server::Scheduler).start().await?;
    let node = FakeNode::new("node").with_resource("nvidia.com/gpu", "2");
    let _kubelet = FakeKubelet::builder(cluster.client()).node(node).behind_scheduler().start().await;
    let kubectl = find_program("kubectl").unwrap_or_else(|_| "kubectl".into());
    println!("export KUBECONFIG={}", cluster.kubeconfig(&User::admin()).display());
    println!("alias kubectl={}", kubectl.display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
