//! `acuity publish` and `acuity watch` as children that say each second how they fare.

use std::{
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{Process, program, within};

/// What `acuity publish --stats` says, as far as tests care.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PublishStats {
    pub connected: bool,
    pub frames: u64,
    pub patches: u64,
    pub patches_refused: u64,
    pub sessions: u64,
    pub moves: u64,
}

/// What `acuity watch --stats` says, as far as tests care.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WatchStats {
    pub frames_shown: u64,
    pub frames_expected: u64,
    pub width: u32,
    pub height: u32,
    pub reconnects: u64,
    pub moves: u64,
    pub freezes: u64,
    pub frozen_seconds: f64,
}

/// A clip published over and over.
#[derive(Debug)]
pub struct Publisher(Client<PublishStats>);

/// A viewer of one rendition.
#[derive(Debug)]
pub struct Viewer(Client<WatchStats>);

#[derive(Debug)]
struct Client<T> {
    child: Child,
    newest: Arc<Mutex<T>>,
}

impl Publisher {
    /// # Panics
    /// When `acuity` cannot be started.
    #[must_use]
    pub fn start(whip: &str, clip: &Path, options: &[&str]) -> Self {
        let mut command = Command::new(program("acuity"));
        command.arg("publish").arg(clip).args(["--whip", whip, "--loop", "--quiet", "--stats"]).args(options);
        Self(Client::start(command))
    }

    #[must_use]
    pub fn stats(&self) -> PublishStats {
        self.0.newest()
    }

    /// Ends it as Ctrl-C does; what it said last.
    ///
    /// # Panics
    /// When it does not end well.
    pub async fn end(self) -> PublishStats {
        self.0.end().await
    }
}

impl Viewer {
    /// # Panics
    /// When `acuity` cannot be started.
    #[must_use]
    pub fn start(whep: &str, rendition: &str) -> Self {
        let mut command = Command::new(program("acuity"));
        command.args(["watch", "--whep", whep, "--rendition", rendition, "--quiet", "--stats"]);
        Self(Client::start(command))
    }

    #[must_use]
    pub fn stats(&self) -> WatchStats {
        self.0.newest()
    }

    /// Ends it as Ctrl-C does; what it said last.
    ///
    /// # Panics
    /// When it does not end well.
    pub async fn end(self) -> WatchStats {
        self.0.end().await
    }

    /// Waits until `frames` more than now were shown.
    ///
    /// # Panics
    /// When they do not come within `seconds`.
    pub async fn shows(&self, seconds: u64, frames: u64) {
        let goal = self.stats().frames_shown + frames;
        let what = format!("{frames} more frames are shown");
        within(seconds, &what, async || (self.stats().frames_shown >= goal).then_some(())).await;
    }
}

impl<T: DeserializeOwned + Clone + Default + Send + 'static> Client<T> {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("acuity can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let newest = Arc::new(Mutex::new(T::default()));
        let slot = newest.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let stats = serde_json::from_str(&line).expect("each line is one JSON object of statistics");
                *slot.lock().expect("nobody panics with the lock") = stats;
            }
        });
        Self { child, newest }
    }

    /// What it said last, after Ctrl-C.
    async fn end(mut self) -> T {
        let process = self.child.id().and_then(Process::find).expect("it runs until it is asked to end");
        process.interrupt();
        let ended = timeout(Duration::from_secs(10), self.child.wait()).await.expect("it ends in time");
        assert!(ended.expect("a child can be waited for").success());
        self.newest()
    }

    fn newest(&self) -> T {
        self.newest.lock().expect("nobody panics with the lock").clone()
    }
}
