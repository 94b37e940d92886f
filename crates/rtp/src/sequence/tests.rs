use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::*;

#[test]
fn a_window_tells_new_from_duplicate_and_too_old() {
    let mut window = ArrivalWindow::default();
    let Arrival::New(first) = window.arrive(65_535) else { panic!("the first packet is new") };
    #[track_caller]
    fn check(window: &mut ArrivalWindow, sequence: u16, expected: Arrival) {
        assert_eq!(window.arrive(sequence), expected, "{sequence}");
    }
    check(&mut window, 2, Arrival::New(first + 3));
    check(&mut window, 2, Arrival::Duplicate);
    check(&mut window, 65_534, Arrival::New(first - 1));
    check(&mut window, 0, Arrival::New(first + 1));
    check(&mut window, 65_535, Arrival::Duplicate);
    check(&mut window, 3_000, Arrival::New(first + 3_001));
    check(&mut window, 1, Arrival::TooOld);
    check(&mut window, 2_999, Arrival::New(first + 3_000));
}

#[test]
fn a_sender_that_starts_over_is_followed_from_its_second_packet_on() {
    let mut window = ArrivalWindow::default();
    let Arrival::New(first) = window.arrive(20_000) else { panic!("the first packet is new") };
    assert_eq!(window.arrive(100), Arrival::TooOld);
    assert_eq!(window.arrive(101), Arrival::New(first + 1));
    assert_eq!(window.arrive(103), Arrival::New(first + 3));
    assert_eq!(window.arrive(102), Arrival::New(first + 2));
    assert_eq!(window.arrive(101), Arrival::Duplicate);
}

#[test]
fn gaps_of_the_source_stay_gaps() {
    let mut rewriter = SequenceRewriter::new(100);
    let outgoing = [1_000, 1_001, 1_005, 1_003, 1_006, 999].map(|source| rewriter.rewrite(source));
    assert_eq!(outgoing, [Some(100), Some(101), Some(105), Some(103), Some(106), None]);
}

#[test]
fn another_source_goes_on_where_the_last_one_ended() {
    let mut rewriter = SequenceRewriter::new(65_535);
    rewriter.rewrite(10);
    rewriter.rewrite(12);
    rewriter.switch(5_000);
    assert_eq!(rewriter.rewrite(5_000), Some(65_538));
    assert_eq!(rewriter.rewrite(4_999), None, "older than the switch");
    assert_eq!(rewriter.source_of(65_538), Some(5_000));
    assert_eq!(rewriter.source_of(65_537), None, "of the older source");
    assert_eq!(rewriter.source_of(65_539), None, "never given out");
}

proptest! {
    #[test]
    fn no_extended_number_is_new_twice(steps in vec(-3_000_i16..3_000, 1..600)) {
        let mut window = ArrivalWindow::default();
        let mut seen = BTreeSet::new();
        let mut sequence = 0_u16;
        for step in steps {
            sequence = sequence.wrapping_add_signed(step);
            if let Arrival::New(extended) = window.arrive(sequence) {
                prop_assert!(seen.insert(extended));
            }
        }
    }

    #[test]
    fn no_outgoing_number_is_given_to_two_packets(
        packets in vec((any::<bool>(), 0_u64..50), 1..300),
    ) {
        let mut rewriter = SequenceRewriter::new(7);
        let mut source_by_outgoing = std::collections::BTreeMap::new();
        let mut epoch = 0;
        for (switch, source) in packets {
            if switch {
                rewriter.switch(source);
                epoch += 1;
            }
            if let Some(outgoing) = rewriter.rewrite(source) {
                let packet = *source_by_outgoing.entry(outgoing).or_insert((epoch, source));
                prop_assert_eq!(packet, (epoch, source));
                prop_assert_eq!(rewriter.source_of(outgoing), Some(source));
            }
        }
    }
}
