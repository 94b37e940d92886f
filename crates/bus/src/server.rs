//! A nats-server of our own: its configuration, and a child process that runs it. For `acuity up`, and for tests.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Permissions;

/// Names the nats-server program to use.
pub const PROGRAM_VARIABLE: &str = "ACUITY_NATS_SERVER";

const PROGRAM: &str = "nats-server";
const READY_TIMEOUT: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// What a nats-server is told. `folder` is created; configuration, data and ports files lie in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    pub folder: PathBuf,
    /// Port 0: any free one, of [`NatsServer`] the same after each restart.
    pub listen: SocketAddr,
    /// Without any, everyone may do everything.
    pub users: Vec<User>,
}

/// One who may connect.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub password: String,
    /// `None`: everything.
    pub permissions: Option<Permissions>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(
        "no nats-server: set {PROGRAM_VARIABLE}, or run scripts/setup.sh, or put nats-server (2.11 or later) on PATH"
    )]
    NoProgram,
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
    #[error("nats-server ended at its start ({status}); its log is {log}")]
    Ended { status: String, log: String },
    #[error("nats-server is not ready after {} s", READY_TIMEOUT.as_secs())]
    NotReady,
}

/// A running nats-server; killed when this is dropped.
#[derive(Debug)]
pub struct NatsServer {
    config: ServerConfig,
    program: PathBuf,
    child: Child,
    url: String,
}

/// `ACUITY_NATS_SERVER`, else the cache that `make setup` fills, else PATH.
///
/// # Errors
/// When there is none.
pub fn find_program() -> Result<PathBuf, ServerError> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(program) = variable(PROGRAM_VARIABLE) {
        return Ok(program.into());
    }
    let caches = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let caches = caches.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache")));
    let path: OsString = variable("PATH").unwrap_or_default();
    let folders = caches.into_iter().map(|caches| caches.join("acuity/bin")).chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(PROGRAM)).find(|program| program.is_file()).ok_or(ServerError::NoProgram)
}

impl ServerConfig {
    /// Writes the configuration, readable by this user alone, and says what runs it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn command(&self, program: &Path) -> Result<Command, ServerError> {
        let file = self.folder.join("nats.conf");
        self.write(&file).map_err(|source| ServerError::Io { doing: format!("writing {}", file.display()), source })?;
        let mut command = Command::new(program);
        command.arg("--config").arg(file);
        Ok(command)
    }

    /// The URL clients connect to, once the server with process id `pid` is ready.
    #[must_use]
    pub fn ready_url(&self, pid: u32) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(format!("{PROGRAM}_{pid}.ports"))).ok()?;
        let ports: Ports = serde_json::from_str(&text).ok()?;
        ports.nats.into_iter().next()
    }

    fn write(&self, file: &Path) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(file)?.write_all(self.to_json().to_string().as_bytes())
    }

    /// nats-server reads JSON as a configuration.
    fn to_json(&self) -> Value {
        let port = if self.listen.port() == 0 { -1 } else { i32::from(self.listen.port()) };
        let mut config = json!({
            "host": self.listen.ip().to_string(),
            "port": port,
            "ports_file_dir": self.folder,
            "jetstream": { "store_dir": self.folder.join("data") },
        });
        if !self.users.is_empty() {
            let users: Vec<_> = self.users.iter().map(User::to_json).collect();
            config["authorization"] = json!({ "users": users });
        }
        config
    }
}

impl User {
    fn to_json(&self) -> Value {
        let mut user = json!({ "user": self.name, "password": self.password });
        if let Some(Permissions { publish, subscribe }) = &self.permissions {
            user["permissions"] = json!({ "publish": publish, "subscribe": subscribe });
        }
        user
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

impl NatsServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When there is no program, or it does not get ready.
    pub fn start(mut config: ServerConfig) -> Result<Self, ServerError> {
        let program = find_program()?;
        if config.listen.port() == 0 {
            config.listen = free_ports::free_address(config.listen.ip())
                .map_err(|source| ServerError::Io { doing: "looking for a free port".to_owned(), source })?;
        }
        let (child, url) = spawn(&config, &program)?;
        Ok(Self { config, program, child, url })
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, with the same data, at the same address.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.kill();
        (self.child, self.url) = spawn(&self.config, &self.program)?;
        Ok(())
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(config: &ServerConfig, program: &Path) -> Result<(Child, String), ServerError> {
    let doing = |doing: &str| {
        let doing = format!("{doing} {}", program.display());
        move |source| ServerError::Io { doing, source }
    };
    let mut command = config.command(program)?;
    let log = config.folder.join("nats.log");
    let log_file = fs::File::create(&log).map_err(doing("making the log of"))?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file);
    let mut child = command.spawn().map_err(doing("starting"))?;
    let deadline = Instant::now() + READY_TIMEOUT;
    while Instant::now() < deadline {
        if let Some(url) = config.ready_url(child.id()) {
            return Ok((child, url));
        }
        if let Some(status) = child.try_wait().map_err(doing("waiting for"))? {
            let log = fs::read_to_string(log).unwrap_or_default();
            return Err(ServerError::Ended { status: status.to_string(), log });
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(ServerError::NotReady)
}

#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}
