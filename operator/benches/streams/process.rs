//! An operator as a process of its own, seen from outside.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Without a write for so long it is done.
const STILL: Duration = Duration::from_secs(5);
/// The kernel's unit of CPU time.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) struct Process {
    child: Child,
    health: SocketAddr,
}

/// What it has done and needs by now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) writes: u64,
    pub(crate) reconciles: u64,
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
}

impl Process {
    /// Starts one, and waits until it has seen everything.
    pub(crate) async fn start(kubeconfig: &Path) -> Self {
        let health = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_operator"))
            .args(["--image-media-node=media-node:1", "--image-enhancer=enhancer:1", "--image-trainer=trainer:1"])
            .args(["--probe=false", "--host-ports=20000-65000", &format!("--health-listen={health}")])
            .env("KUBECONFIG", kubeconfig)
            .env("RUST_LOG", "error")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let process = Self { child, health };
        while !process.get("/readyz").is_some_and(|answer| answer.contains(" 200 ")) {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        process
    }

    pub(crate) async fn sample(&self) -> Sample {
        let metrics = self.get("/metrics").unwrap();
        let count = |name: &str| -> u64 {
            let lines = metrics.lines().filter(|line| line.starts_with(name) && !line.contains("method=\"GET\""));
            lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
        };
        let process = Path::new("/proc").join(self.child.id().to_string());
        let stat = fs::read_to_string(process.join("stat")).unwrap();
        let times: Vec<f64> =
            stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2).map(|text| text.parse().unwrap()).collect();
        let status = fs::read_to_string(process.join("status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let resident: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
        Sample {
            writes: count("operator_requests_total{"),
            reconciles: count("operator_reconciles_total "),
            cpu_seconds: times.iter().sum::<f64>() / TICKS_PER_SECOND,
            resident_bytes: resident * 1024,
        }
    }

    pub(crate) async fn wait_until_still(&self) {
        let mut before = self.sample().await;
        loop {
            tokio::time::sleep(STILL).await;
            let now = self.sample().await;
            if now.writes == before.writes && now.reconciles == before.reconciles {
                return;
            }
            before = now;
        }
    }

    pub(crate) async fn wait_for_reconciles(&self, count: u64) -> Sample {
        loop {
            let sample = self.sample().await;
            if sample.reconciles >= count {
                return sample;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut connection = TcpStream::connect(self.health).ok()?;
        write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
