//! The chart: what it repeats, what it accepts, what it renders, and what becomes of it on a real API server.

mod contents;
mod helm;
mod life_cycle;
mod monitoring;
mod nats;
mod rendering;
mod schema;
