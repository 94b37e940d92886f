//! `--sweep`: what each system makes of more and more uplink.

mod curves;

use std::{fs, path::Path};

use anyhow::Context;
use plotters::prelude::*;

use super::{
    plot::{
        axis::range,
        canvas::{self, Area, LEFT, Line, MARGIN, NAMES, SMALL, TEXT, bold, centred, font, mesh, text},
        system::{FAINT, INK, STYLES, Style},
    },
    report::ClipReport,
    table,
};
use curves::{CurvePoint, Sweep, sweeps};

/// A run with one uplink.
#[derive(Clone, Debug)]
pub(crate) struct SweepPoint {
    /// As asked for
    pub(crate) uplink_kbps: u32,
    pub(crate) report: ClipReport,
}

const WIDTH: u32 = 1080;
const HEIGHT: u32 = 600;
const HEAD: u32 = 70;
/// Below the axes, for the uplinks.
const FOOT: u32 = 60;

/// Writes the SVG, and beside it the same as PNG and the curves as JSON.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn plot(points: &[SweepPoint], svg: &Path) -> anyhow::Result<()> {
    let sweeps = sweeps(points);
    let json = svg.with_extension("curves.json");
    fs::write(&json, serde_json::to_vec_pretty(&sweeps)?)
        .with_context(|| format!("writing the curves {}", json.display()))?;
    canvas::write(svg, (WIDTH, HEIGHT * u32::try_from(sweeps.len().max(1))?), |root| {
        (0..).step_by(HEIGHT as usize).zip(&sweeps).try_for_each(|(top, sweep)| draw(root, top, sweep))
    })
}

fn draw(root: &Area<'_>, top: u32, sweep: &Sweep) -> anyhow::Result<()> {
    let left = (MARGIN + LEFT) as i32;
    text(root, &table::name(&sweep.clip), (left, top as i32 + 24), bold(18))?;
    text(root, &said(sweep), (left, top as i32 + 48), font(TEXT, FAINT))?;

    let lines = lines(sweep);
    let all = || lines.iter().flat_map(|line| line.points.iter().flatten().copied());
    let (low, high) = range(all().map(|point| point.1), 1.0).unwrap_or((0.0, 1.0));
    // What was asked for has its mark; what was measured may lie beside it.
    let asked = sweep.asked_kbps.iter().map(|kbps| f64::from(*kbps).log2());
    let (narrow, wide) = range(all().map(|point| point.0).chain(asked), 0.5).unwrap_or((0.0, 1.0));
    let panel = root.clone().shrink((0, top + HEAD), (WIDTH, HEIGHT - HEAD - FOOT));
    let mut chart = ChartBuilder::on(&panel)
        .y_label_area_size(LEFT)
        .margin_left(MARGIN)
        .margin_right(NAMES)
        .build_cartesian_2d(narrow..wide, low..high)?;
    mesh(&mut chart, "mean PSNR-Y, dB", None)?;
    for kbps in &sweep.asked_kbps {
        let (x, y) = chart.backend_coord(&(f64::from(*kbps).log2(), low));
        root.draw(&PathElement::new(vec![(x, y), (x, y + 5)], FAINT))?;
        text(root, &kbps.to_string(), (x, y + 16), centred(SMALL, FAINT))?;
    }
    let (x, y) = chart.backend_coord(&(narrow, low));
    root.draw(&PathElement::new(vec![(x, y), chart.backend_coord(&(wide, low))], FAINT))?;
    text(root, "uplink, kbit/s: video, patches, sound and all else", (x, y + 40), font(TEXT, INK))?;
    canvas::lines(root, &mut chart, &lines)?;
    for crossing in &sweep.crossings {
        let (x, y) = chart.backend_coord(&(crossing.uplink_kbps.log2(), crossing.psnr_y_db));
        let (_, floor) = chart.backend_coord(&(narrow, low));
        root.draw(&PathElement::new(vec![(x, y), (x, floor)], INK.mix(0.4)))?;
        root.draw(&Circle::new((x, y), 6, INK.stroke_width(2)))?;
        text(root, &format!("{:.0} kbit/s", crossing.uplink_kbps), (x + 8, floor - 12), font(SMALL, INK))?;
    }
    Ok(())
}

fn said(sweep: &Sweep) -> String {
    let at: Vec<String> = sweep.crossings.iter().map(|at| format!("{:.0} kbit/s", at.uplink_kbps)).collect();
    if at.is_empty() {
        "direct and enhanced do not cross between these uplinks".to_owned()
    } else {
        format!("direct and enhanced cross at {}", at.join(", "))
    }
}

fn lines(sweep: &Sweep) -> Vec<Line> {
    let line = |style: Style, curve: &[CurvePoint]| Line {
        style,
        points: curve.iter().map(|point| Some((point.uplink_kbps.log2(), point.psnr_y_db))).collect(),
        label: style.name.to_owned(),
        marked: true,
    };
    let curves = &sweep.curves;
    vec![
        line(STYLES.bicubic_encoded, &curves.bicubic_encoded),
        line(STYLES.bicubic, &curves.bicubic),
        line(STYLES.bicubic_full, &curves.bicubic_full),
        line(STYLES.direct, &curves.direct),
        line(STYLES.enhanced, &curves.enhanced),
    ]
}

#[cfg(test)]
mod tests {
    use super::{super::report::sample, *};

    #[test]
    fn a_sweep_is_drawn_with_its_crossing_and_written_as_curves() {
        let folder = tempfile::tempdir().unwrap();
        let svg = folder.path().join("out.svg");
        let points =
            [300, 600, 1200, 2400].map(|uplink_kbps| SweepPoint { uplink_kbps, report: sample::clip(uplink_kbps) });
        plot(&points, &svg).unwrap();
        let text = fs::read_to_string(&svg).unwrap();
        for expected in ["game-720p30.mp4", "direct and enhanced cross at 20", "bicubic, whole uplink", "2400"] {
            assert!(text.contains(expected), "{expected}");
        }
        assert!(svg.with_extension("png").is_file());
        let sweeps: Vec<Sweep> = serde_json::from_slice(&fs::read(svg.with_extension("curves.json")).unwrap()).unwrap();
        assert_eq!((sweeps[0].curves.direct.len(), sweeps[0].crossings.len()), (4, 1));
    }
}
