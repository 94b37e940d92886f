//! What is said in which situation.

use std::collections::BTreeSet;

use crds::{ConditionType, LiveStream, LiveStreamSpec};
use jiff::Timestamp;
use proto::v1::MediaNodeReport;
use serde_json::{Value, json};

use super::{Answer, Situation, status};
use crate::{
    autoscaling::{Activity, TrainerState},
    desired::desired,
    memory::{Refusal, RefusalReason},
    names::{PodName, Role},
    observe::Observed,
    options::Options,
    stores::Kind,
    views::{PodView, Unschedulable, Waiting},
};

const MEDIA_NODE: PodName = PodName { role: Role::MediaNode, ordinal: 0, stand_in: false };
const ENHANCER: PodName = PodName { role: Role::Enhancer, ordinal: 0, stand_in: false };
const TRAINER: PodName = PodName { role: Role::Trainer, ordinal: 0, stand_in: false };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn stream(spec: Value) -> LiveStream {
    let spec: LiveStreamSpec = serde_json::from_value(spec).unwrap();
    let mut stream = LiveStream::new("game", spec);
    stream.metadata.namespace = Some("games".to_owned());
    stream.metadata.uid = Some("5e5b".to_owned());
    stream.metadata.generation = Some(3);
    stream
}

fn pod(name: PodName, change: impl FnOnce(&mut PodView)) -> (PodName, PodView) {
    let mut pod = PodView::for_tests(name);
    pod.host_ip = Some("192.0.2.1".to_owned());
    pod.media_port = (name.role == Role::MediaNode).then_some(30900);
    change(&mut pod);
    (name, pod)
}

fn ready(name: PodName) -> (PodName, PodView) {
    pod(name, |pod| {
        (pod.containers_ready, pod.ready) = (true, true);
        pod.advertised = "192.0.2.1:30900".to_owned();
    })
}

fn waiting(name: PodName, reason: &str) -> (PodName, PodView) {
    pod(name, |pod| pod.waiting = Some(Waiting { reason: reason.to_owned(), message: "why".to_owned() }))
}

fn unschedulable(name: PodName, message: &str) -> (PodName, PodView) {
    pod(name, |pod| pod.unschedulable = Some(Unschedulable { since: at(0), message: message.to_owned() }))
}

fn observed(pods: impl IntoIterator<Item = (PodName, PodView)>) -> Observed {
    let pods = pods.into_iter().map(|(name, pod)| (name, pod.into())).collect();
    Observed { pods, media_port: Some(30900), trainers: BTreeSet::from([0]), ..Observed::default() }
}

fn answer(stream: &LiveStream, observed: &Observed, now: i64) -> Answer {
    let name = stream.stream_name().unwrap();
    let desired = desired(stream, &name, observed, &Options::for_tests(), at(now));
    status(Situation { stream, name: &name, observed, desired: &desired, waiting: false, failure: None, now: at(now) })
}

fn check(of: ConditionType, spec: Value, observed: &Observed, expected: &str) {
    let answer = answer(&stream(spec), observed, 1);
    let condition = answer.status.condition(of).unwrap();
    assert_eq!((condition.reason.as_str(), condition.observed_generation), (expected, Some(3)), "{condition:?}");
}

#[test]
fn a_stream_is_ready_when_a_publisher_would_be_accepted() {
    let check = |observed: &Observed, expected| check(ConditionType::Ready, json!({}), observed, expected);
    check(&observed([]), "Starting");
    check(&observed([pod(MEDIA_NODE, |_| {})]), "Starting");
    check(&observed([waiting(MEDIA_NODE, "ContainerCreating")]), "Starting");
    check(&observed([pod(MEDIA_NODE, |pod| pod.containers_ready = true)]), "AddressPending");
    let unprobed = |pod: &mut PodView| (pod.containers_ready, pod.advertised) = (true, "192.0.2.1:30900".to_owned());
    check(&observed([pod(MEDIA_NODE, unprobed)]), "AddressPending");
    check(&observed([ready(MEDIA_NODE)]), "Accepting");
    check(&observed([ready(MEDIA_NODE), waiting(ENHANCER, "CrashLoopBackOff")]), "Accepting");
    check(&Observed { media_port: None, ..observed([]) }, "NoFreePort");
}

#[test]
fn what_stands_in_the_way_of_the_media_node_stalls_the_stream() {
    let check_both = |observed: &Observed, expected| {
        check(ConditionType::Ready, json!({}), observed, expected);
        check(ConditionType::Stalled, json!({}), observed, expected);
    };
    check_both(&observed([waiting(MEDIA_NODE, "ImagePullBackOff")]), "ImageUnavailable");
    check_both(&observed([waiting(MEDIA_NODE, "CrashLoopBackOff")]), "CrashLooping");
    check_both(&observed([unschedulable(MEDIA_NODE, "0/1 nodes are available: 1 Insufficient cpu.")]), "Unschedulable");
    for (reason, expected) in
        [(RefusalReason::QuotaExceeded, "QuotaExceeded"), (RefusalReason::PolicyRefused, "PodRefused")]
    {
        let mut refused = observed([]);
        refused.memory.set_back(MEDIA_NODE, "", Refusal { reason, message: "no".to_owned() }, at(0));
        check_both(&refused, expected);
    }
    let mut missing = observed([waiting(MEDIA_NODE, "ContainerCreating")]);
    missing.memory.secret_missing = Some("Secret tokens does not exist".to_owned());
    check_both(&missing, "SecretMissing");
    // It comes back by itself.
    let mut lost = observed([]);
    lost.memory.set_back(MEDIA_NODE, "", Refusal { reason: RefusalReason::Lost, message: "Evicted".to_owned() }, at(0));
    check(ConditionType::Ready, json!({}), &lost, "PodLost");
    check(ConditionType::Stalled, json!({}), &lost, "Unobstructed");
    let mut taken = observed([ready(MEDIA_NODE)]);
    let why = Refusal { reason: RefusalReason::NameTaken, message: "taken".to_owned() };
    taken.memory.refuse((Kind::Service, "game".to_owned()), why, at(0));
    check(ConditionType::Stalled, json!({}), &taken, "NameTaken");
}

#[test]
fn while_one_media_node_takes_over_from_another_it_is_said_and_what_is_in_the_way() {
    let successor = PodName { ordinal: 1, ..MEDIA_NODE };
    let old = |goes: bool| {
        let (name, mut pod) = ready(MEDIA_NODE);
        pod.node = Some("node".to_owned());
        match goes {
            true => pod.meta.deletion_due_at = Some(at(25)),
            false => pod.image = "an older one".to_owned(),
        }
        (name, pod)
    };
    let check_all = |pods: [(PodName, PodView); 2], [expected_ready, reconciling, stalled]: [&str; 3]| {
        let observed = Observed { selected: Some(MEDIA_NODE), ..observed(pods) };
        check(ConditionType::Ready, json!({}), &observed, expected_ready);
        check(ConditionType::Reconciling, json!({}), &observed, reconciling);
        check(ConditionType::Stalled, json!({}), &observed, stalled);
    };
    let starts = || pod(successor, |_| {});
    check_all([old(false), starts()], ["Accepting", "Moving", "Unobstructed"]);
    check_all([old(true), starts()], ["Moving", "Moving", "Unobstructed"]);
    check_all([old(true), ready(successor)], ["Moving", "Moving", "Unobstructed"]);
    check_all([old(false), waiting(successor, "ImagePullBackOff")], ["Accepting", "Moving", "ImageUnavailable"]);
    check_all([old(true), waiting(successor, "ImagePullBackOff")], ["ImageUnavailable", "Moving", "ImageUnavailable"]);
    let no_room = || unschedulable(successor, "0/1 nodes are available: 1 Insufficient cpu.");
    check_all([old(false), no_room()], ["Accepting", "Moving", "Unobstructed"]);
    check_all([old(true), no_room()], ["Unschedulable", "MakingRoom", "Unschedulable"]);
    let misfit = unschedulable(successor, "0/1 nodes are available: 1 node(s) didn't match Pod's node selector.");
    check_all([old(false), misfit], ["Accepting", "Moving", "Unschedulable"]);
}

#[test]
fn enhancing_says_who_enhances_and_why_nobody_does() {
    let check = |spec: Value, observed: &Observed, expected| check(ConditionType::Enhancing, spec, observed, expected);
    let report =
        |publishing, enhanced_live| Some(MediaNodeReport { publishing, enhanced_live, ..MediaNodeReport::default() });
    let gpu = |policy: &str| json!({"enhancement": {"accelerator": {"resourceName": "nvidia.com/gpu"}, "onNoAccelerator": policy}});
    let no_gpu = || {
        let (name, pod) = unschedulable(ENHANCER, "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.");
        (name, PodView { image: "enhancer:1-cuda".to_owned(), ..pod })
    };
    check(json!({"enhancement": {"mode": "Disabled"}}), &observed([]), "Disabled");
    check(json!({}), &observed([]), "Starting");
    check(json!({}), &observed([ready(ENHANCER)]), "NoReport");
    check(json!({}), &Observed { report: report(true, false), ..observed([ready(ENHANCER)]) }, "Starting");
    check(json!({}), &Observed { report: report(true, true), ..observed([ready(ENHANCER)]) }, "Live");
    check(json!({}), &Observed { report: report(false, false), ..observed([ready(ENHANCER)]) }, "NoPublisher");
    check(gpu("Wait"), &observed([no_gpu()]), "NoAccelerator");
    let on_cpu = Observed { report: report(true, true), ..observed([no_gpu(), ready(ENHANCER.stand_in())]) };
    check(gpu("Cpu"), &on_cpu, "LiveOnCpu");
    let mut given_up = observed([]);
    given_up.memory.accelerator_due_at = Some(at(300));
    check(gpu("Bicubic"), &given_up, "Bicubic");
}

#[test]
fn training_says_what_the_trainers_say() {
    let check = |observed: &Observed, expected| check(ConditionType::Training, json!({}), observed, expected);
    let doing = |activity| {
        let state = TrainerState { activity, steps_per_second: 1, in_flight: 0 };
        Observed { activities: [(TRAINER, state)].into(), ..observed([ready(TRAINER)]) }
    };
    check(&observed([]), "Starting");
    check(&observed([ready(TRAINER)]), "NoReport");
    check(&doing(Activity::Training), "Running");
    check(&doing(Activity::Waiting), "WaitingForPatches");
    check(&doing(Activity::Suspended), "Saturated");
    check(&observed([waiting(TRAINER, "ErrImagePull")]), "ImageUnavailable");
    check(&Observed { trainers: BTreeSet::new(), ..observed([]) }, "ScaledToZero");
    self::check(ConditionType::Training, json!({"training": {"enabled": false}}), &observed([]), "Disabled");
}

#[test]
fn numbers_are_written_every_ten_seconds_and_conditions_at_once() {
    let report = |viewers, publishing| Some(MediaNodeReport { viewers, publishing, ..MediaNodeReport::default() });
    let seen = |viewers, publishing| {
        let mut observed = Observed { report: report(viewers, publishing), ..observed([ready(MEDIA_NODE)]) };
        observed.memory.numbers_written_at = Some(at(100));
        observed
    };
    let mut stream = stream(json!({}));
    stream.status = Some(answer(&stream, &seen(5, true), 100).status);

    let early = answer(&stream, &seen(6, true), 105);
    assert_eq!((early.status.viewers, early.again_at, early.numbers_changed), (Some(5), Some(at(110)), false));
    assert_eq!(Some(early.status), stream.status, "nothing to write");
    let late = answer(&stream, &seen(6, true), 110);
    assert_eq!((late.status.viewers, late.again_at, late.numbers_changed), (Some(6), None, true));
    let changed = answer(&stream, &seen(6, false), 105).status;
    assert!(!changed.is_true(ConditionType::Publishing), "a condition does not wait");
    assert_eq!(changed.viewers, Some(5));
}

#[test]
fn the_same_situation_gives_the_same_status_at_any_time() {
    let mut stream = stream(json!({}));
    let observed = observed([ready(MEDIA_NODE), ready(ENHANCER)]);
    stream.status = Some(answer(&stream, &observed, 100).status);
    assert_eq!(Some(answer(&stream, &observed, 5000).status), stream.status);
}
