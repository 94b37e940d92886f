//! A report with figures of every kind, for what shows reports.

use settings::{NetworkSettings, StartFrom};

use super::{
    super::recording::{CheckpointChange, Coder, Conditions, Machine, ProcessUse, Training},
    BestBicubic, CheckpointMark, ClipReport, Compared, Delay, Delivery, Mean, Quality, Renditions, RivalRate, Rivals,
    Second, ShareOfSecondsBelow, Systems, Uplink, WorstSecond,
};

/// Of a run with this uplink: the more, the better the pictures, direct's fastest.
pub(crate) fn clip(uplink_kbps: u32) -> ClipReport {
    let rate = f64::from(uplink_kbps).log2();
    let seconds: Vec<Second> = (0..60).map(|t| second(t, rate)).collect();
    let total = f64::from(uplink_kbps);
    let systems = systems(rate, 1.0, 0.0);
    let delivery = |delay_ms| Delivery {
        frames_sent: 1200,
        frames_shown: 1197,
        freezes: 1,
        longest_freeze_ms: 233.0,
        delay_ms: Some(Delay { p50: delay_ms, p99: delay_ms * 2.0 }),
    };
    let rival = RivalRate { set_kbps: uplink_kbps, video_kbps: total * 0.99, total_kbps: total * 1.002 };
    ClipReport {
        clip: "clips/game-720p30.mp4".to_owned(),
        width: 1280,
        height: 720,
        conditions: conditions(uplink_kbps),
        incomplete: Vec::new(),
        uplink_kbps: Uplink { video: total * 0.89, patches: total * 0.1, audio: 0.0, other: total * 0.01, total },
        rivals: Rivals { overhead_bytes_a_packet: 31.5, direct: rival, bicubic_full: rival },
        mean: Mean {
            systems,
            bicubic_best: BestBicubic { a: -0.75, psnr_y_db: systems.bicubic.psnr_y_db + 0.07 },
            gains: systems.gains(),
            as_seen_db: 0.61,
            as_seen: Renditions { source: 29.4, enhanced: 30.01 },
        },
        worst_second: WorstSecond { gain_db: -0.08, gain_encoded_db: -0.06, t: 41 },
        share_of_seconds_below: ShareOfSecondsBelow { bicubic_encoded_by_0_05_db: 0.025 },
        seconds,
        checkpoints: checkpoints(),
        delivery: Renditions { source: delivery(9.0), enhanced: delivery(48.0) },
        training: Training { steps: 3300, checkpoints_offered: 30, checkpoints_accepted: 13, ..Training::default() },
        processes: vec![ProcessUse { name: "trainer".to_owned(), cpu_seconds: 58.2, peak_memory_bytes: 410_000_000 }],
        machine: Machine {
            cpu: "a machine".to_owned(),
            cores: 2,
            memory_bytes: 8_000_000_000,
            kernel: "Linux 6.1".to_owned(),
        },
    }
}

fn second(t: u32, rate: f64) -> Second {
    let learnt = (f64::from(t) / 20.0).min(1.0);
    let scene = (f64::from(t) / 4.0).sin() * 1.5 + if t > 35 { -2.0 } else { 0.0 };
    let systems = systems(rate, learnt, scene);
    let compared = (t != 47).then(|| Compared { systems, gains: systems.gains() });
    Second {
        t,
        frames_sent: 30,
        frames_compared: if compared.is_some() { 30 } else { 0 },
        compared,
        as_seen: Some(Renditions { source: systems.bicubic.psnr_y_db, enhanced: systems.enhanced.psnr_y_db }),
        checkpoint_version: u64::from(t / 3),
        uplink_kbps: 1200.0,
    }
}

fn systems(rate: f64, learnt: f64, scene: f64) -> Systems<Quality> {
    let quality = |psnr: f64| Quality { psnr_y_db: psnr + scene, ssim: (psnr + scene) / 40.0, vmaf: None };
    let bicubic = 20.0 + rate;
    Systems {
        bicubic: quality(bicubic),
        enhanced: quality(bicubic + learnt * 0.9),
        bicubic_encoded: quality(bicubic - 0.03),
        direct: quality(11.0 + 1.9 * rate),
        bicubic_full: quality(bicubic + 0.15),
    }
}

fn checkpoints() -> Vec<CheckpointMark> {
    let accepted = (2..16).map(|version| CheckpointMark {
        t: version as f64 * 3.1,
        version,
        change: CheckpointChange::Accepted { gain_db: 0.5 },
    });
    let withdrawn = CheckpointChange::Withdrawn { reason: "below bicubic".to_owned() };
    let later = [(37.2, withdrawn), (39.0, CheckpointChange::Restored)];
    accepted.chain(later.map(|(t, change)| CheckpointMark { t, version: 12, change })).collect()
}

fn conditions(uplink_kbps: u32) -> Conditions {
    let coder = Coder {
        encoder: "libx264".to_owned(),
        preset: "superfast".to_owned(),
        threads: 1,
        frame_rate: None,
        keyframe_interval: None,
    };
    Conditions {
        clip: "clips/game-720p30.mp4".to_owned(),
        format: None,
        clip_start: 0.0,
        fps: None,
        seconds: 60,
        warmup_seconds: 20,
        scale: 2,
        video_kbps: uplink_kbps * 9 / 10,
        patch_kbps: uplink_kbps / 10,
        audio_kbps: 0,
        publisher_encoder: coder.clone(),
        enhancer_encoder: coder,
        enhancer_kbps: 6000,
        network: NetworkSettings::default(),
        start: StartFrom::General,
        trainer: true,
        drop_every: 0,
        viewer_loss_percent: 0.0,
    }
}
