//! Curves over the uplink, and where two of them cross.

use serde::{Deserialize, Serialize};

use super::{
    super::report::{Quality, Systems},
    SweepPoint,
};

/// Of one clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sweep {
    pub(crate) clip: String,
    pub(crate) asked_kbps: Vec<u32>,
    pub(crate) curves: Systems<Vec<CurvePoint>>,
    /// Where `direct` overtakes `enhanced` or falls behind it
    pub(crate) crossings: Vec<CurvePoint>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CurvePoint {
    /// Measured
    pub(crate) uplink_kbps: f64,
    pub(crate) psnr_y_db: f64,
    pub(crate) ssim: f64,
}

/// The clips in the order they come in; the points of each by their uplink.
pub(crate) fn sweeps(points: &[SweepPoint]) -> Vec<Sweep> {
    let mut clips: Vec<&str> = Vec::new();
    for point in points {
        if !clips.contains(&point.report.clip.as_str()) {
            clips.push(&point.report.clip);
        }
    }
    clips.into_iter().map(|clip| sweep(clip, points)).collect()
}

fn sweep(clip: &str, points: &[SweepPoint]) -> Sweep {
    let mut points: Vec<&SweepPoint> = points.iter().filter(|point| point.report.clip == clip).collect();
    points.sort_by_key(|point| point.uplink_kbps);
    let mut curves = Systems::<Vec<CurvePoint>>::default();
    for point in &points {
        let place = |uplink_kbps: f64, quality: Quality| CurvePoint {
            uplink_kbps,
            psnr_y_db: quality.psnr_y_db,
            ssim: quality.ssim,
        };
        let (systems, rivals, total) =
            (&point.report.mean.systems, &point.report.rivals, point.report.uplink_kbps.total);
        curves.bicubic.push(place(total, systems.bicubic));
        curves.enhanced.push(place(total, systems.enhanced));
        curves.bicubic_encoded.push(place(total, systems.bicubic_encoded));
        curves.direct.push(place(rivals.direct.total_kbps, systems.direct));
        curves.bicubic_full.push(place(rivals.bicubic_full.total_kbps, systems.bicubic_full));
    }
    Sweep {
        clip: clip.to_owned(),
        asked_kbps: points.iter().map(|point| point.uplink_kbps).collect(),
        crossings: crossings(&curves.enhanced, &curves.direct),
        curves,
    }
}

/// Between measured points by straight lines over the logarithm of the uplink.
fn crossings(a: &[CurvePoint], b: &[CurvePoint]) -> Vec<CurvePoint> {
    let between = a.windows(2).zip(b.windows(2));
    let crossing = |(a, b): (&[CurvePoint], &[CurvePoint])| {
        let (before, after) = (a[0].psnr_y_db - b[0].psnr_y_db, a[1].psnr_y_db - b[1].psnr_y_db);
        let share = before / (before - after);
        let mix = |from: f64, to: f64| from + share * (to - from);
        let crosses = before != after && (0.0..1.0).contains(&share);
        crosses.then(|| CurvePoint {
            uplink_kbps: mix(a[0].uplink_kbps.log2(), a[1].uplink_kbps.log2()).exp2(),
            psnr_y_db: mix(a[0].psnr_y_db, a[1].psnr_y_db),
            ssim: mix(a[0].ssim, a[1].ssim),
        })
    };
    between.filter_map(crossing).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::super::report::sample, *};

    fn curve(points: &[(f64, f64)]) -> Vec<CurvePoint> {
        points.iter().map(|&(uplink_kbps, psnr_y_db)| CurvePoint { uplink_kbps, psnr_y_db, ssim: 0.5 }).collect()
    }

    #[test]
    fn curves_cross_where_they_are_equal_over_the_logarithm() {
        let (a, b) =
            (curve(&[(100.0, 30.0), (400.0, 32.0), (800.0, 33.0)]), [(100.0, 28.0), (400.0, 34.0), (800.0, 36.0)]);
        let found = crossings(&a, &curve(&b));
        assert_eq!(found.len(), 1);
        assert!((found[0].uplink_kbps - 200.0).abs() < 1e-9 && (found[0].psnr_y_db - 31.0).abs() < 1e-9, "{found:?}");
        assert_eq!(crossings(&a, &curve(&[(100.0, 20.0), (400.0, 21.0), (800.0, 22.0)])), []);
        assert_eq!(crossings(&a, &a), []);
        assert_eq!(crossings(&a[..1], &a[..1]), []);
    }

    #[test]
    fn clips_keep_their_order_and_points_are_sorted() {
        let point = |clip: &str, uplink_kbps| {
            let mut report = sample::clip(uplink_kbps);
            report.clip = clip.to_owned();
            SweepPoint { uplink_kbps, report }
        };
        let sweeps = sweeps(&[point("b", 800), point("b", 200), point("a", 400)]);
        let found: Vec<_> = sweeps.iter().map(|sweep| (sweep.clip.as_str(), sweep.asked_kbps.clone())).collect();
        assert_eq!(found, [("b", vec![200, 800]), ("a", vec![400])]);
        assert_eq!(sweeps[0].curves.enhanced.iter().map(|point| point.uplink_kbps).collect::<Vec<_>>(), [200.0, 800.0]);
        assert_eq!(sweeps[0].curves.direct[0].uplink_kbps, 200.0 * 1.002, "rivals stand where they are");
    }
}
