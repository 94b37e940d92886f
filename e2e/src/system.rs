//! A running `acuity up`.

use std::{path::Path, process::Stdio, time::Duration};

use proto::status::StreamStatus;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use crate::{
    processes::{self, Process, descendants},
    program, within,
};

/// Everything `acuity up` starts, on free ports and with a data folder of its own.
#[derive(Debug)]
pub struct System {
    child: Child,
    /// `http://IP:PORT/`
    page: String,
    http: reqwest::Client,
    /// Removed when this is dropped; `None`: the caller's.
    _data_dir: Option<TempDir>,
    _alone: MutexGuard<'static, ()>,
}

static MACHINE: Mutex<()> = Mutex::const_new(());

/// One system has the machine for itself: on two cores, two of them would show what the machine can do, not what the
/// system does. [`System`] sees to it itself.
pub async fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().await
}

impl System {
    /// Starts with a fresh data folder.
    ///
    /// # Panics
    /// When it is not up in time.
    pub async fn start(options: &[&str]) -> Self {
        let data_dir = tempfile::tempdir().expect("a folder in the temporary folder can be made");
        let mut system = Self::start_in(data_dir.path(), options).await;
        system._data_dir = Some(data_dir);
        system
    }

    /// Starts with the data of an earlier run.
    ///
    /// # Panics
    /// When it is not up in time.
    pub async fn start_in(data_dir: &Path, options: &[&str]) -> Self {
        let alone = alone().await;
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut child = Command::new(program("acuity"))
            .args(["up", "--listen", "127.0.0.1:0", "--media-listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("acuity can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let page = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(page) = line.trim_start().strip_prefix("page ") {
                    return page.trim().to_owned();
                }
            }
            panic!("acuity up ended before it was up");
        };
        let page = timeout(Duration::from_secs(60), page).await.expect("acuity up says within 60 s where its page is");
        Self { child, page, http: reqwest::Client::new(), _data_dir: None, _alone: alone }
    }

    #[must_use]
    pub fn page(&self) -> &str {
        &self.page
    }

    #[must_use]
    pub fn whip(&self) -> String {
        format!("{}whip", self.page)
    }

    #[must_use]
    pub fn whep(&self) -> String {
        format!("{}whep", self.page)
    }

    /// `None` while the media-node is away.
    pub async fn status(&self) -> Option<StreamStatus> {
        let answer =
            self.http.get(format!("{}api/status", self.page)).timeout(Duration::from_secs(1)).send().await.ok()?;
        answer.json().await.ok()
    }

    /// # Panics
    /// When no status fits within `seconds`.
    pub async fn status_where(&self, seconds: u64, what: &str, fits: impl Fn(&StreamStatus) -> bool) -> StreamStatus {
        within(seconds, what, async || self.status().await.filter(&fits)).await
    }

    /// A part of the running system, by the name of its program.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn part(&self, name: &str) -> Process {
        within(10, &format!("{name} runs"), async || self.processes().into_iter().find(|process| process.name == name))
            .await
    }

    /// All that belongs to it, but `acuity` itself.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        self.child.id().map(descendants).unwrap_or_default()
    }

    /// `acuity` itself.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn acuity(&self) -> Process {
        self.child.id().and_then(processes::read).expect("acuity runs")
    }

    /// Whether `acuity` ended with status 0, within `seconds`.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ended_well(&mut self, seconds: u64) -> bool {
        let status = timeout(Duration::from_secs(seconds), self.child.wait()).await.expect("acuity ends in time");
        status.expect("a child can be waited for").success()
    }
}
