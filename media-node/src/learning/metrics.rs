//! The learning half at `/metrics`: read off its status, so that both say the same.

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use proto::status::LearningStatus;
use telemetry::prometheus_client;
use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct StatusCollector(pub(crate) watch::Receiver<LearningStatus>);

impl Collector for StatusCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = self.0.borrow().clone();
        for (name, help, value) in [
            ("patches_received", "Patches the publisher sent", status.patches_received),
            ("patches_accepted", "Patches that became pairs", status.patches_accepted),
            ("checkpoints_offered", "Checkpoints trainers offered", status.checkpoints_offered),
            ("checkpoints_accepted", "Checkpoints that went live", status.checkpoints_accepted),
            ("checkpoints_withdrawn", "Times the live checkpoint was taken back", status.checkpoints_withdrawn),
            ("scene_changes", "Scene changes seen", status.scene_changes),
            ("pairer_deaths", "Times the pairer died", status.pairer_deaths),
        ] {
            counter(&mut encoder, name, help, value)?;
        }
        counters(&mut encoder, "patches_dropped", "Patches that became no pair", &status.patches_dropped_by_reason)?;
        let rejected = &status.checkpoints_rejected_by_reason;
        counters(&mut encoder, "checkpoints_rejected", "Checkpoints that were refused", rejected)?;
        for (name, help, value) in [
            ("live_version", "Version of the live checkpoint", Some(status.live_version as f64)),
            ("withdrawn", "1: the live checkpoint is taken back", Some(f64::from(u8::from(status.withdrawn)))),
            (
                "patches_waiting",
                "Patches under 60 s old that no trainer has taken",
                Some(status.patches_waiting as f64),
            ),
            ("gain_decibels", "Gain over bicubic on RANDOM patches of the last 60 s", status.gain_db),
            ("bicubic_psnr_decibels", "PSNR of bicubic on the same patches", status.bicubic_psnr_db),
            ("enhanced_psnr_decibels", "PSNR of what viewers see on the same patches", status.enhanced_psnr_db),
        ] {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    by_reason: &BTreeMap<String, u64>,
) -> fmt::Result {
    let metric_type = ConstCounter::new(0_u64).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, metric_type)?;
    for (reason, value) in by_reason {
        ConstCounter::new(*value).encode(family.encode_family(&[("reason", reason.as_str())])?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_say_what_the_status_says() {
        let (sender, status) = watch::channel(LearningStatus::default());
        let metrics = telemetry::metrics("media-node");
        metrics.lock().unwrap().register_collector(Box::new(StatusCollector(status)));
        assert!(!telemetry::render_metrics(&metrics).contains("gain"), "nothing is known yet");
        sender.send_modify(|status| {
            status.gain_db = Some(1.5);
            status.patches_accepted = 12;
            status.patches_dropped_by_reason.insert("too_many".to_owned(), 3);
        });
        let text = telemetry::render_metrics(&metrics);
        for line in [
            "media_node_gain_decibels 1.5",
            "media_node_patches_accepted_total 12",
            r#"media_node_patches_dropped_total{reason="too_many"} 3"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
