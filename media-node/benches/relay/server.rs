//! A server under load: a child process, what the system says of it, and where it listens.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::plain_forwarder;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    child: Child,
    /// `http://<ip>:<port>`
    pub(crate) url: String,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start_media_node() -> Self {
        let any = "127.0.0.1:0";
        let mut command = Command::new(env!("CARGO_BIN_EXE_media-node"));
        command.args(["--listen", any, "--internal-listen", any, "--media-listen", any, "--ports-file"]);
        Self::start(command).await
    }

    pub(crate) async fn start_plain_forwarder() -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.arg(plain_forwarder::ARGUMENT);
        Self::start(command).await
    }

    /// The last argument is to be the file in which the server says where it listens.
    async fn start(mut command: Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ports = folder.path().join("ports");
        let child = command.arg(&ports).stderr(Stdio::null()).spawn().expect("the server starts");
        let mut server = Self { child, url: String::new(), _folder: folder };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(&ports).unwrap_or_default();
            if let Ok(Value::Object(bound)) = serde_json::from_str(&text) {
                server.url = format!("http://{}", bound["listen"].as_str().expect("an address"));
                return server;
            }
            assert!(tokio::time::Instant::now() < deadline, "the server does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Of all threads, since the start.
    pub(crate) fn cpu_nanoseconds(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the server is alive");
        let on_cpu = tasks.flatten().filter_map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        });
        on_cpu.sum()
    }

    pub(crate) fn resident_bytes(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the server is alive");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory is known");
        let kilobytes: f64 = line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number");
        kilobytes * 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have died by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
