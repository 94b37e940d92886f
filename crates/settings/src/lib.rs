//! Each pod's settings, declared once: the operator and `acuity up` serialise them, the pod reads them.
//!
//! They travel as JSON in the environment variable `ACUITY_SETTINGS`; flags on the command line override single
//! fields. Secrets never travel this way: settings hold the paths of the files that hold them.

mod enhancer;
mod load;
mod media_node;
mod network;
mod pretrain;
mod trainer;

pub use enhancer::EnhancerSettings;
pub use load::{ENVIRONMENT_VARIABLE, SettingsError, load, load_from};
pub use media_node::{MediaNodeSettings, PatchSettings, Unjudged};
pub use network::NetworkSettings;
pub use pretrain::PretrainSettings;
pub use trainer::{LossKind, StartFrom, TrainerSettings, TrainingPattern};
