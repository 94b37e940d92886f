//! Fuzzes the guard with any datagram.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| media_node::fuzz::datagram(bytes));
