//! Starts children that cannot outlive this process, not even when it is killed.

use std::{ffi::OsString, io, os::unix::process::CommandExt, path::PathBuf, process::Stdio, sync::mpsc, thread};

use rustix::process::{Signal, getpid, getppid, nice, set_parent_process_death_signal};
use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
};

/// A program to start, with everything it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChildSpec {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Gives way to everything else on the machine: nice 19.
    pub(crate) background: bool,
    /// Lines of it that hold this text are not worth showing.
    pub(crate) noise: Option<&'static str>,
}

type Request = (ChildSpec, oneshot::Sender<io::Result<Child>>);

/// One thread that starts all children. The kernel kills a child when the *thread* that started it ends, so none of the
/// runtime's threads, which come and go, may do it.
#[derive(Clone, Debug)]
pub(crate) struct Spawner(mpsc::Sender<Request>);

impl Spawner {
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start() -> io::Result<Self> {
        let (sender, requests) = mpsc::channel::<Request>();
        let runtime = Handle::current();
        thread::Builder::new().name("spawner".into()).spawn(move || {
            let _entered = runtime.enter();
            for (spec, answer) in requests {
                // Whoever asked may have gone; the child goes with the answer then.
                drop(answer.send(start(&spec)));
            }
            // Senders are gone, children may still be ending: never end before the process does.
            loop {
                thread::park();
            }
        })?;
        Ok(Self(sender))
    }

    /// # Errors
    /// When the program cannot be started.
    pub(crate) async fn spawn(&self, spec: &ChildSpec) -> io::Result<Child> {
        let (answer, child) = oneshot::channel();
        self.0.send((spec.clone(), answer)).map_err(|_| io::Error::other("the spawner thread is gone"))?;
        child.await.map_err(|_| io::Error::other("the spawner thread is gone"))?
    }
}

/// In a process group of its own: Ctrl-C reaches only us, and we end the children in order.
fn start(spec: &ChildSpec) -> io::Result<Child> {
    let mut command = std::process::Command::new(&spec.program);
    command
        .args(&spec.arguments)
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let (parent, background) = (getpid(), spec.background);
    let before_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(parent) {
            return Err(io::ErrorKind::NotFound.into()); // killed before the line above took hold
        }
        if background {
            nice(19)?;
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "between fork and exec only system calls are made, nothing is allocated or locked")]
    unsafe {
        command.pre_exec(before_exec);
    }
    Command::from(command).kill_on_drop(true).spawn()
}
