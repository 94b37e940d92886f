//! Weighted max-min fairness: what each claim has a right to of something there is too little of.

/// Who wants some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) weight: u64,
    pub(super) units: u64,
}

/// The fair share of each, in thousandths of a unit: everyone gets what it wants, or as much, in proportion to its
/// weight, as anyone who gets less than it wants. The sum is at most `units` (and less by rounding alone, when not
/// everyone has what it wants).
///
/// A share that is a whole number comes out as one: nothing is divided before it is multiplied.
#[must_use]
pub(super) fn fair_shares(units: u64, demands: &[Demand]) -> Vec<u64> {
    let mut shares = vec![0; demands.len()];
    // From the one that is satisfied first to the one that is satisfied last.
    let mut order: Vec<usize> = (0..demands.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (demands[*a], demands[*b]);
        (a.units * b.weight.max(1)).cmp(&(b.units * a.weight.max(1)))
    });
    let mut left = units * 1000;
    let mut weights: u64 = demands.iter().map(|demand| demand.weight.max(1)).sum();
    for (place, index) in order.iter().enumerate() {
        let Demand { weight, units } = demands[*index];
        let weight = weight.max(1);
        if units * 1000 * weights > left * weight {
            // Nobody from here on gets all it wants.
            for index in &order[place..] {
                shares[*index] = left * demands[*index].weight.max(1) / weights;
            }
            break;
        }
        shares[*index] = units * 1000;
        left -= units * 1000;
        weights -= weight;
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(units: u64, demands: &[(u64, u64)], shares: &[u64]) {
        let demands: Vec<_> = demands.iter().map(|(weight, units)| Demand { weight: *weight, units: *units }).collect();
        assert_eq!(fair_shares(units, &demands), shares, "{demands:?}");
    }

    #[test]
    fn shares_go_by_weight_and_nobody_gets_more_than_it_wants() {
        check(4, &[(10, 1), (10, 2)], &[1000, 2000]);
        check(2, &[(10, 2), (10, 1)], &[1000, 1000]);
        check(4, &[(10, 1), (10, 2), (10, 4)], &[1000, 1500, 1500]);
        check(4, &[(30, 4), (10, 4)], &[3000, 1000]);
        check(1, &[(10, 1), (10, 1), (20, 1)], &[250, 250, 500]);
        check(0, &[(10, 1)], &[0]);
        check(3, &[], &[]);
        check(3, &[(10, 0), (0, 5)], &[0, 3000]);
    }

    fn demands() -> impl Strategy<Value = Vec<Demand>> {
        let demand = (1..=100u64, 0..8u64).prop_map(|(weight, units)| Demand { weight, units });
        proptest::collection::vec(demand, 0..20)
    }

    proptest! {
        #[test]
        fn all_is_given_away_while_anyone_wants_more(units in 0..40u64, demands in demands()) {
            let shares = fair_shares(units, &demands);
            let given: u64 = shares.iter().sum();
            let wanted: u64 = demands.iter().map(|demand| demand.units * 1000).sum();
            prop_assert!(given <= units * 1000);
            prop_assert!(given + 20 >= wanted.min(units * 1000), "{given} of {wanted}");
        }

        #[test]
        fn nobody_has_more_for_its_weight_than_one_who_lacks(units in 0..40u64, demands in demands()) {
            let shares = fair_shares(units, &demands);
            for (one, share) in demands.iter().zip(&shares) {
                if *share == one.units * 1000 { continue }
                for (other, others) in demands.iter().zip(&shares) {
                    // `others / other.weight <= share / one.weight`, but for one thousandth of rounding.
                    prop_assert!(others * one.weight <= (share + 1) * other.weight);
                }
            }
        }

        #[test]
        fn more_weight_never_gives_less(units in 0..40u64, demands in demands(), more in 1..50u64) {
            let before = fair_shares(units, &demands);
            for index in 0..demands.len() {
                let mut heavier = demands.clone();
                heavier[index].weight += more;
                prop_assert!(fair_shares(units, &heavier)[index] >= before[index]);
            }
        }
    }
}
