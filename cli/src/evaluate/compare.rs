//! `--compare`: two reports side by side.

use std::{fmt::Write, path::Path};

use super::{
    report::{ClipReport, Quality, Report},
    table::{NAMES, name},
};

/// The clips of both, those of one name beside each other, in the order they come.
///
/// # Errors
/// When one of the files is no report.
pub(crate) fn compare(a: &Path, b: &Path) -> anyhow::Result<String> {
    let (reports, names) =
        ([Report::read_json(a)?, Report::read_json(b)?], [a, b].map(|path| path.display().to_string()));
    let mut text = String::new();
    for (name, report) in names.iter().zip(&reports) {
        let _ = writeln!(text, "{name}: acuity {}, {}", report.version, report.command);
    }
    let [a, b] = reports.map(|report| report.clips);
    let mut rest: Vec<ClipReport> = b;
    for clip in a {
        let Some(place) = rest.iter().position(|other| name(&other.clip) == name(&clip.clip)) else {
            let _ = writeln!(text, "\n{}: only in {}", name(&clip.clip), names[0]);
            continue;
        };
        text.push_str(&side_by_side(&clip, &rest.remove(place)));
    }
    for clip in rest {
        let _ = writeln!(text, "\n{}: only in {}", name(&clip.clip), names[1]);
    }
    Ok(text)
}

fn side_by_side(a: &ClipReport, b: &ClipReport) -> String {
    let mut text = format!("\n{:<38}{:>12}{:>12}{:>12}\n", name(&a.clip), "first", "second", "change");
    let mut row = |what: &str, a: f64, b: f64, digits: usize| {
        let change = format!("{:+.digits$}", b - a).replace('-', "\u{2212}");
        let _ = writeln!(text, "  {what:<36}{a:>12.digits$}{b:>12.digits$}{change:>12}");
    };
    let systems = NAMES.zip(a.mean.systems).zip(b.mean.systems);
    let systems = [systems.enhanced, systems.bicubic, systems.bicubic_encoded, systems.bicubic_full, systems.direct];
    for ((name, a), b) in systems {
        row(&format!("{name}, PSNR-Y dB"), a.psnr_y_db, b.psnr_y_db, 2);
    }
    for ((name, a), b) in systems {
        row(&format!("{name}, SSIM"), a.ssim, b.ssim, 4);
        if let (Quality { vmaf: Some(a), .. }, Quality { vmaf: Some(b), .. }) = (a, b) {
            row(&format!("{name}, VMAF"), a, b, 2);
        }
    }
    let both = |of: fn(&ClipReport) -> f64| (of(a), of(b));
    let rows: [(&str, (f64, f64), usize); 12] = [
        ("gain over bicubic, dB", both(|clip| clip.mean.gains.gain_db), 2),
        ("gain over it coded again, dB", both(|clip| clip.mean.gains.gain_encoded_db), 2),
        ("gain over bicubic, whole uplink, dB", both(|clip| clip.mean.gains.gain_full_db), 2),
        ("gain over direct, dB", both(|clip| clip.mean.gains.gain_direct_db), 2),
        ("gain as seen, dB", both(|clip| clip.mean.as_seen_db), 2),
        ("worst second, coded again, dB", both(|clip| clip.worst_second.gain_encoded_db), 2),
        ("share of seconds below", both(|clip| clip.share_of_seconds_below.bicubic_encoded_by_0_05_db), 3),
        ("uplink, kbit/s", both(|clip| clip.uplink_kbps.total), 1),
        ("patches, kbit/s", both(|clip| clip.uplink_kbps.patches), 1),
        ("enhanced frames shown", both(|clip| clip.delivery.enhanced.frames_shown.into()), 0),
        ("enhanced longest freeze, ms", both(|clip| clip.delivery.enhanced.longest_freeze_ms), 0),
        ("training steps", both(|clip| clip.training.steps as f64), 0),
    ];
    for (what, (a, b), digits) in rows {
        row(what, a, b, digits);
    }
    if let Some(differ) = differing_conditions(a, b) {
        let _ = writeln!(text, "  they were not run alike: {differ}");
    }
    text
}

/// Names and values of what was asked for and differs.
fn differing_conditions(a: &ClipReport, b: &ClipReport) -> Option<String> {
    let values = [a, b].map(|clip| serde_json::to_value(&clip.conditions).ok());
    let [Some(serde_json::Value::Object(a)), Some(serde_json::Value::Object(b))] = values else { return None };
    let differ = a.iter().filter_map(|(name, a)| {
        let b = b.get(name).unwrap_or(&serde_json::Value::Null);
        (name != "clip" && a != b).then(|| format!("{name} {a} and {b}"))
    });
    Some(differ.collect::<Vec<_>>().join(", ")).filter(|differ| !differ.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{super::report::sample, *};

    #[test]
    fn clips_of_one_name_stand_side_by_side_with_what_changed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, clips: Vec<ClipReport>| {
            let path = folder.path().join(file);
            let command = format!("acuity evaluate --json {file}");
            Report { version: "0.1.0".to_owned(), command, clips, unmeasured: Vec::new() }.write_json(&path).unwrap();
            path
        };
        let mut elsewhere = sample::clip(600);
        elsewhere.clip = "elsewhere/game-720p30.mp4".to_owned();
        let mut lonely = sample::clip(600);
        lonely.clip = "bbb-480p24.mp4".to_owned();
        let (a, b) = (write("a.json", vec![sample::clip(1200)]), write("b.json", vec![lonely, elsewhere]));
        let told = compare(&a, &b).unwrap();
        insta::assert_snapshot!(told.replace(&folder.path().display().to_string(), "FOLDER"));
        assert!(compare(&a, Path::new("/nowhere.json")).is_err());
    }
}
