//! What people write.

use std::{
    io::{Write, stdout},
    path::PathBuf,
};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use crds::Role;

use crate::{checkpoint, cluster::Cluster, completion, logs, output::Output, restart, status, watch};

/// How streams are doing, why one is not ready, and what learns in them
#[derive(Debug, Parser)]
#[command(name = "kubectl-acuity", bin_name = "kubectl acuity", version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// How to say it
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which cluster, and where in it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Place {
    /// Namespace; otherwise the context's
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Streams of all namespaces (status)
    #[arg(short = 'A', long, global = true, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
    /// Context of the kubeconfig; otherwise its current one
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
    /// Kubeconfig file; otherwise KUBECONFIG, or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All streams, or one with its pods, and why it is not ready
    Status {
        /// Stream
        name: Option<String>,
    },
    /// Follows a stream: a line for each change, and the gain as it goes
    Watch {
        /// Stream
        name: String,
    },
    /// Logs of a stream's pods, each line with the pod it is from
    Logs(logs::LogsArgs),
    /// Deletes a stream's pods; the operator makes new ones
    Restart {
        /// Stream
        name: String,
        /// Only these pods
        #[arg(long, value_parser = role_parser())]
        role: Option<Role>,
    },
    /// The weights that were learned from a stream
    #[command(subcommand)]
    Checkpoint(checkpoint::CheckpointCommand),
    /// The script that lets kubectl complete these commands: save it as `kubectl_complete-acuity` on PATH, executable
    Completion,
    #[command(name = "__complete", hide = true)]
    Complete {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

pub(crate) fn role_parser() -> impl TypedValueParser<Value = Role> {
    let role_of = |text: String| Role::ALL.into_iter().find(|role| role.as_str() == text);
    PossibleValuesParser::new(Role::ALL.map(Role::as_str))
        .map(move |text| role_of(text).expect("one of the possible values"))
}

impl Arguments {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let (output, place) = (self.output, self.place);
        match self.command {
            Command::Completion => Ok(write!(stdout(), "{}", completion::SCRIPT)?),
            Command::Complete { words } => Ok(write!(stdout(), "{}", completion::complete(&words).await)?),
            Command::Status { name } => status::run(&Cluster::connect(&place).await?, name.as_deref(), output).await,
            Command::Watch { name } => watch::run(&Cluster::connect(&place).await?, &name, output).await,
            Command::Logs(args) => logs::run(&Cluster::connect(&place).await?, args).await,
            Command::Restart { name, role } => {
                restart::run(&Cluster::connect(&place).await?, &name, role, output).await
            }
            Command::Checkpoint(command) => checkpoint::run(&Cluster::connect(&place).await?, command, output).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_contradict_nowhere() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_may_stand_before_and_behind_the_command() {
        for words in ["-n live restart a --role trainer -o json", "restart -o json a -n live --role trainer"] {
            let arguments = Arguments::try_parse_from(["kubectl-acuity"].into_iter().chain(words.split(' '))).unwrap();
            assert_eq!((arguments.place.namespace.as_deref(), arguments.output), (Some("live"), Output::Json));
            assert!(matches!(arguments.command, Command::Restart { role: Some(Role::Trainer), .. }));
        }
    }
}
