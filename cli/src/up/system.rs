//! Starts the children, waits until the system answers, ends them in order.

use std::{
    ffi::OsStr,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use bus::{
    Role,
    server::{ServerConfig, User},
};
use futures::future::join_all;
use proto::StreamName;
use telemetry::Shutdown;
use tokio::{sync::mpsc, time::Instant};

use super::{
    UpArgs,
    folder::{DataFolder, new_secret, remove_if_there},
    plan::{Meeting, Programs, desired_children},
    ports::{free_loopback_address, tcp_address, udp_address},
    programs::{find_nats_server, find_program},
    spawner::Spawner,
    supervisor::{ChildEvent, Supervised},
};

/// From the start of the media-node until its sockets are open.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the running system is reached.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) page: String,
    pub(crate) whip: String,
    pub(crate) whep: String,
    pub(crate) nats: String,
    /// `user:password` of a NATS user who may read reports.
    pub(crate) observer_credentials: PathBuf,
}

/// The children of one stream.
#[derive(Debug)]
pub(crate) struct System {
    addresses: Addresses,
    spawner: Spawner,
    nats_server: Supervised,
    media_node: Supervised,
    workers: Vec<Supervised>,
    _folder: DataFolder,
}

impl System {
    /// Returns when the media-node answers. What happens to the children goes to `events`, which has to be read.
    ///
    /// # Errors
    /// When a program is missing, a port is taken, the data folder is in use, or the media-node does not start.
    pub(crate) async fn start(
        args: &UpArgs,
        data_dir: &Path,
        events: mpsc::Sender<ChildEvent>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        let folder = DataFolder::open(data_dir)?;
        let programs = find_programs(args).await?;
        let at = prepare_meeting(args, &programs, &folder)?;
        let spawner = Spawner::start().context("starting children")?;
        let start = |spec| Supervised::start(&spawner, spec, events.clone());
        let children = desired_children(args, &programs, &at)?;
        let system = Self {
            addresses: addresses(&at),
            nats_server: start(children.nats_server),
            media_node: start(children.media_node),
            workers: children.workers.into_iter().map(start).collect(),
            spawner: spawner.clone(),
            _folder: folder,
        };
        match wait_until_open(&at.ports_file, shutdown).await {
            Ok(()) => Ok(system),
            Err(error) => {
                system.stop().await;
                Err(error)
            }
        }
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(crate) fn spawner(&self) -> &Spawner {
        &self.spawner
    }

    /// In the opposite order of need, so that each child's last words still find the others.
    pub(crate) async fn stop(self) {
        join_all(self.workers.into_iter().map(Supervised::stop)).await;
        self.media_node.stop().await;
        self.nats_server.stop().await;
    }
}

async fn find_programs(args: &UpArgs) -> anyhow::Result<Programs> {
    let optional = async |wanted: bool, name| if wanted { find_program(name).await.map(Some) } else { Ok(None) };
    let (nats_server, media_node, trainer, enhancer) = tokio::try_join!(
        find_nats_server(),
        find_program("media-node"),
        optional(!args.no_trainer, "trainer"),
        optional(!args.no_enhancer, "enhancer"),
    )?;
    Ok(Programs { nats_server, media_node, trainer, enhancer })
}

fn prepare_meeting(args: &UpArgs, programs: &Programs, folder: &DataFolder) -> anyhow::Result<Meeting> {
    let stream: StreamName = args.stream.parse().with_context(|| format!("--stream {}", args.stream))?;
    // Those that were asked for first, lest one of the others is the same.
    let listen = tcp_address(args.listen, "--listen")?;
    let media_listen = udp_address(args.media_listen, "--media-listen")?;
    let (internal_listen, nats) = (free_loopback_address()?, free_loopback_address()?);
    let mut users = Vec::new();
    let mut credentials = |role: Role| {
        let (name, password) = (bus::user_name(role, Some(&stream)), new_secret());
        let file = folder.write_secret(&format!("nats-{}", role.as_str()), &format!("{name}:{password}"));
        users.push(User { name, password, permissions: Some(bus::permissions(role, Some(&stream))) });
        file
    };
    let media_node_credentials = credentials(Role::MediaNode)?;
    let trainer_credentials = credentials(Role::Trainer)?;
    let enhancer_credentials = credentials(Role::Enhancer)?;
    let observer_credentials = credentials(Role::Operator)?;
    let nats_config = ServerConfig { folder: folder.file("nats"), listen: nats, users };
    let nats_command = nats_config.command(&programs.nats_server)?;
    let ports_file = folder.file("ports.json");
    remove_if_there(&ports_file)?;
    Ok(Meeting {
        listen,
        media_listen,
        internal_listen,
        nats,
        nats_arguments: nats_command.get_args().map(OsStr::to_owned).collect(),
        ports_file,
        internal_token_file: folder.write_secret("internal-token", &new_secret())?,
        media_node_credentials,
        trainer_credentials,
        enhancer_credentials,
        observer_credentials,
    })
}

/// The media-node writes the file when all its sockets are bound.
async fn wait_until_open(ports_file: &Path, shutdown: &Shutdown) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    while !ports_file.exists() {
        if shutdown.is_requested() {
            bail!("ended before the media-node was up");
        }
        if Instant::now() > deadline {
            bail!("the media-node is not up after {} s: its log says why", START_TIMEOUT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn addresses(at: &Meeting) -> Addresses {
    let page = format!("http://{}/", reachable(at.listen));
    Addresses {
        whip: format!("{page}whip"),
        whep: format!("{page}whep"),
        page,
        nats: format!("nats://{}", at.nats),
        observer_credentials: at.observer_credentials.clone(),
    }
}

/// Where a socket on this machine is reached from this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
