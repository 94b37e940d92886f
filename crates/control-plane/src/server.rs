//! The programs of a control plane, and what each is told.

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// A server of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Server {
    Etcd,
    ApiServer,
    ControllerManager,
    Scheduler,
}

impl Server {
    pub(crate) fn program(self) -> &'static str {
        match self {
            Server::Etcd => "etcd",
            Server::ApiServer => "kube-apiserver",
            Server::ControllerManager => "kube-controller-manager",
            Server::Scheduler => "kube-scheduler",
        }
    }

    /// The file in the folder that its output goes to.
    pub(crate) fn log(self) -> String {
        format!("{}.log", self.program())
    }

    /// Paths are relative to the folder, which all servers work in.
    pub(crate) fn arguments(self, ports: &Ports) -> Vec<String> {
        let etcd = format!("http://{}", ports.etcd);
        let written = match self {
            Server::Etcd => format!(
                "--data-dir=etcd --unsafe-no-fsync --log-level=warn --listen-client-urls={etcd} \
                 --advertise-client-urls={etcd} --listen-peer-urls=http://{}",
                ports.etcd_peer
            ),
            Server::ApiServer => format!(
                "--etcd-servers={etcd} --bind-address={} --secure-port={} --advertise-address={} \
                 --endpoint-reconciler-type=none --tls-cert-file=tls.crt --tls-private-key-file=tls.key \
                 --token-auth-file=tokens.csv --authorization-mode=RBAC --allow-privileged=true \
                 --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=accounts.pub \
                 --service-account-signing-key-file=accounts.key --service-cluster-ip-range=10.96.0.0/16",
                ports.api.ip(),
                ports.api.port(),
                NO_NODE_SEES_IT,
            ),
            Server::ControllerManager => "--kubeconfig=admin.kubeconfig --leader-elect=false --secure-port=0 \
                 --use-service-account-credentials=true --service-account-private-key-file=accounts.key \
                 --root-ca-file=tls.crt --kube-api-qps=1000 --kube-api-burst=2000"
                .to_owned(),
            Server::Scheduler => "--kubeconfig=admin.kubeconfig --leader-elect=false --secure-port=0".to_owned(),
        };
        written.split_whitespace().map(str::to_owned).collect()
    }
}

/// The API server refuses to advertise a loopback address; without nodes nobody uses what it advertises.
const NO_NODE_SEES_IT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Where the servers listen, for as long as the control plane lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) etcd: SocketAddr,
    pub(crate) etcd_peer: SocketAddr,
    pub(crate) api: SocketAddr,
}

impl Ports {
    pub(crate) fn choose() -> io::Result<Self> {
        let free = || free_ports::free_address(Ipv4Addr::LOCALHOST.into());
        Ok(Self { etcd: free()?, etcd_peer: free()?, api: free()? })
    }
}

/// A server that was started.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn spawn(server: Server, program: &Path, arguments: &[String], folder: &Path) -> io::Result<Self> {
        let output = File::options().create(true).append(true).open(folder.join(server.log()))?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self(child))
    }

    /// Makes it stand still, and waits until all of it does.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        // Fails only when it has ended.
        let _ = waitpid(Some(Pid::from_child(&self.0)), WaitOptions::UNTRACED);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // Fails only when it has ended.
        let _ = kill_process(Pid::from_child(&self.0), signal);
    }

    pub(crate) fn kill(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
