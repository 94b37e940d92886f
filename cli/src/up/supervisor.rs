//! Keeps a child running: starts it again when it dies, with growing pauses, and says so.

use std::{
    process::ExitStatus,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use telemetry::Shutdown;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Child,
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

use super::spawner::{ChildSpec, Spawner};

/// A child that ran this long has not died of its start.
const STEADY_AFTER: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(3);

/// What a child says, and what happens to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChildEvent {
    pub(crate) child: &'static str,
    pub(crate) what: Happened,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happened {
    Started {
        pid: u32,
    },
    /// A line on standard output.
    Said(String),
    /// A line on standard error.
    Logged(String),
    /// It is started again after the pause.
    Died {
        how: String,
        pause: Duration,
    },
}

/// One child under supervision.
#[derive(Debug)]
pub(crate) struct Supervised {
    stop: Shutdown,
    task: JoinHandle<()>,
}

impl Supervised {
    pub(crate) fn start(spawner: &Spawner, spec: ChildSpec, events: mpsc::Sender<ChildEvent>) -> Self {
        let stop = Shutdown::default();
        let task = tokio::spawn(supervise(spawner.clone(), spec, events, stop.clone()));
        Self { stop, task }
    }

    /// Ends the child, gracefully if it ends within 3 s.
    pub(crate) async fn stop(self) {
        self.stop.request();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a supervisor ended by itself");
        }
    }
}

async fn supervise(spawner: Spawner, spec: ChildSpec, events: mpsc::Sender<ChildEvent>, stop: Shutdown) {
    let report = |what| {
        let (events, child) = (events.clone(), spec.name);
        async move { events.send(ChildEvent { child, what }).await.ok() }
    };
    let mut pause = Duration::ZERO;
    while !stop.is_requested() {
        let started = Instant::now();
        let how = match spawner.spawn(&spec).await {
            Ok(mut child) => {
                report(Happened::Started { pid: child.id().unwrap_or_default() }).await;
                let readers = [
                    child.stdout.take().map(|pipe| forward(&spec, pipe, events.clone(), Happened::Said)),
                    child.stderr.take().map(|pipe| forward(&spec, pipe, events.clone(), Happened::Logged)),
                ];
                let ended = run(&mut child, &stop).await;
                // Grandchildren may hold the pipes: what they say after this does not matter.
                for reader in readers.into_iter().flatten() {
                    let abort = reader.abort_handle();
                    if timeout(Duration::from_millis(200), reader).await.is_err() {
                        abort.abort();
                    }
                }
                match ended {
                    Some(status) => status.to_string(),
                    None => return,
                }
            }
            Err(error) => format!("cannot be started: {error}"),
        };
        pause = next_pause(pause, started.elapsed());
        report(Happened::Died { how, pause }).await;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.requested() => {}
        }
    }
}

/// How the child ended by itself; `None`: it was asked to.
async fn run(child: &mut Child, stop: &Shutdown) -> Option<ExitStatus> {
    tokio::select! {
        status = child.wait() => return Some(status.unwrap_or_default()),
        () = stop.requested() => {}
    }
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        // It may have ended a moment ago.
        kill_process(pid, Signal::TERM).ok();
    }
    if timeout(GRACE, child.wait()).await.is_err() {
        child.kill().await.ok();
    }
    None
}

/// At once after a steady run, else twice as long as before.
fn next_pause(last: Duration, ran: Duration) -> Duration {
    if ran >= STEADY_AFTER { Duration::ZERO } else { (last * 2).clamp(Duration::from_millis(200), LONGEST_PAUSE) }
}

fn forward(
    spec: &ChildSpec,
    pipe: impl AsyncRead + Unpin + Send + 'static,
    events: mpsc::Sender<ChildEvent>,
    what: fn(String) -> Happened,
) -> JoinHandle<()> {
    let (child, noise) = (spec.name, spec.noise);
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if noise.is_some_and(|noise| line.contains(noise)) {
                continue;
            }
            if events.send(ChildEvent { child, what: what(line) }).await.is_err() {
                return;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> ChildSpec {
        ChildSpec {
            name: "shell",
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![],
            background: false,
            noise: Some("hush"),
        }
    }

    async fn next(events: &mut mpsc::Receiver<ChildEvent>) -> Happened {
        timeout(Duration::from_secs(10), events.recv()).await.expect("within 10 s").expect("supervisor lives").what
    }

    #[tokio::test]
    async fn a_child_that_dies_is_started_again_after_a_pause() {
        let (sender, mut events) = mpsc::channel(16);
        let child = Supervised::start(&Spawner::start().unwrap(), shell("echo hush; echo hello; exit 3"), sender);
        for pause in [200, 400] {
            assert!(matches!(next(&mut events).await, Happened::Started { .. }));
            assert_eq!(next(&mut events).await, Happened::Said("hello".into()));
            let pause = Duration::from_millis(pause);
            assert_eq!(next(&mut events).await, Happened::Died { how: "exit status: 3".into(), pause });
        }
        child.stop().await;
    }

    #[tokio::test]
    async fn a_child_that_ignores_the_request_to_end_is_killed() {
        let (sender, mut events) = mpsc::channel(16);
        let child = Supervised::start(
            &Spawner::start().unwrap(),
            shell("trap '' TERM; echo deaf; while :; do sleep 0.1; done"),
            sender,
        );
        let Happened::Started { pid } = next(&mut events).await else { panic!("not started") };
        assert_eq!(next(&mut events).await, Happened::Said("deaf".into()));
        let asked = Instant::now();
        child.stop().await;
        assert!(asked.elapsed() >= GRACE);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn pauses_grow_to_a_limit_and_a_steady_run_forgives() {
        let mut pause = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..7 {
            pause = next_pause(pause, Duration::from_secs(1));
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(next_pause(pause, Duration::from_secs(60)), Duration::ZERO);
    }
}
