//! The operator's probe and a media-node understand each other over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    time::Duration,
};

use e2e::{program, within};
use free_ports::free_address;
use operator::probe::{self, Probed, Target};
use proto::StreamName;
use tokio::{process::Child, sync::mpsc, time::timeout};

fn media_node(folder: &Path, media_listen: &str) -> Child {
    tokio::process::Command::new(program("media-node"))
        .args(["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0", "--media-listen", media_listen])
        .arg("--ports-file")
        .arg(folder.join("ports"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn media_address(folder: &Path) -> SocketAddr {
    within(20, "the media-node says where it listens", async || {
        let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("ports")).ok()?).ok()?;
        ports["media_listen"].as_str()?.parse().ok()
    })
    .await
}

async fn next(findings: &mut mpsc::Receiver<Probed>, seconds: u64) -> (String, bool) {
    let found = timeout(Duration::from_secs(seconds), findings.recv()).await.unwrap().unwrap();
    (found.pod_uid, found.reachable)
}

#[tokio::test]
async fn a_media_node_is_found_where_it_is_and_not_where_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = media_node(folder.path(), &free_address(Ipv4Addr::LOCALHOST.into()).unwrap().to_string());
    let address = media_address(folder.path()).await;
    let (targets, mut findings) = probe::spawn(telemetry::Shutdown::default()).unwrap();
    let stream = StreamName::new("default", "demo").unwrap();
    let target = |pod_uid: &str, addresses: &[SocketAddr]| Target {
        stream: stream.clone(),
        pod_uid: pod_uid.to_owned(),
        addresses: addresses.to_vec(),
    };

    // One address of two is enough: nobody answers at the first.
    let nobody = free_address(Ipv4Addr::LOCALHOST.into()).unwrap();
    targets.send(target("first", &[nobody, address])).await.unwrap();
    assert_eq!(next(&mut findings, 5).await, ("first".to_owned(), true));

    process.kill().await.unwrap();
    targets.send(target("second", &[address])).await.unwrap();
    assert_eq!(next(&mut findings, 20).await, ("second".to_owned(), false));

    std::fs::remove_file(folder.path().join("ports")).unwrap();
    let _process = media_node(folder.path(), &address.to_string());
    assert_eq!(next(&mut findings, 20).await, ("second".to_owned(), true), "it is found again by itself");
}

#[tokio::test]
async fn a_media_node_at_every_address_is_found_by_both_families() {
    let folder = tempfile::tempdir().unwrap();
    let _process = media_node(folder.path(), "[::]:0");
    let port = media_address(folder.path()).await.port();
    let (targets, mut findings) = probe::spawn(telemetry::Shutdown::default()).unwrap();
    let has_v6 = std::net::UdpSocket::bind("[::1]:0").is_ok();
    for (index, address) in ["127.0.0.1", "::1"].iter().take(1 + usize::from(has_v6)).enumerate() {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        let stream = StreamName::new("default", &format!("s{index}")).unwrap();
        targets.send(Target { stream, pod_uid: "1".to_owned(), addresses: vec![address] }).await.unwrap();
        assert_eq!(next(&mut findings, 5).await, ("1".to_owned(), true), "{address}");
    }
}
