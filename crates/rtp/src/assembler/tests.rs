use proptest::{collection::vec, prelude::*};

use super::*;

/// One packet: sequence, timestamp, marker, payload.
type Sent<'a> = (u16, u32, bool, &'a [u8]);

const SPS: &[u8] = &[0x67, 1];
const IDR: &[u8] = &[0x65, 0x88];
const SLICE: &[u8] = &[0x41, 0x9a];

fn drain(assembler: &mut Assembler) -> Vec<AssemblerOutput> {
    std::iter::from_fn(|| assembler.poll()).collect()
}

fn assemble(reorder_packets: usize, packets: &[Sent<'_>]) -> Vec<AssemblerOutput> {
    let mut assembler = Assembler::new(reorder_packets);
    for &(sequence, timestamp, marker, payload) in packets {
        assembler.push(sequence, timestamp, marker, payload);
    }
    drain(&mut assembler)
}

fn frame(timestamp: u64, keyframe: bool, nals: &[&[u8]]) -> AssemblerOutput {
    let data: Vec<u8> = nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect();
    AssemblerOutput::Frame(Assembled { timestamp: (1 << 32) + timestamp, keyframe, data: data.into() })
}

fn lost(packets: u64) -> AssemblerOutput {
    AssemblerOutput::Lost { packets }
}

#[test]
fn a_frame_is_out_when_its_last_packet_is_in() {
    let mut assembler = Assembler::new(8);
    assembler.push(1, 10, false, SPS);
    assembler.push(2, 10, false, &[0x7c, 0x85, 1, 2]);
    assembler.push(3, 10, false, &[0x7c, 0x05, 3]);
    assert_eq!(drain(&mut assembler), []);
    assembler.push(4, 10, true, &[0x7c, 0x45, 4]);
    assert_eq!(drain(&mut assembler), [frame(10, true, &[SPS, &[0x65, 1, 2, 3, 4]])]);
}

#[test]
fn reordered_late_and_duplicate_packets_change_nothing() {
    let packets: [Sent<'_>; 7] = [
        (65_535, 10, false, SPS),
        (1, 20, false, &[0x7c, 0x81, 5]),
        (1, 20, false, &[0x7c, 0x81, 5]),
        (3, 30, true, SLICE),
        (0, 10, true, IDR),
        (2, 20, true, &[0x7c, 0x41, 6]),
        (65_535, 10, false, SPS),
    ];
    let expected = [frame(10, true, &[SPS, IDR]), frame(20, false, &[&[0x61, 5, 6]]), frame(30, false, &[SLICE])];
    assert_eq!(assemble(8, &packets), expected);
}

#[test]
fn frames_go_on_behind_a_loss_that_is_told() {
    let packets: [Sent<'_>; 5] = [
        (0, 10, true, SPS),
        // 1 is lost: the end or the beginning of something.
        (2, 30, true, &[0x41, 0x1a]),
        (3, 40, true, SLICE),
        // 4 is lost.
        (5, 60, true, SPS),
        (6, 70, true, SLICE),
    ];
    let expected = [
        frame(10, false, &[SPS]),
        lost(1),
        frame(40, false, &[SLICE]),
        lost(1),
        frame(60, false, &[SPS]),
        frame(70, false, &[SLICE]),
    ];
    assert_eq!(assemble(1, &packets), expected);
}

#[test]
fn a_gap_is_waited_for_until_the_window_is_full() {
    let first: Sent<'_> = (0, 10, true, SPS);
    let newer: Vec<Sent<'_>> = (2..6).map(|at| (at, u32::from(at) * 10 + 10, true, SLICE)).collect();
    let repaired = [&[first], &newer[..3], &[(1, 20, true, SLICE)]].concat();
    assert_eq!(assemble(4, &repaired).len(), 5);
    let too_late = [&[first], &newer[..], &[(1, 20, true, SLICE)]].concat();
    let outputs = assemble(4, &too_late);
    assert_eq!((&outputs[1], outputs.len()), (&lost(1), 6));
}

#[test]
fn a_sender_without_markers_ends_a_frame_with_the_next_one() {
    let packets: [Sent<'_>; 3] = [(0, 10, false, SPS), (1, 10, false, IDR), (2, 20, false, SLICE)];
    assert_eq!(assemble(8, &packets), [frame(10, true, &[SPS, IDR])]);
}

#[test]
fn padding_packets_take_a_number_and_nothing_else() {
    let packets: [Sent<'_>; 4] = [(0, 10, true, SPS), (1, 10, false, &[]), (2, 10, false, &[]), (3, 20, true, SLICE)];
    assert_eq!(assemble(8, &packets), [frame(10, false, &[SPS]), frame(20, false, &[SLICE])]);
}

#[test]
fn malformed_payloads_cost_their_frame_only() {
    let hostile: [&[u8]; 9] = [
        &[0x78, 0, 0, 0x67],
        &[0x78, 0, 9, 0x67],
        &[0x78, 0],
        &[0x7c],
        &[0x7c, 0x05, 1],
        &[0x7c, 0x9c, 1],
        &[0x7c, 0x81, 1],
        &[0x1f, 1],
        &[0x60, 1],
    ];
    for payload in hostile {
        let packets: [Sent<'_>; 3] = [(0, 10, true, SPS), (1, 20, true, payload), (2, 30, true, SLICE)];
        let expected = [frame(10, false, &[SPS]), lost(1), frame(30, false, &[SLICE])];
        assert_eq!(assemble(8, &packets), expected, "{payload:02x?}");
    }
}

#[test]
fn a_frame_without_end_is_given_up() {
    let mut assembler = Assembler::new(8);
    let fragment = [vec![0x7c, 0x01], vec![7; 60_000]].concat();
    assembler.push(0, 10, false, &[0x67, 1]);
    assembler.push(1, 10, false, &[0x7c, 0x81, 1]);
    for sequence in 2..200 {
        assembler.push(sequence, 10, false, &fragment);
    }
    assembler.push(200, 20, true, SLICE);
    assert_eq!(drain(&mut assembler), [lost(1), frame(20, false, &[SLICE])]);
}

#[test]
fn what_is_held_behind_a_gap_is_bounded_in_bytes_too() {
    let mut assembler = Assembler::new(1_000);
    assembler.push(0, 10, true, SPS);
    for sequence in 2..500 {
        assembler.push(sequence, 10, true, &vec![0x41; 60_000]);
        assert!(assembler.held_bytes <= Assembler::MAX_FRAME_BYTES);
    }
    assert!(drain(&mut assembler).contains(&lost(1)));
}

proptest! {
    #[test]
    fn any_packets_are_taken(
        packets in vec((any::<u16>(), 0_u32..4, any::<bool>(), vec(any::<u8>(), 0..40)), 0..300),
        reorder_packets in 0_usize..20,
    ) {
        let mut assembler = Assembler::new(reorder_packets);
        for (sequence, timestamp, marker, payload) in packets {
            assembler.push(sequence, timestamp, marker, &payload);
            prop_assert!(assembler.held.len() <= reorder_packets.max(1));
            drain(&mut assembler);
        }
    }

    #[test]
    fn whatever_order_within_the_window_frames_come_out_whole_and_in_order(
        delays in vec(0_usize..6, 60),
    ) {
        let mut order: Vec<(usize, u16)> = (0..60).map(|at| (usize::from(at) + delays[usize::from(at)], at)).collect();
        order[0].0 = 0;
        order.sort_unstable();
        let mut assembler = Assembler::new(8);
        for (_, at) in order {
            let first = at % 3 == 0;
            assembler.push(at, u32::from(at / 3), at % 3 == 2, if first { SPS } else { SLICE });
        }
        let expected: Vec<_> = (0..20).map(|at| frame(at, false, &[SPS, SLICE, SLICE])).collect();
        prop_assert_eq!(drain(&mut assembler), expected);
    }
}
