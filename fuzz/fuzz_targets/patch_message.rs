//! Fuzzes the messages of the data channel: what decodes encodes to the same message again.
#![no_main]

use prost::Message;
use proto::v1::PatchChannelMessage;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = PatchChannelMessage::decode(bytes) {
        assert_eq!(PatchChannelMessage::decode(&message.encode_to_vec()[..]).as_ref(), Ok(&message));
    }
});
