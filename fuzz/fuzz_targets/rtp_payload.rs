//! Fuzzes one RTP payload as a peer could send it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rtp::fuzz::payload(bytes));
