//! A media-node, and `acuity` beside it, as processes.

use std::{
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Moving pictures and a tone, made by FFmpeg as fast as they are read.
pub(crate) const SOURCE: &str =
    "testsrc2=size=640x384:rate=30:duration=60[out0];sine=frequency=440:sample_rate=48000:duration=60[out1]";

/// Ended when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .env("RUST_LOG", "warn,rtc=error,webrtc=error,rtc_dtls=error")
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (output, written) = (child.stdout.take().expect("it is piped"), lines.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                written.lock().expect("nobody panics with the lock").push(line);
            }
        });
        Self { child, lines }
    }

    pub(crate) fn acuity(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_acuity"));
        command.args(arguments);
        Self::start(command)
    }

    /// Of the newest line of statistics; null before the first.
    pub(crate) fn stat(&self, field: &str) -> Value {
        let lines = self.lines.lock().expect("nobody panics with the lock");
        let newest = lines.iter().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
        newest.map_or(Value::Null, |line| line[field].clone())
    }

    pub(crate) fn number(&self, field: &str) -> u64 {
        self.stat(field).as_u64().unwrap_or(0)
    }

    /// Whether it ended by itself with status 0.
    pub(crate) fn ends_well(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status.success();
            }
            assert!(Instant::now() < deadline, "it still runs after {within:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// On ports of its own, which it has again after a restart.
pub(crate) struct MediaNode {
    process: Process,
    folder: tempfile::TempDir,
    ports: [u16; 3],
    options: Vec<String>,
}

impl MediaNode {
    pub(crate) fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let ports = free_ports();
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let process = Self::spawn(folder.path(), ports, &options);
        Self { process, folder, ports, options }
    }

    /// `kill -9`, and another one at the same addresses. Returns when that one listens.
    pub(crate) fn restart(&mut self) {
        self.process.kill();
        std::fs::remove_file(self.folder.path().join("ports.json")).expect("it was written at the start");
        self.process = Self::spawn(self.folder.path(), self.ports, &self.options);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.ports[0])
    }

    fn spawn(folder: &Path, ports: [u16; 3], options: &[String]) -> Process {
        let ports_file = folder.join("ports.json");
        let mut command = Command::new(program("media-node"));
        for (option, port) in ["--listen", "--internal-listen", "--media-listen"].into_iter().zip(ports) {
            command.args([option, &format!("127.0.0.1:{port}")]);
        }
        command.arg("--ports-file").arg(&ports_file).args(options);
        let process = Process::start(command);
        until("the media-node listens", || ports_file.exists());
        process
    }
}

/// A program of the workspace: `cargo test` builds them all into the folder of `acuity`.
fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_acuity")).with_file_name(name);
    assert!(path.is_file(), "{} is missing: cargo build -p {name}", path.display());
    path
}

fn free_ports() -> [u16; 3] {
    [(); 3].map(|()| free_ports::free_address(Ipv4Addr::LOCALHOST.into()).expect("there are free ports").port())
}

/// Waits until `condition` holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
