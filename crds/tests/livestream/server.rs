//! The definition on a real API server.

use control_plane::ControlPlane;
use crds::LiveStream;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, PostParams},
};
use serde_json::Value;

use crate::cases::{self, Case, Verdict};

/// LiveStreams as JSON, in a namespace of the test's own.
async fn untyped(purpose: &str) -> (Client, Api<DynamicObject>) {
    let cluster = ControlPlane::shared().await;
    cluster.install(&crds::definition()).await;
    let client = cluster.client();
    let namespace = cluster.namespace(purpose).await;
    let api = Api::namespaced_with(client.clone(), &namespace, &ApiResource::erase::<LiveStream>(&()));
    (client, api)
}

fn object(value: &Value) -> DynamicObject {
    serde_json::from_value(value.clone()).expect("the case is an object")
}

/// Empty: it was accepted.
async fn answer(api: &Api<DynamicObject>, case: &Case) -> String {
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let result = match &case.old {
        None => api.create(&dry_run, &object(&case.new)).await,
        Some(old) => {
            let stored = api.create(&PostParams::default(), &object(old)).await.expect("what is changed is valid");
            let name = stored.metadata.name.clone().expect("stored objects have names");
            let mut new = object(&case.new);
            new.metadata.resource_version = stored.metadata.resource_version;
            let result = api.replace(&name, &dry_run, &new).await;
            api.delete(&name, &Default::default()).await.expect("it can be deleted");
            result
        }
    };
    result.map_or_else(|error| error.to_string(), |_| String::new())
}

#[tokio::test]
async fn the_api_server_takes_and_refuses_what_the_table_says() {
    let (_, api) = untyped("cases").await;
    let mut wrong = Vec::new();
    for case in cases::all() {
        let said = answer(&api, &case).await;
        let right = match case.verdict {
            Verdict::Accepts => said.is_empty(),
            Verdict::Refuses(part) | Verdict::OutOfBounds(part) => said.contains(part),
        };
        if !right {
            wrong.push(format!("{}: wanted {:?}, the API server says {said:?}", case.name, case.verdict));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
