//! `acuity up`: the whole system of one stream on this machine, as children of this process.

mod folder;
mod plan;
mod ports;
pub(crate) mod programs;
pub(crate) mod spawner;
pub(crate) mod supervisor;
mod system;

use std::{io::Write, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Args;
use settings::{NetworkSettings, PatchSettings};
use telemetry::Shutdown;
use tokio::sync::mpsc;

pub(crate) use folder::{default_folder, remove_if_there};
pub(crate) use plan::effective_settings;
pub(crate) use system::{Addresses, System};

use supervisor::{ChildEvent, Happened};

/// Starts nats-server, media-node, trainer and enhancer on this machine; restarts what dies, until Ctrl-C.
#[derive(Args, Clone, Debug)]
pub(crate) struct UpArgs {
    /// Where weights and patches are kept from run to run [default: $XDG_DATA_HOME/acuity, else ~/.local/share/acuity]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The stream, <namespace>/<name>
    #[arg(long, default_value = "default/demo")]
    pub(crate) stream: String,
    /// WHIP, WHEP, the page and the status; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// The UDP socket of all media; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8189")]
    pub(crate) media_listen: SocketAddr,
    /// Address that publishers and viewers reach the media socket at, where it is another one; may be repeated
    #[arg(long = "advertised-address", value_name = "IP:PORT")]
    pub(crate) advertised_addresses: Vec<SocketAddr>,
    /// File with the token publishers must bear; without it anyone may publish
    #[arg(long, value_name = "FILE")]
    pub(crate) publish_token_file: Option<PathBuf>,
    /// File with the token viewers must bear; without it anyone may watch
    #[arg(long, value_name = "FILE")]
    pub(crate) view_token_file: Option<PathBuf>,
    /// How much larger the enhanced picture is
    #[arg(long, value_name = "2|3|4", default_value_t = 2)]
    pub(crate) scale: u32,
    #[command(flatten)]
    pub(crate) network: NetworkSettings,
    #[command(flatten)]
    pub(crate) patches: PatchSettings,
    /// Start no trainer: what was learned before stays in use
    #[arg(long)]
    pub(crate) no_trainer: bool,
    /// Start no enhancer: viewers get the source
    #[arg(long)]
    pub(crate) no_enhancer: bool,
    /// Any other setting of a part, such as trainer.batch=8 or enhancer.bitrate_kbps=3000 (see `trainer --help`); may be repeated
    #[arg(long = "set", value_name = "PART.SETTING=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// # Errors
/// When a program is missing, a port is taken or the data folder is in use.
pub(crate) async fn run(args: UpArgs, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    let data_dir = args.data_dir.clone().map_or_else(|| default_folder(""), Ok)?;
    let (sender, mut events) = mpsc::channel(256);
    let log = tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            let _ = writeln!(std::io::stderr(), "{}", log_line(&event));
        }
    });
    let system = System::start(&args, &data_dir, sender, &shutdown).await?;
    // Whoever reads it may be gone; the system runs.
    let _ = writeln!(std::io::stdout(), "{}", greeting(system.addresses(), &args));
    shutdown.requested().await;
    system.stop().await;
    log.await?;
    Ok(ExitCode::SUCCESS)
}

/// One line of the common log.
pub(crate) fn log_line(event: &ChildEvent) -> String {
    let child = event.child;
    match &event.what {
        Happened::Said(line) | Happened::Logged(line) => format!("{child:<11}│ {line}"),
        Happened::Started { pid } => format!("{child:<11}│ started, process {pid}"),
        Happened::Died { how, pause } => {
            format!("{child:<11}│ died ({how}), starts again in {:.1} s", pause.as_secs_f64())
        }
    }
}

fn greeting(addresses: &Addresses, args: &UpArgs) -> String {
    let Addresses { whip, whep, page, .. } = addresses;
    let open = match (&args.publish_token_file, args.listen.ip().is_loopback()) {
        (None, false) => "\n  anyone who reaches this machine may publish: see --publish-token-file",
        _ => "",
    };
    format!(
        "Acuity is up. Ctrl-C ends it.\n  page  {page}\n  WHIP  {whip}\n  WHEP  {whep}  (?rendition=source, enhanced or auto)\n  \
         try   acuity publish FILE --whip {whip}{open}"
    )
}
