//! Who answers at the address that clients use: this media-node, another one, nobody.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::Context;
use axum::http::HeaderName;
use proto::status::{LearningStatus, StreamStatus};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};

use crate::tokens::TokenFile;

/// Each answer of the public side names the process by it.
pub(crate) const INSTANCE: HeaderName = HeaderName::from_static("acuity-instance");

const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_BEFORE: Duration = Duration::from_millis(250);
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A media-node's process, told apart from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance(Arc<str>);

impl Instance {
    pub(crate) fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()).into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address of whichever media-node serves the stream.
#[derive(Clone)]
pub(crate) struct Service {
    ready: Url,
    status: Url,
    own: Instance,
    /// Keeps no connection: each question must find its own way.
    client: Client,
}

impl Service {
    /// # Errors
    /// When `url` is none.
    pub(crate) fn new(url: &str, own: Instance) -> anyhow::Result<Self> {
        let base = format!("{}/", url.trim_end_matches('/'));
        let base = Url::parse(&base).with_context(|| format!("the service's address {url:?} is no URL"))?;
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(ANSWER_WITHIN);
        Ok(Self {
            ready: base.join("readyz")?,
            status: base.join("api/status")?,
            own,
            client: client.build().context("preparing to ask at the service's address")?,
        })
    }

    pub(crate) fn url(&self) -> &str {
        self.ready.as_str()
    }

    /// Returns when another instance is ready there: who that is.
    pub(crate) async fn successor(&self) -> String {
        loop {
            match self.who_is_ready().await {
                Ok(Some(instance)) if instance != self.own.as_str() => return instance,
                Ok(_) => {}
                Err(error) => tracing::debug!(error = format!("{error:#}"), "nobody answers at the service's address"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns when this media-node answers there itself: what the one that did before said of its learning last.
    pub(crate) async fn predecessor(&self, view_token: &TokenFile) -> Option<LearningStatus> {
        let mut last = None;
        loop {
            match self.who_serves(view_token).await {
                Ok((instance, _)) if instance.as_deref() == Some(self.own.as_str()) => return last,
                Ok((_, status)) => last = status.or(last),
                Err(error) => tracing::debug!(error = format!("{error:#}"), "nobody answers at the service's address"),
            }
            tokio::time::sleep(PAUSE_BEFORE).await;
        }
    }

    async fn who_is_ready(&self) -> anyhow::Result<Option<String>> {
        let answer = self.client.get(self.ready.clone()).send().await?;
        Ok(instance_of(&answer).filter(|_| answer.status() == StatusCode::OK))
    }

    async fn who_serves(&self, view_token: &TokenFile) -> anyhow::Result<(Option<String>, Option<LearningStatus>)> {
        let request = self.client.get(self.status.clone());
        let answer = view_token.value().into_iter().fold(request, RequestBuilder::bearer_auth).send().await?;
        let (instance, status) = (instance_of(&answer), answer.json::<StreamStatus>().await);
        Ok((instance, status.ok().map(|status| status.learning)))
    }
}

fn instance_of(answer: &Response) -> Option<String> {
    answer.headers().get(INSTANCE)?.to_str().ok().map(str::to_owned)
}
