//! Fuzzes the room with any history of inputs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| media_node::room::fuzz::inputs(bytes));
