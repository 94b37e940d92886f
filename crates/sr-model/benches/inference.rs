use sr_model::*;
use sr_net::*;
use std::time::Instant;
fn main() {
    sr_model::tune_allocator();
    let mut w = Weights::zero(Network::DEFAULT_X2);
    for c in &mut w.convolutions {
        for (i, v) in c.weight.iter_mut().enumerate() {
            *v = ((i * 7919 % 101) as f32 / 101.0 - 0.5) * 0.1
        }
    }
    let p = Plane::new(640, 360, (0..640 * 360).map(|i| (i * i % 251) as u8).collect()).unwrap();
    for precision in
        [sr_model::Precision::F32, sr_model::Precision::Bf16, sr_model::Precision::F32, sr_model::Precision::Bf16]
    {
        let mut inf = Inference::new(&w, Device::Cpu, precision, 1).unwrap();
        for _ in 0..3 {
            inf.run(&p).unwrap();
        }
        let mut best = f64::MAX;
        let mut all = vec![];
        for _ in 0..40 {
            let t = Instant::now();
            std::hint::black_box(inf.run(&p).unwrap());
            let ms = t.elapsed().as_secs_f64() * 1e3;
            all.push(ms);
            best = best.min(ms);
        }
        all.sort_by(f64::total_cmp);
        println!("{precision}: min {best:.2} median {:.2}", all[20]);
    }
}
