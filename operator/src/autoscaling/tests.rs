//! Each rule by a table, and all of them by random histories.

mod fairness;
mod histories;
mod records;
mod rules;
mod world;
