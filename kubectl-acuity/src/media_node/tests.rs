//! Against a real media-node, over its real internal port.

use std::{net::SocketAddr, time::Duration};

use futures::TryStreamExt;
use proto::status::StreamStatus;
use settings::MediaNodeSettings;
use telemetry::Shutdown;
use tokio::net::TcpStream;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
/// The weights that every stream begins with.
const GENERAL: u64 = 1;

struct Node {
    internal: SocketAddr,
    shutdown: Shutdown,
    _folder: tempfile::TempDir,
}

impl Node {
    async fn start() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let folder = tempfile::tempdir().unwrap();
        let (token, ports) = (folder.path().join("token"), folder.path().join("ports"));
        std::fs::write(&token, "secret\n").unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let settings = MediaNodeSettings {
            stream: "live/game-night".to_owned(),
            listen: any,
            internal_listen: any,
            media_listen: any,
            internal_token_file: Some(token),
            ports_file: Some(ports.clone()),
            ..MediaNodeSettings::default()
        };
        let shutdown = Shutdown::default();
        tokio::spawn(media_node::run(settings, shutdown.clone()));
        let bound = async {
            loop {
                if let Ok(text) = std::fs::read_to_string(&ports) {
                    let bound: serde_json::Value = serde_json::from_str(&text).unwrap();
                    return bound["internal_listen"].as_str().unwrap().parse().unwrap();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let internal = tokio::time::timeout(PATIENCE, bound).await.expect("the media-node says where it listens");
        Self { internal, shutdown, _folder: folder }
    }

    async fn reach(&self, name: &str, token: &str) -> anyhow::Result<MediaNode> {
        let connection = TcpStream::connect(self.internal).await.unwrap();
        MediaNode::over(connection, StreamName::new("live", name).unwrap(), token).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_carries_status_events_and_checkpoints() {
    let node = Node::start().await;
    let reached = node.reach("game-night", "secret").await.unwrap();
    let listed = reached.checkpoints().await.unwrap();
    let versions: Vec<_> = listed.checkpoints.iter().map(|checkpoint| checkpoint.version).collect();
    assert_eq!((versions, listed.live_version, listed.pinned_version), (vec![GENERAL], GENERAL, 0));
    assert!(listed.checkpoints[0].safetensors.is_empty());

    let live = reached.checkpoint(0).await.unwrap();
    assert_eq!(live.version, GENERAL);
    assert!(!live.safetensors.is_empty());

    reached.pin(GENERAL).await.unwrap();
    assert_eq!(reached.checkpoints().await.unwrap().pinned_version, GENERAL);
    reached.pin(0).await.unwrap();
    assert_eq!(reached.checkpoints().await.unwrap().pinned_version, 0);

    let mut events = reached.events().await.unwrap();
    let event = tokio::time::timeout(PATIENCE, events.try_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(event.name, "status");
    assert_eq!(serde_json::from_str::<StreamStatus>(&event.data).unwrap().stream, "live/game-night");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_to_do() {
    let node = Node::start().await;
    let said = node.reach("game-night", "wrong").await.err().unwrap().to_string();
    assert!(said.contains("restart NAME --role media-node"), "{said}");
    assert!(!said.contains("wrong"), "a secret is not said");
    let friend = node.reach("game-night", "secret").await.unwrap();
    let said = friend.checkpoint(77).await.unwrap_err().to_string();
    assert_eq!(said, "there is no version 77: `kubectl acuity checkpoint list NAME` shows what is kept");
    let other = node.reach("other", "secret").await.unwrap();
    assert!(other.pin(GENERAL).await.unwrap_err().to_string().starts_with("this is the registry of live/game-night"));
}
