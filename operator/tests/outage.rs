//! Without an API server: one question, now and then, in place of every stream's retries; and one line that says so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "cluster/harness.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod harness;

use std::{
    io,
    sync::{Arc, Mutex},
};

use control_plane::{ControlPlane, Server, User, wait_for};
use crds::{LiveStream, LiveStreamSpec};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::PostParams};
use operator::{Context, Credentials, Driver, Events, Metrics, Operator, Watched, client::client, watch};
use telemetry::{Health, Shutdown};
use tokio::{sync::mpsc, task::JoinSet};
use tower::layer::util::Identity;

const STREAMS: usize = 50;
const CONCURRENCY: usize = 4;

#[tokio::test]
async fn without_an_api_server_one_question_stands_for_all_streams() {
    let said = Said::default();
    let logs = said.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || logs.clone()).with_ansi(false).finish();
    let _logs = tracing::subscriber::set_default(subscriber);
    let cluster = ControlPlane::builder().start().await.unwrap();
    cluster.install(&crds::definition()).await;
    let namespace = cluster.namespace("outage").await;
    create_streams(&cluster.client(), &namespace).await;
    let metrics = Metrics::default();
    // An hour is left until now.
    let mut now = Timestamp::now() - SignedDuration::from_hours(1);
    let (mut operator, mut watched, watches) = begin(&cluster, &namespace, &metrics);
    operator.lead(now);
    while !operator.has_seen_all() {
        operator.handle_watched(watched.recv().await.unwrap(), now);
    }

    cluster.kill(Server::ApiServer);
    while now < Timestamp::now() {
        operator.run_until_idle(now).await;
        now = operator.next_due().unwrap();
    }
    assert_eq!(metrics.api_server_away.get(), 1);
    assert_eq!(metrics.reconciles.get(), CONCURRENCY as u64, "what was on its way when it went unanswered");
    let questions = metrics.requests_by_method.get_or_create(&[("method", "GET".to_owned())]).get();
    assert!((700..=800).contains(&questions), "{questions} in an hour");
    assert_eq!((said.lines_with("reconciling"), said.lines_with("does not answer")), (1, 1), "{}", said.text());

    cluster.restart(Server::ApiServer).await.unwrap();
    let (health, shutdown) = (Health::default(), Shutdown::default());
    let driver = Driver { operator, watched, probe: None, health, shutdown: shutdown.clone() };
    let running = tokio::spawn(async move {
        let _watches = watches;
        driver.run(None::<std::future::Pending<_>>).await;
    });
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    for index in 0..STREAMS {
        wait_for(&pods, &format!("game-{index}-media-node-0"), |_| true).await;
    }
    assert_eq!(metrics.api_server_away.get(), 0);
    assert_eq!((said.lines_with("does not answer"), said.lines_with("answers again")), (1, 1), "{}", said.text());
    shutdown.request();
    running.await.unwrap();
}

async fn create_streams(client: &Client, namespace: &str) {
    let streams: Api<LiveStream> = Api::namespaced(client.clone(), namespace);
    for index in 0..STREAMS {
        let stream = LiveStream::new(&format!("game-{index}"), LiveStreamSpec::default());
        streams.create(&PostParams::default(), &stream).await.unwrap();
    }
}

/// An operator, and what its watches show; only its own requests are counted.
fn begin(
    cluster: &ControlPlane,
    namespace: &str,
    metrics: &Metrics,
) -> (Operator, mpsc::Receiver<Watched>, JoinSet<()>) {
    let config = || cluster.config_as(&User::admin());
    let own_client = client(config(), metrics, &Identity::new()).unwrap();
    let mut options = harness::options(namespace);
    options.concurrency = CONCURRENCY;
    let context = Context {
        client: own_client.clone(),
        options,
        credentials: Credentials::default(),
        bus: None,
        events: Events::new(own_client),
        metrics: metrics.clone(),
    };
    let (seen, watched) = mpsc::channel(64);
    let watching = client(config(), &Metrics::default(), &Identity::new()).unwrap();
    let watches = watch(&watching, Some(namespace), &Metrics::default(), &seen);
    (Operator::new(context), watched, watches)
}

/// What was logged.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn lines_with(&self, part: &str) -> usize {
        self.text().lines().filter(|line| line.contains(part)).count()
    }
}

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
