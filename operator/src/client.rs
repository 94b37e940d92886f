//! The operator's client: no request without an end, none that the layer below does not let through.
//!
//! It retries nothing by itself: what failed is tried again by whoever asked, which knows more.

use std::time::Duration;

use kube::{
    Client, Config,
    client::{Body, ClientBuilder, DynBody},
};
use tower::{
    BoxError, Layer, Service,
    timeout::TimeoutLayer,
    util::{BoxService, MapRequestLayer},
};

use crate::metrics::Metrics;

/// How long the API server may take until it begins to answer; a watch may be silent as long as it likes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a layer wraps.
pub type ApiServer = BoxService<http::Request<Body>, http::Response<Box<DynBody>>, BoxError>;

/// Every request passes through `layer`, and is counted.
///
/// # Errors
/// When `config` is not usable.
pub fn client<L, S>(mut config: Config, metrics: &Metrics, layer: &L) -> kube::Result<Client>
where
    L: Layer<ApiServer, Service = S>,
    S: Service<http::Request<Body>, Response = http::Response<Box<DynBody>>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.default_retry = false;
    let requests = metrics.requests_by_method.clone();
    let count = MapRequestLayer::new(move |request: http::Request<Body>| {
        requests.get_or_create(&[("method", request.method().to_string())]).inc();
        request
    });
    Ok(ClientBuilder::try_from(config)?
        .with_layer(layer)
        .with_layer(&count)
        .with_layer(&TimeoutLayer::new(ANSWER_TIMEOUT))
        .build())
}
