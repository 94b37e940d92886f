//! A publisher may send anything.

use proptest::{collection::vec, prelude::*};

use crate::room::fuzz;

/// `[what, peer, milliseconds]` of an input, and its body.
fn input() -> impl Strategy<Value = (u8, u8, u8, Vec<u8>)> {
    let body = prop_oneof![
        4 => (any::<u16>(), any::<u32>(), vec(any::<u8>(), 1..30))
            .prop_map(|(sequence, timestamp, rest)| [&sequence.to_be_bytes()[..], &timestamp.to_be_bytes(), &rest].concat()),
        4 => (0_u16..40, 0_u32..20, vec(any::<u8>(), 1..30))
            .prop_map(|(sequence, frame, rest)| [&sequence.to_be_bytes()[..], &(frame * 3_000).to_be_bytes(), &rest].concat()),
        1 => vec(any::<u8>(), 0..60),
    ];
    (any::<u8>(), 0_u8..4, any::<u8>(), body)
}

proptest! {
    #[test]
    fn no_history_of_inputs_breaks_the_room(history in vec(input(), 0..300)) {
        let bytes: Vec<u8> = history
            .iter()
            .flat_map(|(what, peer, time, body)| [&[*what, *peer, *time, body.len() as u8], &body[..]].concat())
            .collect();
        fuzz::inputs(&bytes);
    }
}
