//! Elections on a real API server: there is one leader at a time, and it knows in time when it is not any more.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use control_plane::{ControlPlane, Server};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use operator::leader::{LeadOptions, Leadership, LeaseGate, MARGIN, lead};
use tokio::time::{Instant, timeout};

/// Longer than the shortest there is, lest one slow renewal ends it.
const DURATION: Duration = Duration::from_secs(8);
/// How much later than it should something may happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

fn options(namespace: &str, identity: &str) -> LeadOptions {
    LeadOptions {
        namespace: namespace.to_owned(),
        name: "acuity-operator".to_owned(),
        identity: identity.to_owned(),
        duration: DURATION,
    }
}

async fn leader(client: &Client, namespace: &str, identity: &str) -> (Leadership, LeaseGate) {
    let gate = LeaseGate::closed();
    let leadership = lead(client.clone(), options(namespace, identity), gate.clone()).await;
    (leadership, gate)
}

async fn holder(client: &Client, namespace: &str) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    leases.get("acuity-operator").await.unwrap().spec.unwrap().holder_identity
}

#[tokio::test]
async fn a_candidate_leads_at_once_when_the_leader_lets_go() {
    let cluster = ControlPlane::shared().await;
    let (client, namespace) = (cluster.client(), cluster.namespace("lets-go").await);
    let (first, first_gate) = leader(&client, &namespace, "first").await;
    assert!(first_gate.admits());
    let candidate = tokio::spawn({
        let (client, namespace) = (client.clone(), namespace.clone());
        async move { leader(&client, &namespace, "second").await }
    });
    // It renews: the candidate would have led long ago.
    tokio::time::sleep(DURATION + MARGIN).await;
    assert!(first_gate.admits() && !candidate.is_finished());
    assert_eq!(holder(&client, &namespace).await.as_deref(), Some("first"));

    first.release().await;
    assert!(!first_gate.admits());
    let released = Instant::now();
    let (second, second_gate) = timeout(PATIENCE, candidate).await.unwrap().unwrap();
    assert!(released.elapsed() < DURATION, "it did not wait for the lease to end");
    assert!(second_gate.admits());
    assert_eq!(holder(&client, &namespace).await.as_deref(), Some("second"));
    second.release().await;
}

#[tokio::test]
async fn of_many_candidates_one_leads() {
    let cluster = ControlPlane::shared().await;
    let (client, namespace) = (cluster.client(), cluster.namespace("many").await);
    let gates: Vec<LeaseGate> = (0..8).map(|_| LeaseGate::closed()).collect();
    let candidates = gates.iter().enumerate().map(|(index, gate)| {
        let (client, gate) = (client.clone(), gate.clone());
        tokio::spawn(lead(client, options(&namespace, &format!("candidate-{index}")), gate))
    });
    let candidates: Vec<_> = candidates.collect();
    let leaders = || candidates.iter().filter(|candidate| candidate.is_finished()).count();
    let deadline = Instant::now() + DURATION + PATIENCE;
    let mut looks_more = 30;
    while looks_more > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(gates.iter().filter(|gate| gate.admits()).count() <= 1);
        assert!(Instant::now() < deadline, "nobody leads");
        looks_more -= leaders();
    }
    assert_eq!(leaders(), 1);
    candidates.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_leader_that_another_took_the_lease_from_ends() {
    let cluster = ControlPlane::shared().await;
    let (client, namespace) = (cluster.client(), cluster.namespace("robbed").await);
    let (leadership, gate) = leader(&client, &namespace, "first").await;
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let robbery = serde_json::json!({"spec": {"holderIdentity": "robber"}});
    leases.patch("acuity-operator", &Default::default(), &kube::api::Patch::Merge(robbery)).await.unwrap();
    timeout(PATIENCE, leadership.lost()).await.unwrap();
    assert!(!gate.admits());
    leadership.release().await;
    assert_eq!(holder(&client, &namespace).await.as_deref(), Some("robber"), "and takes nothing back");
}

#[tokio::test]
async fn without_an_api_server_the_gate_closes_before_another_may_lead() {
    let cluster = ControlPlane::builder().start().await.unwrap();
    let (client, namespace) = (cluster.client(), cluster.namespace("away").await);
    let asked = Instant::now();
    let (leadership, gate) = leader(&client, &namespace, "first").await;
    cluster.pause(Server::ApiServer);
    timeout(DURATION + PATIENCE, leadership.lost()).await.unwrap();
    assert!(!gate.admits());
    assert!(asked.elapsed() >= DURATION - MARGIN, "not before it must");
    cluster.resume(Server::ApiServer);
    let (other, other_gate) =
        timeout(DURATION + PATIENCE, leader(&cluster.client(), &namespace, "second")).await.unwrap();
    assert!(other_gate.admits() && !gate.admits());
    other.release().await;
}
