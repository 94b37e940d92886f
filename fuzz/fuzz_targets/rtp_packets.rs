//! Fuzzes a run of RTP packets with gaps, duplicates and reordering.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rtp::fuzz::packets(bytes));
