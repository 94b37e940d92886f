//! A control plane to play with: `cargo run -p control-plane`, then `kubectl` with the kubeconfig that it names. Pods do
//! as if they ran. It ends with Ctrl-C, and nothing of it stays.

use std::io::{Write, stdout};

use control_plane::{ControlPlane, FakeKubelet, FakeNode, Server, User, find_program};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cluster = ControlPlane::builder().with(Server::ControllerManager).with(Server::Scheduler).start().await?;
    let node = FakeNode::new("node").with_resource("nvidia.com/gpu", "2");
    let _kubelet = FakeKubelet::builder(cluster.client()).node(node).behind_scheduler().start().await;
    let kubectl = find_program("kubectl").unwrap_or_else(|_| "kubectl".into());
    // It goes on also when nobody reads this.
    let _ = writeln!(stdout(), "export KUBECONFIG={}", cluster.kubeconfig(&User::admin()).display());
    let _ = writeln!(stdout(), "alias kubectl={}", kubectl.display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
