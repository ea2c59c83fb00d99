//! The CPU allocates nothing in training steps and in predictions of single rows; all memory is allocated in advance.

mod common {
    pub mod driver;
    pub mod oracle;
    pub mod problem;
}

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::driver::{Device, Driver, PlanKind};
use common::problem::{Numbers, batch, parameters};
use wgrad::exec::Run;
use wgrad::lower::TrainingSpec;
use wgrad::{Adam, Loss, Network, Standardization, Trainer};

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: the system's allocator does all the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        BYTES.fetch_add(layout.size(), Ordering::SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A large batch and small layers, whose weight gradients are split into slices, with dropout and clipping; a layer whose
/// operands are packed; and a layer with so many rows that slices are added in f64.
fn specs() -> [TrainingSpec; 3] {
    let network = |inputs, text| Network::parse(inputs, text).expect("the text is sound");
    let describe = |network, batch| TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(1e-3), batch);
    let mut small = describe(network(24, "32 tanh dropout(0.2) 32 sigmoid 5"), 1100);
    small.clip_norm = Some(1.0);
    [small, describe(network(200, "300 relu 10"), 96), describe(network(300, "300 relu 10"), 1050)]
}

// A single test, so that no other test allocates at the same time.
#[test]
fn neither_steps_nor_predictions_of_rows_allocate() {
    steps_allocate_nothing();
    predictions_of_rows_allocate_nothing();
}

fn steps_allocate_nothing() {
    for spec in specs() {
        for threads in [1, 2] {
            let mut driver = Driver::new(&spec, PlanKind::Fused, Device::Cpu { threads });
            driver.set(&parameters(&spec.network, 1, Numbers::Real));
            let data = batch(&spec.network, spec.loss, spec.micro_batch, 1, 0, Numbers::Real);
            let steps = driver.feed(&[data]);
            let runs = Run::submission(&steps);
            let mut submit = || driver.executor.submit(&steps, &runs).expect("the host answers");
            (0..3).for_each(|_| submit());
            let before = [&ALLOCATIONS, &BYTES].map(|counter| counter.load(Ordering::SeqCst));
            (0..50).for_each(|_| submit());
            let after = [&ALLOCATIONS, &BYTES].map(|counter| counter.load(Ordering::SeqCst));
            let count = after[0] - before[0];
            assert_eq!(count, 0, "allocations in 50 steps on {threads} threads");
            assert!(after[1] <= before[1], "{threads} threads: {} bytes became {}", before[1], after[1]);
        }
    }
}

/// All kinds of outputs: probabilities of several classes and of one, and numbers in the units of a target.
fn predictions_of_rows_allocate_nothing() {
    let scaling = |columns: usize| Some(Standardization::new(vec![1.0; columns], vec![2.0; columns]).expect("sound"));
    for (loss, layers) in [
        (Loss::softmax_cross_entropy(), "64 relu 64 relu 12"),
        (Loss::binary_cross_entropy(), "64 tanh 64 sigmoid 1"),
        (Loss::mean_squared_error(), "64 relu 300 relu 1"),
    ] {
        let network = Network::parse(8, layers).expect("the text is sound");
        let trainer = Trainer::builder(network).loss(loss).build(&wgrad::Device::cpu());
        let mut model = trainer.and_then(Trainer::into_model).expect("a model");
        model.metadata.preprocessing = scaling(8);
        model.metadata.target_scaling = scaling(1).filter(|_| loss == Loss::mean_squared_error());
        let mut predictor = model.predictor(&wgrad::Device::cpu()).expect("it is sound");
        let mut output = vec![0.0; predictor.outputs()];
        let mut predict = |value: f32| predictor.predict_row(&[value; 8], &mut output).expect("the numbers are finite");
        predict(0.0);
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        (0..100).for_each(|at| predict(at as f32));
        assert_eq!(ALLOCATIONS.load(Ordering::SeqCst) - before, 0, "allocations in 100 rows through {layers}");
    }
}
