//! One control plane: starting it, its clients, and the faults that tests give it.

use std::{
    collections::BTreeMap,
    fs, io,
    net::TcpStream,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::core::v1::{Namespace, ServiceAccount},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
    runtime::{conditions::is_crd_established, wait::await_condition},
};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::{
    folder::Folder,
    programs::find_program,
    secrets::{self, Secrets},
    server::{Ports, Running, Server},
    user::User,
};

const READY_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How often other ports are tried when somebody took one between its choice and its use.
const STARTS: usize = 3;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no {program}: run `make setup-tests`, which builds Kubernetes' programs once; expected {path}")]
    NoProgram { program: &'static str, path: PathBuf },
    #[error("{doing}")]
    Io { doing: String, source: io::Error },
    #[error("{program} ended ({status}); the end of its log:\n{log}")]
    Ended { program: &'static str, status: String, log: String },
    #[error("{program} is not ready after {} s; the end of its log:\n{log}", READY_TIMEOUT.as_secs())]
    NotReady { program: &'static str, log: String },
}

/// A running control plane. Nothing of it outlives this value or the process.
#[derive(Debug)]
pub struct ControlPlane {
    servers: Mutex<BTreeMap<Server, Running>>,
    arguments: BTreeMap<Server, Vec<String>>,
    ports: Ports,
    secrets: Secrets,
    namespaces: AtomicU32,
    /// Last: it is removed when the servers are gone.
    folder: Folder,
}

/// What to start. Without more: etcd and kube-apiserver.
#[derive(Clone, Debug)]
pub struct Builder {
    flags: BTreeMap<Server, Vec<String>>,
}

impl Builder {
    /// Also runs it, for example the scheduler.
    #[must_use]
    pub fn with(mut self, server: Server) -> Self {
        self.flags.entry(server).or_default();
        self
    }

    /// Tells a server something more, and runs it.
    #[must_use]
    pub fn flag(mut self, server: Server, flag: impl Into<String>) -> Self {
        self.flags.entry(server).or_default().push(flag.into());
        self
    }

    /// Starts it, and waits until the API server is ready.
    ///
    /// # Errors
    /// When a program is missing, or does not get ready.
    pub async fn start(self) -> Result<ControlPlane, Error> {
        let mut starts_left = STARTS;
        loop {
            starts_left -= 1;
            match self.start_once().await {
                Err(Error::Ended { log, .. }) if log.contains("address already in use") && starts_left > 0 => (),
                result => return result,
            }
        }
    }

    async fn start_once(&self) -> Result<ControlPlane, Error> {
        let folder = Folder::create().map_err(doing("making a folder for the control plane"))?;
        let ports = Ports::choose().map_err(doing("looking for free ports"))?;
        let secrets = Secrets::create(folder.path()).map_err(doing("making certificates and tokens"))?;
        let arguments = self.flags.iter().map(|(server, flags)| {
            let arguments = server.arguments(&ports).into_iter().chain(flags.iter().cloned());
            (*server, arguments.collect())
        });
        let control_plane = ControlPlane {
            servers: Mutex::default(),
            arguments: arguments.collect(),
            ports,
            secrets,
            namespaces: AtomicU32::new(0),
            folder,
        };
        control_plane.kubeconfig(&User::admin());
        for server in self.flags.keys() {
            control_plane.restart(*server).await?;
        }
        control_plane.make_default_account("default").await;
        Ok(control_plane)
    }
}

impl ControlPlane {
    #[must_use]
    pub fn builder() -> Builder {
        Builder { flags: BTreeMap::new() }.with(Server::Etcd).with(Server::ApiServer)
    }

    /// The one that all tests of this process share, each in a namespace of its own: etcd and kube-apiserver. Tests that
    /// disturb the servers start their own.
    ///
    /// # Panics
    /// When it cannot be started; the message says what to do.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        let start = async || ControlPlane::builder().start().await;
        let shared = SHARED.get_or_try_init(start).await;
        shared.unwrap_or_else(|error| panic!("no control plane: {:#}", anyhow::Error::from(error)))
    }

    /// A client of the admin, with connections of its own. It belongs to the async runtime that it is made in: each test
    /// makes its own.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_as(&User::admin())
    }

    #[must_use]
    pub fn client_as(&self, user: &User) -> Client {
        client(self.config_as(user))
    }

    /// To build a client with layers of the test's own.
    #[must_use]
    pub fn config_as(&self, user: &User) -> Config {
        let url = self.url().parse().expect("an address makes a URL");
        let mut config = Config::new(url);
        config.root_cert = Some(vec![self.secrets.certificate_der.clone()]);
        config.auth_info = user.auth_info(&self.secrets.admin_token);
        config
    }

    /// A kubeconfig file for programs.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn kubeconfig(&self, user: &User) -> PathBuf {
        let certificate = self.folder().join("tls.crt");
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": user.name() } }],
            "clusters": [{ "name": "test", "cluster": { "server": self.url(), "certificate-authority": certificate } }],
            "users": [{ "name": user.name(), "user": user.auth_info(&self.secrets.admin_token) }],
        });
        // KUBECONFIG is a list, with colons between.
        let file = self.folder().join(format!("{}.kubeconfig", user.name().replace(':', "-")));
        secrets::write(&file, &config.to_string()).expect("the own folder can be written");
        file
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.ports.api)
    }

    /// Where everything of it lies: logs (`kube-apiserver.log`), etcd's data, secrets. Gone with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a namespace that nobody else uses, named after `purpose`, with its default service account, and says its
    /// name.
    ///
    /// # Panics
    /// When the API server refuses.
    pub async fn namespace(&self, purpose: &str) -> String {
        let name = format!("{purpose}-{}", self.namespaces.fetch_add(1, Ordering::Relaxed));
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let namespaces = Api::all(self.client());
        namespaces.create(&PostParams::default(), &namespace).await.expect("the admin may create namespaces");
        self.make_default_account(&name).await;
        name
    }

    /// Makes a custom resource known, or replaces it, and waits until it is served.
    ///
    /// # Panics
    /// When the API server refuses it; the message is the API server's.
    pub async fn install(&self, crd: &CustomResourceDefinition) {
        let crds: Api<CustomResourceDefinition> = Api::all(self.client());
        let name = crd.name_any();
        let parameters = PatchParams::apply("control-plane").force();
        if let Err(error) = crds.patch(&name, &parameters, &Patch::Apply(crd)).await {
            panic!("{name} is refused: {error}");
        }
        await_condition(crds, &name, is_crd_established()).await.expect("the admin may watch definitions");
    }

    /// Makes it stand still, as an overloaded machine or a broken network would (SIGSTOP).
    pub fn pause(&self, server: Server) {
        if let Some(running) = self.servers().get(&server) {
            running.stop();
        }
    }

    pub fn resume(&self, server: Server) {
        if let Some(running) = self.servers().get(&server) {
            running.resume();
        }
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&self, server: Server) {
        self.servers().remove(&server);
    }

    /// Starts it, again or for the first time, with the same data at the same address, and waits until it is ready. When
    /// it runs, it is killed first.
    ///
    /// # Errors
    /// When its program is missing, or it does not get ready.
    pub async fn restart(&self, server: Server) -> Result<(), Error> {
        self.kill(server);
        let program = server.program();
        let path = find_program(program).map_err(|path| Error::NoProgram { program, path })?;
        let arguments = self.arguments.get(&server).cloned().unwrap_or_else(|| server.arguments(&self.ports));
        let running = Running::spawn(server, &path, &arguments, self.folder()).map_err(doing("starting a server"))?;
        self.servers().insert(server, running);

        let deadline = Instant::now() + READY_TIMEOUT;
        let mut client = None;
        while !self.is_ready(server, &mut client).await {
            self.check_alive(server)?;
            if Instant::now() > deadline {
                return Err(Error::NotReady { program, log: self.last_words(server) });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        // Who answered may be another one, at the same port.
        self.check_alive(server)
    }

    async fn is_ready(&self, server: Server, client_of_admin: &mut Option<Client>) -> bool {
        match server {
            Server::Etcd => TcpStream::connect(self.ports.etcd).is_ok(),
            Server::ApiServer => {
                let client = client_of_admin.get_or_insert_with(|| self.impatient_client());
                let request = http::Request::get("/readyz").body(Vec::new()).expect("it is a path");
                client.request_text(request).await.is_ok()
            }
            // They serve nobody; what they do shows in the objects.
            Server::ControllerManager | Server::Scheduler => true,
        }
    }

    /// One that does not try again by itself.
    fn impatient_client(&self) -> Client {
        let mut config = self.config_as(&User::admin());
        config.default_retry = false;
        client(config)
    }

    /// A pod needs it; the controller manager makes it too, when there is one.
    async fn make_default_account(&self, namespace: &str) {
        let metadata = ObjectMeta { name: Some("default".into()), ..ObjectMeta::default() };
        let account = ServiceAccount { metadata, ..ServiceAccount::default() };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        match accounts.create(&PostParams::default(), &account).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => (),
            result => drop(result.expect("the admin may create service accounts")),
        }
    }

    fn check_alive(&self, server: Server) -> Result<(), Error> {
        let ended = self.servers().get_mut(&server).map(Running::ended);
        match ended.transpose().map_err(doing("waiting for a server"))?.flatten() {
            Some(status) => {
                let (program, log) = (server.program(), self.last_words(server));
                Err(Error::Ended { program, status: status.to_string(), log })
            }
            None => Ok(()),
        }
    }

    /// The end of its log.
    fn last_words(&self, server: Server) -> String {
        let log = fs::read_to_string(self.folder().join(server.log())).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn servers(&self) -> MutexGuard<'_, BTreeMap<Server, Running>> {
        self.servers.lock().expect("nobody panics while holding the servers")
    }
}

fn client(config: Config) -> Client {
    Client::try_from(config).expect("the certificate is one of ours")
}

fn doing(doing: &str) -> impl FnOnce(io::Error) -> Error {
    let doing = doing.to_owned();
    move |source| Error::Io { doing, source }
}
