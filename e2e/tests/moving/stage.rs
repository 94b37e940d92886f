//! Media-nodes of one stream behind one address, over a real nats-server: what the operator makes of a roll-out, without
//! the operator.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use bus::server::{NatsServer, ServerConfig};
use e2e::{Process, Publisher, clip, program, within};
use proto::status::StreamStatus;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{RATES, front::Front};

pub(crate) struct Stage {
    pub(crate) public: Front,
    pub(crate) internal: Front,
    pub(crate) nats: NatsServer,
    pub(crate) folder: TempDir,
    token_file: PathBuf,
    nodes: AtomicU32,
}

/// One part's process; killed when dropped.
pub(crate) struct Part {
    name: String,
    child: Child,
}

pub(crate) struct Node {
    pub(crate) part: Part,
    ports: Ports,
}

#[derive(Clone, Copy, Deserialize)]
struct Ports {
    listen: SocketAddr,
    internal_listen: SocketAddr,
}

impl Stage {
    async fn open() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let folder = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let nats = NatsServer::start(ServerConfig { folder: folder.path().join("nats"), listen, users: vec![] });
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, "secret").unwrap();
        let (public, internal) = (Front::start().await, Front::start().await);
        Self { public, internal, nats: nats.unwrap(), folder, token_file, nodes: AtomicU32::new(0) }
    }

    /// With a media-node that everybody is led to.
    pub(crate) async fn with_node() -> (Self, Node) {
        let stage = Self::open().await;
        let node = stage.node().await;
        stage.lead_to(&node);
        (stage, node)
    }

    /// Publishes, and waits until the media-node says so.
    pub(crate) async fn publish(&self) -> Publisher {
        let publisher = Publisher::start(&self.public.url("/whip"), &clip(), &RATES);
        self.status_where(30, "a publisher is live", |status| status.publishing).await;
        publisher
    }

    /// Another media-node, ready; nobody is led to it yet.
    pub(crate) async fn node(&self) -> Node {
        let name = format!("demo-media-node-{}", self.nodes.fetch_add(1, Relaxed));
        let ports_file = self.folder.path().join(&name);
        let mut command = Command::new(program("media-node"));
        for option in ["--listen", "--internal-listen", "--media-listen"] {
            command.args([option, "127.0.0.1:0"]);
        }
        command.args(["--service-url", &self.public.url(""), "--nats-url", self.nats.url()]);
        command.arg("--ports-file").arg(&ports_file).arg("--internal-token-file").arg(&self.token_file);
        command.env("HOSTNAME", &name).env("KUBERNETES_SERVICE_HOST", "here");
        let part = Part::start(&name, command);
        let ports = within(20, "the media-node says where it listens", async || {
            serde_json::from_slice(&std::fs::read(&ports_file).ok()?).ok()
        });
        Node { ports: ports.await, part }
    }

    /// As the operator changes the Service.
    pub(crate) fn lead_to(&self, node: &Node) {
        self.public.lead_to(node.ports.listen);
        self.internal.lead_to(node.ports.internal_listen);
    }

    pub(crate) fn enhancer(&self) -> Part {
        let mut command = Command::new(program("enhancer"));
        command.args(["--media-node-url", &self.internal.url(""), "--nats-url", self.nats.url()]);
        command.arg("--internal-token-file").arg(&self.token_file).env("OMP_WAIT_POLICY", "PASSIVE");
        Part::start("enhancer", command)
    }

    pub(crate) fn trainer(&self) -> Part {
        let mut command = Command::new(program("trainer"));
        command.args(["--media-node-url", &self.internal.url(""), "--nats-url", self.nats.url()]);
        command.arg("--internal-token-file").arg(&self.token_file).env("OMP_WAIT_POLICY", "PASSIVE");
        Part::start("trainer", command)
    }

    pub(crate) async fn status(&self) -> Option<StreamStatus> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(1)).build().unwrap();
        client.get(self.public.url("/api/status")).send().await.ok()?.json().await.ok()
    }

    /// The version that is live at `node`.
    pub(crate) async fn accepted(&self, node: &Node) -> u64 {
        let status = reqwest::get(format!("http://{}/api/status", node.ports.listen)).await.unwrap();
        status.json::<StreamStatus>().await.unwrap().learning.live_version
    }

    pub(crate) async fn status_where(
        &self,
        seconds: u64,
        what: &str,
        fits: impl Fn(&StreamStatus) -> bool,
    ) -> StreamStatus {
        within(seconds, what, async || self.status().await.filter(&fits)).await
    }
}

impl Part {
    fn start(name: &str, mut command: Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        Self { name: name.to_owned(), child }
    }

    fn process(&self) -> Process {
        Process::find(self.child.id().unwrap()).unwrap()
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.process().terminate();
    }

    pub(crate) fn kill(&self) {
        self.process().kill();
    }

    /// Waits for it to end by itself, with status 0.
    pub(crate) async fn ends_well(&mut self, seconds: u64) {
        let ended = timeout(Duration::from_secs(seconds), self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("{} still runs after {seconds} s", self.name)).unwrap();
        assert!(status.success(), "{}: {status}", self.name);
    }
}
