//! What the schema takes and what it refuses. The same table drives the rules without a cluster and a real API server.

use serde_json::{Value, json};

/// What is to become of an object, or of a change to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Accepts,
    /// Refused by a rule, with a message that holds this.
    Refuses(&'static str),
    /// Refused by type, range, length or list of values: only the API server checks those.
    OutOfBounds(&'static str),
}

use Verdict::{Accepts, OutOfBounds, Refuses};

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What the API server has already, when this is a change.
    pub(crate) old: Option<Value>,
    pub(crate) new: Value,
    pub(crate) verdict: Verdict,
}

fn stream(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "acuity.video/v1alpha1", "kind": "LiveStream", "metadata": {"name": name}, "spec": spec})
}

fn named(name: &'static str, verdict: Verdict) -> Case {
    Case { name, old: None, new: stream(name, json!({})), verdict }
}

fn spec(name: &'static str, spec: Value, verdict: Verdict) -> Case {
    Case { name, old: None, new: stream("game-night", spec), verdict }
}

fn change(name: &'static str, old: Value, new: Value, verdict: Verdict) -> Case {
    Case { name, old: Some(stream("game-night", old)), new: stream("game-night", new), verdict }
}

pub(crate) fn all() -> Vec<Case> {
    [names(), ingest(), relay(), enhancement(), training(), pods(), changes()].concat()
}

fn names() -> Vec<Case> {
    const NAME: Verdict = Refuses("name a stream by at most 40 of a-z, 0-9 and -");
    vec![
        named("a", Accepts),
        named("game-night-2", Accepts),
        named("a234567890123456789012345678901234567890", Accepts),
        named("a2345678901234567890123456789012345678901", NAME),
        named("2nd-night", NAME),
        named("game.night", NAME),
        spec("nothing but a name", json!({}), Accepts),
        spec("paused", json!({"paused": true}), Accepts),
    ]
}

fn ingest() -> Vec<Case> {
    let token = |secret: Value| json!({"ingest": {"publishTokenSecretRef": secret}});
    vec![
        spec("a token by the name of its Secret", token(json!({"name": "game-night"})), Accepts),
        spec("a token by name and key", token(json!({"name": "game.night", "key": "publish_token-1.txt"})), Accepts),
        spec("a token without a Secret", token(json!({"key": "token"})), OutOfBounds("name: Required value")),
        spec(
            "a token of a Secret that cannot be",
            token(json!({"name": "Game_Night"})),
            Refuses("this names an object"),
        ),
        spec(
            "a token of a key that cannot be",
            token(json!({"name": "a", "key": "a/b"})),
            Refuses("a key of a Secret"),
        ),
        spec("no key at all", token(json!({"name": "a", "key": ""})), OutOfBounds("should be at least 1 chars long")),
        spec("no patience", json!({"ingest": {"idleTimeoutSeconds": 4}}), OutOfBounds("greater than or equal to 5")),
        spec("a day of patience", json!({"ingest": {"idleTimeoutSeconds": 86400}}), Accepts),
        spec(
            "more patience",
            json!({"ingest": {"idleTimeoutSeconds": 86401}}),
            OutOfBounds("less than or equal to 86400"),
        ),
    ]
}

fn relay() -> Vec<Case> {
    let signalling = |signalling: Value| json!({"relay": {"signalling": signalling}});
    let ingress = |host: &str| signalling(json!({"exposure": "Ingress", "host": host}));
    const ONLY_INGRESS: Verdict = Refuses("go with exposure Ingress");
    vec![
        spec("a token for viewers", json!({"relay": {"viewTokenSecretRef": {"name": "viewers"}}}), Accepts),
        spec("NodePort", signalling(json!({"exposure": "NodePort"})), Accepts),
        spec("LoadBalancer", signalling(json!({"exposure": "LoadBalancer"})), Accepts),
        spec("ClusterIP", signalling(json!({"exposure": "ClusterIP"})), Accepts),
        spec("ExternalName", signalling(json!({"exposure": "ExternalName"})), OutOfBounds("Unsupported value")),
        spec("Ingress with a host", ingress("live.example.com"), Accepts),
        spec(
            "Ingress with everything",
            signalling(json!({
                "exposure": "Ingress", "host": "live.example.com", "tlsSecretRef": {"name": "tls"}, "ingressClassName": "nginx",
            })),
            Accepts,
        ),
        spec(
            "Ingress without a host",
            signalling(json!({"exposure": "Ingress"})),
            Refuses("exposure Ingress needs host"),
        ),
        spec("a URL for a host", ingress("https://live.example.com/"), Refuses("write the host name alone")),
        spec("a host without Ingress", signalling(json!({"host": "live.example.com"})), ONLY_INGRESS),
        spec("a certificate without Ingress", signalling(json!({"tlsSecretRef": {"name": "tls"}})), ONLY_INGRESS),
        spec("a class without Ingress", signalling(json!({"ingressClassName": "nginx"})), ONLY_INGRESS),
        spec(
            "a class that cannot be",
            signalling(json!({"exposure": "Ingress", "host": "a.b", "ingressClassName": "A"})),
            Refuses("this names an object"),
        ),
        spec(
            "a certificate that cannot be",
            signalling(json!({"exposure": "Ingress", "host": "a.b", "tlsSecretRef": {"name": "A"}})),
            Refuses("this names an object"),
        ),
        spec("media through the pod network", json!({"relay": {"media": {"exposure": "PodNetwork"}}}), Accepts),
        spec(
            "media through an ingress",
            json!({"relay": {"media": {"exposure": "Ingress"}}}),
            OutOfBounds("Unsupported value"),
        ),
        spec("no viewers", json!({"relay": {"maxViewers": 0}}), OutOfBounds("greater than or equal to 1")),
        spec("ten thousand viewers", json!({"relay": {"maxViewers": 10000}}), Accepts),
        spec("more viewers", json!({"relay": {"maxViewers": 10001}}), OutOfBounds("less than or equal to 10000")),
    ]
}

fn enhancement() -> Vec<Case> {
    let network = |network: Value| json!({"enhancement": {"network": network}});
    let accelerator = |accelerator: Value| json!({"enhancement": {"accelerator": accelerator}});
    const ONE_OF: Verdict = Refuses("name one of resourceName");
    const RESOURCE: Verdict = Refuses("write the resource as nodes do");
    vec![
        spec("none, and training goes on", json!({"enhancement": {"mode": "Disabled"}}), Accepts),
        spec("in the browser", json!({"enhancement": {"mode": "Client"}}), OutOfBounds("Unsupported value")),
        spec("three times as large", json!({"enhancement": {"scale": 3}}), Accepts),
        spec("as large as it is", json!({"enhancement": {"scale": 1}}), OutOfBounds("greater than or equal to 2")),
        spec("five times as large", json!({"enhancement": {"scale": 5}}), OutOfBounds("less than or equal to 4")),
        spec("half a time larger", json!({"enhancement": {"scale": 2.5}}), OutOfBounds("must be of type integer")),
        spec("the largest network", network(json!({"unshuffle": 2, "features": 64, "layers": 16})), Accepts),
        spec("a network without features", network(json!({"features": 0})), OutOfBounds("greater than or equal to 1")),
        spec("too many features", network(json!({"features": 65})), OutOfBounds("less than or equal to 64")),
        spec("a network of one layer", network(json!({"layers": 1})), OutOfBounds("greater than or equal to 2")),
        spec("too many layers", network(json!({"layers": 17})), OutOfBounds("less than or equal to 16")),
        spec("too much unshuffled", network(json!({"unshuffle": 3})), OutOfBounds("less than or equal to 2")),
        spec("a GPU", accelerator(json!({"resourceName": "nvidia.com/gpu"})), Accepts),
        spec("two shares of a GPU", accelerator(json!({"resourceName": "nvidia.com/gpu.shared", "count": 2})), Accepts),
        spec("a slice of a GPU", accelerator(json!({"resourceName": "nvidia.com/mig-1g.10gb"})), Accepts),
        spec("a claim from a template", accelerator(json!({"resourceClaimTemplateName": "one-gpu"})), Accepts),
        spec(
            "two claims",
            accelerator(json!({"resourceClaimTemplateName": "one-gpu", "count": 2})),
            Refuses("leave count out"),
        ),
        spec(
            "a GPU and a claim",
            accelerator(json!({"resourceName": "nvidia.com/gpu", "resourceClaimTemplateName": "a"})),
            ONE_OF,
        ),
        spec("an accelerator that is not said", accelerator(json!({})), ONE_OF),
        spec(
            "no GPU at all",
            accelerator(json!({"resourceName": "nvidia.com/gpu", "count": 0})),
            OutOfBounds("greater than or equal to 1"),
        ),
        spec("a resource without a domain", accelerator(json!({"resourceName": "gpu"})), RESOURCE),
        spec("CPU as an accelerator", accelerator(json!({"resourceName": "cpu"})), RESOURCE),
        spec(
            "a template that cannot be",
            accelerator(json!({"resourceClaimTemplateName": "One GPU"})),
            Refuses("this names an object"),
        ),
        spec("bicubic where no GPU is free", json!({"enhancement": {"onNoAccelerator": "Bicubic"}}), Accepts),
        spec(
            "giving up where no GPU is free",
            json!({"enhancement": {"onNoAccelerator": "Fail"}}),
            OutOfBounds("Unsupported value"),
        ),
        spec(
            "hardly any bits",
            json!({"enhancement": {"encoder": {"bitrateKbps": 99}}}),
            OutOfBounds("greater than or equal to 100"),
        ),
        spec("the GPU's encoder", json!({"enhancement": {"encoder": {"implementation": "Nvenc"}}}), Accepts),
        spec(
            "an encoder of another kind",
            json!({"enhancement": {"encoder": {"implementation": "Vp9"}}}),
            OutOfBounds("Unsupported value"),
        ),
        spec("bicubic where nothing judges", json!({"enhancement": {"unjudged": "Bicubic"}}), Accepts),
    ]
}

fn training() -> Vec<Case> {
    let patches = |patches: Value| json!({"training": {"patches": patches}});
    let scaling = |autoscaling: Value| json!({"training": {"autoscaling": autoscaling}});
    const MULTIPLE: Verdict = Refuses("96 fits every scale");
    vec![
        spec("disabled", json!({"training": {"enabled": false}}), Accepts),
        spec("from nothing", json!({"training": {"start": "None"}}), Accepts),
        spec("from elsewhere", json!({"training": {"start": "Other"}}), OutOfBounds("Unsupported value")),
        spec("on the CPU where no GPU is free", json!({"training": {"onNoAccelerator": "Cpu"}}), Accepts),
        spec("bicubic training", json!({"training": {"onNoAccelerator": "Bicubic"}}), OutOfBounds("Unsupported value")),
        spec(
            "a GPU for each trainer",
            json!({"training": {"accelerator": {"resourceName": "nvidia.com/gpu"}}}),
            Accepts,
        ),
        spec(
            "an accelerator for trainers that is not said",
            json!({"training": {"accelerator": {"count": 1}}}),
            Refuses("name one of resourceName"),
        ),
        spec("larger patches", patches(json!({"sizePixels": 128})), Accepts),
        spec("patches between pixels", patches(json!({"sizePixels": 98})), MULTIPLE),
        spec(
            "patches that fit another scale",
            json!({"enhancement": {"scale": 3}, "training": {"patches": {"sizePixels": 128}}}),
            MULTIPLE,
        ),
        spec("the default patch at scale 4", json!({"enhancement": {"scale": 4}}), Accepts),
        spec(
            "patches that are too small",
            patches(json!({"sizePixels": 12})),
            OutOfBounds("greater than or equal to 16"),
        ),
        spec(
            "patches that are too large",
            patches(json!({"sizePixels": 516})),
            OutOfBounds("less than or equal to 512"),
        ),
        spec("no patches", patches(json!({"perSecond": 0})), OutOfBounds("greater than or equal to 1")),
        spec("too many patches", patches(json!({"perSecond": 121})), OutOfBounds("less than or equal to 120")),
        spec("no bits for patches", patches(json!({"maxKbps": 0})), OutOfBounds("greater than or equal to 10")),
        spec("up to four trainers", scaling(json!({"minReplicas": 1, "maxReplicas": 4, "weight": 100})), Accepts),
        spec("as few trainers as at most", scaling(json!({"minReplicas": 2})), Accepts),
        spec(
            "fewer than the fewest",
            scaling(json!({"minReplicas": 3})),
            Refuses("minReplicas is more than maxReplicas"),
        ),
        spec("none at most", scaling(json!({"maxReplicas": 0})), OutOfBounds("greater than or equal to 1")),
        spec("an army of trainers", scaling(json!({"maxReplicas": 17})), OutOfBounds("less than or equal to 16")),
        spec("no weight", scaling(json!({"weight": 0})), OutOfBounds("greater than or equal to 1")),
        spec("an unknown mode", scaling(json!({"mode": "Auto"})), OutOfBounds("Unsupported value")),
        spec("one trainer, fixed", json!({"training": {"replicas": 1, "autoscaling": {"mode": "Fixed"}}}), Accepts),
        spec("no trainer, fixed", json!({"training": {"replicas": 0, "autoscaling": {"mode": "Fixed"}}}), Accepts),
        spec("fixed at what", scaling(json!({"mode": "Fixed"})), Refuses("autoscaling.mode Fixed needs replicas")),
        spec("external, not yet written", scaling(json!({"mode": "External"})), Accepts),
        spec("external, written", json!({"training": {"replicas": 2, "autoscaling": {"mode": "External"}}}), Accepts),
        spec(
            "replicas that the operator decides",
            json!({"training": {"replicas": 1}}),
            Refuses("the operator decides how many trainers there are"),
        ),
        spec(
            "more replicas than at most",
            json!({"training": {"replicas": 3, "autoscaling": {"mode": "Fixed"}}}),
            Refuses("replicas is more than autoscaling.maxReplicas"),
        ),
        spec(
            "too many replicas",
            json!({"training": {"replicas": 17, "autoscaling": {"mode": "Fixed", "maxReplicas": 16}}}),
            OutOfBounds("less than or equal to 16"),
        ),
    ]
}

fn pods() -> Vec<Case> {
    let trainer = |overlay: Value| json!({"pods": {"trainer": overlay}});
    const NO_DEVICES: Verdict = Refuses("devices do not go here");
    const LABELS: Verdict = Refuses("labels of app.kubernetes.io/ and acuity.video/ are the operator's");
    vec![
        spec(
            "a whole overlay",
            trainer(json!({
                "labels": {"team": "games"},
                "annotations": {"example.com/why": "because"},
                "nodeSelector": {"nvidia.com/gpu.present": "true"},
                "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["10000"]}]},
                ]}}},
                "topologySpreadConstraints": [{
                    "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": {"app.kubernetes.io/component": "trainer"}},
                }],
                "resources": {"requests": {"cpu": 2, "memory": "1Gi"}, "limits": {"memory": "2Gi", "ephemeral-storage": "1Gi"}},
                "priorityClassName": "low",
                "runtimeClassName": "nvidia",
                "serviceAccountName": "trainer",
                "imagePullSecrets": [{"name": "registry"}],
                "extraEnv": [{"name": "RUST_LOG", "value": "debug"}, {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}],
            })),
            Accepts,
        ),
        spec(
            "overlays of the others",
            json!({"pods": {"mediaNode": {"labels": {"a": "b"}}, "enhancer": {"labels": {"a": "b"}}}}),
            Accepts,
        ),
        spec("a label of the operator", trainer(json!({"labels": {"app.kubernetes.io/name": "mine"}})), LABELS),
        spec("another label of the operator", trainer(json!({"labels": {"acuity.video/stream": "other"}})), LABELS),
        spec(
            "an annotation of the operator",
            trainer(json!({"annotations": {"acuity.video/advertised-addresses": "192.0.2.1:1"}})),
            Refuses("annotations of acuity.video/"),
        ),
        spec("a GPU among the limits", trainer(json!({"resources": {"limits": {"nvidia.com/gpu": 1}}})), NO_DEVICES),
        spec(
            "a GPU among the requests",
            trainer(json!({"resources": {"requests": {"nvidia.com/gpu": 1}}})),
            NO_DEVICES,
        ),
        spec(
            "a quantity that is none",
            trainer(json!({"resources": {"limits": {"memory": "2 GB"}}})),
            Refuses("a quantity is"),
        ),
        spec("less than nothing", trainer(json!({"resources": {"requests": {"cpu": "-1"}}})), Refuses("a quantity is")),
        spec(
            "a variable of the operator",
            trainer(json!({"extraEnv": [{"name": "ACUITY_SETTINGS", "value": "{}"}]})),
            Refuses("variables that begin with ACUITY_"),
        ),
        spec(
            "a variable twice",
            trainer(json!({"extraEnv": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]})),
            OutOfBounds("Duplicate value"),
        ),
        spec(
            "a pull secret twice",
            trainer(json!({"imagePullSecrets": [{"name": "a"}, {"name": "a"}]})),
            OutOfBounds("Duplicate value"),
        ),
        spec(
            "a priority class that cannot be",
            trainer(json!({"priorityClassName": "Very High"})),
            Refuses("this names an object"),
        ),
        spec(
            "a runtime class that cannot be",
            trainer(json!({"runtimeClassName": "Nvidia"})),
            Refuses("this names an object"),
        ),
        spec(
            "a service account that cannot be",
            trainer(json!({"serviceAccountName": "trainer/1"})),
            Refuses("this names an object"),
        ),
        spec(
            "a toleration that is a text",
            trainer(json!({"tolerations": ["all"]})),
            OutOfBounds("must be of type object"),
        ),
    ]
}

fn changes() -> Vec<Case> {
    let exposure = |exposure: &str| json!({"relay": {"signalling": {"exposure": exposure}}});
    const EXPOSURE: Verdict = Refuses("exposure cannot change");
    vec![
        change("signalling moves to a load balancer", exposure("NodePort"), exposure("LoadBalancer"), EXPOSURE),
        change("signalling leaves its default", json!({}), exposure("ClusterIP"), EXPOSURE),
        change("signalling is said to be what it is", json!({}), exposure("NodePort"), Accepts),
        change(
            "another scale and network",
            json!({}),
            json!({"enhancement": {"scale": 4, "network": {"features": 32}}}),
            Accepts,
        ),
        change("media moves", json!({}), json!({"relay": {"media": {"exposure": "LoadBalancer"}}}), Accepts),
        change(
            "the operator takes over from a fixed number",
            json!({"training": {"replicas": 1, "autoscaling": {"mode": "Fixed"}}}),
            json!({}),
            Accepts,
        ),
        change(
            "anyone may publish from now on",
            json!({"ingest": {"publishTokenSecretRef": {"name": "a"}}}),
            json!({}),
            Accepts,
        ),
    ]
}
