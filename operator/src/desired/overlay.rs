//! What the user adds to the pods of a role.

use crds::PodOverlay;
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec};

/// Lays `overlay` over `pod`, whose only container is `container`. What the operator itself needs stays.
pub(super) fn apply(overlay: &PodOverlay, pod: &mut PodSpec, container: &mut Container) {
    if !overlay.node_selector.is_empty() {
        pod.node_selector = Some(overlay.node_selector.clone());
    }
    pod.tolerations.get_or_insert_default().extend(overlay.tolerations.iter().cloned());
    pod.affinity.clone_from(&overlay.affinity);
    if !overlay.topology_spread_constraints.is_empty() {
        pod.topology_spread_constraints = Some(overlay.topology_spread_constraints.clone());
    }
    if overlay.priority_class_name.is_some() {
        pod.priority_class_name.clone_from(&overlay.priority_class_name);
    }
    pod.runtime_class_name.clone_from(&overlay.runtime_class_name);
    pod.service_account_name.clone_from(&overlay.service_account_name);
    if !overlay.image_pull_secrets.is_empty() {
        pod.image_pull_secrets = Some(overlay.image_pull_secrets.clone());
    }
    let resources = container.resources.get_or_insert_default();
    if !overlay.resources.requests.is_empty() {
        resources.requests = Some(overlay.resources.requests.clone());
    }
    if !overlay.resources.limits.is_empty() {
        resources.limits = Some(overlay.resources.limits.clone());
    }
    add_environment(container.env.get_or_insert_default(), &overlay.extra_env);
}

/// Theirs wins, but for the settings: those are the spec's.
fn add_environment(ours: &mut Vec<EnvVar>, extra: &[EnvVar]) {
    let extra: Vec<_> = extra.iter().filter(|variable| variable.name != settings::ENVIRONMENT_VARIABLE).collect();
    ours.retain(|variable| !extra.iter().any(|other| other.name == variable.name));
    ours.extend(extra.into_iter().cloned());
}
