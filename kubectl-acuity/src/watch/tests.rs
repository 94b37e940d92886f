use crds::{
    TrainersStatus,
    conditions::{Publishing, Ready, condition},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn lines(changes: &[Change]) -> String {
    changes.iter().map(|change| line(change, at(0)) + "\n").collect()
}

fn status_event(gain_db: f64, live_version: u64) -> Event {
    let data = json!({"learning": {"gain_db": gain_db, "live_version": live_version}}).to_string();
    Event { name: "status".to_owned(), data }
}

#[test]
fn only_what_changed_is_said() {
    let (mut old, time) = (LiveStreamStatus::default(), Time(at(0)));
    old.set_condition(condition(Ready::Starting, "pulling the image", 1, &time));
    old.set_condition(condition(Publishing::NoPublisher, "", 1, &time));
    insta::assert_snapshot!(lines(&changes(&LiveStreamStatus::default(), &old)));

    let mut new = old.clone();
    new.set_condition(condition(Ready::Accepting, "", 1, &time));
    new.viewers = Some(12);
    new.trainers = Some(TrainersStatus { desired: 2, ready: 1, selector: String::new() });
    insta::assert_snapshot!(lines(&changes(&old, &new)));
    assert_eq!(changes(&new, &new), []);
}

#[test]
fn the_gain_is_said_when_it_moves_and_else_every_ten_seconds() {
    let mut gain = Gain::default();
    let mut said =
        |second: i64, gain_db: f64| media_change(&status_event(gain_db, 57), &mut gain, at(second)).is_some();
    let told =
        [(0, 1.0), (1, 1.01), (2, 1.06), (3, 1.06), (11, 1.06), (12, 1.06), (13, 0.9)].map(|(t, db)| said(t, db));
    assert_eq!(told, [true, false, true, false, false, true, true]);
}

#[test]
fn what_the_media_node_says_is_told() {
    let event =
        |value: serde_json::Value| Event { name: value["kind"].as_str().unwrap().to_owned(), data: value.to_string() };
    let events = [
        status_event(2.134, 57),
        event(json!({"at_unix_us": 1, "kind": "checkpoint_accepted", "version": 58, "gain_db": 2.2})),
        event(json!({"at_unix_us": 1, "kind": "withdrawn", "version": 58, "reason": "-0.31 dB against bicubic"})),
        event(json!({"at_unix_us": 1, "kind": "publisher_gone", "session": "a", "reason": "silent"})),
        Event { name: "news".to_owned(), data: r#"{"at_unix_us": 1, "kind": "of a later version"}"#.to_owned() },
    ];
    let mut gain = Gain::default();
    let changes: Vec<_> = events.iter().filter_map(|event| media_change(event, &mut gain, at(0))).collect();
    insta::assert_snapshot!(lines(&changes));
}

#[test]
fn programs_get_one_object_for_each_change() {
    let change = Change::new("viewers", "12", "");
    let text = serde_json::to_string(&stamped(&change, at(1))).unwrap();
    assert_eq!(text, r#"{"at":"1970-01-01T00:00:01Z","what":"viewers","value":"12"}"#);
}
