//! What every program needs around its work: logs, metrics, health, a graceful end.

mod health;
mod logs;
mod shutdown;

pub use health::{Health, serve_health};
pub use logs::{init_logs, redirect_logs};
pub use prometheus_client;
pub use shutdown::Shutdown;

/// Metrics of a program, in Prometheus' text format at `/metrics`.
pub type Metrics = std::sync::Arc<std::sync::Mutex<prometheus_client::registry::Registry>>;

/// The program's metrics, all names prefixed by the program's.
#[must_use]
pub fn metrics(program: &'static str) -> Metrics {
    let prefix = program.replace('-', "_");
    std::sync::Arc::new(std::sync::Mutex::new(prometheus_client::registry::Registry::with_prefix(prefix)))
}

/// The text of `/metrics`.
#[must_use]
pub fn render_metrics(metrics: &Metrics) -> String {
    let mut text = String::new();
    let registry = metrics.lock().expect("no thread panics with the registry locked");
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("a String takes all text");
    text
}
