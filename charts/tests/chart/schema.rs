//! Which values are taken.

use crate::helm::render;

fn accepts(values: &str) {
    if let Err(error) = render(values) {
        panic!("{values}\nis refused: {error}");
    }
}

fn rejects(values: &str, because: &str) {
    match render(values) {
        Ok(_) => panic!("{values}\nis taken"),
        Err(error) => assert!(error.contains(because), "{values}\nis refused, but not because of {because:?}: {error}"),
    }
}

#[test]
fn values_of_every_kind_are_taken() {
    for values in [
        "{}",
        "global: {anything: 1}",
        "fullnameOverride: live",
        "commonLabels: {team: games}",
        "images: {registry: registry.example.com:5000/acuity, tag: 1.2.3, pullSecrets: [{name: registry}]}",
        "images: {registry: '', operator: {repository: mine/operator}}",
        "crds: {create: false}",
        "rbac: {create: false}",
        "serviceAccount: {create: false, name: operator}",
        "operator: {replicas: 1, watchNamespace: games, hostPorts: 40000-40100, leaseSeconds: 6}",
        "operator: {trainerBudget: {nvidia.com/gpu: 8, cpu: 16}}",
        "operator: {extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}",
        "operator: {resources: {limits: {cpu: 1, memory: 1.5Gi}}}",
        "operator: {tolerations: [{operator: Exists}], affinity: {nodeAffinity: {}}, nodeSelector: {a: b}}",
        "nats: {external: {url: 'tls://nats.example.com'}, credentialsSecret: mine}",
        "nats: {persistence: {enabled: false}}",
        "nats: {persistence: {storageClassName: fast, size: 20Gi}}",
        "networkPolicies: {viewers: [{ipBlock: {cidr: 10.0.0.0/8}}]}",
        "streams: {namespaces: [games, news], priorityClasses: {trainer: -1}}",
        "monitoring: {podMonitor: {create: true, interval: 500ms}, rules: {create: true, labels: {release: prometheus}}}",
        "overrides: {operator.deployment: {spec: {replicas: 3}}}",
        "extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: more}}]",
    ] {
        accepts(values);
    }
}

#[test]
fn values_that_could_not_be_meant_are_refused_with_their_place() {
    for (values, because) in [
        ("operater: {}", "additional properties 'operater' not allowed"),
        ("operator: {replica: 3}", "additional properties 'replica' not allowed"),
        ("operator: {replicas: -1}", "/operator/replicas"),
        ("operator: {replicas: two}", "/operator/replicas"),
        ("operator: {hostPorts: 30900}", "/operator/hostPorts"),
        ("operator: {leaseSeconds: 1}", "/operator/leaseSeconds"),
        ("operator: {watchNamespace: Games}", "/operator/watchNamespace"),
        ("operator: {trainerBudget: {cpu: many}}", "/operator/trainerBudget/cpu"),
        ("operator: {extraArgs: [verbose]}", "/operator/extraArgs/0"),
        ("operator: {extraEnv: [{value: nameless}]}", "/operator/extraEnv/0"),
        ("operator: {resources: {limits: {memory: lots}}}", "/operator/resources/limits/memory"),
        ("images: {pullPolicy: Sometimes}", "/images/pullPolicy"),
        ("images: {operator: {digest: latest}}", "/images/operator/digest"),
        ("images: {pullSecrets: [registry]}", "/images/pullSecrets/0"),
        ("images: {media-node: {}}", "additional properties 'media-node' not allowed"),
        ("nats: {external: {url: 'nats://nats:4222'}}", "/nats/credentialsSecret"),
        ("nats: {external: {url: nats.example.com}}", "/nats/external/url"),
        ("nats: {persistence: {size: big}}", "/nats/persistence/size"),
        ("streams: {priorityClasses: {mediaNode: 2000000000}}", "/streams/priorityClasses/mediaNode"),
        ("monitoring: {rules: {runbooks: docs}}", "/monitoring/rules/runbooks"),
        ("monitoring: {podMonitor: {interval: often}}", "/monitoring/podMonitor/interval"),
        ("overrides: {operator.deploymnt: {}}", "operator.deploymnt"),
        ("fullnameOverride: a-name-of-more-than-forty-characters-in-all", "/fullnameOverride"),
    ] {
        rejects(values, because);
    }
}
