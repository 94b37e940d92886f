//! Fuzzes what is packetized comes out of the assembler again.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rtp::fuzz::access_unit(bytes));
