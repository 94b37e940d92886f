//! An SVG as PNG, with a font of our own: none need be installed.

use std::path::Path;

use anyhow::Context;
use resvg::{tiny_skia, usvg};

const FONTS: [&[u8]; 2] =
    [include_bytes!("font/Roboto-Regular.ttf").as_slice(), include_bytes!("font/Roboto-Bold.ttf").as_slice()];
/// Pixels of the PNG for each of the SVG: sharp on fine screens too.
const SCALE: f32 = 2.0;

pub(crate) fn write(svg: &str, path: &Path) -> anyhow::Result<()> {
    let doing = || format!("drawing {}", path.display());
    let mut options = usvg::Options::default();
    let fonts = options.fontdb_mut();
    FONTS.into_iter().for_each(|font| fonts.load_font_data(font.to_vec()));
    fonts.set_sans_serif_family("Roboto");
    let tree = usvg::Tree::from_str(svg, &options).with_context(doing)?;
    let size = tree.size();
    let (width, height) = ((size.width() * SCALE).ceil() as u32, (size.height() * SCALE).ceil() as u32);
    let mut pixels = tiny_skia::Pixmap::new(width, height).with_context(doing)?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.save_png(path).with_context(doing)
}
