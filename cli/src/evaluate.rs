//! `acuity evaluate`: how much better the picture a viewer gets becomes, at which cost, against honest alternatives.
//!
//! ```text
//! clip ─▶ run: the real system on loopback ─▶ recording (a folder) ─▶ measure ─▶ table, plot, JSON
//! ```
//! A run only records, so that it disturbs nothing; pictures are decoded and measured afterwards.
#![allow(dead_code, reason = "what measures reads it next")]

mod compare;
mod measure;
mod plot;
mod recording;
mod report;
mod sweep;
mod table;
