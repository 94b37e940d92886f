//! The resource definition, without a cluster and on a real API server.

mod cases;
mod kubectl;
mod rules;
mod schema;
mod server;
