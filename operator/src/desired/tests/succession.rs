//! Who follows whom, situation by situation.

use jiff::Timestamp;
use serde_json::json;

use super::{at, desired_of};
use crate::{
    desired::{Desired, EnhancerWanted, Move, Other},
    memory::{AcceleratorWait, Memory, Refusal, RefusalReason},
    names::{PodName, Role},
    observe::Observed,
    views::{PodView, Unschedulable},
};

/// A pod in words: its ordinal, then what is so of it. It is on a node, unless no node takes it.
fn pod(role: Role, words: &str) -> (PodName, PodView) {
    let mut words = words.split(' ');
    let name = PodName::new(role, words.next().unwrap().parse().unwrap());
    let media_port = (role == Role::MediaNode).then_some(30900);
    let mut pod = PodView { node: Some("node".to_owned()), media_port, ..PodView::for_tests(name) };
    for word in words {
        match word {
            "old" => pod.image = "an older one".to_owned(),
            "new" => {}
            "gpu" => pod.image = "enhancer:1-cuda".to_owned(),
            "stand-in" => return (name.stand_in(), pod),
            "ready" => pod.ready = true,
            "goes" => pod.meta.deletion_due_at = Some(at(1000)),
            "ended" => pod.ended = Some("Evicted".to_owned()),
            "roomless" | "misfit" => {
                let why = if word == "misfit" { "didn't match node selector" } else { "Insufficient nvidia.com/gpu" };
                pod.unschedulable = Some(Unschedulable { since: at(100), message: why.to_owned() });
                pod.node = None;
            }
            word => panic!("{word}"),
        }
    }
    (name, pod)
}

fn observed(role: Role, pods: &[&str]) -> Observed {
    let pods = pods.iter().map(|words| pod(role, words)).map(|(name, pod)| (name, pod.into())).collect();
    Observed { pods, media_port: Some(30900), ..Observed::default() }
}

fn media_nodes(pods: &[&str], selected: Option<u32>) -> Observed {
    let selected = selected.map(|ordinal| PodName::new(Role::MediaNode, ordinal));
    Observed { selected, selected_by_any: selected.into_iter().collect(), ..observed(Role::MediaNode, pods) }
}

/// The media-node there is to be, what becomes of others, whom the Services are to select.
fn picture(desired: &Desired, role: Role) -> String {
    let wanted = desired.pods.keys().filter(|pod| pod.role == role).map(|pod| pod.ordinal.to_string());
    let others = desired.others.iter().filter(|(pod, _)| pod.role == role).map(|(pod, other)| {
        let other = match other {
            Other::Stays => "stays",
            Other::Outdated => "is outdated",
            Other::MakesRoom(_) => "makes room",
            Other::Ends => "ends",
        };
        format!("{} {other}", pod.ordinal)
    });
    let mut picture = wanted.chain(others).collect::<Vec<_>>().join(", ");
    if role == Role::MediaNode {
        let selector = desired.services[0].spec.as_ref().unwrap().selector.as_ref().unwrap();
        picture += &format!(" → {}", selector["acuity.video/pod"].rsplit_once('-').unwrap().1);
    }
    picture
}

fn check(pods: &[&str], selected: Option<u32>, now: i64, expected: &str) {
    let desired = desired_of(json!({}), &media_nodes(pods, selected), at(now));
    assert_eq!(picture(&desired, Role::MediaNode), expected, "{pods:?}, {selected:?}");
}

#[test]
fn a_roll_out_makes_the_successor_turns_to_it_when_it_is_ready_and_then_ends_the_old_one() {
    check(&[], None, 0, "0 → 0");
    check(&["0 new ready"], Some(0), 0, "0 → 0");
    check(&["0 old ready"], Some(0), 0, "1, 0 stays → 0");
    check(&["0 old ready", "1 new"], Some(0), 0, "1, 0 stays → 0");
    check(&["0 old ready", "1 new ready"], Some(0), 0, "1, 0 stays → 1");
    check(&["0 old ready", "1 new ready"], Some(1), 0, "1, 0 is outdated → 1");
    check(&["0 old ready goes", "1 new ready"], Some(1), 0, "1, 0 ends → 1");
    check(&["1 new ready"], Some(1), 0, "1 → 1");
    check(&["1 old ready"], Some(1), 0, "0, 1 stays → 1");
}

#[test]
fn one_that_is_to_end_is_followed_at_once_also_when_that_one_is_to_end_too() {
    check(&["0 new ready goes"], Some(0), 0, "1, 0 ends → 0");
    check(&["0 new goes", "1 new"], Some(0), 0, "1, 0 ends → 0");
    check(&["0 new goes", "1 new goes"], Some(0), 0, "2, 0 ends, 1 ends → 0");
    check(&["1 new goes", "2 new"], Some(0), 0, "2, 1 ends → 2");
    check(&["1 new goes", "2 new ready"], Some(0), 0, "2, 1 ends → 2");
}

#[test]
fn there_are_never_two_successors_beside_one_that_works() {
    // Another change while the successor of the one before starts: that one goes first.
    check(&["0 old ready", "1 old"], Some(0), 0, "2, 0 stays, 1 is outdated → 0");
    check(&["0 old ready", "1 old goes"], Some(0), 0, "1, 0 stays → 0");
    check(&["0 old ready"], Some(0), 0, "1, 0 stays → 0");
    // Changed back: what is there is what there is to be.
    check(&["0 new ready", "1 old"], Some(0), 0, "0, 1 is outdated → 0");
    check(&["0 new ready", "1 old ready"], Some(1), 0, "0, 1 stays → 0");
    check(&["0 new ready", "1 new ready"], Some(1), 0, "1 → 1");
}

#[test]
fn who_serves_does_so_until_another_is_ready_whatever_becomes_of_its_own_readiness() {
    check(&["0 new", "1 new ready goes"], Some(0), 0, "0, 1 ends → 0");
    check(&["0 old", "1 new"], Some(0), 0, "1, 0 stays → 0");
    check(&["0 old ready", "1 new"], Some(1), 0, "1, 0 stays → 1");
    check(&["1 new"], Some(0), 0, "1 → 1");
    check(&["0 old ready", "1 new"], None, 0, "1, 0 stays → 0");
}

#[test]
fn one_that_ended_by_itself_goes_before_another_comes_under_its_name() {
    check(&["0 new ended"], Some(0), 0, "0 → 0");
    check(&["0 old ready", "1 new ended"], Some(0), 0, "1, 0 stays → 0");
}

#[test]
fn a_successor_without_room_has_it_made_after_twenty_seconds() {
    check(&["0 old ready", "1 new roomless"], Some(0), 119, "1, 0 stays → 0");
    check(&["0 old ready", "1 new roomless"], Some(0), 120, "1, 0 makes room → 0");
    check(&["0 old ready goes", "1 new roomless"], Some(0), 130, "1, 0 ends → 0");
    check(&["0 old ready", "1 new misfit"], Some(0), 9999, "1, 0 stays → 0");
    let pods = media_nodes(&["0 old ready", "1 new roomless"], Some(0));
    assert_eq!(desired_of(json!({}), &pods, at(105)).again_at.0, Some(at(120)));
}

#[test]
fn a_quota_that_leaves_no_room_for_two_has_the_old_one_go_first() {
    let picture_after = |refusals: u32, reason| {
        let mut observed = media_nodes(&["0 old ready"], Some(0));
        let hash = desired_of(json!({}), &observed, at(0)).pods.pop_first().unwrap().1;
        let hash = hash.metadata.annotations.unwrap()["acuity.video/template-hash"].clone();
        let slot = PodName::new(Role::MediaNode, 0);
        for _ in 0..refusals {
            observed.memory.set_back(slot, &hash, Refusal { reason, message: String::new() }, at(0));
        }
        picture(&desired_of(json!({}), &observed, at(1)), Role::MediaNode)
    };
    assert_eq!(picture_after(4, RefusalReason::QuotaExceeded), "1, 0 stays → 0");
    assert_eq!(picture_after(5, RefusalReason::QuotaExceeded), "1, 0 makes room → 0");
    assert_eq!(picture_after(50, RefusalReason::PolicyRefused), "1, 0 stays → 0", "what works goes on");
}

#[test]
fn a_successor_is_another_pod_of_the_same_template() {
    let made = |observed: &Observed| desired_of(json!({}), observed, at(0)).pods.pop_first().unwrap();
    let (first, second) = (made(&media_nodes(&[], None)), made(&media_nodes(&["0 new goes"], Some(0))));
    let hash = |pod: &k8s_openapi::api::core::v1::Pod| {
        pod.metadata.annotations.clone().unwrap()["acuity.video/template-hash"].clone()
    };
    assert_eq!((first.0.ordinal, second.0.ordinal), (0, 1));
    assert_eq!(hash(&first.1), hash(&second.1));
    assert_eq!(second.1.metadata.labels.unwrap()["acuity.video/pod"], "game-media-node-1");
}

#[test]
fn a_paused_stream_has_nobody_follow() {
    let pods = media_nodes(&["1 old ready"], Some(1));
    assert_eq!(picture(&desired_of(json!({"paused": true}), &pods, at(0)), Role::MediaNode), " → 1");
    let none = media_nodes(&[], Some(1));
    assert_eq!(picture(&desired_of(json!({"paused": true}), &none, at(0)), Role::MediaNode), " → 0");
}

fn enhancers(spec: &serde_json::Value, pods: &[&str], memory: &mut Memory, now: i64) -> (String, EnhancerWanted) {
    let observed = Observed { memory: memory.clone(), ..observed(Role::Enhancer, pods) };
    let desired = desired_of(json!({"enhancement": spec}), &observed, at(now));
    (memory.accelerator_due_at, memory.accelerator_wait) = (desired.accelerator_due_at, desired.accelerator_wait);
    (picture(&desired, Role::Enhancer), desired.enhancer)
}

#[test]
fn an_enhancer_follows_another_as_a_media_node_does() {
    let check = |pods: &[&str], expected: &str| {
        assert_eq!(enhancers(&json!({}), pods, &mut Memory::default(), 0).0, expected, "{pods:?}");
    };
    check(&[], "0");
    check(&["0 old ready"], "1, 0 stays");
    check(&["0 old ready", "1 new"], "1, 0 stays");
    check(&["0 old ready", "1 new ready"], "1, 0 is outdated");
    check(&["0 new ready goes"], "1, 0 ends");
    check(&["0 old roomless"], "1, 0 is outdated");
}

#[test]
fn where_there_is_one_accelerator_the_old_one_goes_and_nobody_gives_up_on_the_new_one_for_that() {
    let gpu = |policy: &str| json!({"accelerator": {"resourceName": "nvidia.com/gpu"}, "onNoAccelerator": policy});
    let both = ["0 old ready", "1 gpu roomless"];
    for policy in ["Cpu", "Bicubic", "Wait"] {
        let mut memory = Memory::default();
        let mut check = |pods: &[&str], now, expected: &str| {
            let (picture, enhancer) = enhancers(&gpu(policy), pods, &mut memory, now);
            assert_eq!((picture.as_str(), enhancer), (expected, EnhancerWanted::Yes), "{policy} at {now}");
        };
        check(&both, 119, "1, 0 stays");
        check(&both, 120, "1, 0 makes room");
        // Until there is room again, another one stands in where that is asked for.
        let expected = if policy == "Cpu" { "0, 1, 0 ends" } else { "1, 0 ends" };
        check(&["0 old ready goes", "1 gpu roomless"], 125, expected);
    }
    // The scheduler takes a moment when the accelerator is free; after ten seconds it is somebody else's.
    let mut memory = Memory { accelerator_wait: AcceleratorWait::NotYet, ..Memory::default() };
    let gone = |memory: &mut Memory, now| enhancers(&gpu("Bicubic"), &["1 gpu roomless"], memory, now).1;
    assert_eq!(gone(&mut memory, 140), EnhancerWanted::Yes);
    assert_eq!(gone(&mut memory, 149), EnhancerWanted::Yes);
    assert_eq!(gone(&mut memory, 150), EnhancerWanted::NoAccelerator);
}

#[test]
fn one_that_stands_in_is_followed_by_another_that_stands_in() {
    let spec = json!({"accelerator": {"resourceName": "nvidia.com/gpu"}, "onNoAccelerator": "Cpu"});
    let (waiting, mut standing_in) = (pod(Role::Enhancer, "0 gpu roomless"), pod(Role::Enhancer, "0 stand-in"));
    (standing_in.1.ready, standing_in.1.image) = (true, "an older one".to_owned());
    let pods = [waiting, standing_in].map(|(name, pod)| (name, pod.into())).into();
    let desired = desired_of(json!({"enhancement": spec}), &Observed { pods, ..Observed::default() }, at(200));
    let stand_in = |ordinal| PodName::new(Role::Enhancer, ordinal).stand_in();
    assert_eq!(desired.moves, [Move { from: stand_in(0), to: stand_in(1) }]);
    let enhancers: Vec<_> = desired.pods.into_keys().filter(|pod| pod.role == Role::Enhancer).collect();
    assert_eq!(enhancers, [PodName::new(Role::Enhancer, 0), stand_in(1)]);
    assert_eq!(desired.others, [(stand_in(0), Other::Stays)].into());
    assert_eq!(desired.again_at.0, None::<Timestamp>);
}
