//! Keeps the child `patch-pairer`: starts it with the first patch, ends it when none come, starts it again when it
//! dies. Never waits for it: what does not fit into its bounded inbox is dropped.

mod child;

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;

pub(crate) use self::child::Ended;
use self::child::{Child, SendError};
use super::wire::{AccessUnit, FramesLost, FromPairerKind, ReceivedPatch, ToPairerKind};

/// The child ends this long after the last patch.
const IDLE: Duration = Duration::from_secs(10);
/// A key frame that does not come is asked for again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LAST_BACKOFF: Duration = Duration::from_secs(5);
/// A child that lived this long did not die of its start.
const LIVED: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Pairer {
    program: PathBuf,
    running: Option<Running>,
    /// Deaths in a row.
    deaths: u32,
    not_before: Duration,
    last_patch: Duration,
}

#[derive(Debug)]
struct Running {
    child: Child,
    started: Duration,
    /// Since when the next access unit that helps is a key frame, as far as the child was told.
    keyframe: Option<AwaitedKeyframe>,
}

#[derive(Debug, Default)]
struct AwaitedKeyframe {
    asked: Option<Duration>,
    /// The child knows that frames are missing.
    told: bool,
}

/// Beside this program, else on PATH.
pub(crate) fn find_program() -> PathBuf {
    let name = "patch-pairer";
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(name)));
    beside.filter(|program| program.is_file()).unwrap_or_else(|| name.into())
}

impl Pairer {
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program, running: None, deaths: 0, not_before: Duration::ZERO, last_patch: Duration::ZERO }
    }

    /// # Errors
    /// The reason it is counted under, when it is not paired. `true`: the child was started for it.
    pub(crate) fn handle_patch(&mut self, now: Duration, patch: ReceivedPatch) -> Result<bool, &'static str> {
        self.last_patch = now;
        let starts = self.running.is_none();
        if starts {
            self.start(now)?;
        }
        let running = self.running.as_mut().expect("started just above");
        running.child.send(ToPairerKind::Patch(patch)).map_err(|_| "pairer_busy")?;
        Ok(starts)
    }

    pub(crate) fn handle_access_unit(&mut self, stream_time: u64, keyframe: bool, data: Bytes) {
        let Some(running) = &mut self.running else { return };
        if let Some(awaited) = &mut running.keyframe {
            if !keyframe || (!awaited.told && running.child.send(ToPairerKind::FramesLost(FramesLost {})).is_err()) {
                return;
            }
            awaited.told = true;
        }
        match running.child.send(ToPairerKind::AccessUnit(AccessUnit { stream_time, keyframe, data })) {
            Ok(()) => running.keyframe = None,
            Err(SendError::Full) => self.handle_frames_lost(),
            Err(SendError::Ended) => {}
        }
    }

    pub(crate) fn handle_frames_lost(&mut self) {
        let Some(running) = &mut self.running else { return };
        let told = running.child.send(ToPairerKind::FramesLost(FramesLost {})).is_ok();
        running.keyframe = Some(AwaitedKeyframe { asked: None, told });
    }

    /// Ends an idle child. `true`: a key frame is to be asked for now.
    pub(crate) fn handle_tick(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.last_patch) >= IDLE {
            self.running = None;
        }
        let Some(awaited) = self.running.as_mut().and_then(|running| running.keyframe.as_mut()) else { return false };
        let due = awaited.asked.is_none_or(|asked| now.saturating_sub(asked) >= ASK_AGAIN_AFTER);
        if due {
            awaited.asked = Some(now);
        }
        due
    }

    /// What the child says next, or that it died; for ever pending without one. May be dropped at any time.
    pub(crate) async fn next_answer(&mut self, now: impl Fn() -> Duration) -> Result<FromPairerKind, Ended> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let answer = running.child.next_answer().await;
        match &answer {
            Ok(FromPairerKind::KeyframeWanted(_)) => {
                running.keyframe = Some(AwaitedKeyframe { asked: None, told: true });
            }
            Ok(_) => {}
            Err(_) => {
                let lived = now().saturating_sub(running.started) >= LIVED;
                self.running = None;
                self.fail(now(), lived);
            }
        }
        answer
    }

    fn start(&mut self, now: Duration) -> Result<(), &'static str> {
        if now < self.not_before {
            return Err("pairer_away");
        }
        match Child::spawn(&self.program) {
            Ok(child) => {
                self.running = Some(Running { child, started: now, keyframe: Some(AwaitedKeyframe::default()) });
                Ok(())
            }
            Err(error) => {
                tracing::error!(program = %self.program.display(), %error, "starting the pairer");
                self.fail(now, false);
                Err("pairer_away")
            }
        }
    }

    fn fail(&mut self, now: Duration, lived: bool) {
        self.deaths = if lived { 1 } else { self.deaths + 1 };
        self.not_before = now + (FIRST_BACKOFF * (1 << (self.deaths - 1).min(5))).min(LAST_BACKOFF);
    }
}

#[cfg(test)]
mod tests;
