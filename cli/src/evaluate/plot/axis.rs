//! Ranges of axes, and places of labels beside the lines they name.

/// What holds all values with some room, at least `least` high. `None` without values.
pub(crate) fn range(values: impl Iterator<Item = f64>, least: f64) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return None;
    }
    let room = ((high - low) * 0.06).max((least - (high - low)) / 2.0);
    Some((low - room, high + room))
}

/// Where labels of this height stand that are wanted at these places: as near as may be, in the same order, not over
/// each other, inside `low..high`.
pub(crate) fn spread(wanted: &[f64], height: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    // Blocks of labels that touch; each stands where its labels are off by as little as possible.
    let mut blocks: Vec<(f64, Vec<usize>)> = Vec::new();
    for index in order {
        blocks.push((wanted[index], vec![index]));
        while let [.., above, below] = &blocks[..]
            && below.0 - above.0 < height * (above.1.len() + below.1.len()) as f64 / 2.0
        {
            let labels = [above.1.clone(), below.1.clone()].concat();
            let middle = labels.iter().map(|&label| wanted[label]).sum::<f64>() / labels.len() as f64;
            blocks.truncate(blocks.len() - 2);
            blocks.push((middle, labels));
        }
    }
    let mut places = vec![0.0; wanted.len()];
    for (middle, labels) in blocks {
        let half = height * labels.len() as f64 / 2.0;
        let middle = middle.min(high - half).max(low + half);
        for (place, label) in labels.iter().enumerate() {
            places[*label] = middle - half + height * (place as f64 + 0.5);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_room_and_are_never_flat() {
        let (low, high) = range([30.0, 40.0].into_iter(), 1.0).unwrap();
        assert!((low - 29.4).abs() < 1e-9 && (high - 40.6).abs() < 1e-9);
        assert_eq!(range([5.0, 5.0, f64::NAN].into_iter(), 1.0), Some((4.5, 5.5)));
        assert_eq!(range(std::iter::empty(), 1.0), None);
    }

    #[test]
    fn labels_keep_their_order_and_do_not_overlap() {
        for (wanted, expected) in [
            (vec![50.0, 10.0], vec![50.0, 10.0]),
            (vec![50.0, 52.0], vec![46.0, 56.0]),
            (vec![52.0, 50.0, 51.0], vec![61.0, 41.0, 51.0]),
            (vec![1.0, 99.0], vec![5.0, 95.0]),
            (vec![], vec![]),
        ] {
            assert_eq!(spread(&wanted, 10.0, 0.0, 100.0), expected, "{wanted:?}");
        }
    }
}
