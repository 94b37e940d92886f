//! What each child is told. Pure: the same arguments, folder, ports and programs make the same children.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use anyhow::{Context, bail};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use settings::{EnhancerSettings, MediaNodeSettings, TrainerSettings};

use super::{UpArgs, spawner::ChildSpec};

/// OpenMP's threads would burn a core while they wait; libtorch reads this when it is loaded.
const NEVER_SPIN: (&str, &str) = ("OMP_WAIT_POLICY", "PASSIVE");

/// Where the programs are; `None`: not wanted.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) nats_server: PathBuf,
    pub(crate) media_node: PathBuf,
    pub(crate) trainer: Option<PathBuf>,
    pub(crate) enhancer: Option<PathBuf>,
}

/// Sockets and files that the children meet at.
#[derive(Clone, Debug)]
pub(crate) struct Meeting {
    pub(crate) listen: SocketAddr,
    pub(crate) media_listen: SocketAddr,
    pub(crate) internal_listen: SocketAddr,
    pub(crate) nats: SocketAddr,
    /// What nats-server is started with.
    pub(crate) nats_arguments: Vec<OsString>,
    pub(crate) ports_file: PathBuf,
    pub(crate) internal_token_file: PathBuf,
    /// `user:password` files by role.
    pub(crate) media_node_credentials: PathBuf,
    pub(crate) trainer_credentials: PathBuf,
    pub(crate) enhancer_credentials: PathBuf,
    /// Of one who only reads reports.
    pub(crate) observer_credentials: PathBuf,
}

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Children {
    pub(crate) nats_server: ChildSpec,
    pub(crate) media_node: ChildSpec,
    /// Enhancer and trainer, where wanted.
    pub(crate) workers: Vec<ChildSpec>,
}

/// # Errors
/// When an override names no part or no setting.
pub(crate) fn desired_children(args: &UpArgs, programs: &Programs, at: &Meeting) -> anyhow::Result<Children> {
    let overrides = args.overrides.iter().map(|text| Override::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut workers = Vec::new();
    if let Some(program) = &programs.enhancer {
        workers.push(enhancer(args, program.clone(), at, &overrides)?);
    }
    if let Some(program) = &programs.trainer {
        workers.push(trainer(args, program.clone(), at, &overrides)?);
    }
    Ok(Children {
        nats_server: nats_server(programs, at),
        media_node: media_node(args, programs, at, &overrides)?,
        workers,
    })
}

fn nats_server(programs: &Programs, at: &Meeting) -> ChildSpec {
    ChildSpec {
        name: "nats-server",
        program: programs.nats_server.clone(),
        arguments: at.nats_arguments.clone(),
        environment: vec![],
        background: false,
        noise: Some("[INF]"),
    }
}

fn media_node(args: &UpArgs, programs: &Programs, at: &Meeting, overrides: &[Override]) -> anyhow::Result<ChildSpec> {
    let settings = MediaNodeSettings {
        stream: args.stream.clone(),
        listen: at.listen,
        internal_listen: at.internal_listen,
        media_listen: at.media_listen,
        advertised_addresses: args.advertised_addresses.clone(),
        publish_token_file: args.publish_token_file.clone(),
        view_token_file: args.view_token_file.clone(),
        internal_token_file: Some(at.internal_token_file.clone()),
        nats_url: Some(nats_url(at)),
        nats_credentials_file: Some(at.media_node_credentials.clone()),
        scale: args.scale,
        network: args.network.clone(),
        patches: args.patches.clone(),
        ports_file: Some(at.ports_file.clone()),
        ..MediaNodeSettings::default()
    };
    child("media-node", programs.media_node.clone(), &settings, overrides)
}

fn enhancer(args: &UpArgs, program: PathBuf, at: &Meeting, overrides: &[Override]) -> anyhow::Result<ChildSpec> {
    let settings = EnhancerSettings {
        stream: args.stream.clone(),
        media_node_url: media_node_url(at),
        internal_token_file: Some(at.internal_token_file.clone()),
        nats_url: Some(nats_url(at)),
        nats_credentials_file: Some(at.enhancer_credentials.clone()),
        scale: args.scale,
        network: args.network.clone(),
        // No other one will come.
        drain_seconds: 0,
        ..EnhancerSettings::default()
    };
    let mut child = child("enhancer", program, &settings, overrides)?;
    child.environment.push((NEVER_SPIN.0, NEVER_SPIN.1.to_owned()));
    Ok(child)
}

/// One thread that gives way to the enhancer.
fn trainer(args: &UpArgs, program: PathBuf, at: &Meeting, overrides: &[Override]) -> anyhow::Result<ChildSpec> {
    let settings = TrainerSettings {
        stream: args.stream.clone(),
        media_node_url: media_node_url(at),
        internal_token_file: Some(at.internal_token_file.clone()),
        nats_url: nats_url(at),
        nats_credentials_file: Some(at.trainer_credentials.clone()),
        scale: args.scale,
        network: args.network.clone(),
        threads: 1,
        ..TrainerSettings::default()
    };
    let mut child = child("trainer", program, &settings, overrides)?;
    child.environment.extend([NEVER_SPIN, ("OMP_NUM_THREADS", "1")].map(|(name, value)| (name, value.to_owned())));
    child.background = true;
    Ok(child)
}

/// Settings of a part as `--set` leaves them, where nothing else is told.
///
/// # Errors
/// When an override names no part or no setting.
pub(crate) fn effective_settings<T>(part: &'static str, overrides: &[String]) -> anyhow::Result<T>
where
    T: Serialize + DeserializeOwned + Default,
{
    let overrides = overrides.iter().map(|text| Override::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(T::deserialize(overridden(part, &T::default(), &overrides)?)?)
}

fn overridden<T: Serialize + DeserializeOwned>(
    part: &'static str,
    settings: &T,
    overrides: &[Override],
) -> anyhow::Result<Value> {
    let mut settings = serde_json::to_value(settings)?;
    for wanted in overrides.iter().filter(|wanted| wanted.part == part) {
        wanted.apply(&mut settings)?;
        T::deserialize(&settings).with_context(|| format!("--set {}", wanted.text))?;
    }
    Ok(settings)
}

fn child<T: Serialize + DeserializeOwned>(
    name: &'static str,
    program: PathBuf,
    settings: &T,
    overrides: &[Override],
) -> anyhow::Result<ChildSpec> {
    let settings = overridden(name, settings, overrides)?;
    Ok(ChildSpec {
        name,
        program,
        arguments: vec![],
        environment: vec![(settings::ENVIRONMENT_VARIABLE, settings.to_string())],
        background: false,
        noise: None,
    })
}

fn nats_url(at: &Meeting) -> String {
    format!("nats://{}", at.nats)
}

fn media_node_url(at: &Meeting) -> String {
    format!("http://{}", at.internal_listen)
}

/// `PART.SETTING=VALUE`, the setting a path into the part's settings.
#[derive(Debug)]
struct Override<'a> {
    text: &'a str,
    part: &'a str,
    path: Vec<&'a str>,
    value: Value,
}

impl<'a> Override<'a> {
    fn parse(text: &'a str) -> anyhow::Result<Self> {
        let parsed = text.split_once('=').and_then(|(name, value)| Some((name.split_once('.')?, value)));
        let Some(((part, path), value)) = parsed else { bail!("--set {text}: not PART.SETTING=VALUE") };
        if !["media-node", "trainer", "enhancer"].contains(&part) {
            bail!("--set {text}: {part} is none of media-node, trainer, enhancer");
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        Ok(Self { text, part, path: path.split('.').collect(), value })
    }

    fn apply(&self, settings: &mut Value) -> anyhow::Result<()> {
        let place = self.path.iter().try_fold(settings, |place, name| place.as_object_mut()?.get_mut(*name));
        *place.with_context(|| format!("--set {}: {} has no such setting", self.text, self.part))? = self.value.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn parse(arguments: &[&str]) -> UpArgs {
        let matches = UpArgs::augment_args(Command::new("up")).get_matches_from([&["up"], arguments].concat());
        UpArgs::from_arg_matches(&matches).unwrap()
    }

    /// nats-server, media-node, enhancer, trainer
    fn children(arguments: &[&str]) -> anyhow::Result<Vec<ChildSpec>> {
        let args = parse(arguments);
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let file = |name: &str| PathBuf::from("/data").join(name);
        let programs = Programs {
            nats_server: "/bin/nats-server".into(),
            media_node: "/bin/media-node".into(),
            trainer: (!args.no_trainer).then(|| "/bin/trainer".into()),
            enhancer: (!args.no_enhancer).then(|| "/bin/enhancer".into()),
        };
        let at = Meeting {
            listen: address(1),
            media_listen: address(2),
            internal_listen: address(3),
            nats: address(4),
            nats_arguments: vec!["--config".into(), "/data/nats.conf".into()],
            ports_file: file("ports.json"),
            internal_token_file: file("internal"),
            media_node_credentials: file("media-node"),
            trainer_credentials: file("trainer"),
            enhancer_credentials: file("enhancer"),
            observer_credentials: file("observer"),
        };
        let Children { nats_server, media_node, workers } = desired_children(&args, &programs, &at)?;
        Ok([vec![nats_server, media_node], workers].concat())
    }

    fn settings_of(child: &ChildSpec) -> Value {
        let (_, text) = child.environment.iter().find(|(name, _)| *name == settings::ENVIRONMENT_VARIABLE).unwrap();
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn all_parts_agree_on_stream_scale_network_and_meeting_point() {
        let children = children(&["--stream", "games/night", "--scale", "3", "--network-features", "24"]).unwrap();
        assert_eq!(
            children.iter().map(|child| child.name).collect::<Vec<_>>(),
            ["nats-server", "media-node", "enhancer", "trainer"]
        );
        for child in &children[1..] {
            let settings = settings_of(child);
            assert_eq!((&settings["stream"], &settings["scale"]), (&"games/night".into(), &3.into()), "{}", child.name);
            assert_eq!(settings["network"]["features"], 24);
            assert_eq!(settings["nats_url"], "nats://127.0.0.1:4");
            assert_eq!(settings["nats_credentials_file"], format!("/data/{}", child.name));
            assert_eq!(settings["internal_token_file"], "/data/internal");
        }
    }

    #[test]
    fn only_the_trainer_gives_way_to_others() {
        let background = children(&[])
            .unwrap()
            .into_iter()
            .filter(|child| child.background)
            .map(|child| child.name)
            .collect::<Vec<_>>();
        assert_eq!(background, ["trainer"]);
    }

    #[test]
    fn unwanted_parts_are_not_started() {
        let names = children(&["--no-trainer", "--no-enhancer"])
            .unwrap()
            .into_iter()
            .map(|child| child.name)
            .collect::<Vec<_>>();
        assert_eq!(names, ["nats-server", "media-node"]);
    }

    #[test]
    fn any_setting_of_a_part_can_be_set() {
        let children = children(&[
            "--set",
            "trainer.batch=8",
            "--set",
            "enhancer.device=cpu",
            "--set",
            "media-node.patches.per_second=5",
        ])
        .unwrap();
        assert_eq!(settings_of(&children[1])["patches"]["per_second"], 5);
        assert_eq!(settings_of(&children[2])["device"], "cpu");
        assert_eq!(settings_of(&children[3])["batch"], 8);
    }

    #[test]
    fn settings_that_do_not_exist_are_refused_by_name() {
        for wrong in ["trainer.bach=8", "trainer.batch=many", "operator.batch=8", "trainer.batch", "batch=8"] {
            let error = format!("{:#}", children(&["--set", wrong]).unwrap_err());
            assert!(error.contains(wrong), "{error}");
        }
    }
}
