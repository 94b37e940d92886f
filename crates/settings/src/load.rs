//! Flags over `ACUITY_SETTINGS` over defaults.

use clap::{ArgMatches, Args, Command, parser::ValueSource};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Holds the settings of a pod as one JSON object.
pub const ENVIRONMENT_VARIABLE: &str = "ACUITY_SETTINGS";

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{ENVIRONMENT_VARIABLE} does not hold the settings of this program: {0}")]
    Environment(serde_json::Error),
    #[error(transparent)]
    Arguments(#[from] clap::Error),
}

/// The settings of this process: flags of `matches` over the environment over defaults. The `id` of each argument is
/// its path in the JSON object (`network.features`).
///
/// # Errors
/// When the environment holds something else than the settings `T`.
pub fn load<T: Args + Serialize + DeserializeOwned>(matches: &ArgMatches) -> Result<T, SettingsError> {
    load_from(matches, std::env::var(ENVIRONMENT_VARIABLE).ok().as_deref())
}

/// [`load`] with the environment variable's text as an argument.
///
/// # Errors
/// When `environment` is no JSON object of settings `T`.
pub fn load_from<T: Args + Serialize + DeserializeOwned>(
    matches: &ArgMatches,
    environment: Option<&str>,
) -> Result<T, SettingsError> {
    let flags = to_object(&T::from_arg_matches(matches)?);
    let Some(text) = environment else {
        return serde_json::from_value(Value::Object(flags)).map_err(SettingsError::Environment);
    };
    let given: T = serde_json::from_str(text).map_err(SettingsError::Environment)?;
    let mut merged = to_object(&given);
    for id in matches.ids().filter(|id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)) {
        copy_path(&flags, &mut merged, id.as_str());
    }
    serde_json::from_value(Value::Object(merged)).map_err(SettingsError::Environment)
}

/// The settings as they are without flags and environment.
pub(crate) fn defaults<T: Args>() -> T {
    let matches = T::augment_args(Command::new("defaults")).get_matches_from(["defaults"]);
    T::from_arg_matches(&matches).expect("every argument has a default or is optional")
}

fn to_object<T: Serialize>(settings: &T) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(object)) => object,
        _ => unreachable!("settings are plain structs"),
    }
}

fn copy_path(from: &Map<String, Value>, to: &mut Map<String, Value>, path: &str) {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    match (from.get(head), rest) {
        (Some(Value::Object(inner)), Some(rest)) => {
            if let Some(Value::Object(target)) = to.get_mut(head) {
                copy_path(inner, target, rest);
            }
        }
        (Some(value), None) => {
            to.insert(head.to_owned(), value.clone());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EnhancerSettings, MediaNodeSettings, PretrainSettings, TrainerSettings};

    fn matches<T: Args>(arguments: &[&str]) -> ArgMatches {
        T::augment_args(Command::new("pod")).get_matches_from([&["pod"], arguments].concat())
    }

    #[test]
    fn flags_override_the_environment_which_overrides_defaults() {
        let environment = r#"{"stream": "games/night", "batch": 8, "network": {"features": 32}}"#;
        let settings: TrainerSettings =
            load_from(&matches::<TrainerSettings>(&["--batch", "4", "--network-layers", "3"]), Some(environment))
                .unwrap();
        assert_eq!(settings.stream, "games/night");
        assert_eq!(settings.batch, 4);
        assert_eq!((settings.network.features, settings.network.layers, settings.network.unshuffle), (32, 3, 1));
        assert_eq!(settings.learning_rate, 5e-4);
    }

    #[test]
    fn unknown_fields_are_refused_with_their_name() {
        let error = load_from::<TrainerSettings>(&matches::<TrainerSettings>(&[]), Some(r#"{"bach": 8}"#)).unwrap_err();
        assert!(error.to_string().contains("bach"), "{error}");
    }

    fn survives_a_round_trip<T: Args + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>() {
        let settings: T = load_from(&matches::<T>(&[]), None).unwrap();
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(load_from::<T>(&matches::<T>(&[]), Some(&text)).unwrap(), settings);
    }

    #[test]
    fn defaults_survive_serialisation() {
        survives_a_round_trip::<MediaNodeSettings>();
        survives_a_round_trip::<TrainerSettings>();
        survives_a_round_trip::<EnhancerSettings>();
        survives_a_round_trip::<PretrainSettings>();
    }
}
