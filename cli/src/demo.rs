//! `acuity demo`: the whole system, a clip published to it, a viewer of it, and one view of what they do.

mod progress;
mod screen;
mod stats;
mod text;

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{IsTerminal, Write, stderr, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use telemetry::Shutdown;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use crate::{
    observe::{self, Observation, follow_events, follow_reports},
    up::{
        System, UpArgs, default_folder, log_line,
        spawner::ChildSpec,
        supervisor::{ChildEvent, Supervised},
    },
};

use progress::Progress;
use screen::Screen;

/// Everything at once on this machine: the system, a clip published live, a viewer, and a view of the gain.
///
/// Without a terminal, or with --seconds, it prints a line a second and a summary. Exit status 0: an accepted
/// checkpoint was in use for at least 10 s with a gain above 0, and at least 95 % of the frames that were published
/// from the first enhanced frame on were shown on `enhanced`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// What to publish, over and over: any file that FFmpeg reads
    #[arg(long, value_name = "FILE")]
    clip: PathBuf,
    /// End after this many seconds, with a summary
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Bit rate of the published video
    #[arg(long, value_name = "KBPS", default_value_t = 600)]
    video_kbps: u32,
    /// Bit rate of the patches beside it
    #[arg(long, value_name = "KBPS", default_value_t = 60)]
    patch_kbps: u32,
    #[command(flatten)]
    up: UpArgs,
}

/// # Errors
/// When the system cannot be started.
pub(crate) async fn run(args: DemoArgs, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    let data_dir = args.up.data_dir.clone().map_or_else(|| default_folder("demo"), Ok)?;
    anyhow::ensure!(args.clip.is_file(), "there is no clip {}", args.clip.display());
    eprintln!("starting; what is learned is kept in {}", data_dir.display());

    let started = Instant::now();
    let (child_events, from_children) = mpsc::channel(256);
    let (observations, observed) = mpsc::channel(256);
    tokio::spawn(observe::follow_children(from_children, observations.clone()));
    let system = System::start(&args.up, &data_dir, child_events.clone(), &shutdown).await?;
    let clients = start_clients(&args, &system, &child_events)?;
    tokio::spawn(follow_events(system.addresses().page.clone(), view_token(&args)?, observations.clone()));
    tokio::spawn(follow_reports(system.addresses().clone(), args.up.stream.parse()?, observations));

    let mut progress = Progress::new(system.addresses().page.clone());
    let log_file = data_dir.join("demo.log");
    let outcome = show(&mut progress, observed, &log_file, args.seconds, started, &shutdown).await;

    for client in clients {
        client.stop().await;
    }
    system.stop().await;
    outcome?;
    // Whoever reads it may be gone; the verdict is in the status.
    let _ = writeln!(stdout(), "{}", text::summary(&progress, &log_file));
    Ok(if progress.verdict().passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The viewer first, so that no frame of the publisher is missed.
fn start_clients(
    args: &DemoArgs,
    system: &System,
    events: &mpsc::Sender<ChildEvent>,
) -> anyhow::Result<[Supervised; 2]> {
    let acuity = env::current_exe().context("finding the own executable")?;
    let addresses = system.addresses();
    let client = |name, arguments: Vec<OsString>| {
        let spec =
            ChildSpec { name, program: acuity.clone(), arguments, environment: vec![], background: false, noise: None };
        Supervised::start(system.spawner(), spec, events.clone())
    };
    let mut watch = stats::watch_arguments(&addresses.whep);
    let mut publish =
        stats::publish_arguments(&args.clip, &addresses.whip, args.up.scale, args.video_kbps, args.patch_kbps);
    for (arguments, token_file) in [(&mut watch, &args.up.view_token_file), (&mut publish, &args.up.publish_token_file)]
    {
        if let Some(file) = token_file {
            arguments.extend(["--token-file".into(), file.clone().into()]);
        }
    }
    Ok([client("watch", watch), client("publish", publish)])
}

fn view_token(args: &DemoArgs) -> anyhow::Result<Option<String>> {
    let read = |file: &PathBuf| std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()));
    Ok(args.up.view_token_file.as_ref().map(read).transpose()?.map(|token| token.trim().to_owned()))
}

/// Shows the progress until the end is asked for.
async fn show(
    progress: &mut Progress,
    mut observed: mpsc::Receiver<Observation>,
    log_file: &Path,
    seconds: Option<u64>,
    started: Instant,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let mut log = File::create(log_file).with_context(|| format!("writing {}", log_file.display()))?;
    telemetry::redirect_logs(log.try_clone()?);
    let mut screen = (seconds.is_none() && stdout().is_terminal()).then(|| Screen::open(shutdown)).transpose()?;
    let end = started + seconds.map_or(Duration::from_secs(u64::from(u32::MAX)), Duration::from_secs);
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            () = sleep_until(end) => return Ok(()),
            Some(observation) = observed.recv() => {
                if let Observation::Child(event) = &observation
                    && stats::is_log(event)
                {
                    writeln!(log, "{}", log_line(event))?;
                }
                progress.observe(started.elapsed(), observation);
                continue;
            }
            _ = tick.tick() => {}
        }
        match &mut screen {
            Some(screen) => screen.draw(progress, started.elapsed())?,
            // Nobody may be reading any more; that is no reason to end.
            None => drop(writeln!(stderr(), "{}", text::progress_line(progress, started.elapsed()))),
        }
    }
}
