//! What follows from the probe of a media-node.

use crds::LiveStreamSpec;

use super::*;
use crate::{
    desired::desired,
    names::{PodName, Role},
    options::Options,
};

const POD: PodName = PodName { role: Role::MediaNode, ordinal: 0, stand_in: false };

/// What is written to a pod whose gate is `gate`, when its probe last ended like this.
fn writes(gate: Option<bool>, probed: Option<bool>) -> Vec<Change> {
    let mut stream = LiveStream::new("game", LiveStreamSpec::default());
    (stream.metadata.namespace, stream.metadata.uid) = (Some("games".to_owned()), Some("5e5b".to_owned()));
    let name = stream.stream_name().unwrap();
    let options = Options { probe: true, ..Options::for_tests() };
    let mut observed = Observed { media_port: Some(30900), ..Observed::default() };
    let wanted = desired(&stream, &name, &observed, &options, Timestamp::UNIX_EPOCH);
    let wanted = &wanted.pods[&POD];
    let pod = PodView {
        labels: crate::views::Pairs::of(wanted.labels()),
        annotations: crate::views::Pairs::of(wanted.annotations()),
        template_hash: hash_of(wanted).to_owned(),
        image: wanted.spec.as_ref().unwrap().containers[0].image.clone().unwrap(),
        node: Some("node".to_owned()),
        media_port: Some(30900),
        containers_ready: true,
        ready: gate == Some(true),
        reachable: gate,
        ..PodView::for_tests(POD)
    };
    observed.pods.insert(POD, pod.into());
    observed.selected = Some(POD);
    observed.probed = probed.map(|reachable| (POD, reachable));
    let desired = desired(&stream, &name, &observed, &options, Timestamp::UNIX_EPOCH);
    let changes = changes(&stream, &name, &observed, &desired, Timestamp::UNIX_EPOCH);
    changes.pods.into_iter().filter(|change| !matches!(change, Change::CreatePod(..))).collect()
}

/// Else a live stream would be taken out of its Service because some packets were lost.
#[test]
fn the_gate_of_a_pod_is_raised_by_the_first_answer_and_never_lowered() {
    let known = Known { name: "game-media-node-0".to_owned(), uid: format!("uid of {POD}"), version: 1 };
    let raised = [Change::SetReachable { pod: POD, known }];
    assert_eq!(writes(None, Some(true)), raised);
    assert_eq!(writes(Some(false), Some(true)), raised);
    for (gate, probed) in [(None, None), (None, Some(false)), (Some(true), Some(false)), (Some(true), None)] {
        assert_eq!(writes(gate, probed), [], "{gate:?}, {probed:?}");
    }
}
