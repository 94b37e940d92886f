//! What the relay costs for each packet it forwards, against a plain forwarder over the same stack, and how much memory
//! it takes. Both run as processes of their own and get the same load in turns: 60 viewers of 2.5 Mbit/s.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may panic")]

#[path = "../tests/bare_peer/mod.rs"]
mod bare_peer;
#[path = "relay/load.rs"]
mod load;
#[path = "relay/plain_forwarder.rs"]
mod plain_forwarder;
#[path = "relay/server.rs"]
mod server;

use std::{fs, path::Path, time::Duration};

use load::Load;
use serde_json::{Value, json};
use server::Server;

const VIEWERS: u32 = 60;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(6);
const WARM_UP: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(60);

fn main() {
    if std::env::args().nth(1).as_deref() == Some(plain_forwarder::ARGUMENT) {
        return plain_forwarder::run();
    }
    rustls::crypto::ring::default_provider().install_default().ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let idle = Server::start_media_node().await;
    let idle_since = tokio::time::Instant::now();
    let relay = Server::start_media_node().await;
    let plain = Server::start_plain_forwarder().await;
    let mut relay_load = Load::begin(&relay, VIEWERS).await;
    let mut plain_load = Load::begin(&plain, VIEWERS).await;

    let (mut relay_costs, mut plain_costs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        relay_costs.push(cost(&relay, &mut relay_load, &mut plain_load).await);
        plain_costs.push(cost(&plain, &mut plain_load, &mut relay_load).await);
    }
    let (relay_cost, plain_cost) = (median(&mut relay_costs), median(&mut plain_costs));

    let with_viewers = relay.resident_bytes();
    tokio::time::sleep_until(idle_since + IDLE).await;
    let at_rest = idle.resident_bytes();
    let per_viewer = (with_viewers - at_rest) / f64::from(VIEWERS);

    write(&[
        figure(
            "relay: CPU per forwarded packet, 60 viewers x 2.5 Mbit/s, AES-GCM",
            relay_cost,
            "us",
            &format!("<= {plain_cost:.2}"),
            &format!("a plain forwarder over rtc, in turns: {plain_cost:.2} us"),
        ),
        figure("relay: resident memory, idle for 60 s", at_rest / 1e6, "MB", "<= 20", "nothing"),
        figure("relay: resident memory per viewer", per_viewer / 1e6, "MB", "<= 0.4", "the idle process"),
    ]);
}

/// CPU of the server for each packet that reached a viewer, in microseconds.
async fn cost(server: &Server, load: &mut Load, other: &mut Load) -> f64 {
    load.run_alone(other, WARM_UP).await;
    let before = server.cpu_nanoseconds();
    let packets = load.run_alone(other, ROUND).await;
    (server.cpu_nanoseconds() - before) / 1000.0 / packets
}

fn median(values: &mut [f64]) -> f64 {
    println!("rounds: {values:.2?}");
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn figure(name: &str, value: f64, unit: &str, goal: &str, compared_with: &str) -> Value {
    json!({
        "name": name,
        "value": (value * 100.0).round() / 100.0,
        "unit": unit,
        "goal": goal,
        "machine": format!("loopback, {} CPUs", std::thread::available_parallelism().map_or(0, Into::into)),
        "compared_with": compared_with,
    })
}

fn write(figures: &[Value]) {
    let text = format!("{:#}\n", json!(figures));
    print!("{text}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    fs::write(folder.join("relay.json"), text).expect("the target folder can be written");
}
