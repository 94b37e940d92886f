//! `kubectl acuity`: how streams are doing, why one is not ready, and what learns in them.
//!
//! ```text
//! arguments   what people write                 cluster     what the API server knows
//! completion  what they may write next          media_node  what a stream's media-node knows, over any connection
//! status, watch, logs, restart, checkpoint: a command each
//! report      one stream as the commands show it (pure)
//! ```
//!
//! It needs nothing but the API server: media-nodes are reached through it.

mod arguments;
mod checkpoint;
mod cluster;
mod completion;
mod logs;
mod media_node;
mod output;
mod report;
mod restart;
mod sse;
mod status;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::{arguments::Arguments, output::nobody_listens};

/// Of a program that a closed pipe ended, as kubectl is ended by it.
const CLOSED_PIPE: u8 = 128 + 13;

#[tokio::main]
async fn main() -> ExitCode {
    rustls::crypto::ring::default_provider().install_default().ok();
    match Arguments::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if nobody_listens(&error) => ExitCode::from(CLOSED_PIPE),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
