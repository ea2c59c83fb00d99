//! Verification of whole networks on the GPU: its counts, and its detection of wrong shaders.

use wgrad::exec::Executor;
use wgrad::exec::gpu::Gpu;
use wgrad::kernels::{dense_forward, dense_grad_weight};
use wgrad::lower::TrainingSpec;
use wgrad::plan::{Kernel, Plan, Tile};
use wgrad::verify::{Report, Verify};
use wgrad::{Adam, Device, Error, Loss, Network};

use crate::common::layered;
use crate::sabotage::tampered;

fn verify(layers: &str, loss: Loss, batch: usize) -> Verify {
    let network = Network::parse(20, layers).expect("the text is sound");
    let spec = TrainingSpec { clip_norm: Some(1.0), ..TrainingSpec::new(network, loss, Adam::new(0.01), batch) };
    Verify::network(&spec).expect("the spec is sound").seed(11)
}

/// A network with and without column counts that are multiples of four, and one without bias.
#[test]
fn networks_are_right_and_counted() {
    let Some(gpu) = layered() else { return };
    let device = Device::from(gpu);
    let mut elements = 0;
    for (layers, loss, batch) in [
        ("36 relu dropout(0.2) 17 tanh 3", Loss::softmax_cross_entropy(), 33),
        ("dense(8, bias=false) sigmoid 1", Loss::binary_cross_entropy(), 8),
    ] {
        let verify = verify(layers, loss, batch).and_primitive();
        let report = verify.run(&device, |_| ()).and_then(Report::into_result).expect("the device is right");
        let wanted = verify.run(&Device::cpu(), |_| ()).expect("the CPU answers");
        assert_eq!(report.elements(), wanted.elements(), "{report}");
        let words = |report: &Report| report.free_runs.iter().map(|run| run.words).collect::<Vec<_>>();
        assert_eq!(words(&report), words(&wanted));
        assert!(report.free_runs.iter().all(|run| run.changed > 100), "{report}");
        assert!(report.header.shaders.ends_with(" texts)") && report.header.driver.is_some(), "{}", report.header);
        elements += report.elements();
    }
    println!("verified on the GPU: {elements} elements compared");
}

#[test]
fn the_shaders_hash_is_that_of_what_is_compiled() {
    let Some(gpu) = layered() else { return };
    let device = Device::from(gpu);
    let hash = |layers: &str| {
        let report = verify(layers, Loss::mean_squared_error(), 4).run(&device, |_| ()).expect("the device answers");
        report.header.shaders
    };
    assert_eq!(hash("4 relu 4"), hash("4 relu 8"), "sizes are parameters");
    assert_ne!(hash("4 relu 4"), hash("5 relu 4"), "five columns are not read four at a time");
    assert_ne!(hash("4 relu 4"), hash("4 tanh 4"), "activations stand in the text");
}

#[test]
fn wrong_shaders_are_named() {
    let Some(gpu) = layered() else { return };
    let faults: [(&'static Kernel, &str, &str, &str); 2] = [
        (&dense_forward::KERNEL, " + four_of_second(params, 0u, column)", "", "gradients op 0 (dense_forward)"),
        (
            &dense_grad_weight::KERNEL,
            "return step.rows;",
            "return step.rows - 1u;",
            "gradients op 3 (dense_grad_weight)",
        ),
    ];
    for (honest, from, to, wanted) in faults {
        let wrong = tampered(honest, &Tile::PLAIN, from, to);
        let make = &mut |mut plan: Plan| {
            plan.set_tiles(|op, _| op.kernel.shader.tiles.map(|_| Tile::PLAIN));
            plan.substitute(|kernel| if kernel.name == wrong.name { wrong } else { kernel });
            Ok(Box::new(Gpu::new(&gpu, plan)?) as Box<dyn Executor>)
        };
        let report =
            verify("7 relu 3", Loss::mean_squared_error(), 9).run_on(make, |_| ()).expect("the device answers");
        match report.into_result() {
            Err(Error::Mismatch { op, .. }) => assert_eq!(op, wanted),
            other => panic!("{from}: {other:?}"),
        }
        println!("caught: {wanted}");
    }
}
