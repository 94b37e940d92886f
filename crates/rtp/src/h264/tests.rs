use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Assembler, AssemblerOutput};

fn annex_b(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect()
}

fn nal(kind: u8, length: usize) -> Vec<u8> {
    let mut nal = vec![0xab; length];
    nal[0] = 0x60 | kind;
    nal
}

#[test]
fn start_codes_of_both_lengths_part_nal_units() {
    #[track_caller]
    fn check(access_unit: &[u8], expected: &[&[u8]]) {
        assert_eq!(nal_units(access_unit).collect::<Vec<_>>(), expected);
    }
    check(&[], &[]);
    check(&[0, 0, 1], &[]);
    check(&[0x67, 1, 2], &[]);
    check(&[0, 0, 1, 0x67, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65], &[&[0x67], &[0x68, 2], &[0x65]]);
    check(&[0, 0, 0, 1, 0x65, 0, 3, 0, 0], &[&[0x65, 0, 3]]);
    check(&[9, 0, 0, 0, 0, 1, 0x41, 0, 1, 0, 0, 3, 1], &[&[0x41, 0, 1, 0, 0, 3, 1]]);
}

#[test]
fn parameter_sets_travel_in_one_packet_and_delimiters_not_at_all() {
    let unit = annex_b(&[&[0x09, 0xf0], &[0x67, 1, 2], &[0x28, 3], &[0x65, 4]]);
    let expected: [&[u8]; 2] = [&[0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x28, 3], &[0x65, 4]];
    assert_eq!(packetize(&unit, 1_200), expected);
}

#[test]
fn fragments_of_a_nal_unit_have_one_size() {
    let idr = nal(IDR_SLICE, 5_000);
    let payloads = packetize(&annex_b(&[&idr]), 1_200);
    let sizes: Vec<usize> = payloads.iter().map(Bytes::len).collect();
    assert_eq!(sizes, [1_002, 1_002, 1_002, 1_002, 1_001]);
    assert_eq!(payloads[0][..2], [0x7c, 0x85]);
    assert_eq!(payloads[1][..2], [0x7c, 0x05]);
    assert_eq!(payloads[4][..2], [0x7c, 0x45]);
}

#[test]
fn a_key_frame_is_known_by_the_payload_that_begins_it() {
    #[track_caller]
    fn check(payload: &[u8], keyframe: bool, sps: bool) {
        assert_eq!((is_keyframe(payload), holds_sps(payload)), (keyframe, sps), "{payload:02x?}");
    }
    check(&[], false, false);
    check(&[0x65, 0x88], true, false);
    check(&[0x67, 0x42], true, true);
    check(&[0x68, 0xce], false, false);
    check(&[0x41, 0x9a], false, false);
    check(&[0x7c, 0x85, 0x88], true, false);
    check(&[0x7c, 0x05, 0x88], false, false);
    check(&[0x7c, 0x81, 0x88], false, false);
    check(&[0x7c], false, false);
    check(&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68], true, true);
    check(&[0x78, 0, 1, 0x68, 0, 2, 0x65, 0x88], true, false);
    check(&[0x78, 0, 0, 0x67], false, false);
    check(&[0x78, 0, 9, 0x67], false, false);
}

proptest! {
    #[test]
    fn an_assembled_access_unit_is_the_packetized_one(
        slices in vec((prop_oneof![Just(SLICE), Just(IDR_SLICE)], 2_usize..6_000), 1..5),
        parameter_sets in any::<bool>(),
        max in 20_usize..2_000,
    ) {
        let mut nals: Vec<Vec<u8>> = if parameter_sets { vec![nal(SPS, 30), nal(PPS, 6)] } else { vec![] };
        nals.extend(slices.iter().map(|&(kind, length)| nal(kind, length)));
        let unit = annex_b(&nals.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let payloads = packetize(&unit, max);
        prop_assert!(payloads.iter().all(|payload| payload.len() <= max));

        let mut assembler = Assembler::new(1);
        assembler.push(9, 0, true, &[ACCESS_UNIT_DELIMITER, 0xf0]);
        prop_assert!(assembler.poll().is_some());
        for (index, payload) in payloads.iter().enumerate() {
            assembler.push(10 + index as u16, 3_000, index + 1 == payloads.len(), payload);
        }
        let Some(AssemblerOutput::Frame(frame)) = assembler.poll() else { panic!("no frame") };
        prop_assert_eq!(&frame.data, &unit);
        prop_assert_eq!(frame.keyframe, slices.iter().any(|&(kind, _)| kind == IDR_SLICE));
        prop_assert_eq!(assembler.poll(), None);
    }

    #[test]
    fn packetize_takes_any_bytes(access_unit in vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..400), max in any::<usize>()) {
        let payloads = packetize(&access_unit, max);
        prop_assert!(payloads.iter().map(Bytes::len).sum::<usize>() <= 2 * access_unit.len());
    }
}
