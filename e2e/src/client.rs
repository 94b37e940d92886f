//! `acuity publish` and `acuity watch` as children that say each second how they fare.

use std::{
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{program, within};

/// What `acuity publish --stats` says, as far as tests care.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PublishStats {
    pub connected: bool,
    pub frames: u64,
    pub patches: u64,
    pub sessions: u64,
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
}

/// A clip published over and over.
#[derive(Debug)]
pub struct Publisher(Client<PublishStats>);

/// A viewer of one rendition.
#[derive(Debug)]
pub struct Viewer(Client<WatchStats>);

#[derive(Debug)]
struct Client<T> {
    _child: Child,
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
        Self { _child: child, newest }
    }

    fn newest(&self) -> T {
        self.newest.lock().expect("nobody panics with the lock").clone()
    }
}
