//! dB over time: what each system made of each second of a run.

pub(crate) mod axis;
pub(crate) mod canvas;
mod png;
pub(crate) mod system;

use std::path::Path;

use plotters::prelude::*;

use super::{
    recording::CheckpointChange,
    report::{CheckpointMark, ClipReport, Compared, Quality, Systems},
    table::{self, signed},
};
use axis::range;
use canvas::{Area, LEFT, Line, MARGIN, NAMES, SMALL, TEXT, bold, font, mesh, text};
use system::{ALARM, FAINT, INK, SHADE, STYLES, Style};

const WIDTH: u32 = 1180;
const HEAD: u32 = 74;
const QUALITY: u32 = 330;
const MARKS: u32 = 40;
const GAIN: u32 = 210;
const CLIP_HEIGHT: u32 = HEAD + QUALITY + MARKS + GAIN + 20;
/// What equal pictures have is not drawn: it would flatten all others.
const MOST_DB: f64 = 99.0;

/// Writes the SVG, and beside it the same as PNG.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn plot(clips: &[ClipReport], svg: &Path) -> anyhow::Result<()> {
    let height = CLIP_HEIGHT * u32::try_from(clips.len().max(1))?;
    canvas::write(svg, (WIDTH, height), |root| {
        (0..).step_by(CLIP_HEIGHT as usize).zip(clips).try_for_each(|(top, clip)| draw_clip(root, top, clip))
    })
}

fn draw_clip(root: &Area<'_>, top: u32, clip: &ClipReport) -> anyhow::Result<()> {
    let panel = |from: u32, height: u32| root.clone().shrink((0, top + from), (WIDTH, height));
    draw_head(root, top, clip)?;
    draw_quality(root, &panel(HEAD, QUALITY), clip)?;
    draw_marks(root, top + HEAD + QUALITY, clip)?;
    draw_gain(root, &panel(HEAD + QUALITY + MARKS, GAIN), clip)
}

fn draw_head(root: &Area<'_>, top: u32, clip: &ClipReport) -> anyhow::Result<()> {
    let scale = usize::from(clip.conditions.scale.max(1));
    let what = format!(
        "{}×{}, published {}×{} · {} · means after {} s",
        clip.width,
        clip.height,
        clip.width / scale,
        clip.height / scale,
        table::uplink(&clip.uplink_kbps),
        clip.conditions.warmup_seconds,
    );
    let left = (MARGIN + LEFT) as i32;
    text(root, &table::name(&clip.clip), (left, top as i32 + 24), bold(18))?;
    text(root, &what, (left, top as i32 + 50), font(TEXT, FAINT))
}

fn draw_quality(root: &Area<'_>, panel: &Area<'_>, clip: &ClipReport) -> anyhow::Result<()> {
    let psnr = |pick: fn(&Systems<Quality>) -> Quality| {
        points(clip, move |compared| Some(pick(&compared.systems).psnr_y_db).filter(|psnr| *psnr < MOST_DB))
    };
    let mean = &clip.mean.systems;
    let line = |style: Style, pick: fn(&Systems<Quality>) -> Quality| Line {
        style,
        points: psnr(pick),
        label: format!("{} {:.2} dB", style.name, pick(mean).psnr_y_db),
        marked: false,
    };
    let lines = [
        line(STYLES.bicubic_encoded, |systems| systems.bicubic_encoded),
        line(STYLES.bicubic, |systems| systems.bicubic),
        line(STYLES.bicubic_full, |systems| systems.bicubic_full),
        line(STYLES.direct, |systems| systems.direct),
        line(STYLES.enhanced, |systems| systems.enhanced),
    ];
    draw_lines(root, panel, clip, "PSNR-Y, dB", None, &lines, false)
}

fn draw_gain(root: &Area<'_>, panel: &Area<'_>, clip: &ClipReport) -> anyhow::Result<()> {
    let gains = &clip.mean.gains;
    let lines = [
        Line {
            style: Style { width: 1, ..STYLES.bicubic },
            points: points(clip, |compared| Some(compared.gains.gain_db)),
            label: format!("over bicubic {} dB", signed(gains.gain_db)),
            marked: false,
        },
        Line {
            style: STYLES.enhanced,
            points: points(clip, |compared| Some(compared.gains.gain_encoded_db)),
            label: format!("over it coded again {} dB", signed(gains.gain_encoded_db)),
            marked: false,
        },
    ];
    draw_lines(root, panel, clip, "gain of enhanced, dB", Some("seconds of the run"), &lines, true)
}

/// Seconds stand at their middle.
fn points(clip: &ClipReport, value: impl Fn(&Compared) -> Option<f64>) -> Vec<Option<(f64, f64)>> {
    let seconds = clip.seconds.iter();
    seconds.map(|second| Some((f64::from(second.t) + 0.5, value(second.compared.as_ref()?)?))).collect()
}

fn draw_lines(
    root: &Area<'_>,
    panel: &Area<'_>,
    clip: &ClipReport,
    y_desc: &str,
    x_desc: Option<&str>,
    lines: &[Line],
    with_zero: bool,
) -> anyhow::Result<()> {
    let values = lines.iter().flat_map(|line| line.points.iter().flatten()).map(|point| point.1);
    let (low, high) = range(values.chain(with_zero.then_some(0.0)), 0.5).unwrap_or((0.0, 1.0));
    let seconds = f64::from(clip.conditions.seconds.max(1));
    let mut chart = ChartBuilder::on(panel)
        .y_label_area_size(LEFT)
        .x_label_area_size(if x_desc.is_some() { 44 } else { 0 })
        .margin_left(MARGIN)
        .margin_right(NAMES)
        .build_cartesian_2d(0.0..seconds, low..high)?;
    let warmup = f64::from(clip.conditions.warmup_seconds).min(seconds);
    chart.draw_series([Rectangle::new([(0.0, low), (warmup, high)], SHADE.filled())])?;
    mesh(&mut chart, y_desc, x_desc)?;
    if with_zero {
        chart.draw_series(LineSeries::new([(0.0, 0.0), (seconds, 0.0)], INK.stroke_width(1)))?;
    }
    if warmup > 0.0 && !with_zero {
        let (x, y) = chart.backend_coord(&(0.0, high));
        text(root, "warm-up, in no mean", (x + 8, y + 12), font(SMALL, FAINT))?;
    }
    canvas::lines(root, &mut chart, lines)
}

/// Between the panels: when checkpoints came and went.
fn draw_marks(root: &Area<'_>, top: u32, clip: &ClipReport) -> anyhow::Result<()> {
    let (left, right) = (f64::from(MARGIN + LEFT), f64::from(WIDTH - NAMES));
    let (middle, seconds) = (top as i32 + MARKS as i32 / 2, f64::from(clip.conditions.seconds.max(1)));
    let inside = |mark: &&CheckpointMark| (0.0..=seconds).contains(&mark.t);
    let (mut accepted, mut withdrawn, mut restored) = (0, 0, 0);
    for mark in clip.checkpoints.iter().filter(inside) {
        let x = (left + (right - left) * mark.t / seconds).round() as i32;
        match mark.change {
            CheckpointChange::Accepted { .. } => {
                accepted += 1;
                let stroke = INK.stroke_width(1);
                root.draw(&PathElement::new(vec![(x, middle - 6), (x, middle + 6)], stroke))?;
            }
            CheckpointChange::Withdrawn { .. } => {
                withdrawn += 1;
                root.draw(&Cross::new((x, middle), 5, ALARM.stroke_width(2)))?;
            }
            CheckpointChange::Restored => {
                restored += 1;
                root.draw(&Circle::new((x, middle), 4, STYLES.bicubic_full.colour.stroke_width(2)))?;
            }
        }
    }
    let kinds = [("|", accepted, "accepted"), ("×", withdrawn, "withdrawn"), ("o", restored, "restored")];
    let said = kinds.iter().filter(|kind| kind.1 > 0).map(|(mark, count, what)| format!("{mark} {count} {what}"));
    let said = Some(said.collect::<Vec<_>>().join("   ")).filter(|said| !said.is_empty());
    let said = said.unwrap_or_else(|| "no checkpoint".to_owned());
    text(root, &said, (right as i32 + 16, middle), font(SMALL, FAINT))
}

#[cfg(test)]
mod tests {
    use super::{super::report::sample, *};

    #[test]
    fn a_plot_is_an_svg_and_a_png_of_twice_its_size_that_names_all_systems() {
        let folder = tempfile::tempdir().unwrap();
        let svg = folder.path().join("out.svg");
        plot(&[sample::clip(1200), sample::clip(600)], &svg).unwrap();
        let text = std::fs::read_to_string(&svg).unwrap();
        for expected in ["game-720p30.mp4", "enhanced 31.", "direct 3", "bicubic, whole uplink", "withdrawn", "warm-up"]
        {
            assert!(text.contains(expected), "{expected}");
        }
        let png = std::fs::read(svg.with_extension("png")).unwrap();
        assert_eq!(png[..4], *b"\x89PNG");
        let side = |at: usize| u32::from_be_bytes([png[at], png[at + 1], png[at + 2], png[at + 3]]);
        assert_eq!((side(16), side(20)), (2 * WIDTH, 4 * CLIP_HEIGHT));
    }
}
