//! What an independent implementation in float64 says (`golden/make_golden.py` writes `golden/vectors.json`).
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use serde_json::Value;
use sr_net::{Convolution, Network, Plane, Weights, bicubic, enhance, forward, psnr_db, ssim};

fn vectors(kind: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("golden/vectors.json")).unwrap();
    vectors[kind].as_array().unwrap().clone()
}

fn plane(value: &Value) -> Plane {
    let side = |name: &str| value[name].as_u64().unwrap() as usize;
    let samples = value["samples"].as_array().unwrap().iter().map(|sample| sample.as_u64().unwrap() as u8).collect();
    Plane::new(side("width"), side("height"), samples).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

#[test]
fn bicubic_is_the_golden_one_to_the_bit() {
    for vector in vectors("bicubic") {
        let scale = vector["scale"].as_u64().unwrap() as usize;
        assert_eq!(bicubic(&plane(&vector["src"]), scale).samples(), plane(&vector["output"]).samples(), "x{scale}");
    }
}

#[test]
fn the_forward_pass_is_the_golden_one() {
    for vector in vectors("forward") {
        let shape: Vec<u32> = numbers(&vector["network"]).iter().map(|&number| number as u32).collect();
        let network = Network::new(shape[0], shape[1], shape[2], shape[3]).unwrap();
        let convolution =
            |value: &Value| Convolution { weight: numbers(&value["weight"]), bias: numbers(&value["bias"]) };
        let convolutions = vector["convolutions"].as_array().unwrap().iter().map(convolution).collect();
        let (weights, lr) = (Weights { network, convolutions }, plane(&vector["lr"]));

        let unit: Vec<f32> = lr.samples().iter().map(|&sample| f32::from(sample) / 255.0).collect();
        let expected = numbers(&vector["output"]);
        let computed = forward(&weights, &unit, lr.width(), lr.height());
        assert_eq!(computed.len(), expected.len());
        for (computed, expected) in computed.iter().zip(&expected) {
            assert!((computed - expected).abs() < 3e-6, "{shape:?}: {computed} instead of {expected}");
        }
        for (computed, expected) in enhance(&weights, &lr).samples().iter().zip(&expected) {
            let expected = (expected * 255.0).clamp(0.0, 255.0);
            assert!((f32::from(*computed) - expected).abs() < 0.501, "{shape:?}: {computed} instead of {expected}");
        }
    }
}

#[test]
fn psnr_and_ssim_are_the_golden_ones() {
    for vector in vectors("measure") {
        let (a, b) = (plane(&vector["a"]), plane(&vector["b"]));
        assert!((psnr_db(&a, &b) - vector["psnr_db"].as_f64().unwrap()).abs() < 1e-9);
        assert!((ssim(&a, &b) - vector["ssim"].as_f64().unwrap()).abs() < 1e-9);
    }
}
