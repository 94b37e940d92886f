//! Options of another command that this one takes too and hands on as they were given.

use std::ffi::OsString;

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Id, parser::ValueSource};

/// The options `A`, parsed here and once more by the program that obeys them.
#[derive(Clone, Debug)]
pub(crate) struct Forwarded<A> {
    pub(crate) parsed: A,
    /// Those that were given
    pub(crate) arguments: Vec<OsString>,
}

impl<A: Args> FromArgMatches for Forwarded<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self { arguments: given::<A>(matches), parsed: A::from_arg_matches(matches)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.arguments.extend(given::<A>(matches));
        self.parsed.update_from_arg_matches(matches)
    }
}

impl<A: Args> Args for Forwarded<A> {
    fn group_id() -> Option<Id> {
        A::group_id()
    }

    fn augment_args(command: Command) -> Command {
        A::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        A::augment_args_for_update(command)
    }
}

fn given<A: Args>(matches: &ArgMatches) -> Vec<OsString> {
    let command = A::augment_args(Command::new("options"));
    let mut arguments = Vec::new();
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        let Some(name) = argument.get_long() else { continue };
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let flag = OsString::from(format!("--{name}"));
        if argument.get_action().takes_values() {
            for value in matches.get_raw(id).into_iter().flatten() {
                arguments.extend([flag.clone(), value.to_owned()]);
            }
        } else {
            arguments.push(flag);
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::publish::PublisherOptions;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Forwarded<PublisherOptions>,
        #[arg(long)]
        own: bool,
    }

    #[test]
    fn what_was_given_is_handed_on_and_nothing_else() {
        let line = Line::parse_from(["line", "--scale=3", "--own", "--no-audio", "--preset", "ultrafast"]);
        assert!(line.own);
        assert_eq!((line.options.parsed.scale, line.options.parsed.no_audio), (3, true));
        let mut handed_on: Vec<&str> = line.options.arguments.iter().map(|text| text.to_str().unwrap()).collect();
        handed_on.sort_unstable();
        assert_eq!(handed_on, ["--no-audio", "--preset", "--scale", "3", "ultrafast"]);
    }
}
