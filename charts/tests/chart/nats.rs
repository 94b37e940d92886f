//! The bundled NATS: a nats-server takes the rendered configuration, and each role gets in with its credentials alone.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bus::{Bus, server::find_program};
use proto::{
    StreamName,
    v1::{EnhancerReport, report},
};
use serde_json::{Value, json};

use crate::helm::render;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the rendered configuration, but for where it listens and stores.
fn serve(config: &str, folder: &Path) -> (Server, String) {
    let mut config: Value = serde_json::from_str(config).expect("the configuration is JSON");
    config["port"] = json!(-1);
    config["http_port"] = json!(-1);
    config["host"] = json!("127.0.0.1");
    config["ports_file_dir"] = json!(folder);
    config["jetstream"]["store_dir"] = json!(folder.join("data"));
    let file = folder.join("nats.conf");
    fs::write(&file, config.to_string()).expect("the folder can be written");
    let mut command = Command::new(find_program().expect("`make setup` puts nats-server into the cache"));
    command.arg("--config").arg(file).stderr(Stdio::null());
    let server = Server(command.spawn().expect("nats-server starts"));
    let ports = folder.join(format!("nats-server_{}.ports", server.0.id()));
    let deadline = Instant::now() + Duration::from_secs(15);
    while Instant::now() < deadline {
        let text = fs::read_to_string(&ports).unwrap_or_default();
        if let Ok(ports) = serde_json::from_str::<Value>(&text) {
            return (server, ports["nats"][0].as_str().expect("an address").to_owned());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nats-server does not take the configuration");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_gets_in_with_its_credentials_and_does_its_work() {
    let objects = render("{}").expect("the default values are good");
    let strings = &objects["Secret/acuity-nats"]["stringData"];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_server, url) = serve(strings["nats.conf"].as_str().expect("a configuration"), folder.path());
    let stream: StreamName = "games/game-night".parse().expect("a name");
    let connect = async |role: &str| {
        let credentials = folder.path().join(role);
        fs::write(&credentials, strings[role].as_str().expect("credentials")).expect("the folder can be written");
        Bus::connect(&url, Some(&credentials), role).await.expect("the credentials can be read")
    };

    let media_node = connect("media-node").await;
    until(async || media_node.ensure_patches().await).await;
    until(async || media_node.checkpoints(&stream).await).await;
    let trainer = connect("trainer").await;
    until(async || trainer.consume_patches(&stream).await).await;
    let operator = connect("operator").await;
    until(async || operator.patch_backlog(&stream).await).await;
    let enhancer = connect("enhancer").await;
    let report = report::Role::Enhancer(EnhancerReport::default());
    until(async || enhancer.put_report(&stream, "game-night-enhancer-0", report.clone()).await).await;
}

/// Tries again while the connection is made.
async fn until<T, E: std::fmt::Display>(attempt: impl AsyncFn() -> Result<T, E>) {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        match attempt().await {
            Ok(_) => return,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
