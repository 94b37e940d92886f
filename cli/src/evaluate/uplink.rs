//! What went up in each second, from the publisher's uplink log. Pure.

use anyhow::{Context, bail};

use super::recording::UplinkBytes;

/// Bytes sent so far, at a time.
type Sample = (u64, [f64; 4]);

/// Bytes of each of `seconds` seconds since `began_unix_us`, by lines through the log's samples; the first second also
/// has what was sent before it.
///
/// # Errors
/// When a line of the log is none.
pub(crate) fn parse_uplink(csv: &str, began_unix_us: u64, seconds: u32) -> anyhow::Result<Vec<UplinkBytes>> {
    let whole = csv.rfind('\n').map_or("", |end| &csv[..end]);
    let samples = whole.lines().skip(1).map(parse_line).collect::<anyhow::Result<Vec<Sample>>>()?;
    let mut before = [0.0; 4];
    let seconds = (1..=u64::from(seconds)).map(|second| {
        let after = sent_at(&samples, began_unix_us + second * 1_000_000);
        let [video, patches, audio, other] = std::array::from_fn(|kind| (after[kind] - before[kind]).max(0.0) as u64);
        // What was rounded off is not lost.
        for (before, sent) in before.iter_mut().zip([video, patches, audio, other]) {
            *before += sent as f64;
        }
        UplinkBytes { video, patches, audio, other }
    });
    Ok(seconds.collect())
}

fn parse_line(line: &str) -> anyhow::Result<Sample> {
    let numbers: Result<Vec<u64>, _> = line.split(',').map(str::parse).collect();
    let numbers = numbers.with_context(|| format!("`{line}` is no line of an uplink log"))?;
    let [unix_us, video, patches, audio, other] = numbers[..] else { bail!("`{line}` is no line of an uplink log") };
    Ok((unix_us, [video, patches, audio, other].map(|bytes| bytes as f64)))
}

fn sent_at(samples: &[Sample], unix_us: u64) -> [f64; 4] {
    let next = samples.partition_point(|(at, _)| *at <= unix_us);
    let Some((before_at, before)) = next.checked_sub(1).and_then(|last| samples.get(last)) else { return [0.0; 4] };
    let Some((after_at, after)) = samples.get(next) else { return *before };
    let share = (unix_us - before_at) as f64 / (after_at - before_at) as f64;
    std::array::from_fn(|kind| before[kind] + share * (after[kind] - before[kind]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "unix_us,video,patches,audio,other\n";

    #[test]
    fn seconds_are_cut_between_samples_and_what_came_before_is_the_firsts() {
        let log = format!(
            "{HEADER}900000,0,0,0,400\n1500000,500,0,0,400\n2500000,1500,300,0,400\n3500000,2500,300,70,400\n3600000,26"
        );
        let seconds = parse_uplink(&log, 1_000_000, 3).unwrap();
        let bytes = |video, patches, audio, other| UplinkBytes { video, patches, audio, other };
        assert_eq!(seconds, [bytes(1000, 150, 0, 400), bytes(1000, 150, 35, 0), bytes(500, 0, 35, 0)]);
    }

    #[test]
    fn nothing_is_lost_by_rounding() {
        let log = format!("{HEADER}0,0,0,0,0\n3000000,1000,0,0,0\n");
        let video: Vec<u64> = parse_uplink(&log, 0, 3).unwrap().iter().map(|second| second.video).collect();
        assert_eq!(video, [333, 333, 334]);
    }

    #[test]
    fn a_log_without_samples_is_of_nothing() {
        assert_eq!(parse_uplink(HEADER, 5, 2).unwrap(), [UplinkBytes::default(); 2]);
        assert!(parse_uplink(&format!("{HEADER}1,2,3\n"), 5, 2).is_err());
    }
}
