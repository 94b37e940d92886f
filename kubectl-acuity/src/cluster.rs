//! What the API server knows, and what to do when it does not answer.

use anyhow::{Context, anyhow, bail};
use crds::{LiveStream, Role, children};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, Client, Config, ResourceExt,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::watcher,
};
use proto::StreamName;

use crate::{arguments::Place, media_node::MediaNode, report::PodReport};

/// Of the media-node: gRPC, and the status.
const INTERNAL_PORT: u16 = 9090;
const INTERNAL_TOKEN_KEY: &str = "internal-token";

pub(crate) struct Cluster {
    pub(crate) client: Client,
    namespace: String,
    all_namespaces: bool,
}

impl Cluster {
    pub(crate) async fn connect(place: &Place) -> anyhow::Result<Self> {
        let config = config(place).await.context(
            "no cluster to ask: give --kubeconfig or set KUBECONFIG, and see `kubectl config get-contexts` for contexts",
        )?;
        let namespace = place.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("the kubeconfig is not usable")?;
        Ok(Self { client, namespace, all_namespaces: place.all_namespaces })
    }

    /// The streams that were asked for, with all pods among which theirs are.
    pub(crate) async fn streams(&self) -> anyhow::Result<(Vec<LiveStream>, Vec<Pod>)> {
        let (streams, pods): (Api<LiveStream>, Api<Pod>) = if self.all_namespaces {
            (Api::all(self.client.clone()), Api::all(self.client.clone()))
        } else {
            (self.api(), self.api())
        };
        let of_acuity = ListParams::default().labels(&format!("{}={}", children::MANAGED_BY_LABEL, children::MANAGER));
        let everything = ListParams::default();
        let (streams, pods) = tokio::join!(streams.list(&everything), pods.list(&of_acuity));
        let streams = streams.map_err(|error| self.explain(error, "list livestreams"))?;
        Ok((streams.items, pods.map_err(|error| self.explain(error, "list pods"))?.items))
    }

    pub(crate) async fn stream(&self, name: &str) -> anyhow::Result<LiveStream> {
        let namespace = self.namespace()?;
        match self.api::<LiveStream>().get_opt(name).await {
            Ok(Some(stream)) => Ok(stream),
            // Also what the API server says when it does not know the resource.
            Ok(None) => match self.api::<LiveStream>().list(&ListParams::default().limit(1)).await {
                Err(error) if is_not_found(&error) => Err(self.explain(error, "list livestreams")),
                _ => bail!("no stream {name} in namespace {namespace}: `kubectl acuity status -A` shows all streams"),
            },
            Err(error) => Err(self.explain(error, "get livestreams")),
        }
    }

    /// A stream's pods, the media-node first.
    pub(crate) async fn pods(&self, name: &str, role: Option<Role>) -> anyhow::Result<Vec<Pod>> {
        self.namespace()?;
        let listed = self.api::<Pod>().list(&ListParams::default().labels(&selector(name, role))).await;
        let mut pods = listed.map_err(|error| self.explain(error, "list pods"))?.items;
        pods.sort_by_key(|pod| PodReport::order(name, &pod.name_any()));
        Ok(pods)
    }

    /// What belongs to the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The namespace of the one stream that a command is about.
    pub(crate) fn namespace(&self) -> anyhow::Result<&str> {
        if self.all_namespaces {
            bail!("one stream is in one namespace: give --namespace instead of --all-namespaces");
        }
        Ok(&self.namespace)
    }

    /// The media-node of a stream, through the API server.
    pub(crate) async fn media_node(&self, name: &str) -> anyhow::Result<MediaNode> {
        let stream = StreamName::new(self.namespace()?, name)?;
        let pods = self.pods(name, Some(Role::MediaNode)).await?;
        let running = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none() && PodReport::is_running(pod);
        let pod = pods
            .iter()
            .find(running)
            .ok_or_else(|| anyhow!("the media-node of {name} does not run: `kubectl acuity status {name}` says why"))?;
        let secret = children::secret_name(name);
        let found = self.api::<Secret>().get(&secret).await;
        let found = found.map_err(|error| self.explain(error, &format!("get the secret {secret}")))?;
        let token = found.data.as_ref().and_then(|data| data.get(INTERNAL_TOKEN_KEY));
        let token = token.with_context(|| format!("the secret {secret} has no key {INTERNAL_TOKEN_KEY}"))?;
        let token = std::str::from_utf8(&token.0).with_context(|| format!("the token in the secret {secret}"))?;

        let pod = pod.name_any();
        let forwarded = self.api::<Pod>().portforward(&pod, &[INTERNAL_PORT]).await;
        let mut forwarded = forwarded.map_err(|error| self.explain(error, &format!("forward a port of pod {pod}")))?;
        let connection = forwarded.take_stream(INTERNAL_PORT).context("a port was asked for, and none came")?;
        let said = forwarded.take_error(INTERNAL_PORT);
        MediaNode::over(connection, stream, token.trim()).await.map_err(|error| {
            let said = said.and_then(|said| futures::FutureExt::now_or_never(said)?);
            error.context(said.unwrap_or_else(|| format!("no connection to pod {pod}")))
        })
    }

    /// The same for a watch.
    pub(crate) fn explain_watch(&self, error: watcher::Error, doing: &str) -> anyhow::Error {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => self.explain(error, doing),
            error => error.into(),
        }
    }

    /// Says what to do about a request that failed.
    pub(crate) fn explain(&self, error: kube::Error, doing: &str) -> anyhow::Error {
        let place = if self.all_namespaces { "any namespace".into() } else { format!("namespace {}", self.namespace) };
        let hint = match &error {
            kube::Error::Api(status) if status.code == 401 => {
                "the cluster does not know who you are: log in again, or choose another --context".to_owned()
            }
            kube::Error::Api(status) if status.code == 403 => {
                format!("you may not {doing} in {place}: ask the cluster's owner for it, or choose another --namespace")
            }
            error if is_not_found(error) && doing.ends_with("livestreams") => {
                "this cluster has no LiveStreams: install Acuity first (helm install acuity charts/acuity)".to_owned()
            }
            kube::Error::Api(_) => format!("could not {doing} in {place}"),
            _ => "the API server does not answer: is the cluster up, and the --context the right one?".to_owned(),
        };
        anyhow::Error::new(error).context(hint)
    }
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

pub(crate) fn selector(name: &str, role: Option<Role>) -> String {
    role.map_or_else(|| format!("{}={name}", children::STREAM_LABEL), |role| children::selector(name, role))
}

async fn config(place: &Place) -> anyhow::Result<Config> {
    let options = KubeConfigOptions { context: place.context.clone(), ..KubeConfigOptions::default() };
    Ok(match &place.kubeconfig {
        Some(file) => Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?,
        None if place.context.is_some() => Config::from_kubeconfig(&options).await?,
        None => Config::infer().await?,
    })
}
