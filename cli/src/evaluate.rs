//! `acuity evaluate`: how much better the picture a viewer gets becomes, at which cost, against honest alternatives.
//!
//! ```text
//! clip ─▶ run: the real system on loopback ─▶ recording (a folder) ─▶ measure ─▶ table, plot, JSON
//! ```
//! A run only records, so that it disturbs nothing; pictures are decoded and measured afterwards.

mod args;
mod clients;
mod compare;
mod forwarded;
mod measure;
mod observed;
mod plan;
mod plot;
mod processes;
mod progress;
mod recording;
mod report;
mod rivals;
mod run;
mod sweep;
mod table;
mod uplink;

use std::{
    env,
    io::{Write, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use telemetry::Shutdown;
use tokio::sync::oneshot;

pub(crate) use args::EvaluateArgs;

use plan::{Plan, plans};
use recording::Recording;
use report::{ClipReport, Report, Unmeasured};
use sweep::SweepPoint;

const MOST_LATE_PERCENT: f64 = 2.0;

/// Runs, measures, and says what came of it; exit status 0 when every run was complete.
///
/// # Errors
/// When the options cannot work, the system cannot be started, or a recording cannot be measured.
pub(crate) async fn run(args: EvaluateArgs, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    if let [a, b] = &args.compare[..] {
        let _ = writeln!(stdout(), "{}", compare::compare(a, b)?);
        return Ok(ExitCode::SUCCESS);
    }
    media::init();
    let mut outcome = Outcome::default();
    if args.again.is_empty() {
        args.check()?;
        for plan in plans(&args)? {
            outcome.add(run_and_measure(&plan, args.keep.as_deref(), &shutdown).await?, plan.uplink_kbps);
            if shutdown.is_requested() {
                break;
            }
        }
    }
    for folder in &args.again {
        eprintln!("measuring {}", folder.display());
        let recording = Recording::load(folder)?;
        outcome.add(Measured::Clip(Box::new(measure(recording, folder, true, &shutdown).await?)), None);
    }
    outcome.show(&args)?;
    Ok(if outcome.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What came of one run. One that was not complete is not measured: half of it would be taken for the whole.
enum Measured {
    Clip(Box<ClipReport>),
    Not(Unmeasured),
}

async fn run_and_measure(plan: &Plan, keep: Option<&Path>, shutdown: &Shutdown) -> anyhow::Result<Measured> {
    let temporary = tempfile::tempdir().context("making a folder for the recording")?;
    let folder = keep.unwrap_or(temporary.path()).join(&plan.name);
    eprintln!("{}: running for {} s", plan.name, plan.conditions.seconds);
    let recording = run::record(plan, &folder, shutdown).await?;
    if !recording.is_complete() {
        eprintln!("{}: the run is not complete: {}", plan.name, recording.incomplete.join("; "));
        return Ok(Measured::Not(Unmeasured { clip: recording.conditions.clip, incomplete: recording.incomplete }));
    }
    if let Some(percent) = late_percent(&recording) {
        eprintln!("{}: this machine was too busy for {percent:.0} % of the clip's frames", plan.name);
    }
    eprintln!("{}: measuring", plan.name);
    Ok(Measured::Clip(Box::new(measure(recording, &folder, keep.is_some(), shutdown).await?)))
}

/// Frames that the publisher left out for want of time, where they are worth a word.
fn late_percent(recording: &Recording) -> Option<f64> {
    let (late, sent) = (recording.publisher.frames_late as f64, recording.publisher.frames as f64);
    Some(100.0 * late / (late + sent)).filter(|percent| *percent > MOST_LATE_PERCENT)
}

/// On a thread of its own, which the end of this process does not wait for.
async fn measure(recording: Recording, folder: &Path, keep: bool, shutdown: &Shutdown) -> anyhow::Result<ClipReport> {
    let (answer, measured) = oneshot::channel();
    let folder: PathBuf = folder.to_owned();
    // Nobody waits for the answer any more once the end was asked for.
    std::thread::spawn(move || drop(answer.send(measure::measure(&recording, &folder, keep))));
    tokio::select! {
        measured = measured => measured.context("measuring ended by itself")?,
        () = shutdown.requested() => bail!("interrupted while measuring"),
    }
}

#[derive(Default)]
struct Outcome {
    clips: Vec<ClipReport>,
    /// Asked for, of each clip; of a sweep
    uplinks_kbps: Vec<Option<u32>>,
    unmeasured: Vec<Unmeasured>,
}

impl Outcome {
    fn add(&mut self, measured: Measured, uplink_kbps: Option<u32>) {
        match measured {
            Measured::Clip(report) => {
                self.clips.push(*report);
                self.uplinks_kbps.push(uplink_kbps);
            }
            Measured::Not(run) => self.unmeasured.push(run),
        }
    }

    fn is_complete(&self) -> bool {
        self.unmeasured.is_empty() && self.clips.iter().all(|clip| clip.incomplete.is_empty())
    }

    fn show(&self, args: &EvaluateArgs) -> anyhow::Result<()> {
        if let Some(json) = &args.json {
            let command = env::args().collect::<Vec<_>>().join(" ");
            let (clips, unmeasured) = (self.clips.clone(), self.unmeasured.clone());
            Report { version: env!("CARGO_PKG_VERSION").to_owned(), command, clips, unmeasured }.write_json(json)?;
        }
        if self.clips.is_empty() {
            return Ok(());
        }
        let _ = writeln!(stdout(), "{}", table::table(&self.clips));
        let points = self.uplinks_kbps.iter().zip(&self.clips);
        let points: Vec<SweepPoint> = points
            .filter_map(|(uplink, report)| Some(SweepPoint { uplink_kbps: (*uplink)?, report: report.clone() }))
            .collect();
        match &args.plot {
            Some(svg) if points.is_empty() => plot::plot(&self.clips, svg),
            Some(svg) => sweep::plot(&points, svg),
            None => Ok(()),
        }
    }
}
