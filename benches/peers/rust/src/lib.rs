//! What the peers share: workloads, data, and the measuring, as in `../python_peer.py` and wgrad's `benches/steps.rs`.

#[cfg(feature = "burn")]
pub mod burn_net;

use std::env;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const WORKLOADS: &str = include_str!("../../../workloads.json");
const BATCHES: usize = 8;
const WARM_UP: usize = 5;
const BLOCK: f64 = 0.25;

/// What the peers' thread pools ask for when they begin.
const THREAD_VARIABLES: [&str; 3] = ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS", "MATMUL_NUM_THREADS"];

/// A network by its sizes, inputs first.
pub struct Workload {
    pub layers: Vec<usize>,
    pub batch: usize,
}

/// Rows one after the other, and the class of each.
pub struct Batch {
    pub x: Vec<f32>,
    pub y: Vec<u32>,
}

pub trait Peer {
    /// One step on a batch.
    fn step(&mut self, batch: usize);
    /// Returns when all steps are done.
    fn wait(&mut self);
}

impl Workload {
    /// The products: forward, weight gradients, and input gradients of all layers but the first.
    fn flops(&self) -> f64 {
        let matmul = |sizes: &[usize]| 2.0 * (self.batch * sizes[0] * sizes[1]) as f64;
        3.0 * self.layers.windows(2).map(matmul).sum::<f64>() - matmul(&self.layers[..2])
    }

    /// Numbers from -1 to 1, and classes, at random (splitmix64).
    fn batches(&self) -> Vec<Batch> {
        let mut state = 0_u64;
        let mut random = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let (inputs, outputs) = (self.layers[0], self.layers[self.layers.len() - 1]);
        let mut batch = || Batch {
            x: (0..self.batch * inputs).map(|_| (random() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect(),
            y: (0..self.batch).map(|_| (random() % outputs as u64) as u32).collect(),
        };
        (0..BATCHES).map(|_| batch()).collect()
    }
}

fn asked<T: std::str::FromStr>(name: &str, usual: T) -> T {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Seconds a step takes, of the median block and of the best.
fn measure(peer: &mut dyn Peer, budget: Duration) -> [f64; 2] {
    let mut number = 0;
    let mut steps = |count: usize| {
        let began = Instant::now();
        for _ in 0..count {
            peer.step(number % BATCHES);
            number += 1;
        }
        peer.wait();
        began.elapsed().as_secs_f64() / count as f64
    };
    steps(WARM_UP);
    let count = ((BLOCK / steps(1)).round() as usize).max(1);
    let (began, mut blocks) = (Instant::now(), Vec::new());
    while blocks.is_empty() || began.elapsed() < budget {
        blocks.push(steps(count));
    }
    blocks.sort_by(f64::total_cmp);
    [blocks[blocks.len() / 2], blocks[0]]
}

/// One JSON line for each workload that is named, or for all. THREADS and BUDGET_S of the environment say how many
/// threads, and how many seconds a workload.
pub fn main(name: &str, make: impl Fn(&Workload, Vec<Batch>) -> Box<dyn Peer>) {
    let (threads, budget) = (asked("THREADS", 2), Duration::from_secs_f64(asked("BUDGET_S", 3.0)));
    for variable in THREAD_VARIABLES {
        // SAFETY: no other thread runs yet.
        unsafe { env::set_var(variable, threads.to_string()) };
    }
    let known: Value = serde_json::from_str(WORKLOADS).expect("workloads.json is JSON");
    let named: Vec<String> = env::args().skip(1).collect();
    let named = if named.is_empty() {
        known.as_object().into_iter().flat_map(|all| all.keys().cloned()).collect()
    } else {
        named
    };
    for workload_name in named {
        let Some(sizes) = known.get(&workload_name) else {
            eprintln!("no workload {workload_name}");
            std::process::exit(2);
        };
        let size = |value: &Value| value.as_u64().expect("sizes are whole numbers") as usize;
        let layers = sizes["layers"].as_array().expect("layers is a list").iter().map(size).collect();
        let workload = Workload { layers, batch: size(&sizes["batch"]) };
        let mut peer = make(&workload, workload.batches());
        let [median, best] = measure(&mut *peer, budget);
        let rounded = |number: f64, unit: f64| (number * unit).round() / unit;
        let line = json!({
            "peer": name, "threads": threads, "workload": workload_name,
            "ms": rounded(median * 1e3, 1e4), "best_ms": rounded(best * 1e3, 1e4),
            "gflops": rounded(workload.flops() / median / 1e9, 1e2),
            "samples_per_s": (workload.batch as f64 / median).round() as u64,
        });
        println!("{line}");
    }
}
