//! Every mean again, by FFmpeg from the files that were kept.
//!
//! FFmpeg's `ssim` is another SSIM than ours (windows of 8×8 in steps of 4, all weighted alike, instead of Gaussian ones
//! around each pixel); the two differ by some hundredths. So it is held against that kind of SSIM, computed here
//! of the same pictures; and ours is computed of them again by the plain reference, which golden vectors hold.

use std::{fs, path::Path, process::Command};

use media::{Picture, Source, SourceItem, SourceOptions};
use sr_net::{Plane, psnr_of_mse_db, ssim};

use super::{
    super::{
        super::{recording::VIDEO_CLOCK_RATE, report::Quality},
        keep::LosslessFile,
    },
    measure,
    stage::{Play, Stage},
};

#[test]
fn ffmpeg_finds_every_mean_in_the_kept_files() {
    let stage = Play { drop_every: Some(10), seconds: 2, ..Play::default() }.run();
    let report = measure(&stage.recording, stage.folder.path(), true).unwrap();
    let systems = report.mean.systems;
    check(&stage, "enhanced", systems.enhanced);
    check(&stage, "bicubic_encoded", systems.bicubic_encoded);
    check(&stage, "direct", systems.direct);
    check(&stage, "source", systems.bicubic);
    check(&stage, "bicubic_full", systems.bicubic_full);
}

#[track_caller]
fn check(stage: &Stage, name: &str, reported: Quality) {
    let path = |name: &str| stage.folder.path().join(name).with_extension("mkv");
    let sent: Vec<_> = stage.truth.iter().enumerate().filter(|(_, frame)| frame.sent).collect();
    let reference = pictures(&path("reference"));
    let (mut pictures, mut file) = (pictures(&path(name)), path(name));
    assert_eq!((reference.len(), pictures.len()), (sent.len(), sent.len()), "{name}");
    for (kept, (_, frame)) in reference.iter().zip(&sent) {
        assert_eq!(kept, &frame.hr, "{name}: what is kept is the clip");
    }
    if pictures[0].width() < reference[0].width() {
        // FFmpeg's scaler rounds on its way; ours is the one that golden vectors hold.
        let scale = usize::from(stage.recording.conditions.scale);
        pictures.iter_mut().for_each(|plane| *plane = sr_net::bicubic(plane, scale));
        file = path(&format!("{name}-enlarged"));
        let ticks = sent.iter().map(|(place, _)| *place as u64 * VIDEO_CLOCK_RATE / Play::default().frames_a_second);
        keep(&file, pictures.iter().zip(ticks));
    }

    let seconds: Vec<usize> = sent.iter().map(|(_, frame)| frame.second).collect();
    let pairs = || pictures.iter().zip(&reference);
    let ours: Vec<f64> = pairs().map(|(picture, hr)| ssim(picture, hr)).collect();
    assert!((mean(&seconds, &ours) - reported.ssim).abs() < 1e-3, "{name}: {reported:?}");
    let errors = by_ffmpeg(&file, &path("reference"), "psnr", "mse_y:");
    let psnr_y_db = mean_psnr(&seconds, &errors);
    assert!((psnr_y_db - reported.psnr_y_db).abs() < 0.01, "{name}: {reported:?}, by FFmpeg {psnr_y_db}");
    let theirs = by_ffmpeg(&file, &path("reference"), "ssim", "Y:");
    let blocks: Vec<f64> = pairs().map(|(picture, hr)| block_ssim(picture, hr)).collect();
    let (theirs, blocks) = (mean(&seconds, &theirs), mean(&seconds, &blocks));
    assert!((theirs - blocks).abs() < 1e-3, "{name}: {theirs} instead of {blocks}");
}

fn keep<'a>(path: &Path, pictures: impl Iterator<Item = (&'a Plane, u64)>) {
    let mut pictures = pictures.peekable();
    let (width, height) = pictures.peek().map(|(plane, _)| (plane.width(), plane.height())).unwrap();
    let mut file = LosslessFile::create(path, (width, height)).unwrap();
    let grey = Plane::filled(width / 2, height / 2, 128);
    for (plane, ticks) in pictures {
        file.write(&Picture { y: plane.clone(), u: grey.clone(), v: grey.clone() }, ticks).unwrap();
    }
    file.finish().unwrap();
}

fn pictures(path: &Path) -> Vec<Plane> {
    let mut source = Source::open(path.to_str().unwrap(), SourceOptions::default()).unwrap();
    let items = std::iter::from_fn(|| source.next_item().unwrap());
    items.filter_map(|item| if let SourceItem::Video { picture, .. } = item { Some(picture.y) } else { None }).collect()
}

/// One number of each frame.
fn by_ffmpeg(pictures: &Path, reference: &Path, filter: &str, name: &str) -> Vec<f64> {
    let log = pictures.with_extension(filter);
    let graph = format!("[0:v][1:v]{filter}=stats_file={}", log.display());
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(pictures).arg("-i").arg(reference);
    let status = ffmpeg.args(["-lavfi", &graph, "-f", "null", "-"]).status().unwrap();
    assert!(status.success(), "{graph}");
    let log = fs::read_to_string(log).unwrap();
    let number = |line: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)?.parse().ok()).unwrap();
    log.lines().map(number).collect()
}

/// The mean of the means of seconds.
fn mean(seconds: &[usize], values: &[f64]) -> f64 {
    mean_of(seconds, values, |mean| mean)
}

fn mean_psnr(seconds: &[usize], errors: &[f64]) -> f64 {
    mean_of(seconds, errors, psnr_of_mse_db)
}

fn mean_of(seconds: &[usize], values: &[f64], of_second: fn(f64) -> f64) -> f64 {
    assert_eq!(seconds.len(), values.len());
    let last = *seconds.last().unwrap();
    let second = |second| {
        let values: Vec<f64> =
            seconds.iter().zip(values).filter(|(of, _)| **of == second).map(|(_, value)| *value).collect();
        of_second(values.iter().sum::<f64>() / values.len() as f64)
    };
    (0..=last).map(second).sum::<f64>() / (last + 1) as f64
}

/// As `libavfilter/vf_ssim.c` and x264 have it.
fn block_ssim(a: &Plane, b: &Plane) -> f64 {
    const C1: f64 = 0.01 * 0.01 * 255.0 * 255.0 * 64.0;
    const C2: f64 = 0.03 * 0.03 * 255.0 * 255.0 * 64.0 * 63.0;
    let block = |x: usize, y: usize| {
        let (mut sum_a, mut sum_b, mut squares, mut products) = (0.0, 0.0, 0.0, 0.0);
        for row in y..y + 8 {
            for (a, b) in a.row(row)[x..x + 8].iter().zip(&b.row(row)[x..x + 8]) {
                let (a, b) = (f64::from(*a), f64::from(*b));
                (sum_a, sum_b, squares, products) = (sum_a + a, sum_b + b, squares + a * a + b * b, products + a * b);
            }
        }
        let (variances, covariance) = (squares * 64.0 - sum_a * sum_a - sum_b * sum_b, products * 64.0 - sum_a * sum_b);
        (2.0 * sum_a * sum_b + C1) * (2.0 * covariance + C2) / ((sum_a * sum_a + sum_b * sum_b + C1) * (variances + C2))
    };
    let (columns, rows) = (a.width() / 4 - 1, a.height() / 4 - 1);
    let blocks = (0..rows).flat_map(|row| (0..columns).map(move |column| (column * 4, row * 4)));
    blocks.map(|(x, y)| block(x, y)).sum::<f64>() / (columns * rows) as f64
}
