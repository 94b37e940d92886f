//! The closed list of conditions, and of the reasons of each.

use super::{ConditionStatus, Reason};

/// Declares each condition with its reasons; a reason names the status it implies. The doc comments are what the
/// reference documentation says.
macro_rules! conditions {
    ($($(#[doc = $about:literal])+ $condition:ident {
        $($(#[doc = $why:literal])+ $status:ident $reason:ident,)+
    })+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ConditionType {
            $($(#[doc = $about])+ $condition,)+
        }

        impl ConditionType {
            pub const ALL: &[Self] = &[$(Self::$condition),+];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$condition => stringify!($condition),)+
                }
            }

            /// What it means when this condition is true.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$condition => concat!($($about),+),)+
                }
            }

            /// Each of its reasons: name, status, what it means.
            #[must_use]
            pub const fn reasons(self) -> &'static [(&'static str, ConditionStatus, &'static str)] {
                match self {
                    $(Self::$condition => &[
                        $((stringify!($reason), ConditionStatus::$status, concat!($($why),+)),)+
                    ],)+
                }
            }
        }

        $(
            $(#[doc = $about])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub enum $condition {
                $($(#[doc = $why])+ $reason,)+
            }

            impl Reason for $condition {
                const CONDITION: ConditionType = ConditionType::$condition;

                fn as_str(self) -> &'static str {
                    match self {
                        $(Self::$reason => stringify!($reason),)+
                    }
                }

                fn status(self) -> ConditionStatus {
                    match self {
                        $(Self::$reason => ConditionStatus::$status,)+
                    }
                }
            }
        )+
    };
}

conditions! {
    /// A publisher would be accepted.
    Ready {
        /// The media-node answers at its endpoints.
        True Accepting,
        /// `spec.paused` is true.
        False Paused,
        /// The media-node's pod is being made, or starts.
        False Starting,
        /// The media-node is about to end, and another one is to take over.
        False Moving,
        /// No node takes the media-node's pod.
        False Unschedulable,
        /// The media-node's image cannot be pulled.
        False ImageUnavailable,
        /// The media-node ends again and again.
        False CrashLooping,
        /// The media-node's pod was evicted, or its node is gone; another one follows.
        False PodLost,
        /// A quota of the namespace leaves no room for the pod.
        False QuotaExceeded,
        /// The API server, or a policy of the cluster, refuses the pod.
        False PodRefused,
        /// A Secret that the spec names is missing, or lacks the key.
        False SecretMissing,
        /// The media-node has no address that publishers and viewers can reach yet.
        False AddressPending,
        /// All ports of the operator's range are taken, or rest.
        False NoFreePort,
        /// The operator is older than what the spec says; what runs is left as it is.
        False SpecNotUnderstood,
        /// The stream is being deleted.
        False Deleting,
    }
    /// A publisher is connected.
    Publishing {
        /// The media-node has a publisher.
        True PublisherConnected,
        /// Nobody publishes.
        False NoPublisher,
        /// No media-node runs.
        False NotRunning,
        /// The media-node has not said yet.
        Unknown NoReport,
    }
    /// A trainer learns from the stream.
    Training {
        /// At least one trainer is training.
        True Running,
        /// Trainers run, and wait for patches.
        False WaitingForPatches,
        /// `spec.training.enabled` is false.
        False Disabled,
        /// `spec.paused` is true.
        False Paused,
        /// Nobody publishes.
        False NoPublisher,
        /// Training gains nothing more; it goes on when the scene changes.
        False Saturated,
        /// No trainer is wanted now.
        False ScaledToZero,
        /// A trainer's pod is being made, or starts.
        False Starting,
        /// No accelerator is free, and `onNoAccelerator` says to wait.
        False NoAccelerator,
        /// No node takes a trainer's pod.
        False Unschedulable,
        /// The trainer's image cannot be pulled.
        False ImageUnavailable,
        /// A trainer ends again and again.
        False CrashLooping,
        /// A trainer's pod was evicted, or its node is gone; another one follows.
        False PodLost,
        /// A quota of the namespace leaves no room for the pod.
        False QuotaExceeded,
        /// The API server, or a policy of the cluster, refuses the pod.
        False PodRefused,
        /// No trainer has said yet.
        Unknown NoReport,
    }
    /// Viewers can choose the enhanced picture.
    Enhancing {
        /// The enhanced picture is live.
        True Live,
        /// The enhanced picture is live; no accelerator is free, so the CPU makes it.
        True LiveOnCpu,
        /// `spec.enhancement.mode` is `Disabled`.
        False Disabled,
        /// `spec.paused` is true.
        False Paused,
        /// Nobody publishes.
        False NoPublisher,
        /// The enhancer's pod is being made, or starts.
        False Starting,
        /// No accelerator is free, and `onNoAccelerator` says to wait.
        False NoAccelerator,
        /// No accelerator is free, and `onNoAccelerator` says to do without.
        False Bicubic,
        /// No node takes the enhancer's pod.
        False Unschedulable,
        /// The enhancer's image cannot be pulled.
        False ImageUnavailable,
        /// The enhancer ends again and again.
        False CrashLooping,
        /// The enhancer's pod was evicted, or its node is gone; another one follows.
        False PodLost,
        /// A quota of the namespace leaves no room for the pod.
        False QuotaExceeded,
        /// The API server, or a policy of the cluster, refuses the pod.
        False PodRefused,
        /// The media-node has not said yet.
        Unknown NoReport,
    }
    /// The media-node answers at the addresses that publishers and viewers are told.
    AddressReachable {
        /// The operator's probe was answered.
        True ProbeAnswered,
        /// The operator's probe is not answered.
        False ProbeUnanswered,
        /// There is no address yet.
        False AddressPending,
        /// No media-node runs.
        False NotRunning,
        /// Not probed yet.
        Unknown NotProbed,
    }
    /// The operator hears from the stream's pods through NATS.
    BusReachable {
        /// The operator is connected.
        True Connected,
        /// The operator is not connected: what was decided last stays.
        False Disconnected,
        /// The operator has not tried yet.
        Unknown NotTried,
    }
    /// The number of trainers follows the stream.
    ScalingActive {
        /// Patches waited, and there was no trainer.
        True PatchesWait,
        /// More trainers, for the scene changed.
        True SceneChanged,
        /// More trainers, for the gain fell.
        True GainFell,
        /// More trainers, for there are too few steps for each new patch.
        True TooFewSteps,
        /// More trainers, for patches arrive faster than they are taken.
        True BacklogGrows,
        /// Only `minReplicas`, for training gains nothing more.
        True Saturated,
        /// Fewer trainers, for the gain grows too slowly.
        True GainFlat,
        /// Fewer trainers, for there are more steps than each new patch needs.
        True EnoughSteps,
        /// Only `minReplicas`, for nobody publishes.
        True NobodyPublishes,
        /// Only `minReplicas`, for no patches come.
        True NoPatches,
        /// There has been no reason to change anything.
        True Steady,
        /// `spec.training.replicas` decides.
        False Fixed,
        /// Another autoscaler decides, through the scale subresource.
        False External,
        /// `spec.training.enabled` is false.
        False TrainingDisabled,
        /// `spec.paused` is true.
        False Paused,
        /// The operator does not hear from the pods: what was decided last stays.
        Unknown BusUnreachable,
        /// The media-node has not said anything to decide from.
        Unknown NoReport,
    }
    /// Fewer or more trainers run than the stream asks for.
    ScalingLimited {
        /// As many as it asks for.
        False WithinLimits,
        /// It asks for more than `maxReplicas`.
        True MaxReplicas,
        /// It asks for fewer than `minReplicas`.
        True MinReplicas,
        /// It asks for more than its share of the cluster's trainers.
        True Budget,
        /// One trainer takes more than the cluster's whole budget for trainers.
        True BudgetTooSmall,
    }
    /// The operator is still making the stream what the spec says.
    Reconciling {
        /// The stream is what the spec says.
        False InSync,
        /// Pods, Service or Secret are being made, replaced or removed.
        True Progressing,
        /// One pod takes over from another: a roll-out, or a drain.
        True Moving,
        /// There is no room for a successor beside its predecessor, which goes first.
        True MakingRoom,
        /// The API server refused a request for now; it is tried again.
        True Retrying,
        /// The stream is being deleted.
        True Deleting,
    }
    /// The operator cannot go on before somebody changes something.
    Stalled {
        /// Nothing stands in the way.
        False Unobstructed,
        /// A Secret that the spec names is missing, or lacks the key.
        True SecretMissing,
        /// An image cannot be pulled.
        True ImageUnavailable,
        /// A pod ends again and again.
        True CrashLooping,
        /// No node takes the media-node's pod.
        True Unschedulable,
        /// A quota of the namespace leaves no room for a pod.
        True QuotaExceeded,
        /// The API server, or a policy of the cluster, refuses a pod.
        True PodRefused,
        /// Something of another owner has the name of one of the stream's objects.
        True NameTaken,
        /// All ports of the operator's range are taken, or rest.
        True NoFreePort,
        /// The API server refuses a Service, Ingress or Secret made from the spec.
        True InvalidSpec,
        /// The operator is older than what the spec says; what runs is left as it is.
        True SpecNotUnderstood,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_type_is_pascal_case_and_fits_the_schema() {
        for condition in ConditionType::ALL {
            let names = condition.reasons().iter().map(|(name, ..)| *name).chain([condition.as_str()]);
            for name in names {
                assert!(name.starts_with(|first: char| first.is_ascii_uppercase()), "{name}");
                assert!(name.chars().all(|each| each.is_ascii_alphanumeric()) && name.len() <= 64, "{name}");
            }
        }
    }
}
