use crds::{
    CheckpointStatus, Endpoints, EnhancerStatus, LiveStream, LiveStreamStatus, TrainersStatus,
    conditions::{BusReachable, Enhancing, Publishing, Ready, Stalled, Training, condition},
};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn stream(namespace: &str, name: &str, status: Option<LiveStreamStatus>) -> LiveStream {
    let mut stream = LiveStream::new(name, crds::LiveStreamSpec::default());
    stream.metadata.namespace = Some(namespace.to_owned());
    stream.metadata.generation = Some(2);
    stream.metadata.creation_timestamp = Some(Time(at(0)));
    stream.status = status;
    stream
}

fn pod(stream: &str, role: &str, ordinal: u32, status: serde_json::Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("{stream}-{role}-{ordinal}"),
            "namespace": "live",
            "creationTimestamp": "1970-01-01T00:00:10Z",
            "labels": {"acuity.video/stream": stream, "app.kubernetes.io/component": role},
        },
        "spec": {"containers": [], "nodeName": "node-1"},
        "status": status,
    }))
    .unwrap()
}

fn running() -> serde_json::Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
}

fn live() -> LiveStreamStatus {
    let mut status = LiveStreamStatus { observed_generation: 2, ..LiveStreamStatus::default() };
    let (time, url) = (Time(at(30)), |path: &str| format!("http://192.0.2.10:31880/{path}"));
    status.set_condition(condition(Ready::Accepting, "", 2, &time));
    status.set_condition(condition(Publishing::PublisherConnected, "", 2, &time));
    status.set_condition(condition(Training::Running, "", 2, &time));
    status.set_condition(condition(Enhancing::Live, "", 2, &time));
    status.endpoints = Some(Endpoints { whip: url("whip"), whep: url("whep"), page: url("") });
    status.trainers = Some(TrainersStatus { desired: 2, ready: 1, selector: String::new() });
    status.enhancer = Some(EnhancerStatus { ready: true });
    status.viewers = Some(120);
    status.gain = Some("+2.1 dB".to_owned());
    status.checkpoint = Some(CheckpointStatus { version: 57, gain_millidecibels: 2100 });
    status
}

fn in_trouble() -> LiveStreamStatus {
    let mut status = LiveStreamStatus { observed_generation: 1, ..LiveStreamStatus::default() };
    let time = Time(at(60));
    status.set_condition(condition(Ready::CrashLooping, "exit code 1", 1, &time));
    status.set_condition(condition(Publishing::NotRunning, "", 1, &time));
    status.set_condition(condition(Training::NoPublisher, "", 1, &time));
    status.set_condition(condition(BusReachable::Disconnected, "", 1, &time));
    status.set_condition(condition(Stalled::CrashLooping, "", 1, &time));
    status
}

#[test]
fn a_live_stream_is_shown_with_all_of_it() {
    let pods = [
        pod("game-night", "trainer", 10, running()),
        pod("game-night", "trainer", 2, running()),
        pod("game-night", "media-node", 0, running()),
        pod("other", "media-node", 0, running()),
    ];
    let report = StreamReport::new(&stream("live", "game-night", Some(live())), &pods);
    assert_eq!(report.why, [""; 0]);
    insta::assert_snapshot!(render_one(&report, at(200)));
}

#[test]
fn a_stream_in_trouble_tells_why() {
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}});
    let crashing = json!({
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}],
        "containerStatuses": [{
            "name": "media-node", "image": "", "imageID": "", "ready": false, "restartCount": 4,
            "state": waiting, "lastState": {"terminated": {"exitCode": 1}},
        }],
    });
    let pods = [pod("game-night", "media-node", 0, crashing)];
    let report = StreamReport::new(&stream("live", "game-night", Some(in_trouble())), &pods);
    insta::assert_snapshot!(render_one(&report, at(200)));
}

#[test]
fn a_stream_that_nobody_looked_at_says_so() {
    let report = StreamReport::new(&stream("live", "game-night", None), &[]);
    insta::assert_snapshot!(render_one(&report, at(200)));
}

#[test]
fn all_streams_are_a_table() {
    let pods = [pod("game-night", "media-node", 0, running())];
    let mut reports = vec![
        StreamReport::new(&stream("live", "game-night", Some(live())), &pods),
        StreamReport::new(&stream("live", "talk", Some(in_trouble())), &pods),
    ];
    insta::assert_snapshot!(render_all(&reports, false, at(200)));
    reports.push(StreamReport::new(&stream("stage", "new", None), &pods));
    insta::assert_snapshot!(render_all(&reports, true, at(200)));
}

#[test]
fn programs_get_the_status_as_it_is_stored_with_pods_and_reasons() {
    let pods = [pod("game-night", "media-node", 0, running())];
    let report = StreamReport::new(&stream("live", "game-night", Some(live())), &pods);
    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(value["checkpoint"]["version"], 57);
    assert_eq!(value["conditions"][0]["type"], "Ready");
    assert_eq!(value["pods"][0]["role"], "media-node");
    assert_eq!((&value["createdAt"], &value["why"]), (&json!("1970-01-01T00:00:00Z"), &json!([])));
}
