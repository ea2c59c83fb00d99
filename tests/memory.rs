//! Memory depends on the actual data, not on the maximum that a setting allows. Too little memory is an error.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use wgrad::{Dataset, Device, Error, Fit, Init, Loss, Model, Network, Result, Sgd, Trainer, data};

static BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// Larger allocations fail, as on a system without more memory.
static LARGEST: AtomicUsize = AtomicUsize::new(usize::MAX);

struct Counting;

// SAFETY: the system's allocator does all the work, and refusing is allowed.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST.load(Ordering::SeqCst) {
            return std::ptr::null_mut();
        }
        let now = BYTES.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        PEAK.fetch_max(now, Ordering::SeqCst);
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

/// Peak of allocated bytes during `work`, beyond those allocated before, and its result.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = BYTES.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    let result = work();
    (PEAK.load(Ordering::SeqCst) - before, result)
}

/// Runs with no allocation larger than `bytes`.
fn with_at_most<T>(bytes: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    LARGEST.store(bytes, Ordering::SeqCst);
    let result = work();
    LARGEST.store(usize::MAX, Ordering::SeqCst);
    result
}

const MIB: usize = 1 << 20;

fn refused<T>(result: Result<T>, what: &str) {
    match result {
        Err(Error::Memory { what: named, bytes, .. }) => assert!(named.contains(what) && bytes > 0, "{named}: {bytes}"),
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what}: there was memory"),
    }
}

fn builder(network: Network) -> wgrad::trainer::Builder {
    Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Sgd::new(0.1))
}

/// A batch size, and a number of micro-batches per step, beyond the number of rows.
fn a_batch_takes_only_the_memory_of_existing_rows() {
    let data = data::digits();
    let train = |batch: usize, accumulate: usize| {
        let (bytes, history) = peak(|| {
            let network = Network::parse(64, "128 relu 64 relu 10").expect("the text is sound");
            let builder = builder(network).batch(batch).accumulate(accumulate);
            let mut trainer = builder.build(&Device::cpu().threads(1)).expect("a trainer");
            let history = trainer.fit(&data, Fit::epochs(2)).expect("trained");
            // The setting still counts for custom steps and in checkpoints.
            assert!(trainer.checkpoint().is_ok());
            history
        });
        (bytes, history)
    };
    let (exactly, wanted) = train(data.len(), 1);
    for (batch, accumulate) in [(1_000_000, 1), (data.len(), 1000), (1_000_000, 10)] {
        let (bytes, found) = train(batch, accumulate);
        assert_eq!(found, wanted, "batches of {batch}, {accumulate} per step");
        assert!(bytes < exactly + exactly / 20, "{bytes} bytes, and {exactly} for a batch of all rows");
    }
    let (few, _) = train(100, 4);
    assert!(2 * few < exactly, "{few} bytes for batches of 100");
}

fn custom_steps_have_up_to_a_batch_of_rows() {
    let mut trainer =
        builder(Network::input(2).dense(2)).batch(1000).accumulate(2).build(&Device::cpu()).expect("built");
    let step = |trainer: &mut Trainer, rows: usize| {
        trainer
            .step(&vec![0.5; 2 * rows], &vec![1u32; rows])
            .and_then(|loss| loss.value())
            .map_err(|error| error.to_string())
    };
    let few = Dataset::classes("few", 2, &[0.5; 8], &[0, 1, 0, 1], ["a", "b"]).expect("a data set");
    trainer.load(&few).expect("it fits");
    for rows in [1, 999, 1000, 2000] {
        step(&mut trainer, rows).expect("a step");
    }
    let error = step(&mut trainer, 2001).expect_err("too many");
    assert!(error.contains("2001") && error.contains("2000"), "{error}");
}

/// Impossible networks, data sets and batches are refused before any allocation.
fn impossible_sizes_allocate_nothing() {
    let network = Network::input(64).dense(1_000_000).dense(1_000_000);
    let (bytes, refused) = peak(|| builder(network).build(&Device::cpu()).map(drop));
    let error = refused.expect_err("10¹² parameters").to_string();
    assert!(error.contains("number of parameters is 1000066000000") && bytes < MIB, "{error}: {bytes} bytes");
    let network = || Network::input(4).dense(3);
    for (batch, accumulate) in [(usize::MAX, 1), (1 << 40, 1024), (1 << 30, 1)] {
        let builder = builder(network()).batch(batch).accumulate(accumulate);
        let (bytes, refused) = peak(|| builder.build(&Device::cpu()).map(drop));
        let error = refused.expect_err("too many rows").to_string();
        assert!(error.contains("allocation") && error.contains("1073741824") && bytes < MIB, "{error}: {bytes} bytes");
    }
    let (bytes, refused) = peak(|| Dataset::classes("wide", usize::MAX, &[0.5; 4], &[0], ["a", "b"]).map(drop));
    assert!(refused.is_err() && bytes < MIB, "{bytes} bytes");
    let (bytes, refused) = peak(|| Dataset::numbers("wide", 4, &[0.5; 4], usize::MAX, &[0.5]).map(drop));
    assert!(refused.is_err() && bytes < MIB, "{bytes} bytes");
}

/// Wherever users set sizes.
fn too_little_memory_is_an_error() -> Result<()> {
    let cpu = Device::cpu().threads(1);
    // 36 MB of parameters, on the host and on the device.
    let wide = || builder(Network::input(3000).layer(wgrad::Dense::new(3000).init(Init::Zeros)).dense(2)).batch(1);
    refused(with_at_most(16 * MIB, || wide().build(&cpu)), "parameters");
    let trained = wide().build(&cpu)?.into_model()?;
    refused(with_at_most(16 * MIB, || trained.predict(&[0.5; 3000])), "parameters");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    trained.save(&path)?;
    assert!(with_at_most(16 * MIB, || Model::load(&path)).is_err());
    // 40 MB for a data set, and for a batch of it.
    let rows = 1_250_000;
    let (input, classes) = (vec![0.5; 8 * rows], vec![0; rows]);
    refused(with_at_most(16 * MIB, || Dataset::classes("many", 8, &input, &classes, ["a", "b"])), "many");
    let data = Dataset::classes("many", 8, &input, &classes, ["a", "b"])?;
    let mut trainer = builder(Network::input(8).dense(2)).batch(1000).build(&cpu)?;
    refused(with_at_most(16 * MIB, || trainer.load(&data)), "inputs");
    refused(with_at_most(16 * MIB, || trainer.predict(&input)), "inputs");
    // Training continues.
    let few = data.select(&[0, 1, 2]);
    trainer.fit(&few, Fit::epochs(1))?;
    let mut trainer = builder(Network::input(8).dense(64).relu().dense(2)).batch(rows).build(&cpu)?;
    refused(with_at_most(64 * MIB, || trainer.fit(&data, Fit::epochs(1))), "allocation");
    Ok(())
}

/// Time and memory are proportional to the size of the model and to the rows that are predicted.
fn a_deep_network_is_trained_saved_and_used() -> Result<()> {
    let network = (0..2000).fold(Network::input(8), |network, _| network.dense(4).tanh()).dense(2);
    let mut trainer = builder(network).batch(4).build(&Device::cpu())?;
    let data = Dataset::classes("few", 8, &[0.5; 64], &[0, 1, 0, 1, 0, 1, 0, 1], ["a", "b"])?;
    trainer.fit(&data, Fit::epochs(1))?;
    assert_eq!(trainer.steps(), 2);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep.safetensors");
    trainer.model()?.save(&path)?;
    let size = std::fs::metadata(&path).expect("it is there").len() as usize;
    let (bytes, classes) = peak(|| Model::load(&path)?.predict_classes(&[0.5; 8]));
    assert_eq!(classes?.len(), 1);
    assert!(bytes < 40 * size, "{bytes} bytes for a model of {size}");
    Ok(())
}

// A single test, so that no other test allocates at the same time.
#[test]
fn memory_depends_on_the_actual_data() -> Result<()> {
    a_batch_takes_only_the_memory_of_existing_rows();
    custom_steps_have_up_to_a_batch_of_rows();
    impossible_sizes_allocate_nothing();
    too_little_memory_is_an_error()?;
    a_deep_network_is_trained_saved_and_used()
}
