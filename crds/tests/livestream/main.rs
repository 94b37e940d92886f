//! The resource definition, without a cluster and on a real API server.

mod cases;
mod rules;
mod server;
