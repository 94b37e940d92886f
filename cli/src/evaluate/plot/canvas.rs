//! What all plots are drawn with: text, axes, lines with their names beside them.

use std::{fs, path::Path};

use anyhow::Context;
use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    axis::spread,
    png,
    system::{FAINT, GRID, INK, Style},
};

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Axes = Cartesian2d<RangedCoordf64, RangedCoordf64>;

pub(crate) const TEXT: u32 = 14;
pub(crate) const SMALL: u32 = 12;
/// Right of the axes, for names.
pub(crate) const NAMES: u32 = 230;
/// For numbers at the left of the axes, and around all.
pub(crate) const LEFT: u32 = 60;
pub(crate) const MARGIN: u32 = 16;
const NAME_HEIGHT: f64 = 18.0;

/// A line, broken where there is no value.
pub(crate) struct Line {
    pub(crate) style: Style,
    pub(crate) points: Vec<Option<(f64, f64)>>,
    /// Its name and what is said of it
    pub(crate) label: String,
    pub(crate) marked: bool,
}

/// Writes what `draw` draws as SVG, and beside it as PNG.
pub(crate) fn write(
    path: &Path,
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        draw(&root)?;
        root.present()?;
    }
    fs::write(path, &svg).with_context(|| format!("writing the plot {}", path.display()))?;
    png::write(&svg, &path.with_extension("png"))
}

pub(crate) fn text(area: &Area<'_>, text: &str, at: (i32, i32), style: TextStyle<'_>) -> anyhow::Result<()> {
    Ok(area.draw(&Text::new(text.to_owned(), at, style))?)
}

pub(crate) fn font(size: u32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour).pos(Pos::new(HPos::Left, VPos::Center))
}

pub(crate) fn centred(size: u32, colour: RGBColor) -> TextStyle<'static> {
    font(size, colour).pos(Pos::new(HPos::Center, VPos::Center))
}

pub(crate) fn bold(size: u32) -> TextStyle<'static> {
    ("sans-serif", size, FontStyle::Bold).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center))
}

/// Numbers as people write them: no zeros behind, a real minus.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.replace('-', "\u{2212}") }
}

/// Faint horizontal lines with their numbers.
pub(crate) fn mesh(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Axes>,
    y_desc: &str,
    x_desc: Option<&str>,
) -> anyhow::Result<()> {
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .label_style(font(SMALL, FAINT).pos(Pos::new(HPos::Left, VPos::Top)))
        .axis_desc_style(("sans-serif", TEXT).into_font().color(&INK))
        .y_labels(6)
        .x_labels(if x_desc.is_some() { 13 } else { 0 })
        .y_label_formatter(&|value| number(*value))
        .x_label_formatter(&|value| number(*value))
        .y_desc(y_desc);
    if let Some(x_desc) = x_desc {
        mesh.x_desc(x_desc);
    }
    Ok(mesh.draw()?)
}

/// Lines, the later over the earlier, and their labels at the right.
pub(crate) fn lines(
    root: &Area<'_>,
    chart: &mut ChartContext<'_, SVGBackend<'_>, Axes>,
    lines: &[Line],
) -> anyhow::Result<()> {
    for line in lines {
        for part in line.points.split(Option::is_none) {
            let points = part.iter().copied().flatten();
            chart.draw_series(LineSeries::new(points.clone(), line.style.colour.stroke_width(line.style.width)))?;
            // A single point makes no line.
            let dots = if line.marked || part.len() == 1 { part } else { &[] };
            let dots = dots.iter().copied().flatten();
            chart.draw_series(dots.map(|point| Circle::new(point, 3, line.style.colour.filled())))?;
        }
    }
    let ends: Vec<_> = lines.iter().filter_map(|line| Some((line, *line.points.iter().flatten().last()?))).collect();
    let pixels: Vec<(i32, i32)> = ends.iter().map(|(_, end)| chart.backend_coord(end)).collect();
    let (_, rows) = chart.plotting_area().get_pixel_range();
    let (right, _) = chart.plotting_area().get_pixel_range();
    let wanted: Vec<f64> = pixels.iter().map(|pixel| f64::from(pixel.1)).collect();
    let places = spread(&wanted, NAME_HEIGHT, f64::from(rows.start) - NAME_HEIGHT, f64::from(rows.end) + NAME_HEIGHT);
    for (((line, _), from), place) in ends.iter().zip(&pixels).zip(places) {
        let (x, y) = (right.end + 16, place.round() as i32);
        let leader = [*from, (right.end + 4, from.1), (x - 3, y)];
        root.draw(&PathElement::new(leader.to_vec(), line.style.colour.mix(0.45)))?;
        text(root, &line.label, (x, y), font(TEXT, line.style.colour))?;
    }
    Ok(())
}
