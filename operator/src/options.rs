//! What the operator is told.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};

use crate::{autoscaling::Budget, names::Role};

/// The operator's command line; every option can be given as environment variable, too.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Reconcile this namespace only (else the whole cluster)
    #[arg(long, env = "ACUITY_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub images: Images,
    #[command(flatten)]
    pub nats: Nats,
    /// First and last host port for media, outside the cluster's node ports lest a Service gets the same
    #[arg(long, env = "ACUITY_HOST_PORTS", value_name = "FIRST-LAST", default_value = "20900-21899", value_parser = port_range)]
    pub host_ports: (u16, u16),
    /// Probe advertised addresses from here, and hold a media-node for unready until it answers
    #[arg(long, env = "ACUITY_PROBE", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub probe: bool,
    /// The most that trainers of all streams may take together, by resource (cpu: trainers without an accelerator); what
    /// is not named is not limited
    #[arg(long, env = "ACUITY_TRAINER_BUDGET", value_name = "RESOURCE=N,…", default_value = "")]
    pub trainer_budget: Budget,
    #[command(flatten)]
    pub pods: PodOptions,
    /// Streams reconciled at the same time
    #[arg(long, env = "ACUITY_CONCURRENCY", value_name = "N", default_value_t = 64)]
    pub concurrency: usize,
    /// Health and metrics
    #[arg(long, env = "ACUITY_HEALTH_LISTEN", value_name = "IP:PORT", default_value = "[::]:8081")]
    pub health_listen: SocketAddr,
    /// Namespace of the lease that elects one of several operators; without it this one is alone
    #[arg(long, env = "ACUITY_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// Name of that lease
    #[arg(long, env = "ACUITY_LEASE_NAME", value_name = "NAME", default_value = "acuity-operator")]
    pub lease_name: String,
    /// How long a leader that says nothing stays leader
    #[arg(long, env = "ACUITY_LEASE_SECONDS", value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u32).range(6..=300))]
    pub lease_seconds: u32,
}

/// What pods run.
#[derive(Args, Clone, Debug)]
pub struct Images {
    /// Image of media-nodes
    #[arg(long, env = "ACUITY_IMAGE_MEDIA_NODE", value_name = "IMAGE")]
    pub image_media_node: String,
    /// Image of enhancers on the CPU
    #[arg(long, env = "ACUITY_IMAGE_ENHANCER", value_name = "IMAGE")]
    pub image_enhancer: String,
    /// Image of trainers on the CPU
    #[arg(long, env = "ACUITY_IMAGE_TRAINER", value_name = "IMAGE")]
    pub image_trainer: String,
    /// Image of enhancers with an accelerator, when it is another
    #[arg(long, env = "ACUITY_IMAGE_ENHANCER_ACCELERATED", value_name = "IMAGE")]
    pub image_enhancer_accelerated: Option<String>,
    /// Image of trainers with an accelerator, when it is another
    #[arg(long, env = "ACUITY_IMAGE_TRAINER_ACCELERATED", value_name = "IMAGE")]
    pub image_trainer_accelerated: Option<String>,
    /// When images are pulled
    #[arg(long, env = "ACUITY_IMAGE_PULL_POLICY", value_enum, default_value_t = PullPolicy::IfNotPresent)]
    pub image_pull_policy: PullPolicy,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// For pods of streams whose spec says nothing of it.
#[derive(Args, Clone, Debug, Default)]
pub struct PodOptions {
    /// Secrets to pull images with, in each stream's namespace
    #[arg(long, env = "ACUITY_IMAGE_PULL_SECRETS", value_name = "SECRET,…", value_delimiter = ',')]
    pub image_pull_secrets: Vec<String>,
    /// Priority class of media-nodes
    #[arg(long, env = "ACUITY_PRIORITY_CLASS_MEDIA_NODE", value_name = "NAME")]
    pub priority_class_media_node: Option<String>,
    /// Priority class of enhancers
    #[arg(long, env = "ACUITY_PRIORITY_CLASS_ENHANCER", value_name = "NAME")]
    pub priority_class_enhancer: Option<String>,
    /// Priority class of trainers
    #[arg(long, env = "ACUITY_PRIORITY_CLASS_TRAINER", value_name = "NAME")]
    pub priority_class_trainer: Option<String>,
}

/// How the operator and pods reach NATS.
#[derive(Args, Clone, Debug)]
pub struct Nats {
    /// NATS server
    #[arg(long, env = "ACUITY_NATS_URL", value_name = "URL", default_value = "nats://nats:4222")]
    pub nats_url: String,
    /// Folder with files operator, media-node, enhancer, trainer: user:password of each role
    #[arg(long, env = "ACUITY_NATS_CREDENTIALS", value_name = "FOLDER")]
    pub nats_credentials: Option<PathBuf>,
}

impl Images {
    /// The image for `role`, on the CPU or with an accelerator.
    #[must_use]
    pub fn of(&self, role: Role, accelerated: bool) -> &str {
        let (cpu, accelerator) = match role {
            Role::MediaNode => (&self.image_media_node, &None),
            Role::Enhancer => (&self.image_enhancer, &self.image_enhancer_accelerated),
            Role::Trainer => (&self.image_trainer, &self.image_trainer_accelerated),
        };
        if accelerated { accelerator.as_ref().unwrap_or(cpu) } else { cpu }
    }
}

impl PodOptions {
    #[must_use]
    pub fn priority_class(&self, role: Role) -> Option<&String> {
        match role {
            Role::MediaNode => self.priority_class_media_node.as_ref(),
            Role::Enhancer => self.priority_class_enhancer.as_ref(),
            Role::Trainer => self.priority_class_trainer.as_ref(),
        }
    }
}

impl PullPolicy {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

#[cfg(test)]
impl Options {
    pub(crate) fn for_tests() -> Self {
        use clap::FromArgMatches;

        let images = ["--image-media-node=media-node:1", "--image-enhancer=enhancer:1", "--image-trainer=trainer:1"];
        let accelerated =
            ["--image-enhancer-accelerated=enhancer:1-cuda", "--image-trainer-accelerated=trainer:1-cuda"];
        let arguments = [&["operator"], images.as_slice(), accelerated.as_slice()].concat();
        let matches = Self::augment_args(clap::Command::new("operator")).get_matches_from(arguments);
        Self::from_arg_matches(&matches).expect("these are all that is needed")
    }
}

fn port_range(text: &str) -> Result<(u16, u16), String> {
    let parsed = text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    parsed.filter(|(first, last)| *first > 0 && first <= last).ok_or_else(|| format!("{text:?} is not FIRST-LAST"))
}
