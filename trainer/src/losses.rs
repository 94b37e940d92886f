//! When a trainer gives up its own weights for those that keep beating them.

/// In a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    /// Offers that the live checkpoint beat.
    offers: u32,
    /// Epochs at the end of which other weights were better on the trainer's own fresh patches.
    epochs: u32,
}

/// One loss is chance, and the next epoch may win.
const MOST_LOSSES: u32 = 5;

impl Losses {
    /// Only this ends a row of offers: refusals for another reason say nothing of the live checkpoint.
    pub(crate) fn handle_accepted(&mut self) {
        self.offers = 0;
    }

    /// Whether to go on from the live weights, which may not be at hand.
    pub(crate) fn handle_below_live(&mut self, live_at_hand: bool) -> bool {
        count(&mut self.offers, live_at_hand)
    }

    pub(crate) fn handle_epoch_won(&mut self) {
        self.epochs = 0;
    }

    /// Whether to go on from the weights that were better.
    pub(crate) fn handle_epoch_lost(&mut self) -> bool {
        count(&mut self.epochs, true)
    }
}

/// One more; whether the row is long enough, which ends it.
fn count(losses: &mut u32, at_hand: bool) -> bool {
    *losses = losses.saturating_add(1);
    let adopt = *losses >= MOST_LOSSES && at_hand;
    if adopt {
        *losses = 0;
    }
    adopt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Answer {
        Accepted,
        Lost,
        /// Against weights of another network, or with the media-node away.
        LostUnseen,
    }
    use Answer::{Accepted, Lost, LostUnseen};

    fn check(answers: &[(Answer, usize)], expected_adoptions: usize) {
        let mut losses = Losses::default();
        let answers = answers.iter().flat_map(|&(answer, times)| std::iter::repeat_n(answer, times));
        let adoptions = answers.filter(|answer| match answer {
            Accepted => {
                losses.handle_accepted();
                false
            }
            Lost => losses.handle_below_live(true),
            LostUnseen => losses.handle_below_live(false),
        });
        assert_eq!(adoptions.count(), expected_adoptions);
    }

    #[test]
    fn the_fifth_loss_in_a_row_adopts_what_won() {
        check(&[(Lost, 4)], 0);
        check(&[(Lost, 5)], 1);
        check(&[(Lost, 9)], 1);
        check(&[(Lost, 10)], 2);
    }

    #[test]
    fn an_accepted_offer_ends_the_row() {
        check(&[(Lost, 4), (Accepted, 1), (Lost, 4)], 0);
    }

    #[test]
    fn what_is_not_at_hand_is_adopted_when_it_is() {
        check(&[(LostUnseen, 7)], 0);
        check(&[(LostUnseen, 7), (Lost, 2)], 1);
    }
}
