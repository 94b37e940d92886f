//! What may be written next, in the form that kubectl asks its plugins for: a candidate a line, an explanation behind a
//! tab, and a last line that says what the shell may add by itself (nothing).

use clap::{Arg, ArgAction, CommandFactory, Parser};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::ListParams, config::Kubeconfig};

use crate::{
    arguments::{Arguments, Place},
    cluster::Cluster,
};

/// For kubectl to find on PATH.
pub(crate) const SCRIPT: &str = include_str!("../kubectl_complete-acuity");
/// Cobra's ShellCompDirectiveNoFileComp, and its default, which offers files.
const NOTHING_MORE: &str = ":4";
const FILES: &str = ":0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Streams,
    Namespaces,
    Contexts,
    Files,
}

/// Candidates of their own, or what has to be asked for.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Words(Vec<String>),
    Ask(Wanted),
}

/// `words`: what follows `kubectl acuity`; the last one is not finished.
pub(crate) async fn complete(words: &[String]) -> String {
    let (unfinished, before) = words.split_last().map_or(("", words), |(last, before)| (last.as_str(), before));
    let (candidates, directive) = match next(before, unfinished) {
        Next::Words(words) => (words, NOTHING_MORE),
        Next::Ask(Wanted::Files) => (Vec::new(), FILES),
        // Whoever presses a key wants no error message.
        Next::Ask(wanted) => (ask(wanted, before).await.unwrap_or_default(), NOTHING_MORE),
    };
    let fitting = candidates.into_iter().filter(|candidate| candidate.starts_with(unfinished));
    fitting.chain([directive.to_owned()]).map(|line| line + "\n").collect()
}

async fn ask(wanted: Wanted, before: &[String]) -> anyhow::Result<Vec<String>> {
    let place = place(before);
    if wanted == Wanted::Contexts {
        let kubeconfig = place.kubeconfig.map_or_else(Kubeconfig::read, Kubeconfig::read_from)?;
        return Ok(kubeconfig.contexts.into_iter().map(|context| context.name).collect());
    }
    let cluster = Cluster::connect(&place).await?;
    if wanted == Wanted::Namespaces {
        let namespaces = Api::<Namespace>::all(cluster.client.clone()).list(&ListParams::default()).await?;
        return Ok(namespaces.into_iter().map(|namespace| namespace.name_any()).collect());
    }
    let streams: Api<crds::LiveStream> = cluster.api();
    Ok(streams.list(&ListParams::default()).await?.into_iter().map(|stream| stream.name_any()).collect())
}

/// Where the words so far say to look, however unfinished the rest is.
fn place(before: &[String]) -> Place {
    #[derive(Parser)]
    #[command(ignore_errors = true, no_binary_name = true, disable_help_flag = true)]
    struct Only {
        #[command(flatten)]
        place: Place,
        #[arg(trailing_var_arg = false)]
        _rest: Vec<String>,
    }
    Only::try_parse_from(before).map(|only| only.place).unwrap_or_default()
}

fn next(before: &[String], unfinished: &str) -> Next {
    let mut command = Arguments::command();
    command.build();
    let mut command = &command;
    let (mut positionals, mut words) = (0, before.iter());
    while let Some(word) = words.next() {
        if let Some(argument) = option(command, word).filter(|argument| argument.get_action().takes_values()) {
            if !word.contains('=') && words.next().is_none() {
                return values(argument);
            }
        } else if let Some(inner) = command.find_subcommand(word) {
            (command, positionals) = (inner, 0);
        } else if !word.starts_with('-') {
            positionals += 1;
        }
    }
    if unfinished.starts_with('-') {
        let flags = command.get_arguments().filter(|argument| !argument.is_hide_set());
        return Next::Words(
            flags.filter_map(|flag| Some(described(&format!("--{}", flag.get_long()?), flag.get_help()))).collect(),
        );
    }
    match command.get_positionals().nth(positionals) {
        Some(positional) => values(positional),
        None => {
            let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
            Next::Words(inner.map(|inner| described(inner.get_name(), inner.get_about())).collect())
        }
    }
}

fn option<'a>(command: &'a clap::Command, word: &str) -> Option<&'a Arg> {
    let name = word.split('=').next().unwrap_or_default();
    command.get_arguments().find(|argument| {
        let long = argument.get_long().is_some_and(|long| name.strip_prefix("--") == Some(long));
        let short =
            argument.get_short().is_some_and(|short| name.strip_prefix('-') == Some(short.to_string().as_str()));
        long || short
    })
}

fn values(argument: &Arg) -> Next {
    let possible = argument.get_possible_values();
    match argument.get_id().as_str() {
        _ if !possible.is_empty() && !matches!(argument.get_action(), ArgAction::SetTrue) => {
            Next::Words(possible.iter().map(|value| value.get_name().to_owned()).collect())
        }
        "name" => Next::Ask(Wanted::Streams),
        "namespace" => Next::Ask(Wanted::Namespaces),
        "context" => Next::Ask(Wanted::Contexts),
        "kubeconfig" | "file" => Next::Ask(Wanted::Files),
        _ => Next::Words(Vec::new()),
    }
}

fn described(word: &str, about: Option<&clap::builder::StyledStr>) -> String {
    about.map_or_else(|| word.to_owned(), |about| format!("{word}\t{about}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(line: &str) -> Next {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let (unfinished, before) = words.split_last().unwrap();
        next(before, unfinished)
    }

    #[test]
    fn each_place_has_its_candidates() {
        for (line, expected) in [
            ("status ", Next::Ask(Wanted::Streams)),
            ("-n live logs --role trainer -f ", Next::Ask(Wanted::Streams)),
            ("status a -n ", Next::Ask(Wanted::Namespaces)),
            ("--context ", Next::Ask(Wanted::Contexts)),
            ("checkpoint download a --file ", Next::Ask(Wanted::Files)),
            ("checkpoint pin ", Next::Ask(Wanted::Streams)),
            ("restart a ", Next::Words(vec![])),
            ("status -o ", Next::Words(["table", "wide", "json", "yaml"].map(str::to_owned).into())),
            ("logs a --role ", Next::Words(["media-node", "enhancer", "trainer"].map(str::to_owned).into())),
        ] {
            assert_eq!(next_of(line), expected, "{line:?}");
        }
    }

    #[tokio::test]
    async fn commands_and_flags_come_with_what_they_do_as_kubectl_reads_it() {
        let complete =
            async |words: &[&str]| complete(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()).await;
        assert_eq!(complete(&["chec"]).await, "checkpoint\tThe weights that were learned from a stream\n:4\n");
        assert_eq!(complete(&["checkpoint", "unp"]).await, "unpin\tLets newer versions be accepted again\n:4\n");
        assert!(complete(&["logs", "a", "--f"]).await.starts_with("--follow\t"), "flags");
        assert!(!complete(&[""]).await.contains("__complete"), "what is hidden stays so");
        assert_eq!(complete(&["--kubeconfig", ""]).await, ":0\n");
    }

    #[test]
    fn the_place_is_found_among_unfinished_words() {
        let words = ["logs", "-n", "live", "--role", "--context", "there"].map(str::to_owned);
        let place = place(&words);
        assert_eq!(place.namespace.as_deref(), Some("live"));
    }
}
