//! One run: the system and its clients are started, watched over for their time, and ended in order. Whatever is
//! written meanwhile is written by the programs themselves.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use telemetry::Shutdown;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    clients::{UPLINK, is_statistics, start_clients},
    observed::{Observed, count_shortcomings},
    plan::Plan,
    processes::{Processes, read_machine},
    progress::Progress,
    recording::{ENHANCED, FRAMES, RECORDING, Recording, SOURCE, SentFrame, VIDEO_CLOCK_RATE, parse_frames},
    uplink::parse_uplink,
};
use crate::{
    observe::{self, Observation},
    rtpdump,
    up::{System, log_line, remove_if_there, supervisor::Happened},
};

const LOG: &str = "run.log";

/// From the start of the publisher to its first frame.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// The publisher goes on for so long after the last second, so that all of it can arrive.
const TAIL: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);
/// A rendition whose last packet is older than this at the end had ended before.
const LONGEST_SILENCE_TICKS: u64 = 2 * VIDEO_CLOCK_RATE;

/// Records one run into `folder`. A run that fails on its way is a recording that says so.
///
/// # Errors
/// When the system cannot be started, or the folder cannot be written to.
pub(crate) async fn record(plan: &Plan, folder: &Path, shutdown: &Shutdown) -> anyhow::Result<Recording> {
    let folder = &fs::create_dir_all(folder)
        .and_then(|()| folder.canonicalize())
        .with_context(|| format!("making the folder {}", folder.display()))?;
    for of_an_earlier_run in [RECORDING, FRAMES, UPLINK, SOURCE, ENHANCED] {
        remove_if_there(&folder.join(of_an_earlier_run))?;
    }
    let data_dir = tempfile::tempdir().context("making a data folder")?;
    let (child_events, from_children) = mpsc::channel(256);
    let (observations, mut observed) = mpsc::channel(256);
    tokio::spawn(observe::follow_children(from_children, observations.clone()));
    let system = System::start(&plan.up, data_dir.path(), child_events.clone(), shutdown).await?;
    let addresses = system.addresses();
    let events = tokio::spawn(observe::follow_events(addresses.page.clone(), None, observations.clone()));
    let reports = tokio::spawn(observe::follow_reports(addresses.clone(), plan.up.stream.parse()?, observations));
    let clients = start_clients(plan, &system, folder, child_events)?;

    let mut run = Run::new(plan, folder)?;
    let watched = run.watch_over(&mut observed, shutdown).await;
    run.processes.look();
    for client in clients {
        client.stop().await;
    }
    events.abort();
    reports.abort();
    system.stop().await;
    // Last words, and last counts.
    while let Some(observation) = observed.recv().await {
        run.observe(observation)?;
    }
    watched?;
    let recording = run.finish()?;
    recording.save(folder)?;
    Ok(recording)
}

struct Run<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    log: File,
    observed: Observed,
    processes: Processes,
    /// When the first frame was sent.
    began_unix_us: Option<u64>,
    /// Why it ended before its time.
    ended_early: Option<String>,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, folder: &'a Path) -> anyhow::Result<Self> {
        let log = folder.join(LOG);
        Ok(Self {
            plan,
            folder,
            log: File::create(&log).with_context(|| format!("writing {}", log.display()))?,
            observed: Observed::default(),
            processes: Processes::default(),
            began_unix_us: None,
            ended_early: None,
        })
    }

    /// Until its time is over, somebody died, or the end was asked for.
    async fn watch_over(
        &mut self,
        observed: &mut mpsc::Receiver<Observation>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut progress = Progress::default();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.ended_early.is_none() && self.observed.deaths.is_empty() {
            tokio::select! {
                () = shutdown.requested() => self.ended_early = Some("it was interrupted".to_owned()),
                Some(observation) = observed.recv() => self.observe(observation)?,
                _ = tick.tick() => match self.began_unix_us {
                    None if started.elapsed() > START_TIMEOUT => {
                        let seconds = START_TIMEOUT.as_secs();
                        self.ended_early = Some(format!("the publisher sent no frame within {seconds} s"));
                    }
                    None => self.look_for_the_first_frame(),
                    Some(began) => {
                        let passed = Duration::from_micros(unix_us().saturating_sub(began));
                        if passed >= Duration::from_secs(self.plan.conditions.seconds.into()) + TAIL {
                            break;
                        }
                        if progress.is_due(passed) {
                            self.processes.look();
                            progress.show(&self.observed.progress(passed.as_secs(), self.plan.conditions.seconds));
                        }
                    }
                },
            }
        }
        progress.end();
        Ok(())
    }

    fn observe(&mut self, observation: Observation) -> anyhow::Result<()> {
        if let Observation::Child(event) = &observation {
            if let Happened::Started { pid } = event.what {
                self.processes.handle_started(event.child, pid);
            }
            if !is_statistics(event) {
                writeln!(self.log, "{}", log_line(event)).context("writing the log of the run")?;
            }
        }
        self.observed.observe(unix_us(), observation);
        Ok(())
    }

    fn look_for_the_first_frame(&mut self) {
        let log = fs::read_to_string(self.folder.join(FRAMES)).unwrap_or_default();
        if let Some(first) = parse_frames(&log).unwrap_or_default().first() {
            self.began_unix_us = Some(first.sent_unix_us);
            self.processes.begin();
        }
    }

    fn finish(self) -> anyhow::Result<Recording> {
        let Observed { checkpoints, judged, training, enhancer, publisher, viewers, deaths, .. } = self.observed;
        let seconds = self.plan.conditions.seconds;
        let began_unix_us = self.began_unix_us.unwrap_or_else(unix_us);
        let frames = parse_frames(&fs::read_to_string(self.folder.join(FRAMES)).unwrap_or_default())?;
        let uplink = fs::read_to_string(self.folder.join(UPLINK)).unwrap_or_default();

        let mut incomplete: Vec<String> = self.ended_early.into_iter().chain(deaths).collect();
        if incomplete.is_empty() {
            incomplete.extend(count_shortcomings(&publisher, &viewers));
            for (name, file) in [("source", SOURCE), ("enhanced", ENHANCED)] {
                let timestamps = rtpdump::read(&self.folder.join(file))?;
                let timestamps = timestamps.iter().map(|arrived| arrived.packet.timestamp);
                incomplete.extend(rendition_shortcoming(name, timestamps, &frames, seconds));
            }
        }
        Ok(Recording {
            conditions: self.plan.conditions.clone(),
            began_unix_us,
            uplink: parse_uplink(&uplink, began_unix_us, seconds)?,
            publisher,
            checkpoints,
            judged,
            training,
            enhancer,
            viewers,
            processes: self.processes.uses(),
            machine: read_machine(),
            incomplete,
        })
    }
}

/// Whether a viewer got frames of the run, to its end.
fn rendition_shortcoming(
    name: &str,
    timestamps: impl Iterator<Item = u32>,
    frames: &[SentFrame],
    seconds: u32,
) -> Option<String> {
    let first = frames.first()?.rtp_timestamp;
    // Half the circle before the first frame is none of the run.
    let ticks = timestamps.map(|timestamp| timestamp.wrapping_sub(first)).filter(|ticks| *ticks < 1 << 31);
    let Some(newest) = ticks.max() else { return Some(format!("the viewer of {name} never got a frame")) };
    let end = u64::from(seconds) * VIDEO_CLOCK_RATE;
    (u64::from(newest) + LONGEST_SILENCE_TICKS < end)
        .then(|| format!("the viewer of {name} got nothing after second {}", u64::from(newest) / VIDEO_CLOCK_RATE))
}

fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_that_got_nothing_or_stopped_early_is_named() {
        let frame = |ticks: u64| SentFrame {
            rtp_timestamp: (u64::from(u32::MAX) + ticks) as u32,
            ticks,
            clip_frame_index: 0,
            sent_unix_us: 0,
        };
        let frames = [frame(0), frame(90_000)];
        let check = |timestamps: &[u32]| rendition_shortcoming("enhanced", timestamps.iter().copied(), &frames, 10);
        assert_eq!(check(&[u32::MAX, 8 * 90_000]), None);
        assert!(check(&[]).unwrap().contains("never got a frame"));
        assert!(check(&[u32::MAX - 90_000]).unwrap().contains("never got a frame"));
        assert!(check(&[5, 7 * 90_000]).unwrap().contains("after second 7"));
    }
}
