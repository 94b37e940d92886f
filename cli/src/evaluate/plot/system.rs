//! The systems that are drawn: names, colours, and how strongly.

use plotters::style::RGBColor;

use super::super::{report::Systems, table::NAMES};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) name: &'static str,
    pub(crate) colour: RGBColor,
    pub(crate) width: u32,
}

pub(crate) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(crate) const FAINT: RGBColor = RGBColor(0x77, 0x77, 0x77);
pub(crate) const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
pub(crate) const SHADE: RGBColor = RGBColor(0xf3, 0xf3, 0xf3);
pub(crate) const ALARM: RGBColor = RGBColor(0xc4, 0x1e, 0x3a);

/// Told apart also by those who see colours differently (Okabe and Ito).
pub(crate) const STYLES: Systems<Style> = Systems {
    bicubic: Style { name: NAMES.bicubic, colour: RGBColor(0x55, 0x55, 0x55), width: 2 },
    enhanced: Style { name: NAMES.enhanced, colour: RGBColor(0xd5, 0x5e, 0x00), width: 3 },
    bicubic_encoded: Style { name: NAMES.bicubic_encoded, colour: RGBColor(0xa8, 0xa8, 0xa8), width: 1 },
    direct: Style { name: NAMES.direct, colour: RGBColor(0x00, 0x72, 0xb2), width: 2 },
    bicubic_full: Style { name: NAMES.bicubic_full, colour: RGBColor(0x00, 0x9e, 0x73), width: 2 },
};
